/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What blocked.bpf.h has to know of system calls, filled in by src/signal/blocked.c: by number,
 * what a thread that sleeps in this call waits for. Numbers differ from architecture to
 * architecture, so user space, which has the names, makes the table.
 */
#ifndef PLIMSOLL_BPF_BLOCKED_H
#define PLIMSOLL_BPF_BLOCKED_H

#include <linux/types.h>

enum syscall_wait {
	SYSCALL_WAITS_OTHER, /* nothing that we have a name for */
	SYSCALL_WAITS_IDLE,
	SYSCALL_WAITS_RING, /* io_uring: idle, even if the kernel calls it waiting for a disk */
	SYSCALL_WAITS_FILE, /* it depends on what is behind the descriptor in the first argument */
	SYSCALL_WAITS_DISK,
	SYSCALL_WAITS_LOCK,
	SYSCALL_WAITS_PIPE,
	SYSCALL_WAITS_CHILD,
};

/* Larger than any number in use (about 470 in Linux 6.18); a power of two. */
#define SYSCALLS_MAX 512

#endif
