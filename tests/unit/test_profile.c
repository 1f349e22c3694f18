/* SPDX-License-Identifier: Apache-2.0 */
/* The model: interning, adding up, what frames are called and what they are. */
#include "profile_fixture.h"

#include <stdlib.h>

#include "base/cleanup.h"

static void equal_things_have_one_number(void **state)
{
	struct profile *p = fixture_new();
	struct mapping m = { .start = 1, .limit = 2, .file = profile_string(p, "/bin/app") };
	struct function f = { .name = profile_string(p, "main"), .start_line = 3 };

	(void)state;
	assert_int_equal(profile_string(p, ""), 0);
	assert_int_equal(profile_string(p, "main"), profile_string_n(p, "mainly", 4));
	assert_int_not_equal(profile_string(p, "main"), profile_string(p, "mainly"));
	assert_int_equal(profile_find_string(p, "main"), f.name);
	assert_int_equal(profile_find_string(p, "never seen"), 0);

	uint32_t mapping = profile_mapping(p, &m), function = profile_function(p, &f);
	assert_int_equal(profile_mapping(p, &m), mapping);
	assert_int_equal(profile_function(p, &f), function);
	m.offset = 1;
	f.start_line = 4;
	assert_int_not_equal(profile_mapping(p, &m), mapping);
	assert_int_not_equal(profile_function(p, &f), function);
	assert_int_equal(profile_count_mappings(p), 2);
	assert_int_equal(profile_count_functions(p), 2);

	assert_int_equal(profile_location(p, mapping, 0x10), profile_location(p, mapping, 0x10));
	assert_int_not_equal(profile_location(p, mapping, 0x10), profile_location(p, 0, 0x10));
	profile_free(p);
}

static void strings_are_valid_utf8_and_end_at_nul(void **state)
{
	struct profile *p = profile_new();

	(void)state;
	assert_string_equal(profile_str(p, profile_string(p, "a\xff"
							     "b")),
			    "a?b");
	assert_string_equal(profile_str(p, profile_string(p, "\xc3\xbc")), "\xc3\xbc");
	assert_string_equal(profile_str(p, profile_string_n(p, "\xc3\xbc", 1)), "?");
	assert_string_equal(profile_str(p, profile_string_n(p, "ab\0cd", 5)), "ab");
	assert_int_equal(profile_string_n(p, "\0\0", 2), 0);
	profile_free(p);
}

static void locations_at_one_address_differ_by_their_lines(void **state)
{
	struct profile *p = fixture_new();
	struct function f = { .name = profile_string(p, "f") },
			g = { .name = profile_string(p, "g") };
	const struct line lines[] = { { profile_function(p, &f), 1 },
				      { profile_function(p, &g), 2 } };
	uint32_t one = profile_location_with_lines(p, 0, 0, lines, 1);
	uint32_t two = profile_location_with_lines(p, 0, 0, lines, 2);

	(void)state;
	assert_int_not_equal(one, two);
	assert_int_equal(profile_location_with_lines(p, 0, 0, lines, 1), one);
	assert_int_equal(profile_location_with_lines(p, 0, 0, lines, 2), two);
	assert_int_equal(profile_get_location(p, two)->nlines, 2);
	assert_int_equal(profile_named_location(p, 0, "x"), profile_named_location(p, 0, "x"));
	/* What is recorded first and named later is the same as what came with its name. */
	uint32_t later = profile_location(p, 0, 99);
	profile_set_lines(p, later, lines, 2);
	assert_int_equal(profile_location(p, 0, 99), later);
	assert_int_equal(profile_location_with_lines(p, 0, 99, lines, 2), later);
	profile_free(p);
}

static void labels_are_a_set(void **state)
{
	struct profile *p = profile_new();
	const struct label a = { .key = profile_string(p, "pod"), .text = profile_string(p, "x") };
	const struct label b = { .key = profile_string(p, "pid"), .number = 7 };
	const struct label ab[] = { a, b }, ba[] = { b, a, b };
	int64_t number = 0;

	(void)state;
	assert_int_equal(profile_labels(p, NULL, 0), 0);
	uint32_t set = profile_labels(p, ab, 2);
	assert_int_equal(profile_labels(p, ba, 3), set);
	assert_int_not_equal(profile_labels(p, ab, 1), set);
	assert_string_equal(profile_label_text(p, set, "pod"), "x");
	assert_null(profile_label_text(p, set, "pid"));
	assert_null(profile_label_text(p, set, "image"));
	assert_null(profile_label_text(p, 0, "pod"));
	assert_true(profile_label_number(p, set, "pid", &number));
	assert_int_equal(number, 7);
	assert_false(profile_label_number(p, set, "pod", &number));
	profile_free(p);
}

static void a_key_may_have_several_values(void **state)
{
	struct profile *p = profile_new();
	const struct label two[] = {
		{ .key = profile_string(p, "k"), .text = profile_string(p, "a") },
		{ .key = profile_string(p, "k"), .text = profile_string(p, "b") },
	};
	size_t n;

	(void)state;
	profile_get_labels(p, profile_labels(p, two, 2), &n);
	assert_int_equal(n, 2);
	profile_free(p);
}

static void the_same_sample_adds_up(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "nginx", "main work", 3);
	fixture_add(p, "web", "nginx", "main work", 4);
	fixture_add(p, "db", "nginx", "main work", 5);
	assert_int_equal(profile_count_samples(p), 2);
	assert_int_equal(profile_get_sample(p, 0).values[0], 7);
	assert_int_equal(profile_get_sample(p, 0).values[1], 70);
	assert_int_equal(profile_get_sample(p, 1).values[0], 5);
	profile_free(p);
}

static void sums_saturate(void **state)
{
	struct profile *p = fixture_new();
	const int64_t large[] = { INT64_MAX - 1, INT64_MIN + 1 }, step[] = { 5, -5 };

	(void)state;
	profile_add(p, 0, 0, large);
	profile_add(p, 0, 0, step);
	assert_true(profile_get_sample(p, 0).values[0] == INT64_MAX);
	assert_true(profile_get_sample(p, 0).values[1] == INT64_MIN);
	profile_free(p);
}

static void many_things_keep_their_numbers(void **state)
{
	enum { MANY = 20000 };
	struct profile *p = fixture_new();
	static uint32_t stacks[MANY];

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		const uint32_t locations[] = { profile_location(p, 0, i), 1 };
		const int64_t values[] = { i, 1 };

		stacks[i] = profile_stack(p, locations, 2);
		profile_add(p, stacks[i], 0, values);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		const uint32_t locations[] = { profile_location(p, 0, i), 1 };
		const int64_t values[] = { i, 1 };

		assert_int_equal(profile_stack(p, locations, 2), stacks[i]);
		profile_add(p, stacks[i], 0, values);
	}
	assert_int_equal(profile_count_samples(p), MANY);
	assert_int_equal(profile_count_locations(p), MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(profile_get_sample(p, i).values[0], 2 * i);
	assert_true(profile_memory(p) > MANY * 2 * sizeof(uint32_t));
	profile_free(p);
}

static void a_stack_that_is_too_long_is_cut(void **state)
{
	struct profile *p = fixture_new();
	static uint32_t locations[PROFILE_STACK_MAX + 10];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(locations); i++)
		locations[i] = profile_location(p, 0, i);
	profile_get_stack(p, profile_stack(p, locations, ARRAY_SIZE(locations)), &n);
	assert_int_equal(n, PROFILE_STACK_MAX);
	assert_int_equal(profile_stack(p, locations, 0), 0);
	profile_get_stack(p, 0, &n);
	assert_int_equal(n, 0);
	profile_free(p);
}

static void the_default_value_is_the_named_or_the_last(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	assert_int_equal(profile_default_value(p), 1);
	profile_head(p)->default_type = profile_string(p, "samples");
	assert_int_equal(profile_default_value(p), 0);
	profile_head(p)->default_type = profile_string(p, "gone");
	assert_int_equal(profile_default_value(p), 1);
	assert_int_equal(profile_find_type(p, "cpu"), 1);
	assert_int_equal(profile_find_type(p, "heap"), -1);
	profile_free(p);
}

static void frames_are_told_apart_by_their_mapping(void **state)
{
	static const struct {
		const char *file;
		enum frame_kind kind;
	} cases[] = {
		{ "/usr/bin/python3.11", FRAME_USER },
		{ "[vdso]", FRAME_USER },
		{ MAPPING_KERNEL, FRAME_KERNEL },
		{ "[kernel.kallsyms]_text", FRAME_KERNEL },
		{ "[ext4]", FRAME_KERNEL },
		{ "[bpf]", FRAME_KERNEL },
		{ "/tmp/perf-12.map", FRAME_JIT },
		{ "/tmp/perf-.map", FRAME_USER },
		{ "[anon]", FRAME_JIT },
		{ "//anon", FRAME_JIT },
		{ "/[ext4]", FRAME_USER },
	};
	struct profile *p = profile_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct mapping m = { .file = profile_string(p, cases[i].file) };
		uint32_t location = profile_location(p, profile_mapping(p, &m), 1);

		assert_int_equal(profile_frame_kind(p, location), cases[i].kind);
	}
	assert_int_equal(profile_frame_kind(p, profile_named_location(p, 0, FRAME_TRUNCATED)),
			 FRAME_MARK);
	assert_int_equal(profile_frame_kind(p, profile_named_location(p, 0, "main")), FRAME_USER);
	assert_int_equal(profile_frame_kind(p, profile_location(p, 0, 0x1234)), FRAME_USER);
	profile_free(p);
}

static void frames_without_a_name_say_where_they_are(void **state)
{
	struct profile *p = profile_new();
	const struct mapping libc = { .file = profile_string(p, "/lib/libc.so.6") };
	const struct mapping ext4 = { .file = profile_string(p, "[ext4]") };
	char buf[64], small[40];

	(void)state;
	assert_string_equal(
		profile_frame_name(p, profile_location(p, profile_mapping(p, &libc), 0x1234), 0,
				   buf, sizeof(buf)),
		"[libc.so.6+0x1234]");
	assert_string_equal(profile_frame_name(p,
					       profile_location(p, profile_mapping(p, &ext4), 0x10),
					       0, buf, sizeof(buf)),
			    "[ext4+0x10]");
	assert_string_equal(
		profile_frame_name(p, profile_location(p, 0, 0xabc), 0, buf, sizeof(buf)),
		"[unknown+0xabc]");
	assert_string_equal(
		profile_frame_name(p, profile_named_location(p, 0, "main"), 0, buf, sizeof(buf)),
		"main");
	/* A long name loses its end, not the address. */
	const struct mapping longer = { .file = profile_string(p, "/a-name-that-is-rather-long") };
	assert_string_equal(
		profile_frame_name(p, profile_location(p, profile_mapping(p, &longer), 0xff), 0,
				   small, sizeof(small)),
		"[a-name-t+0xff]");
	profile_free(p);
}

/* --- whole profiles --- */

static void merging_adds_and_shares(void **state)
{
	struct profile *a = fixture_new(), *b = fixture_new();

	(void)state;
	fixture_add(a, "web", "nginx", "main work", 3);
	/* Numbers in b are not those in a. */
	fixture_add(b, "other", "x", "start", 1);
	fixture_add(b, "web", "nginx", "main work", 4);
	profile_note(a, "host: one");
	profile_note(b, "host: one");
	profile_note(b, "lost: 1");
	*profile_head(a) = (struct profile_head){ .time = 200, .duration = 10, .period = 5 };
	*profile_head(b) = (struct profile_head){ .time = 100, .duration = 20, .period = 7 };

	assert_int_equal(profile_merge(a, b, 1), 0);
	assert_int_equal(profile_count_samples(a), 2);
	assert_int_equal(profile_get_sample(a, 0).values[0], 7);
	assert_int_equal(fixture_sum(a, 1), 80);
	assert_int_equal(profile_head(a)->time, 100);
	assert_int_equal(profile_head(a)->duration, 30);
	assert_int_equal(profile_head(a)->period, 7);
	assert_int_equal(profile_notes(a), 2);
	profile_free(a);
	profile_free(b);
}

static void merging_into_an_empty_profile_copies(void **state)
{
	struct profile *a = profile_new(), *b = fixture_new();

	(void)state;
	fixture_add(b, "web", "nginx", "main call,inner leaf", 4);
	profile_head(b)->time = 100;
	assert_int_equal(profile_merge(a, b, 1), 0);
	assert_int_equal(profile_values(a), 2);
	assert_int_equal(profile_head(a)->time, 100);
	assert_int_equal(fixture_sum(a, 0), 4);

	struct sample s = profile_get_sample(a, 0);
	char name[32];
	size_t n;
	const uint32_t *stack = profile_get_stack(a, s.stack, &n);
	assert_int_equal(n, 3);
	assert_string_equal(profile_frame_name(a, stack[0], 0, name, sizeof(name)), "leaf");
	assert_string_equal(profile_frame_name(a, stack[1], 0, name, sizeof(name)), "inner");
	assert_string_equal(profile_frame_name(a, stack[1], 1, name, sizeof(name)), "call");
	assert_string_equal(profile_label_text(a, s.labels, "container"), "web");
	profile_free(a);
	profile_free(b);
}

static void merging_scales_and_rounds(void **state)
{
	struct profile *a = fixture_new(), *b = fixture_new();
	const int64_t huge[] = { INT64_MAX, INT64_MIN };

	(void)state;
	fixture_add(b, "web", "t", "f", 3);
	assert_int_equal(profile_merge(a, b, 0.5), 0);
	assert_int_equal(fixture_sum(a, 0), 2); /* 1.5 */
	assert_int_equal(fixture_sum(a, 1), 15);
	profile_free(b);

	b = fixture_new();
	profile_add(b, 0, 0, huge);
	assert_int_equal(profile_merge(a, b, 2), 0);
	assert_true(profile_get_sample(a, 1).values[0] == INT64_MAX);
	assert_true(profile_get_sample(a, 1).values[1] == INT64_MIN);
	profile_free(a);
	profile_free(b);
}

static void merging_matches_values_by_type_and_unit(void **state)
{
	struct profile *a = fixture_new(), *b = profile_new(), *c = profile_new();
	const struct value_type swapped[] = {
		{ profile_string(b, "cpu"), profile_string(b, "nanoseconds") },
		{ profile_string(b, "samples"), profile_string(b, "bottles") },
	};
	const struct value_type heap = { profile_string(c, "heap"), profile_string(c, "bytes") };
	const int64_t values[] = { 50, 9 };

	(void)state;
	profile_set_types(b, swapped, 2);
	profile_add(b, 0, 0, values);
	assert_int_equal(profile_merge(a, b, 1), 0);
	assert_int_equal(profile_get_sample(a, 0).values[0], 0);
	assert_int_equal(profile_get_sample(a, 0).values[1], 50);

	profile_set_types(c, &heap, 1);
	profile_head(c)->duration = 99;
	assert_int_equal(profile_merge(a, c, 1), -22);
	assert_int_equal(profile_head(a)->duration, 0);
	profile_free(a);
	profile_free(b);
	profile_free(c);
}

static bool is_of_container(const struct profile *p, const struct sample *s, void *context)
{
	const char *container = profile_label_text(p, s->labels, "container");

	return container && strcmp(container, context) == 0;
}

static void filtering_keeps_the_head_and_what_passes(void **state)
{
	struct profile *p = fixture_new(), *part;

	(void)state;
	fixture_add(p, "web", "nginx", "main work", 3);
	fixture_add(p, "db", "postgres", "main query", 4);
	fixture_add(p, NULL, NULL, "idle", 5);
	profile_note(p, "host: one");
	profile_head(p)->duration = 1000;
	profile_head(p)->default_type = profile_string(p, "samples");

	part = profile_filter(p, is_of_container, (void *)"db");
	assert_int_equal(profile_count_samples(part), 1);
	assert_int_equal(fixture_sum(part, 0), 4);
	assert_int_equal(profile_head(part)->duration, 1000);
	assert_int_equal(profile_default_value(part), 0);
	assert_string_equal(profile_get_note(part, 0), "host: one");
	/* Nothing of the others comes along. */
	assert_int_equal(profile_find_string(part, "nginx"), 0);
	assert_int_equal(profile_count_stacks(part), 1);
	profile_free(part);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_things_have_one_number),
		cmocka_unit_test(strings_are_valid_utf8_and_end_at_nul),
		cmocka_unit_test(locations_at_one_address_differ_by_their_lines),
		cmocka_unit_test(labels_are_a_set),
		cmocka_unit_test(a_key_may_have_several_values),
		cmocka_unit_test(the_same_sample_adds_up),
		cmocka_unit_test(sums_saturate),
		cmocka_unit_test(many_things_keep_their_numbers),
		cmocka_unit_test(a_stack_that_is_too_long_is_cut),
		cmocka_unit_test(the_default_value_is_the_named_or_the_last),
		cmocka_unit_test(frames_are_told_apart_by_their_mapping),
		cmocka_unit_test(frames_without_a_name_say_where_they_are),
		cmocka_unit_test(merging_adds_and_shares),
		cmocka_unit_test(merging_into_an_empty_profile_copies),
		cmocka_unit_test(merging_scales_and_rounds),
		cmocka_unit_test(merging_matches_values_by_type_and_unit),
		cmocka_unit_test(filtering_keeps_the_head_and_what_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
