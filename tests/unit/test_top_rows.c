/* SPDX-License-Identifier: Apache-2.0 */
/* What top shows, without a terminal: a window of the ledger made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "output/top_columns.h"
#include "output/top_lines.h"
#include "output/top_rows.h"

#define S 1000000000ULL

static char none[] = "";

static struct container web = { .kind = OWNER_CONTAINER,
				.name = (char[]){ "web" },
				.id = none,
				.runtime = none,
				.cgroup = (char[]){ "/web" },
				.namespace = (char[]){ "shop" },
				.pod = (char[]){ "front" } };
static struct container side = { .kind = OWNER_CONTAINER,
				 .name = (char[]){ "side" },
				 .id = none,
				 .runtime = none,
				 .cgroup = (char[]){ "/side" },
				 .namespace = (char[]){ "shop" },
				 .pod = (char[]){ "front" } };
static struct container db = { .kind = OWNER_CONTAINER,
			       .name = (char[]){ "d\033[2Jb" },
			       .id = none,
			       .runtime = none,
			       .cgroup = (char[]){ "/db" } };
static struct container host = { .kind = OWNER_HOST,
				 .name = (char[]){ "host" },
				 .id = none,
				 .runtime = none,
				 .cgroup = (char[]){ "/" } };

/* Ten seconds: web burns 4 s and is throttled 4 s of 10; side sleeps; db waits for the disk. */
static struct account accounts[] = {
	{ .container = &web,
	  .threads = 1,
	  .total = 10 * S,
	  .ns = { [ACCOUNT_USER] = 3 * S,
		  [ACCOUNT_KERNEL] = S,
		  [ACCOUNT_THROTTLED] = 4 * S,
		  [ACCOUNT_IDLE] = 2 * S } },
	{ .container = &side, .threads = 2, .total = 20 * S, .ns = { [ACCOUNT_IDLE] = 20 * S } },
	{ .container = &db,
	  .threads = 3,
	  .total = 30 * S,
	  .ns = { [ACCOUNT_USER] = 6 * S, [ACCOUNT_DISK] = 24 * S } },
	{ .container = &host, .threads = 1, .total = 10 * S, .ns = { [ACCOUNT_IDLE] = 10 * S } },
	{ .container = &host,
	  .is_kernel = true,
	  .threads = 1,
	  .total = 10 * S,
	  .ns = { [ACCOUNT_IDLE] = 10 * S } },
};
static struct ledger_window window = {
	.wall = 10 * S,
	.accounts = accounts,
	.naccounts = ARRAY_SIZE(accounts),
};

static unsigned readings;

/* web may have half a CPU; all moved 1000 bytes more at each reading. */
static void usage_of(void *context, const struct container *c, struct top_usage *usage)
{
	uint64_t *moved = context;

	readings++;
	*usage = (struct top_usage){
		.cpu_limit = c == &web ? 0.5 : 0,
		.has_memory = true,
		.memory = c == &db ? 2000 : 1000,
		.memory_limit = c == &web ? 4000 : UINT64_MAX,
		.has_io = c == &db,
		.io = *moved,
	};
}

static struct top_rows *new_rows(uint64_t *moved)
{
	struct top_rows *rows = top_rows_new(&(struct top_rows_options){
		.usage = usage_of,
		.context = moved,
	});

	top_rows_update(rows, &window);
	return rows;
}

/* The names in their order, joined. */
static char *order(struct top_rows *rows, struct top_arrangement how)
{
	struct buffer b = { 0 };

	top_rows_arrange(rows, &how);
	for (size_t i = 0; i < top_rows_count(rows); i++)
		buffer_printf(&b, "%s%s%s", i ? " " : "", top_rows_peek(rows, i)->depth ? ">" : "",
			      top_rows_peek(rows, i)->name);
	return b.data ? b.data : strdup("");
}

static void assert_order(struct top_rows *rows, struct top_arrangement how, const char *expected)
{
	_cleanup_free_ char *found = order(rows, how);

	assert_string_equal(found, expected);
}

static void figures_follow_from_the_window(void **state)
{
	uint64_t moved = 0;
	struct top_rows *rows = new_rows(&moved);
	const struct top_row *row;

	(void)state;
	top_rows_arrange(rows, &(struct top_arrangement){ .filter = "web" });
	assert_int_equal(top_rows_count(rows), 1);
	row = top_rows_get(rows, 0);
	assert_true(row->cpu > 0.399 && row->cpu < 0.401);
	assert_true(row->throttled > 0.499 && row->throttled < 0.501);
	assert_true(row->lost > 0.399 && row->lost < 0.401);
	assert_true(top_row_of_limit(row) > 0.799 && top_row_of_limit(row) < 0.801);
	assert_true(top_rows_cpu(rows) > 0.999 && top_rows_cpu(rows) < 1.001);
	assert_int_equal(top_rows_containers(rows), 3);
	top_rows_free(rows);
}

static void rows_are_sorted_by_the_key_and_turned_round(void **state)
{
	uint64_t moved = 0;
	struct top_rows *rows = new_rows(&moved);

	(void)state;
	assert_order(rows, (struct top_arrangement){ .key = TOP_BY_CPU },
		     "d\\x1b[2Jb web [kernel threads] host side");
	assert_order(rows, (struct top_arrangement){ .key = TOP_BY_NAME, .reversed = true },
		     "web side host d\\x1b[2Jb [kernel threads]");
	assert_order(rows,
		     (struct top_arrangement){ .key = TOP_BY_THROTTLED, .only_containers = true },
		     "web d\\x1b[2Jb side");
	top_rows_free(rows);
}

static void a_filter_looks_at_names_and_pods_whatever_the_case(void **state)
{
	uint64_t moved = 0;
	struct top_rows *rows = new_rows(&moved);

	(void)state;
	assert_order(rows, (struct top_arrangement){ .key = TOP_BY_NAME, .filter = "FRONT" },
		     "side web");
	assert_order(rows, (struct top_arrangement){ .filter = "nobody" }, "");
	top_rows_free(rows);
}

static void a_pod_stands_above_its_containers_and_is_their_sum(void **state)
{
	uint64_t moved = 0;
	struct top_rows *rows = new_rows(&moved);
	const struct top_row *pod;

	(void)state;
	assert_order(rows,
		     (struct top_arrangement){
			     .key = TOP_BY_CPU, .tree = true, .only_containers = true },
		     "d\\x1b[2Jb shop/front >web >side");
	pod = top_rows_get(rows, 1);
	assert_true(pod->is_pod);
	assert_int_equal(pod->total, 30 * S);
	assert_int_equal(pod->usage.memory, 2000);
	/* side has no limit, so neither have both. */
	assert_true(pod->usage.memory_limit == UINT64_MAX && pod->usage.cpu_limit == 0);
	top_rows_free(rows);
}

static void usage_is_read_of_rows_that_are_looked_at(void **state)
{
	uint64_t moved = 0;
	struct top_rows *rows = new_rows(&moved);

	(void)state;
	readings = 0;
	top_rows_arrange(rows, &(struct top_arrangement){ .key = TOP_BY_CPU });
	assert_int_equal(readings, 0);
	top_rows_get(rows, 0);
	top_rows_get(rows, 0);
	assert_int_equal(readings, 1);
	/* An order that depends on it needs all; the kernel has no cgroup. */
	top_rows_arrange(rows, &(struct top_arrangement){ .key = TOP_BY_MEMORY });
	assert_int_equal(readings, 4);
	top_rows_free(rows);
}

static void a_rate_needs_two_readings(void **state)
{
	uint64_t moved = 5000;
	struct top_rows *rows = new_rows(&moved);
	const struct top_arrangement how = { .key = TOP_BY_CPU };

	(void)state;
	top_rows_arrange(rows, &how);
	assert_true(top_rows_get(rows, 0)->io_rate < 0);
	moved += 20000;
	top_rows_update(rows, &window);
	top_rows_arrange(rows, &how);
	assert_true(top_rows_get(rows, 0)->io_rate > 1999 && top_rows_get(rows, 0)->io_rate < 2001);
	assert_true(top_rows_have_io(rows) && !top_rows_have_net(rows));
	top_rows_free(rows);
}

static void columns_fill_the_screen_and_the_least_go_first(void **state)
{
	unsigned widths[TOP_COLUMNS];

	(void)state;
	for (unsigned width = 40; width <= 300; width++) {
		unsigned used = 0, n = 0;

		top_columns_fit(width, 30, true, true, widths);
		for (size_t i = 0; i < TOP_COLUMNS; i++) {
			used += widths[i];
			n += widths[i] != 0;
		}
		assert_int_equal(used + n - 1, width);
		assert_true(widths[TOP_CPU] && widths[TOP_NAME] && widths[TOP_LEDGER]);
	}
	top_columns_fit(80, 30, true, true, widths);
	assert_true(widths[TOP_THREADS] && !widths[TOP_NET]);
	top_columns_fit(120, 30, true, true, widths);
	assert_true(widths[TOP_IO] && widths[TOP_NET]);
	top_columns_fit(120, 30, false, false, widths);
	assert_false(widths[TOP_IO] || widths[TOP_NET]);
}

static void figures_fit_their_columns(void **state)
{
	char text[TEXT_SHORT];

	(void)state;
	for (double bytes = 0; bytes < 1e18; bytes = bytes * 1.01 + 1)
		assert_true(strlen(top_bytes(bytes, text)) <= 5);
	for (uint64_t ns = 0; ns < 1000 * S; ns += ns / 100 + 1)
		assert_true(strlen(top_time(ns, text)) <= 6);
	assert_string_equal(top_bytes(64 << 20, text), "64M");
	assert_string_equal(top_bytes(1536, text), "1.5K");
	assert_string_equal(top_time(1250000, text), "1.2ms");
}

static void speech_says_what_is_new_and_what_changes_and_no_more(void **state)
{
	uint64_t moved = 0;
	struct top_rows *rows = new_rows(&moved);
	struct top_speech *speech = top_speech_new();
	const struct top_arrangement how = { .key = TOP_BY_NAME };
	struct ledger_window fewer = window;
	struct buffer out = { 0 };

	(void)state;
	top_rows_arrange(rows, &how);
	top_speech_say(speech, rows, 0, &out);
	assert_non_null(strstr(out.data, "New: web: CPU 40 percent, 80 percent of its limit."));
	assert_non_null(strstr(out.data, "throttled 40 percent"));
	assert_null(strchr(out.data, '\033'));
	out.size = 0;
	top_speech_say(speech, rows, 0, &out);
	assert_int_equal(out.size, 0);
	fewer.naccounts = 1;
	top_rows_update(rows, &fewer);
	top_rows_arrange(rows, &how);
	top_speech_say(speech, rows, 0, &out);
	assert_non_null(strstr(out.data, "Gone: side."));
	assert_null(strstr(out.data, "web"));
	buffer_free(&out);
	top_speech_free(speech);
	top_rows_free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_follow_from_the_window),
		cmocka_unit_test(rows_are_sorted_by_the_key_and_turned_round),
		cmocka_unit_test(a_filter_looks_at_names_and_pods_whatever_the_case),
		cmocka_unit_test(a_pod_stands_above_its_containers_and_is_their_sum),
		cmocka_unit_test(usage_is_read_of_rows_that_are_looked_at),
		cmocka_unit_test(a_rate_needs_two_readings),
		cmocka_unit_test(columns_fill_the_screen_and_the_least_go_first),
		cmocka_unit_test(figures_fit_their_columns),
		cmocka_unit_test(speech_says_what_is_new_and_what_changes_and_no_more),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
