/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signal `cpu`: on every tick of a CPU's clock, who is running what.
 *
 * Samples are counted here, by thread and stack, in a small table a CPU. The stack itself goes to
 * user space only when it takes a slot, so a busy loop costs one addition a tick and nobody wakes
 * up for it; see cpu.h. Tables a CPU need no locks and no atomics.
 */
#include "cpu.h"
#include "hash.h"
#include "identity.bpf.h"
#include "interpreted.bpf.h"
#include "kernel.h"
#include "stack.bpf.h"
#include "unwind.bpf.h"

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

/* Ticks never nest on a CPU, see walk.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_record);
} scratch SEC(".maps");

/* One a CPU; larger than what the kernel gives as per-CPU memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct deferred_record);
} deferred SEC(".maps");

/*
 * Hash of this CPU's record and walk. A function of its own, not inlined and not static: the
 * verifier then checks it once, instead of following the rest of the program from each turn of its
 * loops (35,000 instructions, a second of a busy host's time).
 */
__noinline u64 hash_record(u64 seed)
{
	struct walk *walk = current_walk();
	struct stack_record *record;
	u32 zero = 0, n;
	u64 hash, odd;

	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record || !walk)
		return 0;
	hash = hash_mix(seed, ((const u64 *)record->head.thread)[0]);
	hash = hash_mix(hash, ((const u64 *)record->head.thread)[1]);
	/* Where the kernel's part ends: the same addresses split elsewhere are another stack. */
	n = record->head.kernel_frames;
	hash = hash_mix(hash, n << 8 | record->head.walk_end);
	for (u32 i = 0; i < STACK_FRAMES_MAX && i < n; i++)
		hash = hash_mix(hash, record->frames[i]);
	n = record->head.user_words;
	/* Two at a time, so that their multiplications overlap. The second does not begin with the
	 * first's value: where there are no words the two would cancel each other out. */
	odd = seed;
	for (u32 i = 0; i + 1 < USER_WORDS_MAX && i < n; i += 2) {
		hash = hash_mix(hash, walk->words[i]);
		if (i + 1 < n)
			odd = hash_mix(odd, walk->words[i + 1]);
	}
	return hash_mix(hash, odd);
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

/*
 * Fills what user space wants to know of a sample, and says how it is to be woken: at once for a
 * process that it has not heard of.
 */
static __always_inline u64 describe(struct task_struct *task, struct record_head *head, bool is_new)
{
	if (head->tid == head->pid)
		__builtin_memcpy(head->comm, head->thread, sizeof(head->comm));
	else
		BPF_CORE_READ_STR_INTO(&head->comm, task, group_leader, comm);
	if (is_new) {
		identify(task, &head->who);
		return BPF_RB_FORCE_WAKEUP;
	}
	head->who.cgroup_v2 = 0;
	head->who.cgroup_v1 = 0;
	if (bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) >= ring_high)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline bool has_room_to_defer(void)
{
	return bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) < 2 * ring_high;
}

static __always_inline u64 *find_known(u64 process)
{
	u32 entry = process & (KNOWN_PROCESSES - 1);

	return bpf_map_lookup_elem(&known_processes, &entry);
}

/* A hash that its set did not hold. */
static __always_inline void announce(struct task_struct *task, struct stack_record *record,
				     const struct walk *walk, struct slot *slot)
{
	u64 *known = find_known(record->head.process), flags, size;
	u32 kernel = record->head.kernel_frames, user = record->head.user_words;

	/* The bounds cannot be broken; the verifier wants to see it. */
	if (!known || kernel > STACK_FRAMES_MAX || user > USER_WORDS_MAX)
		return;
	if (user)
		bpf_probe_read_kernel(record->frames + kernel, user * sizeof(u64), walk->words);
	size = __builtin_offsetof(struct stack_record, frames) + (kernel + user) * sizeof(u64);
	flags = describe(task, &record->head, *known != record->head.process);
	if (walk->space.language && brings_new_code())
		flags = BPF_RB_FORCE_WAKEUP;
	record->head.evicted = *slot;
	if (bpf_ringbuf_output(&stacks, record, size, flags)) {
		__sync_fetch_and_add(&lost_ring_full, 1);
		return;
	}
	*known = record->head.process;
	slot->hash = record->head.hash;
	slot->count = 1;
}

/* A sample that has to be walked in user space. What that waits for it gets to know by being woken.
 */
static __always_inline void defer(struct task_struct *task, const struct stack_record *record,
				  const struct walk *walk)
{
	u32 cpu = bpf_get_smp_processor_id(), kernel = record->head.kernel_frames;
	u64 *known = find_known(record->head.process);
	struct deferred_record *out = bpf_map_lookup_elem(&deferred, &cpu);
	u64 size;

	if (!known || !out || kernel > STACK_FRAMES_MAX)
		return;
	out->head = record->head;
	out->head.kind = RECORD_DEFERRED;
	out->head.hash = 0;
	out->head.evicted.count = 0;
	out->head.user_words = 0;
	out->registers = walk->leaf;
	if (kernel)
		bpf_probe_read_kernel(out->kernel, kernel * sizeof(u64), record->frames);
	out->stack_size = copy_stack(walk->leaf.sp, out->stack);
	size = __builtin_offsetof(struct deferred_record, stack) + out->stack_size;
	describe(task, &out->head, *known != out->head.process);
	if (size > sizeof(*out) || bpf_ringbuf_output(&stacks, out, size, BPF_RB_FORCE_WAKEUP)) {
		__sync_fetch_and_add(&lost_ring_full, 1);
		return;
	}
	*known = out->head.process;
}

/* The user's part of a sample: walk_end, space and user_words of the record, words of the walk. */
static __always_inline void walk_user(struct bpf_perf_event_data *ctx, struct task_struct *task,
				      struct stack_record *record, struct walk *walk)
{
	enum walk_end registers;

	if (in_user_mode(ctx))
		registers = registers_of_sample(ctx, walk);
	else
		registers = registers_of_task();
	record->head.walk_end = walk_user_stack(ctx, task, walk, registers);
	record->head.space = record->head.walk_end == WALK_NO_USER ? 0 : walk->space_key;
	record->head.user_words = walk->nwords;
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
	u32 key = 0;
	long frames;

	if (!(u32)id) /* the idle task */
		return 0;
	record = bpf_map_lookup_elem(&scratch, &key);
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

	/* Half the price of bpf_get_current_comm(), which would clear what follows the name. */
	bpf_core_read(record->head.thread, sizeof(record->head.thread), &task->comm);
	mm = (u64)BPF_CORE_READ(task, mm);
	record->head.kernel_frames = 0;
	record->head.user_words = 0;
	record->head.space = 0;
	record->head.kind = RECORD_STACK;
	record->head.walk_end = WALK_NO_USER;
	if (!in_user_mode(ctx)) {
		frames = walk_kernel(ctx, record->frames);
		if (frames > 0 && frames <= STACK_FRAMES_MAX)
			record->head.kernel_frames = frames;
	}
	if (mm)
		walk_user(ctx, task, record, walk);

	/* A thread is told by its number, its address space (which exec changes) and its set of
	 * cgroups: one pointer for all hierarchies, the ids behind it are read only when needed. */
	record->head.process = hash_mix(hash_mix(hash_seed ^ record->head.pid, mm),
					(u64)BPF_CORE_READ(task, cgroups));
	if (record->head.walk_end == WALK_DEFERRED) {
		defer(task, record, walk);
		return 0;
	}
	record->head.hash = hash_record(record->head.process ^ record->head.tid) |
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
