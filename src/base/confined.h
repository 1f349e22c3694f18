/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child process that parses what containers control. It has given up everything but its memory,
 * its CPU allowance and the files that it is handed through a socket: whatever a hostile file makes
 * it do, the worst outcome is a wrong or missing answer.
 *
 *     us                         child
 *     confined_start() --fork--> no capabilities, nobody's UID, no new privileges, seccomp
 *         request, fds ------->  (allow-list), landlock where there is one, limits of memory and
 *         <------- answer, fds   CPU time; then run() until the socket ends
 *
 * Messages are packets (SOCK_SEQPACKET) with up to CONFINED_FDS_MAX descriptors. Large answers are
 * written to a file that the requester sent along (a memfd), and are as little trusted as the
 * input.
 */
#ifndef PLIMSOLL_BASE_CONFINED_H
#define PLIMSOLL_BASE_CONFINED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFINED_FDS_MAX 8
/* Longest message in bytes. */
#define CONFINED_MESSAGE_MAX 65536

struct confined_options {
	const char *name; /* shown by ps as the process's name, at most 15 bytes */
	uint64_t memory;  /* bytes that it may allocate, and the longest file that it may write */
	uint64_t mapped;  /* bytes of the files that it was handed which it may map besides */
	unsigned cpu_seconds; /* 0: no limit */
	/*
	 * NULL, the rule: as above. A folder: a child that talks to the network instead. It keeps
	 * its user and the system calls of an ordinary program, but no capability, and it writes to
	 * this folder only (where there is landlock); Ctrl-C ends it, as it would any other
	 * program.
	 */
	const char *writable;
};

struct confined {
	pid_t pid;  /* 0: not running */
	int socket; /* ours; epoll-able, -1: not running */
};

/* What runs in the child; it exits when this returns. `socket` ends (0 bytes) with its parent. */
typedef void (*confined_fn)(int socket, void *context);

/*
 * 0 or negative errno. All descriptors but the socket are closed in the child, standard ones lead
 * to /dev/null, and memory that is shared with others is unmapped. A child that cannot be confined
 * does not run: its socket ends.
 */
int confined_start(const struct confined_options *options, confined_fn run, void *context,
		   struct confined *out);
/*
 * Kills and reaps the child; a zeroed or stopped one is fine. What it died of, if it was dead
 * already: 0 or negative errno, -ETIME for CPU time spent, -EFAULT for a crash.
 */
int confined_stop(struct confined *c);

/* 0 or negative errno; -EPIPE, -ECONNRESET when the other side is gone, -EAGAIN when its queue is
 * full. Never raises SIGPIPE. */
int confined_send(int socket, const void *message, size_t size, const int *fds, size_t nfds);
/*
 * Waits for a message and returns its size (0: the other side is gone), or negative errno. *nfds is
 * how many descriptors there is room for, then how many came; the caller closes them.
 */
ssize_t confined_receive(int socket, void *message, size_t size, int *fds, size_t *nfds);

#endif
