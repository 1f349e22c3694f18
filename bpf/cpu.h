/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpu.bpf.c tells src/signal/cpu.c.
 *
 *     slots     a table a CPU: hash & mask -> { hash, count }     how often, counted in the kernel
 *     stacks    ring of stack_record                              what a hash stands for
 *
 * A sample whose hash stands in its slot is an addition of one. Another hash takes the slot over:
 * the record that tells of it carries out what the slot held. So the tables are never full, and a
 * record is only ever about a hash that was told of before.
 */
#ifndef PLIMSOLL_BPF_CPU_H
#define PLIMSOLL_BPF_CPU_H

#include <linux/types.h>

#include "bpf/identity.h"
#include "bpf/stack.h"
#include "bpf/unwind.h"

struct slot {
	__u64 hash; /* of stack, thread, its name, address space and cgroups; 0: empty */
	__u64 count;
};
_Static_assert(sizeof(struct slot) == 16, "shared with user space");

enum record_kind {
	RECORD_STACK,	 /* struct stack_record: a stack that takes a slot */
	RECORD_DEFERRED, /* struct deferred_record: a single sample, still to be walked */
};

struct record_head {
	struct slot evicted; /* what had to make room, count 0: nothing */
	__u64 hash;	     /* of this one; its slot counts it from one on. 0: deferred */
	__u64 process;	     /* its address space and cgroups, as one number */
	__u64 space;	     /* key of the address space, see unwind.h */
	struct identity who; /* sent with the first record of a process, later 0 */
	__u32 pid;	     /* thread group, as the host sees it */
	__u32 tid;
	char thread[16]; /* the thread's name, NUL-terminated */
	char comm[16];	 /* the process's, which is its first thread's */
	__u16 kernel_frames;
	__u16 user_words;
	__u8 kind;     /* enum record_kind */
	__u8 walk_end; /* enum walk_end: how the walk of the user stack ended */
	__u16 reserved;
};
_Static_assert(sizeof(struct record_head) == 104, "no padding");

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

/* One cache line. */
#define WAYS 4
struct slot_set {
	struct slot ways[WAYS];
};

/* Sets of one CPU, a power of two: 128 KiB. Stacks that are hot enough to matter stay in it. */
#define SETS 2048

/* The ring of stacks: for so many CPUs; more on a larger machine. */
#define SIZED_FOR_CPUS 4
#define STACKS_SIZE    (1 << 20)

/* Processes remembered as known to user space, a power of two. */
#define KNOWN_PROCESSES 4096

#endif
