/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's arithmetic without a kernel: readings are made by hand, and what a window says of
 * them can be redone in the head. Times are in ms where it says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/blocked.h"
#include "signal/blocked.h"
#include "signal/ledger_reading.h"
#include <sys/syscall.h>

#define MS 1000000ULL

static const struct container web = { .name = (char *)"web" }, db = { .name = (char *)"db" };

static const struct account *find(const struct ledger_window *w, const struct container *container)
{
	for (size_t i = 0; i < w->naccounts; i++)
		if (w->accounts[i].container == container)
			return &w->accounts[i];
	return NULL;
}

static void a_window_is_what_grew(void **state)
{
	struct ledger_reading from = { .taken = 1000 * MS }, to = { .taken = 3000 * MS };
	struct totals *t = totals_of(&from.totals, &web, false);
	struct ledger_window *w;
	const struct account *a;

	(void)state;
	t->ns[LEDGER_DISK] = 100 * MS;
	t->voluntary = 5;
	t->waits[10] = 3;
	t = totals_of(&to.totals, &web, false);
	t->ns[LEDGER_DISK] = 600 * MS;
	t->ns[LEDGER_IDLE] = 1500 * MS;
	t->voluntary = 12;
	t->waits[10] = 4;
	w = window_between(&from, &to);

	assert_int_equal(w->wall, 2000 * MS);
	a = find(w, &web);
	assert_non_null(a);
	assert_int_equal(a->ns[ACCOUNT_DISK], 500 * MS);
	assert_int_equal(a->ns[ACCOUNT_IDLE], 1500 * MS);
	assert_int_equal(a->total, 2000 * MS);
	assert_true(a->threads > 0.999 && a->threads < 1.001);
	assert_int_equal(a->voluntary, 7);
	assert_int_equal(a->waits[10], 1);
	ledger_window_free(w);
	totals_free(&from.totals);
	totals_free(&to.totals);
}

static void states_add_up_to_the_total(void **state)
{
	struct ledger_reading from = { 0 }, to = { .taken = 1000 * MS };
	struct totals *t = totals_of(&to.totals, &web, false);
	struct ledger_window *w;
	uint64_t sum = 0, all = 0;

	(void)state;
	for (size_t i = 0; i < LEDGER_SUMS; i++) {
		t->ns[i] = (i + 1) * 7 * MS + 1;
		all += t->ns[i];
	}
	t->user_ns = 1;
	t->kernel_ns = 2;
	w = window_between(&from, &to);
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		sum += w->accounts[0].ns[i];
	assert_int_equal(sum, all);
	assert_int_equal(w->accounts[0].total, all);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_UNACCOUNTED], t->ns[LEDGER_UNACCOUNTED]);
	ledger_window_free(w);
	totals_free(&to.totals);
}

/* 300 ms on a CPU, of which the ticks say one to two. */
static void running_is_split_by_the_kernels_account(void **state)
{
	struct ledger_reading from = { 0 }, to = { .taken = 1000 * MS };
	struct totals *t = totals_of(&to.totals, &web, false);
	struct ledger_window *w;

	(void)state;
	t->ns[LEDGER_RUNNING] = 300 * MS;
	t->user_ns = 8 * MS;
	t->kernel_ns = 16 * MS;
	w = window_between(&from, &to);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_USER] / MS, 100);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_USER] + w->accounts[0].ns[ACCOUNT_KERNEL],
			 300 * MS);
	ledger_window_free(w);
	totals_free(&to.totals);
}

static void without_ticks_it_is_user_and_of_kernel_threads_kernel(void **state)
{
	struct ledger_reading from = { 0 }, to = { .taken = 1000 * MS };
	struct ledger_window *w;

	(void)state;
	totals_of(&to.totals, &web, false)->ns[LEDGER_RUNNING] = 2 * MS;
	totals_of(&to.totals, &web, true)->ns[LEDGER_RUNNING] = 3 * MS;
	w = window_between(&from, &to);
	assert_int_equal(w->naccounts, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct account *a = &w->accounts[i];

		assert_int_equal(a->ns[ACCOUNT_USER], a->is_kernel ? 0 : 2 * MS);
		assert_int_equal(a->ns[ACCOUNT_KERNEL], a->is_kernel ? 3 * MS : 0);
	}
	ledger_window_free(w);
	totals_free(&to.totals);
}

/* Ticks of before the window stand in for those that it has not. */
static void a_window_without_ticks_is_like_the_time_before(void **state)
{
	struct ledger_reading from = { .taken = 1 * MS }, to = { .taken = 2 * MS };
	struct totals *t = totals_of(&from.totals, &web, false);
	struct ledger_window *w;

	(void)state;
	t->ns[LEDGER_RUNNING] = 100 * MS;
	t->user_ns = 0;
	t->kernel_ns = 40 * MS;
	*totals_of(&to.totals, &web, false) = *t;
	totals_of(&to.totals, &web, false)->ns[LEDGER_RUNNING] += 1 * MS;
	w = window_between(&from, &to);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_KERNEL], 1 * MS);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_USER], 0);
	ledger_window_free(w);
	totals_free(&from.totals);
	totals_free(&to.totals);
}

static void who_comes_in_the_middle_counts_from_nothing(void **state)
{
	struct ledger_reading from = { .taken = 0 }, to = { .taken = 1000 * MS };
	struct ledger_window *w;

	(void)state;
	totals_of(&from.totals, &web, false)->ns[LEDGER_IDLE] = 10 * MS;
	totals_of(&to.totals, &web, false)->ns[LEDGER_IDLE] = 10 * MS;
	totals_of(&to.totals, &db, false)->ns[LEDGER_LOCK] = 250 * MS;
	w = window_between(&from, &to);
	/* Nothing of web lived in this window. */
	assert_int_equal(w->naccounts, 1);
	assert_ptr_equal(w->accounts[0].container, &db);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_LOCK], 250 * MS);
	assert_true(w->accounts[0].threads > 0.249 && w->accounts[0].threads < 0.251);
	ledger_window_free(w);
	totals_free(&from.totals);
	totals_free(&to.totals);
}

static void sums_never_shrink(void **state)
{
	struct ledger_reading from = { .taken = 0 }, to = { .taken = 1000 * MS };
	struct ledger_window *w;

	(void)state;
	totals_of(&from.totals, &web, false)->ns[LEDGER_IDLE] = 10 * MS;
	totals_of(&to.totals, &web, false)->ns[LEDGER_IDLE] = 9 * MS;
	totals_of(&to.totals, &web, false)->ns[LEDGER_DISK] = 1 * MS;
	w = window_between(&from, &to);
	assert_int_equal(w->accounts[0].ns[ACCOUNT_IDLE], 0);
	assert_int_equal(w->accounts[0].total, 1 * MS);
	ledger_window_free(w);
	totals_free(&from.totals);
	totals_free(&to.totals);
}

static void accounts_add(void **state)
{
	struct account sum = { 0 }, a = { .threads = 1.5, .total = 7, .voluntary = 2 };

	(void)state;
	a.ns[ACCOUNT_PIPE] = 7;
	a.waits[3] = 4;
	a.blocks[LEDGER_PIPE - LEDGER_DISK][5] = 6;
	account_add(&sum, &a);
	account_add(&sum, &a);
	assert_int_equal(sum.ns[ACCOUNT_PIPE], 14);
	assert_int_equal(sum.total, 14);
	assert_int_equal(sum.voluntary, 4);
	assert_int_equal(sum.waits[3], 8);
	assert_int_equal(sum.blocks[LEDGER_PIPE - LEDGER_DISK][5], 12);
	assert_true(sum.threads > 2.99 && sum.threads < 3.01);
}

/* --- threads --- */

static struct thread_reading thread(uint32_t tid, uint64_t started, enum ledger_state state,
				    uint64_t since, uint64_t now)
{
	struct thread_reading t = { .container = &web };

	t.dump.tid = tid;
	t.dump.pid = tid;
	t.dump.now = now;
	t.dump.account.started = started;
	t.dump.account.interval = LEDGER_INTERVAL(state, since);
	t.dump.account.slot = LEDGER_SLOT_FIRST;
	return t;
}

/* It slept from 500 to 2200 without an end; the window is from 1000 to 2000. */
static void an_open_interval_counts_as_far_as_it_is_in_the_window(void **state)
{
	struct thread_reading a = thread(7, 1, LEDGER_IDLE, 500 * MS, 1000 * MS);
	struct thread_reading b = thread(7, 1, LEDGER_IDLE, 500 * MS, 2000 * MS);
	const struct ledger_reading from = { .threads = &a, .nthreads = 1 };
	const struct ledger_reading to = { .threads = &b, .nthreads = 1 };
	struct thread_account *t;
	size_t n;

	(void)state;
	t = ledger_threads(NULL, &from, &to, &n);
	assert_int_equal(n, 1);
	assert_int_equal(t->ns[ACCOUNT_IDLE], 1000 * MS);
	assert_int_equal(t->total, 1000 * MS);
	free(t);
}

/* Number 7 was another thread before. */
static void a_number_that_is_used_again_is_another_thread(void **state)
{
	struct thread_reading a = thread(7, 1, LEDGER_IDLE, 0, 1000 * MS);
	struct thread_reading b = thread(7, 1500 * MS, LEDGER_PIPE, 1600 * MS, 2000 * MS);
	const struct ledger_reading from = { .threads = &a, .nthreads = 1 };
	const struct ledger_reading to = { .threads = &b, .nthreads = 1 };
	struct thread_account *t;
	size_t n;

	(void)state;
	t = ledger_threads(NULL, &from, &to, &n);
	assert_int_equal(t->ns[ACCOUNT_PIPE], 400 * MS);
	assert_int_equal(t->ns[ACCOUNT_IDLE], 0);
	free(t);
}

/* A wait of 100 ms, 60 of them throttled. */
static void an_open_wait_is_split_by_what_was_throttled(void **state)
{
	struct thread_reading b = thread(7, 1, LEDGER_THROTTLED, 900 * MS, 1000 * MS);
	const struct ledger_reading to = { .threads = &b, .nthreads = 1 };
	struct thread_account *t;
	size_t n;

	(void)state;
	b.dump.account.throttled = 60 * MS;
	t = ledger_threads(NULL, NULL, &to, &n);
	assert_int_equal(t->ns[ACCOUNT_THROTTLED], 60 * MS);
	assert_int_equal(t->ns[ACCOUNT_RUNNABLE], 40 * MS);
	free(t);
}

/* --- histograms, names, system calls --- */

static void percentiles_lie_in_their_bucket(void **state)
{
	uint64_t buckets[LEDGER_BUCKETS] = { 0 };

	(void)state;
	assert_int_equal(ledger_percentile(buckets, 0.5), 0);
	buckets[10] = 99; /* 512 to 1023 */
	buckets[20] = 1;
	assert_int_equal(ledger_percentile(buckets, 0), 512);
	assert_in_range(ledger_percentile(buckets, 0.5), 512, 1023);
	assert_int_equal(ledger_percentile(buckets, 0.99), 1024);
	assert_int_equal(ledger_percentile(buckets, 1), 1 << 20);
	assert_in_range(ledger_percentile(buckets, 0.995), 1 << 19, 1 << 20);
}

static void every_state_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (enum account_state i = 0; i < ACCOUNT_STATES; i++) {
		assert_non_null(account_state_name(i));
		assert_non_null(account_state_summary(i));
		assert_int_equal(account_state_is_blocked(i),
				 i >= ACCOUNT_DISK && i <= ACCOUNT_OTHER);
		for (enum account_state j = 0; j < i; j++)
			assert_string_not_equal(account_state_name(i), account_state_name(j));
	}
}

static void system_calls_are_told_by_what_they_wait_for(void **state)
{
	uint8_t waits[SYSCALLS_MAX];

	(void)state;
	blocked_describe_syscalls(waits);
	assert_int_equal(waits[SYS_futex], SYSCALL_WAITS_LOCK);
	assert_int_equal(waits[SYS_read], SYSCALL_WAITS_FILE);
	assert_int_equal(waits[SYS_wait4], SYSCALL_WAITS_CHILD);
	assert_int_equal(waits[SYS_clock_nanosleep], SYSCALL_WAITS_IDLE);
	assert_int_equal(waits[SYS_getpid], SYSCALL_WAITS_OTHER);
	assert_int_equal(waits[SYSCALLS_MAX - 1], SYSCALL_WAITS_OTHER);
}

/* The word that an account is built on. */
static void state_and_beginning_fit_in_a_word(void **state)
{
	const uint64_t ten_years = 10ULL * 366 * 86400 * 1000 * MS;
	const uint64_t interval = LEDGER_INTERVAL(LEDGER_IDLE, ten_years + 12345);
	const uint64_t cut = LEDGER_CUT(ten_years + 1, 1);

	(void)state;
	assert_int_equal(LEDGER_STATE(interval), LEDGER_IDLE);
	assert_int_equal(LEDGER_SINCE(interval), ten_years + 12345);
	assert_int_equal(LEDGER_CUT_TIME(cut), ten_years);
	assert_int_equal(LEDGER_CUT_PHASE(cut), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_what_grew),
		cmocka_unit_test(states_add_up_to_the_total),
		cmocka_unit_test(running_is_split_by_the_kernels_account),
		cmocka_unit_test(without_ticks_it_is_user_and_of_kernel_threads_kernel),
		cmocka_unit_test(a_window_without_ticks_is_like_the_time_before),
		cmocka_unit_test(who_comes_in_the_middle_counts_from_nothing),
		cmocka_unit_test(sums_never_shrink),
		cmocka_unit_test(accounts_add),
		cmocka_unit_test(an_open_interval_counts_as_far_as_it_is_in_the_window),
		cmocka_unit_test(a_number_that_is_used_again_is_another_thread),
		cmocka_unit_test(an_open_wait_is_split_by_what_was_throttled),
		cmocka_unit_test(percentiles_lie_in_their_bucket),
		cmocka_unit_test(every_state_has_a_name_of_its_own),
		cmocka_unit_test(system_calls_are_told_by_what_they_wait_for),
		cmocka_unit_test(state_and_beginning_fit_in_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
