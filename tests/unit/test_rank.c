/* SPDX-License-Identifier: Apache-2.0 */
/* Rankings: self and total as pprof counts them, keys, order, comparison. */
#include "profile_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "profile/rank.h"

static struct rank *rank_by(const struct profile *p, const char *const *keys, size_t n)
{
	struct rank *r = NULL;

	assert_int_equal(rank_new(p, 0, keys, n, &r), 0);
	return r;
}

/* The row whose keys are these ("web main"), NULL if there is none. */
static const struct rank_row *find(const struct rank *r, const char *keys)
{
	for (size_t i = 0; i < r->n; i++) {
		char text[256] = "";

		for (size_t k = 0; k < r->nkeys; k++) {
			strcat(text, k ? " " : "");
			strcat(text, r->rows[i].keys[k]);
		}
		if (strcmp(text, keys) == 0)
			return &r->rows[i];
	}
	return NULL;
}

static void expect(const struct rank *r, const char *keys, uint64_t self, uint64_t total)
{
	const struct rank_row *row = find(r, keys);

	if (!row)
		fail_msg("no row '%s'", keys);
	if (row->self != self || row->total != total)
		fail_msg("'%s' has %llu, %llu", keys, (unsigned long long)row->self,
			 (unsigned long long)row->total);
}

static void functions_have_self_and_total(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "main parse", 1);
	fixture_add(p, "web", "t", "main send", 2);
	fixture_add(p, "db", "t", "main", 4);

	struct rank *r = rank_by(p, keys, 1);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->total, 7);
	expect(r, "main", 4, 7);
	expect(r, "send", 2, 2);
	expect(r, "parse", 1, 1);
	/* Largest self first. */
	assert_string_equal(r->rows[0].keys[0], "main");
	assert_string_equal(r->rows[1].keys[0], "send");
	assert_string_equal(r->type, "samples");
	rank_free(r);
	profile_free(p);
}

static void recursion_counts_once(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "main f g f g f", 5);
	struct rank *r = rank_by(p, keys, 1);
	expect(r, "f", 5, 5);
	expect(r, "g", 0, 5);
	expect(r, "main", 0, 5);
	rank_free(r);
	profile_free(p);
}

static void the_innermost_inlined_function_is_the_leaf(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "main call,helper,detail", 5);
	struct rank *r = rank_by(p, keys, 1);
	expect(r, "detail", 5, 5);
	expect(r, "helper", 0, 5);
	expect(r, "call", 0, 5);
	rank_free(r);
	profile_free(p);
}

static void keys_combine_labels_and_stack(void **state)
{
	static const char *const keys[] = { "container", "function", "mapping" };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "main", 1);
	fixture_add(p, "web", "u", "main", 2);
	fixture_add(p, "db", "t", "main", 4);
	fixture_add(p, NULL, "t", "main", 8);
	struct rank *r = rank_by(p, keys, 3);
	assert_int_equal(r->n, 3);
	expect(r, "web main /bin/app", 3, 3);
	expect(r, "db main /bin/app", 4, 4);
	expect(r, "- main /bin/app", 8, 8);
	rank_free(r);
	profile_free(p);
}

static void labels_alone_have_self_equal_to_total(void **state)
{
	static const char *const keys[] = { "container", "pid" };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "main a", 1);
	fixture_add(p, "web", "u", "main b", 2);
	fixture_add(p, "db", "t", "main", 4);
	struct rank *r = rank_by(p, keys, 2);
	assert_int_equal(r->n, 2);
	expect(r, "web 7", 3, 3);
	expect(r, "db 7", 4, 4);
	rank_free(r);
	profile_free(p);
}

static void equal_weights_go_by_total_then_name(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "z y", 1);
	fixture_add(p, "web", "t", "b x", 1);
	fixture_add(p, "web", "t", "b w", 1);
	struct rank *r = rank_by(p, keys, 1);
	static const char *const order[] = { "w", "x", "y", "b", "z" };
	assert_int_equal(r->n, ARRAY_SIZE(order));
	for (size_t i = 0; i < r->n; i++)
		assert_string_equal(r->rows[i].keys[0], order[i]);
	rank_free(r);
	profile_free(p);
}

static void a_sample_without_a_stack_is_not_lost(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = fixture_new();

	(void)state;
	profile_add(p, 0, 0, (const int64_t[]){ 3, 30 });
	fixture_add(p, "web", "t", "main", 1);
	struct rank *r = rank_by(p, keys, 1);
	expect(r, "-", 3, 3);
	assert_int_equal(r->total, 4);
	rank_free(r);
	profile_free(p);
}

static void the_kind_of_a_function_is_known(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = fixture_new();
	const struct mapping kernel = { .file = profile_string(p, MAPPING_KERNEL) };
	const uint32_t stack[] = {
		profile_named_location(p, profile_mapping(p, &kernel), "schedule"),
		profile_named_location(p, 0, FRAME_TRUNCATED),
	};

	(void)state;
	profile_add(p, profile_stack(p, stack, 2), 0, (const int64_t[]){ 1, 10 });
	struct rank *r = rank_by(p, keys, 1);
	assert_int_equal(find(r, "schedule")->kind, FRAME_KERNEL);
	assert_int_equal(find(r, FRAME_TRUNCATED)->kind, FRAME_MARK);
	rank_free(r);
	profile_free(p);
}

static void add_frame(struct profile *p, uint32_t locations[], size_t at, const char *mapping,
		      const char *name)
{
	const struct mapping m = { .start = 0x1000,
				   .limit = 0x9000,
				   .file = profile_string(p, mapping ? mapping : "") };
	const struct function f = { .name = profile_string(p, name) };
	const struct line line = { .function = profile_function(p, &f) };

	locations[at] = profile_location_with_lines(p, mapping ? profile_mapping(p, &m) : 0,
						    mapping ? 0x2000 + at : 0, &line, 1);
}

/* Leaf first: who woke, then who waited: read() in the kernel, that of a program. */
static void a_wait_has_its_self_where_the_scheduler_was_called(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *p = profile_new();
	const struct value_type type = { profile_string(p, "offcpu"),
					 profile_string(p, "nanoseconds") };
	const int64_t value = 10;
	uint32_t l[6], stacks[2];

	(void)state;
	profile_set_types(p, &type, 1);
	add_frame(p, l, 0, NULL, "waker");
	add_frame(p, l, 1, NULL, NAME_WAKER);
	add_frame(p, l, 2, MAPPING_KERNEL, "__schedule");
	add_frame(p, l, 3, MAPPING_KERNEL, "io_schedule_timeout");
	add_frame(p, l, 4, MAPPING_KERNEL, "pipe_read");
	add_frame(p, l, 5, "/bin/app", "schedule_work");
	stacks[0] = profile_stack(p, l + 2, 4);
	stacks[1] = profile_stack(p, l, 6);
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
		profile_add(p, stacks[i], 0, &value);

	struct rank *r = rank_by(p, keys, 1);
	expect(r, "pipe_read", 20, 20);
	expect(r, "__schedule", 0, 20);
	expect(r, "waker", 0, 10);
	rank_free(r);
	profile_free(p);
}

static void a_key_that_nobody_has_is_refused(void **state)
{
	static const char *const unknown[] = { "function", "pod" };
	struct profile *p = fixture_new();
	struct rank *r = NULL;

	(void)state;
	fixture_add(p, "web", "t", "main", 1);
	log_set_level(LOG_QUIET);
	assert_int_equal(rank_new(p, 0, unknown, 2, &r), -22);
	assert_int_equal(rank_new(p, 0, unknown, 0, &r), -22);
	assert_null(r);
	log_set_level(LOG_INFO);
	assert_true(rank_key_is_label("pod"));
	assert_false(rank_key_is_label("function"));
	profile_free(p);
}

static void a_comparison_scales_before_to_after(void **state)
{
	static const char *const keys[] = { "function" };
	struct profile *before = fixture_new(), *after = fixture_new();
	struct rank *r;

	(void)state;
	/* 10 samples before, 20 after: each before counts twice. */
	fixture_add(before, "web", "t", "main old", 4);
	fixture_add(before, "web", "t", "main both", 6);
	fixture_add(after, "web", "t", "main both", 15);
	fixture_add(after, "web", "t", "new", 5);
	assert_int_equal(rank_diff(before, after, "samples", keys, 1, &r), 0);
	assert_true(r->is_diff);
	assert_int_equal(r->total, 20);
	assert_int_equal(r->base_total, 10);
	expect(r, "both", 15, 15);
	expect(r, "old", 0, 0);
	expect(r, "main", 0, 15);
	assert_true(find(r, "both")->self_base == 12);
	assert_true(find(r, "old")->self_base == 8);
	assert_true(find(r, "main")->total_base == 20);
	assert_true(find(r, "main")->self_base == 0);
	assert_true(find(r, "new")->total_base == 0);
	rank_free(r);

	/* NULL is AFTER's default, here the last. */
	assert_int_equal(rank_diff(before, after, NULL, keys, 1, &r), 0);
	assert_string_equal(r->type, "cpu");
	assert_int_equal(r->total, 200);
	rank_free(r);
	profile_free(before);
	profile_free(after);
}

static void keys_of_either_side_are_known_in_a_comparison(void **state)
{
	static const char *const keys[] = { "container" };
	struct profile *before = fixture_new(), *after = fixture_new();
	struct rank *r;

	(void)state;
	fixture_add(before, "web", "t", "main", 4);
	fixture_add(after, NULL, "t", "main", 4);
	assert_int_equal(rank_diff(before, after, "samples", keys, 1, &r), 0);
	assert_true(find(r, "web")->self_base == 4);
	expect(r, "-", 4, 4);
	rank_free(r);
	profile_free(before);
	profile_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_have_self_and_total),
		cmocka_unit_test(recursion_counts_once),
		cmocka_unit_test(the_innermost_inlined_function_is_the_leaf),
		cmocka_unit_test(keys_combine_labels_and_stack),
		cmocka_unit_test(labels_alone_have_self_equal_to_total),
		cmocka_unit_test(equal_weights_go_by_total_then_name),
		cmocka_unit_test(a_sample_without_a_stack_is_not_lost),
		cmocka_unit_test(the_kind_of_a_function_is_known),
		cmocka_unit_test(a_wait_has_its_self_where_the_scheduler_was_called),
		cmocka_unit_test(a_key_that_nobody_has_is_refused),
		cmocka_unit_test(a_comparison_scales_before_to_after),
		cmocka_unit_test(keys_of_either_side_are_known_in_a_comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
