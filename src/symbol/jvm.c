/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to Java virtual machines; see jvm.h. */
#include "symbol/jvm.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/confined.h"

/* Each is a process of ours, and a safepoint in somebody else's. */
#define AT_A_TIME 8
/* How much longer than promised a child may take: it may be waiting for a file system. */
#define GRACE_MS 500

struct question {
	pid_t pid, child; /* child 0: not asked yet */
	int socket;
	int64_t deadline;
};

struct jvms {
	const char *proc;
	struct question *all;
	size_t n, capacity;
};

struct jvms *jvms_new(const char *proc)
{
	struct jvms *jvms = xcalloc(1, sizeof(*jvms));

	jvms->proc = proc;
	return jvms;
}

/* --- the child --- */

/* Nothing of ours is open in it but the socket. */
static void keep_only(int socket)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && null >= 0; fd++)
		dup2(null, fd);
	if (socket > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)socket - 1, 0);
	close_range((unsigned)socket + 1, ~0U, 0);
}

static void answer_in_child(const char *proc, pid_t pid, int socket, pid_t parent)
{
	struct jvm_answer answer;
	int map;

	prctl(PR_SET_NAME, "plimsoll-jvm");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return;
	keep_only(socket);
	map = jvm_attach(proc, pid, JVM_PATIENCE_MS, &answer);
	confined_send(socket, &answer, sizeof(answer), &map, map >= 0);
}

static bool start(struct jvms *jvms, struct question *q)
{
	pid_t parent = getpid();
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return false;
	q->child = fork();
	if (q->child == 0) {
		answer_in_child(jvms->proc, q->pid, sockets[1], parent);
		_exit(0);
	}
	close(sockets[1]);
	if (q->child < 0) {
		close(sockets[0]);
		q->child = 0;
		return false;
	}
	q->socket = sockets[0];
	q->deadline = clock_ms(CLOCK_MONOTONIC) + JVM_PATIENCE_MS + GRACE_MS;
	return true;
}

/* --- questions --- */

static void end(struct jvms *jvms, struct question *q)
{
	if (q->child) {
		close(q->socket);
		kill(q->child, SIGKILL);
		while (waitpid(q->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*q = jvms->all[--jvms->n];
}

void jvms_free(struct jvms *jvms)
{
	if (!jvms)
		return;
	while (jvms->n)
		end(jvms, &jvms->all[0]);
	free(jvms->all);
	free(jvms);
}

/* Others share the names of its parts: libjvm.so is HotSpot's, and OpenJ9's door to its own. */
bool jvm_is_library(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && strcmp(slash + 1, "libjvm.so") == 0 && !strstr(path, "/j9vm/");
}

static void start_some(struct jvms *jvms)
{
	size_t running = 0;

	for (size_t i = 0; i < jvms->n; i++)
		running += jvms->all[i].child != 0;
	for (size_t i = 0; i < jvms->n && running < AT_A_TIME; i++)
		if (!jvms->all[i].child)
			running += start(jvms, &jvms->all[i]);
}

void jvms_ask(struct jvms *jvms, pid_t pid)
{
	for (size_t i = 0; i < jvms->n; i++)
		if (jvms->all[i].pid == pid)
			return;
	GROW(jvms->all, jvms->n, jvms->capacity);
	jvms->all[jvms->n++] = (struct question){ .pid = pid, .socket = -1 };
	start_some(jvms);
}

/* Takes what its child said, if it said something; a child that is late has not. */
static bool take_answer(struct question *q, struct jvm_answer *answer, int *map)
{
	struct pollfd p = { .fd = q->socket, .events = POLLIN };
	size_t nfds = 1;

	*map = -1;
	if (poll(&p, 1, 0) == 0) {
		if (clock_ms(CLOCK_MONOTONIC) < q->deadline)
			return false;
		*answer = (struct jvm_answer){ .state = JVM_SILENT };
		return true;
	}
	if (confined_receive(q->socket, answer, sizeof(*answer), map, &nfds) !=
		    (ssize_t)sizeof(*answer) ||
	    answer->state >= JVM_STATES) {
		*answer = (struct jvm_answer){ .state = JVM_REFUSED };
		snprintf(answer->text, sizeof(answer->text), "the child that asked it died");
	}
	answer->text[sizeof(answer->text) - 1] = '\0';
	if (!nfds)
		*map = -1;
	return true;
}

/* Until one of them has something to say, or its time is over. */
static void wait_for_one(const struct jvms *jvms)
{
	struct pollfd polls[AT_A_TIME];
	int64_t first = INT64_MAX;
	nfds_t n = 0;

	for (size_t i = 0; i < jvms->n && n < AT_A_TIME; i++) {
		const struct question *q = &jvms->all[i];

		if (!q->child)
			continue;
		polls[n++] = (struct pollfd){ .fd = q->socket, .events = POLLIN };
		first = MIN(first, q->deadline);
	}
	if (n)
		poll(polls, n, (int)MAX(first - clock_ms(CLOCK_MONOTONIC), (int64_t)0));
}

int jvms_next(struct jvms *jvms, bool wait, pid_t *pid, struct jvm_answer *answer, int *map)
{
	for (;;) {
		size_t running = 0;

		start_some(jvms);
		for (size_t i = 0; i < jvms->n; i++) {
			struct question *q = &jvms->all[i];

			running += q->child != 0;
			if (!q->child || !take_answer(q, answer, map))
				continue;
			*pid = q->pid;
			end(jvms, q);
			return 1;
		}
		/* Nothing can be started: no processes or descriptors are left. */
		while (!running && jvms->n)
			end(jvms, &jvms->all[0]);
		if (!jvms->n)
			return 0;
		if (!wait)
			return -EAGAIN;
		wait_for_one(jvms);
	}
}

const char *jvm_explain(const struct jvm_answer *answer, char *buffer, size_t size)
{
	static const char *const states[JVM_STATES] = {
		[JVM_ANSWERED] = "answered",
		[JVM_GONE] = "it ended",
		[JVM_FORBIDDEN] = "not allowed to ask it",
		[JVM_SWITCHED_OFF] = "it runs with -XX:+DisableAttachMechanism",
		[JVM_STOPPED] = "it is stopped",
		[JVM_DEAF] = "it does not catch SIGQUIT: it may be only just starting",
		[JVM_SILENT] = "it did not answer within 2 s",
		[JVM_TOO_OLD] = "it is older than Java 17",
		[JVM_REFUSED] = "it refused",
	};
	bool has_text = (answer->state == JVM_FORBIDDEN || answer->state == JVM_REFUSED) &&
			answer->text[0];

	snprintf(buffer, size, "%s%s%s", states[answer->state], has_text ? ": " : "",
		 has_text ? answer->text : "");
	return buffer;
}
