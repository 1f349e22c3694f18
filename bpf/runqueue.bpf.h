/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The run queue that a thread is on, and what time it is there.
 *
 * To ask for the time is the dearest thing that an event of the scheduler does: bpf_ktime_get_ns()
 * goes through indirect calls, 80 ns with retpolines, where all else that an event does takes 200.
 * But the scheduler has just looked at a clock itself, sched_clock(), and rq->clock is a load. Only
 * the distance to CLOCK_MONOTONIC, by which everything else goes, must be known: it is measured
 * again where it is older than CLOCK_TRUSTED, so a CPU that switches seldom asks each time.
 */
#ifndef PLIMSOLL_BPF_RUNQUEUE_BPF_H
#define PLIMSOLL_BPF_RUNQUEUE_BPF_H

#include "kernel.h"

#define CLOCK_TRUSTED 100000 /* ns */
/* Both clocks are kept in step with each other to within 500 ppm (ntp_adjtime(2)), 2^-11. */
#define CLOCK_DRIFT_SHIFT 10

struct clock_distance {
	u64 measured; /* when, in rq->clock; 0: not yet */
	u64 ns;	      /* CLOCK_MONOTONIC less rq->clock */
	u64 seen;     /* rq->clock in the event before */
};

/* Written under the lock of the CPU's run queue. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct clock_distance);
} clock_distances SEC(".maps");

static __always_inline u32 cpu_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->thread_info.cpu))
		return task->thread_info.cpu;
	return task->cpu;
}

/* A thread's own run queue, or with `cpu` >= 0 its cgroup's on that one. */
static __always_inline struct cfs_rq *queue_of(struct task_struct *task, s32 cpu)
{
	struct cfs_rq **queues, *queue = 0;

	if (!bpf_core_field_exists(task->se.cfs_rq))
		return 0;
	if (cpu < 0)
		return READ_AS(struct task_struct, task, se.cfs_rq);
	queues = READ_AS(struct task_struct, task, sched_task_group, cfs_rq);
	bpf_probe_read_kernel(&queue, sizeof(queue), queues + cpu);
	return queue;
}

/*
 * The scheduler does not look at its clock again when it was woken for somebody (RQCF_REQ_SKIP in
 * kernel/sched/sched.h): then rq->clock is a little old, and the distance looks too large. It
 * cannot grow faster than the clocks drift.
 */
static __always_inline void measure_distance(struct clock_distance *distance, u64 clock)
{
	u64 ns = bpf_ktime_get_ns() - clock;
	u64 most = distance->ns + ((clock - distance->measured) >> CLOCK_DRIFT_SHIFT);

	distance->ns = distance->measured && (s64)(ns - most) > 0 ? most : ns;
	distance->measured = clock;
}

/*
 * CLOCK_MONOTONIC, ns, as of the event that is told of `task`, which is on the run queue of `cpu`:
 * right to within a microsecond. It may be a little less than it was in the event before.
 * `is_switch`: the scheduler may not have looked at its clock since the event before.
 */
static __always_inline u64 clock_of(struct task_struct *task, u32 cpu, bool is_switch)
{
	struct clock_distance *distance = bpf_map_lookup_elem(&clock_distances, &cpu);
	struct cfs_rq *queue = queue_of(task, -1);
	u64 clock;

	if (!queue || !distance)
		return bpf_ktime_get_ns();
	clock = READ_AS(struct cfs_rq, queue, rq, clock);
	if (is_switch && clock == distance->seen)
		return bpf_ktime_get_ns();
	distance->seen = clock;
	if ((s64)(clock - distance->measured) > CLOCK_TRUSTED)
		measure_distance(distance, clock);
	return clock + distance->ns;
}

#endif
