/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ledger.bpf.c tells src/signal/ledger.c: where the time of threads went.
 *
 *     ledger_slots    cgroups --> slot        a small number for each pair of cgroups
 *     ledger_sums     (CPU, slot) --> ns a state, counts, the histogram of waits for a CPU
 *     ledger_blocks   slot --> histograms of how long threads were blocked, by state
 *     ledger_blame    (victim, culprit, CPU) --> ns
 *     thread dump     iterator: every thread with its open interval
 *
 * A thread has one open interval. It is closed, and its time added to the sums, when the scheduler
 * takes the thread to another state. Whoever reads adds what is open at that moment: the sums of
 * all states grow by one nanosecond per thread and nanosecond.
 */
#ifndef PLIMSOLL_BPF_LEDGER_H
#define PLIMSOLL_BPF_LEDGER_H

#include <linux/types.h>

#include "bpf/identity.h"

/* The rules by which a state is told from another stand in docs/ledger.md. */
enum ledger_state {
	LEDGER_RUNNING,	  /* on a CPU; user space tells user from kernel by utime and stime */
	LEDGER_RUNNABLE,  /* waits for a CPU */
	LEDGER_THROTTLED, /* could run, but its cgroup has used up its quota */
	/* Blocked: */
	LEDGER_DISK,
	LEDGER_NETWORK,
	LEDGER_LOCK,
	LEDGER_PIPE,
	LEDGER_MEMORY, /* reclaim, swap */
	LEDGER_CHILD,  /* for another process to end */
	LEDGER_OTHER,
	LEDGER_IDLE, /* chose to sleep, or waits for new work */
	LEDGER_STATES,
};
#define LEDGER_BLOCKED_FIRST LEDGER_DISK
#define LEDGER_BLOCKED	     (LEDGER_STATES - LEDGER_BLOCKED_FIRST)

/* Bucket i counts what took less than 2^i ns and at least 2^(i-1); the last takes all the rest. */
#define LEDGER_BUCKETS 40

/* Slots that are no cgroup's. */
#define LEDGER_SLOT_NONE   0 /* there was no slot left: all that find none share this one */
#define LEDGER_SLOT_IDLE   1 /* the CPU had nothing to run: a culprit only */
#define LEDGER_SLOT_KERNEL 2 /* kernel threads, as victims and as culprits */
#define LEDGER_SLOT_FIRST  3
/* At most; a power of two. Fewer are given out on hosts with few cgroups. */
#define LEDGER_SLOTS_MAX 8192

/* One a CPU and slot. Only that CPU adds to it. Whole cache lines. */
struct ledger_sums {
	__u64 ns[LEDGER_STATES];
	__u64 user_ns, kernel_ns;     /* how running was spent, by the kernel's own account */
	__u64 voluntary, involuntary; /* context switches */
	__u64 migrations;
	__u64 wakeups;
	__u64 began, ended; /* threads */
	__u64 astray;	    /* events that do not follow from the state the thread was in */
	__u32 waits[LEDGER_BUCKETS]; /* for a CPU, from runnable to running */
	__u64 reserved[4];
};
_Static_assert(sizeof(struct ledger_sums) == 384, "whole cache lines");

struct ledger_blocks {
	__u32 count[LEDGER_BLOCKED][LEDGER_BUCKETS];
};

/* A thread's account. Only the CPU writes it on which the scheduler handles the thread. */
struct ledger_thread {
	__u64 interval;	 /* LEDGER_INTERVAL: state and beginning, in one word so that they are read
			  * together */
	__u64 cgroups;	 /* the task's css_set; the slot is that of these */
	__u64 started;	 /* start_time of the task; for threads found by number */
	__u64 throttled; /* the run queue's throttled clock when the wait began */
	__u64 utime, stime; /* when it was put on the CPU */
	__u32 slot;
	__u32 cpu;		 /* where it runs or waits */
	__u64 ns[LEDGER_STATES]; /* its own sums, closed intervals only */
};

#define LEDGER_INTERVAL(state, since) ((__u64)(since) << 4 | (state))
#define LEDGER_STATE(interval)	      ((enum ledger_state)((interval)&15))
#define LEDGER_SINCE(interval)	      ((interval) >> 4)

/* A record of the iterator's output. */
struct ledger_dump {
	__u64 now; /* CLOCK_MONOTONIC, ns: when this thread was looked at */
	__u32 pid, tid;
	char thread[16], comm[16];
	struct identity who;
	struct ledger_thread account;
};

struct ledger_blame_key {
	__u32 victim, culprit; /* slots */
	__u32 cpu;
	__u32 reserved;
};
#define LEDGER_BLAME_MAX 65536

#endif
