/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The least that anything can cost that hears of both events of a switch: the thread was woken, and
 * is put on its CPU.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_switch")
int on_switch(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_wakeup")
int on_wakeup(void *ctx)
{
	return 0;
}
