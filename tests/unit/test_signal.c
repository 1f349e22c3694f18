/* SPDX-License-Identifier: Apache-2.0 */
/* What the signals know without a kernel: lists of CPUs, the table of signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "signal/cpus.h"
#include "signal/signal.h"

static void lists_of_cpus_are_understood(void **state)
{
	static const struct {
		const char *list;
		int count, highest;
	} cases[] = {
		{ "0\n", 1, 0 },   { "0-1\n", 2, 1 },	     { "0-3,8,10-11\n", 7, 11 },
		{ "1,3,5", 3, 5 }, { "0-8191", 8192, 8191 }, { "0,0-1", 2, 1 },
	};
	struct cpus cpus;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cpus_parse(cases[i].list, &cpus), 0);
		assert_int_equal(cpus.count, cases[i].count);
		assert_int_equal(cpus.highest, cases[i].highest);
		assert_true(cpus.online[cpus.highest]);
	}
	cpus_parse("0-3,8", &cpus);
	assert_false(cpus.online[4]);
	assert_true(cpus.online[8]);
}

static void nonsense_lists_of_cpus_are_refused(void **state)
{
	static const char *const cases[] = { "",     "\n",  "x",      "0-",  "-1", "3-1",
					     "8192", "0;1", "0-9999", "1,x", "," };
	struct cpus cpus;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(cpus_parse(cases[i], &cpus), -EINVAL);
}

static void every_signal_is_whole_and_found_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; signals[i]; i++) {
		const struct signal_ops *s = signals[i];

		assert_ptr_equal(signal_by_name(s->name), s);
		assert_non_null(s->summary);
		/* `tick` is for those that need one. */
		assert_true(s->open && s->fd && s->drain && s->stop && s->lost && s->close);
	}
	assert_null(signal_by_name("no such signal"));
}

static void a_mistyped_word_finds_the_one_that_was_meant(void **state)
{
	static const char *const names[] = { "record", "report", "ps", "diff", "doctor", NULL };

	(void)state;
	assert_string_equal(nearest_name("recrod", names), "record");
	assert_string_equal(nearest_name("rep", names), "report");
	assert_string_equal(nearest_name("dif", names), "diff");
	assert_null(nearest_name("banana", names));
	assert_null(nearest_name("x", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_cpus_are_understood),
		cmocka_unit_test(nonsense_lists_of_cpus_are_refused),
		cmocka_unit_test(every_signal_is_whole_and_found_by_its_name),
		cmocka_unit_test(a_mistyped_word_finds_the_one_that_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
