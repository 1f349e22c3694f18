/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much of a wait for a CPU is due to the cgroup's quota. Each run queue of a cgroup has a clock
 * that runs while it is throttled; what it has gained when the wait is over was no waiting for a
 * CPU. The clock has had three names (kernel.h). Since 6.18 a thread is throttled on its own, when
 * it is about to return to user space, and says so.
 */
#ifndef PLIMSOLL_BPF_THROTTLE_BPF_H
#define PLIMSOLL_BPF_THROTTLE_BPF_H

#include "kernel.h"
#include "runqueue.bpf.h"

#define MAX_RT_PRIO 100 /* include/linux/sched/prio.h; the quota is not for those below */

struct throttle {
	u64 clock;  /* ns, counts on and on */
	bool is_on; /* the clock runs */
};

static __always_inline void add_running(struct throttle *throttle, u64 now, u64 since)
{
	if (now > since)
		throttle->clock += now - since;
}

/* tg_throttle_down() and tg_unthrottle_up() in kernel/sched/fair.c keep the clocks. */
static __always_inline struct throttle read_throttle(struct cfs_rq *queue)
{
	struct throttle throttle = { 0 };
	u64 since;

	if (!queue || !bpf_core_field_exists(queue->throttle_count))
		return throttle;
	if (bpf_core_field_exists(queue->throttled_clock_self_time)) {
		since = READ_AS(struct cfs_rq, queue, throttled_clock_self);
		throttle.clock = READ_AS(struct cfs_rq, queue, throttled_clock_self_time);
		throttle.is_on = since;
		if (since)
			add_running(&throttle, READ_AS(struct cfs_rq, queue, rq, clock), since);
		return throttle;
	}
	throttle.is_on = READ_AS(struct cfs_rq, queue, throttle_count) > 0;
	if (bpf_core_field_exists(queue->throttled_clock_pelt_time)) {
		throttle.clock = READ_AS(struct cfs_rq, queue, throttled_clock_pelt_time);
		if (throttle.is_on)
			add_running(&throttle,
				    READ_AS(struct cfs_rq, queue, rq, clock_pelt) -
					    READ_AS(struct cfs_rq, queue, rq, lost_idle_time),
				    READ_AS(struct cfs_rq, queue, throttled_clock_pelt));
	} else if (bpf_core_field_exists(queue->throttled_clock_task_time)) {
		throttle.clock = READ_AS(struct cfs_rq, queue, throttled_clock_task_time);
		if (throttle.is_on)
			add_running(&throttle, READ_AS(struct cfs_rq, queue, rq, clock_task),
				    READ_AS(struct cfs_rq, queue, throttled_clock_task));
	}
	return throttle;
}

/* May a wait that begins as `runnable` turn out to have been throttled in between? */
static __always_inline bool throttles_by_thread(struct task_struct *task)
{
	return bpf_core_field_exists(task->throttled);
}

/* Is this thread, which could run, held back? */
static __always_inline bool is_throttled(struct task_struct *task, const struct throttle *throttle)
{
	if (throttles_by_thread(task))
		return task->throttled;
	return throttle->is_on && task->prio >= MAX_RT_PRIO;
}

#endif
