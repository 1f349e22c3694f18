/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which functions of interpreted programs user space has heard of. Their names stand in the memory
 * of the process and go with it, so a stack with one that is new is worth a wake-up; all others can
 * wait until the ring fills.
 */
#ifndef PLIMSOLL_BPF_INTERPRETED_BPF_H
#define PLIMSOLL_BPF_INTERPRETED_BPF_H

#include "kernel.h"
#include "walk.bpf.h"

/* A cache: what is forgotten is told of again. 128 KiB; a large Python service runs some thousand
 * functions. */
#define TOLD_WAYS 8
#define TOLD_SETS 2048
struct told_set {
	u64 codes[TOLD_WAYS]; /* a hash of process, code object and its identity */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLD_SETS);
	__type(key, u32);
	__type(value, struct told_set);
} told_code SEC(".maps");

/* Was it there? It is afterwards. */
__noinline int tell_code(u64 hash)
{
	u32 key = (u32)(hash >> 32) % TOLD_SETS;
	struct told_set *set = bpf_map_lookup_elem(&told_code, &key);

	if (!set)
		return 1;
	for (u32 i = 0; i < TOLD_WAYS; i++)
		if (set->codes[i] == hash)
			return 1;
	set->codes[hash % TOLD_WAYS] = hash;
	return 0;
}

/* Is there a function in the words of the walk that user space has not heard of? Called when they
 * are about to be sent. Two loops in each other, hence two functions: the verifier goes through the
 * inner one once. */
__noinline int brings_new_code(void)
{
	struct walk *walk = current_walk();
	int is_new = 0;
	u64 hash;

	if (!walk)
		return 0;
	for (u32 i = 0; i + 1 < USER_WORDS_MAX; i++) {
		if (i + 1 >= walk->nwords)
			break;
		if (!FRAME_IS_INTERPRETED(walk->words[i]))
			continue;
		hash = (walk->words[i] ^ walk->space_key) * 0x9e3779b97f4a7c15ULL;
		hash = (hash ^ hash >> 29 ^ FRAME_POSITION_CODE(walk->words[i + 1])) *
		       0x9e3779b97f4a7c15ULL;
		if (!tell_code(hash))
			is_new = 1;
		i++;
	}
	return is_new;
}

#endif
