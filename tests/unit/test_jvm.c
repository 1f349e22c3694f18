/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking Java virtual machines, which are played by children of this test: each catches SIGQUIT,
 * makes the socket that is expected of it, and then behaves well or badly. The real ones are asked
 * by tests/system/test_runtimes.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbol/jvm.h"

/* --- the machine --- */

enum behaviour {
	ANSWERS,      /* as HotSpot of Java 17 */
	IS_OLD,	      /* as Java 11 */
	HANGS_UP,     /* closes the connection without a word */
	SAYS_NOTHING, /* keeps it open */
	NEVER_ENDS,   /* answers for ever */
	HAS_NO_DOOR,  /* catches the signal and does nothing */
	IS_DEAF,      /* would die of the signal */
	LEADS_ASTRAY, /* its socket is a link to somebody else's */
	WRITES_A_LINK /* its map is one */
};

static const char map_text[] = "1000 10 int App.run(int)\n";

static const char *temporary(const char *format, pid_t pid)
{
	static char paths[4][64];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), format, pid);
	return path;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, 5) < 0)
		_exit(1);
	return fd;
}

static void write_map(enum behaviour b)
{
	const char *path = temporary("/tmp/perf-%d.map", getpid());
	FILE *f;

	if (b == WRITES_A_LINK && symlink("/etc/hostname", path) == 0)
		return;
	f = fopen(path, "w");
	if (!f || fputs(map_text, f) < 0 || fclose(f) < 0)
		_exit(1);
}

/* The request: five strings. Anything else is no answer. */
static bool is_request(int fd)
{
	static const char expected[] = "1\0jcmd\0Compiler.perfmap\0\0";
	char request[64] = { 0 };

	return recv(fd, request, sizeof(expected), MSG_WAITALL) == sizeof(expected) &&
	       memcmp(request, expected, sizeof(expected)) == 0;
}

static void answer(int fd, enum behaviour b)
{
	static const char done[] = "0\nCommand executed successfully\n";
	static const char unknown[] =
		"1\njava.lang.IllegalArgumentException: Unknown diagnostic command\n";
	char flood[4096] = { 0 };

	switch (b) {
	case HANGS_UP:
		return;
	case SAYS_NOTHING:
		for (;;)
			pause();
	case NEVER_ENDS:
		while (send(fd, flood, sizeof(flood), MSG_NOSIGNAL) > 0)
			;
		return;
	case IS_OLD:
		send(fd, unknown, sizeof(unknown) - 1, MSG_NOSIGNAL);
		return;
	default:
		write_map(b);
		send(fd, done, sizeof(done) - 1, MSG_NOSIGNAL);
	}
}

static void play(enum behaviour b, int ready)
{
	sigset_t quit;
	int door = -1, number;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&quit);
	sigaddset(&quit, SIGQUIT);
	sigprocmask(SIG_BLOCK, &quit, NULL);
	if (b != IS_DEAF)
		signal(SIGQUIT, _exit); /* caught, as /proc says; sigwait() takes it */
	if (write(ready, "", 1) != 1)
		_exit(1);
	if (b == IS_DEAF)
		sigprocmask(SIG_UNBLOCK, &quit, NULL);
	sigwait(&quit, &number);
	if (b == HAS_NO_DOOR)
		for (;;)
			pause();
	if (b == LEADS_ASTRAY) {
		door = listen_at(temporary("/tmp/plimsoll-astray-%d", getpid()));
		if (symlink(temporary("/tmp/plimsoll-astray-%d", getpid()),
			    temporary("/tmp/.java_pid%d", getpid())) < 0)
			_exit(1);
	} else {
		door = listen_at(temporary("/tmp/.java_pid%d", getpid()));
	}
	for (;;) {
		int fd = accept(door, NULL, NULL);

		/* Nobody may come by way of the link. */
		if (b == LEADS_ASTRAY)
			_exit(2);
		if (fd >= 0 && is_request(fd))
			answer(fd, b);
		close(fd);
	}
}

static pid_t start(enum behaviour b)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		play(b, ready[1]);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

/* Returns its status: 0 if it lived until now. */
static int stop(pid_t pid)
{
	static const char *const left[] = { "/tmp/.java_pid%d", "/tmp/perf-%d.map",
					    "/tmp/plimsoll-astray-%d" };
	int status = 0;

	if (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		status = 0;
	}
	/* What we were to remove ourselves. */
	assert_int_equal(access(temporary("/tmp/.attach_pid%d", pid), F_OK), -1);
	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		unlink(temporary(left[i], pid));
	return status;
}

/* --- the question --- */

struct asked {
	struct jvm_answer answer;
	char map[128]; /* its content */
	double seconds;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct asked ask(pid_t pid)
{
	struct jvms *jvms = jvms_new("/proc");
	struct asked asked = { 0 };
	double began = now();
	pid_t from;
	int map;

	jvms_ask(jvms, pid);
	jvms_ask(jvms, pid); /* not twice */
	assert_int_equal(jvms_next(jvms, true, &from, &asked.answer, &map), 1);
	assert_int_equal(from, pid);
	if (map >= 0) {
		assert_true(read(map, asked.map, sizeof(asked.map) - 1) >= 0);
		close(map);
	}
	assert_int_equal(jvms_next(jvms, true, &from, &asked.answer, &map), 0);
	asked.seconds = now() - began;
	jvms_free(jvms);
	return asked;
}

static void assert_answer(enum behaviour b, enum jvm_state expected)
{
	pid_t pid = start(b);
	struct asked asked = ask(pid);

	assert_int_equal(asked.answer.state, expected);
	assert_string_equal(asked.map, expected == JVM_ANSWERED ? map_text : "");
	assert_true(asked.seconds < (JVM_PATIENCE_MS + 1000) / 1000.0);
	assert_int_equal(stop(pid), 0);
}

/* --- tests --- */

static void a_jvm_that_is_asked_gives_its_map_and_nothing_is_left(void **state)
{
	pid_t pid = start(ANSWERS);

	(void)state;
	for (int again = 0; again < 2; again++) {
		struct asked asked = ask(pid);

		assert_int_equal(asked.answer.state, JVM_ANSWERED);
		assert_int_equal(asked.answer.own_pid, pid);
		assert_string_equal(asked.map, map_text);
		assert_int_equal(access(temporary("/tmp/perf-%d.map", pid), F_OK), -1);
	}
	assert_int_equal(stop(pid), 0);
}

static void a_map_that_was_there_before_stays(void **state)
{
	pid_t pid = start(ANSWERS);
	FILE *f = fopen(temporary("/tmp/perf-%d.map", pid), "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(ask(pid).answer.state, JVM_ANSWERED);
	assert_int_equal(access(temporary("/tmp/perf-%d.map", pid), F_OK), 0);
	assert_int_equal(stop(pid), 0);
}

static void who_would_die_of_the_signal_is_not_asked(void **state)
{
	(void)state;
	assert_answer(IS_DEAF, JVM_DEAF);
}

static void an_old_jvm_is_told_from_a_silent_one(void **state)
{
	(void)state;
	assert_answer(IS_OLD, JVM_TOO_OLD);
	assert_answer(HANGS_UP, JVM_SILENT);
	assert_answer(SAYS_NOTHING, JVM_SILENT);
	assert_answer(HAS_NO_DOOR, JVM_SILENT);
}

static void an_answer_without_end_is_given_up(void **state)
{
	(void)state;
	assert_answer(NEVER_ENDS, JVM_SILENT);
}

static void a_link_in_the_place_of_the_socket_is_not_followed(void **state)
{
	pid_t pid = start(LEADS_ASTRAY);
	uint32_t answer_state = ask(pid).answer.state;

	(void)state;
	assert_true(answer_state == JVM_REFUSED || answer_state == JVM_SILENT);
	/* It exits with 2 if somebody connected. */
	assert_int_equal(stop(pid), 0);
}

/* Inside the container's root a link is the container's affair; but what is read is a file of its
 * own user or of everybody, and no map comes of it. */
static void a_link_in_the_place_of_the_map_stays(void **state)
{
	pid_t pid = start(WRITES_A_LINK);
	struct stat st;

	(void)state;
	ask(pid);
	assert_int_equal(lstat(temporary("/tmp/perf-%d.map", pid), &st), -1);
	assert_int_equal(access("/etc/hostname", F_OK), 0);
	assert_int_equal(stop(pid), 0);
}

static void a_stopped_jvm_is_not_waited_for(void **state)
{
	pid_t pid = start(ANSWERS);
	struct asked asked;

	(void)state;
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	asked = ask(pid);
	assert_int_equal(asked.answer.state, JVM_STOPPED);
	assert_true(asked.seconds < 1);
	kill(pid, SIGCONT);
	assert_int_equal(stop(pid), 0);
}

static void what_is_gone_is_gone(void **state)
{
	pid_t pid = start(ANSWERS);

	(void)state;
	stop(pid);
	assert_int_equal(ask(pid).answer.state, JVM_GONE);
}

static void many_are_asked_at_once(void **state)
{
	enum { COUNT = 20 };
	struct jvms *jvms = jvms_new("/proc");
	struct jvm_answer answer;
	pid_t pids[COUNT], from;
	size_t answered = 0;
	int map;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		pids[i] = start(ANSWERS);
		jvms_ask(jvms, pids[i]);
	}
	while (jvms_next(jvms, true, &from, &answer, &map) > 0) {
		assert_int_equal(answer.state, JVM_ANSWERED);
		close(map);
		answered++;
	}
	assert_int_equal(answered, COUNT);
	jvms_free(jvms);
	for (size_t i = 0; i < COUNT; i++)
		stop(pids[i]);
}

static void questions_that_are_open_end_with_us(void **state)
{
	struct jvms *jvms = jvms_new("/proc");
	pid_t pid = start(SAYS_NOTHING), from;
	struct jvm_answer answer;
	double began = now();
	int map;

	(void)state;
	jvms_ask(jvms, pid);
	assert_int_equal(jvms_next(jvms, false, &from, &answer, &map), -EAGAIN);
	jvms_free(jvms);
	assert_true(now() - began < 1);
	unlink(temporary("/tmp/.attach_pid%d", pid));
	stop(pid);
}

static void only_hotspots_library_makes_a_jvm(void **state)
{
	(void)state;
	assert_true(jvm_is_library("/usr/lib/jvm/java-17/lib/server/libjvm.so"));
	assert_false(jvm_is_library("/opt/java/openj9/lib/j9vm/libjvm.so"));
	assert_false(jvm_is_library("/tmp/libjvm.so.txt"));
	assert_false(jvm_is_library("[anon]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jvm_that_is_asked_gives_its_map_and_nothing_is_left),
		cmocka_unit_test(a_map_that_was_there_before_stays),
		cmocka_unit_test(who_would_die_of_the_signal_is_not_asked),
		cmocka_unit_test(an_old_jvm_is_told_from_a_silent_one),
		cmocka_unit_test(an_answer_without_end_is_given_up),
		cmocka_unit_test(a_link_in_the_place_of_the_socket_is_not_followed),
		cmocka_unit_test(a_link_in_the_place_of_the_map_stays),
		cmocka_unit_test(a_stopped_jvm_is_not_waited_for),
		cmocka_unit_test(what_is_gone_is_gone),
		cmocka_unit_test(many_are_asked_at_once),
		cmocka_unit_test(questions_that_are_open_end_with_us),
		cmocka_unit_test(only_hotspots_library_makes_a_jvm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
