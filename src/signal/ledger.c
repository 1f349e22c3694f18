/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user half of bpf/ledger.bpf.c: loads it, makes cuts, takes in the sums.
 *
 *     cut --> iterator adds what is open --> sums of a slot, all rows --> what they grew by
 *                                                                          --> totals of its
 * container
 *
 * The kernel's sums only grow, and what each slot had when it was looked at last is remembered
 * here. So a slot may change hands, and the totals of a container outlive its slot.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "container/watch.h"
#include "ledger.skel.h"
#include "signal/blocked.h"
#include "signal/ledger_blame.h"
#include "signal/ledger_reading.h"

/* A cut lies so far ahead that every CPU sees it before it comes to pass, and is waited for until
 * events that happened just before have written down what they found. */
#define CUT_AHEAD  50000 /* ns */
#define CUT_SETTLE 50000

/* Slots: twice as many as there are cgroups and some, in this range, as far as the sums of all CPUs
 * fit in the memory. */
#define SLOTS_SPARE   512
#define SLOTS_LEAST   1024
#define SUMS_SIZE_MAX ((size_t)256 << 20)
/* Accounts where the kernel has no task storage. */
#define THREADS_MAX   65536
#define THREADS_LEAST 4096

/* A slot is given to others so long after its cgroup went: threads that had one foot in the grave
 * are then gone, too. */
#define SLOT_REST ((uint64_t)2000000000)
/* Of so many slots the kernel is asked in a tick whether their cgroups are there; most that go are
 * announced. */
#define SLOTS_A_TICK 64
/* Histograms are 32 bits wide in the kernel, so they are taken in at least this often. */
#define HISTOGRAMS_EVERY ((uint64_t)600000000000)

/* A slot as it was when it was looked at last: the sums of all rows. */
struct slot_seen {
	struct identity owner;		   /* zeroes: nobody's */
	const struct container *container; /* NULL: as above */
	uint64_t gone;			   /* when it was found that its cgroup is; 0: it is not */
	struct ledger_sums sums;
	struct ledger_blocks blocks;
};

struct ledger {
	struct ledger_options options;
	struct ledger_bpf *bpf;
	uint32_t rows, slots;
	const struct ledger_sums *sums; /* mapped: rows of slots */
	const struct ledger_blocks *blocks;
	struct identity *owners;
	struct slot_seen *seen;
	struct totals_table totals;
	struct ledger_blame *blame;
	uint64_t opened;     /* CLOCK_MONOTONIC, ns; like all below */
	uint64_t taken;	     /* the last cut */
	uint64_t histograms; /* when they were taken in last */
	unsigned int phase;  /* that began at the last cut */
	uint32_t next_looked_at;
	bool stopped;
	char *dump; /* what the iterator writes */
	size_t dump_size, dump_capacity;
};

/* --- cuts --- */

static void sleep_until(uint64_t ns)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
				    .tv_nsec = (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void make_cut(struct ledger *l)
{
	l->bpf->bss->previous_cut = l->bpf->bss->cut;
	l->phase = !l->phase;
	l->taken = (clock_ns(CLOCK_MONOTONIC) + CUT_AHEAD) & ~1ULL;
	__atomic_store_n(&l->bpf->bss->cut, LEDGER_CUT(l->taken, l->phase), __ATOMIC_RELEASE);
	sleep_until(l->taken + CUT_SETTLE);
}

/* Has the iterator go through all threads. What it writes is in l->dump then. 0 or negative errno,
 * logged. */
static int collect(struct ledger *l)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(l->bpf->links.collect));
	ssize_t n;

	l->dump_size = 0;
	if (fd < 0) {
		log_error("cannot go through the threads for the ledger: %s", strerror(errno));
		return -errno;
	}
	for (;;) {
		if (l->dump_capacity - l->dump_size < 64 << 10) {
			l->dump_capacity += l->dump_capacity / 2 + (64 << 10);
			l->dump = xreallocarray(l->dump, l->dump_capacity, 1);
		}
		n = read(fd, l->dump + l->dump_size, l->dump_capacity - l->dump_size);
		if (n > 0)
			l->dump_size += (size_t)n;
		else if (n == 0)
			return 0;
		else if (errno != EAGAIN && errno != EINTR)
			break;
	}
	log_error("cannot read the ledger of threads: %s", strerror(errno));
	return -errno;
}

/* --- taking in --- */

/* Adds up the rows of a slot. */
static void add_rows(const struct ledger *l, uint32_t slot, struct ledger_sums *all)
{
	*all = (struct ledger_sums){ 0 };
	for (uint32_t row = 0; row < l->rows; row++) {
		const struct ledger_sums *s = &l->sums[(size_t)row * l->slots + slot];

		for (size_t phase = 0; phase < 2; phase++) {
			for (size_t i = 0; i < LEDGER_SUMS; i++)
				all->ns[phase][i] += s->ns[phase][i];
			all->user_ns[phase] += s->user_ns[phase];
			all->kernel_ns[phase] += s->kernel_ns[phase];
		}
		all->voluntary += s->voluntary;
		all->involuntary += s->involuntary;
		all->migrations += s->migrations;
		all->wakeups += s->wakeups;
		all->began += s->began;
		all->ended += s->ended;
		all->astray += s->astray;
		for (size_t i = 0; i < LEDGER_BUCKETS; i++)
			all->waits[i] += s->waits[i];
	}
}

static void take_in_times(struct totals *to, struct ledger_sums *seen,
			  const struct ledger_sums *now, unsigned int phase)
{
	for (size_t i = 0; i < LEDGER_SUMS; i++) {
		to->ns[i] += now->ns[phase][i] - seen->ns[phase][i];
		seen->ns[phase][i] = now->ns[phase][i];
	}
	to->user_ns += now->user_ns[phase] - seen->user_ns[phase];
	to->kernel_ns += now->kernel_ns[phase] - seen->kernel_ns[phase];
	seen->user_ns[phase] = now->user_ns[phase];
	seen->kernel_ns[phase] = now->kernel_ns[phase];
}

static void take_in_counts(struct totals *to, struct ledger_sums *seen,
			   const struct ledger_sums *now)
{
#define TAKE_IN(count) (to->count += now->count - seen->count, seen->count = now->count)
	TAKE_IN(voluntary);
	TAKE_IN(involuntary);
	TAKE_IN(migrations);
	TAKE_IN(wakeups);
	TAKE_IN(began);
	TAKE_IN(ended);
	TAKE_IN(astray);
#undef TAKE_IN
	for (size_t i = 0; i < LEDGER_BUCKETS; i++) {
		to->waits[i] += (uint32_t)(now->waits[i] - seen->waits[i]);
		seen->waits[i] = now->waits[i];
	}
}

static void take_in_blocks(struct totals *to, struct ledger_blocks *seen,
			   const struct ledger_blocks *blocks)
{
	for (size_t state = 0; state < LEDGER_BLOCKED; state++) {
		for (size_t i = 0; i < LEDGER_BUCKETS; i++) {
			uint32_t now = blocks->count[state][i];

			to->blocks[state][i] += (uint32_t)(now - seen->count[state][i]);
			seen->count[state][i] = now;
		}
	}
}

/* The kernel writes down an owner in two steps; once it is looked up again, it is whole. */
static bool is_owned(const struct ledger *l, uint32_t slot, const struct identity *owner)
{
	uint32_t found;

	return bpf_map_lookup_elem(bpf_map__fd(l->bpf->maps.ledger_slots), owner, &found) == 0 &&
	       found == slot;
}

static bool is_nobody(const struct identity *who)
{
	return !who->cgroup_v1 && !who->cgroup_v2;
}

/*
 * Slots that were given out since. A cgroup is announced before anything can run in it, so what is
 * announced by now names all of them, even those that are gone again; looked up before, they would
 * be the host's for good.
 */
static void meet_owners(struct ledger *l)
{
	bool any = false;

	for (uint32_t slot = LEDGER_SLOT_FIRST; slot < l->slots; slot++) {
		struct identity owner = l->owners[slot];

		if (!is_nobody(&l->seen[slot].owner) || is_nobody(&owner) ||
		    !is_owned(l, slot, &owner))
			continue;
		l->seen[slot].owner = owner;
		any = true;
	}
	if (any)
		watch_drain(l->options.watch);
}

/* Whose slot it is; NULL: nobody's, or of somebody who was not met yet. Asked anew each time, since
 * names may come late. */
static const struct container *owner_of(struct ledger *l, uint32_t slot)
{
	struct containers *containers = l->options.containers;
	struct slot_seen *s = &l->seen[slot];

	if (slot == LEDGER_SLOT_IDLE)
		return NULL;
	if (slot < LEDGER_SLOT_FIRST)
		return containers_host(containers);
	if (is_nobody(&s->owner))
		return NULL;
	s->container = containers_by_cgroup(containers, s->owner.cgroup_v2, s->owner.cgroup_v1);
	return s->container;
}

static const struct container *blame_owner(void *context, uint32_t slot)
{
	const struct ledger *l = context;

	return slot < l->slots ? l->seen[slot].container : NULL;
}

enum { PHASE_0 = 1, PHASE_1 = 2, PHASE_BOTH = 3 };

/* What a slot grew by goes to its container; of times, those of these phases. */
static void take_in_slot(struct ledger *l, uint32_t slot, unsigned int phases)
{
	const struct container *container = owner_of(l, slot);
	struct slot_seen *seen = &l->seen[slot];
	struct ledger_sums now;
	struct totals *to;

	if (!container)
		return;
	to = totals_of(&l->totals, container, slot == LEDGER_SLOT_KERNEL);
	add_rows(l, slot, &now);
	for (unsigned int phase = 0; phase < 2; phase++)
		if (phases & 1U << phase)
			take_in_times(to, &seen->sums, &now, phase);
	take_in_counts(to, &seen->sums, &now);
	take_in_blocks(to, &seen->blocks, &l->blocks[slot]);
}

static void take_in(struct ledger *l, unsigned int phases)
{
	meet_owners(l);
	for (uint32_t slot = 0; slot < l->slots; slot++)
		take_in_slot(l, slot, phases);
	l->histograms = clock_ns(CLOCK_MONOTONIC);
}

/* --- readings --- */

static const struct container *owner_of_dump(struct ledger *l, const struct ledger_dump *d)
{
	const struct container *owner = d->account.slot < l->slots ? owner_of(l, d->account.slot)
								   : NULL;

	return owner ? owner : containers_host(l->options.containers);
}

static void read_threads(struct ledger *l, struct ledger_reading *r)
{
	size_t n = l->dump_size / sizeof(struct ledger_dump);
	const struct ledger_dump *dumps = (const struct ledger_dump *)(void *)l->dump;

	if (l->options.threads)
		r->threads = xcalloc(n + 1, sizeof(*r->threads));
	for (size_t i = 0; i < n; i++) {
		const struct ledger_dump *d = &dumps[i];
		const struct container *container = owner_of_dump(l, d);

		if (LEDGER_STATE(d->account.interval) == LEDGER_RUNNABLE)
			ledger_blame_wait(l->blame, r->blame, d->account.slot, d->account.cpu,
					  LEDGER_SINCE(d->account.interval), r->taken);
		if (l->options.threads)
			r->threads[r->nthreads++] =
				(struct thread_reading){ .dump = *d, .container = container };
	}
}

static void copy_totals(const struct totals_table *from, struct totals_table *to)
{
	for (size_t i = 0; i < from->n; i++)
		*totals_of(to, from->array[i].container, from->array[i].is_kernel) = from->array[i];
}

struct ledger_reading *ledger_read(struct ledger *l)
{
	struct ledger_reading *r = xcalloc(1, sizeof(*r));
	int err;

	if (!l->stopped)
		make_cut(l);
	meet_owners(l);
	/* Blame asks whose slots are that only now turned up. */
	for (uint32_t slot = 0; slot < l->slots; slot++)
		owner_of(l, slot);
	r->blame = ledger_blame_read(l->blame);
	err = r->blame ? collect(l) : -errno;
	if (err) {
		ledger_reading_free(r);
		errno = -err;
		return NULL;
	}
	take_in(l, l->phase ? PHASE_0 : PHASE_1);
	r->taken = l->taken;
	r->without_slot = l->bpf->bss->without_slot;
	copy_totals(&l->totals, &r->totals);
	read_threads(l, r);
	return r;
}

struct ledger_window *ledger_window(struct ledger *l, const struct ledger_reading *from,
				    const struct ledger_reading *to)
{
	const struct ledger_reading start = { .taken = l->opened };
	struct ledger_window *w = window_between(from ? from : &start, to);

	ledger_blame_window(l->blame, from ? from->blame : NULL, to->blame, w);
	return w;
}

/* --- slots that change hands --- */

static void free_slot(struct ledger *l, uint32_t slot)
{
	struct slot_seen *s = &l->seen[slot];

	take_in_slot(l, slot, PHASE_BOTH);
	s->owner = (struct identity){ 0 };
	s->container = NULL;
	s->gone = 0;
	l->owners[slot] = (struct identity){ 0 };
	bpf_map_update_elem(bpf_map__fd(l->bpf->maps.free_slots), NULL, &slot, 0);
}

/* Those whose rest is over. */
static void free_slots(struct ledger *l, uint64_t now)
{
	uint8_t marks[LEDGER_SLOTS_MAX] = { 0 };
	bool any = false;

	for (uint32_t slot = LEDGER_SLOT_FIRST; slot < l->slots; slot++) {
		marks[slot] = l->seen[slot].gone && now - l->seen[slot].gone > SLOT_REST;
		any |= marks[slot];
	}
	/* Not now, if it fails: the tick after will try again. */
	if (!any || ledger_blame_retire(l->blame, marks) < 0)
		return;
	for (uint32_t slot = LEDGER_SLOT_FIRST; slot < l->slots; slot++)
		if (marks[slot])
			free_slot(l, slot);
}

/* Are the cgroups of a task with these ids gone? */
typedef bool (*gone_fn)(const struct containers *containers, uint64_t v2_id, uint64_t v1_id);

static void look_at_slot(struct ledger *l, uint32_t slot, gone_fn is_gone, uint64_t now)
{
	struct slot_seen *s = &l->seen[slot];

	if (s->gone || !is_gone(l->options.containers, s->owner.cgroup_v2, s->owner.cgroup_v1))
		return;
	/* Nobody finds it from now on. */
	bpf_map_delete_elem(bpf_map__fd(l->bpf->maps.ledger_slots), &s->owner);
	s->gone = now;
}

void ledger_tick(struct ledger *l)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (l->stopped)
		return;
	meet_owners(l);
	if (now - l->histograms > HISTOGRAMS_EVERY)
		take_in(l, 0);
	free_slots(l, now);
	for (uint32_t slot = LEDGER_SLOT_FIRST; slot < l->slots; slot++)
		if (owner_of(l, slot))
			look_at_slot(l, slot, containers_cgroups_were_removed, now);
	for (uint32_t i = 0, asked = 0; i < l->slots && asked < SLOTS_A_TICK; i++) {
		uint32_t slot = l->next_looked_at++ % l->slots;

		if (slot < LEDGER_SLOT_FIRST || !owner_of(l, slot))
			continue;
		look_at_slot(l, slot, containers_cgroups_are_gone, now);
		asked++;
	}
}

/* --- open and close --- */

/* Possible threads, from the kernel's own limit. */
static uint32_t count_threads_max(void)
{
	_cleanup_free_ char *text = NULL;
	long n = THREADS_MAX;

	if (read_file("/proc/sys/kernel/threads-max", 64, &text, NULL) == 0)
		n = strtol(text, NULL, 10);
	return (uint32_t)MIN(MAX(n, THREADS_LEAST), THREADS_MAX);
}

static uint32_t count_slots(const struct ledger *l)
{
	size_t wanted = 2 * containers_count_cgroups(l->options.containers) + SLOTS_SPARE;
	size_t slots = SLOTS_LEAST;

	while (slots < LEDGER_SLOTS_MAX && slots < wanted &&
	       2 * slots * l->rows * sizeof(struct ledger_sums) <= SUMS_SIZE_MAX)
		slots *= 2;
	return (uint32_t)slots;
}

static int prepare(struct ledger *l, bool has_task_storage)
{
	struct ledger_bpf *b = l->bpf;
	int err;

	b->rodata->v1_controller = watch_v1_controller(l->options.watch);
	b->rodata->has_task_storage = has_task_storage;
	b->rodata->keep_threads = l->options.threads;
	b->rodata->slots = l->slots;
	b->rodata->rows = l->rows;
	blocked_describe_syscalls((uint8_t *)b->rodata->syscall_waits);
	/* The filter is none of ours: whoever waits needs to know of everybody. */
	bpf_map__set_autocreate(b->maps.target_cgroups, false);
	bpf_map__set_autocreate(b->maps.target_pids, false);
	if (!has_task_storage)
		bpf_map__set_autocreate(b->maps.accounts, false);
	else
		bpf_map__set_autocreate(b->maps.accounts_by_number, false);
	err = ledger_blame_size(b->maps.blame_rings, b->maps.blame_debts, l->rows - 1);
	if (!err)
		err = bpf_map__set_max_entries(b->maps.clock_distances, l->rows - 1);
	if (!err && !has_task_storage)
		err = bpf_map__set_max_entries(b->maps.accounts_by_number, count_threads_max());
	if (!err)
		err = bpf_map__set_max_entries(b->maps.ledger_sums, l->rows * l->slots);
	if (!err)
		err = bpf_map__set_max_entries(b->maps.ledger_blocks, l->slots);
	if (!err)
		err = bpf_map__set_max_entries(b->maps.slot_owners, l->slots);
	if (!err)
		err = bpf_map__set_max_entries(b->maps.ledger_slots, l->slots);
	if (!err)
		err = bpf_map__set_max_entries(b->maps.free_slots, l->slots);
	return err;
}

static int load(struct ledger *l, bool has_task_storage)
{
	int err;

	l->bpf = ledger_bpf__open();
	if (!l->bpf)
		return -errno;
	err = prepare(l, has_task_storage);
	if (!err)
		err = ledger_bpf__load(l->bpf);
	if (err) {
		ledger_bpf__destroy(l->bpf);
		l->bpf = NULL;
	}
	return err;
}

static size_t map_size(const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);

	return (size + page - 1) / page * page;
}

static int map_memory(const struct bpf_map *map, int protection, void *out)
{
	void *memory = mmap(NULL, map_size(map), protection, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*(void **)out = memory;
	return 0;
}

static int map_all(struct ledger *l)
{
	int err = map_memory(l->bpf->maps.ledger_sums, PROT_READ, &l->sums);

	if (!err)
		err = map_memory(l->bpf->maps.ledger_blocks, PROT_READ, &l->blocks);
	if (!err)
		err = map_memory(l->bpf->maps.slot_owners, PROT_READ | PROT_WRITE, &l->owners);
	return err;
}

static int give_slots(const struct ledger *l)
{
	int fd = bpf_map__fd(l->bpf->maps.free_slots);

	for (uint32_t slot = LEDGER_SLOT_FIRST; slot < l->slots; slot++)
		if (bpf_map_update_elem(fd, NULL, &slot, 0) < 0)
			return -errno;
	return 0;
}

static int open_blame(struct ledger *l)
{
	const struct ledger_blame_options options = {
		.sums = bpf_map__fd(l->bpf->maps.ledger_blame),
		.debts = bpf_map__fd(l->bpf->maps.blame_debts),
		.rings = bpf_map__fd(l->bpf->maps.blame_rings),
		.ncpus = l->rows - 1,
		.forgotten = (const uint64_t *)&l->bpf->bss->blame_forgotten,
		.no_room = (const uint64_t *)&l->bpf->bss->blame_no_room,
		.owner = blame_owner,
		.context = l,
	};

	return ledger_blame_open(&options, &l->blame);
}

/* Everything counts from here: what the sums hold by now is not taken in, but left. */
static int begin(struct ledger *l)
{
	int err;

	/* The first time makes the accounts of the threads that are there: until it is through, who
	 * has a CPU may be nobody that blame knows. */
	make_cut(l);
	err = collect(l);
	if (err)
		return err;
	take_in(l, l->phase ? PHASE_0 : PHASE_1);
	make_cut(l);
	l->bpf->data->blame_since = l->taken;
	err = collect(l);
	if (err)
		return err;
	take_in(l, l->phase ? PHASE_0 : PHASE_1);
	totals_free(&l->totals);
	l->opened = l->taken;
	return 0;
}

int ledger_open(const struct ledger_options *options, struct ledger **out)
{
	struct ledger *l = xcalloc(1, sizeof(*l));
	int err = libbpf_num_possible_cpus();

	l->options = *options;
	if (err < 0)
		goto fail;
	l->rows = (uint32_t)err + 1;
	l->slots = count_slots(l);
	l->seen = xcalloc(l->slots, sizeof(*l->seen));
	/* No question tells whether tracing programs may use task storage but trying. */
	err = load(l, true);
	if (err)
		err = load(l, false);
	if (err) {
		log_error("the kernel refuses the ledger: %s ('plimsoll doctor' says what is "
			  "missing)",
			  strerror(-err));
		goto fail_logged;
	}
	err = map_all(l);
	if (!err)
		err = give_slots(l);
	if (!err)
		err = open_blame(l);
	if (!err)
		err = ledger_bpf__attach(l->bpf);
	if (err)
		goto fail;
	err = begin(l);
	if (err)
		goto fail_logged;
	*out = l;
	return 0;
fail:
	log_error("cannot open the ledger: %s", strerror(-err));
fail_logged:
	ledger_close(l);
	return err;
}

void ledger_stop(struct ledger *l)
{
	struct bpf_link **links[] = {
		&l->bpf->links.on_switch, &l->bpf->links.on_wakeup,  &l->bpf->links.on_birth,
		&l->bpf->links.on_fork,	  &l->bpf->links.on_migrate,
	};

	if (l->stopped)
		return;
	make_cut(l);
	l->bpf->data->blame_until = l->taken;
	l->stopped = true;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		bpf_link__destroy(*links[i]);
		*links[i] = NULL;
	}
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	ledger_blame_close(l->blame);
	if (l->bpf) {
		if (l->sums)
			munmap((void *)l->sums, map_size(l->bpf->maps.ledger_sums));
		if (l->blocks)
			munmap((void *)l->blocks, map_size(l->bpf->maps.ledger_blocks));
		if (l->owners)
			munmap(l->owners, map_size(l->bpf->maps.slot_owners));
	}
	ledger_bpf__destroy(l->bpf);
	totals_free(&l->totals);
	free(l->seen);
	free(l->dump);
	free(l);
}
