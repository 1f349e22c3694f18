/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a thread waits for, told at the moment it leaves its CPU. The rules, in this order, are the
 * table in docs/ledger.md; a change here is a change there.
 *
 *     stopped? --> iowait, memstall --> kernel thread? --> system call --> file behind its
 * descriptor
 */
#ifndef PLIMSOLL_BPF_BLOCKED_BPF_H
#define PLIMSOLL_BPF_BLOCKED_BPF_H

#include "blocked.h"
#include "kernel.h"
#include "ledger.h"
#include "registers.bpf.h"

/* enum syscall_wait, filled by src/signal/blocked.c before load. */
const volatile __u8 syscall_waits[SYSCALLS_MAX] = { 0 };

/* include/linux/sched.h; the same since 5.10. */
#define TASK_INTERRUPTIBLE   0x0001
#define TASK_UNINTERRUPTIBLE 0x0002
#define TASK_STOPPED_TRACED  0x000c
#define TASK_DEAD	     0x0080
#define TASK_NOLOAD	     0x0400
#define TASK_FROZEN	     0x8000
#define PF_IO_WORKER	     0x00000010
#define PF_USER_WORKER	     0x00004000 /* since 6.4; before, PF_USED_ASYNC, long out of use */

/* include/uapi/linux/stat.h */
#define INODE_TYPE   0170000
#define INODE_SOCKET 0140000
#define INODE_BLOCK  0060000
#define INODE_FILE   0100000
#define INODE_FOLDER 0040000
#define INODE_FIFO   0010000

#define ANON_INODE_FS_MAGIC 0x09041934 /* include/uapi/linux/magic.h */

/* The member's name and type until 5.14. */
struct task_struct___long_state {
	long state;
} __attribute__((preserve_access_index));

/* TASK_* of a task; 0: it can run. */
static __always_inline u32 task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___long_state *)task)->state;
}

static __always_inline bool is_kernel_thread(struct task_struct *task)
{
	return task->flags & PF_KTHREAD;
}

static __always_inline bool waits_for_io(struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, in_iowait);
}

/* For reclaim or for a page that was swapped out; psi_memstall_enter() in kernel/sched/psi.c. */
static __always_inline bool waits_for_memory(struct task_struct *task)
{
	return bpf_core_field_exists(task->in_memstall) &&
	       BPF_CORE_READ_BITFIELD(task, in_memstall);
}

/* The system call that a thread is in. */
struct entered {
	s64 number; /* below 0: none, it came by a fault or an interrupt */
	u64 argument;
};

/*
 * False: a 32-bit program, whose numbers mean something else. Since 5.15 the verifier knows what is
 * at the top of the stack, and a member is one load; before, it must be copied.
 */
#if defined(__TARGET_ARCH_x86)
#define USER64_CS 0x33 /* arch/x86/include/asm/segment.h */

struct pt_regs___x86 {
	unsigned long di, orig_ax;
	unsigned short cs;
} __attribute__((preserve_access_index));

static __always_inline bool read_entered(struct task_struct *task, struct entered *entered)
{
	const struct pt_regs___x86 *known;
	const bpf_user_pt_regs_t *registers;
	/* Neighbours in struct pt_regs. */
	struct {
		u64 di, orig_ax, ip, cs;
	} part;

	if (KNOWS_SAVED_REGISTERS) {
		known = (void *)bpf_task_pt_regs(task);
		entered->number = known->orig_ax;
		entered->argument = known->di;
		return known->cs == USER64_CS;
	}
	registers = saved_registers(task);
	if (bpf_probe_read_kernel(&part, sizeof(part), &registers->rdi))
		return false;
	entered->number = (s64)part.orig_ax;
	entered->argument = part.di;
	return (part.cs & 0xffff) == USER64_CS;
}
#elif defined(__TARGET_ARCH_arm64)
#define PSTATE_32_BIT 0x10 /* arch/arm64/include/uapi/asm/ptrace.h: PSR_MODE32_BIT */

struct pt_regs___entered {
	u64 pstate, orig_x0;
	s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline bool read_entered(struct task_struct *task, struct entered *entered)
{
	const struct pt_regs___entered *known;
	const bpf_user_pt_regs_t *registers;
	/* What follows user_pt_regs in struct pt_regs of arch/arm64/include/asm/ptrace.h. */
	struct {
		u64 pstate, orig_x0;
		s32 syscallno;
		u32 other;
	} part;

	if (KNOWS_SAVED_REGISTERS) {
		known = (void *)bpf_task_pt_regs(task);
		entered->number = known->syscallno;
		entered->argument = known->orig_x0;
		return !(known->pstate & PSTATE_32_BIT);
	}
	registers = saved_registers(task);
	if (bpf_probe_read_kernel(&part, sizeof(part), &registers->pstate))
		return false;
	entered->number = part.syscallno;
	entered->argument = part.orig_x0;
	return !(part.pstate & PSTATE_32_BIT);
}
#else
#error "where does this architecture keep the number of the system call?"
#endif

static __always_inline enum ledger_state what_file_blocks(struct task_struct *task, u32 fd)
{
	struct file *file = 0;
	struct fdtable *table;

	/* Loads, not copies: this is where most of what a switch costs would go. */
	table = task->files->fdt;
	if (fd >= table->max_fds)
		return LEDGER_OTHER;
	bpf_probe_read_kernel(&file, sizeof(file), table->fd + fd);
	if (!file)
		return LEDGER_OTHER;
	switch (READ_AS(struct file, file, f_inode, i_mode) & INODE_TYPE) {
	case INODE_SOCKET:
		return LEDGER_NETWORK;
	case INODE_FIFO:
		return LEDGER_PIPE;
	case INODE_BLOCK:
	case INODE_FOLDER:
		return LEDGER_DISK;
	case INODE_FILE:
		/* Since 6.16 eventfd, inotify and their like are regular files, too. */
		return READ_AS(struct file, file, f_inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC
			       ? LEDGER_IDLE
			       : LEDGER_DISK;
	default: /* terminals and other devices; eventfd and its like before 6.16 */
		return LEDGER_IDLE;
	}
}

static __always_inline enum ledger_state what_kernel_blocks(struct task_struct *task, u32 state)
{
	if (waits_for_io(task))
		return LEDGER_DISK;
	if (waits_for_memory(task))
		return LEDGER_MEMORY;
	return state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD) ? LEDGER_OTHER : LEDGER_IDLE;
}

static __always_inline enum ledger_state what_syscall_blocks(struct task_struct *task)
{
	struct entered entered;
	u64 number;
	u8 waits;

	if (!read_entered(task, &entered))
		return LEDGER_OTHER;
	/* A page fault: of a file's page that must be read; of one that was swapped out, or pushed
	 * out too early, which is in memstall, too; or it waits for the memory map's lock. */
	if (entered.number < 0)
		return waits_for_io(task) && !waits_for_memory(task) ? LEDGER_DISK : LEDGER_MEMORY;
	number = entered.number;
	/* Where it is made of 32 bits clang would compare only these, which tells the verifier of
	 * 6.1 nothing of the others. */
	barrier_var(number);
	if (number >= SYSCALLS_MAX)
		return LEDGER_OTHER;
	waits = syscall_waits[number];
	if (waits == SYSCALL_WAITS_RING)
		return LEDGER_IDLE;
	if (waits_for_io(task))
		return LEDGER_DISK;
	if (waits_for_memory(task))
		return LEDGER_MEMORY;
	switch (waits) {
	case SYSCALL_WAITS_IDLE:
		return LEDGER_IDLE;
	case SYSCALL_WAITS_FILE:
		return what_file_blocks(task, entered.argument);
	case SYSCALL_WAITS_DISK:
		return LEDGER_DISK;
	case SYSCALL_WAITS_LOCK:
		return LEDGER_LOCK;
	case SYSCALL_WAITS_PIPE:
		return LEDGER_PIPE;
	case SYSCALL_WAITS_CHILD:
		return LEDGER_CHILD;
	default:
		return LEDGER_OTHER;
	}
}

/*
 * What `task` waits for, LEDGER_DISK to LEDGER_IDLE. `state` is task_state(task), not 0. To be
 * called with a pointer that the verifier knows (a tracepoint's argument, an iterator's task) while
 * the task sleeps or is about to.
 */
static __always_inline enum ledger_state what_blocks(struct task_struct *task, u32 state)
{
	if (state & (TASK_STOPPED_TRACED | TASK_FROZEN))
		return LEDGER_OTHER;
	/* Workers of io_uring and vhost belong to a process, but never were in user space. */
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return what_kernel_blocks(task, state);
	return what_syscall_blocks(task);
}

#endif
