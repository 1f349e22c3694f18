/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libiberty reads the names (its demanglers may be linked with anything: the exception at the top
 * of cp-demangle.c and rust-demangle.c). It was not made for hostile ones: 300 bytes of C++ can
 * describe a pack in which it searches for hours, 20 bytes of Rust a binder of 10^17 lifetimes, and
 * nothing in its interface can stop it. So a timer ticks while names are read, and the second tick
 * in one name jumps out of it. That leaves nothing behind: what the callback interface needs of
 * memory it takes from the stack.
 */
#include "symbol/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

/* libiberty keeps 2 components a byte and refuses more than 2,048: a longer one never succeeds. */
#define MANGLED_MAX 1024
/* What is longer stays mangled. */
#define READABLE_MAX 4096
/* A name takes 2 us on average. */
#define TICK_US 10000
/* So many names may take forever; then we leave it. */
#define SLOW_MAX 20

/* What the signal's handler works on: it can be given nothing. */
static struct {
	sigjmp_buf enough;
	volatile sig_atomic_t is_on, ticks;
} reading;

enum { NEW_NAME, TOO_LONG, TOO_SLOW };

static void on_tick(int number)
{
	(void)number;
	if (reading.is_on && ++reading.ticks == 2)
		siglongjmp(reading.enough, TOO_SLOW);
}

struct piece {
	char *at, *end;
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
		siglongjmp(reading.enough, TOO_LONG);
	if (size) /* an empty Rust identifier is NULL */
		memcpy(piece->at, text, size);
	piece->at += size;
}

/* Rust first: its legacy names are valid C++ ones, with a hash at the end. */
static size_t read_name(const char *mangled, char out[READABLE_MAX])
{
	struct piece piece = { .at = out, .end = out + READABLE_MAX };

	if (rust_demangle_callback(mangled, DMGL_NO_OPTS, append, &piece))
		return (size_t)(piece.at - out);
	piece.at = out;
	if (cplus_demangle_v3_callback(mangled, DMGL_NO_OPTS, append, &piece))
		return (size_t)(piece.at - out);
	return 0;
}

/* Bytes of the readable form, 0 if there is none. */
static size_t demangle(const char *mangled, char out[READABLE_MAX], int *slow)
{
	size_t size;

	if (strnlen(mangled, MANGLED_MAX + 1) > MANGLED_MAX)
		return 0;
	switch (sigsetjmp(reading.enough, 0)) {
	case NEW_NAME:
		reading.ticks = 0;
		reading.is_on = 1;
		size = read_name(mangled, out);
		break;
	case TOO_SLOW:
		++*slow;
		size = 0;
		break;
	default:
		size = 0;
	}
	reading.is_on = 0;
	return size;
}

void demangle_all(const char **names, size_t n, struct arena *arena)
{
	/* Not deferred, since the handler does not return: the next tick must come through. */
	const struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_NODEFER };
	const struct timeval tick = { .tv_usec = TICK_US };
	const struct itimerval timer = { .it_value = tick, .it_interval = tick }, off = { 0 };
	struct sigaction before;
	char text[READABLE_MAX];
	int slow = 0;

	sigaction(SIGVTALRM, &action, &before);
	setitimer(ITIMER_VIRTUAL, &timer, NULL);
	for (size_t i = 0; i < n && slow < SLOW_MAX; i++) {
		size_t size = is_mangled(names[i]) ? demangle(names[i], text, &slow) : 0;

		if (size)
			names[i] = arena_strndup(arena, text, size);
	}
	setitimer(ITIMER_VIRTUAL, &off, NULL);
	sigaction(SIGVTALRM, &before, NULL);
}
