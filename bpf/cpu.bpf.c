/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signal `cpu`: on every tick of a CPU's clock, who is running what.
 *
 * Samples are counted here, by thread and stack. The stack itself goes to user space only when its
 * key is new, so a busy loop costs one map lookup a tick and nobody wakes up for it. There are two
 * sample maps: one is filled while user space empties the other.
 */
#include "cpu.h"
#include "identity.bpf.h"
#include "kernel.h"
#include "stack.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* So that nobody can prepare stacks that collide. */
const volatile __u64 hash_seed = 0;
/* From this many keys on, user space is woken to empty the map. */
const volatile __u64 keys_high = SAMPLES_MAX / 2;
/* From this many unread bytes on, it is woken to empty the ring. */
const volatile __u64 ring_high = STACKS_SIZE / 4;

__u32 active;	  /* which sample map is being filled: 0 or 1 */
__u64 fresh_keys; /* new keys since the maps were exchanged; user space sets it to 0 */
__u64 lost_map_full;
__u64 lost_ring_full;

struct sample_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SAMPLES_MAX);
	__type(key, struct sample_key);
	__type(value, u64);
} samples_0 SEC(".maps"), samples_1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, STACKS_SIZE);
} stacks SEC(".maps");

/* Address space that user space has been told of, by process; a new one is worth a wake-up, because
 * its mappings must be read while it lives. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, u32);
	__type(value, u64);
} processes SEC(".maps");

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
 *
 * A thread is told by its number, its address space (which exec changes) and its set of cgroups
 * (one pointer for all hierarchies; the ids behind it are read only for a new key); `seed` has
 * these.
 */
__noinline u64 hash_record(u64 seed)
{
	struct stack_record *record;
	u32 zero = 0, n;
	u64 hash;

	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record)
		return 0;
	hash = mix(seed, ((const u64 *)record->thread)[0]);
	hash = mix(hash, ((const u64 *)record->thread)[1]);
	/* Where the kernel's part ends: the same addresses split elsewhere are another stack. */
	hash = mix(hash, record->kernel_frames);
	n = record->kernel_frames + record->user_frames;
	for (u32 i = 0; i < 2 * STACK_FRAMES_MAX; i++) {
		if (i >= n)
			break;
		hash = mix(hash, record->frames[i]);
	}
	return hash;
}

static __always_inline bool is_new_process(u32 pid, u64 mm)
{
	u64 *known = bpf_map_lookup_elem(&processes, &pid);

	if (known && *known == mm)
		return false;
	bpf_map_update_elem(&processes, &pid, &mm, BPF_ANY);
	return true;
}

static __always_inline u64 wake_up(u32 pid, u64 mm)
{
	if (is_new_process(pid, mm) || fresh_keys >= keys_high ||
	    bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) >= ring_high)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* First time that this key is seen since the maps were exchanged. */
static __always_inline void announce(struct task_struct *task, struct stack_record *record, u32 n,
				     u64 mm)
{
	u64 size = __builtin_offsetof(struct stack_record, frames) + n * sizeof(u64);
	u64 one = 1;
	long err;

	if (size > sizeof(*record)) /* cannot be; the verifier wants to see it */
		return;
	if (target_mode == TARGET_ALL) /* else it is known already */
		identify_current(task, &record->who);
	BPF_CORE_READ_STR_INTO(&record->comm, task, group_leader, comm);
	if (bpf_ringbuf_output(&stacks, record, size, wake_up(record->key.pid, mm))) {
		__sync_fetch_and_add(&lost_ring_full, 1);
		return;
	}
	if (record->map)
		err = bpf_map_update_elem(&samples_1, &record->key, &one, BPF_ANY);
	else
		err = bpf_map_update_elem(&samples_0, &record->key, &one, BPF_ANY);
	if (err)
		__sync_fetch_and_add(&lost_map_full, 1);
	else
		__sync_fetch_and_add(&fresh_keys, 1);
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = current_task();
	u64 id = bpf_get_current_pid_tgid();
	struct stack_record *record;
	u64 *count, mm;
	u32 zero = 0, n = 0;
	long frames;

	if (!(u32)id) /* the idle task */
		return 0;
	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record)
		return 0;

	record->key.pid = id >> 32;
	record->key.tid = (u32)id;
	if (target_mode != TARGET_ALL) {
		identify_current(task, &record->who);
		if (!is_target(&record->who, record->key.pid))
			return 0;
	}

	bpf_get_current_comm(record->thread, sizeof(record->thread));
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
		if (frames > 0 && frames <= STACK_FRAMES_MAX) {
			record->user_frames = frames;
			n += frames;
		} else {
			record->user_failed = 1;
		}
	}

	record->key.hash = hash_record(mix(mix(hash_seed, mm), (u64)BPF_CORE_READ(task, cgroups)));
	/* Once: user space may exchange the maps at any moment. */
	record->map = *(volatile __u32 *)&active;
	if (record->map)
		count = bpf_map_lookup_elem(&samples_1, &record->key);
	else
		count = bpf_map_lookup_elem(&samples_0, &record->key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		announce(task, record, n, mm);
	return 0;
}
