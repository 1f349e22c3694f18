/* SPDX-License-Identifier: Apache-2.0 */
/* The user half of bpf/blame.bpf.h; see ledger_blame.h. */
#include "signal/ledger_blame.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

/* Sums that are read in one system call. A bucket of the kernel's hash must fit. */
#define BATCH 4096
/* A line for each interrupt of each CPU stands in it, too. */
#define PROC_STAT_MAX (16 << 20)

struct ledger_blame {
	struct ledger_blame_options options;
	struct blame_ring *rings;      /* mapped, of each CPU */
	struct blame_debt *debts;      /* mapped; BLAME_SETS * BLAME_WAYS of each CPU */
	struct blame_table gone;       /* of slots that others have now */
	struct blame_reading *start;   /* only its times matter: what the sums start from */
	struct ledger_blame_key *keys; /* BATCH of them */
	uint64_t *values;
};

const char *party_name(const struct party *party)
{
	static const char *const names[] = {
		[PARTY_CONTAINER] = "[unknown]",     [PARTY_KERNEL] = "[kernel threads]",
		[PARTY_INTERRUPTS] = "[interrupts]", [PARTY_IDLE] = "[wake-up]",
		[PARTY_UNKNOWN] = "[unknown]",
	};

	if (party->kind == PARTY_CONTAINER && party->container)
		return party->container->name;
	return names[party->kind];
}

/* --- tables --- */

static bool is_same_party(const struct party *a, const struct party *b)
{
	return a->kind == b->kind && a->container == b->container;
}

static bool is_same_row(const void *key, uint32_t position, const void *context)
{
	const struct blame *a = key, *b = &((const struct blame_table *)context)->rows[position];

	return a->cpu == b->cpu && is_same_party(&a->victim, &b->victim) &&
	       is_same_party(&a->culprit, &b->culprit);
}

static uint64_t hash_row(const struct blame *row)
{
	const uint64_t words[] = {
		(uintptr_t)row->victim.container,
		(uintptr_t)row->culprit.container,
		(uint64_t)row->victim.kind << 32 | row->culprit.kind,
		row->cpu,
	};

	return hash_bytes(words, sizeof(words));
}

void blame_table_add(struct blame_table *t, const struct blame *row)
{
	uint64_t hash = hash_row(row);
	uint32_t position = index_find(&t->index, hash, row, is_same_row, t);

	if (position != INDEX_NONE) {
		t->rows[position].ns += row->ns;
		return;
	}
	GROW(t->rows, t->n, t->capacity);
	t->rows[t->n] = *row;
	index_insert(&t->index, hash, (uint32_t)t->n++);
}

/* 0 where there is no such row. */
static uint64_t table_get(const struct blame_table *t, const struct blame *row)
{
	uint32_t position = index_find(&t->index, hash_row(row), row, is_same_row, t);

	return position == INDEX_NONE ? 0 : t->rows[position].ns;
}

void blame_table_free(struct blame_table *t)
{
	free(t->rows);
	index_free(&t->index);
	*t = (struct blame_table){ 0 };
}

/* --- parties --- */

static struct party party_of(const struct ledger_blame *b, uint32_t slot)
{
	const struct container *owner;

	switch (slot) {
	case LEDGER_SLOT_NONE:
		return (struct party){ .kind = PARTY_UNKNOWN };
	case LEDGER_SLOT_IDLE:
		return (struct party){ .kind = PARTY_IDLE };
	case LEDGER_SLOT_KERNEL:
		return (struct party){ .kind = PARTY_KERNEL };
	}
	owner = b->options.owner(b->options.context, slot);
	return (struct party){ .kind = owner ? PARTY_CONTAINER : PARTY_UNKNOWN,
			       .container = owner };
}

static void add_slots(const struct ledger_blame *b, struct blame_table *t,
		      const struct ledger_blame_key *key, uint64_t ns)
{
	const struct blame row = {
		.victim = party_of(b, key->victim),
		.culprit = party_of(b, key->culprit),
		.cpu = key->cpu,
		.ns = ns,
	};

	blame_table_add(t, &row);
}

/* --- the kernel's sums --- */

typedef void (*sum_fn)(void *context, const struct ledger_blame_key *key, uint64_t ns);

static size_t count_debts(const struct ledger_blame *b)
{
	return (size_t)b->options.ncpus * BLAME_SETS * BLAME_WAYS;
}

static struct ledger_blame_key key_of_debt(const struct ledger_blame *b, size_t position)
{
	uint64_t pair = __atomic_load_n(&b->debts[position].pair, __ATOMIC_ACQUIRE);

	return (struct ledger_blame_key){
		.victim = BLAME_VICTIM(pair),
		.culprit = BLAME_CULPRIT(pair),
		.cpu = (uint32_t)(position / (BLAME_SETS * BLAME_WAYS)),
	};
}

/* The CPUs' own sums. */
static void each_debt(const struct ledger_blame *b, sum_fn fn, void *context)
{
	for (size_t i = 0; i < count_debts(b); i++) {
		struct ledger_blame_key key = key_of_debt(b, i);
		uint64_t ns = __atomic_load_n(&b->debts[i].ns, __ATOMIC_RELAXED);

		if (ns)
			fn(context, &key, ns);
	}
}

static int each_sum(const struct ledger_blame *b, sum_fn fn, void *context)
{
	uint64_t cursor = 0; /* a bucket's number, 32 bits */
	bool is_first = true;
	int err;

	each_debt(b, fn, context);
	do {
		uint32_t n = BATCH;

		err = bpf_map_lookup_batch(b->options.sums, is_first ? NULL : &cursor, &cursor,
					   b->keys, b->values, &n, NULL);
		if (err && err != -ENOENT)
			return err;
		for (uint32_t i = 0; i < n; i++)
			fn(context, &b->keys[i], b->values[i]);
		is_first = false;
	} while (!err);
	return 0;
}

struct retirement {
	struct ledger_blame *b;
	const uint8_t *marks;
	struct ledger_blame_key *keys;
	size_t n, capacity;
};

static bool is_marked(const uint8_t marks[LEDGER_SLOTS_MAX], const struct ledger_blame_key *key)
{
	return marks[key->victim % LEDGER_SLOTS_MAX] || marks[key->culprit % LEDGER_SLOTS_MAX];
}

static void retire_sum(void *context, const struct ledger_blame_key *key, uint64_t ns)
{
	struct retirement *r = context;
	struct ledger_blame *b = r->b;

	if (!is_marked(r->marks, key))
		return;
	GROW(r->keys, r->n, r->capacity);
	r->keys[r->n++] = *key;
	if (b->gone.n < BLAME_GONE_MAX)
		add_slots(b, &b->gone, key, ns);
	else
		add_slots(b, &b->gone, &(struct ledger_blame_key){ .cpu = key->cpu }, ns);
}

/* The kernel adds nothing to a pair of which one is gone; what is empty it may take at once. */
static void empty_debts(struct ledger_blame *b, const uint8_t marks[LEDGER_SLOTS_MAX])
{
	for (size_t i = 0; i < count_debts(b); i++) {
		struct ledger_blame_key key = key_of_debt(b, i);

		if (!b->debts[i].pair || !is_marked(marks, &key))
			continue;
		__atomic_store_n(&b->debts[i].ns, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&b->debts[i].pair, 0, __ATOMIC_RELEASE);
	}
}

static void forget_run(struct blame_run *run, const uint8_t marks[LEDGER_SLOTS_MAX])
{
	uint32_t slot = __atomic_load_n(&run->slot, __ATOMIC_RELAXED);

	/* Its CPU may be writing another run there. */
	if (marks[slot % LEDGER_SLOTS_MAX])
		__atomic_compare_exchange_n(&run->slot, &slot, LEDGER_SLOT_NONE, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* A wait that goes on since then is not to charge the slots' next owners. */
static void forget_runs(struct ledger_blame *b, const uint8_t marks[LEDGER_SLOTS_MAX])
{
	for (uint32_t cpu = 0; cpu < b->options.ncpus; cpu++) {
		for (size_t i = 0; i < BLAME_RUNS; i++)
			forget_run(&b->rings[cpu].runs[i], marks);
		forget_run(&b->rings[cpu].now, marks);
	}
}

int ledger_blame_retire(struct ledger_blame *b, const uint8_t marks[LEDGER_SLOTS_MAX])
{
	struct retirement r = { .b = b, .marks = marks };
	int err;

	forget_runs(b, marks);
	err = each_sum(b, retire_sum, &r);
	/* Not while the map is gone through: that would lose the place. */
	for (size_t i = 0; i < r.n; i++)
		bpf_map_delete_elem(b->options.sums, &r.keys[i]);
	free(r.keys);
	empty_debts(b, marks);
	return err;
}

/* --- interrupts --- */

/* cpuN user nice system idle iowait irq softirq steal ..., see proc(5). */
static void parse_cpu(const char *line, uint64_t ns_per_tick, uint64_t *stolen, uint32_t ncpus)
{
	unsigned long long irq, softirq, steal = 0;
	unsigned cpu;

	if (sscanf(line, "cpu%u %*u %*u %*u %*u %*u %llu %llu %llu", &cpu, &irq, &softirq,
		   &steal) >= 3 &&
	    cpu < ncpus)
		stolen[cpu] = (irq + softirq + steal) * ns_per_tick;
}

void blame_parse_stolen(const char *text, uint64_t ns_per_tick, uint64_t *stolen, uint32_t ncpus)
{
	/* The lines of CPUs come first. */
	for (const char *line = text; line && strncmp(line, "cpu", 3) == 0;) {
		parse_cpu(line, ns_per_tick, stolen, ncpus);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
}

/* Without /proc/stat nothing is split off. */
static void read_stolen(struct blame_reading *r)
{
	_cleanup_free_ char *text = NULL;
	long ticks = sysconf(_SC_CLK_TCK);

	if (ticks > 0 && read_file("/proc/stat", PROC_STAT_MAX, &text, NULL) == 0)
		blame_parse_stolen(text, 1000000000 / (uint64_t)ticks, r->stolen, r->ncpus);
}

/* --- readings --- */

static struct blame_reading *reading_new(const struct ledger_blame *b)
{
	struct blame_reading *r = xcalloc(1, sizeof(*r));

	r->taken = clock_ns(CLOCK_MONOTONIC);
	r->ncpus = b->options.ncpus;
	r->stolen = xcalloc(r->ncpus, sizeof(*r->stolen));
	read_stolen(r);
	return r;
}

void blame_reading_free(struct blame_reading *r)
{
	if (!r)
		return;
	blame_table_free(&r->table);
	free(r->stolen);
	free(r);
}

struct reader {
	const struct ledger_blame *b;
	struct blame_reading *reading;
};

static void read_sum(void *context, const struct ledger_blame_key *key, uint64_t ns)
{
	struct reader *r = context;

	add_slots(r->b, &r->reading->table, key, ns);
}

struct blame_reading *ledger_blame_read(struct ledger_blame *b)
{
	struct blame_reading *r = reading_new(b);
	struct reader reader = { .b = b, .reading = r };
	int err;

	for (size_t i = 0; i < b->gone.n; i++)
		blame_table_add(&r->table, &b->gone.rows[i]);
	err = each_sum(b, read_sum, &reader);
	if (err) {
		blame_reading_free(r);
		errno = -err;
		return NULL;
	}
	r->forgotten = __atomic_load_n(b->options.forgotten, __ATOMIC_RELAXED);
	r->no_room = __atomic_load_n(b->options.no_room, __ATOMIC_RELAXED);
	return r;
}

/*
 * As blame_walk() in the kernel, but in no hurry. The ring is written meanwhile: a run that began
 * later than the one behind it stands where an older one stood.
 */
void ledger_blame_wait(const struct ledger_blame *b, struct blame_reading *r, uint32_t victim,
		       uint32_t cpu, uint64_t since, uint64_t now)
{
	struct ledger_blame_key key = { .victim = victim, .cpu = cpu };
	const struct blame_ring *ring;
	struct blame_run run;
	uint64_t at, first;

	if (cpu >= b->options.ncpus || since >= now)
		return;
	ring = &b->rings[cpu];
	at = __atomic_load_n(&ring->closed, __ATOMIC_ACQUIRE);
	first = at > BLAME_RUNS ? at - BLAME_RUNS : 0;
	run = ring->now;
	for (uint64_t next = UINT64_MAX; run.since && run.since <= next && since < now;) {
		uint64_t begin = MAX(run.since, since);

		if (begin < now) {
			key.culprit = run.slot;
			add_slots(b, &r->table, &key, now - begin);
			now = begin;
		}
		if (at == first)
			break;
		next = run.since;
		run = ring->runs[--at & (BLAME_RUNS - 1)];
	}
	if (since < now)
		r->forgotten += now - since;
}

/* --- windows --- */

/* What part of each CPU's time was taken by interrupts; the caller frees it. */
static double *stolen_parts(const struct blame_reading *from, const struct blame_reading *to)
{
	double *parts = xcalloc(to->ncpus, sizeof(*parts));

	for (uint32_t i = 0; i < to->ncpus && to->taken > from->taken; i++) {
		double part = ((double)to->stolen[i] - (double)from->stolen[i]) /
			      (double)(to->taken - from->taken);

		parts[i] = MIN(MAX(part, 0.0), 1.0);
	}
	return parts;
}

/* An interrupt takes the CPU from whoever has it, so each of them took that much less. */
static void split_off(struct blame_table *t, struct blame row, double part)
{
	uint64_t stolen = (uint64_t)((double)row.ns * part);

	if (row.culprit.kind == PARTY_UNKNOWN)
		stolen = 0;
	row.ns -= stolen;
	if (row.ns)
		blame_table_add(t, &row);
	row.ns = stolen;
	row.culprit = (struct party){ .kind = PARTY_INTERRUPTS };
	if (row.ns)
		blame_table_add(t, &row);
}

static uint64_t difference(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

void ledger_blame_window(const struct ledger_blame *b, const struct blame_reading *from,
			 const struct blame_reading *to, struct ledger_window *window)
{
	const struct blame_reading *start = from ? from : b->start;
	_cleanup_free_ double *parts = stolen_parts(start, to);
	struct blame_table t = { 0 };

	window->attributed = 0;
	for (size_t i = 0; i < to->table.n; i++) {
		struct blame row = to->table.rows[i];
		uint64_t before = table_get(&start->table, &row);

		/* A wait that was open in one reading and closed in the next may have been looked
		 * at some microseconds later in the first. */
		if (row.ns <= before)
			continue;
		row.ns -= before;
		if (row.culprit.kind != PARTY_UNKNOWN)
			window->attributed += row.ns;
		split_off(&t, row, row.cpu < to->ncpus ? parts[row.cpu] : 0);
	}
	window->waited = 0;
	for (size_t i = 0; i < window->naccounts; i++)
		window->waited += window->accounts[i].ns[ACCOUNT_RUNNABLE];
	window->waited = MAX(window->waited, window->attributed);
	window->forgotten = difference(start->forgotten, to->forgotten);
	window->no_room = difference(start->no_room, to->no_room);
	index_free(&t.index);
	window->blame = t.rows;
	window->nblame = t.n;
}

/* --- open and close --- */

int ledger_blame_size(struct bpf_map *rings, struct bpf_map *debts, uint32_t ncpus)
{
	int err = bpf_map__set_max_entries(rings, ncpus);

	return err ? err : bpf_map__set_max_entries(debts, ncpus * BLAME_SETS);
}

static size_t whole_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

static size_t rings_size(const struct ledger_blame *b)
{
	return whole_pages(b->options.ncpus * sizeof(struct blame_ring));
}

static size_t debts_size(const struct ledger_blame *b)
{
	return whole_pages(count_debts(b) * sizeof(struct blame_debt));
}

/* 0 or negative errno. */
static int map_sums(struct ledger_blame *b)
{
	void *rings, *debts;

	rings = mmap(NULL, rings_size(b), PROT_READ | PROT_WRITE, MAP_SHARED, b->options.rings, 0);
	if (rings == MAP_FAILED)
		return -errno;
	b->rings = rings;
	debts = mmap(NULL, debts_size(b), PROT_READ | PROT_WRITE, MAP_SHARED, b->options.debts, 0);
	if (debts == MAP_FAILED)
		return -errno;
	b->debts = debts;
	return 0;
}

int ledger_blame_open(const struct ledger_blame_options *options, struct ledger_blame **out)
{
	struct ledger_blame *b = xcalloc(1, sizeof(*b));
	int err;

	b->options = *options;
	err = map_sums(b);
	if (err) {
		ledger_blame_close(b);
		return err;
	}
	b->keys = xcalloc(BATCH, sizeof(*b->keys));
	b->values = xcalloc(BATCH, sizeof(*b->values));
	b->start = reading_new(b);
	*out = b;
	return 0;
}

void ledger_blame_close(struct ledger_blame *b)
{
	if (!b)
		return;
	if (b->rings)
		munmap(b->rings, rings_size(b));
	if (b->debts)
		munmap(b->debts, debts_size(b));
	blame_reading_free(b->start);
	blame_table_free(&b->gone);
	free(b->keys);
	free(b->values);
	free(b);
}
