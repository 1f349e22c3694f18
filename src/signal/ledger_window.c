/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of the ledger: names of states, differences of readings, sums of accounts,
 * percentiles. Nothing here asks the kernel anything.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "signal/ledger_blame.h"
#include "signal/ledger_reading.h"

/* --- states --- */

static const struct {
	const char *name, *summary;
	bool is_blocked;
} states[ACCOUNT_STATES] = {
	[ACCOUNT_USER] = { "user", "runs its own code" },
	[ACCOUNT_KERNEL] = { "kernel", "runs in the kernel on its own behalf" },
	[ACCOUNT_RUNNABLE] = { "runnable", "waits for a CPU" },
	[ACCOUNT_THROTTLED] = { "throttled", "could run, but its CPU quota is used up" },
	[ACCOUNT_DISK] = { "disk", "waits for a disk or a file system", true },
	[ACCOUNT_NETWORK] = { "network", "waits for the other end of a socket", true },
	[ACCOUNT_LOCK] = { "lock", "waits for a lock that somebody else holds", true },
	[ACCOUNT_PIPE] = { "pipe", "waits for the other end of a pipe or a message queue", true },
	[ACCOUNT_MEMORY] = { "memory", "waits for memory: reclaim, swap, page faults", true },
	[ACCOUNT_CHILD] = { "child", "waits for another process to end", true },
	[ACCOUNT_OTHER] = { "other", "waits for something else", true },
	[ACCOUNT_IDLE] = { "idle", "sleeps by choice, or waits for new work" },
	[ACCOUNT_UNACCOUNTED] = { "unaccounted", "lived, but nobody saw how" },
};

const char *account_state_name(enum account_state state)
{
	return states[state].name;
}

const char *account_state_summary(enum account_state state)
{
	return states[state].summary;
}

bool account_state_is_blocked(enum account_state state)
{
	return states[state].is_blocked;
}

/* From those of the kernel; running is dealt with on its own. */
static const enum account_state account_state_of[LEDGER_SUMS] = {
	[LEDGER_RUNNING] = ACCOUNT_USER,	[LEDGER_RUNNABLE] = ACCOUNT_RUNNABLE,
	[LEDGER_THROTTLED] = ACCOUNT_THROTTLED, [LEDGER_DISK] = ACCOUNT_DISK,
	[LEDGER_NETWORK] = ACCOUNT_NETWORK,	[LEDGER_LOCK] = ACCOUNT_LOCK,
	[LEDGER_PIPE] = ACCOUNT_PIPE,		[LEDGER_MEMORY] = ACCOUNT_MEMORY,
	[LEDGER_CHILD] = ACCOUNT_CHILD,		[LEDGER_OTHER] = ACCOUNT_OTHER,
	[LEDGER_IDLE] = ACCOUNT_IDLE,		[LEDGER_UNACCOUNTED] = ACCOUNT_UNACCOUNTED,
};

/* --- totals --- */

struct totals_key {
	const struct container *container;
	bool is_kernel;
};

static bool totals_are(const void *key, uint32_t position, const void *context)
{
	const struct totals *t = &((const struct totals_table *)context)->array[position];
	const struct totals_key *want = key;

	return t->container == want->container && t->is_kernel == want->is_kernel;
}

static uint64_t totals_hash(const struct totals_key *key)
{
	return hash_combine((uintptr_t)key->container, key->is_kernel);
}

static const struct totals *find_totals(const struct totals_table *t,
					const struct container *container, bool is_kernel)
{
	const struct totals_key key = { container, is_kernel };
	uint32_t at = index_find(&t->index, totals_hash(&key), &key, totals_are, t);

	return at == INDEX_NONE ? NULL : &t->array[at];
}

struct totals *totals_of(struct totals_table *t, const struct container *container, bool is_kernel)
{
	const struct totals_key key = { container, is_kernel };
	struct totals *found = (struct totals *)find_totals(t, container, is_kernel);

	if (found)
		return found;
	GROW(t->array, t->n, t->capacity);
	found = &t->array[t->n];
	*found = (struct totals){ .container = container, .is_kernel = is_kernel };
	index_insert(&t->index, totals_hash(&key), (uint32_t)t->n++);
	return found;
}

void totals_free(struct totals_table *t)
{
	free(t->array);
	index_free(&t->index);
	*t = (struct totals_table){ 0 };
}

void ledger_reading_free(struct ledger_reading *reading)
{
	if (!reading)
		return;
	totals_free(&reading->totals);
	free(reading->threads);
	blame_reading_free(reading->blame);
	free(reading);
}

/* --- windows --- */

/* What grew; a sum that was read in the middle of an addition may seem to shrink. */
static uint64_t growth(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/*
 * The kernel counts user and system time by whom its clock's tick meets, unless it is built to look
 * at every entry: in a short window it may have seen none. Then it is taken to be as it was since
 * the beginning, and if nothing is known at all, a kernel thread is in the kernel and others are
 * not.
 */
static void split_running(uint64_t running, uint64_t user, uint64_t kernel, uint64_t all_user,
			  uint64_t all_kernel, bool is_kernel, uint64_t ns[ACCOUNT_STATES])
{
	double part;

	if (!user && !kernel) {
		user = all_user;
		kernel = all_kernel;
	}
	if (is_kernel)
		part = 0;
	else if (user || kernel)
		part = (double)user / ((double)user + (double)kernel);
	else
		part = 1;
	ns[ACCOUNT_USER] = (uint64_t)((double)running * part);
	if (ns[ACCOUNT_USER] > running)
		ns[ACCOUNT_USER] = running;
	ns[ACCOUNT_KERNEL] = running - ns[ACCOUNT_USER];
}

static void subtract_histograms(const struct totals *from, const struct totals *to,
				struct account *account)
{
	for (size_t i = 0; i < LEDGER_BUCKETS; i++)
		account->waits[i] = growth(from->waits[i], to->waits[i]);
	for (size_t state = 0; state < LEDGER_BLOCKED; state++)
		for (size_t i = 0; i < LEDGER_BUCKETS; i++)
			account->blocks[state][i] = growth(from->blocks[state][i],
							   to->blocks[state][i]);
}

static void subtract(const struct totals *from, const struct totals *to, uint64_t wall,
		     struct account *account)
{
	account->container = to->container;
	account->is_kernel = to->is_kernel;
	for (size_t i = LEDGER_RUNNING + 1; i < LEDGER_SUMS; i++)
		account->ns[account_state_of[i]] = growth(from->ns[i], to->ns[i]);
	split_running(growth(from->ns[LEDGER_RUNNING], to->ns[LEDGER_RUNNING]),
		      growth(from->user_ns, to->user_ns), growth(from->kernel_ns, to->kernel_ns),
		      to->user_ns, to->kernel_ns, to->is_kernel, account->ns);
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		account->total += account->ns[i];
	account->threads = wall ? (double)account->total / (double)wall : 0;
	account->voluntary = growth(from->voluntary, to->voluntary);
	account->involuntary = growth(from->involuntary, to->involuntary);
	account->migrations = growth(from->migrations, to->migrations);
	account->wakeups = growth(from->wakeups, to->wakeups);
	account->began = growth(from->began, to->began);
	account->ended = growth(from->ended, to->ended);
	account->astray = growth(from->astray, to->astray);
	subtract_histograms(from, to, account);
}

struct ledger_window *window_between(const struct ledger_reading *from,
				     const struct ledger_reading *to)
{
	static const struct totals nothing;
	struct ledger_window *w = xcalloc(1, sizeof(*w));

	w->wall = growth(from->taken, to->taken);
	w->accounts = xcalloc(to->totals.n + 1, sizeof(*w->accounts));
	for (size_t i = 0; i < to->totals.n; i++) {
		const struct totals *end = &to->totals.array[i];
		const struct totals *start = find_totals(&from->totals, end->container,
							 end->is_kernel);
		struct account *account = &w->accounts[w->naccounts];

		subtract(start ? start : &nothing, end, w->wall, account);
		w->astray += account->astray;
		if (account->total || account->began || account->ended)
			w->naccounts++;
		else
			*account = (struct account){ 0 };
	}
	w->without_slot = growth(from->without_slot, to->without_slot);
	return w;
}

void ledger_window_free(struct ledger_window *window)
{
	if (!window)
		return;
	free(window->accounts);
	free(window->blame);
	free(window);
}

void account_add(struct account *to, const struct account *from)
{
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		to->ns[i] += from->ns[i];
	to->threads += from->threads;
	to->total += from->total;
	to->voluntary += from->voluntary;
	to->involuntary += from->involuntary;
	to->migrations += from->migrations;
	to->wakeups += from->wakeups;
	to->began += from->began;
	to->ended += from->ended;
	to->astray += from->astray;
	for (size_t i = 0; i < LEDGER_BUCKETS; i++)
		to->waits[i] += from->waits[i];
	for (size_t state = 0; state < LEDGER_BLOCKED; state++)
		for (size_t i = 0; i < LEDGER_BUCKETS; i++)
			to->blocks[state][i] += from->blocks[state][i];
}

/* --- threads --- */

static uint64_t thread_hash(const struct ledger_dump *d)
{
	return hash_combine(d->tid, d->account.started);
}

static bool thread_is(const void *key, uint32_t position, const void *context)
{
	const struct ledger_dump *want = key;
	const struct ledger_dump *d =
		&((const struct ledger_reading *)context)->threads[position].dump;

	return d->tid == want->tid && d->account.started == want->account.started;
}

/* Closed intervals and the open one, by state of the kernel. */
static void thread_sums(const struct ledger_dump *d, uint64_t ns[LEDGER_STATES])
{
	enum ledger_state state = LEDGER_STATE(d->account.interval);
	uint64_t open = growth(LEDGER_SINCE(d->account.interval), d->now), throttled;

	memcpy(ns, d->account.ns, sizeof(d->account.ns));
	if (state == LEDGER_RUNNABLE || state == LEDGER_THROTTLED) {
		throttled = MIN(d->account.throttled, open);
		ns[LEDGER_THROTTLED] += throttled;
		ns[LEDGER_RUNNABLE] += open - throttled;
	} else if (state < LEDGER_STATES) {
		ns[state] += open;
	}
}

static void fill_thread(const struct ledger_dump *from, const struct thread_reading *to,
			struct thread_account *t)
{
	uint64_t before[LEDGER_STATES] = { 0 }, after[LEDGER_STATES];
	const struct ledger_dump *d = &to->dump;

	t->pid = (pid_t)d->pid;
	t->tid = (pid_t)d->tid;
	memcpy(t->thread, d->thread, sizeof(t->thread));
	memcpy(t->comm, d->comm, sizeof(t->comm));
	t->container = to->container;
	thread_sums(d, after);
	if (from)
		thread_sums(from, before);
	for (size_t i = LEDGER_RUNNING + 1; i < LEDGER_STATES; i++)
		t->ns[account_state_of[i]] = growth(before[i], after[i]);
	split_running(growth(before[LEDGER_RUNNING], after[LEDGER_RUNNING]),
		      growth(from ? from->utime : 0, d->utime),
		      growth(from ? from->stime : 0, d->stime), d->utime, d->stime,
		      d->account.slot == LEDGER_SLOT_KERNEL, t->ns);
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		t->total += t->ns[i];
}

struct thread_account *ledger_threads(struct ledger *ledger, const struct ledger_reading *from,
				      const struct ledger_reading *to, size_t *n)
{
	struct thread_account *threads = xcalloc(to->nthreads + 1, sizeof(*threads));
	struct index before = { 0 };

	(void)ledger;
	for (size_t i = 0; from && i < from->nthreads; i++)
		index_insert(&before, thread_hash(&from->threads[i].dump), (uint32_t)i);
	for (size_t i = 0; i < to->nthreads; i++) {
		const struct ledger_dump *d = &to->threads[i].dump;
		uint32_t at = from ? index_find(&before, thread_hash(d), d, thread_is, from)
				   : INDEX_NONE;

		fill_thread(at == INDEX_NONE ? NULL : &from->threads[at].dump, &to->threads[i],
			    &threads[i]);
	}
	index_free(&before);
	*n = to->nthreads;
	return threads;
}

/* --- histograms --- */

uint64_t ledger_percentile(const uint64_t buckets[LEDGER_BUCKETS], double p)
{
	double all = 0, wanted, below = 0;

	for (size_t i = 0; i < LEDGER_BUCKETS; i++)
		all += (double)buckets[i];
	if (all <= 0)
		return 0;
	wanted = MIN(MAX(p, 0), 1) * all;
	for (size_t i = 0; i < LEDGER_BUCKETS; i++) {
		double count = (double)buckets[i], low = i ? (double)(1ULL << (i - 1)) : 0;

		if (count > 0 && below + count >= wanted)
			return (uint64_t)(low + (double)(i ? 1ULL << (i - 1) : 1) *
							(wanted - below) / count);
		below += count;
	}
	return 1ULL << (LEDGER_BUCKETS - 1);
}
