/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ledger.bpf.c tells src/signal/ledger.c: where the time of threads went.
 *
 *     ledger_slots    cgroups --> slot        a small number for each pair of cgroups
 *     ledger_sums     (row, slot) --> ns a state, counts, the histogram of waits for a CPU
 *     ledger_blocks   slot --> histograms of how long threads were blocked, by state
 *     ledger_blame    (victim, culprit, CPU) --> ns
 *     collect         iterator over all threads: adds what is still open
 *
 * A thread has one open interval. It is closed, and its time added to the sums, when the scheduler
 * takes the thread to another state. To read, user space makes a cut: a moment, a little ahead.
 *
 *     time    ----------- cut 1 ----------------- cut 2 -------------->
 *     phase        0        |          1            |         0
 *     thread   [  running   |    ][ disk  ][  idle  |                     still open
 *
 * Sums are kept twice, and time goes to those of its phase, so that what is before the cut stands
 * still after it. The interval that is open at the cut is nobody's but the iterator's: it adds the
 * part before the cut, whether the thread has gone on to another state meanwhile (`crossed`) or
 * not. So every nanosecond of a thread is in the sums once, and a reading is of one moment.
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

/* Threads lived, but nobody knows how: their account was missing, or events did not fit. Behind the
 * states in ledger_sums. */
#define LEDGER_UNACCOUNTED LEDGER_STATES
#define LEDGER_SUMS	   (LEDGER_STATES + 1)

/* When time is read: CLOCK_MONOTONIC in ns, even; in the lowest bit the phase that begins. */
#define LEDGER_CUT(time, phase) (((__u64)(time) & ~1ULL) | (phase))
#define LEDGER_CUT_TIME(cut)	((cut) & ~1ULL)
#define LEDGER_CUT_PHASE(cut)	((cut)&1)

/* One a row and slot. Rows are CPUs, of which only that CPU adds to it, and the last is the
 * iterator's. Whole cache lines. */
struct ledger_sums {
	__u64 ns[2][LEDGER_SUMS];	/* by phase */
	__u64 user_ns[2], kernel_ns[2]; /* how running was spent, by the kernel's own account */
	__u64 voluntary, involuntary;	/* context switches */
	__u64 migrations;
	__u64 wakeups;
	__u64 began, ended; /* threads */
	__u64 astray;	    /* events that do not follow from the state the thread was in */
	__u32 waits[LEDGER_BUCKETS]; /* for a CPU, from runnable to running */
	__u64 reserved;
};
_Static_assert(sizeof(struct ledger_sums) == 448, "whole cache lines");

struct ledger_blocks {
	__u32 count[LEDGER_BLOCKED][LEDGER_BUCKETS];
};

/* A thread's account. The scheduler's events write it, which exclude each other for a thread; the
 * iterator writes what is marked so. */
struct ledger_thread {
	__u64 interval;	    /* LEDGER_INTERVAL, the open one; 0: not born yet, or dead */
	__u64 crossed;	    /* the one that was open at the cut and is over; 0: none */
	__u64 crossed_cut;  /* at which cut */
	__u64 counted;	    /* by the iterator: all before is in the sums */
	__u64 cgroups;	    /* the task's css_set; the slot is that of these */
	__u64 started;	    /* start_time of the task; for threads found by number */
	__u64 throttled;    /* the run queue's throttled clock when the interval began */
	__u64 waited;	    /* ns of this wait for a CPU that are over, on other CPUs */
	__u64 ran;	    /* ns on a CPU by the kernel's own count, when it left one last */
	__u64 utime, stime; /* when it left a CPU last */
	__u64 counted_utime, counted_stime; /* by the iterator */
	__u32 slot;
	__u32 crossed_slot;
	__u32 cpu; /* where it runs or waits */
	__u32 reserved;
	__u64 ns[LEDGER_STATES]; /* its own sums of what is over; only with keep_threads */
};

#define LEDGER_INTERVAL(state, since) ((__u64)(since) << 4 | (state))
#define LEDGER_STATE(interval)	      ((enum ledger_state)((interval)&15))
#define LEDGER_SINCE(interval)	      ((interval) >> 4)

/* What the iterator writes: of threads that wait for a CPU; with keep_threads, of all. */
struct ledger_dump {
	__u64 now; /* CLOCK_MONOTONIC, ns: when this thread was looked at */
	__u32 pid, tid;
	char thread[16], comm[16];
	__u64 utime, stime;	      /* of its whole life, by the kernel's own account */
	struct ledger_thread account; /* `throttled`: ns of the open interval so far */
};

struct ledger_blame_key {
	__u32 victim, culprit; /* slots */
	__u32 cpu;
	__u32 reserved;
};
#define LEDGER_BLAME_MAX 65536

#endif
