/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The anonymous code of one process, and the perf map that names it. The map is opened while the
 * process lives, at the path and under the PID that it has in its own container, and read at the
 * end, when the compiler has written all of it.
 *
 * A Java virtual machine writes a map when it is asked (jvm.h): once when it is first seen and once
 * at the end. What was compiled at the one time may be gone at the other, so both are kept.
 */
#ifndef PLIMSOLL_SYMBOL_JIT_H
#define PLIMSOLL_SYMBOL_JIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct jit {
	pid_t pid;
	uint32_t number;  /* tells processes with one PID apart */
	int fd;		  /* of the perf map, or -1 */
	int older_fd;	  /* of an earlier one, for what `fd` does not name; or -1 */
	char file[40];	  /* "/tmp/perf-7.map" as in the container, or "[anon]" */
	int64_t next_try; /* ms */
	uint32_t epoch;	  /* of the profile that `mapping` is a number of */
	uint32_t mapping;
	bool marked;	      /* during jits_sweep(): is in use */
	bool is_jvm, refused; /* a JVM that is to be asked; one that need not be asked again */
	int64_t next_ask, ask_interval; /* ms */
};

struct jits {
	struct jit **all;
	size_t n, capacity;
	uint32_t next_number;
	unsigned fds, fds_max;
};

/* NULL when there are too many. */
struct jit *jits_new(struct jits *jits, pid_t pid);
/* Looks for the perf map unless it is open, or was looked for just now. */
void jit_try_open(struct jits *jits, struct jit *jit, const char *proc, int64_t now);
/* It will have a map under this PID of its own; locations made until then shall say so. */
void jit_expect(struct jit *jit, pid_t own_pid);
/* A newer map, which it takes over. */
void jit_take_map(struct jits *jits, struct jit *jit, int fd);
bool jits_full(const struct jits *jits);
/* Forgets those that are not `marked`, and takes the marks away. */
void jits_sweep(struct jits *jits);
void jits_free(struct jits *jits);

#endif
