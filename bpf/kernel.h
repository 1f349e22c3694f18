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

struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct;

struct rq {
	struct task_struct *curr;
	u64 clock;	/* ns; as of the last event on this CPU */
	u64 clock_task; /* less interrupts and what a hypervisor took */
	u64 clock_pelt; /* scaled by the CPU's speed */
	unsigned long lost_idle_time;
};

/* The run queue of a cgroup on a CPU. All but `rq` with CONFIG_CFS_BANDWIDTH. */
struct cfs_rq {
	struct rq *rq;
	int throttle_count;	       /* of it and the cgroups above */
	u64 throttled_clock_self;      /* when that began, in rq->clock; 0: not; since 6.6 */
	u64 throttled_clock_self_time; /* how much of that there was before */
	u64 throttled_clock_pelt;      /* the same in rq->clock_pelt, not cleared; since 5.19 */
	u64 throttled_clock_pelt_time;
	u64 throttled_clock_task; /* the same in rq->clock_task; before */
	u64 throttled_clock_task_time;
};

struct sched_entity {
	u64 sum_exec_runtime;  /* ns on a CPU, as of the last switch or tick */
	struct cfs_rq *cfs_rq; /* with CONFIG_FAIR_GROUP_SCHED */
};

struct task_group {
	struct cfs_rq **cfs_rq; /* by CPU; with CONFIG_FAIR_GROUP_SCHED */
};

struct thread_info {
	unsigned int cpu; /* since 5.16 */
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int cpu;     /* until 5.15 */
	unsigned int __state; /* TASK_*; since 5.14 */
	int on_cpu;
	int prio;
	int exit_state;
	bool throttled; /* since 6.18 */
	struct sched_entity se;
	struct task_group *sched_task_group;
	u64 utime, stime;
	u64 start_time; /* CLOCK_MONOTONIC, ns */
	unsigned int in_iowait : 1;
	unsigned int in_memstall : 1; /* with CONFIG_PSI */
	struct files_struct *files;
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

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task; /* 0: that was all */
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

/*
 * The same for any pointer. Since 6.2 the verifier can be told what it points to, and sees to it
 * that it is only read; bpf_rdonly_cast() is of the release that brought the last helper. For a
 * pointer that the verifier does know, this spares it the search of docs/kernels.md.
 *
 *     READ_AS(struct file, file, f_inode, i_mode)
 */
enum bpf_func_id___casts { BPF_FUNC_cgrp_storage_get___casts = 1 };
#define KNOWS_CASTS \
	bpf_core_enum_value_exists(enum bpf_func_id___casts, BPF_FUNC_cgrp_storage_get___casts)

extern void *bpf_rdonly_cast(const void *pointer, u32 type) __ksym __weak;

#define READ_AS(type, pointer, ...)                                                               \
	(KNOWS_CASTS                                                                              \
		 ? READ_TASK_N(__VA_ARGS__, READ_TASK_4, READ_TASK_3, READ_TASK_2, READ_TASK_1)(  \
			   (const type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(type)), \
			   __VA_ARGS__)                                                           \
		 : BPF_CORE_READ((const type *)(pointer), __VA_ARGS__))

#endif
