/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is to blame for a wait: the kernel half (bpf/blame.bpf.h), run here with this file as the
 * kernel, and the user half that makes windows of its sums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bpf/ledger.h"
#include "signal/ledger_blame.h"

/* --- the kernel, as far as blame.bpf.h needs one --- */

#define PLIMSOLL_BPF_KERNEL_H
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
#define __noinline
#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) value *name
#define BPF_MAP_TYPE_HASH   1
#define BPF_MAP_TYPE_ARRAY  2
#define BPF_F_MMAPABLE	    1024
#define BPF_NOEXIST	    1

#define CPUS	 2
#define SUMS_MAX 4096

static struct blame_ring rings[CPUS];
static struct blame_debts debts[CPUS * BLAME_SETS];
static struct sum {
	struct ledger_blame_key key;
	uint64_t ns;
} sums[SUMS_MAX];
static size_t nsums, room;
static uint64_t seed;

static void *lookup(const void *map, const void *key);
static long update(const struct ledger_blame_key *key, const u64 *ns);

/* An ordinary generator of pseudo-random numbers (Knuth's MMIX), the same in every run. */
static u32 next_random(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(seed >> 32);
}

#define bpf_map_lookup_elem(map, key)		    lookup(map, key)
#define bpf_map_update_elem(map, key, value, flags) update(key, value)
#define bpf_get_prandom_u32()			    next_random()

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "bpf/blame.bpf.h"
#pragma GCC diagnostic pop

static void *lookup(const void *map, const void *key)
{
	const u32 *position = key;

	if (map == &blame_rings)
		return *position < CPUS ? &rings[*position] : NULL;
	if (map == &blame_debts)
		return *position < CPUS * BLAME_SETS ? &debts[*position] : NULL;
	for (size_t i = 0; i < nsums; i++)
		if (memcmp(&sums[i].key, key, sizeof(sums[i].key)) == 0)
			return &sums[i].ns;
	return NULL;
}

static long update(const struct ledger_blame_key *key, const u64 *ns)
{
	if (nsums == room)
		return -7; /* E2BIG, as a hash map that is full */
	sums[nsums++] = (struct sum){ .key = *key, .ns = *ns };
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memset(rings, 0, sizeof(rings));
	memset(debts, 0, sizeof(debts));
	nsums = 0;
	room = SUMS_MAX;
	seed = 1;
	blame_forgotten = blame_no_room = 0;
	blame_since = 0;
	blame_until = ~0ULL;
	return 0;
}

static struct blame_debt *debt_at(u32 cpu, size_t i)
{
	return &debts[cpu * BLAME_SETS + i / BLAME_WAYS].ways[i % BLAME_WAYS];
}

#define DEBTS (BLAME_SETS * BLAME_WAYS) /* of a CPU */

/* From here on, who comes new is summed up in the map. */
static void fill_debts(void)
{
	for (u32 cpu = 0; cpu < CPUS; cpu++)
		for (size_t i = 0; i < DEBTS; i++)
			if (!debt_at(cpu, i)->pair)
				debt_at(cpu, i)->pair = BLAME_PAIR(LEDGER_SLOTS_MAX, 0);
}

static uint64_t charged(u32 victim, u32 culprit, u32 cpu)
{
	const struct ledger_blame_key key = { .victim = victim, .culprit = culprit, .cpu = cpu };
	const uint64_t *ns = lookup(&ledger_blame, &key);
	uint64_t sum = ns ? *ns : 0;

	for (size_t i = 0; i < DEBTS; i++)
		if (debt_at(cpu, i)->pair == BLAME_PAIR(victim, culprit))
			sum += debt_at(cpu, i)->ns;
	return sum;
}

static uint64_t charged_in_all(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nsums; i++)
		sum += sums[i].ns;
	for (u32 cpu = 0; cpu < CPUS; cpu++)
		for (size_t i = 0; i < DEBTS; i++)
			sum += debt_at(cpu, i)->ns;
	return sum;
}

enum { IDLE = LEDGER_SLOT_IDLE, WEB = LEDGER_SLOT_FIRST, DB, CRON };

/* --- the kernel half --- */

static void a_wait_behind_one_neighbour_is_all_its(void **state)
{
	(void)state;
	blame_runs(0, DB, 1000);
	blame_waited(WEB, 0, 1200, 1700);
	assert_int_equal(charged(WEB, DB, 0), 500);
	assert_int_equal(charged_in_all(), 500);
	assert_int_equal(nsums, 0);
	assert_int_equal(blame_forgotten, 0);
}

static void a_wait_is_shared_by_all_that_ran(void **state)
{
	(void)state;
	blame_runs(1, WEB, 1000);
	blame_runs(1, DB, 1100);
	blame_runs(1, IDLE, 1130);
	blame_waited(CRON, 1, 1050, 1150);
	assert_int_equal(charged(CRON, WEB, 1), 50);
	assert_int_equal(charged(CRON, DB, 1), 30);
	assert_int_equal(charged(CRON, IDLE, 1), 20);
	assert_int_equal(charged_in_all(), 100);
}

/* At a switch the next one may be put on before the wait is told of, or after. */
static void whoever_is_put_on_now_is_not_to_blame(void **state)
{
	(void)state;
	blame_runs(0, DB, 1000);
	blame_runs(0, WEB, 2000);
	blame_waited(WEB, 0, 1000, 2000);
	assert_int_equal(charged(WEB, DB, 0), 1000);
	assert_int_equal(charged(WEB, WEB, 0), 0);
}

static void threads_of_one_slot_are_one_run(void **state)
{
	(void)state;
	for (u64 i = 0; i < 10 * BLAME_RUNS; i++)
		blame_runs(0, DB, 1000 + i);
	assert_int_equal(rings[0].closed, 0);
	assert_int_equal(rings[0].now.since, 1000);
	blame_waited(DB, 0, 1000, 1000 + 10 * BLAME_RUNS);
	assert_int_equal(charged(DB, DB, 0), 10 * BLAME_RUNS);
}

static void what_ran_before_the_first_switch_is_not_known(void **state)
{
	(void)state;
	blame_waited(WEB, 0, 100, 150);
	assert_int_equal(blame_forgotten, 50);
	blame_runs(0, DB, 200);
	blame_waited(WEB, 0, 100, 250);
	assert_int_equal(charged(WEB, DB, 0), 50);
	assert_int_equal(blame_forgotten, 150);
}

static void who_is_found_on_a_cpu_is_to_blame(void **state)
{
	(void)state;
	blame_found(0, DB, 100);
	blame_waited(WEB, 0, 100, 130);
	assert_int_equal(charged(WEB, DB, 0), 30);
	/* Put on before it had an account. */
	blame_runs(1, LEDGER_SLOT_NONE, 50);
	blame_found(1, DB, 100);
	blame_waited(WEB, 1, 60, 130);
	assert_int_equal(charged(WEB, DB, 1), 70);
	/* Who was seen to be put on is known better. */
	blame_found(1, CRON, 140);
	assert_int_equal(rings[1].now.slot, DB);
	blame_found(CPUS, CRON, 140);
	assert_int_equal(blame_forgotten, 0);
}

static void only_what_the_ledger_spans_is_charged(void **state)
{
	(void)state;
	blame_runs(0, DB, 100);
	blame_since = 120;
	blame_until = 150;
	blame_waited(WEB, 0, 110, 170);
	blame_waited(WEB, 0, 100, 120);
	blame_waited(WEB, 0, 160, 170);
	assert_int_equal(charged(WEB, DB, 0), 30);
	assert_int_equal(charged_in_all() + blame_forgotten, 30);
}

static void a_cpu_that_does_not_exist_is_nobodys(void **state)
{
	(void)state;
	blame_runs(CPUS, DB, 100);
	blame_waited(WEB, CPUS, 100, 200);
	blame_waited(WEB, 0, 200, 100);
	assert_int_equal(charged_in_all() + blame_forgotten, 0);
}

/* More parties than a CPU has sums for: each has one, here or there, and only one. */
static void many_parties_are_kept_apart(void **state)
{
	enum { PARTIES = 80 };

	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (u32 culprit = 0; culprit < PARTIES; culprit++) {
			blame_runs(0, culprit, 1000 * (round * PARTIES + culprit + 1));
			for (u32 victim = 0; victim < PARTIES; victim++)
				blame_waited(victim, 0, rings[0].now.since,
					     rings[0].now.since + 1 + victim * PARTIES + culprit);
		}
	assert_true(nsums > DEBTS / 2 && nsums < PARTIES * PARTIES);
	for (u32 victim = 0; victim < PARTIES; victim++)
		for (u32 culprit = 0; culprit < PARTIES; culprit++)
			assert_int_equal(charged(victim, culprit, 0),
					 2 * (1 + victim * PARTIES + culprit));
	assert_int_equal(blame_no_room + blame_forgotten, 0);
}

static void a_full_map_is_counted(void **state)
{
	(void)state;
	fill_debts();
	room = 1;
	blame_runs(0, DB, 100);
	blame_waited(WEB, 0, 100, 200);
	blame_waited(CRON, 0, 100, 170);
	blame_waited(WEB, 0, 200, 300);
	assert_int_equal(charged(WEB, DB, 0), 200);
	assert_int_equal(blame_no_room, 70);
}

/* Runs are long enough for every step to be allowed. */
static void what_the_ring_has_forgotten_is_counted(void **state)
{
	const u64 run = 1 << BLAME_STEP_SHIFT << 11, runs = 3 * BLAME_RUNS;

	(void)state;
	for (u64 i = 0; i < runs; i++)
		blame_runs(0, i % 2 ? WEB : DB, (i + 1) * run);
	blame_waited(CRON, 0, run, (runs + 1) * run);
	assert_int_equal(charged(CRON, WEB, 0), (BLAME_RUNS / 2 + 1) * run);
	assert_int_equal(charged(CRON, DB, 0), BLAME_RUNS / 2 * run);
	assert_int_equal(blame_forgotten, (runs - BLAME_RUNS - 1) * run);
}

/* Against the plainest way to do it: who had the CPU in each single nanosecond? */
static void every_nanosecond_is_charged_to_who_had_it(void **state)
{
	enum { LENGTH = 4000, SLOTS = 5 };
	static u32 owner[LENGTH];

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		u64 expected[SLOTS] = { 0 }, from, until;

		begin(NULL);
		seed = round;
		for (u32 at = 0; at < LENGTH;) {
			u32 slot = next_random() % SLOTS, length = 1 + next_random() % 900;

			blame_runs(0, slot, 1 + at);
			for (; length && at < LENGTH; length--)
				owner[at++] = slot;
		}
		from = next_random() % LENGTH;
		until = from + next_random() % (LENGTH - from);
		for (u64 at = from; at < until; at++)
			expected[owner[at]]++;
		blame_waited(WEB, 0, 1 + from, 1 + until);
		for (u32 slot = 0; slot < SLOTS; slot++)
			if (rings[0].closed <= BLAME_STEPS_LEAST)
				assert_int_equal(charged(WEB, slot, 0), expected[slot]);
		assert_int_equal(charged_in_all(), until - from);
	}
}

/* 900 runs of a microsecond, DB three quarters of the time: far more than there are steps for. */
static void what_is_drawn_by_lot_is_right_on_average(void **state)
{
	enum { WAITS = 400, RUNS = 900 };
	const u64 whole = RUNS / 2 * 4000;
	double part;

	(void)state;
	for (u64 i = 0; i <= RUNS / 2; i++) {
		blame_runs(0, DB, 1000000 + i * 4000);
		blame_runs(0, WEB, 1000000 + i * 4000 + 3000);
	}
	for (unsigned i = 0; i < WAITS; i++)
		blame_waited(CRON, 0, 1000000, 1000000 + whole);
	assert_int_equal(charged_in_all(), WAITS * whole);
	assert_int_equal(blame_forgotten, 0);
	part = (double)charged(CRON, DB, 0) / (double)charged_in_all();
	/* 1,600 draws: a standard deviation is 1.1 points. */
	assert_true(part > 0.70 && part < 0.80);
}

static void draws_reach_the_end_of_the_ring(void **state)
{
	(void)state;
	/* A microsecond each; the first half of the wait is forgotten. */
	for (u64 i = 0; i < 4 * BLAME_RUNS; i++)
		blame_runs(0, i % 2 ? WEB : DB, (i + 1) * 1000);
	for (unsigned i = 0; i < 400; i++)
		blame_waited(CRON, 0, 2 * BLAME_RUNS * 1000, (4 * BLAME_RUNS + 1) * 1000);
	assert_int_equal(charged_in_all() + blame_forgotten, 400 * (2 * BLAME_RUNS + 1) * 1000);
	assert_true(blame_forgotten > charged_in_all() * 8 / 10 &&
		    blame_forgotten < charged_in_all() * 12 / 10);
}

/* --- the user half --- */

static char name_web[] = "web", name_db[] = "db", empty[] = "";
static const struct container web = { .kind = OWNER_CONTAINER, .name = name_web, .id = empty };
static const struct container db = { .kind = OWNER_CONTAINER, .name = name_db, .id = empty };

static const struct container *owner_of(void *context, uint32_t slot)
{
	(void)context;
	/* CRON's slot has no owner any more; web has two. */
	return slot == WEB || slot == 100 ? &web : slot == DB ? &db : NULL;
}

static const uint64_t no_count;

/* libbpf's, of the map above. */
int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	uint64_t first = in ? *(uint64_t *)in : 0;
	__u32 n = 0;

	(void)fd;
	(void)opts;
	for (; n < *count && first + n < nsums; n++) {
		((struct ledger_blame_key *)keys)[n] = sums[first + n].key;
		((uint64_t *)values)[n] = sums[first + n].ns;
	}
	*count = n;
	*(uint64_t *)out = first + n;
	return first + n < nsums ? 0 : -ENOENT;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	(void)fd;
	for (size_t i = 0; i < nsums; i++)
		if (memcmp(&sums[i].key, key, sizeof(sums[i].key)) == 0) {
			sums[i] = sums[--nsums];
			return 0;
		}
	return -ENOENT;
}

/* A file that can be mapped as the kernel's map can. */
static int file_of(const void *content, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)((size + page - 1) / page * page)), 0);
	assert_int_equal(pwrite(fd, content, size, 0), size);
	return fd;
}

/* Over the maps above, as they are now. */
static struct ledger_blame *open_blame(void)
{
	struct ledger_blame_options options = {
		.sums = -1,
		.rings = file_of(rings, sizeof(rings)),
		.debts = file_of(debts, sizeof(debts)),
		.ncpus = CPUS,
		.forgotten = &no_count,
		.no_room = &no_count,
		.owner = owner_of,
	};
	struct ledger_blame *b = NULL;

	assert_int_equal(ledger_blame_open(&options, &b), 0);
	close(options.rings);
	close(options.debts);
	return b;
}

static const struct party of_web = { PARTY_CONTAINER, &web };
static const struct party of_db = { PARTY_CONTAINER, &db };
static const struct party of_nobody = { PARTY_UNKNOWN, NULL };
static const struct party of_interrupts = { PARTY_INTERRUPTS, NULL };

static uint64_t in_rows(const struct blame *rows, size_t n, struct party victim,
			struct party culprit, uint32_t cpu)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (rows[i].victim.container == victim.container &&
		    rows[i].culprit.kind == culprit.kind &&
		    rows[i].culprit.container == culprit.container && rows[i].cpu == cpu)
			sum += rows[i].ns;
	return sum;
}

static void a_wait_that_is_not_over_is_charged_as_one_that_is(void **state)
{
	struct ledger_blame *b;
	struct blame_reading r = { 0 };

	(void)state;
	blame_runs(1, WEB, 1000);
	blame_runs(1, DB, 1100);
	blame_runs(1, CRON, 1130);
	blame_runs(1, 100, 1140);
	b = open_blame();
	ledger_blame_wait(b, &r, DB, 1, 1050, 1150);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_web, 1), 60);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_db, 1), 30);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_nobody, 1), 10);
	assert_int_equal(r.table.n, 3);
	assert_int_equal(r.forgotten, 0);
	ledger_blame_wait(b, &r, DB, 1, 900, 950);
	ledger_blame_wait(b, &r, DB, 0, 900, 1000);
	assert_int_equal(r.forgotten, 150);
	/* What makes no sense is not followed. */
	ledger_blame_wait(b, &r, DB, CPUS, 900, 1000);
	ledger_blame_wait(b, &r, DB, 1, 1000, 900);
	assert_int_equal(r.forgotten, 150);
	blame_table_free(&r.table);
	ledger_blame_close(b);
}

static void a_ring_that_was_written_meanwhile_ends_the_walk(void **state)
{
	struct ledger_blame *b;
	struct blame_reading r = { 0 };

	(void)state;
	for (u64 i = 0; i < 2 * BLAME_RUNS; i++)
		blame_runs(0, i % 2 ? WEB : DB, (i + 1) * 10);
	/* The next one in time stands where number `closed - BLAME_RUNS` was. */
	rings[0].runs[rings[0].closed % BLAME_RUNS] = rings[0].now;
	rings[0].runs[rings[0].closed % BLAME_RUNS].since += 10;
	b = open_blame();
	ledger_blame_wait(b, &r, DB, 0, 10, (2 * BLAME_RUNS + 1) * 10);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_web, 0), BLAME_RUNS / 2 * 10);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_db, 0), BLAME_RUNS / 2 * 10);
	assert_int_equal(r.forgotten, BLAME_RUNS * 10);
	blame_table_free(&r.table);
	ledger_blame_close(b);
}

static void a_reading_has_both_kinds_of_sums(void **state)
{
	struct blame_reading *r;
	struct ledger_blame *b;

	(void)state;
	blame_runs(1, DB, 1000);
	blame_waited(WEB, 1, 1000, 1100);
	blame_runs(0, WEB, 1000);
	fill_debts();
	blame_waited(DB, 0, 1000, 1030);
	blame_waited(100, 1, 1000, 1007);
	assert_int_equal(nsums, 2);
	b = open_blame();
	r = ledger_blame_read(b);
	assert_non_null(r);
	assert_int_equal(in_rows(r->table.rows, r->table.n, of_web, of_db, 1), 107);
	assert_int_equal(in_rows(r->table.rows, r->table.n, of_db, of_web, 0), 30);
	assert_int_equal(r->table.n, 2);
	blame_reading_free(r);
	ledger_blame_close(b);
}

/* What was charged stays, once; the kernel has the room again. */
static void a_slot_that_is_given_away_keeps_nothing(void **state)
{
	uint8_t marks[LEDGER_SLOTS_MAX] = { [DB] = 1 };
	struct blame_reading *r;
	struct ledger_blame *b;

	(void)state;
	blame_runs(1, DB, 1000);
	blame_waited(WEB, 1, 1000, 1100);
	blame_runs(0, WEB, 1000);
	blame_waited(WEB, 0, 1000, 1005);
	fill_debts();
	blame_waited(DB, 0, 1000, 1030);
	b = open_blame();
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(ledger_blame_retire(b, marks), 0);
		assert_int_equal(nsums, 0);
		r = ledger_blame_read(b);
		assert_non_null(r);
		assert_int_equal(in_rows(r->table.rows, r->table.n, of_web, of_db, 1), 100);
		assert_int_equal(in_rows(r->table.rows, r->table.n, of_web, of_web, 0), 5);
		assert_int_equal(in_rows(r->table.rows, r->table.n, of_db, of_web, 0), 30);
		assert_int_equal(r->table.n, 3);
		blame_reading_free(r);
	}
	ledger_blame_close(b);
}

/* The next owner is not to blame for what the one before did while a wait goes on. */
static void a_slot_that_is_given_away_is_out_of_the_rings(void **state)
{
	uint8_t marks[LEDGER_SLOTS_MAX] = { [100] = 1 };
	struct blame_reading r = { 0 };
	struct ledger_blame *b;

	(void)state;
	blame_runs(0, 100, 1000);
	blame_runs(1, WEB, 1000);
	blame_runs(1, 100, 1100);
	blame_runs(1, DB, 1150);
	b = open_blame();
	assert_int_equal(ledger_blame_retire(b, marks), 0);
	ledger_blame_wait(b, &r, DB, 0, 1000, 1010);
	ledger_blame_wait(b, &r, DB, 1, 1000, 1160);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_nobody, 0), 10);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_nobody, 1), 50);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_web, 1), 100);
	assert_int_equal(in_rows(r.table.rows, r.table.n, of_db, of_db, 1), 10);
	blame_table_free(&r.table);
	ledger_blame_close(b);
}

static void stolen_time_is_read_from_proc_stat(void **state)
{
	uint64_t stolen[3] = { 0, 7, 9 };

	(void)state;
	blame_parse_stolen("cpu  9 9 9 9 9 9 9 9 9 9\n"
			   "cpu0 1 2 3 4 5 6 70 800 9 10\n"
			   "cpu2 1 2 3 4 5 1 1\n"
			   "cpu99 1 2 3 4 5 1 1 1 0 0\n"
			   "cpufreq nonsense\n"
			   "intr 1 2 3\ncpu1 1 1 1 1 1 1 1 1 1 1\n",
			   10, stolen, 3);
	assert_int_equal(stolen[0], 8760);
	assert_int_equal(stolen[1], 7);
	assert_int_equal(stolen[2], 20);
	blame_parse_stolen("", 10, stolen, 3);
	blame_parse_stolen("cpu", 10, stolen, 3);
	assert_int_equal(stolen[0], 8760);
}

static void add(struct blame_reading *r, struct party victim, struct party culprit, uint32_t cpu,
		uint64_t ns)
{
	const struct blame row = { victim, culprit, cpu, ns };

	blame_table_add(&r->table, &row);
}

static void a_window_is_the_difference_of_two_readings(void **state)
{
	struct ledger_blame *b = open_blame();
	uint64_t from_stolen[CPUS] = { 500, 0 }, to_stolen[CPUS] = { 500, 200 };
	struct blame_reading from = { .taken = 1000, .stolen = from_stolen, .ncpus = CPUS },
			     to = { .taken = 2000, .stolen = to_stolen, .ncpus = CPUS };
	struct account accounts[2] = { { .container = &web }, { .container = &db } };
	struct ledger_window w = { .accounts = accounts, .naccounts = 2 };

	(void)state;
	accounts[0].ns[ACCOUNT_RUNNABLE] = 600;
	accounts[1].ns[ACCOUNT_RUNNABLE] = 30;
	from.forgotten = 5, to.forgotten = 15, to.no_room = 3;
	add(&from, of_web, of_db, 0, 100);
	add(&from, of_db, of_db, 0, 50);
	add(&to, of_web, of_db, 0, 300);
	add(&to, of_web, of_db, 1, 301);
	add(&to, of_db, of_db, 0, 40); /* looked at too late before */
	add(&to, of_web, of_nobody, 1, 77);
	ledger_blame_window(b, &from, &to, &w);

	assert_int_equal(in_rows(w.blame, w.nblame, of_web, of_db, 0), 200);
	/* A fifth of CPU 1's time was stolen: from those that are to blame, not from nobody. */
	assert_int_equal(in_rows(w.blame, w.nblame, of_web, of_interrupts, 1), 60);
	assert_int_equal(in_rows(w.blame, w.nblame, of_web, of_db, 1), 241);
	assert_int_equal(in_rows(w.blame, w.nblame, of_web, of_nobody, 1), 77);
	assert_int_equal(in_rows(w.blame, w.nblame, of_db, of_db, 0), 0);
	assert_int_equal(w.nblame, 4);
	assert_int_equal(w.attributed, 501);
	assert_int_equal(w.waited, 630);
	assert_int_equal(w.forgotten, 10);
	assert_int_equal(w.no_room, 3);
	free(w.blame);
	blame_table_free(&from.table);
	blame_table_free(&to.table);
	ledger_blame_close(b);
}

static void a_clock_that_stands_still_steals_nothing(void **state)
{
	struct ledger_blame *b = open_blame();
	uint64_t before[CPUS] = { 900, 0 }, after[CPUS] = { 100, 5000 };
	struct blame_reading from = { .taken = 1000, .stolen = before, .ncpus = CPUS },
			     to = { .taken = 1000, .stolen = after, .ncpus = CPUS };
	struct ledger_window w = { 0 };

	(void)state;
	add(&to, of_web, of_db, 0, 100);
	add(&to, of_web, of_db, 1, 100);
	ledger_blame_window(b, &from, &to, &w);
	assert_int_equal(w.nblame, 2);
	free(w.blame);
	/* Less stolen than before is nothing; more than there was is all. */
	to.taken = 2000;
	ledger_blame_window(b, &from, &to, &w);
	assert_int_equal(in_rows(w.blame, w.nblame, of_web, of_db, 0), 100);
	assert_int_equal(in_rows(w.blame, w.nblame, of_web, of_interrupts, 1), 100);
	free(w.blame);
	blame_table_free(&to.table);
	ledger_blame_close(b);
}

static void parties_have_names(void **state)
{
	static const struct {
		struct party party;
		const char *name;
	} cases[] = {
		{ { PARTY_CONTAINER, &web }, "web" },
		{ { PARTY_CONTAINER, NULL }, "[unknown]" },
		{ { PARTY_KERNEL, NULL }, "[kernel threads]" },
		{ { PARTY_INTERRUPTS, NULL }, "[interrupts]" },
		{ { PARTY_IDLE, NULL }, "[wake-up]" },
		{ { PARTY_UNKNOWN, NULL }, "[unknown]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(party_name(&cases[i].party), cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_wait_behind_one_neighbour_is_all_its, begin),
		cmocka_unit_test_setup(a_wait_is_shared_by_all_that_ran, begin),
		cmocka_unit_test_setup(whoever_is_put_on_now_is_not_to_blame, begin),
		cmocka_unit_test_setup(threads_of_one_slot_are_one_run, begin),
		cmocka_unit_test_setup(what_ran_before_the_first_switch_is_not_known, begin),
		cmocka_unit_test_setup(who_is_found_on_a_cpu_is_to_blame, begin),
		cmocka_unit_test_setup(only_what_the_ledger_spans_is_charged, begin),
		cmocka_unit_test_setup(a_cpu_that_does_not_exist_is_nobodys, begin),
		cmocka_unit_test_setup(many_parties_are_kept_apart, begin),
		cmocka_unit_test_setup(a_full_map_is_counted, begin),
		cmocka_unit_test_setup(what_the_ring_has_forgotten_is_counted, begin),
		cmocka_unit_test_setup(every_nanosecond_is_charged_to_who_had_it, begin),
		cmocka_unit_test_setup(what_is_drawn_by_lot_is_right_on_average, begin),
		cmocka_unit_test_setup(draws_reach_the_end_of_the_ring, begin),
		cmocka_unit_test_setup(a_wait_that_is_not_over_is_charged_as_one_that_is, begin),
		cmocka_unit_test_setup(a_ring_that_was_written_meanwhile_ends_the_walk, begin),
		cmocka_unit_test_setup(a_reading_has_both_kinds_of_sums, begin),
		cmocka_unit_test_setup(a_slot_that_is_given_away_keeps_nothing, begin),
		cmocka_unit_test_setup(a_slot_that_is_given_away_is_out_of_the_rings, begin),
		cmocka_unit_test_setup(stolen_time_is_read_from_proc_stat, begin),
		cmocka_unit_test_setup(a_window_is_the_difference_of_two_readings, begin),
		cmocka_unit_test_setup(a_clock_that_stands_still_steals_nothing, begin),
		cmocka_unit_test(parties_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
