/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the formats write: escaping, folding, pruning, comparison, and what becomes of empty and of
 * hostile profiles. Browsers and other readers judge the same in tests/system/test_formats.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "output/assets.h"
#include "output/grid.h"
#include "output/output.h"

/* 99 Hz, nearly: a sample stands for 10 ms, which makes the arithmetic easy to redo. */
#define PERIOD 10000000

static const struct output_options plain = { .value = -1 };

static struct profile *new_profile(void)
{
	struct profile *p = profile_new();
	struct value_type types[] = {
		{ profile_string(p, "samples"), profile_string(p, "count") },
		{ profile_string(p, "cpu"), profile_string(p, "nanoseconds") },
	};

	profile_set_types(p, types, 2);
	*profile_head(p) = (struct profile_head){
		.time = 1700000000000000000,
		.duration = 10000000000,
		.period_type = types[1],
		.period = PERIOD,
		.default_type = types[1].type,
	};
	return p;
}

static uint32_t location(struct profile *p, const char *name, uint32_t mapping)
{
	return profile_named_location(p, mapping, name);
}

/* `stack` is root first, frames parted by ' '; kernel frames end in "_k". */
static void add(struct profile *p, const char *container, const char *thread, const char *stack,
		int64_t samples)
{
	struct mapping user = { .start = 0x1000,
				.limit = 0x9000,
				.file = profile_string(p, "/usr/bin/app"),
				.build_id = profile_string(p, "abcdef") };
	struct mapping kernel = { .start = 0x1000,
				  .limit = 0x9000,
				  .file = profile_string(p, MAPPING_KERNEL) };
	struct label labels[] = {
		{ .key = profile_string(p, "container"), .text = profile_string(p, container) },
		{ .key = profile_string(p, "thread"), .text = profile_string(p, thread) },
		{ .key = profile_string(p, "pid"), .number = 42 },
	};
	int64_t values[] = { samples, samples * PERIOD };
	_cleanup_free_ char *copy = strdup(stack);
	uint32_t frames[64];
	size_t n = 0;
	char *rest = NULL;

	for (char *f = strtok_r(copy, " ", &rest); f; f = strtok_r(NULL, " ", &rest), n++) {
		size_t length = strlen(f);
		bool in_kernel = length > 2 && !strcmp(f + length - 2, "_k");

		frames[63 - n] = location(p, f, profile_mapping(p, in_kernel ? &kernel : &user));
	}
	profile_add(p, profile_stack(p, frames + 64 - n, n), profile_labels(p, labels, 3), values);
}

static struct profile *small_profile(void)
{
	struct profile *p = new_profile();

	add(p, "web", "nginx", "main serve deflate", 70);
	add(p, "web", "nginx", "main serve read_k", 20);
	add(p, "web", "nginx", "main", 10);
	add(p, "db", "postgres", "main scan", 100);
	return p;
}

static struct profile *hostile_profile(void)
{
	struct profile *p = new_profile();

	add(p, "</title><script>window.pwned=1</script>", "a\"b'c&d", "\033[31mred ]]></script>",
	    5);
	add(p, "\xe2\x80\xaegnp.exe", "new\nline", "semi;colon tab\there", 3);
	add(p, "\xef\xbf\xbf\xef\xbf\xbe", "bad\xff\xfe", "\x01\x02\x7f \xed\xa0\x80", 2);
	profile_note(p, "lost: <b>7</b> samples \033[0m");
	return p;
}

static char *written(int (*write)(const struct profile *, const struct output_options *,
				  struct buffer *),
		     const struct profile *p, const struct output_options *o)
{
	struct buffer out = { 0 };

	assert_int_equal(write(p, o, &out), 0);
	assert_non_null(out.data);
	assert_int_equal(strlen(out.data), out.size);
	return out.data;
}

static char *written_diff(int (*write)(const struct profile *, const struct profile *,
				       const struct output_options *, struct buffer *),
			  const struct profile *before, const struct profile *after)
{
	struct buffer out = { 0 };

	assert_int_equal(write(before, after, &plain, &out), 0);
	assert_non_null(out.data);
	return out.data;
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

#define assert_has(text, what)	 assert_non_null(strstr((text), (what)))
#define assert_lacks(text, what) assert_null(strstr((text), (what)))

/* --- the table of formats --- */

static void the_longest_suffix_names_the_format(void **state)
{
	(void)state;
	assert_string_equal(format_by_path("a.json")->name, "json");
	assert_string_equal(format_by_path("a.speedscope.json")->name, "speedscope");
	assert_string_equal(format_by_path("/x/y.pb.gz")->name, "pprof");
	assert_string_equal(format_by_path("y.svg")->name, "flamegraph");
	assert_null(format_by_path("a.png"));
	assert_null(format_by_path("-"));
	assert_null(format_by_path(""));
}

static void a_format_goes_by_name_and_by_suffix(void **state)
{
	(void)state;
	assert_string_equal(format_by_name("flamegraph")->name, "flamegraph");
	assert_string_equal(format_by_name("svg")->name, "flamegraph");
	assert_string_equal(format_by_name("table")->name, "table");
	assert_null(format_by_name("gif"));
	assert_null(format_by_name(""));
}

static void assets_cannot_close_the_element_they_stand_in(void **state)
{
	(void)state;
	_cleanup_(buffer_free) struct buffer all = { 0 };

	add_asset(&all, flamegraph_css);
	add_asset(&all, flamegraph_js);
	add_asset(&all, report_css);
	add_asset(&all, report_js);
	assert_int_equal(strlen(all.data), all.size);
	assert_true(all.size > 10000);
	assert_lacks(all.data, "]]>");
	assert_lacks(all.data, "</");
	assert_lacks(all.data, "<!--");
}

/* --- folded --- */

static void folded_stacks_are_rooted_at_the_container(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	_cleanup_free_ char *text = written(folded_write, p, &plain);

	assert_string_equal(text, "db;postgres;main;scan 100\n"
				  "web;nginx;main 10\n"
				  "web;nginx;main;serve;deflate 70\n"
				  "web;nginx;main;serve;read_k 20\n");
	profile_free(p);
}

static void folded_gives_the_value_that_was_asked_for(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	struct output_options o = { .value = 1 };
	_cleanup_free_ char *text = written(folded_write, p, &o);

	assert_has(text, "web;nginx;main 100000000\n");
	profile_free(p);
}

static void folded_can_have_other_roots_and_none(void **state)
{
	(void)state;
	const char *const pid[] = { "pid", NULL }, *const none[] = { NULL };
	struct profile *p = small_profile();
	struct output_options o = { .value = -1, .roots = pid };
	_cleanup_free_ char *by_pid = written(folded_write, p, &o);

	assert_has(by_pid, "42;main;scan 100\n");
	o.roots = none;
	_cleanup_free_ char *bare = written(folded_write, p, &o);

	assert_true(!strncmp(bare, "main 10\n", 8));
	profile_free(p);
}

static void folded_lines_cannot_be_forged_by_names(void **state)
{
	(void)state;
	struct profile *p = hostile_profile();
	_cleanup_free_ char *text = written(folded_write, p, &plain);

	/* Three samples, three lines; each has three ';', between four frames. */
	assert_int_equal(occurrences(text, "\n"), 3);
	assert_int_equal(occurrences(text, ";"), 9);
	assert_has(text, ";new\\nline;semi:colon;tab\\there 3\n");
	assert_lacks(text, "\033");
	profile_free(p);
}

static void folded_comparison_has_before_scaled_to_after(void **state)
{
	(void)state;
	struct profile *before = new_profile(), *after = new_profile();

	add(before, "web", "t", "main a", 10);
	add(before, "web", "t", "main gone", 10);
	add(after, "web", "t", "main a", 30);
	add(after, "web", "t", "main new", 10);
	_cleanup_free_ char *text = written_diff(folded_write_diff, before, after);

	/* 20 samples before count as the 40 after. */
	assert_string_equal(text,
			    "web;t;main;a 20 30\nweb;t;main;gone 20 0\nweb;t;main;new 0 10\n");
	profile_free(before);
	profile_free(after);
}

/* --- every format --- */

static void an_empty_profile_is_written_by_every_format(void **state)
{
	(void)state;
	struct profile *blank = profile_new(), *empty = new_profile();

	for (const struct format *f = formats; f->name; f++) {
		_cleanup_(buffer_free) struct buffer a = { 0 }, b = { 0 }, c = { 0 };

		assert_int_equal(f->write(blank, &plain, &a), 0);
		assert_int_equal(f->write(empty, &plain, &b), 0);
		if (f->write_diff)
			assert_int_equal(f->write_diff(empty, empty, &plain, &c), 0);
	}
	profile_free(blank);
	profile_free(empty);
}

static void an_empty_profile_says_why(void **state)
{
	(void)state;
	struct profile *p = new_profile();
	_cleanup_free_ char *table = written(table_write, p, &plain);
	_cleanup_free_ char *svg = written(flamegraph_write, p, &plain);
	_cleanup_free_ char *html = written(html_write, p, &plain);

	assert_has(table, "No samples.");
	assert_has(table, "Only what runs on a CPU is sampled");
	assert_has(svg, "No samples");
	assert_has(html, "No samples");
	profile_free(p);
}

static void a_profile_without_labels_has_no_empty_levels(void **state)
{
	(void)state;
	struct profile *p = new_profile();
	uint32_t frames[] = { location(p, "leaf", 0), location(p, "main", 0) };
	int64_t values[] = { 4, 4 * PERIOD };

	profile_add(p, profile_stack(p, frames, 2), profile_labels(p, NULL, 0), values);
	_cleanup_free_ char *folded = written(folded_write, p, &plain);
	_cleanup_free_ char *table = written(table_write, p, &plain);
	_cleanup_free_ char *html = written(html_write, p, &plain);

	assert_string_equal(folded, "main;leaf 4\n");
	assert_lacks(table, "CONTAINER");
	assert_has(table, "leaf");
	assert_lacks(html, "Containers</h2>");
	profile_free(p);
}

static void hostile_names_never_become_markup(void **state)
{
	(void)state;
	struct profile *p = hostile_profile(), *other = small_profile();
	_cleanup_free_ char *svg = written(flamegraph_write, p, &plain);
	_cleanup_free_ char *html = written(html_write, p, &plain);
	_cleanup_free_ char *svg_diff = written_diff(flamegraph_write_diff, other, p);
	_cleanup_free_ char *html_diff = written_diff(html_write_diff, other, p);
	const char *const all[] = { svg, html, svg_diff, html_diff };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_lacks(all[i], "<script>window");
		assert_lacks(all[i], "</title><script");
		assert_lacks(all[i], "<b>7");
		assert_lacks(all[i], "\033");
		assert_lacks(all[i], "\x01");
		assert_lacks(all[i], "\xe2\x80\xae");
		assert_lacks(all[i], "\xef\xbf\xbf");
		assert_lacks(all[i], "\xff");
		assert_has(all[i], "window.pwned=1");
	}
	/* The two CDATA sections are ours, and nothing closes them early. */
	assert_int_equal(occurrences(svg, "]]>"), 2);
	profile_free(p);
	profile_free(other);
}

static void json_of_hostile_names_can_be_parsed(void **state)
{
	(void)state;
	int (*const writers[])(const struct profile *, const struct output_options *,
			       struct buffer *) = { json_write, speedscope_write };
	struct profile *p = hostile_profile();

	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		_cleanup_free_ char *text = written(writers[i], p, &plain);
		json_error_t error;
		json_t *json = json_loads(text, 0, &error);

		assert_non_null(json);
		json_decref(json);
	}
	profile_free(p);
}

/* --- JSON --- */

static void json_has_all_that_the_profile_has(void **state)
{
	(void)state;
	struct profile *p = small_profile();

	profile_note(p, "lost: 3 samples (the map was full)");
	_cleanup_free_ char *text = written(json_write, p, &plain);
	json_t *json = json_loads(text, 0, NULL), *sample, *frames, *web;
	int64_t sum = 0;
	size_t i;

	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "time")),
			    "2023-11-14T22:13:20.000000000Z");
	assert_string_equal(json_string_value(json_object_get(json, "default_type")), "cpu");
	assert_int_equal(json_array_size(json_object_get(json, "samples")), 4);
	frames = json_object_get(json, "frames");
	json_array_foreach(json_object_get(json, "samples"), i, sample)
	{
		json_t *stack = json_object_get(sample, "stack"), *root;

		sum += json_integer_value(json_array_get(json_object_get(sample, "values"), 0));
		root = json_array_get(stack, json_array_size(stack) - 1);
		root = json_array_get(frames, (size_t)json_integer_value(root));
		assert_string_equal(json_string_value(json_object_get(root, "function")), "main");
		assert_string_equal(json_string_value(json_object_get(root, "build_id")), "abcdef");
		assert_int_equal(json_integer_value(
					 json_object_get(json_object_get(sample, "labels"), "pid")),
				 42);
	}
	assert_int_equal(sum, 200);
	/* Equal weights are ordered by name: db, then web. */
	web = json_array_get(json_object_get(json, "containers"), 1);
	assert_string_equal(json_string_value(json_object_get(web, "name")), "web");
	assert_int_equal(json_integer_value(json_object_get(web, "value")), 100LL * PERIOD);
	assert_true(json_real_value(json_object_get(web, "share")) == 0.5);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(web, "hottest"), "function")),
		"deflate");
	assert_int_equal(json_array_size(json_object_get(json, "notes")), 1);
	json_decref(json);
	profile_free(p);
}

static void json_comparison_has_both_sides_of_a_function(void **state)
{
	(void)state;
	struct profile *before = small_profile(), *after = new_profile();

	add(after, "web", "nginx", "main serve deflate", 100);
	_cleanup_free_ char *text = written_diff(json_write_diff, before, after);
	json_t *json = json_loads(text, 0, NULL), *row;
	bool seen = false;
	size_t i;

	assert_non_null(json);
	json_array_foreach(json_object_get(json, "functions"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "function")), "deflate"))
			continue;
		seen = true;
		/* 70 of 200 before are 35 of 100 after. */
		assert_int_equal(
			json_number_value(json_object_get(json_object_get(row, "before"), "self")),
			35LL * PERIOD);
		assert_int_equal(
			json_integer_value(json_object_get(json_object_get(row, "after"), "self")),
			100LL * PERIOD);
	}
	assert_true(seen);
	json_decref(json);
	profile_free(before);
	profile_free(after);
}

static void speedscope_has_everything_and_each_container(void **state)
{
	(void)state;
	const char *const names[] = { "all", "db", "web" };
	const int64_t totals[] = { 200LL * PERIOD, 100LL * PERIOD, 100LL * PERIOD };
	struct profile *p = small_profile();
	_cleanup_free_ char *text = written(speedscope_write, p, &plain);
	json_t *json = json_loads(text, 0, NULL), *profiles, *frames;

	assert_non_null(json);
	profiles = json_object_get(json, "profiles");
	frames = json_object_get(json_object_get(json, "shared"), "frames");
	assert_int_equal(json_array_size(profiles), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *one = json_array_get(profiles, i), *stack, *frame;
		int64_t sum = 0;
		size_t s, f;

		assert_string_equal(json_string_value(json_object_get(one, "name")), names[i]);
		assert_string_equal(json_string_value(json_object_get(one, "unit")), "nanoseconds");
		json_array_foreach(json_object_get(one, "weights"), s, frame)
			sum += json_integer_value(frame);
		assert_int_equal(sum, totals[i]);
		assert_int_equal(json_integer_value(json_object_get(one, "endValue")), totals[i]);
		assert_int_equal(json_array_size(json_object_get(one, "samples")),
				 json_array_size(json_object_get(one, "weights")));
		json_array_foreach(json_object_get(one, "samples"), s,
				   stack) json_array_foreach(stack, f, frame)
			assert_true((size_t)json_integer_value(frame) < json_array_size(frames));
	}
	json_decref(json);
	profile_free(p);
}

/* --- table --- */

static void assert_lines_fit(const char *text, size_t columns)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = NULL;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(text_width(line) <= columns);
		assert_true(line[strlen(line) - 1] != ' ');
	}
}

static void the_table_has_containers_then_their_functions(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	_cleanup_free_ char *text = written(table_write, p, &plain);

	assert_has(text, "CONTAINER");
	assert_has(text, "web");
	assert_has(text, "1.00 s");
	/* Of the container: 70, 20 and 10 per cent by themselves; main has all of it below. */
	assert_has(text, "  70.0     70.0");
	assert_has(text, "  20.0     20.0");
	assert_has(text, "  10.0    100.0");
	assert_has(text, "kernel");
	assert_true(strstr(text, "deflate  ") < strstr(text, "read_k  "));
	profile_free(p);
}

static void the_table_fits_its_terminal(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	char name[400];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	add(p, name, name, name, 30);
	for (unsigned width = 70; width <= 200; width += 26) {
		struct output_options o = { .value = -1, .width = width };
		_cleanup_free_ char *text = written(table_write, p, &o);

		assert_lines_fit(text, width);
	}
	profile_free(p);
}

static void the_table_cannot_drive_a_terminal(void **state)
{
	(void)state;
	struct profile *p = hostile_profile();
	_cleanup_free_ char *text = written(table_write, p, &plain);

	for (const char *s = text; *s; s++)
		assert_true(*s == '\n' || (unsigned char)*s >= 0x20);
	assert_lacks(text, "\xe2\x80\xae");
	assert_has(text, "lost: <b>7</b> samples \\x1b[0m");
	profile_free(p);
}

static void colours_are_only_where_they_are_wanted(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	struct output_options o = { .value = -1, .color = true };
	_cleanup_free_ char *bare = written(table_write, p, &plain);
	_cleanup_free_ char *coloured = written(table_write, p, &o);

	assert_lacks(bare, "\033");
	assert_has(coloured, "\033[1;36mweb");
	profile_free(p);
}

static void what_the_table_leaves_out_is_summed_up(void **state)
{
	(void)state;
	struct profile *p = new_profile();
	struct output_options o = { .value = -1, .rows = 2 };

	add(p, "a", "t", "f1", 50);
	add(p, "a", "t", "f2", 30);
	add(p, "a", "t", "f3", 15);
	add(p, "a", "t", "f4", 5);
	_cleanup_free_ char *text = written(table_write, p, &o);

	assert_has(text, "f2");
	assert_lacks(text, "f3");
	/* 15 and 5 samples of 10 ms. */
	assert_has(text, "    20.0             200 ms  2 more functions");
	profile_free(p);
}

static void the_table_ranks_by_the_keys_that_were_asked_for(void **state)
{
	(void)state;
	const char *const by[] = { "container", "thread", NULL };
	struct profile *p = small_profile();
	struct output_options o = { .value = -1, .by = by };
	_cleanup_free_ char *text = written(table_write, p, &o);

	assert_has(text, "SHARE %  CPU TIME  CONTAINER  THREAD\n");
	assert_has(text, "   50.0    1.00 s  web        nginx\n");
	assert_lacks(text, "deflate");
	profile_free(p);
}

static void a_comparison_table_has_the_change_in_points(void **state)
{
	(void)state;
	struct profile *before = new_profile(), *after = new_profile();

	add(before, "web", "t", "main a", 50);
	add(before, "web", "t", "main b", 50);
	add(after, "web", "t", "main a", 80);
	add(after, "web", "t", "main b", 20);
	_cleanup_free_ char *text = written_diff(table_write_diff, before, after);

	assert_has(text, "    50.0     80.0      +30.0     +30.0  web        a");
	assert_has(text, "    50.0     20.0      -30.0     -30.0  web        b");
	profile_free(before);
	profile_free(after);
}

static void a_grid_cuts_only_what_may_be_cut(void **state)
{
	(void)state;
	_cleanup_(grid_free) struct grid g = { 0 };
	_cleanup_(buffer_free) struct buffer out = { 0 };

	grid_column(&g, "N", true, 0);
	grid_column(&g, "NAME", false, 4);
	grid_add(&g, GRID_PLAIN, "123456");
	grid_add(&g, GRID_PLAIN, "abcdefghijkl");
	grid_print(&g, 0, 14, false, &out);
	assert_string_equal(out.data, "     N  NAME\n123456  abcde…\n");
}

/* --- flame graph --- */

/* Every text of the static picture is no longer than its frame is wide. */
static void text_stays_within_its_frame(void **state)
{
	(void)state;
	struct profile *p = small_profile();

	add(p, "web", "nginx", "main a_function_with_quite_a_long_name_that_will_not_fit", 7);
	_cleanup_free_ char *svg = written(flamegraph_write, p, &plain);
	size_t texts = 0;

	for (char *g = svg; (g = strstr(g, "<g class=\"f ")); g++) {
		char *end = strstr(g, "</g>"), *text = strstr(g, "<text "),
		     *rect = strstr(g, "<rect ");

		if (!text || text > end)
			continue;
		double width = strtod(strstr(rect, " width=\"") + 8, NULL);
		char *from = strchr(text, '>') + 1;
		char name[256] = "";

		memcpy(name, from, (size_t)(strstr(from, "</text>") - from));
		assert_true((double)text_width(name) * 7.2 <= width);
		texts++;
	}
	assert_true(texts >= 8);
	assert_has(svg, "a_funct");
	profile_free(p);
}

static void frames_have_tooltips_and_looks(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	_cleanup_free_ char *svg = written(flamegraph_write, p, &plain);

	assert_has(svg, "<title>deflate\n35.0 %, 700 ms\n/usr/bin/app</title>");
	assert_has(svg, "<title>read_k (kernel)\n10.0 %, 200 ms\n[kernel.kallsyms]</title>");
	assert_has(svg, "<title>web (container)\n50.0 %, 1.00 s</title>");
	assert_has(svg, ">container</text>");
	assert_has(svg, ">kernel</text>");
	assert_lacks(svg, ">JIT</text>");
	profile_free(p);
}

static void the_root_can_be_on_top(void **state)
{
	(void)state;
	struct profile *p = small_profile();
	struct output_options o = { .value = -1, .inverted = true };
	_cleanup_free_ char *flame = written(flamegraph_write, p, &plain);
	_cleanup_free_ char *icicle = written(flamegraph_write, p, &o);
	char *root = strstr(icicle, "<g class=\"f a0\">");

	/* Levels: all, container, thread, main, serve, leaf: six rows of 18 from 90. */
	assert_non_null(root);
	assert_non_null(strstr(root, "y=\"90\""));
	root = strstr(flame, "<g class=\"f a0\">");
	assert_int_equal(strtol(strstr(root, " y=\"") + 4, NULL, 10), 90 + 5 * 18);
	profile_free(p);
}

static void a_comparison_is_red_where_it_grew(void **state)
{
	(void)state;
	struct profile *before = new_profile(), *after = new_profile();

	add(before, "web", "t", "main a", 50);
	add(before, "web", "t", "main b", 50);
	add(after, "web", "t", "main a", 10);
	add(after, "web", "t", "main b", 90);
	_cleanup_free_ char *svg = written_diff(flamegraph_write_diff, before, after);

	/* a: from 50 to 10, four fifths less: step 4 of 0 to 5. b: from 50 to 90, four ninths: 2.
	 */
	assert_has(svg, "<g class=\"f b4\"><title>a\nbefore 50.0 %, 500 ms\nafter 10.0 %, 100 ms\n"
			"-40.0 pp, -400 ms\n");
	assert_has(svg, "<g class=\"f r2\"><title>b\nbefore 50.0 %, 500 ms\nafter 90.0 %, 900 ms\n"
			"+40.0 pp, +400 ms\n");
	assert_has(svg, "<g class=\"f n0\"><title>main\n");
	profile_free(before);
	profile_free(after);
}

static void a_huge_profile_makes_a_small_file(void **state)
{
	(void)state;
	struct profile *p = new_profile();
	struct label labels[] = { { .key = profile_string(p, "container"),
				    .text = profile_string(p, "web") } };
	uint32_t set = profile_labels(p, labels, 1);
	uint32_t functions[2000];
	char name[64];

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "function_number_%u", i);
		functions[i] = location(p, name, 0);
	}
	/* 10,000 stacks of 20 frames that have only their first two in common. */
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t frames[20];
		int64_t values[] = { 1 + i % 7, (1 + i % 7) * PERIOD };

		for (unsigned d = 0; d < 18; d++)
			frames[d] = functions[(i * 31 + d * 57) % 2000];
		frames[18] = functions[i % 100];
		frames[19] = functions[0];
		profile_add(p, profile_stack(p, frames, 20), set, values);
	}
	_cleanup_free_ char *svg = written(flamegraph_write, p, &plain);
	_cleanup_free_ char *html = written(html_write, p, &plain);

	assert_true(strlen(svg) < 6UL << 20);
	assert_true(strlen(html) < 6UL << 20);
	assert_true(occurrences(svg, "<g class=\"f ") <= 6001);
	assert_true(occurrences(svg, "<g class=\"f ") > 3000);
	assert_has(svg, "frames are too narrow to be drawn");
	profile_free(p);
}

static void a_bottomless_stack_is_cut(void **state)
{
	(void)state;
	struct profile *p = new_profile();
	static uint32_t frames[PROFILE_STACK_MAX];
	int64_t values[] = { 1, PERIOD };

	for (size_t i = 0; i < PROFILE_STACK_MAX; i++)
		frames[i] = location(p, "again", 0);
	profile_add(p, profile_stack(p, frames, PROFILE_STACK_MAX), profile_labels(p, NULL, 0),
		    values);
	_cleanup_free_ char *svg = written(flamegraph_write, p, &plain);
	_cleanup_free_ char *folded = written(folded_write, p, &plain);

	assert_int_equal(occurrences(svg, "<g class=\"f "), 400);
	/* 4,096 frames and the root, less the 400 that are drawn. */
	assert_has(svg, "3,697 frames are too narrow to be drawn");
	assert_int_equal(occurrences(folded, "again"), PROFILE_STACK_MAX);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_suffix_names_the_format),
		cmocka_unit_test(a_format_goes_by_name_and_by_suffix),
		cmocka_unit_test(assets_cannot_close_the_element_they_stand_in),
		cmocka_unit_test(folded_stacks_are_rooted_at_the_container),
		cmocka_unit_test(folded_gives_the_value_that_was_asked_for),
		cmocka_unit_test(folded_can_have_other_roots_and_none),
		cmocka_unit_test(folded_lines_cannot_be_forged_by_names),
		cmocka_unit_test(folded_comparison_has_before_scaled_to_after),
		cmocka_unit_test(an_empty_profile_is_written_by_every_format),
		cmocka_unit_test(an_empty_profile_says_why),
		cmocka_unit_test(a_profile_without_labels_has_no_empty_levels),
		cmocka_unit_test(hostile_names_never_become_markup),
		cmocka_unit_test(json_of_hostile_names_can_be_parsed),
		cmocka_unit_test(json_has_all_that_the_profile_has),
		cmocka_unit_test(json_comparison_has_both_sides_of_a_function),
		cmocka_unit_test(speedscope_has_everything_and_each_container),
		cmocka_unit_test(the_table_has_containers_then_their_functions),
		cmocka_unit_test(the_table_fits_its_terminal),
		cmocka_unit_test(the_table_cannot_drive_a_terminal),
		cmocka_unit_test(colours_are_only_where_they_are_wanted),
		cmocka_unit_test(what_the_table_leaves_out_is_summed_up),
		cmocka_unit_test(the_table_ranks_by_the_keys_that_were_asked_for),
		cmocka_unit_test(a_comparison_table_has_the_change_in_points),
		cmocka_unit_test(a_grid_cuts_only_what_may_be_cut),
		cmocka_unit_test(text_stays_within_its_frame),
		cmocka_unit_test(frames_have_tooltips_and_looks),
		cmocka_unit_test(the_root_can_be_on_top),
		cmocka_unit_test(a_comparison_is_red_where_it_grew),
		cmocka_unit_test(a_huge_profile_makes_a_small_file),
		cmocka_unit_test(a_bottomless_stack_is_cut),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
