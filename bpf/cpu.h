/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpu.bpf.c tells src/signal/cpu.c.
 *
 *     `samples`  sample_key -> count            how often, aggregated in the kernel
 *     `stacks`   ring of stack_record           what the key stands for, sent once a key
 */
#ifndef PLIMSOLL_BPF_CPU_H
#define PLIMSOLL_BPF_CPU_H

#include <linux/types.h>

#include "identity.h"
#include "stack.h"

struct sample_key {
	__u64 hash; /* of the stack, the thread's name, its address space and its cgroups */
	__u32 pid;  /* thread group, as the host sees it */
	__u32 tid;
};
_Static_assert(sizeof(struct sample_key) == 16, "shared with user space");

struct stack_record {
	struct sample_key key;
	struct identity who;
	char thread[16]; /* the thread's name, NUL-terminated */
	char comm[16];	 /* the process's, which is its first thread's */
	__u16 kernel_frames;
	__u16 user_frames;
	__u16 user_failed; /* the user stack could not be walked at all */
	__u16 map;	   /* the sample map that counts it: 0 or 1 */
	__u64 frames[2 *
		     STACK_FRAMES_MAX]; /* kernel's, then user's, leaf first; sent cut to size */
};
_Static_assert(sizeof(struct stack_record) == 72 + 8 * 2 * STACK_FRAMES_MAX, "no padding");

/*
 * Entries of each of the two sample maps, and bytes of the ring of stacks: for so many CPUs; more
 * on a larger machine. Both are emptied before they are full, so they hold what one CPU can do
 * until user space has woken up, not a recording.
 */
#define SIZED_FOR_CPUS 4
#define SAMPLES_MAX    16384
#define STACKS_SIZE    (1 << 20)

#define PROCESSES_MAX 16384 /* processes remembered as known to user space */

#endif
