/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signal `cpu`: on every tick of a CPU's clock, who is running what.
 *
 * Samples are counted here, by thread and stack, in a small table a CPU. The stack itself goes to
 * user space only when it takes a slot, so a busy loop costs one addition a tick and nobody wakes
 * up for it; see cpu.h. Tables a CPU need no locks and no atomics.
 */
#include "cpu.h"
#include "kernel.h"
#include "stacks.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* user space reads it without a system call */
	__uint(max_entries, SETS);	   /* times the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct slot_set);
} sets SEC(".maps");

/* The slot that holds the hash, or else the one that counted least. */
static __always_inline struct slot *choose_slot(struct slot_set *set, u64 hash)
{
	struct slot *least = &set->ways[0];

#pragma unroll
	for (u32 i = 0; i < WAYS; i++) {
		if (set->ways[i].hash == hash)
			return &set->ways[i];
		if (set->ways[i].count < least->count)
			least = &set->ways[i];
	}
	return least;
}

/* A hash that its set did not hold. */
static __always_inline void announce(struct task_struct *task, struct stack_record *record,
				     const struct walk *walk, struct slot *slot)
{
	record->head.evicted = *slot;
	if (!send_stack(task, record, walk))
		return;
	slot->hash = record->head.hash;
	slot->count = 1;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), mm;
	struct stack_record *record;
	struct task_struct *task;
	struct slot_set *set;
	struct walk *walk;
	struct slot *slot;
	long frames;
	u32 key;

	if (!(u32)id) /* the idle task */
		return 0;
	record = current_record();
	walk = current_walk();
	if (!record || !walk)
		return 0;

	task = current_task();
	record->head.pid = id >> 32;
	record->head.tid = (u32)id;
	if (target_mode != TARGET_ALL) {
		identify_current(task, &record->head.who);
		if (!is_target(&record->head.who, record->head.pid))
			return 0;
	}

	mm = begin_record(task, record);
	if (!in_user_mode(ctx)) {
		frames = walk_kernel(ctx, record->frames);
		if (frames > 0 && frames <= STACK_FRAMES_MAX)
			record->head.kernel_frames = frames;
	}
	if (mm)
		walk_user(ctx, task, record, walk,
			  in_user_mode(ctx) ? registers_of_sample(ctx, walk) : registers_of_task());

	record->head.process = process_number(task, record->head.pid, mm);
	if (record->head.walk_end == WALK_DEFERRED) {
		defer(task, record, walk, 0);
		return 0;
	}
	record->head.hash = hash_record(record->head.process ^ record->head.tid, RECORD_OF_EVENT) |
			    1; /* 0 is the empty slot */
	key = bpf_get_smp_processor_id() * SETS + (u32)(record->head.hash >> 32) % SETS;
	set = bpf_map_lookup_elem(&sets, &key);
	if (!set)
		return 0;
	slot = choose_slot(set, record->head.hash);
	if (slot->hash == record->head.hash)
		slot->count++;
	else
		announce(task, record, walk, slot);
	return 0;
}
