/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How deep a stack is walked.
 */
#ifndef PLIMSOLL_BPF_STACK_H
#define PLIMSOLL_BPF_STACK_H

/* PERF_MAX_STACK_DEPTH, the default of kernel.perf_event_max_stack; bpf_get_stack() gives no more.
 */
#define STACK_FRAMES_MAX 127

#endif
