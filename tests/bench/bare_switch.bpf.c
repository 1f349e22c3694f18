/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The least that anything can cost that looks at every context switch: a program that does not.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_switch")
int on_switch(void *ctx)
{
	return 0;
}
