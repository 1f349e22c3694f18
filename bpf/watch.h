/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What watch.bpf.c tells src/container/watch.c: containers that come and go.
 */
#ifndef PLIMSOLL_BPF_WATCH_H
#define PLIMSOLL_BPF_WATCH_H

#include <linux/types.h>

#include "identity.h"

enum watch_kind {
	WATCH_MKDIR, /* a cgroup was made: hierarchy, who (one half), path */
	WATCH_RMDIR, /* a cgroup was removed: hierarchy, who (one half) */
	WATCH_TASK,  /* a process entered a cgroup, or executed a program in it: who, pid, flags */
};

#define WATCH_OWN_PID_NAMESPACE 1 /* flags: not in the PID namespace of the profiler */

/* Longer paths are cut; user space then looks at the file system. */
#define WATCH_PATH_MAX 1024

struct watch_record {
	struct identity who;
	__u32 kind;
	__s32 hierarchy; /* 0: v2 */
	__u32 pid;
	__u32 flags;
	char path[WATCH_PATH_MAX]; /* MKDIR only, sent cut to size, NUL-terminated */
};
_Static_assert(sizeof(struct watch_record) == 32 + WATCH_PATH_MAX, "no padding");

/* So many times is the same cgroup's life told: enough to outlast a runtime that writes its state
 * after it made the cgroup, few enough for a build that executes thousands of programs. */
#define WATCH_TASKS_PER_CGROUP 8
#define WATCH_CGROUPS_MAX      16384

#endif
