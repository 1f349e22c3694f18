/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the registers are that a task saved when it entered the kernel, by a system call, a fault
 * or an interrupt: at the top of its kernel stack.
 */
#ifndef PLIMSOLL_BPF_REGISTERS_BPF_H
#define PLIMSOLL_BPF_REGISTERS_BPF_H

#include "kernel.h"

/* The kernel's struct pt_regs, of which only the size is asked: its first members are what user
 * space knows as bpf_user_pt_regs_t. */
struct pt_regs___kernel {
} __attribute__((preserve_access_index));

/* Of the kernel stack of a task, in bytes: arm64 with pages of 64 KiB has larger ones. */
const volatile __u64 kernel_stack_size = 16384;

#define KNOWS_SAVED_REGISTERS bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)

/* Of a task whose pointer the verifier knows. Zeroes are there if it never was elsewhere. */
static __always_inline const void *saved_registers(struct task_struct *task)
{
	if (KNOWS_SAVED_REGISTERS)
		return (void *)bpf_task_pt_regs(task);
	return (void *)BPF_CORE_READ(task, stack) + kernel_stack_size -
	       bpf_core_type_size(struct pt_regs___kernel);
}

#endif
