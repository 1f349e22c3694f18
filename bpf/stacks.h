/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the kernel half of a signal tells of stacks: once, by a hash. From then on it speaks of the
 * hash alone.
 *
 *     stacks    ring of stack_record        what a hash stands for
 *                       deferred_record     a stack that user space has to walk
 *                       and records of the signal's own, which begin with their kind
 *
 * The kernel half is stacks.bpf.h, the user half src/signal/stacks.c.
 */
#ifndef PLIMSOLL_BPF_STACKS_H
#define PLIMSOLL_BPF_STACKS_H

#include <linux/types.h>

#include "bpf/identity.h"
#include "bpf/stack.h"
#include "bpf/unwind.h"

/* Where a signal counts what has a hash; see cpu.h. */
struct slot {
	__u64 hash; /* of stack, thread, its name, address space and cgroups; 0: empty */
	__u64 count;
};
_Static_assert(sizeof(struct slot) == 16, "shared with user space");

enum record_kind {
	RECORD_STACK,	 /* struct stack_record */
	RECORD_DEFERRED, /* struct deferred_record */
	RECORD_KINDS,	 /* from here on the signal's own */
};

struct record_head {
	__u8 kind;     /* enum record_kind */
	__u8 walk_end; /* enum walk_end: how the walk of the user stack ended */
	__u16 kernel_frames;
	__u16 user_words;
	__u16 flags;
	struct slot evicted; /* what had to make room, count 0: nothing */
	__u64 hash;	     /* of this one. Deferred ones that are single samples have none: 0 */
	__u64 process;	     /* its address space and cgroups, as one number */
	__u64 space;	     /* key of the address space, see unwind.h */
	struct identity who; /* sent with the first record of a process, later 0 */
	__u32 pid;	     /* thread group, as the host sees it */
	__u32 tid;
	char thread[16]; /* the thread's name, NUL-terminated */
	char comm[16];	 /* the process's, which is its first thread's */
};
_Static_assert(sizeof(struct record_head) == 104, "no padding");

/* Flags. The user's part of the stack is not known, since the thread waited there already when the
 * recording began. */
#define RECORD_BEGAN_EARLIER 1

struct stack_record {
	struct record_head head;
	/* The kernel's frames, then the user's words (stack.h), leaf first; sent cut to size. */
	__u64 frames[STACK_FRAMES_MAX + USER_WORDS_MAX];
};

struct deferred_record {
	struct record_head head;
	struct unwind_registers registers;
	__u64 kernel[STACK_FRAMES_MAX]; /* head.kernel_frames of them */
	__u64 stack_size;
	__u8 stack[DEFERRED_STACK_MAX]; /* from registers.sp on; sent cut to stack_size */
};
_Static_assert(sizeof(struct deferred_record) ==
		       104 + 160 + 8 * STACK_FRAMES_MAX + 8 + DEFERRED_STACK_MAX,
	       "no padding");

/* The ring of stacks: for so many CPUs; more on a larger machine. */
#define SIZED_FOR_CPUS 4
#define STACKS_SIZE    (1 << 20)

/* Processes remembered as known to user space, a power of two. */
#define KNOWN_PROCESSES 4096

#endif
