/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking the stack of the current task, hashing it, and telling user space what the hash stands for
 * (stacks.h): the same for all signals that have stacks. A signal does these steps on this CPU's
 * record, which `scratch` holds, and walk (walk.bpf.h):
 *
 *     begin_record()             who
 *     walk_kernel(), walk_user() where
 *     hash_record()              one number for both
 *     send_stack() or defer()    unless user space knows it already: the signal's to say
 */
#ifndef PLIMSOLL_BPF_STACKS_BPF_H
#define PLIMSOLL_BPF_STACKS_BPF_H

#include "hash.h"
#include "identity.bpf.h"
#include "interpreted.bpf.h"
#include "kernel.h"
#include "stack.bpf.h"
#include "stacks.h"
#include "unwind.bpf.h"

/* So that nobody can prepare stacks that collide. */
const volatile __u64 hash_seed = 0;
/* From this many unread bytes on, user space is woken to empty the ring. */
const volatile __u64 ring_high = STACKS_SIZE / 4;

__u64 lost_ring_full;

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

/* Walks never nest on a CPU, see walk.bpf.h; but what a signal runs in a process of its own, an
 * iterator, is interrupted by them. */
enum record_place { RECORD_OF_EVENT, RECORD_OF_ITERATOR, RECORD_PLACES };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RECORD_PLACES);
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

static __always_inline struct stack_record *record_at(u32 place)
{
	return bpf_map_lookup_elem(&scratch, &place);
}

static __always_inline struct stack_record *current_record(void)
{
	return record_at(RECORD_OF_EVENT);
}

/*
 * A process is told by its number, its address space (which exec changes) and its set of cgroups:
 * one pointer for all hierarchies, the ids behind it are read only when needed.
 */
static __always_inline u64 process_number(struct task_struct *task, u32 pid, u64 mm)
{
	return hash_mix(hash_mix(hash_seed ^ pid, mm), (u64)BPF_CORE_READ(task, cgroups));
}

/* An empty stack of the task, whose pid and tid stand in the record; returns its address space. */
static __always_inline u64 begin_record(struct task_struct *task, struct stack_record *record)
{
	u64 mm = (u64)BPF_CORE_READ(task, mm);

	/* Half the price of bpf_get_current_comm(), which would clear what follows the name. */
	bpf_core_read(record->head.thread, sizeof(record->head.thread), &task->comm);
	record->head.kernel_frames = 0;
	record->head.user_words = 0;
	record->head.space = 0;
	record->head.kind = RECORD_STACK;
	record->head.flags = 0;
	record->head.walk_end = WALK_NO_USER;
	return mm;
}

/*
 * Hash of this CPU's record, and of its walk if that has user's words. A function of its own, not
 * inlined and not static: the verifier then checks it once, instead of following the rest of the
 * program from each turn of its loops (35,000 instructions, a second of a busy host's time).
 */
__noinline u64 hash_record(u64 seed, u32 place)
{
	struct walk *walk = current_walk();
	struct stack_record *record = record_at(place);
	u64 hash, odd;
	u32 n;

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
	/* Two at a time, so that their multiplications overlap. Not begun with anything made of
	 * `hash`, or the two would cancel each other out where there are no words. */
	odd = seed;
	for (u32 i = 0; i + 1 < USER_WORDS_MAX && i < n; i += 2) {
		hash = hash_mix(hash, walk->words[i]);
		if (i + 1 < n)
			odd = hash_mix(odd, walk->words[i + 1]);
	}
	return hash_mix(hash, odd);
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

/* Tells user space what record->head.hash stands for; false: the ring was full. */
static __always_inline bool send_stack(struct task_struct *task, struct stack_record *record,
				       const struct walk *walk)
{
	u64 *known = find_known(record->head.process), flags, size;
	u32 kernel = record->head.kernel_frames, user = record->head.user_words;

	/* The bounds cannot be broken; the verifier wants to see it. */
	if (!known || kernel > STACK_FRAMES_MAX || user > USER_WORDS_MAX)
		return false;
	if (user)
		bpf_probe_read_kernel(record->frames + kernel, user * sizeof(u64), walk->words);
	size = __builtin_offsetof(struct stack_record, frames) + (kernel + user) * sizeof(u64);
	flags = describe(task, &record->head, *known != record->head.process);
	if (user && walk->space.language && brings_new_code())
		flags = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&stacks, record, size, flags)) {
		__sync_fetch_and_add(&lost_ring_full, 1);
		return false;
	}
	*known = record->head.process;
	return true;
}

/* Sends along a stack that has to be walked in user space, under this hash. What that waits for it
 * gets to know by being woken. */
static __always_inline bool defer(struct task_struct *task, const struct stack_record *record,
				  const struct walk *walk, u64 hash)
{
	u32 cpu = bpf_get_smp_processor_id(), kernel = record->head.kernel_frames;
	u64 *known = find_known(record->head.process);
	struct deferred_record *out = bpf_map_lookup_elem(&deferred, &cpu);
	u64 size;

	if (!known || !out || kernel > STACK_FRAMES_MAX)
		return false;
	out->head = record->head;
	out->head.kind = RECORD_DEFERRED;
	out->head.hash = hash;
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
		return false;
	}
	*known = out->head.process;
	return true;
}

/* The user's part of a sample: walk_end, space and user_words of the record, words of the walk.
 * `registers` is what the function said that put them into the walk. */
static __always_inline void walk_user(void *ctx, struct task_struct *task,
				      struct stack_record *record, struct walk *walk,
				      enum walk_end registers)
{
	record->head.walk_end = walk_user_stack(ctx, task, walk, registers);
	record->head.space = record->head.walk_end == WALK_NO_USER ? 0 : walk->space_key;
	record->head.user_words = walk->nwords;
}

#endif
