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

struct slot {
	__u64 hash; /* of stack, thread, its name, address space and cgroups; 0: empty */
	__u64 count;
};
_Static_assert(sizeof(struct slot) == 16, "shared with user space");

struct stack_record {
	struct slot evicted; /* what had to make room, count 0: nothing */
	__u64 hash;	     /* of this one; its slot counts it from one on */
	__u64 process;	     /* its address space and cgroups, as one number */
	struct identity who; /* sent with the first record of a process, later 0 */
	__u32 pid;	     /* thread group, as the host sees it */
	__u32 tid;
	char thread[16]; /* the thread's name, NUL-terminated */
	char comm[16];	 /* the process's, which is its first thread's */
	__u16 kernel_frames;
	__u16 user_frames;
	__u16 user_failed; /* the user stack could not be walked at all */
	__u16 reserved;
	__u64 frames[2 *
		     STACK_FRAMES_MAX]; /* kernel's, then user's, leaf first; sent cut to size */
};
_Static_assert(sizeof(struct stack_record) == 96 + 8 * 2 * STACK_FRAMES_MAX, "no padding");

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
