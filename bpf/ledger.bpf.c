/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ledger: where the time of threads goes, told by the scheduler's tracepoints. A thread's
 * account holds the state that it is in and since when; each event closes one interval and opens
 * the next. What the sums, cuts and phases are stands in ledger.h, what the states mean in
 * docs/ledger.md.
 *
 *     fork --> account     wakeup_new --> runnable --switch in--> running --switch out--.
 *                                             ^                                         |
 *                                             '-- wakeup -- blocked, idle <-------------'
 *
 * All events of one thread happen under its run queue's lock, with interrupts off: an account has
 * one writer at a time, and a CPU's row of sums belongs to one program at a time. The iterator
 * writes fields and a row of its own.
 */
#include "ledger.h"
#include "blame.bpf.h"
#include "blocked.bpf.h"
#include "identity.bpf.h"
#include "kernel.h"
#include "runqueue.bpf.h"
#include "throttle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Task storage for tracing programs came with 5.12; before, accounts are found by number. */
const volatile bool has_task_storage = true;
/* Threads keep sums of their own, and the iterator writes all of them. */
const volatile bool keep_threads = false;
const volatile __u32 slots = LEDGER_SLOTS_MAX; /* entries of a row */
const volatile __u32 rows = 1;		       /* possible CPUs, and one for the iterator */

/* Set by user space; read once an event, after the clock was. */
volatile __u64 cut;
__u64 previous_cut; /* 0: the iterator goes round for the first time */

__u64 without_slot; /* threads' changes of cgroups that found no slot */
__u64 missing; /* times that the iterator met a thread without account, and could not make one */

#define TASK_NEW 0x0800 /* include/linux/sched.h; forked and not yet woken */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct ledger_thread);
} accounts SEC(".maps");

/* By thread number, of all PID namespaces. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before load */
	__type(key, u32);
	__type(value, struct ledger_thread);
} accounts_by_number SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEDGER_SLOTS_MAX); /* set before load */
	__type(key, struct identity);
	__type(value, u32);
} ledger_slots SEC(".maps");

/* Whose slot it is, for user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEDGER_SLOTS_MAX); /* set before load */
	__type(key, u32);
	__type(value, struct identity);
} slot_owners SEC(".maps");

/* Slots that are nobody's; user space puts them in. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LEDGER_SLOTS_MAX); /* set before load */
	__type(value, u32);
} free_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* rows * slots, set before load */
	__type(key, u32);
	__type(value, struct ledger_sums);
} ledger_sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEDGER_SLOTS_MAX); /* set before load */
	__type(key, u32);
	__type(value, struct ledger_blocks);
} ledger_blocks SEC(".maps");

/* What the iterator is about to write; it is run by one reader at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct ledger_dump);
} dumps SEC(".maps");

/* What an event knows of when and where it is. */
struct moment {
	u64 now;
	u64 cut;
	u32 row;
};

/* Of an event of `task`, on the run queue of `cpu`. */
static __always_inline struct moment this_moment(struct task_struct *task, u32 cpu, bool is_switch)
{
	struct moment at = { .row = bpf_get_smp_processor_id() };

	/* In this order: a cut that lies in the future when it is made is then never missed. */
	at.now = clock_of(task, cpu, is_switch);
	at.cut = cut;
	return at;
}

/* --- accounts --- */

static __always_inline struct ledger_thread *find_account(struct task_struct *task)
{
	struct ledger_thread *account;
	u32 tid;

	if (has_task_storage)
		return bpf_task_storage_get(&accounts, task, 0, 0);
	tid = task->pid;
	account = bpf_map_lookup_elem(&accounts_by_number, &tid);
	return account && account->started == task->start_time ? account : 0;
}

/* Not from under the scheduler's locks: memory may have to be allocated. */
static __always_inline struct ledger_thread *make_account(struct task_struct *task)
{
	struct ledger_thread *account, empty = { .started = task->start_time };
	u32 tid;

	if (has_task_storage) {
		account = bpf_task_storage_get(&accounts, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (account)
			account->started = task->start_time;
		return account;
	}
	tid = task->pid;
	account = find_account(task);
	if (account)
		return account;
	bpf_map_update_elem(&accounts_by_number, &tid, &empty, BPF_ANY);
	return bpf_map_lookup_elem(&accounts_by_number, &tid);
}

static __always_inline void forget_account(struct task_struct *task)
{
	u32 tid = task->pid;

	if (!has_task_storage)
		bpf_map_delete_elem(&accounts_by_number, &tid);
}

/* --- slots --- */

static __always_inline u32 take_slot(const struct identity *who)
{
	struct identity *owner;
	u32 slot, *found;

	if (bpf_map_pop_elem(&free_slots, &slot)) {
		__sync_fetch_and_add(&without_slot, 1);
		return LEDGER_SLOT_NONE;
	}
	if (!bpf_map_update_elem(&ledger_slots, who, &slot, BPF_NOEXIST)) {
		owner = bpf_map_lookup_elem(&slot_owners, &slot);
		if (owner)
			*owner = *who;
		return slot;
	}
	/* Another CPU was faster. */
	bpf_map_push_elem(&free_slots, &slot, 0);
	found = bpf_map_lookup_elem(&ledger_slots, who);
	return found ? *found : LEDGER_SLOT_NONE;
}

static __always_inline u32 find_slot(struct task_struct *task)
{
	struct identity who;
	u32 *found;

	if (is_kernel_thread(task))
		return LEDGER_SLOT_KERNEL;
	identify(task, &who);
	found = bpf_map_lookup_elem(&ledger_slots, &who);
	return found ? *found : take_slot(&who);
}

/*
 * The slot of a thread's cgroups; the account remembers it. Asked before an interval is charged:
 * a thread that was moved while it slept may have left a cgroup that is gone since, and whose slot
 * is another's.
 */
static __always_inline u32 slot_of(struct task_struct *task, struct ledger_thread *account)
{
	u64 cgroups = (u64)task->cgroups;

	if (account->cgroups == cgroups)
		return account->slot;
	account->slot = find_slot(task);
	account->cgroups = cgroups;
	return account->slot;
}

/* The same, for who may not write the account. */
static __always_inline u32 present_slot(struct task_struct *task,
					const struct ledger_thread *account)
{
	return account->cgroups == (u64)task->cgroups ? account->slot : find_slot(task);
}

/* --- sums --- */

static __always_inline struct ledger_sums *sums_of(u32 row, u32 slot)
{
	u32 key = row * slots + slot;

	return bpf_map_lookup_elem(&ledger_sums, &key);
}

/* Number of the power of two above it, as LEDGER_BUCKETS are counted. */
static __always_inline u32 bucket_of(u64 ns)
{
	u32 bucket = 0;

#pragma unroll
	for (u32 step = 32; step; step /= 2) {
		if (ns >> step) {
			ns >>= step;
			bucket += step;
		}
	}
	bucket += ns; /* 0 or 1 is left */
	return bucket < LEDGER_BUCKETS ? bucket : LEDGER_BUCKETS - 1;
}

static __always_inline void add_time(struct ledger_sums *sums, u64 phase, u32 state, u64 from,
				     u64 to)
{
	if (state < LEDGER_SUMS && from < to)
		sums->ns[phase & 1][state] += to - from;
}

/* The interval that was open at a cut, after which no iterator came by: it missed the thread, or
 * the thread is about to die. */
static __always_inline void settle_crossed(struct ledger_thread *account, u32 row)
{
	u64 crossed = account->crossed, cut = account->crossed_cut, since = LEDGER_SINCE(crossed);
	struct ledger_sums *sums = sums_of(row, account->crossed_slot);

	account->crossed = 0;
	if (since < account->counted)
		since = account->counted;
	if (sums)
		add_time(sums, !LEDGER_CUT_PHASE(cut), LEDGER_STATE(crossed), since,
			 LEDGER_CUT_TIME(cut));
}

/*
 * From `from` to `to` the thread was in this state. What of it is before the cut is left to the
 * iterator, unless that has been there.
 */
static __always_inline void charge(struct ledger_thread *account, struct ledger_sums *sums,
				   const struct moment *at, u32 state, u64 from, u64 to)
{
	u64 time = LEDGER_CUT_TIME(at->cut), phase = LEDGER_CUT_PHASE(at->cut);

	if (keep_threads && state < LEDGER_STATES && from < to)
		account->ns[state] += to - from;
	if (from < account->counted)
		from = account->counted;
	if (from < time && time <= to) {
		if (account->crossed)
			settle_crossed(account, at->row);
		account->crossed_slot = account->slot;
		account->crossed_cut = at->cut;
		account->crossed = LEDGER_INTERVAL(state, from);
		from = time;
	}
	add_time(sums, from < time ? !phase : phase, state, from, to);
}

static __always_inline void add_block(u32 slot, u32 state, u64 ns)
{
	struct ledger_blocks *blocks = bpf_map_lookup_elem(&ledger_blocks, &slot);
	u32 which = state - LEDGER_BLOCKED_FIRST;

	if (blocks && which < LEDGER_BLOCKED)
		__sync_fetch_and_add(&blocks->count[which][bucket_of(ns)], 1);
}

/* --- intervals --- */

static __always_inline u32 state_of(const struct ledger_thread *account)
{
	return LEDGER_STATE(account->interval);
}

static __always_inline bool is_waiting(u32 state)
{
	return state == LEDGER_RUNNABLE || state == LEDGER_THROTTLED;
}

/* Clocks of two CPUs differ a little: an interval does not end before it began. */
static __always_inline struct moment not_before(const struct ledger_thread *account,
						struct moment at)
{
	if (at.now < LEDGER_SINCE(account->interval))
		at.now = LEDGER_SINCE(account->interval);
	return at;
}

/* The last thing that an event does to an account: from here on the iterator sees the new one. */
static __always_inline void open_interval(struct ledger_thread *account, u32 state, u64 now)
{
	account->interval = LEDGER_INTERVAL(state, now);
}

/* Ready to run on `cpu`; `moves`: it is not on that one's run queue yet. */
static __always_inline void open_wait(struct task_struct *task, struct ledger_thread *account,
				      u32 cpu, bool moves, u64 now)
{
	struct throttle throttle = { 0 };

	if (!throttles_by_thread(task) || is_throttled(task, &throttle))
		throttle = read_throttle(queue_of(task, moves ? (s32)cpu : -1));
	account->throttled = throttle.clock;
	account->cpu = cpu;
	open_interval(account, is_throttled(task, &throttle) ? LEDGER_THROTTLED : LEDGER_RUNNABLE,
		      now);
}

/* How much of an open wait was throttled; it was at its beginning if it began so, else at its end.
 */
static __always_inline u64 throttled_part(struct task_struct *task,
					  const struct ledger_thread *account, u64 now)
{
	u64 length = now - LEDGER_SINCE(account->interval), part;
	bool began_throttled = state_of(account) == LEDGER_THROTTLED;
	struct throttle throttle;

	if (now < LEDGER_SINCE(account->interval))
		return 0;
	if (!began_throttled && throttles_by_thread(task))
		return 0;
	throttle = read_throttle(queue_of(task, -1));
	part = throttle.clock > account->throttled ? throttle.clock - account->throttled : 0;
	/* A queue that the thread came to later has a clock that says nothing of it. An idle CPU's
	 * stands still. */
	if (began_throttled && (!part || throttle.is_on))
		return length;
	if (!began_throttled && task->prio < MAX_RT_PRIO)
		return 0;
	return part < length ? part : length;
}

/* What an open interval turned out to have been: in one state until `middle`, then in another. */
struct course {
	u32 first, second;
	u64 middle;
};

static __always_inline void close_interval(struct ledger_thread *account, struct ledger_sums *sums,
					   const struct moment *at, const struct course *course)
{
	charge(account, sums, at, course->first, LEDGER_SINCE(account->interval), course->middle);
	if (course->middle < at->now)
		charge(account, sums, at, course->second, course->middle, at->now);
}

/* Of a wait for a CPU, or the part of it on this one; `runnable`: for how long it was that. */
static __always_inline struct course course_of_wait(struct task_struct *task,
						    const struct ledger_thread *account, u64 now,
						    u64 *runnable)
{
	u64 since = LEDGER_SINCE(account->interval), throttled = throttled_part(task, account, now);
	struct course course = { LEDGER_RUNNABLE, LEDGER_THROTTLED, now - throttled };
	u64 begin = since, end = course.middle;

	if (throttled && state_of(account) == LEDGER_THROTTLED) {
		course = (struct course){ LEDGER_THROTTLED, LEDGER_RUNNABLE, since + throttled };
		begin = course.middle;
		end = now;
	}
	blame_waited(account->slot, account->cpu, begin, end);
	*runnable = end > begin ? end - begin : 0;
	return course;
}

/* blame_waited() where it is seldom called: once for the verifier, and out of the others' way. */
static __noinline int blame_waited_unseen(u32 victim, u32 cpu, u64 begin, u64 end)
{
	blame_waited(victim, cpu, begin, end);
	return 0;
}

/*
 * Events were not seen: the thread is on a CPU, and its account has it elsewhere, or the other way
 * round. How long it ran the kernel counts, too. Before it ran it was where it was seen last; what
 * it did after it ran nobody knows.
 */
static __always_inline struct course course_astray(struct task_struct *task,
						   const struct ledger_thread *account, u64 now)
{
	u64 since = LEDGER_SINCE(account->interval), ran = task->se.sum_exec_runtime - account->ran;
	u32 state = state_of(account);

	if (now < since)
		ran = 0;
	else if (ran > now - since)
		ran = now - since;
	if (state == LEDGER_RUNNING)
		return (struct course){ LEDGER_RUNNING, LEDGER_UNACCOUNTED, since + ran };
	if (state == LEDGER_RUNNABLE)
		blame_waited_unseen(account->slot, account->cpu, since, now - ran);
	return (struct course){ state, LEDGER_RUNNING, now - ran };
}

static __always_inline u64 later(u64 a, u64 b)
{
	return a > b ? a : b;
}

/* User and system time since the thread left a CPU last. Most turns are over before the tick that
 * the kernel counts these by. */
static __always_inline void add_times(struct task_struct *task, struct ledger_thread *account,
				      struct ledger_sums *sums, const struct moment *at)
{
	u64 phase = LEDGER_CUT_PHASE(at->cut), utime = task->utime, stime = task->stime;

	if (utime == account->utime && stime == account->stime)
		return;
	if (at->now < LEDGER_CUT_TIME(at->cut))
		phase = !phase;
	sums->user_ns[phase & 1] += utime - later(account->utime, account->counted_utime);
	sums->kernel_ns[phase & 1] += stime - later(account->stime, account->counted_stime);
	account->utime = utime;
	account->stime = stime;
}

/* --- events --- */

/* A thread leaves its CPU for ever. */
static __always_inline void on_death(struct task_struct *task, struct ledger_thread *account,
				     struct ledger_sums *sums, const struct moment *at)
{
	account->interval = 0;
	sums->ended++;
	if (account->crossed)
		settle_crossed(account, at->row);
	forget_account(task);
}

static __always_inline void on_switch_out(struct task_struct *task, bool preempt, struct moment at)
{
	struct ledger_thread *account = find_account(task);
	struct course course = { LEDGER_RUNNING, LEDGER_RUNNING, 0 };
	u32 state = preempt ? 0 : task_state(task);
	struct ledger_sums *sums;

	if (!account || !account->interval)
		return;
	at = not_before(account, at);
	sums = sums_of(at.row, slot_of(task, account));
	if (!sums)
		return;
	if (state_of(account) == LEDGER_RUNNING) {
		course.middle = at.now;
		add_times(task, account, sums, &at);
	} else {
		course = course_astray(task, account, at.now);
		sums->astray++;
	}
	close_interval(account, sums, &at, &course);
	account->ran = task->se.sum_exec_runtime;
	if (state)
		sums->voluntary++;
	else
		sums->involuntary++;
	if (state & TASK_DEAD) {
		on_death(task, account, sums, &at);
		return;
	}
	if (state) {
		open_interval(account, what_blocks(task, state), at.now);
	} else {
		account->waited = 0;
		open_wait(task, account, at.row, false, at.now);
	}
}

static __always_inline u32 on_switch_in(struct task_struct *task, struct moment at)
{
	struct ledger_thread *account = find_account(task);
	struct ledger_sums *sums;
	struct course course;
	u64 waited;

	/* Those that were not born by fork have no account, but they are to blame. */
	if (!account || !account->interval)
		return find_slot(task);
	at = not_before(account, at);
	sums = sums_of(at.row, slot_of(task, account));
	if (!sums)
		return account->slot;
	if (is_waiting(state_of(account))) {
		course = course_of_wait(task, account, at.now, &waited);
		sums->waits[bucket_of(account->waited + waited)]++;
	} else {
		course = course_astray(task, account, at.now);
		sums->astray++;
	}
	close_interval(account, sums, &at, &course);
	account->cpu = at.row;
	open_interval(account, LEDGER_RUNNING, at.now);
	return account->slot;
}

/* __schedule() in kernel/sched/core.c. The idle task is number 0 on every CPU. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct moment at = this_moment(prev, bpf_get_smp_processor_id(), true);
	u32 slot = LEDGER_SLOT_IDLE;

	if (prev->pid)
		on_switch_out(prev, preempt, at);
	if (next->pid)
		slot = on_switch_in(next, at);
	blame_runs(at.row, slot, at.now);
	return 0;
}

/* ttwu_do_wakeup() in kernel/sched/core.c: the thread is on its new run queue by now. Woken before
 * it has even left its CPU, it goes on running, and nothing happens. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct moment at = this_moment(task, cpu_of(task), false);
	struct ledger_thread *account = find_account(task);
	struct ledger_sums *sums;
	u32 state;
	u64 since;

	if (!account || !account->interval)
		return 0;
	state = state_of(account);
	if (state == LEDGER_RUNNING || is_waiting(state))
		return 0;
	at = not_before(account, at);
	sums = sums_of(at.row, slot_of(task, account));
	if (!sums)
		return 0;
	since = LEDGER_SINCE(account->interval);
	charge(account, sums, &at, state, since, at.now);
	add_block(account->slot, state, at.now - since);
	sums->wakeups++;
	account->waited = 0;
	open_wait(task, account, cpu_of(task), false, at.now);
	return 0;
}

/* kernel_clone() in kernel/fork.c, before the child is woken; no lock is held. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	make_account(child);
	return 0;
}

/* wake_up_new_task() in kernel/sched/core.c */
SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_birth, struct task_struct *task)
{
	struct moment at = this_moment(task, cpu_of(task), false);
	struct ledger_thread *account = find_account(task);
	struct ledger_sums *sums;

	if (!account || account->interval)
		return 0;
	sums = sums_of(at.row, slot_of(task, account));
	if (!sums)
		return 0;
	sums->began++;
	open_wait(task, account, cpu_of(task), false, at.now);
	return 0;
}

/* set_task_cpu() in kernel/sched/core.c; the thread is still on its old run queue. */
SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migrate, struct task_struct *task, int cpu)
{
	struct moment at = this_moment(task, cpu_of(task), false);
	struct ledger_thread *account = find_account(task);
	struct ledger_sums *sums;
	struct course course;
	u64 waited;

	if (!account || !account->interval)
		return 0;
	sums = sums_of(at.row, slot_of(task, account));
	if (!sums)
		return 0;
	sums->migrations++;
	if (!is_waiting(state_of(account)))
		return 0;
	at = not_before(account, at);
	course = course_of_wait(task, account, at.now, &waited);
	close_interval(account, sums, &at, &course);
	account->waited += waited;
	open_wait(task, account, cpu, true, at.now);
	return 0;
}

/* --- the iterator --- */

/*
 * __schedule() in kernel/sched/core.c writes down whom it puts on the CPU, then comes the
 * tracepoint, then the CPU goes over to it, and only then is `on_cpu` another one. Who believed
 * `on_cpu` would miss that the tracepoint is over, and take who has left for running till it is
 * back.
 */
static __always_inline bool has_cpu(struct task_struct *task)
{
	struct cfs_rq *queue = queue_of(task, -1);

	if (!queue)
		return bpf_core_field_exists(task->on_cpu) && task->on_cpu;
	return BPF_CORE_READ(queue, rq, curr) == task;
}

static __always_inline u32 present_state(struct task_struct *task)
{
	u32 state = task_state(task);

	if (has_cpu(task))
		return LEDGER_RUNNING;
	return state ? what_blocks(task, state) : LEDGER_RUNNABLE;
}

/*
 * A thread that was there before us. Events leave an account alone that has no interval; one that
 * happens while we look is not lost: the state is looked at again once the interval is open.
 */
static __always_inline void begin_account(struct task_struct *task, struct ledger_thread *account,
					  u64 since)
{
	u32 state = present_state(task);
	u64 interval = LEDGER_INTERVAL(state, since);

	slot_of(task, account);
	account->utime = task->utime;
	account->stime = task->stime;
	account->ran = task->se.sum_exec_runtime;
	account->cpu = cpu_of(task);
	account->throttled = read_throttle(queue_of(task, -1)).clock;
	account->interval = interval;
	state = present_state(task);
	if (account->interval == interval)
		account->interval = LEDGER_INTERVAL(state, since);
	if (state == LEDGER_RUNNING)
		blame_found(account->cpu, account->slot, since);
}

/* `piece` was open at the cut: its part before that goes to the sums. */
static __always_inline void collect_piece(struct ledger_thread *account, u32 slot, u32 state,
					  u64 since, u64 until, u64 cut)
{
	struct ledger_sums *sums = sums_of(rows - 1, slot);

	if (since < account->counted)
		since = account->counted;
	if (sums)
		add_time(sums, !LEDGER_CUT_PHASE(cut), state, since, until);
}

static __always_inline void collect_times(struct task_struct *task, struct ledger_thread *account,
					  u32 slot, u64 cut)
{
	struct ledger_sums *sums = sums_of(rows - 1, slot);
	u64 phase = !LEDGER_CUT_PHASE(cut), utime = task->utime, stime = task->stime;

	if (!sums)
		return;
	sums->user_ns[phase & 1] += utime - later(account->utime, account->counted_utime);
	sums->kernel_ns[phase & 1] += stime - later(account->stime, account->counted_stime);
	account->counted_utime = utime;
	account->counted_stime = stime;
}

/* What of the thread was open at the cut. */
static __always_inline void collect_open(struct task_struct *task, struct ledger_thread *account,
					 u32 slot, u64 cut, u64 throttled, u64 now)
{
	u64 time = LEDGER_CUT_TIME(cut), interval = account->interval;
	u64 since = LEDGER_SINCE(interval), crossed, middle;
	u32 state = LEDGER_STATE(interval);

	if (!interval || account->counted >= time)
		return;
	if (since >= time) {
		crossed = account->crossed;
		/* Of the cut before: settled by the thread's next event. */
		if (!crossed || account->crossed_cut != cut)
			return;
		collect_piece(account, account->crossed_slot, LEDGER_STATE(crossed),
			      LEDGER_SINCE(crossed), time, cut);
		account->counted = time;
		return;
	}
	if (state == LEDGER_RUNNING)
		collect_times(task, account, slot, cut);
	if (!throttled) {
		collect_piece(account, slot, is_waiting(state) ? LEDGER_RUNNABLE : state, since,
			      time, cut);
	} else if (state == LEDGER_THROTTLED) {
		middle = since + throttled < time ? since + throttled : time;
		collect_piece(account, slot, LEDGER_THROTTLED, since, middle, cut);
		collect_piece(account, slot, LEDGER_RUNNABLE, middle, time, cut);
	} else {
		middle = now - throttled < time ? now - throttled : time;
		collect_piece(account, slot, LEDGER_RUNNABLE, since, middle, cut);
		collect_piece(account, slot, LEDGER_THROTTLED, middle, time, cut);
	}
	account->counted = time;
}

/* A thread without account, or whose account was only made now: nobody saw what it did. */
static __always_inline void collect_unseen(struct task_struct *task, u32 slot, u64 cut)
{
	u64 since = later(LEDGER_CUT_TIME(previous_cut), task->start_time);
	struct ledger_sums *sums = sums_of(rows - 1, slot);

	if (!sums)
		return;
	sums->astray++;
	add_time(sums, !LEDGER_CUT_PHASE(cut), LEDGER_UNACCOUNTED, since, LEDGER_CUT_TIME(cut));
}

static __always_inline void write_dump(struct seq_file *seq, struct task_struct *task,
				       const struct ledger_thread *account, u32 slot, u64 throttled,
				       u64 now)
{
	struct ledger_dump *dump;
	u32 zero = 0;

	dump = bpf_map_lookup_elem(&dumps, &zero);
	if (!dump)
		return;
	dump->now = now;
	dump->pid = task->tgid;
	dump->tid = task->pid;
	bpf_core_read(dump->thread, sizeof(dump->thread), &task->comm);
	BPF_CORE_READ_INTO(&dump->comm, task, group_leader, comm);
	dump->utime = task->utime;
	dump->stime = task->stime;
	dump->account = *account;
	dump->account.throttled = throttled;
	dump->account.slot = slot;
	bpf_seq_write(seq, dump, sizeof(*dump));
}

/* When the buffer is full the kernel calls again for the same thread; nothing is then counted
 * twice, since `counted` says so. */
SEC("iter/task")
int collect(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct ledger_thread *account;
	u64 now, at = cut, throttled = 0;
	u32 slot;

	if (!task || task->exit_state || task_state(task) == TASK_NEW)
		return 0;
	account = find_account(task);
	if (!account || !account->interval) {
		account = make_account(task);
		if (!account) {
			__sync_fetch_and_add(&missing, 1);
			collect_unseen(task, find_slot(task), at);
			return 0;
		}
		begin_account(task, account, LEDGER_CUT_TIME(at));
		if (previous_cut)
			collect_unseen(task, account->slot, at);
		return 0;
	}
	slot = present_slot(task, account);
	now = bpf_ktime_get_ns();
	if (is_waiting(state_of(account)))
		throttled = throttled_part(task, account, now);
	collect_open(task, account, slot, at, throttled, now);
	if (keep_threads || is_waiting(state_of(account)))
		write_dump(context->meta->seq, task, account, slot, throttled, now);
	return 0;
}
