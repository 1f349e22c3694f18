/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who a task is, as kernel and user space agree on it: shared by all record layouts.
 */
#ifndef PLIMSOLL_BPF_IDENTITY_H
#define PLIMSOLL_BPF_IDENTITY_H

#include <linux/types.h>

/*
 * The cgroups of a task. One number is not enough on a hybrid host: there the v2 cgroup may be the
 * root, or the container daemon's service, while the v1 controllers know the container. User space
 * decides which half tells more.
 */
struct identity {
	__u64 cgroup_v2; /* id in the unified hierarchy; 0 where there is none */
	__u64 cgroup_v1; /* id in the chosen v1 controller's hierarchy; 0 where v1 is not mounted */
};
_Static_assert(sizeof(struct identity) == 16, "shared with user space");

/* The v1 controller read for cgroup_v1. Rows of v1_controllers[] in src/container/watch.c. */
enum v1_controller {
	V1_NONE,
	V1_MEMORY,
	V1_PIDS,
	V1_CPU,
	V1_CPUACCT,
	V1_DEVICES,
	V1_FREEZER,
	V1_BLKIO,
	V1_CPUSET,
};

/* Ids of two hierarchies in one map of targets: cgroup ids stay far below 2^63. */
#define TARGET_V1 (1ULL << 63)

/* Which tasks are wanted; set before load. */
enum target_mode {
	TARGET_ALL,
	TARGET_CHOSEN, /* cgroup in target_cgroups or process in target_pids */
};

#define TARGETS_MAX 16384

#endif
