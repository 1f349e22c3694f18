/* SPDX-License-Identifier: Apache-2.0 */
/* base/confined: what the child may do, and what becomes of one that dies or never answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confined.h"

#define MEMORY (64UL << 20)

static const struct confined_options usual = { .name = "test", .memory = MEMORY };

/* What a child reports of one attempt: 0 for success, or errno. */
typedef int (*attempt_fn)(int socket);

static void try_and_tell(int socket, void *context)
{
	int result = (*(attempt_fn *)context)(socket);

	confined_send(socket, &result, sizeof(result), NULL, 0);
}

static int in_child_with(const struct confined_options *options, attempt_fn attempt)
{
	struct confined child;
	int result = -1;

	assert_int_equal(confined_start(options, try_and_tell, &attempt, &child), 0);
	assert_int_equal(confined_receive(child.socket, &result, sizeof(result), NULL, NULL),
			 sizeof(result));
	confined_stop(&child);
	return result;
}

static int in_child(attempt_fn attempt)
{
	return in_child_with(&usual, attempt);
}

#define ATTEMPT(name, call)                    \
	static int name(int ours)              \
	{                                      \
		(void)ours;                    \
		return (call) < 0 ? errno : 0; \
	}

static const char *const no_arguments[] = { "/bin/true", NULL };

ATTEMPT(open_file, open("/etc/passwd", O_RDONLY))
ATTEMPT(create_file, open("/tmp/plimsoll-confined", O_CREAT | O_WRONLY, 0600))
ATTEMPT(make_socket, socket(AF_INET, SOCK_STREAM, 0))
ATTEMPT(make_memfd, memfd_create("x", 0))
ATTEMPT(trace_parent, ptrace(PTRACE_ATTACH, getppid(), 0, 0))
ATTEMPT(signal_parent, kill(getppid(), 0))
ATTEMPT(run_program, execv("/bin/true", (char *const *)no_arguments))
ATTEMPT(make_process, fork())
ATTEMPT(name_itself, prctl(PR_SET_NAME, "other"))

static int map_code(int socket)
{
	(void)socket;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? errno
		       : 0;
}

static int make_code(int socket)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)socket;
	return mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static void confined_child_has_no_way_out(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_file), EPERM);
	assert_int_equal(in_child(create_file), EPERM);
	assert_int_equal(in_child(make_socket), EPERM);
	assert_int_equal(in_child(make_memfd), EPERM);
	assert_int_equal(in_child(trace_parent), EPERM);
	assert_int_equal(in_child(signal_parent), EPERM);
	assert_int_equal(in_child(run_program), EPERM);
	assert_int_equal(in_child(make_process), EPERM);
	assert_int_equal(in_child(name_itself), EPERM);
	assert_int_equal(in_child(map_code), EPERM);
	assert_int_equal(in_child(make_code), EPERM);
}

static int allocate_too_much(int socket)
{
	void *memory = mmap(NULL, 2 * MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	(void)socket;
	return memory == MAP_FAILED ? errno : 0;
}

static int allocate_what_is_allowed(int socket)
{
	char *memory = malloc(MEMORY / 2);

	(void)socket;
	if (!memory)
		return errno;
	memset(memory, 1, MEMORY / 2);
	return memory[MEMORY / 2 - 1] == 1 ? 0 : EFAULT;
}

static void memory_is_limited(void **state)
{
	(void)state;
	assert_int_equal(in_child(allocate_what_is_allowed), 0);
	assert_int_equal(in_child(allocate_too_much), ENOMEM);
}

/* The parent looks at the child's credentials from outside, while it waits. */
static void wait_for_word(int socket, void *context)
{
	char c = 'r';

	(void)context;
	confined_send(socket, &c, 1, NULL, 0);
	confined_receive(socket, &c, 1, NULL, NULL);
}

static void read_status(pid_t pid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	assert_non_null(f);
	text[fread(text, 1, size - 1, f)] = '\0';
}

static void it_runs_as_nobody_without_capabilities(void **state)
{
	struct confined child;
	char status[4096], c;

	(void)state;
	assert_int_equal(confined_start(&usual, wait_for_word, NULL, &child), 0);
	assert_int_equal(confined_receive(child.socket, &c, 1, NULL, NULL), 1);
	read_status(child.pid, status, sizeof(status));
	assert_non_null(strstr(status, "Name:\ttest\n"));
	assert_non_null(strstr(status, "CapEff:\t0000000000000000\n"));
	assert_non_null(strstr(status, "CapPrm:\t0000000000000000\n"));
	assert_non_null(strstr(status, "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(status, "Seccomp:\t2\n"));
	if (geteuid() == 0) {
		assert_non_null(strstr(status, "Uid:\t65534\t65534\t65534\t65534\n"));
		assert_non_null(strstr(status, "Gid:\t65534\t65534\t65534\t65534\n"));
	}
	confined_stop(&child);
}

static int count_open_fds(int socket)
{
	int open_fds = 0;

	for (int fd = 0; fd < 256; fd++)
		open_fds += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
	return open_fds - (socket == 3 ? 0 : 100);
}

static void only_the_socket_is_inherited(void **state)
{
	int secret = open("/etc/passwd", O_RDONLY);

	(void)state;
	/* Three that lead to /dev/null, and the socket. */
	assert_int_equal(in_child(count_open_fds), 4);
	close(secret);
}

static volatile char *shared_page;

static int write_shared_page(int socket)
{
	(void)socket;
	*shared_page = 1; /* a crash */
	return 0;
}

static void run_attempt(int socket, void *context)
{
	((attempt_fn)(uintptr_t)context)(socket);
}

static void memory_shared_with_the_parent_is_gone(void **state)
{
	struct confined child;
	char c;

	(void)state;
	shared_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(
		confined_start(&usual, run_attempt, (void *)(uintptr_t)write_shared_page, &child),
		0);
	assert_int_equal(confined_receive(child.socket, &c, 1, NULL, NULL), 0);
	assert_int_equal(confined_stop(&child), -EFAULT);
	assert_int_equal(*shared_page, 0);
	munmap((void *)shared_page, 4096);
}

static void spin(int socket, void *context)
{
	volatile uint64_t turns = 0;

	(void)socket;
	(void)context;
	for (;;)
		turns++;
}

static void one_that_never_answers_dies_of_its_allowance(void **state)
{
	const struct confined_options options = { .name = "spin",
						  .memory = MEMORY,
						  .cpu_seconds = 1 };
	struct confined child;
	char c;

	(void)state;
	assert_int_equal(confined_start(&options, spin, NULL, &child), 0);
	assert_int_equal(confined_receive(child.socket, &c, 1, NULL, NULL), 0);
	assert_int_equal(confined_stop(&child), -ETIME);
}

static void one_that_never_answers_can_be_stopped(void **state)
{
	struct confined child;
	pid_t pid;

	(void)state;
	assert_int_equal(confined_start(&usual, spin, NULL, &child), 0);
	pid = child.pid;
	struct pollfd wait = { .fd = child.socket, .events = POLLIN };

	assert_int_equal(poll(&wait, 1, 50), 0);
	assert_int_equal(confined_stop(&child), 0);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(confined_stop(&child), 0);
}

/* Reads the file it is sent and writes it backwards into the other one. */
static void reverse(int socket, void *context)
{
	char request[8], text[16];
	int fds[2];
	size_t nfds = 2;

	(void)context;
	while (confined_receive(socket, request, sizeof(request), fds, &nfds) > 0) {
		ssize_t n = pread(fds[0], text, sizeof(text), 0);

		for (ssize_t i = 0; i < n; i++)
			if (pwrite(fds[1], &text[n - 1 - i], 1, i) != 1)
				return;
		close(fds[0]);
		close(fds[1]);
		confined_send(socket, "done", 4, NULL, 0);
		nfds = 2;
	}
}

static void files_are_handed_over_and_answers_come_back(void **state)
{
	struct confined child;
	char answer[8], text[8] = "";

	(void)state;
	assert_int_equal(confined_start(&usual, reverse, NULL, &child), 0);
	for (int turn = 0; turn < 100; turn++) {
		_cleanup_close_ int in = memfd_create("in", MFD_CLOEXEC);
		_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);

		assert_int_equal(write(in, "hello", 5), 5);
		assert_int_equal(confined_send(child.socket, "go", 2, (int[]){ in, out }, 2), 0);
		assert_int_equal(confined_receive(child.socket, answer, sizeof(answer), NULL, NULL),
				 4);
		assert_int_equal(pread(out, text, sizeof(text), 0), 5);
		assert_memory_equal(text, "olleh", 5);
	}
	confined_stop(&child);
}

static int fill_disk(int socket)
{
	int fd;
	size_t nfds = 1;
	char c;

	confined_receive(socket, &c, 1, &fd, &nfds);
	signal(SIGXFSZ, SIG_IGN);
	return ftruncate(fd, (off_t)MEMORY + 1) < 0 ? errno : 0;
}

static void answers_are_limited_in_size(void **state)
{
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
	attempt_fn attempt = fill_disk;
	struct confined child;
	int result = -1;

	(void)state;
	assert_int_equal(confined_start(&usual, try_and_tell, &attempt, &child), 0);
	assert_int_equal(confined_send(child.socket, "x", 1, &out, 1), 0);
	assert_int_equal(confined_receive(child.socket, &result, sizeof(result), NULL, NULL),
			 sizeof(result));
	assert_int_equal(result, EFBIG);
	confined_stop(&child);
}

static void flood(int socket, void *context)
{
	char message[1024] = { 0 };

	(void)context;
	for (;;)
		confined_send(socket, message, sizeof(message), NULL, 0);
}

static void long_messages_and_surplus_descriptors_are_refused(void **state)
{
	struct confined child;
	char small[16];

	(void)state;
	assert_int_equal(confined_start(&usual, flood, NULL, &child), 0);
	assert_int_equal(confined_receive(child.socket, small, sizeof(small), NULL, NULL),
			 -EMSGSIZE);
	assert_int_equal(confined_send(child.socket, small, CONFINED_MESSAGE_MAX + 1, NULL, 0),
			 -EMSGSIZE);
	assert_int_equal(confined_send(child.socket, small, 1, NULL, CONFINED_FDS_MAX + 1),
			 -EMSGSIZE);
	confined_stop(&child);
}

static void leave(int socket, void *context)
{
	(void)socket;
	(void)context;
}

static void a_child_that_is_gone_is_an_error_and_no_signal(void **state)
{
	struct confined child;
	char c = 0;

	(void)state;
	assert_int_equal(confined_start(&usual, leave, NULL, &child), 0);
	assert_int_equal(confined_receive(child.socket, &c, 1, NULL, NULL), 0);
	assert_int_equal(confined_send(child.socket, &c, 1, NULL, 0), -EPIPE);
	assert_int_equal(confined_stop(&child), 0);
}

static void a_full_queue_is_an_error_and_no_wait(void **state)
{
	static char message[32768];
	struct confined child;
	int err = 0;

	(void)state;
	assert_int_equal(confined_start(&usual, spin, NULL, &child), 0);
	for (int i = 0; i < 1000 && !err; i++)
		err = confined_send(child.socket, message, sizeof(message), NULL, 0);
	assert_int_equal(err, -EAGAIN);
	confined_stop(&child);
}

static const char *folder;

static int write_into_folder(int socket)
{
	char path[64];
	int fd;

	(void)socket;
	snprintf(path, sizeof(path), "%s/file", folder);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	return fd < 0 ? errno : unlink(path) < 0 ? errno : 0;
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void network_child_reads_talks_and_writes_to_its_folder_only(void **state)
{
	char path[] = "/tmp/plimsoll-test-XXXXXX";
	struct confined_options options = { .name = "net", .memory = MEMORY };

	(void)state;
	folder = options.writable = mkdtemp(path);
	assert_non_null(folder);
	assert_int_equal(in_child_with(&options, open_file), 0);
	assert_int_equal(in_child_with(&options, make_socket), 0);
	assert_int_equal(in_child_with(&options, write_into_folder), 0);
	assert_int_not_equal(in_child_with(&options, trace_parent), 0);
	if (has_landlock())
		assert_int_equal(in_child_with(&options, create_file), EACCES);
	rmdir(path);
}

static void a_stopped_one_may_be_stopped(void **state)
{
	struct confined zero = { 0 };

	(void)state;
	assert_int_equal(confined_stop(&zero), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(confined_child_has_no_way_out),
		cmocka_unit_test(memory_is_limited),
		cmocka_unit_test(it_runs_as_nobody_without_capabilities),
		cmocka_unit_test(only_the_socket_is_inherited),
		cmocka_unit_test(memory_shared_with_the_parent_is_gone),
		cmocka_unit_test(one_that_never_answers_dies_of_its_allowance),
		cmocka_unit_test(one_that_never_answers_can_be_stopped),
		cmocka_unit_test(files_are_handed_over_and_answers_come_back),
		cmocka_unit_test(answers_are_limited_in_size),
		cmocka_unit_test(long_messages_and_surplus_descriptors_are_refused),
		cmocka_unit_test(a_child_that_is_gone_is_an_error_and_no_signal),
		cmocka_unit_test(a_full_queue_is_an_error_and_no_wait),
		cmocka_unit_test(network_child_reads_talks_and_writes_to_its_folder_only),
		cmocka_unit_test(a_stopped_one_may_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
