/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: what is executable in a process, and where it comes from.
 *
 *     pid --> process --> space --> maps, sorted: [start, end) -> object + offset
 *                           ^
 *     child of a fork ------+       shared until one of them changes it
 *
 * A fork therefore costs a reference, and a host that starts a thousand processes a second is
 * followed without copying. Only what is executable is kept.
 */
#ifndef PLIMSOLL_SYMBOL_SPACE_H
#define PLIMSOLL_SYMBOL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/index.h"
#include "bpf/interpreter.h"

struct object;
struct jit;

/* What kind of memory it is, told by the path that the kernel gives it. */
enum map_kind {
	MAP_FILE_BACKED,
	MAP_ANONYMOUS, /* a JIT compiler's, as a rule */
	MAP_VDSO,
	MAP_VSYSCALL,
	MAP_UPROBES,
};
enum map_kind map_kind_of_path(const char *path);

struct map {
	uint64_t start, end, offset;
	struct object *object; /* MAP_FILE_BACKED only */
	enum map_kind kind;
	bool tried; /* to open the object by this mapping */
};

struct space {
	unsigned references;
	struct map *maps; /* sorted, disjoint */
	size_t n, capacity;
	/* Notes of who told the kernel of it (signal/unwind_spaces.h). Where it stands there, 0:
	 * nowhere, or changed since; and whether files were missing that may have been opened
	 * since.
	 */
	uint32_t range;
	bool incomplete;
};

/* All take the one reference that *space is; a shared space is copied before it changes. */
struct space *space_new(void);
struct space *space_share(struct space *space);
void space_drop(struct space *space);
/* A new mapping replaces what was at its addresses: munmap() is not announced. */
void space_add(struct space **space, const struct map *map);
struct map *space_find(struct space *space, uint64_t address);
/* The interpreter that it runs, placed in it; its language is LANGUAGE_NONE if there is none. */
void space_interpreter(const struct space *space, struct interpreter *out);
/* The same memory of the same files? */
bool space_equal(const struct space *a, const struct space *b);

struct process {
	pid_t pid;
	bool sampled; /* files that it maps from now on are opened at once */
	bool learned; /* its mappings were read from /proc since it started, or last called exec */
	bool dead;
	bool leaderless;  /* its first thread has exited, others may still run */
	bool changed;	  /* stands in the list of those (state.h) */
	bool knows_execs; /* `execs` is known */
	uint32_t execs;	  /* how often it, or who forked it, called exec: self_exec_id */
	uint32_t died;	  /* in which epoch (state.h) */
	struct space *space;
	struct space *former;  /* before its last exec; NULL: unknown */
	struct jit *jit;       /* NULL until it runs anonymous memory */
	uint64_t used;	       /* a count that grows with use, to find the oldest */
	int64_t next_read;     /* ms: /proc is not read again before */
	int64_t read_interval; /* ms: doubles while reading again does not help */
};

struct processes {
	struct process *all;
	size_t n, capacity;
	struct index by_pid;
	uint64_t clock;
};

/* Pointers are valid until the next processes_get(). */
struct process *processes_find(struct processes *processes, pid_t pid);
struct process *processes_get(struct processes *processes, pid_t pid);
/* As if it had just started: nothing mapped, nothing known. */
void process_reset(struct process *process);
/* As if it had just started another program. */
void process_exec(struct process *process);
/* Drops those that died before `epoch`. */
void processes_forget_dead(struct processes *processes, uint32_t epoch);
/* Drops what processes had mapped before they called exec. */
void processes_forget_former(struct processes *processes);
void processes_free(struct processes *processes);

#endif
