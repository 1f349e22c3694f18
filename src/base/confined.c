/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up privileges in the order in which each step still needs those that go later; see
 * confined.h. What a kernel lacks (landlock before 5.13 or switched off) is left out, what it has
 * and refuses is an error: such a child does not run.
 *
 * Layers, from the outside in: no capability and another user (where we may change it), landlock
 * (no file, no port, no signal), seccomp (memory, the descriptors it was handed, nothing else),
 * limits of memory, files and CPU time.
 */
#include "base/confined.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NOBODY 65534
/* The socket's number in the child, after the standard ones. */
#define CHILD_SOCKET 3
/* Its own, those of a message, and a few that it may be keeping. */
#define CHILD_FDS 64

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

/* --- landlock --- */

/* Of Linux 6.12 (ABI 6); older kernels take the beginning of it. */
struct ruleset {
	uint64_t files, network, scopes;
};
/* include/uapi/linux/landlock.h: access rights by the ABI that brought them. */
#define FILES_ABI_1   ((1ULL << 13) - 1)
#define FILES_REFER   (1ULL << 13) /* ABI 2 */
#define FILES_TRUNC   (1ULL << 14) /* ABI 3 */
#define FILES_IOCTL   (1ULL << 15) /* ABI 5 */
#define NETWORK_ABI_4 3ULL	   /* bind and connect TCP */
#define SCOPES_ABI_6  3ULL	   /* abstract Unix sockets, signals */

static int allow_below(int ruleset, const char *path, uint64_t access)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };

	if (fd < 0 ||
	    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

static int lock_files(const struct confined_options *options)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset rules = { .files = FILES_ABI_1 };
	size_t size = sizeof(rules.files);
	_cleanup_close_ int fd = -1;
	int err = 0;

	if (abi < 1)
		return 0; /* this kernel has none, or none that is switched on */
	rules.files |= (abi >= 2 ? FILES_REFER : 0) | (abi >= 3 ? FILES_TRUNC : 0) |
		       (abi >= 5 ? FILES_IOCTL : 0);
	if (abi >= 4 && !options->writable) {
		rules.network = NETWORK_ABI_4;
		size = offsetof(struct ruleset, scopes);
	}
	if (abi >= 6 && !options->writable) {
		rules.scopes = SCOPES_ABI_6;
		size = sizeof(rules);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -errno;
	if (options->writable) {
		err = allow_below(fd, "/",
				  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
		if (!err)
			err = allow_below(fd, options->writable,
					  rules.files & ~LANDLOCK_ACCESS_FS_EXECUTE);
	}
	if (!err && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		err = -errno;
	return err;
}

/* --- seccomp --- */

/* What memory, answers and a timer of one's own need. */
static const int allowed[] = {
	SCMP_SYS(brk),		 SCMP_SYS(munmap),
	SCMP_SYS(mremap),	 SCMP_SYS(madvise),
	SCMP_SYS(read),		 SCMP_SYS(readv),
	SCMP_SYS(pread64),	 SCMP_SYS(write),
	SCMP_SYS(writev),	 SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),	 SCMP_SYS(ftruncate),
	SCMP_SYS(fstat),	 SCMP_SYS(close),
	SCMP_SYS(recvmsg),	 SCMP_SYS(sendmsg),
	SCMP_SYS(futex),	 SCMP_SYS(setitimer),
	SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),
	SCMP_SYS(getpid),	 SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction),	 SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),	 SCMP_SYS(restart_syscall),
	SCMP_SYS(sigaltstack),	 SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int add_rules(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(allowed); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_executable);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       not_executable);
	/* glibc's fstat() on a descriptor; that it could ask for the size of a file by its path
	 * instead, no filter can tell. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return err;
}

/* An error rather than death for the rest: a library that tries to open a file it could do without
 * goes on without it. */
static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = add_rules(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/* --- limits --- */

/* When memory runs out, the kernel shall take this one first. Where it may not be told, it has to
 * find out. */
static void offer_memory(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (f)
		fputs("1000", f);
}

static int set_limit(int which, uint64_t soft, uint64_t hard)
{
	struct rlimit old, limit = { .rlim_cur = soft, .rlim_max = hard };

	/* Somebody else's may be lower than ours. */
	if (getrlimit((__rlimit_resource_t)which, &old) == 0) {
		limit.rlim_max = MIN(limit.rlim_max, old.rlim_max);
		limit.rlim_cur = MIN(limit.rlim_cur, limit.rlim_max);
	}
	return setrlimit((__rlimit_resource_t)which, &limit) < 0 ? -errno : 0;
}

/* proc(5): size, resident, shared, text, 0, data; in pages. */
static int own_size(uint64_t *space, uint64_t *data)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!f || fscanf(f, "%" SCNu64 " %*s %*s %*s %*s %" SCNu64, space, data) != 2)
		return -EIO;
	*space *= page;
	*data *= page;
	return 0;
}

static int limit_resources(const struct confined_options *options)
{
	uint64_t space, data;
	int err = own_size(&space, &data);

	offer_memory();
	if (!err)
		err = set_limit(RLIMIT_AS, space + options->memory + options->mapped,
				space + options->memory + options->mapped);
	if (!err)
		err = set_limit(RLIMIT_DATA, data + options->memory, data + options->memory);
	if (!err && !options->writable)
		err = set_limit(RLIMIT_FSIZE, options->memory, options->memory);
	if (!err && !options->writable)
		err = set_limit(RLIMIT_NOFILE, CHILD_FDS, CHILD_FDS);
	if (!err)
		err = set_limit(RLIMIT_CORE, 0, 0);
	if (!err && options->cpu_seconds)
		err = set_limit(RLIMIT_CPU, options->cpu_seconds, options->cpu_seconds + 1);
	return err;
}

/* --- what it got from us by fork() --- */

static void close_from(int first)
{
	if (close_range((unsigned)first, ~0U, 0) == 0)
		return;
	/* A container's own filter may not know this system call. */
	for (int fd = first, end = (int)sysconf(_SC_OPEN_MAX); fd < end; fd++)
		close(fd);
}

static int keep_only(int socket)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
#ifdef SANITIZED
		if (fd == STDERR_FILENO)
			break; /* where the sanitizer tells what it found */
#endif
		if (dup2(null, fd) < 0)
			return -errno;
	}
	if (dup2(socket, CHILD_SOCKET) < 0)
		return -errno;
	close_from(CHILD_SOCKET + 1);
	return 0;
}

/* Rings and maps that the kernel and we write and read through. */
static int leave_shared_memory(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		unsigned long start, end;
		char permissions[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, permissions) == 3 &&
		    permissions[3] == 's')
			munmap((void *)start, end - start);
	}
	return 0;
}

static void reset_signals(const struct confined_options *options)
{
	/* Those that a terminal sends to all of us: a recording that is ended by Ctrl-C goes on
	 * to name what it has. */
	static const int from_terminal[] = { SIGINT, SIGQUIT, SIGHUP };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	for (size_t i = 0; !options->writable && i < ARRAY_SIZE(from_terminal); i++)
		signal(from_terminal[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* --- privileges --- */

/* Root without CAP_SETUID stays root in name: it owns files, which the other layers keep shut. */
static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0))
		return -errno;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

static int confine(const struct confined_options *options, int socket, pid_t parent)
{
	int err;

	reset_signals(options);
	err = keep_only(socket);
	if (!err)
		err = leave_shared_memory();
	/* While /proc/self is still ours to read. */
	if (!err)
		err = limit_resources(options);
	capng_get_caps_process();
	if (!err && !options->writable)
		err = become_nobody();
	if (!err)
		err = drop_capabilities();
	/* After the change of user, which would take this away. */
	if (!err && (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		     prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
		err = -errno;
	if (!err && getppid() != parent)
		err = -ESRCH;
	if (!err)
		err = lock_files(options);
	if (!err && !options->writable)
		err = filter_calls();
	return err;
}

/* --- life --- */

int confined_start(const struct confined_options *options, confined_fn run, void *context,
		   struct confined *out)
{
	pid_t parent = getpid();
	int sockets[2];

	*out = (struct confined){ .socket = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	out->pid = fork();
	if (out->pid < 0) {
		int err = -errno;

		out->pid = 0;
		close(sockets[0]);
		close(sockets[1]);
		return err;
	}
	if (!out->pid) {
		prctl(PR_SET_NAME, options->name);
		if (confine(options, sockets[1], parent) == 0)
			run(CHILD_SOCKET, context);
		_exit(0);
	}
	close(sockets[1]);
	out->socket = sockets[0];
	return 0;
}

static int death(int status)
{
	if (!WIFSIGNALED(status))
		return 0;
	switch (WTERMSIG(status)) {
	case SIGXCPU:
		return -ETIME;
	case SIGKILL:
		return 0; /* ours, as a rule */
	default:
		return -EFAULT;
	}
}

int confined_stop(struct confined *c)
{
	int status = 0;

	if (c->pid <= 0)
		return 0;
	/* It is nobody's process, whom we may not kill without CAP_KILL; then it ends for want of a
	 * parent to talk to. */
	close(c->socket);
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	*c = (struct confined){ .socket = -1 };
	return death(status);
}

/* --- messages --- */

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(CONFINED_FDS_MAX * sizeof(int))];
};

int confined_send(int socket, const void *message, size_t size, const int *fds, size_t nfds)
{
	struct iovec part = { .iov_base = (void *)message, .iov_len = size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t n;

	if (!size || size > CONFINED_MESSAGE_MAX || nfds > CONFINED_FDS_MAX)
		return -EMSGSIZE;
	if (nfds) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Takes the descriptors out of a message; what there is no room for is closed. */
static size_t take_fds(struct msghdr *header, int *fds, size_t room)
{
	size_t taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < room)
				fds[taken++] = fd;
			else
				close(fd);
		}
	}
	return taken;
}

ssize_t confined_receive(int socket, void *message, size_t size, int *fds, size_t *nfds)
{
	struct iovec part = { .iov_base = message, .iov_len = size };
	union control control;
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	size_t room = nfds ? *nfds : 0, taken;
	ssize_t n;

	if (nfds)
		*nfds = 0;
	do
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	taken = take_fds(&header, fds, room);
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (taken)
			close(fds[--taken]);
		return -EMSGSIZE;
	}
	if (nfds)
		*nfds = taken;
	return n;
}
