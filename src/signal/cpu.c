/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal `cpu`: the user half of bpf/cpu.bpf.c. Opens one perf event a CPU, hears of each stack
 * that takes a slot, and gets the counts as slots change hands and at the end.
 *
 *     ring `stacks`  --> meanings[]: hash -> stack, labels     (what the kernel counts now)
 *                    --> evicted hash, count                   --> profile_add()
 *                    --> deferred sample --> unwinder          --> profile_add()
 *     map `sets`     --> hash, count of each, when it is over  --> profile_add()
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "base/log.h"
#include "base/text.h"
#include "bpf/cpu.h"
#include "container/watch.h"
#include "cpu.skel.h"
#include "signal/cpus.h"
#include "signal/sideband.h"
#include "signal/signal.h"
#include "signal/unwinder.h"

/* So much memory may a profile take; what comes then is still counted, by container and thread. */
#define PROFILE_MEMORY_MAX ((size_t)512 << 20)
#define FRAME_TOO_MANY	   "[too many stacks]"

struct event {
	int cpu;
	int fd;
	struct bpf_link *link;
};

/* What a hash stands for, as long as a slot may hold it. */
struct meaning {
	uint64_t hash;
	struct identity who;
	uint32_t pid, tid;
	uint32_t stack;
	uint32_t thread;  /* string */
	uint32_t comm;	  /* string */
	uint8_t walk_end; /* enum walk_end */
	bool in_use;	  /* found in a slot by the last sweep, or told of since */
};

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

/* When so many samples were walked here, the older half goes to the profile. */
#define WALKED_MAX 16384
/* When so many are known, the older half is forgotten: see forget_processes(). */
#define PROCESSES_MAX 32768

struct signal {
	struct signal_options options;
	struct cpu_bpf *bpf;
	struct ring_buffer *ring;
	struct sideband *sideband;
	int epoll;
	uint32_t event_type;
	uint64_t event_config;
	struct event *events;
	size_t nevents, events_capacity;
	const struct slot *slots; /* mapped: the tables of all CPUs, one after the other */
	size_t nslots;
	uint64_t *known_processes;     /* mapped: whom the kernel takes for known to us */
	struct processes processes[2]; /* the newer ones, then the older */
	struct meaning *walked;	       /* samples that no slot counts */
	size_t nwalked, walked_capacity;
	struct meaning *meanings;
	size_t nmeanings, meanings_capacity;
	struct index by_hash;	   /* of meanings */
	uint64_t lost_unknown;	   /* counts whose stack never came */
	uint64_t lost_stacks;	   /* stacks that found no room in the profile */
	uint64_t walks[WALK_ENDS]; /* samples by how the walk of their user stack ended */
};

/* --- counts --- */

static bool same_hash(const void *key, uint32_t position, const void *context)
{
	const struct signal *s = context;

	return s->meanings[position].hash == *(const uint64_t *)key;
}

static struct meaning *find_meaning(struct signal *s, uint64_t hash)
{
	uint32_t i = index_find(&s->by_hash, hash, &hash, same_hash, s);

	return i == INDEX_NONE ? NULL : &s->meanings[i];
}

static void add_text(struct profile *p, struct label *labels, size_t *n, const char *key,
		     const char *text)
{
	if (text && *text)
		labels[(*n)++] = (struct label){ .key = profile_string(p, key),
						 .text = profile_string(p, text) };
}

static uint32_t intern_labels(struct signal *s, const struct meaning *m)
{
	struct profile *p = s->options.profile;
	const struct container *c = containers_by_cgroup(s->options.containers, m->who.cgroup_v2,
							 m->who.cgroup_v1);
	struct label labels[10];
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
	return profile_labels(p, labels, n);
}

static void add_samples(struct signal *s, const struct meaning *m, uint64_t count)
{
	const int64_t values[] = {
		(int64_t)count,
		(int64_t)count * profile_head(s->options.profile)->period,
	};

	s->walks[m->walk_end] += count;
	profile_add(s->options.profile, m->stack, intern_labels(s, m), values);
}

/* A slot was taken over, or the recording is over: what it counted goes to the profile. */
static void add_count(struct signal *s, struct slot slot)
{
	const struct meaning *m;

	if (!slot.count)
		return;
	m = find_meaning(s, slot.hash);
	if (m)
		add_samples(s, m, slot.count);
	else
		s->lost_unknown += slot.count;
}

/* The oldest n of those that were walked here. */
static void add_walked(struct signal *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_samples(s, &s->walked[i], 1);
	s->nwalked -= n;
	memmove(s->walked, s->walked + n, s->nwalked * sizeof(*s->walked));
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

static uint32_t user_location(struct signal *s, const struct raw_stack *raw, uint64_t word,
			      bool is_leaf)
{
	struct profile *p = s->options.profile;
	pid_t pid = (pid_t)raw->head->pid;

	if (raw->space)
		return symbols_space_location(s->options.symbols, p, pid, raw->space, word,
					      is_leaf);
	return symbols_user_location(s->options.symbols, p, pid, word, is_leaf);
}

/* Appends the user's frames; an interpreted one is two words. */
static size_t user_locations(struct signal *s, const struct raw_stack *raw, uint32_t *locations,
			     size_t n)
{
	for (size_t i = 0; i < raw->nuser; i++) {
		uint32_t location;

		if (!FRAME_IS_INTERPRETED(raw->user[i]))
			location = user_location(s, raw, raw->user[i], i == 0);
		else if (i + 1 == raw->nuser)
			break; /* its other word found no room */
		else {
			location = symbols_interpreted_location(
				s->options.symbols, s->options.profile, (pid_t)raw->head->pid,
				raw->user[i], raw->user[i + 1]);
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

static uint32_t intern_stack(struct signal *s, const struct raw_stack *raw)
{
	uint32_t locations[STACK_FRAMES_MAX + USER_WORDS_MAX + 1];
	struct profile *p = s->options.profile;
	size_t n = 0, kernel = raw->head->kernel_frames;
	bool truncated = kernel == STACK_FRAMES_MAX;

	if (profile_memory(p) > PROFILE_MEMORY_MAX) {
		s->lost_stacks++;
		locations[n++] = profile_named_location(p, 0, FRAME_TOO_MANY);
		return profile_stack(p, locations, n);
	}
	for (size_t i = 0; i < kernel; i++)
		locations[n++] = symbols_kernel_location(s->options.symbols, p, raw->kernel[i],
							 i == 0);
	n = user_locations(s, raw, locations, n);
	if (raw->end == WALK_UNCHECKED)
		truncated |= cut_strays(p, locations, kernel, &n);
	else
		truncated |= !is_whole(raw->end);
	if (truncated)
		locations[n++] = profile_named_location(p, 0, FRAME_TRUNCATED);
	return profile_stack(p, locations, n);
}

/*
 * Forgets what no slot holds any more, when as much is remembered as all slots could hold twice
 * over. A hash may have left its slot with its count still on the way through the ring, so one goes
 * only when two sweeps in a row, with the ring emptied in between, did not find it.
 */
static void sweep(struct signal *s)
{
	size_t kept = 0;

	if (s->nmeanings < 2 * s->nslots)
		return;
	for (size_t i = 0; i < s->nslots; i++) {
		uint64_t hash = s->slots[i].hash;
		struct meaning *m = hash ? find_meaning(s, hash) : NULL;

		if (m)
			m->in_use = true;
	}
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
static void forget_processes(struct signal *s)
{
	free_processes(&s->processes[1]);
	s->processes[1] = s->processes[0];
	s->processes[0] = (struct processes){ 0 };
	memset(s->known_processes, 0, KNOWN_PROCESSES * sizeof(*s->known_processes));
}

/* Who wrote the record: as it says itself, or as an earlier one of the process said. */
static struct identity identify(struct signal *s, const struct record_head *head)
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
static struct identity learn(struct signal *s, const struct record_head *head)
{
	struct identity who = identify(s, head);

	containers_by_cgroup(s->options.containers, who.cgroup_v2, who.cgroup_v1);
	/* Keys are for those who ask what changed, and nobody else does. */
	if (head->space && !s->options.unwinder) {
		symbols_on_process(s->options.symbols, (pid_t)head->pid);
	} else if (head->space) {
		/* An exec, or a new process, of which the side band has not been heard yet? */
		if (!symbols_expect(s->options.symbols, head->space))
			sideband_drain(s->sideband);
		symbols_on_space(s->options.symbols, head->space);
	}
	return who;
}

static struct meaning mean(struct signal *s, const struct raw_stack *raw, struct identity who)
{
	const struct record_head *head = raw->head;
	struct profile *p = s->options.profile;

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
		.in_use = true,
	};
}

static void on_stack(struct signal *s, const struct stack_record *r, size_t size)
{
	const struct raw_stack raw = {
		.head = &r->head,
		.kernel = (const uint64_t *)r->frames,
		.user = (const uint64_t *)r->frames + r->head.kernel_frames,
		.nuser = r->head.user_words,
		.end = r->head.walk_end,
	};
	struct identity who;
	struct meaning *known;

	if ((r->head.kernel_frames + r->head.user_words) * sizeof(r->frames[0]) >
	    size - offsetof(struct stack_record, frames))
		return;
	add_count(s, r->head.evicted);
	/* Another CPU told of it, or it comes back after another took its slot. */
	known = find_meaning(s, r->head.hash);
	if (known) {
		identify(s, &r->head);
		known->in_use = true;
		return;
	}
	who = learn(s, &r->head);
	GROW(s->meanings, s->nmeanings, s->meanings_capacity);
	s->meanings[s->nmeanings] = mean(s, &raw, who);
	index_insert(&s->by_hash, r->head.hash, (uint32_t)s->nmeanings++);
}

/* A sample that was deferred is walked now: it is one by itself, no slot counts it. A container
 * that has just started may have no name yet, so it waits for a while like those in slots. */
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
	struct signal *s = context;

	if (s->nwalked >= WALKED_MAX)
		add_walked(s, WALKED_MAX / 2);
	GROW(s->walked, s->nwalked, s->walked_capacity);
	s->walked[s->nwalked++] = mean(s, &raw, sample->who);
}

static void on_deferred(struct signal *s, const struct deferred_record *r, size_t size)
{
	unwinder_defer(s->options.unwinder, r, size, learn(s, &r->head), on_walked, s);
}

static int on_record(void *context, void *data, size_t size)
{
	const struct record_head *head = data;
	struct signal *s = context;

	if (size < sizeof(*head) || head->walk_end >= WALK_ENDS)
		return 0;
	if (head->kind == RECORD_STACK)
		on_stack(s, data, size);
	else if (head->kind == RECORD_DEFERRED && s->options.unwinder)
		on_deferred(s, data, size);
	return 0;
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

static void note_tables(struct signal *s)
{
	const struct unwinder_stats stats = unwinder_stats(s->options.unwinder);
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

/* Kept in the profile; how much of it is rubble is the first thing to know of one. */
static void note_walks(struct signal *s)
{
	uint64_t all = 0, whole = s->walks[WALK_WHOLE];
	struct buffer note = { 0 };

	if (!s->options.unwinder) {
		profile_note(s->options.profile, "stacks: walked by frame pointers");
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
	profile_note(s->options.profile, note.data);
	if (all >= WHOLE_SAMPLES_MIN && whole * 100 < all * WHOLE_PERCENT_LOW)
		log_warn("%s", note.data);
	else
		log_debug("%s", note.data);
	buffer_free(&note);
}

/* So long may a recording that is over wait for tables, in ms. */
#define TABLES_WAIT_MS 3000

static void drain_last(struct signal *s)
{
	if (s->options.unwinder) {
		unwinder_finish(s->options.unwinder, TABLES_WAIT_MS);
		note_tables(s);
	}
	for (size_t i = 0; i < s->nslots; i++)
		add_count(s, s->slots[i]);
	add_walked(s, s->nwalked);
	note_walks(s);
}

static int cpu_drain(struct signal *s, bool last)
{
	/* Mappings first: the stacks are read in their light. */
	sideband_drain(s->sideband);
	ring_buffer__consume(s->ring);
	if (s->options.unwinder)
		unwinder_work(s->options.unwinder);
	if (last)
		drain_last(s);
	else
		sweep(s);
	return 0;
}

/* --- events --- */

static int open_event(const struct signal *s, int cpu)
{
	const unsigned frequency = s->options.frequency;
	struct perf_event_attr attr = {
		.type = s->event_type,
		.size = sizeof(attr),
		.config = s->event_config,
	};

	if (s->event_type == PERF_TYPE_HARDWARE) {
		attr.freq = 1;
		attr.sample_freq = frequency;
	} else {
		/* The clock counts nanoseconds: an exact period rather than a controlled one. */
		attr.sample_period = 1000000000ULL / frequency;
	}
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Virtual machines often have no counters; the clock is always there. */
static void choose_event(struct signal *s)
{
	s->event_type = PERF_TYPE_HARDWARE;
	s->event_config = PERF_COUNT_HW_CPU_CYCLES;
	int fd = open_event(s, 0);

	if (fd >= 0) {
		close(fd);
		return;
	}
	s->event_type = PERF_TYPE_SOFTWARE;
	s->event_config = PERF_COUNT_SW_CPU_CLOCK;
}

static bool has_event(const struct signal *s, int cpu)
{
	for (size_t i = 0; i < s->nevents; i++)
		if (s->events[i].cpu == cpu)
			return true;
	return false;
}

static int attach_cpu(struct signal *s, int cpu)
{
	struct event event = { .cpu = cpu };
	int err;

	event.fd = open_event(s, cpu);
	if (event.fd < 0)
		return event.fd;
	event.link = bpf_program__attach_perf_event(s->bpf->progs.on_sample, event.fd);
	if (!event.link) {
		err = -errno;
		close(event.fd);
		return err;
	}
	GROW(s->events, s->nevents, s->events_capacity);
	s->events[s->nevents++] = event;
	return 0;
}

static int attach_online(struct signal *s, const struct cpus *cpus)
{
	for (int cpu = 0; cpu <= cpus->highest; cpu++) {
		if (!cpus->online[cpu] || has_event(s, cpu))
			continue;
		int err = attach_cpu(s, cpu);

		/* It went offline between our two looks. */
		if (err && err != -ENODEV)
			return err;
	}
	return 0;
}

/* Destroying the link also closes the event. */
static void close_event(struct event *event)
{
	bpf_link__destroy(event->link);
}

static void detach_offline(struct signal *s, const struct cpus *cpus)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nevents; i++) {
		if (cpus->online[s->events[i].cpu])
			s->events[kept++] = s->events[i];
		else
			close_event(&s->events[i]);
	}
	s->nevents = kept;
}

static void cpu_tick(struct signal *s)
{
	struct cpus cpus;
	int err;

	sideband_tick(s->sideband);
	symbols_tick(s->options.symbols);
	if (s->options.unwinder)
		unwinder_tick(s->options.unwinder);
	if (cpus_read(&cpus) < 0)
		return;
	detach_offline(s, &cpus);
	err = attach_online(s, &cpus);
	if (err)
		log_warn("a CPU came online and cannot be sampled: %s", strerror(-err));
}

static void cpu_stop(struct signal *s)
{
	for (size_t i = 0; i < s->nevents; i++)
		ioctl(s->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

/* --- open and close --- */

static void describe(struct signal *s)
{
	struct profile *p = s->options.profile;
	const struct value_type types[] = {
		{ profile_string(p, "samples"), profile_string(p, "count") },
		{ profile_string(p, "cpu"), profile_string(p, "nanoseconds") },
	};
	struct profile_head *head = profile_head(p);

	profile_set_types(p, types, ARRAY_SIZE(types));
	head->period_type = types[1];
	head->period = 1000000000 / s->options.frequency;
	head->default_type = types[1].type;
}

/* Maps for this machine's CPUs. */
static void size_maps(struct signal *s, int possible_cpus)
{
	uint32_t factor = 1;

	while ((int)(factor * SIZED_FOR_CPUS) < possible_cpus && factor < 64)
		factor *= 2;
	bpf_map__set_max_entries(s->bpf->maps.stacks, STACKS_SIZE * factor);
	s->bpf->rodata->ring_high = STACKS_SIZE / 4 * factor;
	s->nslots = (size_t)possible_cpus * SETS * WAYS;
	bpf_map__set_max_entries(s->bpf->maps.sets, (uint32_t)possible_cpus * SETS);
	bpf_map__set_max_entries(s->bpf->maps.deferred, (uint32_t)possible_cpus);
}

static int map_array(const struct bpf_map *map, size_t bytes, int protection, void **out)
{
	void *memory = mmap(NULL, bytes, protection, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*out = memory;
	return 0;
}

static int map_arrays(struct signal *s)
{
	int err = map_array(s->bpf->maps.sets, s->nslots * sizeof(*s->slots), PROT_READ,
			    (void **)&s->slots);

	return err ? err
		   : map_array(s->bpf->maps.known_processes,
			       KNOWN_PROCESSES * sizeof(*s->known_processes),
			       PROT_READ | PROT_WRITE, (void **)&s->known_processes);
}

static int share_tables(struct signal *s)
{
	const struct unwind_map_declarations maps = {
		.spaces = s->bpf->maps.unwind_spaces,
		.mappings = s->bpf->maps.unwind_mappings,
		.tables = s->bpf->maps.unwind_tables,
		.rules = s->bpf->maps.unwind_rules,
		.pools = s->bpf->maps.unwind_pools,
		.interpreters = s->bpf->maps.interpreters,
	};

	if (!s->options.unwinder)
		return 0;
	s->bpf->rodata->walk_by_tables = true;
	return unwinder_share(s->options.unwinder, &maps);
}

static int load(struct signal *s)
{
	int possible_cpus = libbpf_num_possible_cpus(), err;

	if (possible_cpus < 0)
		return possible_cpus;

	s->bpf = cpu_bpf__open();
	if (!s->bpf)
		return -errno;
	s->bpf->rodata->v1_controller = watch_v1_controller(s->options.watch);
	size_maps(s, possible_cpus);
	s->bpf->rodata->target_mode = watch_target_mode(s->options.watch);
	if (getrandom((void *)&s->bpf->rodata->hash_seed, sizeof(s->bpf->rodata->hash_seed), 0) < 0)
		return -errno;
	err = watch_share_targets(s->options.watch, s->bpf->maps.target_cgroups,
				  s->bpf->maps.target_pids);
	if (!err)
		err = share_tables(s);
	if (!err)
		err = cpu_bpf__load(s->bpf);
	return err ? err : map_arrays(s);
}

static int watch_fds(struct signal *s)
{
	const int fds[] = {
		ring_buffer__epoll_fd(s->ring),
		sideband_fd(s->sideband),
		s->options.unwinder ? unwinder_fd(s->options.unwinder) : -1,
	};
	struct epoll_event event = { .events = EPOLLIN };

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return -errno;
	return 0;
}

static void cpu_close(struct signal *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nevents; i++)
		close_event(&s->events[i]);
	free(s->events);
	ring_buffer__free(s->ring);
	sideband_close(s->sideband);
	if (s->slots)
		munmap((void *)s->slots, s->nslots * sizeof(*s->slots));
	if (s->known_processes)
		munmap(s->known_processes, KNOWN_PROCESSES * sizeof(*s->known_processes));
	for (size_t i = 0; i < ARRAY_SIZE(s->processes); i++)
		free_processes(&s->processes[i]);
	cpu_bpf__destroy(s->bpf);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s->walked);
	free(s->meanings);
	index_free(&s->by_hash);
	free(s);
}

static int cpu_open(const struct signal_options *options, struct signal **out)
{
	struct signal *s = xcalloc(1, sizeof(*s));
	const char *what = "load the sampling program";
	struct cpus cpus;
	int err;

	s->options = *options;
	s->epoll = -1;
	describe(s);
	err = cpus_read(&cpus);
	if (!err)
		err = load(s);
	if (!err) {
		what = "map the ring of stacks";
		s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.stacks), on_record, s, NULL);
		err = s->ring ? 0 : -errno;
	}
	if (!err) {
		err = sideband_open(options->symbols, &s->sideband);
		if (err) {
			cpu_close(s);
			return err;
		}
		what = "wait for the kernel";
		err = watch_fds(s);
	}
	if (!err) {
		what = "sample the CPUs";
		choose_event(s);
		err = attach_online(s, &cpus);
	}
	if (err) {
		log_error("cannot %s: %s ('plimsoll doctor' says what is missing)", what,
			  strerror(-err));
		cpu_close(s);
		return err;
	}
	*out = s;
	return 0;
}

static int cpu_fd(const struct signal *s)
{
	return s->epoll;
}

static size_t cpu_lost(const struct signal *s, struct lost lost[LOST_MAX])
{
	const struct lost all[] = {
		{ "samples", "the ring of stacks was full", s->bpf->bss->lost_ring_full },
		{ "samples", "their stack did not arrive", s->lost_unknown },
		{ "stacks", "the profile was full", s->lost_stacks },
		{ "mapping events", "perf's ring was full", sideband_lost(s->sideband) },
		{ "Python parts of stacks", "the interpreter's data could not be read",
		  s->bpf->bss->lost_python_frames },
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].count)
			lost[n++] = all[i];
	return n;
}

const struct signal_ops cpu_signal = {
	.name = "cpu",
	.summary = "where CPU time goes, by sampling stacks",
	.open = cpu_open,
	.fd = cpu_fd,
	.drain = cpu_drain,
	.tick = cpu_tick,
	.stop = cpu_stop,
	.lost = cpu_lost,
	.close = cpu_close,
};
