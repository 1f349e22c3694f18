/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Container identity, captured at the moment of the event, and the filter on it. The two maps of
 * targets belong to the watch (watch.bpf.c), which also lets children inherit; a signal's object
 * gets them by bpf_map__reuse_fd().
 */
#ifndef PLIMSOLL_BPF_IDENTITY_BPF_H
#define PLIMSOLL_BPF_IDENTITY_BPF_H

#include "identity.h"
#include "kernel.h"

const volatile __u32 v1_controller = V1_NONE;
const volatile __u32 target_mode = TARGET_ALL;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TARGETS_MAX);
	__type(key, u64); /* cgroup id, | TARGET_V1 */
	__type(value, u8);
} target_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TARGETS_MAX);
	__type(key, u32); /* tgid */
	__type(value, u8);
} target_pids SEC(".maps");

/* v1_controller is constant for the verifier, so one branch remains. */
static __always_inline int v1_subsystem(void)
{
#define SUBSYSTEM(ours, id)                                                  \
	if (v1_controller == (ours))                                         \
	return bpf_core_enum_value_exists(enum cgroup_subsys_id, id)         \
		       ? (int)bpf_core_enum_value(enum cgroup_subsys_id, id) \
		       : -1
	SUBSYSTEM(V1_MEMORY, memory_cgrp_id);
	SUBSYSTEM(V1_PIDS, pids_cgrp_id);
	SUBSYSTEM(V1_CPU, cpu_cgrp_id);
	SUBSYSTEM(V1_CPUACCT, cpuacct_cgrp_id);
	SUBSYSTEM(V1_DEVICES, devices_cgrp_id);
	SUBSYSTEM(V1_FREEZER, freezer_cgrp_id);
	SUBSYSTEM(V1_BLKIO, io_cgrp_id);
	SUBSYSTEM(V1_CPUSET, cpuset_cgrp_id);
#undef SUBSYSTEM
	return -1;
}

static __always_inline u64 v1_cgroup_id(struct task_struct *task)
{
	struct cgroup_subsys_state *css = 0;
	struct css_set *set;
	int subsystem;

	if (v1_controller == V1_NONE)
		return 0;
	subsystem = v1_subsystem();
	if (subsystem < 0)
		return 0;
	set = BPF_CORE_READ(task, cgroups);
	bpf_probe_read_kernel(&css, sizeof(css),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      (u32)subsystem * sizeof(css));
	return BPF_CORE_READ(css, cgroup, kn, id);
}

/* Of the current task, which current_task() gave; for where it is done often. The verifier takes
 * milliseconds for each member that is a pointer. */
static __always_inline void identify_current(struct task_struct *task, struct identity *who)
{
	who->cgroup_v2 = READ_TASK(task, cgroups, dfl_cgrp, kn, id);
	who->cgroup_v1 = v1_cgroup_id(task);
}

/* Of any task. */
static __always_inline void identify(struct task_struct *task, struct identity *who)
{
	who->cgroup_v2 = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	who->cgroup_v1 = v1_cgroup_id(task);
}

static __always_inline bool is_target(const struct identity *who, u32 tgid)
{
	u64 v2 = who->cgroup_v2, v1 = who->cgroup_v1 | TARGET_V1;

	if (target_mode == TARGET_ALL)
		return true;
	if (bpf_map_lookup_elem(&target_cgroups, &v2))
		return true;
	if (who->cgroup_v1 && bpf_map_lookup_elem(&target_cgroups, &v1))
		return true;
	return bpf_map_lookup_elem(&target_pids, &tgid) != 0;
}

#endif
