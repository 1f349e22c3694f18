/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types, as far as we read them. Only the named members matter: with
 * preserve_access_index the loader finds their real offsets in the running kernel's BTF (CO-RE), so
 * nothing here depends on a kernel version.
 */
#ifndef PLIMSOLL_BPF_KERNEL_H
#define PLIMSOLL_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0

#define TASK_COMM_LEN 16	 /* include/linux/sched.h */
#define PF_KTHREAD    0x00200000 /* include/linux/sched.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	u64 id; /* since 5.5; the inode number of the cgroup's directory */
};

struct cgroup;

struct cgroup_root {
	int hierarchy_id; /* 0: v2; else the number in /proc/cgroups */
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1]; /* really CGROUP_SUBSYS_COUNT */
	struct cgroup *dfl_cgrp;
};

/* include/linux/cgroup_subsys.h; the values depend on the configuration, hence only the names. */
enum cgroup_subsys_id {
	cpuset_cgrp_id,
	cpu_cgrp_id,
	cpuacct_cgrp_id,
	io_cgrp_id,
	memory_cgrp_id,
	devices_cgrp_id,
	freezer_cgrp_id,
	pids_cgrp_id,
};

struct pid {
	unsigned int level; /* depth of its PID namespace; 0: the host's */
};

struct mm_struct {
	unsigned long start_code; /* set when exec has mapped the program */
};

struct task_struct {
	int pid;
	int tgid;
	unsigned int flags;
	u64 self_exec_id;   /* counts the program's execs; since 5.7 */
	u64 parent_exec_id; /* its parent's when it was forked */
	struct task_struct *real_parent;
	void *stack; /* the kernel's, its lower end */
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	char comm[TASK_COMM_LEN];
};

#pragma clang attribute pop

/*
 * Following pointers of the current task. Since 5.11 the verifier knows what
 * bpf_get_current_task_btf() returns, and a member is one load; before, each step is a call of
 * bpf_probe_read_kernel(). The question is answered at load time and only one branch remains.
 *
 *     struct task_struct *task = current_task();
 *     u64 id = READ_TASK(task, cgroups, dfl_cgrp, kn, id);
 */
#define KNOWS_CURRENT_TASK \
	bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

static __always_inline struct task_struct *current_task(void)
{
	if (KNOWS_CURRENT_TASK)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

#define READ_TASK_1(task, a)		       ((task)->a)
#define READ_TASK_2(task, a, b)		       ((task)->a->b)
#define READ_TASK_3(task, a, b, c)	       ((task)->a->b->c)
#define READ_TASK_4(task, a, b, c, d)	       ((task)->a->b->c->d)
#define READ_TASK_N(_1, _2, _3, _4, name, ...) name
#define READ_TASK(task, ...)                                                                  \
	(KNOWS_CURRENT_TASK ? READ_TASK_N(__VA_ARGS__, READ_TASK_4, READ_TASK_3, READ_TASK_2, \
					  READ_TASK_1)(task, __VA_ARGS__)                     \
			    : BPF_CORE_READ(task, __VA_ARGS__))

#endif
