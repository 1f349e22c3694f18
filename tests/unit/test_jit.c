/* SPDX-License-Identifier: Apache-2.0 */
/* What run-time compilers say of their code: the names in perf maps, and which map is asked. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbol/jit.h"
#include "symbol/jit_name.h"
#include "symbol/proc_status.h"

struct expected {
	const char *name, *function, *file;
	int64_t line;
};

static void assert_names(const struct expected *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct arena arena = { 0 };
		struct jit_name out;

		jit_name_read(all[i].name, &arena, &out);
		assert_string_equal(out.function, all[i].function);
		if (all[i].file)
			assert_string_equal(out.file, all[i].file);
		else
			assert_null(out.file);
		assert_int_equal(out.line, all[i].line);
		arena_free(&arena);
	}
}

static void names_of_v8_are_functions_files_and_lines(void **state)
{
	static const struct expected names[] = {
		{ "JS:*leaf /app/server.js:3:14", "leaf", "/app/server.js", 3 },
		{ "JS:~leaf /app/server.js:3:14", "leaf", "/app/server.js", 3 },
		{ "JS:+leaf /app/server.js:3:14", "leaf", "/app/server.js", 3 },
		{ "JS:^get value /my app/x.js:20:9", "get value", "/my app/x.js", 20 },
		{ "LazyCompile:*leaf /app/a.js:7", "leaf", "/app/a.js", 7 },
		{ "LazyCompile:~ /app/a.js:7", "(anonymous a.js:7)", "/app/a.js", 7 },
		{ "Function:~ /app/a.js:1", "(module a.js)", "/app/a.js", 1 },
		{ "Function:~run node:internal/main:1:1", "run", "node:internal/main", 1 },
		{ "JS:~ /app/server.js:9:11", "(anonymous server.js:9)", "/app/server.js", 9 },
		{ "Eval:~ file:///app/m.mjs:1:1", "(module m.mjs)", "/app/m.mjs", 1 },
		{ "Script:~ evalmachine.<anonymous>:1:1", "(module evalmachine.<anonymous>)",
		  "evalmachine.<anonymous>", 1 },
		{ "Builtin:ArrayForEach", "Builtin:ArrayForEach", NULL, 0 },
		{ "RegExp:a+b", "RegExp:a+b", NULL, 0 },
		{ "JS:", "JS:", NULL, 0 },
		{ "JS:*", "JS:*", NULL, 0 },
		{ "JS:* :1:1", " :1:1", NULL, 0 },
		{ "JS:~x:99999999999:1", "x:99999999999:1", NULL, 0 },
		{ "JS:~parse", "parse", NULL, 0 },
	};

	(void)state;
	assert_names(names, ARRAY_SIZE(names));
}

static void names_of_java_lose_types_and_addresses(void **state)
{
	static const struct expected names[] = {
		{ "int App$Counter.add(int)", "App$Counter.add", NULL, 0 },
		{ "void java.lang.String.<init>(byte[], byte)", "java.lang.String.<init>", NULL,
		  0 },
		{ "int App$$Lambda$1/0x00007f640c000c10.applyAsInt(int)",
		  "App$$Lambda$1.applyAsInt", NULL, 0 },
		{ "Lcom/example/App;::main", "com.example.App.main", NULL, 0 },
		{ "Lcom/example/App;::add(II)I", "com.example.App.add", NULL, 0 },
		{ "StubRoutines (1)", "StubRoutines (1)", NULL, 0 },
		{ "I2C/C2I adapters", "I2C/C2I adapters", NULL, 0 },
		{ "Interpreter", "Interpreter", NULL, 0 },
		{ "monitorenter Runtime1 stub", "monitorenter Runtime1 stub", NULL, 0 },
		{ "a b.c(d", "a b.c(d", NULL, 0 },
		{ "", "", NULL, 0 },
		{ "(", "(", NULL, 0 },
	};

	(void)state;
	assert_names(names, ARRAY_SIZE(names));
}

static void names_of_python_are_functions_and_files(void **state)
{
	static const struct expected names[] = {
		{ "py::handle:/app/main.py", "py::handle", "/app/main.py", 0 },
		{ "py::Server.<lambda>:/a:b.py", "py::Server.<lambda>", "/a:b.py", 0 },
		{ "py::bytecode", "py::bytecode", NULL, 0 },
		{ "py:::", "py:::", NULL, 0 },
	};

	(void)state;
	assert_names(names, ARRAY_SIZE(names));
}

static void names_of_any_length_are_cut(void **state)
{
	enum { SIZE = 100000 };
	char *name = malloc(SIZE + 32);
	struct arena arena = { 0 };
	struct jit_name out;

	(void)state;
	memcpy(name, "JS:*", 4);
	memset(name + 4, 'x', SIZE);
	strcpy(name + SIZE, " /a.js:1:2");
	jit_name_read(name, &arena, &out);
	assert_true(strlen(out.function) < 2048);
	assert_string_equal(out.file, "/a.js");
	arena_free(&arena);
	free(name);
}

/* --- maps --- */

static int some_file(void)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void the_last_two_maps_of_a_jvm_are_kept(void **state)
{
	struct jits jits = { .fds_max = 10 };
	struct jit *jit = jits_new(&jits, 1);
	int first = some_file(), second = some_file(), third = some_file();

	(void)state;
	jit_take_map(&jits, jit, first);
	assert_int_equal(jit->fd, first);
	assert_int_equal(jit->older_fd, -1);
	jit_take_map(&jits, jit, second);
	jit_take_map(&jits, jit, third);
	assert_int_equal(jit->fd, third);
	assert_int_equal(jit->older_fd, second);
	assert_false(is_open(first));
	assert_int_equal(jits.fds, 2);
	jits_free(&jits);
	assert_false(is_open(second));
	assert_false(is_open(third));
}

static void a_map_that_is_written_anew_in_place_is_one_map(void **state)
{
	struct jits jits = { .fds_max = 10 };
	struct jit *jit = jits_new(&jits, 1);
	int fd = some_file(), again = dup(fd);

	(void)state;
	jit_take_map(&jits, jit, fd);
	jit_take_map(&jits, jit, again);
	assert_int_equal(jit->fd, fd);
	assert_int_equal(jit->older_fd, -1);
	assert_false(is_open(again));
	jits_free(&jits);
}

static void without_room_the_older_map_goes(void **state)
{
	struct jits jits = { .fds_max = 1 };
	struct jit *jit = jits_new(&jits, 1);
	int first = some_file(), second = some_file();

	(void)state;
	jit_take_map(&jits, jit, first);
	jit_take_map(&jits, jit, second);
	assert_int_equal(jit->fd, second);
	assert_int_equal(jit->older_fd, -1);
	assert_false(is_open(first));
	jits_free(&jits);
}

/* --- /proc/PID/status --- */

static void status_tells_who_a_process_is(void **state)
{
	struct proc_status status;

	(void)state;
	assert_int_equal(proc_status_read("/proc", getpid(), &status), 0);
	assert_int_equal(status.own_pid, getpid());
	assert_int_equal(status.euid, geteuid());
	assert_int_equal(status.egid, getegid());
	assert_int_equal(status.state, 'R');
}

static void status_of_a_container_has_its_own_number(void **state)
{
	char folder[] = "/tmp/plimsoll-status-XXXXXX", path[64];
	struct proc_status status;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "mkdir %s/4711", folder);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/4711/status", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("Name:\tevil\\nUid:\t1\nState:\tT (stopped)\nUid:\t10\t20\t30\t40\n"
	      "Gid:\t50\t60\t70\t80\nNSpid:\t4711\t17\t1\nSigCgt:\t0000000000000004\n",
	      f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(proc_status_read(folder, 4711, &status), 0);
	assert_int_equal(status.own_pid, 1);
	assert_int_equal(status.euid, 20);
	assert_int_equal(status.egid, 60);
	assert_int_equal(status.caught, 4);
	assert_int_equal(status.state, 'T');
	snprintf(path, sizeof(path), "rm -r %s", folder);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_v8_are_functions_files_and_lines),
		cmocka_unit_test(names_of_java_lose_types_and_addresses),
		cmocka_unit_test(names_of_python_are_functions_and_files),
		cmocka_unit_test(names_of_any_length_are_cut),
		cmocka_unit_test(the_last_two_maps_of_a_jvm_are_kept),
		cmocka_unit_test(a_map_that_is_written_anew_in_place_is_one_map),
		cmocka_unit_test(without_room_the_older_map_goes),
		cmocka_unit_test(status_tells_who_a_process_is),
		cmocka_unit_test(status_of_a_container_has_its_own_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
