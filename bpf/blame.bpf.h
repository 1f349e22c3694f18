/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blame: the time that a thread waited for a CPU is charged to those that had it meanwhile.
 *
 * Each CPU remembers who was put on it and when, blame.h has the picture. When a wait is over, its
 * CPU's runs are gone through backwards, from now to where the wait began. As a rule that is one
 * step, to the neighbour that has just left. It may be a thousand, on a CPU that a thousand
 * containers share; so there is an allowance, which grows with what the CPU did in between, and
 * what it does not suffice for is charged by drawing moments of the wait by lot: the sums stay
 * exact, and each container's part is right on average.
 */
#ifndef PLIMSOLL_BPF_BLAME_BPF_H
#define PLIMSOLL_BPF_BLAME_BPF_H

#include "blame.h"
#include "hash.h"
#include "kernel.h"
#include "ledger.h"

/* A step costs some 50 ns, nearly all of it the look-up of the sum. One in 4 us is a hundredth of
 * the CPU's time. */
#define BLAME_STEPS_LEAST 8
#define BLAME_STEP_SHIFT  12
#define BLAME_BLOCK	  32 /* steps that one call goes at most */
/* Moments that are drawn, one of each quarter of what is left. */
#define BLAME_DRAWS 4

/* ns of waiting for which nobody could be blamed. */
__u64 blame_forgotten; /* it began before what the CPU remembers */
__u64 blame_no_room;   /* ledger_blame was full */

/* The ledger's beginning and end, set by user space: only waiting in between is charged. Until
 * there is a beginning nothing is. */
volatile __u64 blame_since = ~0ULL, blame_until = ~0ULL;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEDGER_BLAME_MAX);
	__type(key, struct ledger_blame_key);
	__type(value, u64); /* ns */
} ledger_blame SEC(".maps");

/* These are not per-CPU maps: a wait also ends when another CPU takes the thread away. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BLAME_SETS); /* times the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct blame_debts);
} blame_debts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct blame_ring);
} blame_rings SEC(".maps");

/* At every switch, for whoever is put on the CPU, the idle task included. */
static __always_inline void blame_runs(u32 cpu, u32 slot, u64 now)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);

	if (!ring || (ring->now.slot == slot && ring->now.since))
		return;
	if (ring->now.since) {
		ring->runs[ring->closed & (BLAME_RUNS - 1)] = ring->now;
		ring->closed++;
	}
	ring->now.since = now;
	ring->now.slot = slot;
}

/*
 * At the beginning, for a thread that is on `cpu` and was put on it before anybody looked. That CPU
 * may put another one on in the same moment: then this one is taken for the other, for one run.
 */
static __always_inline void blame_found(u32 cpu, u32 slot, u64 now)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);

	if (!ring || (ring->now.since && ring->now.slot != LEDGER_SLOT_NONE))
		return;
	ring->now.slot = slot;
	if (!ring->now.since)
		ring->now.since = now;
}

/* In the sums of the CPU, if they have room. */
static __always_inline bool blame_charge_cpu(u32 victim, u32 culprit, u32 cpu, u64 ns)
{
	u64 pair = BLAME_PAIR(victim, culprit);
	u32 key = cpu * BLAME_SETS + (u32)(hash_mix(0, pair) >> 32) % BLAME_SETS;
	struct blame_debts *set = bpf_map_lookup_elem(&blame_debts, &key);

	if (!set)
		return false;
#pragma unroll
	for (u32 i = 0; i < BLAME_WAYS; i++) {
		if (!set->ways[i].pair)
			set->ways[i].pair = pair;
		if (set->ways[i].pair == pair) {
			set->ways[i].ns += ns;
			return true;
		}
	}
	return false;
}

static __noinline int blame_charge_map(u32 victim, u32 culprit, u32 cpu, u64 ns)
{
	struct ledger_blame_key key = { .victim = victim, .culprit = culprit, .cpu = cpu };
	u64 *sum = bpf_map_lookup_elem(&ledger_blame, &key), none = 0;

	if (!sum) {
		/* Another CPU may be faster: then the sum is there all the same. */
		bpf_map_update_elem(&ledger_blame, &key, &none, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&ledger_blame, &key);
	}
	__sync_fetch_and_add(sum ? sum : &blame_no_room, ns);
	return 0;
}

static __always_inline void blame_charge(u32 victim, u32 culprit, u32 cpu, u64 ns)
{
	if (!blame_charge_cpu(victim, culprit, cpu, ns))
		blame_charge_map(victim, culprit, cpu, ns);
}

/*
 * Run number `at`, as far as it overlaps with [begin, end). Returns when it began. What loops do
 * stands in functions of their own, so that the verifier goes through it once.
 */
__noinline u64 blame_step(u32 victim, u32 cpu, u64 at, u64 begin, u64 end)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);
	struct blame_run *run;
	u64 since;

	if (!ring)
		return 0;
	run = &ring->runs[at & (BLAME_RUNS - 1)];
	since = run->since;
	if (since < begin)
		blame_charge(victim, run->slot, cpu, end - begin);
	else if (since < end)
		blame_charge(victim, run->slot, cpu, end - since);
	return since;
}

/*
 * The runs before number `at`, `until` and later, but no more than a block of them, as far as they
 * overlap with [begin, end). Returns the number of the last one. The verifier goes through each
 * turn of a loop, so a block is a function of its own.
 */
__noinline u64 blame_block(u64 victim_and_cpu, u64 at, u64 until, u64 begin, u64 end)
{
	u64 since;

	for (u32 i = 0; i < BLAME_BLOCK && at > until && end > begin; i++) {
		at--;
		since = blame_step(victim_and_cpu >> 32, (u32)victim_and_cpu, at, begin, end);
		if (since < end)
			end = since;
	}
	return at;
}

/* 1: run number `at` exists, is not older than `first`, and began after `moment`. */
__noinline u64 blame_began_after(u32 cpu, u64 at, u64 first, u64 moment)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);

	return ring && (s64)(at - first) >= 0 && ring->runs[at & (BLAME_RUNS - 1)].since > moment;
}

/* `ns` to who had the CPU at `moment`, which is before the end of run number `last`. */
__noinline int blame_drawn(u32 victim, u32 cpu, u64 last, u64 moment, u64 ns)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);
	u64 first, later = 0;

	if (!ring)
		return 0;
	first = ring->closed > BLAME_RUNS ? ring->closed - BLAME_RUNS : 0;
	/* How many of the last ones began later? Without branches, for the verifier's sake. */
	for (u32 step = BLAME_RUNS / 2; step; step /= 2)
		later += step * blame_began_after(cpu, last - (later + step - 1), first, moment);
	if (last - later + 1 <= first || blame_began_after(cpu, last - later, first, moment))
		__sync_fetch_and_add(&blame_forgotten, ns);
	else
		blame_charge(victim, ring->runs[(last - later) & (BLAME_RUNS - 1)].slot, cpu, ns);
	return 0;
}

/* [begin, end) of a wait that the allowance did not suffice for; run number `last` ends there. */
__noinline int blame_draw(u32 victim, u32 cpu, u64 last, u64 begin, u64 end)
{
	u64 part = (end - begin) / BLAME_DRAWS, random, until = begin;

	for (u32 i = 0; i < BLAME_DRAWS; i++) {
		random = (u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
		begin = until;
		until = i + 1 < BLAME_DRAWS ? begin + part : end;
		if (begin < until)
			blame_drawn(victim, cpu, last, begin + random % (until - begin),
				    until - begin);
	}
	return 0;
}

/* The wait has seen more than the run that is going on. */
__noinline int blame_walk(u32 victim, u32 cpu, u64 begin, u64 end)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);
	u64 at, first, until, since, steps = BLAME_STEPS_LEAST;

	if (!ring)
		return 0;
	at = ring->closed;
	first = at > BLAME_RUNS ? at - BLAME_RUNS : 0;
	since = ring->now.since;
	if (since < end) {
		steps += (end - since) >> BLAME_STEP_SHIFT;
		blame_charge(victim, ring->now.slot, cpu, end - since);
		end = since;
	}
	until = at - first > steps ? at - steps : first;
	for (u32 i = 0; i < BLAME_RUNS / BLAME_BLOCK && at > until && end > begin; i++) {
		at = blame_block((u64)victim << 32 | cpu, at, until, begin, end);
		since = ring->runs[at & (BLAME_RUNS - 1)].since;
		if (since < end)
			end = since;
	}
	if (end <= begin)
		return 0;
	if (at > first)
		blame_draw(victim, cpu, at - 1, begin, end);
	else
		__sync_fetch_and_add(&blame_forgotten, end - begin);
	return 0;
}

/*
 * A thread of slot `victim` was runnable on `cpu` from `begin` to `end`, and is put on it now, or
 * taken to another CPU. There the scheduler holds the lock of the run queue that is left
 * (set_task_cpu()), so the ring stands still.
 */
static __always_inline void blame_waited(u32 victim, u32 cpu, u64 begin, u64 end)
{
	struct blame_ring *ring = bpf_map_lookup_elem(&blame_rings, &cpu);
	u64 since = blame_since, until = blame_until;

	if (begin < since)
		begin = since;
	if (end > until)
		end = until;
	if (!ring || begin >= end)
		return;
	if (!ring->now.since)
		__sync_fetch_and_add(&blame_forgotten, end - begin);
	else if (ring->now.since <= begin)
		blame_charge(victim, ring->now.slot, cpu, end - begin);
	else
		blame_walk(victim, cpu, begin, end);
}

#endif
