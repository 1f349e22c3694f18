/* SPDX-License-Identifier: Apache-2.0 */
/* What hashes of stacks mean, and whose they are; see stacks.h. */
#include "signal/stacks.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "base/log.h"
#include "base/text.h"
#include "container/watch.h"
#include "signal/sideband.h"
#include "signal/unwinder.h"

/* So much memory may a profile take; what comes then is still counted, by container and thread. */
#define PROFILE_MEMORY_MAX ((size_t)512 << 20)
#define FRAME_TOO_MANY	   "[too many stacks]"
/* In the place of user frames that were called before anybody looked. */
#define FRAME_BEGAN_EARLIER "[began earlier]"

/* The cgroups of processes, which the kernel tells once a process. */
struct process {
	uint64_t number; /* stack_record.process */
	struct identity who;
};

struct processes {
	struct process *array;
	size_t n, capacity;
	struct index by_number;
};

/* When so many are known, the older half is forgotten: see forget_processes(). */
#define PROCESSES_MAX 32768

struct stacks {
	struct stacks_options options;
	struct profile *profile;
	uint64_t *known_processes;     /* mapped: whom the kernel takes for known to us */
	struct processes processes[2]; /* the newer ones, then the older */
	struct meaning *meanings;
	size_t nmeanings, meanings_capacity;
	struct index by_hash;	   /* of meanings */
	uint64_t lost;		   /* stacks that found no room in the profile */
	uint64_t walks[WALK_ENDS]; /* samples by how the walk of their user stack ended */
};

static struct symbols *symbols_of(const struct stacks *s)
{
	return s->options.signal->symbols;
}

/* --- what is known --- */

static bool same_hash(const void *key, uint32_t position, const void *context)
{
	const struct stacks *s = context;

	return s->meanings[position].hash == *(const uint64_t *)key;
}

static struct meaning *find_meaning(struct stacks *s, uint64_t hash)
{
	uint32_t i = index_find(&s->by_hash, hash, &hash, same_hash, s);

	return i == INDEX_NONE ? NULL : &s->meanings[i];
}

const struct meaning *stacks_find(struct stacks *s, uint64_t hash)
{
	return find_meaning(s, hash);
}

static void add_meaning(struct stacks *s, const struct meaning *m)
{
	GROW(s->meanings, s->nmeanings, s->meanings_capacity);
	s->meanings[s->nmeanings] = *m;
	index_insert(&s->by_hash, m->hash, (uint32_t)s->nmeanings++);
}

const struct container *stacks_container(struct stacks *s, const struct meaning *m)
{
	return containers_by_cgroup(s->options.signal->containers, m->who.cgroup_v2,
				    m->who.cgroup_v1);
}

static void add_text(struct profile *p, struct label *labels, size_t *n, const char *key,
		     const char *text)
{
	if (text && *text)
		labels[(*n)++] = (struct label){ .key = profile_string(p, key),
						 .text = profile_string(p, text) };
}

size_t stacks_labels(struct stacks *s, const struct meaning *m,
		     struct label labels[STACKS_LABELS_MAX])
{
	struct profile *p = s->profile;
	const struct container *c = stacks_container(s, m);
	size_t n = 0;

	add_text(p, labels, &n, "container", c->name);
	add_text(p, labels, &n, "container_id", c->id);
	add_text(p, labels, &n, "pod", c->pod);
	add_text(p, labels, &n, "namespace", c->namespace);
	add_text(p, labels, &n, "image", c->image);
	if (c->kind == OWNER_CONTAINER)
		add_text(p, labels, &n, "runtime", c->runtime);
	if (m->comm)
		labels[n++] = (struct label){ .key = profile_string(p, "comm"), .text = m->comm };
	if (m->thread)
		labels[n++] = (struct label){ .key = profile_string(p, "thread"),
					      .text = m->thread };
	labels[n++] = (struct label){ .key = profile_string(p, "pid"), .number = m->pid };
	labels[n++] = (struct label){ .key = profile_string(p, "tid"), .number = m->tid };
	return n;
}

void stacks_count(struct stacks *s, const struct meaning *m, uint64_t count)
{
	s->walks[m->walk_end] += count;
}

bool stacks_are_many(const struct stacks *s, size_t enough)
{
	return s->nmeanings >= enough;
}

void stacks_mark(struct stacks *s, uint64_t hash)
{
	struct meaning *m = hash ? find_meaning(s, hash) : NULL;

	if (m)
		m->in_use = true;
}

void stacks_sweep(struct stacks *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nmeanings; i++) {
		if (!s->meanings[i].in_use)
			continue;
		s->meanings[kept] = s->meanings[i];
		s->meanings[kept++].in_use = false;
	}
	s->nmeanings = kept;
	index_clear(&s->by_hash);
	for (size_t i = 0; i < kept; i++)
		index_insert(&s->by_hash, s->meanings[i].hash, (uint32_t)i);
}

/* --- stacks that are new --- */

/* A sample's stack, from whichever record it came. */
struct raw_stack {
	const struct record_head *head;
	const uint64_t *kernel; /* head->kernel_frames of them */
	const uint64_t *user;	/* bpf/stack.h */
	size_t nuser;
	enum walk_end end;
	struct space *space; /* NULL: the process's as it is now */
};

/*
 * The kernel's own walk goes on with whatever the frame pointer's register held. An address where
 * no code is proves it: that one and all beyond are cut off, and true is returned. Of a process of
 * which nothing is known, the leaf included, nothing is proved.
 */
static bool cut_strays(const struct profile *p, const uint32_t *locations, size_t first, size_t *n)
{
	if (first < *n && !profile_get_location(p, locations[first])->mapping)
		return false;
	for (size_t i = first + 1; i < *n; i++) {
		if (profile_get_location(p, locations[i])->mapping)
			continue;
		*n = i;
		return true;
	}
	return false;
}

static uint32_t user_location(struct stacks *s, const struct raw_stack *raw, uint64_t word,
			      bool is_leaf)
{
	struct profile *p = s->profile;
	pid_t pid = (pid_t)raw->head->pid;

	if (raw->space)
		return symbols_space_location(symbols_of(s), p, pid, raw->space, word, is_leaf);
	return symbols_user_location(symbols_of(s), p, pid, word, is_leaf);
}

/* Appends the user's frames; an interpreted one is two words. */
static size_t user_locations(struct stacks *s, const struct raw_stack *raw, uint32_t *locations,
			     size_t n)
{
	for (size_t i = 0; i < raw->nuser; i++) {
		uint32_t location;

		if (!FRAME_IS_INTERPRETED(raw->user[i]))
			location = user_location(s, raw, raw->user[i], i == 0);
		else if (i + 1 == raw->nuser)
			break; /* its other word found no room */
		else {
			location = symbols_interpreted_location(symbols_of(s), s->profile,
								(pid_t)raw->head->pid, raw->user[i],
								raw->user[i + 1]);
			i++;
		}
		if (location)
			locations[n++] = location;
	}
	return n;
}

static bool is_whole(enum walk_end end)
{
	return end == WALK_WHOLE || end == WALK_NO_USER;
}

static uint32_t intern_stack(struct stacks *s, const struct raw_stack *raw)
{
	uint32_t locations[STACK_FRAMES_MAX + USER_WORDS_MAX + 1];
	struct profile *p = s->profile;
	size_t n = 0, kernel = raw->head->kernel_frames;
	bool truncated = kernel == STACK_FRAMES_MAX;

	if (profile_memory(p) > PROFILE_MEMORY_MAX) {
		s->lost++;
		locations[n++] = profile_named_location(p, 0, FRAME_TOO_MANY);
		return profile_stack(p, locations, n);
	}
	for (size_t i = 0; i < kernel; i++)
		locations[n++] = symbols_kernel_location(symbols_of(s), p, raw->kernel[i], i == 0);
	n = user_locations(s, raw, locations, n);
	if (raw->head->flags & RECORD_BEGAN_EARLIER)
		locations[n++] = profile_named_location(p, 0, FRAME_BEGAN_EARLIER);
	else if (raw->end == WALK_UNCHECKED)
		truncated |= cut_strays(p, locations, kernel, &n);
	else
		truncated |= !is_whole(raw->end);
	if (truncated)
		locations[n++] = profile_named_location(p, 0, FRAME_TRUNCATED);
	return profile_stack(p, locations, n);
}

/* --- processes --- */

static bool same_process(const void *key, uint32_t position, const void *context)
{
	const struct processes *p = context;

	return p->array[position].number == *(const uint64_t *)key;
}

static void free_processes(struct processes *p)
{
	free(p->array);
	index_free(&p->by_number);
	*p = (struct processes){ 0 };
}

/*
 * The kernel is made to tell of everyone anew. Records that it wrote before are still on their way,
 * so the generation that they rely on stays for another round.
 */
static void forget_processes(struct stacks *s)
{
	free_processes(&s->processes[1]);
	s->processes[1] = s->processes[0];
	s->processes[0] = (struct processes){ 0 };
	memset(s->known_processes, 0, KNOWN_PROCESSES * sizeof(*s->known_processes));
}

/* Who wrote the record: as it says itself, or as an earlier one of the process said. */
static struct identity identify(struct stacks *s, const struct record_head *head)
{
	struct processes *newer = &s->processes[0];

	if (!head->who.cgroup_v2 && !head->who.cgroup_v1) {
		for (size_t i = 0; i < ARRAY_SIZE(s->processes); i++) {
			const struct processes *p = &s->processes[i];
			uint32_t found = index_find(&p->by_number, head->process, &head->process,
						    same_process, p);

			if (found != INDEX_NONE)
				return p->array[found].who;
		}
		return head->who;
	}
	if (newer->n >= PROCESSES_MAX)
		forget_processes(s);
	uint32_t found = index_find(&newer->by_number, head->process, &head->process, same_process,
				    newer);
	if (found == INDEX_NONE) {
		GROW(newer->array, newer->n, newer->capacity);
		index_insert(&newer->by_number, head->process, (uint32_t)newer->n);
		newer->array[newer->n++] = (struct process){ head->process, head->who };
	}
	return head->who;
}

/* Reads what the process has mapped, and looks at its cgroup, while they live: the container's name
 * is taken later, when all is known. */
static struct identity learn(struct stacks *s, const struct record_head *head)
{
	struct identity who = identify(s, head);

	containers_by_cgroup(s->options.signal->containers, who.cgroup_v2, who.cgroup_v1);
	/* Keys are for those who ask what changed, and nobody else does. */
	if (head->space && !s->options.signal->unwinder) {
		symbols_on_process(symbols_of(s), (pid_t)head->pid);
	} else if (head->space) {
		/* An exec, or a new process, of which the side band has not been heard yet? */
		if (!symbols_expect(symbols_of(s), head->space))
			sideband_drain(s->options.signal->sideband);
		symbols_on_space(symbols_of(s), head->space);
	}
	return who;
}

static struct meaning mean(struct stacks *s, const struct raw_stack *raw, struct identity who)
{
	const struct record_head *head = raw->head;
	struct profile *p = s->profile;

	return (struct meaning){
		.hash = head->hash,
		.who = who,
		.pid = head->pid,
		.tid = head->tid,
		.stack = intern_stack(s, raw),
		.thread = profile_string_n(p, head->thread,
					   strnlen(head->thread, sizeof(head->thread))),
		.comm = profile_string_n(p, head->comm, strnlen(head->comm, sizeof(head->comm))),
		.walk_end = (uint8_t)raw->end,
		.in_kernel = head->kernel_frames > 0,
		.in_use = true,
	};
}

static void on_stack(struct stacks *s, const struct stack_record *r, size_t size)
{
	const struct raw_stack raw = {
		.head = &r->head,
		.kernel = (const uint64_t *)r->frames,
		.user = (const uint64_t *)r->frames + r->head.kernel_frames,
		.nuser = r->head.user_words,
		.end = r->head.walk_end,
	};
	struct identity who;
	struct meaning *known, new;

	if ((r->head.kernel_frames + r->head.user_words) * sizeof(r->frames[0]) >
	    size - offsetof(struct stack_record, frames))
		return;
	/* Another CPU told of it, or the kernel had forgotten that it did. */
	known = find_meaning(s, r->head.hash);
	if (known) {
		identify(s, &r->head);
		known->in_use = true;
		return;
	}
	who = learn(s, &r->head);
	new = mean(s, &raw, who);
	add_meaning(s, &new);
}

/* A stack that was deferred is walked now. */
static void on_walked(void *context, const struct walked_sample *sample)
{
	const struct raw_stack raw = {
		.head = sample->head,
		.kernel = sample->kernel,
		.user = sample->words,
		.nuser = sample->nwords,
		.end = sample->end,
		.space = sample->space,
	};
	struct stacks *s = context;
	struct meaning m = mean(s, &raw, sample->who);

	if (m.hash)
		add_meaning(s, &m);
	else
		s->options.on_single(s->options.context, &m);
}

static void on_deferred(struct stacks *s, const struct deferred_record *r, size_t size)
{
	unwinder_defer(s->options.signal->unwinder, r, size, learn(s, &r->head), on_walked, s);
}

bool stacks_on_record(struct stacks *s, const void *data, size_t size)
{
	const struct record_head *head = data;

	if (!size || head->kind >= RECORD_KINDS)
		return false;
	if (size < sizeof(*head) || head->walk_end >= WALK_ENDS)
		return true;
	if (head->kind == RECORD_STACK)
		on_stack(s, data, size);
	else if (s->options.signal->unwinder)
		on_deferred(s, data, size);
	return true;
}

/* --- how the walks went --- */

/* Below this share of whole stacks it is worth a warning, if there are enough to speak of one. */
#define WHOLE_PERCENT_LOW 90
#define WHOLE_SAMPLES_MIN 1000

static const char *const walk_ends[WALK_ENDS] = {
	[WALK_DEPTH] = "too deep",
	[WALK_NO_MAPPING] = "no code at a return address",
	[WALK_UNSUPPORTED] = "no rule that fits",
	[WALK_UNREADABLE] = "stack not readable",
	[WALK_NO_PROGRESS] = "no progress",
	[WALK_FRAME_POINTER] = "frame pointer lost",
	[WALK_NO_REGISTERS] = "no registers",
	[WALK_DEFERRED] = "not walked in time",
	[WALK_TOO_EARLY] = "before their tables were there",
	[WALK_UNCHECKED] = "by frame pointers alone",
};

static void note_tables(struct stacks *s)
{
	const struct unwinder_stats stats = unwinder_stats(s->options.signal->unwinder);
	char bytes[TEXT_SHORT], time[TEXT_SHORT], longest[TEXT_SHORT], waiting[TEXT_SHORT];

	log_debug("unwind tables: %llu with %llu rows, %s, built in %s (longest %s) by %llu "
		  "processes; %llu files without, %llu refused, %llu without room; %llu functions "
		  "refused, %llu rows unsupported; %llu address spaces told",
		  (unsigned long long)stats.tables, (unsigned long long)stats.rows,
		  text_bytes(stats.bytes, bytes), text_duration(stats.build_ns, time),
		  text_duration(stats.build_ns_max, longest), (unsigned long long)stats.children,
		  (unsigned long long)stats.without_table, (unsigned long long)stats.refused,
		  (unsigned long long)stats.no_room, (unsigned long long)stats.functions_refused,
		  (unsigned long long)stats.rows_unsupported, (unsigned long long)stats.spaces);
	log_debug("deferred samples: %llu, at most %s at a time; %llu too many, %llu too late",
		  (unsigned long long)stats.deferred, text_bytes(stats.deferred_bytes_max, waiting),
		  (unsigned long long)stats.deferred_full, (unsigned long long)stats.deferred_late);
}

/* How much of a profile is rubble is the first thing to know of it. */
void stacks_note(struct stacks *s)
{
	uint64_t all = 0, whole = s->walks[WALK_WHOLE];
	struct buffer note = { 0 };

	if (!s->options.signal->unwinder) {
		profile_note(s->profile, "stacks: walked by frame pointers");
		return;
	}
	for (size_t i = 0; i < WALK_ENDS; i++)
		all += i == WALK_NO_USER ? 0 : s->walks[i];
	if (!all)
		return;
	buffer_printf(&note, "stacks: %.1f %% whole", 100.0 * (double)whole / (double)all);
	for (size_t i = 0, n = 0; i < WALK_ENDS; i++)
		if (walk_ends[i] && s->walks[i])
			buffer_printf(&note, "%s %llu %s",
				      n++ ? "," : "; not whole:", (unsigned long long)s->walks[i],
				      walk_ends[i]);
	profile_note(s->profile, note.data);
	if (all >= WHOLE_SAMPLES_MIN && whole * 100 < all * WHOLE_PERCENT_LOW)
		log_warn("%s", note.data);
	else
		log_debug("%s", note.data);
	buffer_free(&note);
}

uint64_t stacks_lost(const struct stacks *s)
{
	return s->lost;
}

/* So long may a recording that is over wait for tables, in ms. */
#define TABLES_WAIT_MS 3000

void stacks_finish(struct stacks *s)
{
	if (!s->options.signal->unwinder)
		return;
	unwinder_finish(s->options.signal->unwinder, TABLES_WAIT_MS);
	note_tables(s);
}

/* --- open and close --- */

int stacks_mmap(const struct bpf_map *map, size_t bytes, int protection, void **out)
{
	void *memory = mmap(NULL, bytes, protection, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*out = memory;
	return 0;
}

static int share_tables(struct stacks *s, const struct stacks_maps *maps,
			const struct stacks_settings *settings)
{
	const struct unwind_map_declarations declared = {
		.spaces = maps->unwind_spaces,
		.mappings = maps->unwind_mappings,
		.tables = maps->unwind_tables,
		.rules = maps->unwind_rules,
		.pools = maps->unwind_pools,
		.interpreters = maps->interpreters,
	};

	if (!s->options.signal->unwinder)
		return 0;
	*settings->walk_by_tables = true;
	return unwinder_share(s->options.signal->unwinder, &declared);
}

int stacks_prepare(struct stacks *s, const struct stacks_maps *maps,
		   const struct stacks_settings *settings, int possible_cpus)
{
	const struct watch *watch = s->options.signal->watch;
	uint32_t factor = 1;
	int err;

	while ((int)(factor * SIZED_FOR_CPUS) < possible_cpus && factor < 64)
		factor *= 2;
	bpf_map__set_max_entries(maps->stacks, STACKS_SIZE * factor);
	bpf_map__set_max_entries(maps->deferred, (uint32_t)possible_cpus);
	*settings->ring_high = STACKS_SIZE / 4 * factor;
	*settings->v1_controller = watch_v1_controller(watch);
	*settings->target_mode = watch_target_mode(watch);
	if (getrandom((void *)settings->hash_seed, sizeof(*settings->hash_seed), 0) < 0)
		return -errno;
	err = watch_share_targets(watch, maps->target_cgroups, maps->target_pids);
	return err ? err : share_tables(s, maps, settings);
}

int stacks_map_known(struct stacks *s, const struct stacks_maps *maps)
{
	return stacks_mmap(maps->known_processes, KNOWN_PROCESSES * sizeof(*s->known_processes),
			   PROT_READ | PROT_WRITE, (void **)&s->known_processes);
}

struct stacks *stacks_new(const struct stacks_options *options)
{
	struct stacks *s = xcalloc(1, sizeof(*s));

	s->options = *options;
	s->profile = options->signal->profile;
	return s;
}

void stacks_free(struct stacks *s)
{
	if (!s)
		return;
	if (s->known_processes)
		munmap(s->known_processes, KNOWN_PROCESSES * sizeof(*s->known_processes));
	for (size_t i = 0; i < ARRAY_SIZE(s->processes); i++)
		free_processes(&s->processes[i]);
	free(s->meanings);
	index_free(&s->by_hash);
	free(s);
}
