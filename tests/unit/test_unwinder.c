/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is told for walking stacks: room, rules, tables, address spaces; and samples that
 * wait to be walked here. The kernel's maps are plain memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "signal/unwind_deferred.h"
#include "signal/unwind_rules.h"
#include "signal/unwind_spaces.h"
#include "signal/unwind_tables.h"
#include "signal/unwind_walk.h"
#include "symbol/object.h"
#include "unwind_built_fixture.h"
#include "unwinder_fixture.h"

/* --- room --- */

static void what_is_given_back_rests_for_a_second(void **state)
{
	struct room room;
	uint32_t first;

	(void)state;
	room_init(&room, 10, 4);
	assert_true(room_take(&room, 4, 0, &first));
	assert_int_equal(first, 10);
	room_give(&room, first, 4, 100);
	assert_false(room_take(&room, 1, 100 + ROOM_REST_MS - 1, &first));
	assert_false(room_is_empty(&room, 100 + ROOM_REST_MS - 1));
	assert_true(room_is_empty(&room, 100 + ROOM_REST_MS));
	assert_true(room_take(&room, 4, 100 + ROOM_REST_MS, &first));
	assert_int_equal(first, 10);
	room_destroy(&room);
}

static void neighbours_that_are_free_become_one(void **state)
{
	static const size_t orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 0, 2, 1 }, { 1, 0, 2 } };

	(void)state;
	for (size_t o = 0; o < ARRAY_SIZE(orders); o++) {
		uint32_t first[3], all;
		struct room room;

		room_init(&room, 0, 30);
		for (size_t i = 0; i < 3; i++)
			assert_true(room_take(&room, 10, 0, &first[i]));
		assert_false(room_take(&room, 1, 0, &all));
		for (size_t i = 0; i < 3; i++)
			room_give(&room, first[orders[o][i]], 10, 0);
		assert_true(room_take(&room, 30, ROOM_REST_MS, &all));
		assert_int_equal(all, 0);
		room_destroy(&room);
	}
}

static void a_gap_is_filled_by_what_fits_in_it(void **state)
{
	uint32_t a, b, c;
	struct room room;

	(void)state;
	room_init(&room, 0, 30);
	assert_true(room_take(&room, 5, 0, &a));
	assert_true(room_take(&room, 5, 0, &b));
	room_give(&room, a, 5, 0);
	assert_true(room_take(&room, 6, ROOM_REST_MS, &c));
	assert_int_equal(c, 10);
	assert_true(room_take(&room, 5, ROOM_REST_MS, &c));
	assert_int_equal(c, 0);
	room_destroy(&room);
}

/* --- rules --- */

static void equal_rules_have_one_number_for_as_long_as_anybody_uses_them(void **state)
{
	const struct unwind_rule eight = rule_of(8), sixteen = rule_of(16);
	struct fake fake;
	uint32_t a, b;

	(void)state;
	fake_open(&fake);
	struct unwind_rules *rules = &fake.tables.rules;

	a = rules_take(rules, &eight, 0);
	assert_int_equal(rules_take(rules, &eight, 0), a);
	b = rules_take(rules, &sixteen, 0);
	assert_int_not_equal(a, b);
	assert_int_equal(fake.maps.rules[b].cfa, 16);
	rules_give(rules, a, 0);
	assert_int_equal(rules_take(rules, &eight, 0), a);
	rules_give(rules, a, 0);
	rules_give(rules, a, 0);
	/* Nobody uses it: it is somebody else's in a second, and comes back under another number.
	 */
	assert_int_equal(rules_take(rules, &(struct unwind_rule){ .cfa_kind = CFA_SP, .cfa = 24 },
				    ROOM_REST_MS),
			 a);
	assert_int_not_equal(rules_take(rules, &eight, ROOM_REST_MS), a);
	fake_close(&fake);
}

static void rules_without_place_in_the_array_have_the_numbers_that_are_agreed_on(void **state)
{
	static const struct {
		enum unwind_cfa kind;
		uint32_t number;
	} fixed[] = { { CFA_NONE, UNWIND_RULE_NONE },
		      { CFA_UNSUPPORTED, UNWIND_RULE_UNSUPPORTED },
		      { CFA_END, UNWIND_RULE_END } };
	struct fake fake;

	(void)state;
	fake_open(&fake);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		const struct unwind_rule rule = { .cfa_kind = (uint8_t)fixed[i].kind };

		assert_int_equal(rules_take(&fake.tables.rules, &rule, 0), fixed[i].number);
		assert_int_equal(fake.maps.rules[fixed[i].number].cfa_kind, fixed[i].kind);
		rules_give(&fake.tables.rules, fixed[i].number, 0);
	}
	fake_close(&fake);
}

static void one_rule_too_many_is_unsupported(void **state)
{
	struct fake fake;

	(void)state;
	fake_open(&fake);
	for (int i = UNWIND_RULE_END + 1; i < UNWIND_RULES_MAX; i++) {
		const struct unwind_rule rule = rule_of(8 * i);

		assert_int_equal(rules_take(&fake.tables.rules, &rule, 0), i);
	}
	const struct unwind_rule more = rule_of(4);

	assert_int_equal(rules_take(&fake.tables.rules, &more, 0), UNWIND_RULE_UNSUPPORTED);
	fake_close(&fake);
}

/* --- tables --- */

static uint32_t get(struct fake *fake, const char *id, int64_t now)
{
	return tables_get(&fake->tables, (const uint8_t *)id, strlen(id), now);
}

static uint32_t install(struct fake *fake, const char *id, int cfa, int64_t now)
{
	uint32_t number = get(fake, id, now);

	tables_use(&fake->tables, number, now);
	tables_install(&fake->tables, number, build_small(cfa), now);
	return number;
}

static const uint32_t *words_of(struct fake *fake, uint32_t number)
{
	const struct unwind_table *table = &fake->maps.tables[number];

	return fake->pools[table->pool][table->line].words;
}

static void one_build_id_has_one_table(void **state)
{
	struct fake fake;
	uint32_t a;

	(void)state;
	fake_open(&fake);
	a = get(&fake, "a", 0);
	assert_true(a >= UNWIND_TABLE_FIRST);
	assert_int_equal(get(&fake, "a", 0), a);
	assert_int_not_equal(get(&fake, "b", 0), a);
	assert_int_equal(tables_word(&fake.tables, a), UNWIND_TABLE_PENDING);
	fake_close(&fake);
}

static void a_table_is_written_with_the_numbers_of_the_shared_rules(void **state)
{
	struct fake fake;
	uint32_t a, b;

	(void)state;
	fake_open(&fake);
	a = install(&fake, "a", 8, 0);
	b = install(&fake, "b", 48, 0);
	for (size_t i = 0; i < 2; i++) {
		uint32_t number = i ? b : a;
		const struct unwind_table *table = &fake.maps.tables[number];
		const uint32_t *words = words_of(&fake, number);

		assert_int_equal(tables_word(&fake.tables, number), number);
		assert_int_equal(table->base, 0x1000);
		assert_int_equal(table->pages, 2);
		assert_int_equal(table->words, 6);
		/* The index as it was, rows with their rules exchanged. */
		assert_int_equal(words[0], 3);
		assert_int_equal(words[2], 6);
		assert_int_equal(UNWIND_ROW_LOW(words[5]), 0x80);
		assert_int_equal(UNWIND_ROW_RULE(words[5]), UNWIND_RULE_END);
		assert_int_equal(fake.maps.rules[UNWIND_ROW_RULE(words[3])].cfa, i ? 48 : 8);
	}
	assert_int_equal(fake.npools, 1);
	fake_close(&fake);
}

static void a_table_goes_a_minute_after_its_last_user(void **state)
{
	const struct unwind_rule rule = rule_of(8);
	struct fake fake;
	uint32_t a;

	(void)state;
	fake_open(&fake);
	a = install(&fake, "a", 8, 0);
	tables_tick(&fake.tables, 10 * TABLE_UNUSED_MS);
	assert_int_equal(fake.maps.tables[a].pages, 2);
	tables_release(&fake.tables, a, 0);
	tables_tick(&fake.tables, TABLE_UNUSED_MS - 1);
	assert_int_equal(fake.maps.tables[a].pages, 2);
	tables_tick(&fake.tables, TABLE_UNUSED_MS);
	assert_int_equal(fake.maps.tables[a].pages, 0);
	/* Its rule went with it: this is another, with another number. */
	assert_int_not_equal(rules_take(&fake.tables.rules, &rule, TABLE_UNUSED_MS),
			     UNWIND_RULE_END + 1);
	/* So did its place in the pool and its number, each after a rest. */
	assert_true(room_is_empty(&fake.tables.pools.all[0].room, TABLE_UNUSED_MS + ROOM_REST_MS));
	assert_int_equal(get(&fake, "b", TABLE_UNUSED_MS + ROOM_REST_MS), a);
	fake_close(&fake);
}

static void what_cannot_be_built_is_walked_by_frame_pointers_and_not_tried_again(void **state)
{
	struct fake fake;
	uint32_t a;

	(void)state;
	fake_open(&fake);
	a = get(&fake, "a", 0);
	tables_want(&fake.tables, a);
	assert_int_equal(tables_next_wanted(&fake.tables), a);
	tables_give_up(&fake.tables, a, TABLE_REFUSED);
	assert_int_equal(tables_word(&fake.tables, a), UNWIND_TABLE_NONE);
	tables_want(&fake.tables, a);
	assert_int_equal(tables_next_wanted(&fake.tables), 0);
	assert_int_equal(fake.tables.stats.refused, 1);
	fake_close(&fake);
}

static void the_table_that_most_walks_wait_for_is_built_first(void **state)
{
	struct fake fake;
	uint32_t a, b;

	(void)state;
	fake_open(&fake);
	a = get(&fake, "a", 0);
	b = get(&fake, "b", 0);
	tables_want(&fake.tables, a);
	tables_want(&fake.tables, b);
	tables_want(&fake.tables, b);
	assert_int_equal(tables_next_wanted(&fake.tables), b);
	assert_int_equal(tables_next_wanted(&fake.tables), a);
	assert_int_equal(tables_next_wanted(&fake.tables), 0);
	fake_close(&fake);
}

static struct unwind_built *build_large(uint32_t pages)
{
	static struct unwind_built built;
	uint32_t *words = xcalloc(2 * pages + 1, sizeof(*words));

	built = *build_small(8);
	built.pages = pages;
	built.nwords = 2 * pages + 1;
	built.words = words;
	for (uint32_t i = 0; i <= pages; i++)
		words[i] = pages + 1 + i;
	return &built;
}

static void install_large(struct fake *fake, uint32_t number, uint32_t pages, int64_t now)
{
	struct unwind_built *built = build_large(pages);

	assert_int_equal(unwind_built_check(built), 0);
	tables_install(&fake->tables, number, built, now);
	free(built->words);
}

/* Pages of a table that takes all lines of an ordinary pool. */
#define FULL_POOL_PAGES (UNWIND_POOL_LINES * UNWIND_LINE_WORDS / 2 - 1)

static void a_table_larger_than_a_pool_gets_one_of_its_own(void **state)
{
	struct fake fake;
	uint32_t a, b;

	(void)state;
	fake_open(&fake);
	a = install(&fake, "a", 8, 0);
	b = get(&fake, "b", 0);
	tables_use(&fake.tables, b, 0);
	install_large(&fake, b, 2 * FULL_POOL_PAGES, 0);
	assert_int_equal(fake.npools, 2);
	assert_true(fake.tables.pools.all[1].lines > UNWIND_POOL_LINES);
	assert_int_equal(words_of(&fake, b)[0], 2 * FULL_POOL_PAGES + 1);
	/* When it is not used any more the pool goes back to the kernel; the other stays. */
	tables_release(&fake.tables, b, 0);
	tables_tick(&fake.tables, TABLE_UNUSED_MS);
	tables_tick(&fake.tables, TABLE_UNUSED_MS + ROOM_REST_MS);
	assert_int_equal(fake.npools, 1);
	assert_int_equal(fake.maps.tables[a].pages, 2);
	fake_close(&fake);
}

static void when_all_pools_are_full_the_one_unused_for_longest_makes_room(void **state)
{
	struct fake fake;
	uint32_t numbers[POOLS_LINES_MAX / UNWIND_POOL_LINES], more;
	char id[16];

	(void)state;
	fake_open(&fake);
	for (uint32_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(id, sizeof(id), "%u", i);
		numbers[i] = get(&fake, id, i);
		tables_use(&fake.tables, numbers[i], i);
		install_large(&fake, numbers[i], FULL_POOL_PAGES, i);
		assert_int_equal(tables_word(&fake.tables, numbers[i]), numbers[i]);
	}
	more = get(&fake, "one too many", 100);
	install_large(&fake, more, FULL_POOL_PAGES, 100);
	assert_int_equal(tables_word(&fake.tables, more), UNWIND_TABLE_NONE);
	assert_int_equal(fake.tables.stats.no_room, 1);

	tables_release(&fake.tables, numbers[7], 200);
	tables_release(&fake.tables, numbers[3], 201);
	more = get(&fake, "another", 300);
	install_large(&fake, more, FULL_POOL_PAGES, 300);
	assert_int_equal(fake.maps.tables[numbers[7]].pages, 0);
	assert_int_not_equal(fake.maps.tables[numbers[3]].pages, 0);
	more = get(&fake, "a third", 300 + ROOM_REST_MS);
	install_large(&fake, more, FULL_POOL_PAGES, 300 + ROOM_REST_MS);
	assert_int_equal(tables_word(&fake.tables, more), more);
	fake_close(&fake);
}

static void more_files_than_there_are_numbers_have_no_table(void **state)
{
	struct fake fake;
	uint32_t last = 0;

	(void)state;
	fake_open(&fake);
	for (uint32_t i = UNWIND_TABLE_FIRST; i < UNWIND_TABLES_MAX; i++) {
		last = tables_get(&fake.tables, (const uint8_t *)&i, sizeof(i), i);
		assert_int_equal(last, i);
		tables_use(&fake.tables, last, i);
	}
	assert_int_equal(get(&fake, "more", UNWIND_TABLES_MAX), UNWIND_TABLE_NONE);
	tables_release(&fake.tables, 77, UNWIND_TABLES_MAX);
	assert_int_equal(get(&fake, "more", UNWIND_TABLES_MAX), UNWIND_TABLE_NONE);
	assert_int_equal(get(&fake, "more", UNWIND_TABLES_MAX + ROOM_REST_MS), 77);
	fake_close(&fake);
}

/* --- address spaces --- */

static struct space_change told(uint32_t execs, pid_t pid, struct space *space)
{
	return (struct space_change){
		.pid = pid,
		.key = (uint64_t)execs << 32 | (uint32_t)pid,
		.is_gone = !space,
		.space = space,
	};
}

static void tell(struct fake *fake, uint32_t execs, pid_t pid, struct space *space, int64_t now)
{
	const struct space_change change = told(execs, pid, space);

	spaces_on_change(&fake->spaces, &change, now);
}

static struct object libc_object = {
	.state = OBJECT_OPEN,
	.id = "libc",
	.id_size = 4,
	.fd = -1,
	.nloads = 1,
	.loads = { { .address = 0x26000, .offset = 0x26000, .file_size = 0x100000 } },
};

static struct space *some_space(void)
{
	struct space *space = space_new();

	space_add(&space, &(struct map){ .start = 0x7f0000026000,
					 .end = 0x7f0000126000,
					 .offset = 0x26000,
					 .object = &libc_object });
	space_add(&space, &(struct map){ .start = 0x1000, .end = 0x2000, .kind = MAP_ANONYMOUS });
	return space;
}

static void a_process_is_told_of_with_its_mappings_in_order(void **state)
{
	struct space *space = some_space();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	tell(&fake, 3, 100, space, 0);
	const struct fake_space *told_of = fake_find(&fake, 3ULL << 32 | 100);

	assert_non_null(told_of);
	assert_int_equal(told_of->space.n, 2);
	assert_int_not_equal(told_of->space.generation, 0);
	const struct unwind_mapping *mappings = &fake.maps.mappings[told_of->space.first];

	assert_int_equal(mappings[0].start, 0x1000);
	assert_int_equal(mappings[0].table, UNWIND_TABLE_NONE);
	assert_int_equal(mappings[1].start, 0x7f0000026000);
	assert_int_equal(mappings[1].end, 0x7f0000126000);
	assert_int_equal(mappings[1].bias, 0x7f0000000000);
	assert_int_equal(mappings[1].table, UNWIND_TABLE_PENDING);
	space_drop(space);
	fake_close(&fake);
}

static void a_table_that_gets_ready_is_stored_in_all_mappings_of_it(void **state)
{
	struct space *space = some_space(), *other = some_space();
	struct fake fake;
	uint32_t number;

	(void)state;
	fake_open(&fake);
	tell(&fake, 1, 100, space, 0);
	tell(&fake, 1, 101, other, 0);
	number = get(&fake, "libc", 0);
	tables_install(&fake.tables, number, build_small(8), 0);
	spaces_on_table(&fake.spaces, number);
	for (uint32_t pid = 100; pid <= 101; pid++) {
		const struct fake_space *told_of = fake_find(&fake, 1ULL << 32 | pid);

		assert_int_equal(fake.maps.mappings[told_of->space.first].table, UNWIND_TABLE_NONE);
		assert_int_equal(fake.maps.mappings[told_of->space.first + 1].table, number);
	}
	assert_int_equal(fake.tables.all[number].users, 2);
	space_drop(space);
	space_drop(other);
	fake_close(&fake);
}

static void children_share_the_range_of_their_parent_until_they_map_something(void **state)
{
	struct space *parent = some_space(), *child = space_share(parent);
	struct fake fake;

	(void)state;
	fake_open(&fake);
	tell(&fake, 1, 100, parent, 0);
	tell(&fake, 1, 101, child, 0);
	uint32_t first = fake_find(&fake, 1ULL << 32 | 100)->space.first;

	assert_int_equal(fake_find(&fake, 1ULL << 32 | 101)->space.first, first);
	assert_int_equal(fake.spaces.room.used, 2);

	space_add(&child, &(struct map){ .start = 0x5000, .end = 0x6000, .kind = MAP_ANONYMOUS });
	tell(&fake, 1, 101, child, 0);
	assert_int_equal(fake_find(&fake, 1ULL << 32 | 100)->space.first, first);
	assert_int_equal(fake_find(&fake, 1ULL << 32 | 100)->space.n, 2);
	assert_int_not_equal(fake_find(&fake, 1ULL << 32 | 101)->space.first, first);
	assert_int_equal(fake_find(&fake, 1ULL << 32 | 101)->space.n, 3);
	/* The parent's stays when it is told of again, and goes with it. */
	uint32_t generation = fake_find(&fake, 1ULL << 32 | 100)->space.generation;

	tell(&fake, 1, 100, parent, 0);
	assert_int_equal(fake_find(&fake, 1ULL << 32 | 100)->space.generation, generation);
	tell(&fake, 1, 100, NULL, 0);
	assert_null(fake_find(&fake, 1ULL << 32 | 100));
	assert_int_equal(fake.tables.all[get(&fake, "libc", 0)].users, 1);
	space_drop(parent);
	space_drop(child);
	fake_close(&fake);
}

static void after_exec_the_old_key_is_gone(void **state)
{
	struct space *before = some_space(), *after = some_space();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	tell(&fake, 1, 100, before, 0);
	tell(&fake, 2, 100, after, 0);
	assert_null(fake_find(&fake, 1ULL << 32 | 100));
	assert_non_null(fake_find(&fake, 2ULL << 32 | 100));
	tell(&fake, 0, 100, NULL, 0);
	assert_int_equal(fake.nspaces, 0);
	space_drop(before);
	space_drop(after);
	fake_close(&fake);
}

static void a_range_is_not_filled_again_while_a_walk_may_be_in_it(void **state)
{
	struct space *old = some_space(), *next = some_space(), *later = some_space();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	tell(&fake, 1, 100, old, 0);
	uint32_t first = fake_find(&fake, 1ULL << 32 | 100)->space.first;

	tell(&fake, 1, 100, NULL, 50);
	tell(&fake, 1, 101, next, 50 + ROOM_REST_MS - 1);
	assert_int_not_equal(fake_find(&fake, 1ULL << 32 | 101)->space.first, first);
	assert_int_equal(fake.maps.mappings[first].start, 0x1000);
	tell(&fake, 1, 102, later, 50 + ROOM_REST_MS);
	assert_int_equal(fake_find(&fake, 1ULL << 32 | 102)->space.first, first);
	space_drop(old);
	space_drop(next);
	space_drop(later);
	fake_close(&fake);
}

static void a_new_space_at_an_old_ones_address_is_not_taken_for_it(void **state)
{
	struct space *space = some_space();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	tell(&fake, 1, 100, space, 0);
	tell(&fake, 1, 100, NULL, 0);
	/* The number that it was told of under is still noted in it. */
	assert_int_not_equal(space->range, 0);
	tell(&fake, 1, 101, space, ROOM_REST_MS);
	assert_int_equal(fake_find(&fake, 1ULL << 32 | 101)->space.n, 2);
	assert_int_equal(fake.tables.all[get(&fake, "libc", 0)].users, 1);
	space_drop(space);
	fake_close(&fake);
}

static void pieces_of_generated_code_that_touch_are_one_mapping(void **state)
{
	struct space *space = space_new();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	for (uint64_t at = 0x10000; at < 0x20000; at += 0x1000)
		space_add(&space,
			  &(struct map){ .start = at, .end = at + 0x1000, .kind = MAP_ANONYMOUS });
	space_add(&space, &(struct map){ .start = 0x30000, .end = 0x31000, .kind = MAP_ANONYMOUS });
	tell(&fake, 1, 100, space, 0);
	const struct fake_space *told_of = fake_find(&fake, 1ULL << 32 | 100);

	assert_int_equal(told_of->space.n, 2);
	assert_int_equal(fake.maps.mappings[told_of->space.first].end, 0x20000);
	space_drop(space);
	fake_close(&fake);
}

static void beyond_the_limit_of_mappings_all_is_walked_by_frame_pointers(void **state)
{
	struct space *space = space_new();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	for (uint64_t i = 1; i <= UNWIND_SPACE_MAX + 10; i++)
		space_add(&space, &(struct map){ .start = i * 0x10000,
						 .end = i * 0x10000 + 0x1000,
						 .kind = MAP_ANONYMOUS });
	tell(&fake, 1, 100, space, 0);
	const struct fake_space *told_of = fake_find(&fake, 1ULL << 32 | 100);

	assert_int_equal(told_of->space.n, UNWIND_SPACE_MAX);
	const struct unwind_mapping *last =
		&fake.maps.mappings[told_of->space.first + UNWIND_SPACE_MAX - 1];

	assert_int_equal(last->table, UNWIND_TABLE_NONE);
	assert_true(last->end > (UNWIND_SPACE_MAX + 10ULL) * 0x10000);
	space_drop(space);
	fake_close(&fake);
}

static void whoever_finds_no_room_is_told_of_without_mappings(void **state)
{
	struct space *spaces[UNWIND_MAPPINGS_MAX / UNWIND_SPACE_MAX + 1];
	struct fake fake;

	(void)state;
	fake_open(&fake);
	for (size_t k = 0; k < ARRAY_SIZE(spaces); k++) {
		spaces[k] = space_new();
		for (uint64_t i = 1; i <= UNWIND_SPACE_MAX; i++)
			space_add(&spaces[k], &(struct map){ .start = i * 0x10000,
							     .end = i * 0x10000 + 0x1000,
							     .kind = MAP_ANONYMOUS });
		tell(&fake, 1, (pid_t)k + 1, spaces[k], 0);
	}
	const struct fake_space *last = fake_find(&fake, 1ULL << 32 | ARRAY_SIZE(spaces));

	assert_int_equal(last->space.n, 0);
	assert_int_equal(fake.spaces.stats.no_room, 1);
	/* It has them as soon as there is room and it is told of again. */
	tell(&fake, 1, 1, NULL, 0);
	tell(&fake, 1, ARRAY_SIZE(spaces), spaces[ARRAY_SIZE(spaces) - 1], ROOM_REST_MS);
	last = fake_find(&fake, 1ULL << 32 | ARRAY_SIZE(spaces));
	assert_int_equal(last->space.n, UNWIND_SPACE_MAX);
	for (size_t k = 0; k < ARRAY_SIZE(spaces); k++)
		space_drop(spaces[k]);
	fake_close(&fake);
}

static void a_full_map_of_spaces_is_counted_and_leaves_nothing_behind(void **state)
{
	struct space *space = some_space();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	fake.spaces_max = 1;
	tell(&fake, 1, 100, space, 0);
	tell(&fake, 1, 101, space, 0);
	assert_null(fake_find(&fake, 1ULL << 32 | 101));
	assert_int_equal(fake.spaces.stats.no_room, 1);
	tell(&fake, 1, 101, NULL, 0);
	tell(&fake, 1, 100, NULL, 0);
	assert_int_equal(fake.tables.all[get(&fake, "libc", 0)].users, 0);
	space_drop(space);
	fake_close(&fake);
}

static void an_interpreter_is_placed_and_told_of_with_its_process(void **state)
{
	struct interpreter python = { .language = LANGUAGE_PYTHON,
				      .code = { { 0x27000, 0x28000 } } };
	struct object object = libc_object;
	struct space *space = space_new();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	object.interpreter = &python;
	space_add(&space, &(struct map){ .start = 0x7f0000026000,
					 .end = 0x7f0000126000,
					 .offset = 0x26000,
					 .object = &object });
	tell(&fake, 1, 100, space, 0);
	const struct fake_space *told_of = fake_find(&fake, 1ULL << 32 | 100);

	assert_int_equal(told_of->space.language, LANGUAGE_PYTHON);
	assert_true(told_of->has_interpreter);
	assert_int_equal(told_of->interpreter.code[0].start, 0x7f0000027000);
	tell(&fake, 1, 100, NULL, 0);
	assert_int_equal(fake.ninterpreters, 0);
	space_drop(space);
	fake_close(&fake);
}

/* --- walks of stacks that were sent along --- */

struct sent {
	struct unwind_registers registers;
	uint64_t stack[16];
};

/* In libc's second function, called from its first (sp + 48), called from where the stack ends. */
static struct sent sent_stack(void)
{
	struct sent sent = { .registers = { .pc = 0x7f0000026010, .sp = 0x7ffe00001000 } };

	sent.stack[5] = 0x7f0000026110;	 /* return address at CFA - 8, CFA = sp + 48 */
	sent.stack[11] = 0x7f0000026190; /* in the part that ends the walk */
	return sent;
}

static struct walked walk(struct fake *fake, const struct sent *sent, size_t size,
			  const struct space *space, bool final)
{
	struct unwind_walker walker;
	struct walked walked;

	walker_init(&walker, &fake->spaces, &fake->tables);
	walker_walk(&walker, &sent->registers, (const uint8_t *)sent->stack, size, space, final, 0,
		    &walked);
	walker_destroy(&walker);
	return walked;
}

static void build_libc(struct fake *fake)
{
	uint32_t number = get(fake, "libc", 0);
	struct unwind_built *built = build_small(48);

	built->base = 0x26000;
	tables_install(&fake->tables, number, built, 0);
}

static void a_stack_that_was_sent_along_is_walked_to_its_end(void **state)
{
	struct space *space = some_space();
	const struct sent sent = sent_stack();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	build_libc(&fake);
	const struct walked walked = walk(&fake, &sent, sizeof(sent.stack), space, false);

	assert_int_equal(walked.end, WALK_WHOLE);
	assert_int_equal(walked.nwords, 3);
	assert_int_equal(walked.words[0], 0x7f0000026010);
	assert_int_equal(walked.words[1], 0x7f0000026110);
	assert_int_equal(walked.words[2], 0x7f0000026190);
	assert_int_equal(fake.mapped, 0);
	assert_int_equal(fake.tables.all[get(&fake, "libc", 0)].users, 0);
	space_drop(space);
	fake_close(&fake);
}

static void a_walk_says_which_table_it_waits_for(void **state)
{
	struct space *space = some_space();
	const struct sent sent = sent_stack();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	const struct walked walked = walk(&fake, &sent, sizeof(sent.stack), space, false);

	assert_int_equal(walked.end, WALK_DEFERRED);
	assert_int_equal(walked.table, get(&fake, "libc", 0));
	/* Told that nothing will come, it goes by frame pointers. */
	assert_int_equal(walk(&fake, &sent, sizeof(sent.stack), space, true).end,
			 WALK_FRAME_POINTER);
	space_drop(space);
	fake_close(&fake);
}

static void a_stack_that_was_cut_short_ends_where_it_was_cut(void **state)
{
	struct space *space = some_space();
	const struct sent sent = sent_stack();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	build_libc(&fake);
	const struct walked walked = walk(&fake, &sent, 11 * sizeof(uint64_t) + 7, space, false);

	assert_int_equal(walked.end, WALK_UNREADABLE);
	assert_int_equal(walked.nwords, 2);
	space_drop(space);
	fake_close(&fake);
}

static void a_walk_out_of_all_mappings_keeps_its_leaf(void **state)
{
	struct space *space = some_space();
	struct sent sent = sent_stack();
	struct fake fake;

	(void)state;
	fake_open(&fake);
	build_libc(&fake);
	sent.registers.pc = 0x7f00deadbeef;
	const struct walked walked = walk(&fake, &sent, sizeof(sent.stack), space, false);

	assert_int_equal(walked.end, WALK_NO_MAPPING);
	assert_int_equal(walked.nwords, 1);
	assert_int_equal(walked.words[0], 0x7f00deadbeef);
	space_drop(space);
	fake_close(&fake);
}

/* --- samples that wait --- */

static void samples_that_wait_keep_their_order(void **state)
{
	_cleanup_free_ struct deferred_record *record = xcalloc(1, sizeof(*record));
	struct waiting waiting = { .record = record,
				   .size = offsetof(struct deferred_record, stack) };
	struct deferred_queue queue;

	(void)state;
	deferred_init(&queue);
	for (uint32_t i = 0; i < 4; i++) {
		record->head.tid = i;
		assert_true(deferred_add(&queue, &waiting));
	}
	/* One from the middle, the last one, and another behind it. */
	waiting_free(deferred_remove(&queue, &queue.first->next));
	waiting_free(deferred_remove(&queue, &queue.first->next->next));
	record->head.tid = 9;
	assert_true(deferred_add(&queue, &waiting));
	static const uint32_t left[] = { 0, 2, 9 };

	assert_int_equal(queue.n, ARRAY_SIZE(left));
	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		assert_int_equal(queue.first->record->head.tid, left[i]);
		waiting_free(deferred_remove(&queue, &queue.first));
	}
	assert_int_equal(queue.bytes, 0);
	assert_true(deferred_add(&queue, &waiting));
	waiting_free(deferred_remove(&queue, &queue.first));
}

static void no_more_samples_wait_than_the_memory_allows(void **state)
{
	_cleanup_free_ struct deferred_record *record = xcalloc(1, sizeof(*record));
	struct waiting waiting = { .record = record, .size = sizeof(*record) };
	struct deferred_queue queue;
	size_t n = 0;

	(void)state;
	deferred_init(&queue);
	while (deferred_add(&queue, &waiting))
		n++;
	assert_int_equal(n, DEFERRED_BYTES_MAX / sizeof(*record));
	waiting_free(deferred_remove(&queue, &queue.first));
	assert_true(deferred_add(&queue, &waiting));
	while (queue.first)
		waiting_free(deferred_remove(&queue, &queue.first));
}

static void a_record_that_says_more_than_was_sent_is_refused(void **state)
{
	_cleanup_free_ struct deferred_record *record = xcalloc(1, sizeof(*record));
	size_t head = offsetof(struct deferred_record, stack);

	(void)state;
	record->stack_size = 100;
	assert_true(deferred_is_sound(record, head + 100));
	assert_false(deferred_is_sound(record, head + 99));
	assert_false(deferred_is_sound(record, head - 1));
	record->stack_size = UINT64_MAX;
	assert_false(deferred_is_sound(record, head + 100));
	record->stack_size = 0;
	record->head.kernel_frames = STACK_FRAMES_MAX + 1;
	assert_false(deferred_is_sound(record, head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_back_rests_for_a_second),
		cmocka_unit_test(neighbours_that_are_free_become_one),
		cmocka_unit_test(a_gap_is_filled_by_what_fits_in_it),
		cmocka_unit_test(equal_rules_have_one_number_for_as_long_as_anybody_uses_them),
		cmocka_unit_test(
			rules_without_place_in_the_array_have_the_numbers_that_are_agreed_on),
		cmocka_unit_test(one_rule_too_many_is_unsupported),
		cmocka_unit_test(one_build_id_has_one_table),
		cmocka_unit_test(a_table_is_written_with_the_numbers_of_the_shared_rules),
		cmocka_unit_test(a_table_goes_a_minute_after_its_last_user),
		cmocka_unit_test(
			what_cannot_be_built_is_walked_by_frame_pointers_and_not_tried_again),
		cmocka_unit_test(the_table_that_most_walks_wait_for_is_built_first),
		cmocka_unit_test(a_table_larger_than_a_pool_gets_one_of_its_own),
		cmocka_unit_test(when_all_pools_are_full_the_one_unused_for_longest_makes_room),
		cmocka_unit_test(more_files_than_there_are_numbers_have_no_table),
		cmocka_unit_test(a_process_is_told_of_with_its_mappings_in_order),
		cmocka_unit_test(a_table_that_gets_ready_is_stored_in_all_mappings_of_it),
		cmocka_unit_test(children_share_the_range_of_their_parent_until_they_map_something),
		cmocka_unit_test(after_exec_the_old_key_is_gone),
		cmocka_unit_test(a_range_is_not_filled_again_while_a_walk_may_be_in_it),
		cmocka_unit_test(a_new_space_at_an_old_ones_address_is_not_taken_for_it),
		cmocka_unit_test(pieces_of_generated_code_that_touch_are_one_mapping),
		cmocka_unit_test(beyond_the_limit_of_mappings_all_is_walked_by_frame_pointers),
		cmocka_unit_test(whoever_finds_no_room_is_told_of_without_mappings),
		cmocka_unit_test(a_full_map_of_spaces_is_counted_and_leaves_nothing_behind),
		cmocka_unit_test(an_interpreter_is_placed_and_told_of_with_its_process),
		cmocka_unit_test(a_stack_that_was_sent_along_is_walked_to_its_end),
		cmocka_unit_test(a_walk_says_which_table_it_waits_for),
		cmocka_unit_test(a_stack_that_was_cut_short_ends_where_it_was_cut),
		cmocka_unit_test(a_walk_out_of_all_mappings_keeps_its_leaf),
		cmocka_unit_test(samples_that_wait_keep_their_order),
		cmocka_unit_test(no_more_samples_wait_than_the_memory_allows),
		cmocka_unit_test(a_record_that_says_more_than_was_sent_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
