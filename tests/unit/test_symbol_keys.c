/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces by their keys: what the side band tells of processes, and what records of the
 * kernel say, which may be older or newer than that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbol/space.h"
#include "symbol/symbol.h"

#define PARENT 100
#define CHILD  101

static uint64_t key(uint32_t execs, pid_t pid)
{
	return (uint64_t)execs << 32 | (uint32_t)pid;
}

/* Nobody's /proc: only what is told counts. */
static int open_symbols(void **state)
{
	*state = symbols_new(&(struct symbols_options){ .proc = "/nonexistent" });
	return 0;
}

static int close_symbols(void **state)
{
	symbols_free(*state);
	return 0;
}

static void map_code(struct symbols *s, pid_t pid, uint64_t start)
{
	symbols_on_map(s, &(struct map_event){
				  .pid = pid, .start = start, .length = 0x1000, .path = "//anon" });
}

/* The only change that there is. */
static struct space_change the_change(struct symbols *s)
{
	struct space_change change, another;

	assert_true(symbols_next_change(s, &change));
	assert_false(symbols_next_change(s, &another));
	return change;
}

static void forget_changes(struct symbols *s)
{
	struct space_change change;

	while (symbols_next_change(s, &change))
		;
}

static void a_process_without_known_key_is_not_told_of(void **state)
{
	struct symbols *s = *state;
	struct space_change change;

	map_code(s, PARENT, 0x1000);
	symbols_on_exec(s, PARENT);
	symbols_on_fork(s, PARENT, CHILD);
	assert_false(symbols_next_change(s, &change));
	assert_false(symbols_expect(s, key(0, PARENT)));
}

static void a_process_is_told_of_when_a_record_says_its_key(void **state)
{
	struct symbols *s = *state;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(5, PARENT));
	const struct space_change change = the_change(s);

	assert_false(change.is_gone);
	assert_int_equal(change.key, key(5, PARENT));
	assert_int_equal(change.space->n, 1);
	assert_true(symbols_has_space(s, key(5, PARENT)));
	assert_false(symbols_has_space(s, key(4, PARENT)));
}

static void many_changes_of_a_process_are_told_once(void **state)
{
	struct symbols *s = *state;

	symbols_on_space(s, key(5, PARENT));
	for (uint64_t i = 1; i < 10; i++)
		map_code(s, PARENT, i << 16);
	assert_int_equal(the_change(s).space->n, 9);
}

static void a_mapping_that_was_there_already_is_no_change(void **state)
{
	struct symbols *s = *state;
	struct space_change change;

	symbols_on_space(s, key(5, PARENT));
	map_code(s, PARENT, 0x1000);
	forget_changes(s);
	map_code(s, PARENT, 0x1000);
	assert_false(symbols_next_change(s, &change));
	map_code(s, PARENT, 0x1800);
	assert_true(symbols_next_change(s, &change));
}

static void a_child_has_its_parents_space_and_count_of_execs(void **state)
{
	struct symbols *s = *state;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(5, PARENT));
	struct space *shared = the_change(s).space;

	symbols_on_fork(s, PARENT, CHILD);
	const struct space_change change = the_change(s);

	assert_int_equal(change.key, key(5, CHILD));
	assert_ptr_equal(change.space, shared);
}

static void an_exec_counts_and_maps_anew(void **state)
{
	struct symbols *s = *state;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(5, PARENT));
	forget_changes(s);
	symbols_on_exec(s, PARENT);
	map_code(s, PARENT, 0x5000);
	const struct space_change change = the_change(s);

	assert_int_equal(change.key, key(6, PARENT));
	assert_int_equal(change.space->n, 1);
	assert_int_equal(change.space->maps[0].start, 0x5000);
}

static void a_record_from_before_an_exec_is_read_in_the_light_of_that_time(void **state)
{
	struct symbols *s = *state;
	struct space *space;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(5, PARENT));
	symbols_on_exec(s, PARENT);
	map_code(s, PARENT, 0x5000);

	assert_true(symbols_expect(s, key(5, PARENT)));
	symbols_on_space(s, key(5, PARENT));
	space = symbols_hold_space(s, key(5, PARENT));
	assert_non_null(space);
	assert_int_equal(space->maps[0].start, 0x1000);
	symbols_release_space(s, space);
	/* It stays the program that it is. */
	assert_true(symbols_has_space(s, key(6, PARENT)));
}

static void a_key_that_nobody_told_of_starts_anew(void **state)
{
	struct symbols *s = *state;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(5, PARENT));
	forget_changes(s);
	assert_false(symbols_expect(s, key(9, PARENT)));
	symbols_on_space(s, key(9, PARENT));
	const struct space_change change = the_change(s);

	assert_int_equal(change.key, key(9, PARENT));
	assert_int_equal(change.space->n, 0);
	assert_null(symbols_hold_space(s, key(5, PARENT)));
}

static void a_space_that_is_held_outlives_its_process(void **state)
{
	struct symbols *s = *state;
	struct space *space;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(5, PARENT));
	space = symbols_hold_space(s, key(5, PARENT));
	symbols_on_exec(s, PARENT);
	symbols_on_exec(s, PARENT);
	symbols_on_exit(s, PARENT);
	assert_int_equal(space->n, 1);
	assert_int_equal(space->maps[0].start, 0x1000);
	symbols_release_space(s, space);
}

static void a_process_that_exited_is_told_of_as_gone(void **state)
{
	struct symbols *s = *state;

	symbols_on_space(s, key(5, PARENT));
	forget_changes(s);
	symbols_on_exit(s, PARENT);
	const struct space_change change = the_change(s);

	assert_true(change.is_gone);
	assert_int_equal(change.pid, PARENT);
	assert_false(symbols_has_space(s, key(5, PARENT)));
	/* Its last samples may still be on their way. */
	struct space *space = symbols_hold_space(s, key(5, PARENT));

	assert_non_null(space);
	symbols_release_space(s, space);
}

static void a_number_that_is_used_again_is_another_process(void **state)
{
	struct symbols *s = *state;

	map_code(s, PARENT, 0x1000);
	symbols_on_space(s, key(2, PARENT));
	map_code(s, CHILD, 0x7000);
	symbols_on_space(s, key(9, CHILD));
	symbols_on_exit(s, CHILD);
	forget_changes(s);
	symbols_on_fork(s, PARENT, CHILD);
	const struct space_change change = the_change(s);

	assert_int_equal(change.key, key(2, CHILD));
	assert_int_equal(change.space->maps[0].start, 0x1000);
	assert_null(symbols_hold_space(s, key(9, CHILD)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_symbols, close_symbols)
	const struct CMUnitTest tests[] = {
		TEST(a_process_without_known_key_is_not_told_of),
		TEST(a_process_is_told_of_when_a_record_says_its_key),
		TEST(many_changes_of_a_process_are_told_once),
		TEST(a_mapping_that_was_there_already_is_no_change),
		TEST(a_child_has_its_parents_space_and_count_of_execs),
		TEST(an_exec_counts_and_maps_anew),
		TEST(a_record_from_before_an_exec_is_read_in_the_light_of_that_time),
		TEST(a_key_that_nobody_told_of_starts_anew),
		TEST(a_space_that_is_held_outlives_its_process),
		TEST(a_process_that_exited_is_told_of_as_gone),
		TEST(a_number_that_is_used_again_is_another_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
