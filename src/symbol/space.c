/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces and who has them; see space.h. */
#include "symbol/space.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/language.h"
#include "symbol/object.h"

/* An interpreter with many native modules has some hundred; beyond this a process is making fun of
 * us, and what it maps further stays unknown. */
#define MAPS_MAX 8192
/* Processes kept, dead ones included: their last samples may not have been drained yet. At a
 * thousand starts a second this is eight seconds of them. */
#define PROCESSES_MAX 8192
/* How many go when it is full. */
#define PROCESSES_SWEPT (PROCESSES_MAX / 4)

enum map_kind map_kind_of_path(const char *path)
{
	/* The first prefix that fits. */
	static const struct {
		const char *prefix;
		enum map_kind kind;
	} kinds[] = {
		{ "[vdso]", MAP_VDSO },
		{ "[vsyscall]", MAP_VSYSCALL },
		{ "[uprobes]", MAP_UPROBES },
		{ "//", MAP_ANONYMOUS }, /* "//anon" in perf's records */
		{ "/anon_hugepage", MAP_ANONYMOUS },
		{ "/dev/zero", MAP_ANONYMOUS }, /* shared anonymous memory */
		{ "/SYSV", MAP_ANONYMOUS },
		{ "/", MAP_FILE_BACKED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(path, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].kind;
	/* "", "[heap]", "[stack]", "[anon:...]", "anon_inode:..." */
	return MAP_ANONYMOUS;
}

/* --- spaces --- */

struct space *space_new(void)
{
	struct space *space = xcalloc(1, sizeof(*space));

	space->references = 1;
	return space;
}

struct space *space_share(struct space *space)
{
	space->references++;
	return space;
}

void space_drop(struct space *space)
{
	if (!space || --space->references)
		return;
	free(space->maps);
	free(space);
}

static void make_own(struct space **space)
{
	struct space *old = *space, *copy;

	if (old->references == 1)
		return;
	copy = space_new();
	copy->maps = xmalloc(old->n * sizeof(*copy->maps));
	copy->n = copy->capacity = old->n;
	if (old->n)
		memcpy(copy->maps, old->maps, old->n * sizeof(*copy->maps));
	space_drop(old);
	*space = copy;
}

/* Position of the first map that ends above `address`. */
static size_t first_above(const struct space *space, uint64_t address)
{
	size_t low = 0, high = space->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->maps[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct map *space_find(struct space *space, uint64_t address)
{
	size_t i = first_above(space, address);

	return i < space->n && space->maps[i].start <= address ? &space->maps[i] : NULL;
}

static bool same_file(struct object *a, struct object *b)
{
	return a == b || (a && b && object_resolve(a) == object_resolve(b));
}

bool space_equal(const struct space *a, const struct space *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct map *x = &a->maps[i], *y = &b->maps[i];

		if (x->start != y->start || x->end != y->end || x->offset != y->offset ||
		    x->kind != y->kind || !same_file(x->object, y->object))
			return false;
	}
	return true;
}

void space_interpreter(const struct space *space, struct interpreter *out)
{
	*out = (struct interpreter){ .language = LANGUAGE_NONE };
	for (size_t i = 0; i < space->n; i++) {
		const struct map *map = &space->maps[i];
		const struct object *object = map->object ? object_resolve(map->object) : NULL;
		uint64_t bias;

		if (!object || !object->interpreter ||
		    !object_bias(object, map->start, map->end, map->offset, &bias))
			continue;
		*out = *object->interpreter;
		language_place(out, bias);
		return;
	}
}

static void insert(struct space *space, size_t at, const struct map *map)
{
	GROW(space->maps, space->n, space->capacity);
	memmove(&space->maps[at + 1], &space->maps[at], (space->n - at) * sizeof(*map));
	space->maps[at] = *map;
	space->n++;
}

static void move_start(struct map *map, uint64_t start)
{
	map->offset += start - map->start;
	map->start = start;
}

void space_add(struct space **shared, const struct map *map)
{
	struct space *space;
	size_t first, last;

	/* Cutting one mapping in two adds two. */
	if (map->start >= map->end || (*shared)->n + 2 > MAPS_MAX)
		return;
	make_own(shared);
	space = *shared;
	space->range = 0;
	first = first_above(space, map->start);
	if (first < space->n && space->maps[first].start < map->start) {
		struct map *old = &space->maps[first];
		struct map tail = *old;

		old->end = map->start;
		first++;
		if (tail.end > map->end) {
			move_start(&tail, map->end);
			insert(space, first, &tail);
		}
	}
	for (last = first; last < space->n && space->maps[last].end <= map->end;)
		last++;
	if (last < space->n && space->maps[last].start < map->end)
		move_start(&space->maps[last], map->end);
	/* What lay wholly within it goes; one place of theirs is taken by the new one. */
	if (last > first) {
		memmove(&space->maps[first + 1], &space->maps[last],
			(space->n - last) * sizeof(*map));
		space->n -= last - first - 1;
		space->maps[first] = *map;
	} else {
		insert(space, first, map);
	}
}

/* --- processes --- */

static bool equal_pid(const void *key, uint32_t position, const void *context)
{
	const struct processes *processes = context;

	return processes->all[position].pid == *(const pid_t *)key;
}

struct process *processes_find(struct processes *processes, pid_t pid)
{
	uint32_t i = index_find(&processes->by_pid, hash_combine(0, (uint64_t)pid), &pid, equal_pid,
				processes);

	if (i == INDEX_NONE)
		return NULL;
	processes->all[i].used = ++processes->clock;
	return &processes->all[i];
}

/* Dead ones first, then those not used for longest. */
static int by_worth(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	if (x->dead != y->dead)
		return x->dead ? -1 : 1;
	return x->used < y->used ? -1 : x->used > y->used;
}

static void index_again(struct processes *processes)
{
	index_clear(&processes->by_pid);
	for (uint32_t i = 0; i < processes->n; i++)
		index_insert(&processes->by_pid, hash_combine(0, (uint64_t)processes->all[i].pid),
			     i);
}

static void drop_spaces(const struct process *process)
{
	space_drop(process->space);
	space_drop(process->former);
}

static void sweep(struct processes *processes)
{
	qsort(processes->all, processes->n, sizeof(*processes->all), by_worth);
	for (size_t i = 0; i < PROCESSES_SWEPT; i++)
		drop_spaces(&processes->all[i]);
	processes->n -= PROCESSES_SWEPT;
	memmove(processes->all, processes->all + PROCESSES_SWEPT,
		processes->n * sizeof(*processes->all));
	index_again(processes);
}

void processes_forget_dead(struct processes *processes, uint32_t epoch)
{
	size_t kept = 0;

	for (size_t i = 0; i < processes->n; i++) {
		const struct process *process = &processes->all[i];

		if (process->dead && process->died < epoch)
			drop_spaces(process);
		else
			processes->all[kept++] = *process;
	}
	processes->n = kept;
	index_again(processes);
}

void processes_forget_former(struct processes *processes)
{
	for (size_t i = 0; i < processes->n; i++) {
		space_drop(processes->all[i].former);
		processes->all[i].former = NULL;
	}
}

struct process *processes_get(struct processes *processes, pid_t pid)
{
	struct process *process = processes_find(processes, pid);

	if (process)
		return process;
	if (processes->n == PROCESSES_MAX)
		sweep(processes);
	GROW(processes->all, processes->n, processes->capacity);
	process = &processes->all[processes->n];
	*process = (struct process){
		.pid = pid,
		.space = space_new(),
		.used = ++processes->clock,
	};
	index_insert(&processes->by_pid, hash_combine(0, (uint64_t)pid), (uint32_t)processes->n++);
	return process;
}

void process_reset(struct process *process)
{
	drop_spaces(process);
	*process = (struct process){
		.pid = process->pid,
		.changed = process->changed,
		.space = space_new(),
		.used = process->used,
	};
}

void process_exec(struct process *process)
{
	const struct process before = *process;

	process->space = NULL;
	process_reset(process);
	if (before.dead) {
		space_drop(before.space);
		return; /* the number is somebody else's now */
	}
	process->former = before.space;
	process->sampled = before.sampled;
	process->knows_execs = before.knows_execs;
	process->execs = before.execs + 1;
}

void processes_free(struct processes *processes)
{
	for (size_t i = 0; i < processes->n; i++)
		drop_spaces(&processes->all[i]);
	free(processes->all);
	index_free(&processes->by_pid);
}
