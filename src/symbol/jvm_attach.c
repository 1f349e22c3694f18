/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attach protocol of HotSpot; see jvm_attach.h. It is not specified, but has been the same
 * since Java 5: src/jdk.attach/linux/classes/sun/tools/attach/VirtualMachineImpl.java is the
 * client, src/hotspot/os/posix/attachListener_posix.cpp the server. Compiler.perfmap is
 * JDK-8254723.
 */
#include "symbol/jvm_attach.h"
#include "base/clock.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "symbol/proc_status.h"

/* Version, command, three arguments, each ended by NUL. */
static const char request[] = "1\0jcmd\0Compiler.perfmap\0\0";
/* The kernel's limits of a command line are higher; what matters comes before the class. */
#define ARGUMENTS_MAX (256 << 10)
#define LOOK_AGAIN_MS 10

struct attach {
	const char *proc;
	pid_t pid;
	int64_t deadline;
	struct proc_status status;
	int process;   /* pidfd: the number cannot become somebody else's */
	int root, tmp; /* O_PATH, of its container */
	struct jvm_answer *out;
};

static bool in_time(const struct attach *a)
{
	return clock_ms(CLOCK_MONOTONIC) < a->deadline;
}

static bool give_up(struct attach *a, enum jvm_state state, const char *text)
{
	a->out->state = state;
	snprintf(a->out->text, sizeof(a->out->text), "%.*s", (int)sizeof(a->out->text) - 1, text);
	return false;
}

/* By SIGSTOP or a debugger, at this moment. */
static bool is_stopped(const struct attach *a)
{
	return strchr("Tt", a->status.state);
}

/* Nothing came in time: because it cannot run since it was asked, or for reasons of its own. */
static bool give_up_waiting(struct attach *a, const char *text)
{
	bool stopped = proc_status_read(a->proc, a->pid, &a->status) == 0 && is_stopped(a);

	return give_up(a, stopped ? JVM_STOPPED : JVM_SILENT, text);
}

/* --- before the change of user --- */

static bool has_option(struct attach *a, const char *file, const char *option)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	size_t size;

	snprintf(path, sizeof(path), "%s/%d/%s", a->proc, a->pid, file);
	return read_file(path, ARGUMENTS_MAX, &text, &size) == 0 &&
	       memmem(text, size, option, strlen(option));
}

static bool look_at_process(struct attach *a)
{
	/* The machine reads options from its arguments and from JAVA_TOOL_OPTIONS and the like. */
	static const char off[] = "-XX:+DisableAttachMechanism";
	static const char *const files[] = { "cmdline", "environ" };
	char path[PATH_MAX];

	a->process = (int)syscall(SYS_pidfd_open, a->pid, 0);
	if (a->process < 0 || proc_status_read(a->proc, a->pid, &a->status))
		return give_up(a, JVM_GONE, strerror(errno));
	a->out->own_pid = a->status.own_pid;
	/* It would print its threads when it goes on, long after we have taken the file away. */
	if (is_stopped(a))
		return give_up(a, JVM_STOPPED, "");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (has_option(a, files[i], off))
			return give_up(a, JVM_SWITCHED_OFF, off);
	snprintf(path, sizeof(path), "%s/%d/root", a->proc, a->pid);
	a->root = open_root(path);
	if (a->root < 0)
		return give_up(a, a->root == -ENOENT ? JVM_GONE : JVM_FORBIDDEN,
			       strerror(-a->root));
	return true;
}

static int open_below(int directory, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static bool become_its_user(struct attach *a)
{
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 ||
			       setresgid(a->status.egid, a->status.egid, a->status.egid) < 0 ||
			       setresuid(a->status.euid, a->status.euid, a->status.euid) < 0))
		return give_up(a, JVM_FORBIDDEN, strerror(errno));
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return give_up(a, JVM_FORBIDDEN, "cannot give up privileges");
	if (geteuid() != a->status.euid || getegid() != a->status.egid)
		return give_up(a, JVM_FORBIDDEN, "it runs as another user");
	/* The machine knows no other place for its files, whatever java.io.tmpdir says. */
	a->tmp = open_below(a->root, "/tmp", O_DIRECTORY, 0);
	if (a->tmp < 0)
		return give_up(a, JVM_REFUSED, "its root has no /tmp");
	return true;
}

/* --- the socket --- */

/*
 * A connection, or negative errno: -ENOENT as long as there is no socket, -ECONNREFUSED if nobody
 * listens on the one there is. The name is resolved without following any link, and connect() is
 * led to what was found, so that no other socket of the host can be put in its place.
 */
static int connect_to_jvm(const struct attach *a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int node = -1, fd = -1;
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), ".java_pid%d", a->status.own_pid);
	node = open_below(a->tmp, name, O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
	if (node < 0)
		return node;
	if (fstat(node, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) || st.st_uid != a->status.euid)
		return -EPERM;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", node);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Makes the machine open its door. */
static bool knock(struct attach *a, char name[32])
{
	int fd;

	/* Whoever does not catch it dies of it: looked at once more, as late as possible. */
	if (proc_status_read(a->proc, a->pid, &a->status))
		return give_up(a, JVM_GONE, "");
	if (!(a->status.caught >> (SIGQUIT - 1) & 1))
		return give_up(a, JVM_DEAF, "it does not catch SIGQUIT");
	snprintf(name, 32, ".attach_pid%d", a->status.own_pid);
	fd = openat(a->tmp, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return give_up(a, JVM_REFUSED, "cannot create a file in its /tmp");
	if (fd >= 0)
		close(fd);
	if (syscall(SYS_pidfd_send_signal, a->process, SIGQUIT, NULL, 0) < 0)
		return give_up(a, errno == ESRCH ? JVM_GONE : JVM_FORBIDDEN, strerror(errno));
	return true;
}

static int open_door(struct attach *a)
{
	char name[32];
	int fd = connect_to_jvm(a);

	if (fd >= 0)
		return fd;
	if (fd != -ENOENT && fd != -ECONNREFUSED) {
		give_up(a, JVM_REFUSED, strerror(-fd));
		return -1;
	}
	if (!knock(a, name))
		return -1;
	do {
		poll(NULL, 0, LOOK_AGAIN_MS);
		fd = connect_to_jvm(a);
	} while ((fd == -ENOENT || fd == -ECONNREFUSED || fd == -EAGAIN) && in_time(a));
	unlinkat(a->tmp, name, 0);
	if (fd < 0)
		give_up_waiting(a, "it made no socket");
	return fd;
}

/* --- the question --- */

/* Waits until the socket is ready for `events`. */
static bool wait_for(const struct attach *a, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = a->deadline - clock_ms(CLOCK_MONOTONIC);

	return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* The answer's beginning; the rest is read and forgotten. False when time is over. */
static bool converse(struct attach *a, int fd, char *answer, size_t size)
{
	size_t have = 0;
	char rest[256];

	if (!wait_for(a, fd, POLLOUT) ||
	    send(fd, request, sizeof(request), MSG_NOSIGNAL) != (ssize_t)sizeof(request))
		return false;
	while (wait_for(a, fd, POLLIN)) {
		bool full = have == size - 1;
		ssize_t n = read(fd, full ? rest : answer + have,
				 full ? sizeof(rest) : size - 1 - have);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			answer[have] = '\0';
			return n == 0 && have;
		}
		have += full ? 0 : (size_t)n;
	}
	return false;
}

/* "0\n" and what the command printed; or another number, and an exception. */
static bool ask(struct attach *a, int fd)
{
	char answer[512], *text;

	if (!converse(a, fd, answer, sizeof(answer)))
		return give_up_waiting(a, "it did not answer");
	text = strchr(answer, '\n');
	if (!text)
		return give_up(a, JVM_REFUSED, answer);
	*text++ = '\0';
	if (strcmp(answer, "0") == 0)
		return true;
	text[strcspn(text, "\n")] = '\0';
	return give_up(a, strstr(text, "Unknown diagnostic command") ? JVM_TOO_OLD : JVM_REFUSED,
		       text);
}

int jvm_attach(const char *proc, pid_t pid, int timeout_ms, struct jvm_answer *out)
{
	struct attach a = { .proc = proc,
			    .pid = pid,
			    .deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms,
			    .process = -1,
			    .root = -1,
			    .tmp = -1,
			    .out = out };
	_cleanup_close_ int fd = -1;
	int map = -1, before;
	char name[32], path[64];

	*out = (struct jvm_answer){ .state = JVM_ANSWERED };
	if (!look_at_process(&a) || !become_its_user(&a))
		goto out;
	snprintf(name, sizeof(name), "perf-%d.map", a.status.own_pid);
	snprintf(path, sizeof(path), "/tmp/%s", name);
	before = open_below(a.tmp, name, O_NOFOLLOW, 0);
	fd = open_door(&a);
	if (fd >= 0 && ask(&a, fd)) {
		map = open_in_root(a.root, path, NULL);
		if (map < 0)
			give_up(&a, JVM_REFUSED, "it wrote no map");
		else if (before < 0)
			unlinkat(a.tmp, name, 0);
	}
	if (before >= 0)
		close(before);
out:
	for (size_t i = 0; i < 3; i++) {
		const int held[] = { a.process, a.root, a.tmp };

		if (held[i] >= 0)
			close(held[i]);
	}
	return map < 0 ? -1 : map;
}
