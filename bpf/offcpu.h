/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What offcpu.bpf.c tells src/signal/offcpu.c.
 *
 *     stacks     ring of stack_record (stacks.h)        what a hash stands for
 *                        pair_record                    two of them: who waited, who ended it
 *                        sum_record                     a sum that had to make room
 *     sums       a table a CPU: hash & mask -> { hash, ns, count }
 *     threads    iterator: open_record                  intervals that have not ended
 *
 * A thread's interval begins where it leaves a CPU: there the stack is taken and told of. It ends
 * elsewhere, maybe on another CPU, and its time is added to a sum of that CPU. So a hash is always
 * told of before anything is added to it.
 *
 * The lowest bits of a hash are the state (enum ledger_state): one stack, told of once, has a sum
 * for each state.
 */
#ifndef PLIMSOLL_BPF_OFFCPU_H
#define PLIMSOLL_BPF_OFFCPU_H

#include "bpf/ledger.h"
#include "bpf/stacks.h"

#define HASH_STATE_MASK	 15ULL
#define HASH_STATE(hash) ((enum ledger_state)((hash)&HASH_STATE_MASK))
#define HASH_STACK(hash) ((hash) & ~HASH_STATE_MASK)
_Static_assert(LEDGER_STATES <= HASH_STATE_MASK + 1, "states fit");

enum offcpu_record_kind {
	RECORD_PAIR = RECORD_KINDS,
	RECORD_SUM,
};

/* An interval that somebody else ended: the sum is under a hash of its own. */
struct pair_record {
	__u64 kind;
	__u64 hash, waited, waker; /* hashes, without a state */
};
_Static_assert(sizeof(struct pair_record) == 32, "no padding");

struct sum {
	__u64 hash; /* 0: empty */
	__u64 ns, count;
};

struct sum_record {
	__u64 kind;
	struct sum sum;
};
_Static_assert(sizeof(struct sum_record) == 32, "no padding");

#define SUM_WAYS 4
struct sum_set {
	struct sum ways[SUM_WAYS];
};
/* Sets of one CPU, a power of two: 192 KiB. */
#define SUM_SETS 2048

/* Hashes that this CPU has told of: 128 KiB. What is forgotten is told of again. */
#define TOLD_HASH_WAYS 8
struct told_hashes {
	__u64 ways[TOLD_HASH_WAYS];
};
#define TOLD_HASH_SETS 2048

/* A hash of waker stacks that stands for an interrupt. */
#define WAKER_INTERRUPT (1ULL << 4)

/* What a stack is known by at which a thread waited twice, so that the third time it need not be
 * walked; see same_wait.bpf.h. Of a thread so many, and only where threads have storage. */
#define WAIT_KERNEL_SLOTS 40
#define WAIT_USER_SLOTS	  24
#define WAITS_KNOWN	  4
#define WAIT_USER_SPAN	  4096
#define WAIT_SAMPLES	  16 /* stacks that a CPU learns at the same time */
struct known_wait {
	__u64 hash;	  /* 0: none is known */
	__u64 seen;	  /* of the last one in this place that was walked */
	__u64 check;	  /* of all that it is known by */
	__u64 pc, sp;	  /* the user's registers */
	__u32 generation; /* of the address space; 0: the thread has no part in user space */
	__u16 depth;	  /* of the kernel's stack, bytes; 0: it varies */
	__u16 low_size;	  /* bytes of it that have to be read */
	__u16 user_size;  /* likewise, of the user's */
	__u8 uses_fp;
	__u8 nkernel, nuser;
	__u8 reserved[3];
	__u16 kernel[WAIT_KERNEL_SLOTS]; /* index of a word, enum slot_base */
	__u16 user[WAIT_USER_SLOTS];	 /* words from sp on */
};
_Static_assert(sizeof(struct known_wait) == 56 + 2 * (WAIT_KERNEL_SLOTS + WAIT_USER_SLOTS),
	       "no padding");

/*
 * A wait whose stack found no room in the ring counts at the hash of its thread without a stack,
 * with this bit flipped; or, if not even that was told, at that of nobody.
 */
#define HASH_LOST   (1ULL << 63)
#define HASH_NOBODY (1ULL << 5)

/* The state of a thread; without task storage (before Linux 5.11) in a table of so many. */
#define THREADS_MAX 65536
struct offcpu_thread {
	__u64 hash;	 /* of the open interval; 0: there is none */
	__u64 since;	 /* CLOCK_MONOTONIC, ns */
	__u64 throttled; /* the run queue's clock (throttle.bpf.h) when the wait for it began */
	__u64 running;	 /* hash of the thread without a stack, for its time on a CPU */
	__u64 waker;	 /* hash of the stack that is about to wake it */
	__u64 process;	 /* number of the process that `running` belongs to */
	__u64 started;	 /* start_time of the task; where threads are found by number */
};

/* The value of task storage. */
struct stored_thread {
	struct offcpu_thread thread;
	struct known_wait known[WAITS_KNOWN];
};

/* A record of the iterator's output. */
struct open_record {
	__u64 hash, ns;
	/* What its next waits may have, without being told of again. */
	__u64 running;
	__u64 known[WAITS_KNOWN];
};

/* Counters of one CPU. */
struct offcpu_counts {
	__u64 skipped, skipped_ns; /* intervals below the threshold */
	__u64 unknown;		   /* threads that could not be remembered */
};

#endif
