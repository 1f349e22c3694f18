/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While a recording runs: keeps up with what processes map, opens what they run, and turns their
 * addresses into locations. See symbol.h; names come later, in name.c.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbol/maps.h"
#include "symbol/state.h"
#include "symbol/vdso.h"

/* An address that misses makes us read /proc/PID/maps again, at most this often; twice as rarely
 * each time that did not help, up to the second. */
#define READ_AGAIN_MS	  250
#define READ_AGAIN_MAX_MS 16000
/* Going through all processes takes a millisecond, and may find everything in use. */
#define SWEEP_AGAIN_MS 1000

struct symbols *symbols_new(const struct symbols_options *options)
{
	struct symbols *s = xcalloc(1, sizeof(*s));

	s->kallsyms = xstrdup(options && options->kallsyms ? options->kallsyms : "/proc/kallsyms");
	s->proc = xstrdup(options && options->proc ? options->proc : "/proc");
	s->debug_root = xstrdup(options && options->debug_root ? options->debug_root
							       : "/usr/lib/debug");
	s->debuginfod = options && options->debuginfod;
	s->languages = languages_new();
	objects_init(&s->objects, s->proc, s->debug_root);
	s->jvms = options && options->jvm_maps ? jvms_new(s->proc) : NULL;
	/* A quarter of the files that may be open. */
	s->jits.fds_max = s->objects.fds_max / 4;
	s->objects.fds_max -= s->jits.fds_max;
	return s;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	processes_free(&s->processes);
	objects_free(&s->objects);
	jits_free(&s->jits);
	jvms_free(s->jvms);
	modules_free(&s->modules);
	languages_free(s->languages);
	for (size_t i = 0; i < s->nheld; i++)
		space_drop(s->held[i]);
	free(s->held);
	free(s->changed);
	free(s->bindings);
	free(s->kallsyms);
	free(s->proc);
	free(s->debug_root);
	free(s);
}

void symbols_next_profile(struct symbols *s, const struct profile *p)
{
	s->profile = p;
	s->epoch++;
	s->nbindings = 0;
	s->kernel_mapping = s->unknown_location = 0;
	languages_next_profile(s->languages);
	s->last_module.start = 0;
}

/* --- room for more --- */

static void mark_space(const struct space *space)
{
	for (size_t i = 0; i < space->n; i++)
		if (space->maps[i].object)
			space->maps[i].object->marked = true;
}

static void mark_in_use(struct symbols *s)
{
	for (size_t i = 0; i < s->processes.n; i++) {
		struct process *process = &s->processes.all[i];

		if (process->jit)
			process->jit->marked = true;
		mark_space(process->space);
		if (process->former)
			mark_space(process->former);
	}
	for (size_t i = 0; i < s->nheld; i++)
		mark_space(s->held[i]);
	for (size_t i = 0; i < s->nbindings; i++) {
		struct binding *binding = &s->bindings[i];

		if (binding->kind == SOURCE_OBJECT || binding->kind == SOURCE_OBJECT_BY_OFFSET)
			binding->object->marked = true;
		if (binding->kind == SOURCE_JIT)
			binding->jit->marked = true;
	}
}

/* Pointers to objects and JITs that no process and no location uses are void afterwards. */
static void sweep(struct symbols *s)
{
	mark_in_use(s);
	objects_sweep(&s->objects);
	jits_sweep(&s->jits);
}

/* Before an object or JIT is added. */
static void make_room(struct symbols *s)
{
	if ((!objects_full(&s->objects) && !jits_full(&s->jits)) ||
	    clock_ms(CLOCK_MONOTONIC_COARSE) < s->next_room)
		return;
	s->next_room = clock_ms(CLOCK_MONOTONIC_COARSE) + SWEEP_AGAIN_MS;
	sweep(s);
}

/* A file held open keeps the file system of a container that is gone from being taken down. The
 * last samples of a process may come in the profile after the one it died in, not later. */
void symbols_end_profile(struct symbols *s)
{
	s->profile = NULL;
	s->nbindings = 0;
	processes_forget_dead(&s->processes, s->epoch);
	processes_forget_former(&s->processes);
	sweep(s);
}

/* --- address spaces by key --- */

static pid_t pid_of(uint64_t key)
{
	return (pid_t)(uint32_t)key;
}

static uint32_t execs_of(uint64_t key)
{
	return (uint32_t)(key >> 32);
}

/* Whose key is not known cannot be told of. */
static void mark_changed(struct symbols *s, struct process *process)
{
	if (process->changed || !process->knows_execs)
		return;
	process->changed = true;
	GROW(s->changed, s->nchanged, s->changed_capacity);
	s->changed[s->nchanged++] = process->pid;
}

static bool is_current(const struct process *process, uint64_t key)
{
	return process->knows_execs && process->execs == execs_of(key);
}

/* The side band has told of the exec that followed. */
static bool is_former(const struct process *process, uint64_t key)
{
	return process->knows_execs && process->former && process->execs == execs_of(key) + 1;
}

bool symbols_expect(struct symbols *s, uint64_t key)
{
	const struct process *process = processes_find(&s->processes, pid_of(key));

	return process && (is_current(process, key) || is_former(process, key));
}

void symbols_on_space(struct symbols *s, uint64_t key)
{
	struct process *process = processes_get(&s->processes, pid_of(key));

	/* What was told of it is about another program: records of the side band were lost. */
	if (process->knows_execs && !is_current(process, key) && !is_former(process, key))
		process_reset(process);
	if (!process->knows_execs) {
		process->knows_execs = true;
		process->execs = execs_of(key);
		mark_changed(s, process);
	}
	symbols_on_process(s, pid_of(key));
}

bool symbols_next_change(struct symbols *s, struct space_change *change)
{
	struct process *process;

	if (!s->nchanged)
		return false;
	*change = (struct space_change){ .pid = s->changed[--s->nchanged], .is_gone = true };
	process = processes_find(&s->processes, change->pid);
	if (!process)
		return true;
	process->changed = false;
	if (process->dead || !process->knows_execs)
		return true;
	change->is_gone = false;
	change->key = (uint64_t)process->execs << 32 | (uint32_t)process->pid;
	change->space = process->space;
	return true;
}

bool symbols_has_space(struct symbols *s, uint64_t key)
{
	const struct process *process = processes_find(&s->processes, pid_of(key));

	return process && !process->dead && is_current(process, key);
}

struct space *symbols_hold_space(struct symbols *s, uint64_t key)
{
	struct process *process = processes_find(&s->processes, pid_of(key));
	struct space *space = NULL;

	if (process && is_current(process, key))
		space = process->space;
	else if (process && is_former(process, key))
		space = process->former;
	if (!space)
		return NULL;
	GROW(s->held, s->nheld, s->held_capacity);
	s->held[s->nheld++] = space;
	return space_share(space);
}

void symbols_release_space(struct symbols *s, struct space *space)
{
	size_t i = 0;

	if (!space)
		return;
	while (s->held[i] != space)
		i++;
	s->held[i] = s->held[--s->nheld];
	space_drop(space);
}

const struct object *symbols_find_object(struct symbols *s, const uint8_t *id, size_t id_size)
{
	return objects_find_open(&s->objects, id, id_size);
}

/* --- what processes map --- */

static void open_map(struct symbols *s, pid_t pid, struct map *map)
{
	const struct object_reach reach = { .pid = pid, .start = map->start, .end = map->end };

	if (!map->object || map->tried || object_resolve(map->object)->state != OBJECT_SEEN)
		return;
	map->tried = true;
	object_open(&s->objects, map->object, &reach);
}

/* Memory that a compiler fills: anonymous, or a file (a memfd) that is none of ELF's. */
static bool is_generated(const struct map *map)
{
	return map->kind == MAP_ANONYMOUS ||
	       (map->object && object_resolve(map->object)->state == OBJECT_NO_ELF);
}

static void open_perf_map(struct symbols *s, struct process *process)
{
	if (!process->jit)
		process->jit = jits_new(&s->jits, process->pid);
	if (process->jit && !process->dead)
		jit_try_open(&s->jits, process->jit, s->proc, clock_ms(CLOCK_MONOTONIC_COARSE));
}

struct learning {
	struct symbols *symbols;
	struct space *space;
	pid_t pid;
};

static void learn_map(const struct maps_line *line, void *context)
{
	struct learning *learning = context;
	struct map map = {
		.start = line->start,
		.end = line->end,
		.offset = line->offset,
		.kind = map_kind_of_path(line->path),
	};

	if (map.kind == MAP_FILE_BACKED) {
		const struct object_key key = { .path = line->path,
						.device = line->device,
						.inode = line->inode };
		const struct object_reach reach = { learning->pid, line->start, line->end };

		map.object = objects_get_live(&learning->symbols->objects, &key, &reach);
	}
	space_add(&learning->space, &map);
}

/* Reads the mappings of a process from /proc; what is known already stays if that fails. */
static void learn(struct symbols *s, struct process *process)
{
	struct learning learning = { .symbols = s, .pid = process->pid };

	int err = -ESRCH;

	make_room(s);
	learning.space = space_new();
	/* The number of a dead one may be somebody else's by now. */
	if (!process->dead)
		err = maps_read(s->proc, process->pid, learn_map, &learning);
	/* One that is just ending, or inside exec, has no mappings for a moment. */
	if (!err && learning.space->n) {
		space_drop(process->space);
		process->space = space_share(learning.space);
		mark_changed(s, process);
	}
	if (err && !process->learned && !process->space->n)
		s->processes_missed++;
	process->learned = true;
	space_drop(learning.space);
}

static void open_all(struct symbols *s, struct process *process)
{
	bool generated = false, is_jvm = false;

	for (size_t i = 0; i < process->space->n; i++) {
		struct map *map = &process->space->maps[i];

		open_map(s, process->pid, map);
		generated |= is_generated(map);
		is_jvm |= map->object && jvm_is_library(map->object->path);
	}
	if (generated)
		open_perf_map(s, process);
	if (is_jvm)
		symbols_meet_jvm(s, process);
}

/* What /proc says is as a rule what is known from the parent, which then stays shared with it. */
static void learn_and_open(struct symbols *s, struct process *process)
{
	struct space *known = space_share(process->space);

	learn(s, process);
	process->sampled = true;
	open_all(s, process);
	if (process->space != known && space_equal(process->space, known)) {
		space_drop(process->space);
		process->space = space_share(known);
	}
	space_drop(known);
	if (process->space->incomplete) {
		process->space->range = 0;
		mark_changed(s, process);
	}
}

void symbols_on_process(struct symbols *s, pid_t pid)
{
	struct process *process = processes_get(&s->processes, pid);

	if (!process->learned)
		learn_and_open(s, process);
}

void symbols_on_map(struct symbols *s, const struct map_event *event)
{
	struct process *process = processes_get(&s->processes, event->pid);
	struct map map = {
		.start = event->start,
		.end = event->start + event->length,
		.offset = event->offset,
		.kind = map_kind_of_path(event->path),
	};

	const struct map *known;

	if (process->dead)
		process_reset(process); /* the number is somebody else's now */
	make_room(s);
	if (map.kind == MAP_FILE_BACKED) {
		const struct object_key key = {
			.path = event->path,
			.device = event->device,
			.inode = event->inode,
			.id = event->build_id_size ? event->build_id : NULL,
			.id_size = MIN(event->build_id_size, (uint32_t)ELF_ID_MAX),
		};

		map.object = objects_get(&s->objects, &key);
	}
	if (process->sampled)
		open_map(s, event->pid, &map);
	if (process->sampled && map.object && jvm_is_library(event->path))
		symbols_meet_jvm(s, process);
	/* Compilers at run time change the protection of what they have mapped for ever. */
	known = space_find(process->space, map.start);
	if (known && known->start == map.start && known->end == map.end &&
	    known->offset == map.offset && known->kind == map.kind && known->object == map.object)
		return;
	space_add(&process->space, &map);
	mark_changed(s, process);
}

void symbols_on_exec(struct symbols *s, pid_t pid)
{
	struct process *process = processes_get(&s->processes, pid);

	process_exec(process);
	mark_changed(s, process);
}

void symbols_on_fork(struct symbols *s, pid_t parent, pid_t child)
{
	struct process *process, *from;

	if (parent == child)
		return; /* a thread */
	process_reset(processes_get(&s->processes, child));
	from = processes_find(&s->processes, parent);
	process = processes_find(&s->processes, child);
	if (!from)
		return;
	space_drop(process->space);
	process->space = space_share(from->space);
	process->knows_execs = from->knows_execs;
	process->execs = from->execs;
	mark_changed(s, process);
}

/* Threads that the process still has, the first one included even if it has exited; 0: it is gone.
 */
static unsigned long count_threads(const struct symbols *s, pid_t pid)
{
	char path[PATH_MAX];
	struct stat st;

	/* fs/proc/base.c, proc_task_getattr(): a link a thread, besides "." and "..". */
	snprintf(path, sizeof(path), "%s/%d/task", s->proc, pid);
	return stat(path, &st) == 0 && st.st_nlink > 2 ? st.st_nlink - 2 : 0;
}

static void bury(struct symbols *s, struct process *process)
{
	process->leaderless = false;
	process->dead = true;
	process->died = s->epoch;
	mark_changed(s, process);
}

/* The first thread of a process may exit before the others. */
void symbols_on_exit(struct symbols *s, pid_t pid)
{
	struct process *process = processes_find(&s->processes, pid);

	if (!process || process->dead)
		return;
	if (process->sampled && count_threads(s, pid) > 1)
		process->leaderless = true;
	else
		bury(s, process);
}

void symbols_tick(struct symbols *s)
{
	for (size_t i = 0; i < s->processes.n; i++) {
		struct process *process = &s->processes.all[i];

		if (process->leaderless && count_threads(s, process->pid) <= 1)
			bury(s, process);
	}
	symbols_tick_jvms(s);
}

/* --- addresses to locations --- */

/* Says where the names of a mapping will come from. Two files that were never opened can look the
 * same in the profile; then neither of them is used, for half of the names would be lies. */
static void bind_mapping(struct symbols *s, uint32_t mapping, const struct binding *binding)
{
	while (s->nbindings <= mapping) {
		GROW(s->bindings, s->nbindings, s->bindings_capacity);
		s->bindings[s->nbindings++] = (struct binding){ .kind = SOURCE_NONE };
	}
	struct binding *old = &s->bindings[mapping];

	if (old->kind == SOURCE_OBJECT_BY_OFFSET && binding->kind == old->kind &&
	    object_resolve(old->object) != object_resolve(binding->object))
		old->kind = SOURCE_NONE;
	else
		*old = *binding;
}

static uint32_t object_mapping(struct symbols *s, struct profile *p, struct object *object,
			       size_t load)
{
	const struct elf_load *l = &object->loads[load];
	char hex[ELF_ID_HEX];

	if (object->epoch != s->epoch) {
		memset(object->mappings, 0, sizeof(object->mappings));
		object->epoch = s->epoch;
	}
	if (!object->mappings[load]) {
		/* Whole pages, as the kernel maps them: pprof expects that of a mapping. */
		uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
		uint64_t slack = MIN(l->offset & (page - 1), l->address);
		const struct mapping mapping = {
			.start = l->address - slack,
			.limit = l->address + l->memory_size,
			.offset = l->offset - slack,
			.file = profile_string(p, object->path),
			.build_id = profile_string(p, elf_id_hex(object->id, object->id_size, hex)),
		};

		object->mappings[load] = profile_mapping(p, &mapping);
		bind_mapping(s, object->mappings[load],
			     &(struct binding){ .kind = SOURCE_OBJECT, .object = object });
	}
	return object->mappings[load];
}

static uint32_t file_location(struct symbols *s, struct profile *p, struct map *map,
			      uint64_t offset)
{
	struct object *object = object_resolve(map->object);
	char hex[ELF_ID_HEX];
	uint64_t address;
	size_t load;

	if (object->state == OBJECT_OPEN && object_address(object, offset, &address, &load))
		return profile_location(p, object_mapping(s, p, object, load), address);

	const struct mapping mapping = {
		.start = map->offset,
		.limit = map->offset + (map->end - map->start),
		.offset = map->offset,
		.file = profile_string(p, object->path),
		.build_id = profile_string(p, elf_id_hex(object->id, object->id_size, hex)),
	};
	uint32_t number = profile_mapping(p, &mapping);

	bind_mapping(s, number,
		     &(struct binding){ .kind = SOURCE_OBJECT_BY_OFFSET, .object = object });
	return profile_location(p, number, offset);
}

static uint32_t jit_location(struct symbols *s, struct profile *p, struct process *process,
			     uint64_t address)
{
	struct jit *jit;
	char id[17];

	open_perf_map(s, process);
	jit = process->jit;
	if (!jit)
		return profile_named_location(p, 0, "[anon]");
	if (jit->epoch != s->epoch) {
		snprintf(id, sizeof(id), "%08x%08x", (unsigned)jit->pid, (unsigned)jit->number);
		const struct mapping mapping = {
			.file = profile_string(p, jit->file),
			.build_id = profile_string(p, id),
			.limit = UINT64_MAX,
		};

		jit->mapping = profile_mapping(p, &mapping);
		jit->epoch = s->epoch;
		bind_mapping(s, jit->mapping, &(struct binding){ .kind = SOURCE_JIT, .jit = jit });
	}
	return profile_location(p, jit->mapping, address);
}

static uint32_t special_location(struct symbols *s, struct profile *p, const struct map *map,
				 uint64_t address)
{
	static const char *const files[] = {
		[MAP_VDSO] = "[vdso]",
		[MAP_VSYSCALL] = "[vsyscall]",
		[MAP_UPROBES] = "[uprobes]",
	};
	/* 32-bit processes live below 4 GiB and have another vDSO than ours. */
	bool is_ours = map->kind == MAP_VDSO && map->start >> 32;
	uint64_t base = is_ours ? map->start : 0;
	const struct mapping mapping = {
		.file = profile_string(p, files[map->kind]),
		.limit = is_ours ? map->end - map->start : UINT64_MAX,
	};
	uint32_t number = profile_mapping(p, &mapping);

	bind_mapping(s, number, &(struct binding){ .kind = is_ours ? SOURCE_VDSO : SOURCE_NONE });
	return profile_location(p, number, address - base);
}

static uint32_t unknown_location(struct symbols *s, struct profile *p)
{
	if (!s->unknown_location)
		s->unknown_location = profile_named_location(p, 0, SYMBOL_UNKNOWN);
	return s->unknown_location;
}

/* An address outside of all we know: mapped since then, and the record of it was lost? */
static struct map *look_again(struct symbols *s, struct process *process, uint64_t address)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC_COARSE);
	struct map *map;

	/* Much garbage is small numbers or kernel addresses, which are nowhere mapped. */
	if (process->dead || address < 4096 || address >> 63 || now < process->next_read)
		return NULL;
	learn(s, process);
	map = space_find(process->space, address);
	if (map) {
		process->read_interval = READ_AGAIN_MS;
		open_all(s, process);
	} else {
		process->read_interval = MIN(MAX(2 * process->read_interval, READ_AGAIN_MS),
					     READ_AGAIN_MAX_MS);
	}
	process->next_read = now + process->read_interval;
	return map;
}

static struct process *find_or_learn(struct symbols *s, pid_t pid)
{
	struct process *process = processes_find(&s->processes, pid);

	if (process)
		return process;
	symbols_on_process(s, pid);
	return processes_find(&s->processes, pid);
}

static uint32_t map_location(struct symbols *s, struct profile *p, struct process *process,
			     struct map *map, uint64_t address)
{
	if (!map)
		return unknown_location(s, p);
	if (is_generated(map))
		return jit_location(s, p, process, address);
	if (map->object)
		return file_location(s, p, map, address - map->start + map->offset);
	if (map->kind == MAP_FILE_BACKED) /* one file too many */
		return unknown_location(s, p);
	return special_location(s, p, map, address);
}

uint32_t symbols_user_location(struct symbols *s, struct profile *p, pid_t pid, uint64_t address,
			       bool is_leaf)
{
	struct process *process;
	struct map *map;

	if (s->profile != p)
		symbols_next_profile(s, p);
	address -= !is_leaf;
	process = find_or_learn(s, pid);
	map = space_find(process->space, address);
	if (!map)
		map = look_again(s, process, address);
	if (map && !process->dead)
		open_map(s, pid, map);
	return map_location(s, p, process, map, address);
}

bool symbols_look_again(struct symbols *s, uint64_t key, uint64_t address)
{
	struct process *process = processes_find(&s->processes, pid_of(key));

	return process && is_current(process, key) && !space_find(process->space, address) &&
	       look_again(s, process, address);
}

uint32_t symbols_space_location(struct symbols *s, struct profile *p, pid_t pid,
				struct space *space, uint64_t address, bool is_leaf)
{
	if (s->profile != p)
		symbols_next_profile(s, p);
	address -= !is_leaf;
	return map_location(s, p, find_or_learn(s, pid), space_find(space, address), address);
}

uint32_t symbols_interpreted_location(struct symbols *s, struct profile *p, pid_t pid,
				      uint64_t word, uint64_t position)
{
	struct interpreter interpreter = { 0 };
	struct process *process;

	if (s->profile != p)
		symbols_next_profile(s, p);
	process = processes_find(&s->processes, pid);
	if (process && !process->dead)
		space_interpreter(process->space, &interpreter);
	return languages_location(
		s->languages, p, pid,
		interpreter.language == FRAME_LANGUAGE(word) ? &interpreter : NULL, word, position);
}

uint32_t symbols_kernel_location(struct symbols *s, struct profile *p, uint64_t address,
				 bool is_leaf)
{
	struct binding binding = { .kind = SOURCE_KERNEL };
	const struct module *module;
	char file[sizeof(module->name) + 2];

	if (s->profile != p)
		symbols_next_profile(s, p);
	address -= !is_leaf;
	module = modules_find(&s->modules, s->proc, address, clock_ms(CLOCK_MONOTONIC_COARSE));
	if (!module) {
		if (!s->kernel_mapping) {
			const struct mapping mapping = {
				.file = profile_string(p, MAPPING_KERNEL),
				.limit = UINT64_MAX,
			};

			s->kernel_mapping = profile_mapping(p, &mapping);
			bind_mapping(s, s->kernel_mapping, &binding);
		}
		return profile_location(p, s->kernel_mapping, address);
	}
	if (s->last_module.start != module->start) {
		snprintf(file, sizeof(file), "[%s]", module->name);
		const struct mapping mapping = {
			.file = profile_string(p, file),
			.start = module->start,
			.limit = module->end,
		};

		s->last_module.start = module->start;
		s->last_module.mapping = profile_mapping(p, &mapping);
		memcpy(binding.module, module->name, sizeof(binding.module));
		bind_mapping(s, s->last_module.mapping, &binding);
	}
	return profile_location(p, s->last_module.mapping, address);
}
