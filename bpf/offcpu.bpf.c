/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signal `offcpu`: what threads wait for, at which stack, and for how long; see offcpu.h.
 *
 *        on_switch           on_waking, on_wakeup              on_switch
 *     leaves its CPU  --->  blocked, idle  --->  runnable  --->  is put on one
 *     stack, state          time added           time added
 *
 * All of these run with interrupts off, under the lock of a run queue or of the thread that is
 * woken, so they exclude each other on a CPU, and the events of one thread come one after the
 * other (try_to_wake_up() and ttwu_do_activate() in kernel/sched/core.c: a thread is woken only
 * after it has left its CPU).
 */
#include "offcpu.h"
#include "blocked.bpf.h"
#include "kernel.h"
#include "runqueue.bpf.h"
#include "same_wait.bpf.h"
#include "stacks.bpf.h"
#include "throttle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Bits 1 << enum ledger_state. LEDGER_RUNNING: the time on a CPU is added up too, by thread. */
const volatile __u32 states = 0;
const volatile __u64 threshold = 0; /* ns */
const volatile bool with_wakers = false;
const volatile bool has_task_storage = false;
/* Functions of the kernel, with which a stack begins that is taken in on_switch() and in
 * on_waking(): the frames above are those of the tracepoint and our own. 0: not known. */
enum entry { ENTRY_SWITCH, ENTRY_WAKING, ENTRIES };
const volatile __u64 entry_start[ENTRIES] = { 0 }, entry_end[ENTRIES] = { 0 };
/* The kernel's text that interrupts run through: hard ones, soft ones. */
#define HANDLERS 2
const volatile __u64 handler_start[HANDLERS] = { 0 }, handler_end[HANDLERS] = { 0 };
/* CLOCK_MONOTONIC, ns; from then on nothing is counted. 0: it goes on. */
volatile __u64 stopped_at = 0;

/* Waits whose sum had to make room when the ring was full: how many, and how long. */
__u64 lost_waits, lost_ns;

/* How many frames are above them, plus one; 0: not seen yet. */
#define FRAMES_ABOVE_MAX 8
__u32 frames_above[ENTRIES];

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct stored_thread);
} thread_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREADS_MAX);
	__type(key, u32); /* tid */
	__type(value, struct offcpu_thread);
} threads_by_number SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SUM_SETS); /* times the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct sum_set);
} sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TOLD_HASH_SETS); /* times the number of possible CPUs */
	__type(key, u32);
	__type(value, struct told_hashes);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct offcpu_counts);
} counts SEC(".maps");

/* What the table of threads begins a new one with: too large for a stack that walks. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct offcpu_thread);
} new_thread SEC(".maps");

static __always_inline struct offcpu_counts *current_counts(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

static __always_inline bool is_counted(u32 state)
{
	return states & 1U << (state & HASH_STATE_MASK);
}

/* --- threads --- */

/* Is it the one that had the number when the entry was made? */
static __always_inline struct offcpu_thread *find_by_number(struct task_struct *task)
{
	u32 tid = task->pid;
	struct offcpu_thread *thread = bpf_map_lookup_elem(&threads_by_number, &tid);

	return thread && thread->started == task->start_time ? thread : 0;
}

static __always_inline struct offcpu_thread *find_thread(struct task_struct *task)
{
	struct stored_thread *stored;

	if (!has_task_storage)
		return find_by_number(task);
	stored = bpf_task_storage_get(&thread_storage, task, 0, 0);
	return stored ? &stored->thread : 0;
}

/* The waits by which the thread is known; 0: on this kernel it is by none. */
static __always_inline struct known_wait *known_waits(struct offcpu_thread *thread)
{
	return has_task_storage && waits_can_be_known() ? ((struct stored_thread *)thread)->known
							: 0;
}

static __always_inline struct offcpu_thread *make_by_number(struct task_struct *task)
{
	struct offcpu_thread *empty, *thread;
	u32 tid = task->pid, zero = 0;

	empty = bpf_map_lookup_elem(&new_thread, &zero);
	if (!empty || bpf_map_update_elem(&threads_by_number, &tid, empty, BPF_ANY))
		return 0;
	thread = bpf_map_lookup_elem(&threads_by_number, &tid);
	if (thread)
		thread->started = task->start_time;
	return thread;
}

/*
 * Memory for a thread's storage is never asked for in on_switch() and on_wakeup(): before 6.4 it
 * comes from kmalloc(), which may wake kswapd and want the lock that is held there. So threads get
 * theirs when they are forked, and those that were there before from the iterator.
 */
static __always_inline struct offcpu_thread *make_thread(struct task_struct *task)
{
	struct offcpu_thread *thread;
	struct stored_thread *stored;
	struct offcpu_counts *c;

	if (has_task_storage) {
		stored = bpf_task_storage_get(&thread_storage, task, 0,
					      BPF_LOCAL_STORAGE_GET_F_CREATE);
		thread = stored ? &stored->thread : 0;
	} else
		thread = make_by_number(task);
	c = thread ? 0 : current_counts();
	if (c)
		c->unknown++;
	return thread;
}

/* --- sums --- */

/* The end of a wait is no reason to wake user space, unless the ring fills up. */
static __always_inline u64 wakeup_flags(void)
{
	return bpf_ringbuf_query(&stacks, BPF_RB_AVAIL_DATA) >= ring_high ? BPF_RB_FORCE_WAKEUP
									  : BPF_RB_NO_WAKEUP;
}

/* Of another hash that needs the room, the one that holds the least time. */
static __always_inline struct sum *choose_sum(struct sum_set *set, u64 hash)
{
	struct sum *least = &set->ways[0];

#pragma unroll
	for (u32 i = 0; i < SUM_WAYS; i++) {
		if (set->ways[i].hash == hash)
			return &set->ways[i];
		if (set->ways[i].ns < least->ns)
			least = &set->ways[i];
	}
	return least;
}

static __always_inline void add(u64 hash, u64 ns)
{
	u32 key = bpf_get_smp_processor_id() * SUM_SETS + (u32)(hash >> 32) % SUM_SETS;
	struct sum_record out = { .kind = RECORD_SUM };
	struct sum_set *set = bpf_map_lookup_elem(&sums, &key);
	struct sum *sum;

	if (!set)
		return;
	sum = choose_sum(set, hash);
	if (sum->hash != hash) {
		out.sum = *sum;
		/* What was in it is lost, and counted as such, when there is no room for it. */
		if (out.sum.hash &&
		    bpf_ringbuf_output(&stacks, &out, sizeof(out), wakeup_flags())) {
			__sync_fetch_and_add(&lost_waits, out.sum.count);
			__sync_fetch_and_add(&lost_ns, out.sum.ns);
		}
		sum->hash = hash;
		sum->ns = 0;
		sum->count = 0;
	}
	sum->ns += ns;
	sum->count++;
}

/* --- what user space was told of --- */

static __always_inline struct told_hashes *told_set(u64 hash)
{
	u32 key = bpf_get_smp_processor_id() * TOLD_HASH_SETS + (u32)(hash >> 32) % TOLD_HASH_SETS;

	return bpf_map_lookup_elem(&told, &key);
}

static __always_inline bool is_told(const struct told_hashes *set, u64 hash)
{
	bool found = false;

#pragma unroll
	for (u32 i = 0; i < TOLD_HASH_WAYS; i++)
		found |= set->ways[i] == hash;
	return found;
}

static __always_inline void remember_told(struct told_hashes *set, u64 hash)
{
	/* Bits that did not choose the set. */
	set->ways[(hash >> 4) % TOLD_HASH_WAYS] = hash;
}

/* Another library may be where one was that the process has closed: the same addresses in another
 * generation of its mappings are another stack. */
static __always_inline u64 seed_of(const struct stack_record *record, const struct walk *walk)
{
	u64 seed = record->head.process ^ record->head.tid;

	return record->head.user_words && record->head.walk_end != WALK_UNCHECKED
		       ? hash_mix(seed, walk->space.generation)
		       : seed;
}

/*
 * The stack in this CPU's record and walk: its hash, of which user space knows afterwards; 0: it
 * could not be told. A walk that is deferred has a hash that no other stack will ever have.
 */
static __always_inline u64 tell_stack(struct task_struct *task, struct stack_record *record,
				      struct walk *walk)
{
	u64 seed = seed_of(record, walk), hash;
	struct told_hashes *set;

	if (record->head.walk_end == WALK_DEFERRED) {
		hash = HASH_STACK(hash_mix(seed, bpf_ktime_get_ns()));
		return defer(task, record, walk, hash) ? hash : 0;
	}
	hash = HASH_STACK(hash_record(seed, RECORD_OF_EVENT));
	set = told_set(hash);
	if (!set)
		return 0;
	if (is_told(set, hash))
		return hash;
	record->head.hash = hash;
	record->head.evicted.count = 0;
	if (!send_stack(task, record, walk))
		return 0;
	remember_told(set, hash);
	return hash;
}

/* Of the current task. A function of its own, which the verifier goes through once rather than from
 * each end of a walk. */
__noinline u64 tell_current(void)
{
	struct stack_record *record = current_record();
	struct walk *walk = current_walk();

	return record && walk ? tell_stack(current_task(), record, walk) : 0;
}

/* --- stacks --- */

/* The record of a thread without a stack; false: nobody asked about it. */
static __always_inline bool begin_thread(struct task_struct *task, struct stack_record *record)
{
	u64 mm;

	record->head.pid = task->tgid;
	record->head.tid = task->pid;
	if (target_mode != TARGET_ALL) {
		identify(task, &record->head.who);
		if (!is_target(&record->head.who, record->head.pid))
			return false;
	}
	mm = begin_record(task, record);
	record->head.process = process_number(task, record->head.pid, mm);
	return true;
}

static __always_inline void get_kernel_stack(void *ctx, struct stack_record *record, u64 above)
{
	long size = bpf_get_stack(ctx, record->frames, STACK_FRAMES_MAX * sizeof(u64),
				  above & BPF_F_SKIP_FIELD_MASK);

	record->head.kernel_frames = size > 0 ? size / sizeof(u64) : 0;
}

static __always_inline bool begins_at(const struct stack_record *record, enum entry entry)
{
	return record->head.kernel_frames && record->frames[0] >= entry_start[entry] &&
	       record->frames[0] < entry_end[entry];
}

/* The kernel's part, from the entry on. */
static __always_inline void walk_from(void *ctx, struct stack_record *record, enum entry entry)
{
	u32 above = frames_above[entry];

	get_kernel_stack(ctx, record, above ? above - 1 : 0);
	if (!entry_start[entry] || begins_at(record, entry))
		return;
	/* The first stack finds out for all others, which have as many, until somebody else looks
	 * at the same tracepoint and the kernel calls us by way of a list. */
	if (above)
		get_kernel_stack(ctx, record, 0);
	above = 0;
#pragma unroll
	for (u32 i = 0; i < FRAMES_ABOVE_MAX; i++)
		if (!above && record->frames[i] >= entry_start[entry] &&
		    record->frames[i] < entry_end[entry])
			above = i + 1;
	if (!above)
		return;
	frames_above[entry] = above;
	get_kernel_stack(ctx, record, above - 1);
}

/* Of the current task, in a record that was begun. */
static __always_inline void walk_current(void *ctx, struct task_struct *task,
					 struct stack_record *record, struct walk *walk,
					 enum entry entry)
{
	walk_from(ctx, record, entry);
	if (!is_kernel_thread(task))
		walk_user(ctx, task, record, walk, registers_of_task());
}

/* Of the current task, whose wait would be known at that place. A function of its own, as
 * tell_current(). */
__noinline int learn_current(u32 place, u64 hash)
{
	struct stack_record *record = current_record();
	struct wait_scratch *scratch = current_scratch();
	struct task_struct *task = current_task();
	struct walk *walk = current_walk();
	struct offcpu_thread *thread;
	struct known_wait *known;

	if (!has_task_storage || !waits_can_be_known() || !record || !scratch || !walk)
		return 0;
	thread = find_thread(task);
	known = thread ? known_waits(thread) : 0;
	if (known)
		learn_wait(task, scratch, record, walk, known + (place & (WAITS_KNOWN - 1)), hash);
	return 0;
}

/* Where a wait counts whose stack could not be told. */
static __always_inline u64 lost_wait(const struct offcpu_thread *thread,
				     const struct stack_record *record)
{
	if (thread->running && thread->process == record->head.process)
		return thread->running ^ HASH_LOST;
	return HASH_NOBODY;
}

/* The hash of the stack at which the current task leaves its CPU. Where it is preempted is nowhere
 * twice. */
static __always_inline u64 tell_wait(void *ctx, struct task_struct *task,
				     struct offcpu_thread *thread, struct stack_record *record,
				     struct walk *walk, bool preempted)
{
	struct known_wait *known = preempted ? 0 : known_waits(thread);
	struct wait_scratch *scratch = current_scratch();
	u32 place = 0;
	u64 hash;

	if (known && scratch && find_stack(task, ctx, &scratch->now)) {
		place = place_of_wait(task, &scratch->now);
		known += place;
		if (is_same_wait(task, scratch, record, known))
			return known->hash;
	} else {
		known = 0;
	}
	walk_current(ctx, task, record, walk, ENTRY_SWITCH);
	hash = tell_current();
	if (!hash)
		return lost_wait(thread, record);
	if (known && begins_at(record, ENTRY_SWITCH))
		learn_current(place, hash);
	return hash;
}

/* --- intervals --- */

static __always_inline void add_interval(u64 hash, u64 since, u64 now)
{
	u64 ns = now > since ? now - since : 0;
	struct offcpu_counts *c;

	if (!is_counted(HASH_STATE(hash)))
		return;
	if (ns >= threshold || HASH_STATE(hash) == LEDGER_RUNNING) {
		add(hash, ns);
		return;
	}
	c = current_counts();
	if (c) {
		c->skipped++;
		c->skipped_ns += ns;
	}
}

static __always_inline void begin_interval(struct offcpu_thread *thread, u64 hash,
					   enum ledger_state state, u64 now)
{
	thread->hash = hash ? hash | state : 0;
	thread->since = now;
}

static __always_inline bool counts_throttled(void)
{
	return states & (1U << LEDGER_RUNNABLE | 1U << LEDGER_THROTTLED);
}

/* A wait for a CPU; the thread is on its run queue. */
static __always_inline void begin_wait(struct task_struct *task, struct offcpu_thread *thread,
				       u64 hash, u64 now)
{
	struct throttle throttle = { 0 };
	enum ledger_state state = LEDGER_RUNNABLE;

	if (hash && counts_throttled()) {
		if (!throttles_by_thread(task))
			throttle = read_throttle(queue_of(task, -1));
		if (is_throttled(task, &throttle))
			state = LEDGER_THROTTLED;
		thread->throttled = throttle.clock;
	}
	begin_interval(thread, hash, state, now);
}

/* The part of it in which the thread's cgroup was throttled counts as that. */
static __always_inline void end_wait(struct task_struct *task, struct offcpu_thread *thread,
				     u64 now)
{
	u64 hash = HASH_STACK(thread->hash), gained;

	if (throttles_by_thread(task) || !counts_throttled()) {
		add_interval(thread->hash, thread->since, now);
		return;
	}
	gained = read_throttle(queue_of(task, -1)).clock - thread->throttled;
	if (gained > now - thread->since)
		gained = HASH_STATE(thread->hash) == LEDGER_THROTTLED ? now - thread->since : 0;
	if (gained)
		add_interval(hash | LEDGER_THROTTLED, now - gained, now);
	if (gained < now - thread->since)
		add_interval(hash | LEDGER_RUNNABLE, thread->since, now - gained);
}

/* Of a waiting thread and the stack that ends it. */
static __always_inline u64 tell_pair(u64 waited, u64 waker)
{
	struct pair_record out = { .kind = RECORD_PAIR, .waited = HASH_STACK(waited) };
	struct told_hashes *set;

	out.waker = waker;
	out.hash = HASH_STACK(hash_mix(out.waited, waker));
	set = told_set(out.hash);
	if (!set)
		return 0;
	if (is_told(set, out.hash))
		return out.hash;
	if (bpf_ringbuf_output(&stacks, &out, sizeof(out), wakeup_flags())) {
		__sync_fetch_and_add(&lost_ring_full, 1);
		return 0;
	}
	remember_told(set, out.hash);
	return out.hash;
}

/* --- the thread that leaves its CPU --- */

/* It may have begun another program, or have moved to another cgroup. */
static __always_inline void tell_thread(struct task_struct *task, struct offcpu_thread *thread,
					struct stack_record *record, struct walk *walk)
{
	if (thread->running && thread->process == record->head.process)
		return;
	thread->running = tell_stack(task, record, walk);
	thread->process = record->head.process;
}

static __always_inline void forget_thread(struct task_struct *task)
{
	u32 tid = task->pid;

	if (!has_task_storage)
		bpf_map_delete_elem(&threads_by_number, &tid);
}

static __always_inline void leave(void *ctx, struct task_struct *task, bool preempted, u64 now)
{
	u32 state = preempted ? 0 : task_state(task), wanted;
	struct offcpu_thread *thread = find_thread(task);
	struct stack_record *record = current_record();
	struct walk *walk = current_walk();
	enum ledger_state next;
	u64 hash;

	if (!thread || !record || !walk)
		return;
	/* Another state than running is of an event that nobody told us of. */
	if (thread->hash && thread->running)
		add_interval(thread->running | LEDGER_RUNNING, thread->since, now);
	begin_interval(thread, 0, LEDGER_RUNNING, now);
	if (state & TASK_DEAD) {
		forget_thread(task);
		return;
	}
	next = state ? what_blocks(task, state) : LEDGER_RUNNABLE;
	wanted = 1U << (next & HASH_STATE_MASK) | 1U << LEDGER_RUNNABLE | 1U << LEDGER_THROTTLED |
		 1U << LEDGER_RUNNING;
	if (!(states & wanted))
		return;
	if (!begin_thread(task, record)) {
		thread->running = 0;
		return;
	}
	if (is_counted(LEDGER_RUNNING))
		tell_thread(task, thread, record, walk);
	hash = tell_wait(ctx, task, thread, record, walk, preempted);
	if (next == LEDGER_RUNNABLE)
		begin_wait(task, thread, hash, now);
	else
		begin_interval(thread, hash, next, now);
}

static __always_inline void enter(struct task_struct *task, u64 now)
{
	struct offcpu_thread *thread = find_thread(task);

	if (!thread)
		return;
	if (thread->hash && HASH_STATE(thread->hash) < LEDGER_BLOCKED_FIRST)
		end_wait(task, thread, now);
	else if (thread->hash)
		add_interval(thread->hash, thread->since, now);
	begin_interval(thread, is_counted(LEDGER_RUNNING) ? thread->running : 0, LEDGER_RUNNING,
		       now);
}

/* __schedule() in kernel/sched/core.c; `prev` is still the current task. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempted, struct task_struct *prev, struct task_struct *next)
{
	u64 now;

	if (stopped_at)
		return 0;
	now = clock_of(prev, bpf_get_smp_processor_id(), true);
	if (next->pid)
		enter(next, now);
	if (prev->pid)
		leave(ctx, prev, preempted, now);
	return 0;
}

/* --- the thread that is woken --- */

/* Of a waker's stack, below try_to_wake_up(): handlers do not go deeper before they wake. */
#define HANDLER_FRAMES_MAX 24

/* Does the handler of an interrupt, or of what one left to do, stand on the stack? Then the task
 * under it has nothing to do with the wake-up. A function of its own for its loop. */
__noinline int is_interrupt(void)
{
	struct stack_record *record = current_record();

	if (!record)
		return 0;
	for (u32 i = 0; i < HANDLER_FRAMES_MAX && i < record->head.kernel_frames; i++)
		for (u32 j = 0; j < HANDLERS; j++)
			if (record->frames[i] >= handler_start[j] &&
			    record->frames[i] < handler_end[j])
				return 1;
	return 0;
}

static __always_inline bool is_blocked(const struct offcpu_thread *thread)
{
	return thread->hash && HASH_STATE(thread->hash) >= LEDGER_BLOCKED_FIRST;
}

/* The waker's part: try_to_wake_up() where the waker is, before the thread is on a run queue. */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct offcpu_thread *thread = find_thread(task);
	struct task_struct *waker = current_task();
	struct stack_record *record = current_record();
	struct walk *walk = current_walk();
	u64 seed;

	if (stopped_at || !thread || !record || !walk || !is_blocked(thread) ||
	    !is_counted(HASH_STATE(thread->hash)) || bpf_ktime_get_ns() - thread->since < threshold)
		return 0;
	record->head.pid = bpf_get_current_pid_tgid() >> 32;
	record->head.tid = (u32)bpf_get_current_pid_tgid();
	seed = begin_record(waker, record);
	record->head.process = process_number(waker, record->head.pid, seed);
	walk_from(ctx, record, ENTRY_WAKING);
	if (!record->head.tid || is_interrupt()) {
		thread->waker = WAKER_INTERRUPT;
		return 0;
	}
	if (seed)
		walk_user(ctx, waker, record, walk, registers_of_task());
	thread->waker = tell_current();
	return 0;
}

/* ttwu_do_wakeup() in kernel/sched/core.c: it is on a run queue now. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct offcpu_thread *thread = find_thread(task);
	u64 now, waker, pair, hash;

	if (stopped_at || !thread)
		return 0;
	waker = thread->waker;
	thread->waker = 0;
	if (!is_blocked(thread))
		return 0;
	now = clock_of(task, cpu_of(task), false);
	hash = thread->hash;
	pair = with_wakers && waker ? tell_pair(hash, waker) : 0;
	add_interval(pair ? pair | HASH_STATE(hash) : hash, thread->since, now);
	begin_wait(task, thread, HASH_STACK(hash), now);
	return 0;
}

/* --- threads that begin --- */

/* copy_process() in kernel/fork.c; no lock of the scheduler is held. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	make_thread(child);
	return 0;
}

/* wake_up_new_task() in kernel/sched/core.c. It waits for its first turn, at no stack of its own.
 */
SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_new, struct task_struct *task)
{
	struct offcpu_thread *thread = find_thread(task);
	struct stack_record *record = current_record();
	struct walk *walk = current_walk();

	if (stopped_at || !thread || !record || !walk || !begin_thread(task, record))
		return 0;
	tell_thread(task, thread, record, walk);
	begin_wait(task, thread, thread->running, clock_of(task, cpu_of(task), false));
	return 0;
}

/* --- threads that were there before, and those whose interval is open --- */

/*
 * Makes the threads' memory. What they wait for counts from now on, at the kernel stack that they
 * have; the user's part can only be walked by a thread itself.
 */
SEC("iter/task")
int meet_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct stack_record *record = record_at(RECORD_OF_ITERATOR);
	struct offcpu_thread *thread;
	struct walk *walk = current_walk();
	enum ledger_state now_in;
	u32 state;
	long size;

	if (!task || !task->pid || !record || !walk)
		return 0;
	thread = make_thread(task);
	if (!thread || thread->since || !begin_thread(task, record))
		return 0;
	state = task_state(task);
	record->head.hash = HASH_STACK(
		hash_record(record->head.process ^ record->head.tid, RECORD_OF_ITERATOR));
	if (!send_stack(task, record, walk))
		return 0;
	thread->running = record->head.hash;
	thread->process = record->head.process;
	if (task->on_cpu) {
		if (!thread->since && is_counted(LEDGER_RUNNING))
			begin_interval(thread, thread->running, LEDGER_RUNNING, bpf_ktime_get_ns());
		return 0;
	}
	now_in = state ? what_blocks(task, state) : LEDGER_RUNNABLE;
	if (!(states & (1U << (now_in & HASH_STATE_MASK) | 1U << LEDGER_RUNNABLE)))
		return 0;
	size = bpf_get_task_stack(task, record->frames, STACK_FRAMES_MAX * sizeof(u64), 0);
	if (size > 0)
		record->head.kernel_frames = size / sizeof(u64);
	if (!is_kernel_thread(task))
		record->head.flags = RECORD_BEGAN_EARLIER;
	record->head.hash = HASH_STACK(
		hash_record(record->head.process ^ record->head.tid, RECORD_OF_ITERATOR));
	if (!send_stack(task, record, walk))
		return 0;
	/* An event that came meanwhile knows better. */
	if (!thread->since)
		begin_interval(thread, record->head.hash, now_in, bpf_ktime_get_ns());
	return 0;
}

SEC("iter/task")
int list_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct offcpu_thread *thread;
	struct open_record out = {};
	struct known_wait *known;

	if (!task)
		return 0;
	thread = find_thread(task);
	if (!thread)
		return 0;
	known = known_waits(thread);
#pragma unroll
	for (u32 i = 0; i < WAITS_KNOWN; i++)
		out.known[i] = known ? known[i].hash : 0;
	out.hash = thread->hash;
	out.running = thread->running;
	if (stopped_at > thread->since)
		out.ns = stopped_at - thread->since;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}
