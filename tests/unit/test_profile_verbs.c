/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report and diff from their command line to their files: exit codes, what is chosen, and that
 * nothing half-written replaces anything.
 */
#include "profile_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/inputs.h"
#include "cmd/outputs.h"
#include "profile/pprof.h"

#define ARGUMENTS_MAX 16

static char directory[] = "/tmp/plimsoll-verbs-XXXXXX";

static void save(const struct profile *p, const char *path)
{
	struct buffer b = { 0 };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(pprof_encode(p, &b), 0);
	assert_int_equal(fwrite(b.data, 1, b.size, f), b.size);
	fclose(f);
	buffer_free(&b);
}

static int set_up(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	fixture_add(p, "web", "nginx", "main work", 3);
	fixture_add(p, "db", "postgres", "main query", 7);
	save(p, "before.pb.gz");
	fixture_add(p, "web", "nginx", "main work", 10);
	save(p, "after.pb.gz");
	profile_free(p);
	log_set_level(LOG_QUIET);
	return 0;
}

static int tear_down(void **state)
{
	DIR *d = opendir(directory);
	struct dirent *e;

	(void)state;
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return chdir("/") || rmdir(directory);
}

/* Runs "report a b c" with standard output in the file "stdout". */
static int run(const struct verb *verb, const char *line)
{
	char copy[512], *argv[ARGUMENTS_MAX + 1] = { NULL }, *rest = copy, *word;
	int argc = 0, saved = dup(STDOUT_FILENO), status;
	int out = open("stdout", O_CREAT | O_TRUNC | O_WRONLY, 0600);

	snprintf(copy, sizeof(copy), "%s %s", verb->name, line);
	while ((word = strsep(&rest, " ")) && argc < ARGUMENTS_MAX)
		if (*word)
			argv[argc++] = word;
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	optind = 0; /* glibc: start again */
	status = verb->run(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(out);
	close(saved);
	return status;
}

static char *contents(const char *path)
{
	char *data = NULL;

	assert_int_equal(read_file(path, 1 << 20, &data, NULL), 0);
	return data;
}

static void expect_contents(const char *path, const char *expected)
{
	_cleanup_free_ char *data = contents(path);

	assert_string_equal(data, expected);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static size_t count_files(void)
{
	DIR *d = opendir(".");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void report_writes_what_the_names_say(void **state)
{
	(void)state;
	assert_int_equal(run(&report_verb, "before.pb.gz -o a.folded -o a.svg -o a.pb.gz"),
			 EXIT_DONE);
	expect_contents("a.folded", "db;postgres;main;query 7\nweb;nginx;main;work 3\n");
	expect_contents("stdout", "");
	_cleanup_free_ char *svg = contents("a.svg");
	assert_non_null(strstr(svg, "<svg"));

	struct profile *p;
	assert_int_equal(pprof_load("a.pb.gz", &p), 0);
	assert_int_equal(fixture_sum(p, 0), 10);
	profile_free(p);
}

static void report_without_output_prints_a_table(void **state)
{
	(void)state;
	assert_int_equal(run(&report_verb, "before.pb.gz"), EXIT_DONE);
	_cleanup_free_ char *table = contents("stdout");
	assert_non_null(strstr(table, "query"));
	assert_null(strchr(table, '\033'));

	assert_int_equal(run(&report_verb, "--format folded before.pb.gz"), EXIT_DONE);
	expect_contents("stdout", "db;postgres;main;query 7\nweb;nginx;main;work 3\n");
	assert_int_equal(run(&report_verb, "before.pb.gz --format folded -o named -o b.folded"),
			 EXIT_DONE);
	expect_contents("named", "db;postgres;main;query 7\nweb;nginx;main;work 3\n");
	expect_contents("stdout", "");
}

static void report_chooses_containers_and_processes(void **state)
{
	(void)state;
	assert_int_equal(run(&report_verb, "before.pb.gz -c w* --format folded"), EXIT_DONE);
	expect_contents("stdout", "web;nginx;main;work 3\n");
	assert_int_equal(run(&report_verb, "before.pb.gz -c web -p 7 --format folded"), EXIT_DONE);
	expect_contents("stdout", "db;postgres;main;query 7\nweb;nginx;main;work 3\n");
	assert_int_equal(run(&report_verb, "before.pb.gz -c wbe -o c.svg"), EXIT_FAILED);
	assert_int_equal(run(&report_verb, "before.pb.gz -p 8 -o c.svg"), EXIT_FAILED);
	assert_false(is_there("c.svg"));
}

static void by_labels_roots_flame_graphs(void **state)
{
	(void)state;
	assert_int_equal(run(&report_verb, "before.pb.gz --by pid,function --format folded"),
			 EXIT_DONE);
	expect_contents("stdout", "7;main;query 7\n7;main;work 3\n");
	assert_int_equal(run(&report_verb, "before.pb.gz --by function --format folded"),
			 EXIT_DONE);
	expect_contents("stdout", "db;postgres;main;query 7\nweb;nginx;main;work 3\n");
}

static void the_sample_type_chooses_the_value(void **state)
{
	(void)state;
	assert_int_equal(run(&report_verb, "before.pb.gz --sample-type cpu --by container"),
			 EXIT_DONE);
	_cleanup_free_ char *table = contents("stdout");
	assert_non_null(strstr(table, "70 ns"));
	assert_int_equal(run(&report_verb, "before.pb.gz --sample-type cup"), EXIT_FAILED);
}

static void wrong_usage_is_told_apart_from_failure(void **state)
{
	static const struct {
		const char *line;
		int status;
	} cases[] = {
		{ "", EXIT_USAGE },
		{ "a b", EXIT_USAGE },
		{ "--nonsense before.pb.gz", EXIT_USAGE },
		{ "-z before.pb.gz", EXIT_USAGE },
		{ "before.pb.gz -o", EXIT_USAGE },
		{ "before.pb.gz -o d.unknown", EXIT_USAGE },
		{ "before.pb.gz -o d.svg -o d.svg", EXIT_USAGE },
		{ "before.pb.gz --format nonsense", EXIT_USAGE },
		{ "before.pb.gz --by container,,pid", EXIT_USAGE },
		{ "before.pb.gz -p seven", EXIT_USAGE },
		{ "before.pb.gz -n 0", EXIT_USAGE },
		{ "before.pb.gz -o /nowhere/d.svg", EXIT_FAILED },
		{ "nowhere.pb.gz -o d.svg", EXIT_FAILED },
		{ "before.pb.gz --by nonsense", EXIT_FAILED },
		{ "--help", EXIT_DONE },
	};
	size_t files = count_files();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (run(&report_verb, cases[i].line) != cases[i].status)
			fail_msg("report %s", cases[i].line);
	assert_false(is_there("d.svg"));
	assert_int_equal(count_files(), files);
}

static void help_fits_a_screen(void **state)
{
	static const struct verb *const verbs[] = { &report_verb, &diff_verb };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		unsigned lines = 0;

		run(verbs[i], "--help");
		_cleanup_free_ char *help = contents("stdout");
		for (char *rest = help, *line; (line = strsep(&rest, "\n")); lines++)
			if (strlen(line) > 80)
				fail_msg("%s", line);
		assert_in_range(lines, 10, 24);
	}
}

static void a_failure_leaves_the_old_file(void **state)
{
	FILE *f = fopen("old.svg", "w");
	size_t files;

	(void)state;
	fputs("old", f);
	fclose(f);
	files = count_files();
	assert_int_equal(run(&report_verb, "nowhere.pb.gz -o old.svg"), EXIT_FAILED);
	expect_contents("old.svg", "old");
	assert_int_equal(count_files(), files);
	assert_int_equal(run(&report_verb, "before.pb.gz -o old.svg"), EXIT_DONE);
	_cleanup_free_ char *svg = contents("old.svg");
	assert_non_null(strstr(svg, "<svg"));
	assert_int_equal(count_files(), files);
}

static void one_bad_output_does_not_cost_the_others(void **state)
{
	(void)state;
	/* A table by an unknown key fails, folded text does not care. */
	assert_int_equal(
		run(&report_verb, "before.pb.gz --by nonsense -o t --format table -o e.folded"),
		EXIT_FAILED);
	assert_true(is_there("e.folded"));
	assert_false(is_there("t"));
}

static void diff_scales_and_names_both(void **state)
{
	(void)state;
	assert_int_equal(run(&diff_verb, "before.pb.gz after.pb.gz -o f.svg --format folded"),
			 EXIT_DONE);
	assert_int_equal(run(&diff_verb, "before.pb.gz after.pb.gz"), EXIT_DONE);
	_cleanup_free_ char *table = contents("stdout");
	assert_non_null(strstr(table, "work"));
	assert_int_equal(run(&diff_verb, "before.pb.gz"), EXIT_USAGE);
	assert_int_equal(run(&diff_verb, "before.pb.gz after.pb.gz -o g.pb.gz"), EXIT_USAGE);
	assert_int_equal(run(&diff_verb, "before.pb.gz nowhere.pb.gz -o g.svg"), EXIT_FAILED);
	assert_false(is_there("g.svg"));
}

static void a_container_may_be_in_one_side_only(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "new", "t", "main", 1);
	save(p, "third.pb.gz");
	profile_free(p);
	assert_int_equal(run(&diff_verb, "before.pb.gz third.pb.gz -c new --format folded"),
			 EXIT_DONE);
	assert_int_equal(run(&diff_verb, "before.pb.gz third.pb.gz -c gone --format folded"),
			 EXIT_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_writes_what_the_names_say),
		cmocka_unit_test(report_without_output_prints_a_table),
		cmocka_unit_test(report_chooses_containers_and_processes),
		cmocka_unit_test(by_labels_roots_flame_graphs),
		cmocka_unit_test(the_sample_type_chooses_the_value),
		cmocka_unit_test(wrong_usage_is_told_apart_from_failure),
		cmocka_unit_test(help_fits_a_screen),
		cmocka_unit_test(a_failure_leaves_the_old_file),
		cmocka_unit_test(one_bad_output_does_not_cost_the_others),
		cmocka_unit_test(diff_scales_and_names_both),
		cmocka_unit_test(a_container_may_be_in_one_side_only),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
