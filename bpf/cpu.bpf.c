/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signal `cpu`: on every tick of a CPU's clock, who is running what.
 *
 * Samples are counted here, by thread and stack, in a small table a CPU. The stack itself goes to
 * user space only when it takes a slot, so a busy loop costs one addition a tick and nobody wakes
 * up for it; see cpu.h. Tables a CPU need no locks and no atomics.
 */
#include "cpu.h"
#include "identity.bpf.h"
#include "kernel.h"
#include "stack.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* So that nobody can prepare stacks that collide. */
const volatile __u64 hash_seed = 0;
/* From this many unread bytes on, user space is woken to empty the ring. */
const volatile __u64 ring_high = STACKS_SIZE / 4;

__u64 lost_ring_full;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* user space reads it without a system call */
	__uint(max_entries, SETS);	   /* times the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct slot_set);
} sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, STACKS_SIZE);
} stacks SEC(".maps");

/*
 * Processes that user space has been told of, by a number made of PID, address space and cgroups. A
 * new one is worth a wake-up, because its mappings must be read while it lives; a known one's
 * cgroups need not be read again, which is most of what a new stack costs. Two that share an entry
 * are told of more often and nothing else. User space clears it when it has forgotten.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KNOWN_PROCESSES);
	__type(key, u32);
	__type(value, u64);
} known_processes SEC(".maps");

/* Two ticks never nest on one CPU: perf refuses recursion of the same context, and BPF programs of
 * a CPU exclude each other by bpf_prog_active. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_record);
} scratch SEC(".maps");

static __always_inline u64 mix(u64 hash, u64 word)
{
	/* One round of a multiply-xorshift hash; the multiplier is 2^64 / golden ratio. */
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/*
 * Hash of this CPU's record. A function of its own, not inlined and not static: the verifier then
 * checks it once, instead of following the rest of the program from each turn of its loop (35,000
 * instructions, a second of a busy host's time).
 */
__noinline u64 hash_record(u64 seed)
{
	struct stack_record *record;
	u32 zero = 0, n;
	u64 hash, odd;

	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record)
		return 0;
	hash = mix(seed, ((const u64 *)record->thread)[0]);
	hash = mix(hash, ((const u64 *)record->thread)[1]);
	/* Where the kernel's part ends: the same addresses split elsewhere are another stack. */
	hash = mix(hash, record->kernel_frames);
	n = record->kernel_frames + record->user_frames;
	/* Two at a time, so that their multiplications overlap. */
	odd = ~hash;
	for (u32 i = 0; i + 1 < 2 * STACK_FRAMES_MAX; i += 2) {
		if (i >= n)
			break;
		hash = mix(hash, record->frames[i]);
		if (i + 1 < n)
			odd = mix(odd, record->frames[i + 1]);
	}
	return mix(hash, odd);
}

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
				     struct slot *slot)
{
	u32 n = record->kernel_frames + record->user_frames;
	u64 size = __builtin_offsetof(struct stack_record, frames) + n * sizeof(u64);
	u32 entry = record->process & (KNOWN_PROCESSES - 1);
	u64 *known = bpf_map_lookup_elem(&known_processes, &entry);
	bool is_new = known && *known != record->process;
	u64 flags = BPF_RB_NO_WAKEUP;

	if (!known || size > sizeof(*record)) /* cannot be; the verifier wants to see it */
		return;
	if (is_new) {
		flags = BPF_RB_FORCE_WAKEUP;
		identify_current(task, &record->who);
	} else {
		if (bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) >= ring_high)
			flags = BPF_RB_FORCE_WAKEUP;
		record->who.cgroup_v2 = 0;
		record->who.cgroup_v1 = 0;
	}
	if (record->tid == record->pid)
		__builtin_memcpy(record->comm, record->thread, sizeof(record->comm));
	else
		BPF_CORE_READ_STR_INTO(&record->comm, task, group_leader, comm);
	record->evicted = *slot;
	if (bpf_ringbuf_output(&stacks, record, size, flags)) {
		__sync_fetch_and_add(&lost_ring_full, 1);
		return;
	}
	if (is_new)
		*known = record->process;
	slot->hash = record->hash;
	slot->count = 1;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), mm;
	struct stack_record *record;
	struct task_struct *task;
	struct slot_set *set;
	struct slot *slot;
	u32 key = 0, n = 0;
	long frames;

	if (!(u32)id) /* the idle task */
		return 0;
	record = bpf_map_lookup_elem(&scratch, &key);
	if (!record)
		return 0;

	task = current_task();
	record->pid = id >> 32;
	record->tid = (u32)id;
	if (target_mode != TARGET_ALL) {
		identify_current(task, &record->who);
		if (!is_target(&record->who, record->pid))
			return 0;
	}

	/* Half the price of bpf_get_current_comm(), which would clear what follows the name. */
	bpf_core_read(record->thread, sizeof(record->thread), &task->comm);
	mm = (u64)BPF_CORE_READ(task, mm);
	record->kernel_frames = 0;
	record->user_frames = 0;
	record->user_failed = 0;
	if (!in_user_mode(ctx)) {
		frames = walk_kernel(ctx, record->frames);
		if (frames > 0 && frames <= STACK_FRAMES_MAX)
			record->kernel_frames = n = frames;
	}
	if (mm && n <= STACK_FRAMES_MAX) {
		frames = walk_user(ctx, record->frames + n);
		if (frames > 0 && frames <= STACK_FRAMES_MAX)
			record->user_frames = frames;
		else
			record->user_failed = 1;
	}

	/* A thread is told by its number, its address space (which exec changes) and its set of
	 * cgroups: one pointer for all hierarchies, the ids behind it are read only when needed. */
	record->process = mix(mix(hash_seed ^ record->pid, mm), (u64)BPF_CORE_READ(task, cgroups));
	record->hash = hash_record(record->process ^ record->tid) | 1; /* 0 is the empty slot */
	key = bpf_get_smp_processor_id() * SETS + (u32)(record->hash >> 32) % SETS;
	set = bpf_map_lookup_elem(&sets, &key);
	if (!set)
		return 0;
	slot = choose_slot(set, record->hash);
	if (slot->hash == record->hash)
		slot->count++;
	else
		announce(task, record, slot);
	return 0;
}
