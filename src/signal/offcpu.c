/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal `offcpu`: the user half of bpf/offcpu.bpf.c. Sums are added up in the kernel; they come
 * here when they have to make room there, and at the end.
 *
 *     ring `stacks` --> stacks.h: hash -> stack, who          (told before anything is added to it)
 *                   --> pairs[]:  hash -> who waited, who ended it
 *                   --> sums that made room   \
 *     map `sums`    --> those that are left    > profile_add()
 *     iterator      --> open intervals        /
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/index.h"
#include "base/log.h"
#include "base/text.h"
#include "bpf/offcpu.h"
#include "offcpu.skel.h"
#include "signal/blocked.h"
#include "signal/offcpu.h"
#include "signal/sideband.h"
#include "signal/signal.h"
#include "signal/stacks.h"
#include "signal/unwinder.h"
#include "symbol/kernel_range.h"

#define FRAME_INTERRUPT "[interrupt]"
/* In the place of a stack for which there was no room in the ring. */
#define FRAME_LOST "[stack lost]"

/* Sums whose stack has not come yet: it is still to be walked. */
#define UNRESOLVED_MAX 65536

struct pair {
	uint64_t hash, waited, waker;
	bool in_use; /* as of a meaning */
};

struct signal {
	struct signal_options options;
	struct offcpu_bpf *bpf;
	struct ring_buffer *ring;
	struct stacks *stacks;
	const struct sum *sums; /* mapped: the tables of all CPUs, one after the other */
	size_t nsums;
	const uint64_t *told; /* likewise */
	size_t ntold;
	int possible_cpus;
	struct pair *pairs;
	size_t npairs, pairs_capacity;
	struct index pairs_by_hash;
	struct sum *unresolved;
	size_t nunresolved, unresolved_capacity;
	uint64_t lost_unknown; /* intervals whose stack never came */
	/* Waits without stack: of which the thread is known, and not even that. */
	struct sum without_stack, of_nobody;
};

/* --- pairs --- */

static bool same_pair(const void *key, uint32_t position, const void *context)
{
	const struct signal *s = context;

	return s->pairs[position].hash == *(const uint64_t *)key;
}

static struct pair *find_pair(const struct signal *s, uint64_t hash)
{
	uint32_t i = index_find(&s->pairs_by_hash, hash, &hash, same_pair, s);

	return i == INDEX_NONE ? NULL : &s->pairs[i];
}

static void on_pair(struct signal *s, const struct pair_record *r)
{
	struct pair *known = find_pair(s, r->hash);

	if (known) {
		known->in_use = true;
		return;
	}
	GROW(s->pairs, s->npairs, s->pairs_capacity);
	s->pairs[s->npairs] = (struct pair){ r->hash, r->waited, r->waker, true };
	index_insert(&s->pairs_by_hash, r->hash, (uint32_t)s->npairs++);
}

/* --- stacks of a waiting thread and of its waker, as one --- */

struct joined {
	uint32_t locations[PROFILE_STACK_MAX];
	size_t n;
};

static void join(struct joined *j, uint32_t location)
{
	if (j->n < PROFILE_STACK_MAX)
		j->locations[j->n++] = location;
}

static void join_name(struct signal *s, struct joined *j, const char *name)
{
	join(j, profile_named_location(s->options.profile, 0, name));
}

/* Leaf first: container, thread, the waker's stack from its root to its leaf. */
static bool join_waker(struct signal *s, struct joined *j, uint64_t hash)
{
	struct profile *p = s->options.profile;
	const struct meaning *m = stacks_find(s->stacks, hash);
	const uint32_t *stack;
	size_t n;

	if (hash == WAKER_INTERRUPT) {
		join_name(s, j, FRAME_INTERRUPT);
		return true;
	}
	if (!m)
		return false;
	join_name(s, j, stacks_container(s->stacks, m)->name);
	join(j, profile_named_location(p, 0, profile_str(p, m->thread)));
	stack = profile_get_stack(p, m->stack, &n);
	for (size_t i = n; i-- > 0;)
		join(j, stack[i]);
	return true;
}

static uint32_t join_stacks(struct signal *s, const struct meaning *waited, uint64_t waker)
{
	struct profile *p = s->options.profile;
	struct joined j = { .n = 0 };
	const uint32_t *stack;
	size_t n;

	if (!join_waker(s, &j, waker))
		return waited->stack;
	join_name(s, &j, NAME_WAKER);
	stack = profile_get_stack(p, waited->stack, &n);
	for (size_t i = 0; i < n; i++)
		join(&j, stack[i]);
	return profile_stack(p, j.locations, j.n);
}

/* --- sums --- */

static void add_known(struct signal *s, const struct meaning *m, const struct pair *pair,
		      const struct sum *sum)
{
	const enum ledger_state state = HASH_STATE(sum->hash);
	const struct sample_sink *sink = s->options.sink;
	const int64_t values[] = { (int64_t)sum->count, (int64_t)sum->ns };
	struct profile *p = s->options.profile;
	struct label labels[STACKS_LABELS_MAX];
	uint32_t stack;
	size_t n;

	stacks_count(s->stacks, m, sum->count);
	if (sink) {
		sink->add_state(sink->context, s->stacks, m, state, sum->ns);
		return;
	}
	n = stacks_labels(s->stacks, m, labels);
	labels[n++] = (struct label){ .key = profile_string(p, "state"),
				      .text = profile_string(p, offcpu_state_name(state)) };
	stack = pair ? join_stacks(s, m, pair->waker) : m->stack;
	profile_add(p, stack, profile_labels(p, labels, n), values);
}

static void add_up(struct sum *to, const struct sum *sum)
{
	to->count += sum->count;
	to->ns += sum->ns;
}

/* Who waited, at a stack of which all that is known is that it was lost. */
static bool find_lost(struct signal *s, uint64_t hash, struct meaning *m)
{
	struct profile *p = s->options.profile;
	const struct meaning *thread = stacks_find(s->stacks, hash ^ HASH_LOST);
	uint32_t location;

	if (!thread)
		return false;
	*m = *thread;
	location = profile_named_location(p, 0, FRAME_LOST);
	m->stack = profile_stack(p, &location, 1);
	return true;
}

/* False: what its hash means is not known yet. */
static bool add_sum(struct signal *s, const struct sum *sum)
{
	const struct pair *pair = find_pair(s, HASH_STACK(sum->hash));
	const uint64_t hash = pair ? pair->waited : HASH_STACK(sum->hash);
	const struct meaning *found = stacks_find(s->stacks, hash);
	struct meaning m;

	if (hash == HASH_NOBODY) {
		add_up(&s->of_nobody, sum);
		return true;
	}
	if (found)
		m = *found;
	else if (find_lost(s, hash, &m))
		add_up(&s->without_stack, sum);
	else
		return false;
	add_known(s, &m, pair, sum);
	return true;
}

static void on_sum(struct signal *s, const struct sum *sum)
{
	if (add_sum(s, sum))
		return;
	if (s->nunresolved == UNRESOLVED_MAX) {
		s->lost_unknown += sum->count;
		return;
	}
	GROW(s->unresolved, s->nunresolved, s->unresolved_capacity);
	s->unresolved[s->nunresolved++] = *sum;
}

/* Those whose stack has come meanwhile. */
static void resolve(struct signal *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nunresolved; i++)
		if (!add_sum(s, &s->unresolved[i]))
			s->unresolved[kept++] = s->unresolved[i];
	s->nunresolved = kept;
}

static int on_record(void *context, void *data, size_t size)
{
	const uint8_t *kind = data;
	struct signal *s = context;

	if (stacks_on_record(s->stacks, data, size))
		return 0;
	if (*kind == RECORD_PAIR && size >= sizeof(struct pair_record))
		on_pair(s, data);
	else if (*kind == RECORD_SUM && size >= sizeof(struct sum_record))
		on_sum(s, &((const struct sum_record *)data)->sum);
	return 0;
}

/* --- threads, by the kernel's iterator --- */

typedef void (*open_fn)(struct signal *s, const struct open_record *open);

/* Runs it over all threads; `each`, if not NULL, gets what it writes. 0 or negative errno. */
static int iterate(struct signal *s, const struct bpf_program *program, open_fn each)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	struct open_record records[512];
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int err = 0;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		err = -errno;
	while (!err && (n = read(fd, records, sizeof(records))) != 0) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			err = -errno;
		for (ssize_t i = 0; each && i < n / (ssize_t)sizeof(*records); i++)
			each(s, &records[i]);
	}
	bpf_link__destroy(link);
	return err;
}

/* The recording is over: what has not ended counts up to here. */
static void add_open(struct signal *s, const struct open_record *open)
{
	const struct sum sum = { .hash = open->hash, .ns = open->ns, .count = 1 };
	const enum ledger_state state = HASH_STATE(open->hash);

	if (!open->hash || !(s->options.states & 1U << state) ||
	    (open->ns < s->options.threshold && state != LEDGER_RUNNING))
		return;
	on_sum(s, &sum);
}

/* --- forgetting --- */

static void mark(struct signal *s, uint64_t hash)
{
	struct pair *pair = find_pair(s, HASH_STACK(hash));

	if (pair)
		pair->in_use = true;
	stacks_mark(s->stacks, HASH_STACK(hash));
	stacks_mark(s->stacks, HASH_STACK(hash) ^ HASH_LOST);
}

static void mark_open(struct signal *s, const struct open_record *open)
{
	mark(s, open->hash);
	mark(s, open->running);
	for (size_t i = 0; i < WAITS_KNOWN; i++)
		mark(s, open->known[i]);
}

static void sweep_pairs(struct signal *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->npairs; i++) {
		if (!s->pairs[i].in_use)
			continue;
		stacks_mark(s->stacks, s->pairs[i].waited);
		stacks_mark(s->stacks, s->pairs[i].waited ^ HASH_LOST);
		stacks_mark(s->stacks, s->pairs[i].waker);
		s->pairs[kept] = s->pairs[i];
		s->pairs[kept++].in_use = false;
	}
	s->npairs = kept;
	index_clear(&s->pairs_by_hash);
	for (size_t i = 0; i < kept; i++)
		index_insert(&s->pairs_by_hash, s->pairs[i].hash, (uint32_t)i);
}

static void sweep(struct signal *s)
{
	if (!stacks_are_many(s->stacks, 2 * (s->nsums + s->ntold)) &&
	    s->npairs < 2 * (s->nsums + s->ntold))
		return;
	if (iterate(s, s->bpf->progs.list_threads, mark_open) < 0)
		return; /* nobody knows what is in use: another time */
	for (size_t i = 0; i < s->nsums; i++)
		mark(s, s->sums[i].hash);
	for (size_t i = 0; i < s->ntold; i++)
		mark(s, s->told[i]);
	for (size_t i = 0; i < s->nunresolved; i++)
		mark(s, s->unresolved[i].hash);
	sweep_pairs(s);
	stacks_sweep(s->stacks);
}

/* --- the end --- */

static struct offcpu_counts read_counts(const struct signal *s)
{
	_cleanup_free_ struct offcpu_counts *each = xcalloc((size_t)s->possible_cpus,
							    sizeof(*each));
	struct offcpu_counts all = { 0 };
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.counts), &zero, each) < 0)
		return all;
	for (int i = 0; i < s->possible_cpus; i++) {
		all.skipped += each[i].skipped;
		all.skipped_ns += each[i].skipped_ns;
		all.unknown += each[i].unknown;
	}
	return all;
}

static void note_skipped(const struct signal *s)
{
	const struct offcpu_counts counts = read_counts(s);
	char limit[TEXT_SHORT], number[TEXT_SHORT], time[TEXT_SHORT];
	_cleanup_free_ char *note = NULL;

	if (!counts.skipped)
		return;
	note = xasprintf("threshold: %s waits of less than %s are left out, %s together",
			 text_count(counts.skipped, number),
			 text_duration(s->options.threshold, limit),
			 text_duration(counts.skipped_ns, time));
	profile_note(s->options.profile, note);
}

static void note_lost(const struct signal *s)
{
	char kept[TEXT_SHORT], kept_time[TEXT_SHORT], lost[TEXT_SHORT], lost_time[TEXT_SHORT];
	const struct offcpu_bpf__bss *bss = s->bpf->bss;
	_cleanup_free_ char *note = NULL;

	if (!s->without_stack.count && !s->of_nobody.count && !bss->lost_waits)
		return;
	note = xasprintf("ring of stacks full: %s waits, %s together, are shown at " FRAME_LOST
			 "; %s more, %s together, are left out",
			 text_count(s->without_stack.count, kept),
			 text_duration(s->without_stack.ns, kept_time),
			 text_count(s->of_nobody.count + bss->lost_waits, lost),
			 text_duration(s->of_nobody.ns + bss->lost_ns, lost_time));
	profile_note(s->options.profile, note);
}

static int drain_last(struct signal *s)
{
	int err;

	stacks_finish(s->stacks);
	for (size_t i = 0; i < s->nsums; i++)
		if (s->sums[i].hash)
			on_sum(s, &s->sums[i]);
	err = iterate(s, s->bpf->progs.list_threads, add_open);
	if (err)
		log_warn("waits that have not ended are missing: %s", strerror(-err));
	resolve(s);
	for (size_t i = 0; i < s->nunresolved; i++)
		s->lost_unknown += s->unresolved[i].count;
	note_skipped(s);
	note_lost(s);
	if (!s->options.sink)
		stacks_note(s->stacks);
	return 0;
}

static int offcpu_drain(struct signal *s, bool last)
{
	/* Mappings first: the stacks are read in their light. */
	sideband_drain(s->options.sideband);
	ring_buffer__consume(s->ring);
	if (s->options.unwinder)
		unwinder_work(s->options.unwinder);
	if (last)
		return drain_last(s);
	resolve(s);
	sweep(s);
	return 0;
}

static void offcpu_stop(struct signal *s)
{
	s->bpf->bss->stopped_at = clock_ns(CLOCK_MONOTONIC);
	offcpu_bpf__detach(s->bpf);
}

/* --- open and close --- */

static void describe(struct signal *s)
{
	struct profile *p = s->options.profile;
	const struct value_type types[] = {
		{ profile_string(p, "events"), profile_string(p, "count") },
		{ profile_string(p, "offcpu"), profile_string(p, "nanoseconds") },
	};

	if (s->options.sink)
		return;
	profile_set_types(p, types, ARRAY_SIZE(types));
	profile_head(p)->default_type = types[1].type;
}

/* So that stacks begin where the thread left its CPU, not in the tracepoint; and so that nobody is
 * blamed for what an interrupt did while he ran. */
static void find_kernel_functions(struct signal *s)
{
	struct kernel_range ranges[] = {
		{ .name = "__schedule" },
		{ .name = "try_to_wake_up" },
		{ .name = "__irqentry_text_start", .last = "__irqentry_text_end" },
		{ .name = "__softirqentry_text_start", .last = "__softirqentry_text_end" },
	};

	kernel_ranges_find("/proc/kallsyms", ranges, s->options.wakers ? ARRAY_SIZE(ranges) : 1);
	for (size_t i = 0; i < 2; i++) {
		s->bpf->rodata->entry_start[i] = ranges[i].start;
		s->bpf->rodata->entry_end[i] = ranges[i].end;
		s->bpf->rodata->handler_start[i] = ranges[2 + i].start;
		s->bpf->rodata->handler_end[i] = ranges[2 + i].end;
	}
}

static void configure(struct signal *s)
{
	bool has_storage = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL) > 0;

	s->bpf->rodata->states = s->options.states;
	s->bpf->rodata->threshold = s->options.threshold;
	s->bpf->rodata->with_wakers = s->options.wakers;
	s->bpf->rodata->has_task_storage = has_storage;
	s->bpf->rodata->notes_reads = has_storage;
	bpf_map__set_autocreate(s->bpf->maps.thread_storage, has_storage);
	if (has_storage)
		bpf_map__set_max_entries(s->bpf->maps.threads_by_number, 1);
	bpf_program__set_autoload(s->bpf->progs.on_waking, s->options.wakers);
	find_kernel_functions(s);
	blocked_describe_syscalls((uint8_t *)s->bpf->rodata->syscall_waits);
}

static int load(struct signal *s)
{
	struct stacks_settings settings;
	struct stacks_maps maps;
	int err;

	s->possible_cpus = libbpf_num_possible_cpus();
	if (s->possible_cpus < 0)
		return s->possible_cpus;
	s->bpf = offcpu_bpf__open();
	if (!s->bpf)
		return -errno;
	maps = STACKS_MAPS(s->bpf);
	settings = STACKS_SETTINGS(s->bpf);
	err = stacks_prepare(s->stacks, &maps, &settings, s->possible_cpus);
	if (err)
		return err;
	configure(s);
	s->nsums = (size_t)s->possible_cpus * SUM_SETS * SUM_WAYS;
	s->ntold = (size_t)s->possible_cpus * TOLD_HASH_SETS * TOLD_HASH_WAYS;
	bpf_map__set_max_entries(s->bpf->maps.clock_distances, (uint32_t)s->possible_cpus);
	bpf_map__set_max_entries(s->bpf->maps.sums, (uint32_t)s->possible_cpus * SUM_SETS);
	bpf_map__set_max_entries(s->bpf->maps.told, (uint32_t)s->possible_cpus * TOLD_HASH_SETS);
	bpf_map__set_max_entries(s->bpf->maps.wait_samples,
				 (uint32_t)s->possible_cpus * WAIT_SAMPLES);
	err = offcpu_bpf__load(s->bpf);
	if (!err)
		err = stacks_map_known(s->stacks, &maps);
	if (!err)
		err = stacks_mmap(s->bpf->maps.sums, s->nsums * sizeof(*s->sums), PROT_READ,
				  (void **)&s->sums);
	return err ? err
		   : stacks_mmap(s->bpf->maps.told, s->ntold * sizeof(*s->told), PROT_READ,
				 (void **)&s->told);
}

/* New threads first, so that none slips through between those that are and those that will be. */
static int attach(struct signal *s)
{
	struct bpf_program *const programs[] = {
		s->bpf->progs.on_fork,	 s->bpf->progs.on_new,	  s->bpf->progs.on_switch,
		s->bpf->progs.on_wakeup, s->bpf->progs.on_waking,
	};
	struct bpf_link **const links[] = {
		&s->bpf->links.on_fork,	  &s->bpf->links.on_new,    &s->bpf->links.on_switch,
		&s->bpf->links.on_wakeup, &s->bpf->links.on_waking,
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!bpf_program__autoload(programs[i]))
			continue;
		*links[i] = bpf_program__attach(programs[i]);
		if (!*links[i])
			return -errno;
	}
	return iterate(s, s->bpf->progs.meet_threads, NULL);
}

static void offcpu_close(struct signal *s)
{
	if (!s)
		return;
	ring_buffer__free(s->ring);
	if (s->sums)
		munmap((void *)s->sums, s->nsums * sizeof(*s->sums));
	if (s->told)
		munmap((void *)s->told, s->ntold * sizeof(*s->told));
	offcpu_bpf__destroy(s->bpf);
	stacks_free(s->stacks);
	free(s->pairs);
	index_free(&s->pairs_by_hash);
	free(s->unresolved);
	free(s);
}

static int offcpu_open(const struct signal_options *options, struct signal **out)
{
	struct signal *s = xcalloc(1, sizeof(*s));
	const char *what = "load the programs that follow threads";
	int err;

	s->options = *options;
	s->stacks = stacks_new(&(struct stacks_options){ .signal = &s->options });
	describe(s);
	err = load(s);
	if (!err) {
		what = "map the ring of stacks";
		s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.stacks), on_record, s, NULL);
		err = s->ring ? 0 : -errno;
	}
	if (!err) {
		err = sideband_start(options->sideband);
		if (err) {
			offcpu_close(s);
			return err;
		}
	}
	if (!err) {
		what = "follow threads";
		err = attach(s);
	}
	if (err) {
		log_error("cannot %s: %s ('plimsoll doctor' says what is missing)", what,
			  strerror(-err));
		offcpu_close(s);
		return err;
	}
	*out = s;
	return 0;
}

static int offcpu_fd(const struct signal *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

static size_t offcpu_lost(const struct signal *s, struct lost lost[LOST_MAX])
{
	const struct lost all[] = {
		{ "waits", "the ring of stacks was full",
		  s->of_nobody.count + s->bpf->bss->lost_waits },
		{ "stacks of waits", "their ring was full", s->bpf->bss->lost_ring_full },
		{ "waits", "their stack did not arrive", s->lost_unknown },
		{ "threads", "there was no memory to follow them", read_counts(s).unknown },
		{ "stacks", "the profile was full", stacks_lost(s->stacks) },
		{ "Python parts of stacks", "the interpreter's data could not be read",
		  s->bpf->bss->lost_python_frames },
	};

	return lost_counted(all, ARRAY_SIZE(all), lost);
}

const struct signal_ops offcpu_signal = {
	.name = "offcpu",
	.summary = "what threads wait for, and how long, by stack",
	.waits = true,
	.open = offcpu_open,
	.fd = offcpu_fd,
	.drain = offcpu_drain,
	.stop = offcpu_stop,
	.lost = offcpu_lost,
	.close = offcpu_close,
};
