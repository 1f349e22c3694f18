/* SPDX-License-Identifier: Apache-2.0 */
/* How blame is shown: what is put together, in which order, and on how much room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <locale.h>
#include <string.h>

#include "base/cleanup.h"
#include "output/blame.h"

#define MS 1000000ULL

static char id[] = "0123abcd", empty[] = "";
static char name_web[] = "web", name_db[] = "db", name_job[] = "job", name_host[] = "host";
static char hostile[] =
	"\033[31mevil\n\"<script>\xff" /* and far too long for a column */
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const struct container web = { .kind = OWNER_CONTAINER, .name = name_web, .id = id },
			      db = { .kind = OWNER_CONTAINER, .name = name_db, .id = empty },
			      job = { .kind = OWNER_CONTAINER,
				      .name = name_job,
				      .id = empty,
				      .parent = (struct container *)&db },
			      evil = { .kind = OWNER_CONTAINER, .name = hostile, .id = empty },
			      host = { .kind = OWNER_HOST, .name = name_host, .id = empty };

#define PARTY(c)                      \
	{                             \
		PARTY_CONTAINER, &(c) \
	}
#define OTHER(kind)     \
	{               \
		kind, 0 \
	}

/* web waits for db most of all, on two CPUs, and for one of its own threads. */
static struct blame rows[] = {
	{ PARTY(db), PARTY(web), 0, 90 * MS },
	{ PARTY(web), PARTY(db), 0, 400 * MS },
	{ PARTY(web), OTHER(PARTY_IDLE), 1, 1 * MS },
	{ PARTY(web), PARTY(web), 1, 60 * MS },
	{ PARTY(web), PARTY(db), 1, 200 * MS },
	{ PARTY(web), OTHER(PARTY_KERNEL), 1, 2 * MS },
	{ PARTY(web), OTHER(PARTY_INTERRUPTS), 1, 3 * MS },
	{ PARTY(job), PARTY(host), 1, 30 * MS },
	{ OTHER(PARTY_KERNEL), PARTY(db), 0, 1 * MS / 2 },
};

static struct account accounts[] = {
	{ .container = &web,
	  .ns = { [ACCOUNT_USER] = 200 * MS,
		  [ACCOUNT_KERNEL] = 50 * MS,
		  [ACCOUNT_RUNNABLE] = 676 * MS } },
	{ .container = &db, .ns = { [ACCOUNT_USER] = 700 * MS, [ACCOUNT_RUNNABLE] = 90 * MS } },
	{ .container = &job, .ns = { [ACCOUNT_USER] = 1 * MS, [ACCOUNT_RUNNABLE] = 30 * MS } },
	/* Waited, and nobody knows for whom. */
	{ .container = &host, .ns = { [ACCOUNT_USER] = 5 * MS, [ACCOUNT_RUNNABLE] = 20 * MS } },
	{ .container = &host, .is_kernel = true, .ns = { [ACCOUNT_RUNNABLE] = 1 * MS / 2 } },
};

static const struct ledger_window window = {
	.wall = 1000 * MS,
	.accounts = accounts,
	.naccounts = ARRAY_SIZE(accounts),
	.blame = rows,
	.nblame = ARRAY_SIZE(rows),
	.waited = 676 * MS + 90 * MS + 30 * MS + 20 * MS + MS / 2,
	.attributed = 676 * MS + 90 * MS + 20 * MS + MS / 2,
	.forgotten = 25 * MS,
};

static void the_longest_wait_comes_first(void **state)
{
	static const struct blame_options o = { 0 };
	static const char *const victims[] = { "web", "db", "job", "host", "[kernel threads]" };
	struct blame_view v;

	(void)state;
	blame_view_init(&v, &window, &o);
	assert_int_equal(v.n, ARRAY_SIZE(victims));
	for (size_t i = 0; i < v.n; i++)
		assert_string_equal(party_name(&v.victims[i].party), victims[i]);

	assert_int_equal(v.victims[0].waited, 676 * MS);
	assert_int_equal(v.victims[0].ran, 250 * MS);
	assert_ptr_equal(v.victims[0].culprits[0].party.container, &db);
	assert_int_equal(v.victims[0].culprits[0].ns, 600 * MS);
	blame_view_free(&v);
}

static void waiting_for_oneself_is_told_apart(void **state)
{
	static const struct blame_options o = { 0 };
	struct blame_view v;

	(void)state;
	blame_view_init(&v, &window, &o);
	for (size_t i = 0; i < v.victims[0].n; i++)
		assert_int_equal(v.victims[0].culprits[i].is_self, i == 1);
	assert_int_equal(v.victims[0].culprits[1].ns, 60 * MS);
	assert_false(v.victims[1].culprits[0].is_self);
	blame_view_free(&v);
}

static void what_nobody_is_to_blame_for_has_a_row(void **state)
{
	static const struct blame_options o = { 0 };
	uint64_t sum = 0;
	struct blame_view v;

	(void)state;
	blame_view_init(&v, &window, &o);
	/* 676 ms less the rows' 666. */
	assert_int_equal(v.victims[0].culprits[2].party.kind, PARTY_UNKNOWN);
	assert_int_equal(v.victims[0].culprits[2].ns, 10 * MS);
	assert_int_equal(v.victims[3].n, 1);
	assert_int_equal(v.victims[3].culprits[0].party.kind, PARTY_UNKNOWN);
	assert_false(v.victims[3].culprits[0].is_self);
	for (size_t i = 0; i < v.n; i++)
		for (size_t j = 0; j < v.victims[i].n; j++)
			sum += v.victims[i].culprits[j].ns;
	assert_int_equal(sum, window.waited);
	blame_view_free(&v);
}

static void cpus_are_told_apart_on_request(void **state)
{
	static const struct blame_options o = { .by_cpu = true };
	static const struct {
		uint32_t cpu;
		const char *name;
		uint64_t waited;
	} expected[] = {
		{ 0, "web", 400 * MS }, { 0, "db", 90 * MS },  { 0, "[kernel threads]", MS / 2 },
		{ 1, "web", 266 * MS }, { 1, "job", 30 * MS },
	};
	struct blame_view v;

	(void)state;
	blame_view_init(&v, &window, &o);
	assert_int_equal(v.n, ARRAY_SIZE(expected));
	for (size_t i = 0; i < v.n; i++) {
		assert_int_equal(v.victims[i].cpu, expected[i].cpu);
		assert_string_equal(party_name(&v.victims[i].party), expected[i].name);
		assert_int_equal(v.victims[i].waited, expected[i].waited);
	}
	blame_view_free(&v);
}

/* db brings job, which is nested in it; their culprits are there whoever they are. */
static void only_chosen_victims_are_shown(void **state)
{
	static const char *const patterns[] = { "d*" };
	static const struct blame_options o = { .patterns = patterns, .npatterns = 1 };
	struct blame_view v;

	(void)state;
	blame_view_init(&v, &window, &o);
	assert_int_equal(v.n, 2);
	assert_ptr_equal(v.victims[0].party.container, &db);
	assert_ptr_equal(v.victims[0].culprits[0].party.container, &web);
	assert_ptr_equal(v.victims[1].party.container, &job);
	blame_view_free(&v);
}

/* Columns are as wide as it takes: what is looked for has one blank between words. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != ' ' || from[1] != ' ')
			*to++ = *from;
	*to = '\0';
}

static void the_table_says_all_of_it(void **state)
{
	static const struct blame_options o = { .width = 80, .cpus = 2 };
	static const char *const words[] = {
		"1.00 s · 2 CPUs · 816 ms waited · 96.3 % of it attributed\n",
		"\nweb 250 ms 676 ms db 600 ms 88.8 %\n",
		"\n itself 60 ms 8.9 %\n",
		"\n 3 others 6.0 ms 0.9 %\n",
		"\nhost 5.0 ms 20 ms [unknown] 20 ms 100.0 %\n",
		"\nWho is to blame for 30 ms (3.7 %) is not known.\n",
		"\n 25 ms began before what a CPU remembers\n",
	};
	_cleanup_(buffer_free) struct buffer out = { 0 };

	(void)state;
	blame_write_table(&window, &o, &out);
	assert_null(strstr(out.data, "\033"));
	assert_null(strstr(out.data, " \n"));
	squeeze(out.data);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strstr(out.data, words[i]))
			fail_msg("'%s' is missing in:\n%s", words[i], out.data);
}

static void small_victims_are_summed_up(void **state)
{
	struct blame small[] = { { PARTY(web), PARTY(db), 0, 1000 * MS },
				 { PARTY(db), PARTY(web), 0, 3 * MS },
				 { PARTY(job), PARTY(web), 0, 2 * MS } };
	const struct ledger_window w = { .blame = small, .nblame = 3, .waited = 1005 * MS };
	static const struct blame_options o = { .width = 80 };
	_cleanup_(buffer_free) struct buffer out = { 0 };

	(void)state;
	blame_write_table(&w, &o, &out);
	assert_non_null(strstr(out.data, "\n2 others waited 5.0 ms together"));
	assert_null(strstr(out.data, "\njob"));
}

static void nothing_is_left_out_with_all(void **state)
{
	static const struct blame_options o = { .width = 80, .cpus = 2, .all = true };
	_cleanup_(buffer_free) struct buffer out = { 0 };

	(void)state;
	blame_write_table(&window, &o, &out);
	assert_non_null(strstr(out.data, "\n[kernel threads]"));
	assert_non_null(strstr(out.data, "[interrupts]"));
	assert_non_null(strstr(out.data, "[wake-up]"));
	assert_null(strstr(out.data, "others"));
}

static void a_window_without_waiting_says_so(void **state)
{
	static const struct ledger_window quiet = { .wall = 1000 * MS };
	static const struct blame_options o = { .width = 80, .cpus = 1 };
	_cleanup_(buffer_free) struct buffer out = { 0 }, json = { 0 };
	json_t *root;

	(void)state;
	blame_write_table(&quiet, &o, &out);
	assert_non_null(strstr(out.data, "1.00 s · 1 CPU · 0 ns waited\n\nNobody waited.\n"));
	blame_write_json(&quiet, &o, &json);
	root = json_loads(json.data, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "victims")), 0);
	assert_non_null(root);
	json_decref(root);
}

static void hostile_names_fit_the_terminal(void **state)
{
	struct blame bad[] = { { PARTY(evil), PARTY(evil), 0, 5 * MS },
			       { PARTY(evil), PARTY(db), 0, 4 * MS },
			       { PARTY(db), PARTY(evil), 0, 3 * MS } };
	const struct ledger_window w = { .wall = 1, .blame = bad, .nblame = 3, .waited = 12 * MS };

	(void)state;
	for (unsigned colors = 0; colors < 2; colors++) {
		const struct blame_options o = { .width = 80, .color = colors };
		_cleanup_(buffer_free) struct buffer out = { 0 };

		blame_write_table(&w, &o, &out);
		assert_null(strstr(out.data, "\033[31mevil"));
		if (colors)
			continue;
		/* The title has this host's name, which may be long. */
		for (char *line = strchr(out.data, '\n') + 1, *end; (end = strchr(line, '\n'));
		     line = end + 1) {
			*end = '\0';
			if (text_width(line) > 80)
				fail_msg("too wide: %s", line);
		}
	}
}

static uint64_t number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void json_has_exact_times(void **state)
{
	static const struct blame_options o = { .cpus = 2 };
	_cleanup_(buffer_free) struct buffer out = { 0 };
	const json_t *victims, *first, *culprits;
	json_t *root;

	(void)state;
	blame_write_json(&window, &o, &out);
	root = json_loads(out.data, 0, NULL);
	assert_non_null(root);
	victims = json_object_get(root, "victims");
	assert_int_equal(number(root, "waited_ns"), window.waited);
	assert_int_equal(number(root, "attributed_ns"), window.attributed);
	assert_int_equal(json_array_size(victims), 5);
	first = json_array_get(victims, 0);
	assert_string_equal(json_string_value(json_object_get(first, "name")), "web");
	assert_string_equal(json_string_value(json_object_get(first, "id")), "0123abcd");
	assert_string_equal(json_string_value(json_object_get(first, "kind")), "container");
	assert_int_equal(number(first, "waited_ns"), 676 * MS);
	culprits = json_object_get(first, "culprits");
	assert_int_equal(json_array_size(culprits), 6);
	assert_int_equal(number(json_array_get(culprits, 0), "ns"), 600 * MS);
	assert_true(json_is_true(json_object_get(json_array_get(culprits, 1), "self")));
	assert_null(json_object_get(json_array_get(culprits, 0), "id"));
	json_decref(root);
}

static void hostile_names_are_strings_in_json(void **state)
{
	struct blame bad[] = { { PARTY(evil), PARTY(db), 7, 5 * MS } };
	const struct ledger_window w = { .blame = bad, .nblame = 1, .waited = 5 * MS };
	static const struct blame_options o = { .by_cpu = true };
	_cleanup_(buffer_free) struct buffer out = { 0 };
	const json_t *first;
	json_t *root;

	(void)state;
	blame_write_json(&w, &o, &out);
	assert_null(strchr(out.data, '\033'));
	root = json_loads(out.data, 0, NULL);
	assert_non_null(root);
	first = json_array_get(json_object_get(root, "victims"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(first, "name")), "evil"));
	assert_int_equal(number(first, "cpu"), 7);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_wait_comes_first),
		cmocka_unit_test(waiting_for_oneself_is_told_apart),
		cmocka_unit_test(what_nobody_is_to_blame_for_has_a_row),
		cmocka_unit_test(cpus_are_told_apart_on_request),
		cmocka_unit_test(only_chosen_victims_are_shown),
		cmocka_unit_test(the_table_says_all_of_it),
		cmocka_unit_test(small_victims_are_summed_up),
		cmocka_unit_test(nothing_is_left_out_with_all),
		cmocka_unit_test(a_window_without_waiting_says_so),
		cmocka_unit_test(hostile_names_fit_the_terminal),
		cmocka_unit_test(json_has_exact_times),
		cmocka_unit_test(hostile_names_are_strings_in_json),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
