/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libiberty reads the names (its demanglers may be linked with anything: the exception at the top
 * of cp-demangle.c and rust-demangle.c). It was not made for hostile ones: 300 bytes of C++ can
 * describe a pack in which it searches for hours, 20 bytes of Rust a binder of 10^17 lifetimes, and
 * nothing in its interface can stop it. So it works in a child process, which
 *
 *     - has an allowance of CPU time, and dies of a signal when that is spent;
 *     - may make no system call (seccomp's strict mode), whatever a name talks the library into;
 *     - writes only into memory that it shares with us:
 *
 *         | position | used | ends[n] | text ...           |
 *           the name   bytes  of each   one behind the other
 *           in work    of text
 *
 * If it dies, the name it died of stays as it is, and another child goes on behind it.
 */
#include "symbol/demangle.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* libiberty keeps 2 components a byte and refuses more than 2,048: a longer one never succeeds. */
#define MANGLED_MAX  1024
#define READABLE_MAX 4096
/* Text of all names together; pages that are not written take no memory. */
#define TEXT_MAX (16UL << 20)
/* A name takes 2 us on average. */
#define ALLOWANCE_US	  100000
#define ALLOWANCE_NAME_US 20
/* So many names may take forever; then we leave it. */
#define CHILDREN_MAX 5

struct shared {
	volatile uint32_t position, used;
	uint32_t ends[]; /* end of the readable form in the text; 0: there is none */
};

struct piece {
	char *at, *end;
	jmp_buf enough;
};

bool is_mangled(const char *name)
{
	return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

/* Called with the result piece by piece. It cannot say "enough", so it jumps out. */
static void append(const char *text, size_t size, void *context)
{
	struct piece *piece = context;

	if (size > (size_t)(piece->end - piece->at))
		longjmp(piece->enough, 1);
	if (size) /* an empty Rust identifier is NULL */
		memcpy(piece->at, text, size);
	piece->at += size;
}

/* Into out[0..room); the number of bytes, 0 if it is not to be read. */
static size_t demangle(const char *mangled, char *out, size_t room)
{
	struct piece piece = { .at = out, .end = out + room };

	if (strnlen(mangled, MANGLED_MAX + 1) > MANGLED_MAX || setjmp(piece.enough))
		return 0;
	/* Rust first: its legacy names are valid C++ ones, with a hash at the end. */
	if (rust_demangle_callback(mangled, DMGL_NO_OPTS, append, &piece))
		return (size_t)(piece.at - out);
	piece.at = out;
	if (cplus_demangle_v3_callback(mangled, DMGL_NO_OPTS, append, &piece))
		return (size_t)(piece.at - out);
	return 0;
}

static void demangle_from(struct shared *shared, char *text, const char **names, size_t n)
{
	for (uint32_t i = shared->position; i < n; i++) {
		size_t room = TEXT_MAX - shared->used, size;

		shared->position = i;
		size = demangle(names[i], text + shared->used,
				room < READABLE_MAX ? room : READABLE_MAX);
		if (!size)
			continue;
		shared->used += (uint32_t)size;
		shared->ends[i] = shared->used;
	}
	shared->position = (uint32_t)n;
}

static void confine(size_t n)
{
	uint64_t us = ALLOWANCE_US + (uint64_t)n * ALLOWANCE_NAME_US;
	const struct itimerval allowance = {
		.it_value = { .tv_sec = (time_t)(us / 1000000),
			      .tv_usec = (suseconds_t)(us % 1000000) },
	};
	const struct rlimit no_core = { 0 };
	sigset_t none;

	sigemptyset(&none);
	signal(SIGVTALRM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	setitimer(ITIMER_VIRTUAL, &allowance, NULL);
	/* AddressSanitizer asks the kernel about the stack at every longjmp. A kernel without
	 * seccomp is no reason to go without names: the rest of the confinement stands. */
#ifndef __SANITIZE_ADDRESS__
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
#endif
}

/* True when all names have been looked at. */
static bool run_child(struct shared *shared, char *text, const char **names, size_t n)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		confine(n - shared->position);
		demangle_from(shared, text, names, n);
		/* exit_group(), which _exit() calls, is not among the four that strict mode allows.
		 */
		syscall(SYS_exit, 0);
	}
	if (child < 0) {
		log_debug("names stay mangled: cannot fork: %s", strerror(errno));
		return true;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (shared->position >= n)
		return true;
	log_debug("a name stays mangled, it takes too long or is broken: %s",
		  names[shared->position]);
	shared->position++;
	return false;
}

void demangle_all(const char **names, size_t n, struct arena *arena)
{
	size_t head = sizeof(struct shared) + n * sizeof(uint32_t), size = head + TEXT_MAX;
	struct shared *shared;
	uint32_t start = 0;
	char *text;

	if (!n)
		return;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED)
		return; /* readable names are a convenience */
	text = (char *)shared + head;
	for (int children = 0; children < CHILDREN_MAX; children++)
		if (run_child(shared, text, names, n))
			break;
	for (size_t i = 0; i < n; i++) {
		uint32_t end = shared->ends[i];

		if (end <= start || end > TEXT_MAX)
			continue;
		names[i] = arena_strndup(arena, text + start, end - start);
		start = end;
	}
	munmap(shared, size);
}
