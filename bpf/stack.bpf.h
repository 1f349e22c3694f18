/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's stack: addresses, leaf first, into a buffer, by the kernel's own unwinder. For the
 * user's stack see unwind.bpf.h.
 */
#ifndef PLIMSOLL_BPF_STACK_BPF_H
#define PLIMSOLL_BPF_STACK_BPF_H

#include "kernel.h"
#include "stack.h"

/* Was the CPU in user mode when these registers were taken? */
static __always_inline bool in_user_mode(const struct bpf_perf_event_data *ctx)
{
#if defined(__TARGET_ARCH_x86)
	return ctx->regs.cs & 3; /* current privilege level */
#elif defined(__TARGET_ARCH_arm64)
	return !(ctx->regs.pstate & 0xf); /* PSR_MODE_MASK: EL0 */
#else
#error "the registers of this architecture are not known here"
#endif
}

/* At most STACK_FRAMES_MAX frames into `frames`; returns how many, negative: none could be walked.
 */
static __always_inline long walk_kernel(void *ctx, u64 *frames)
{
	long size = bpf_get_stack(ctx, frames, STACK_FRAMES_MAX * sizeof(u64), 0);

	return size < 0 ? size : size >> 3;
}

#endif
