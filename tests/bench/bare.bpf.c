/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The least that a sampling profiler can do on a tick: walk both stacks, keep nothing. What ours
 * costs in the kernel is judged against this.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define FRAMES 127 /* as many as plimsoll takes */

struct stacks {
	__u64 kernel[FRAMES];
	__u64 user[FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks);
} scratch SEC(".maps");

SEC("perf_event")
int on_tick(void *ctx)
{
	__u32 zero = 0;
	struct stacks *stacks = bpf_map_lookup_elem(&scratch, &zero);

	if (!stacks)
		return 0;
	bpf_get_stack(ctx, stacks->kernel, sizeof(stacks->kernel), 0);
	bpf_get_stack(ctx, stacks->user, sizeof(stacks->user), BPF_F_USER_STACK);
	return 0;
}
