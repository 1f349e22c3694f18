/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which functions of interpreted programs user space has heard of. Their names stand in the memory
 * of the process and go with it, so a stack with one that is new is worth a wake-up; all others can
 * wait until the ring fills.
 */
#ifndef PLIMSOLL_BPF_INTERPRETED_BPF_H
#define PLIMSOLL_BPF_INTERPRETED_BPF_H

#include "hash.h"
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

/* Does an interpreted frame stand at this word, of a function that was not told of? */
__noinline int is_new_code(u32 i)
{
	struct walk *walk = current_walk();
	u64 hash;

	if (!walk || i >= USER_WORDS_MAX - 1 || !FRAME_IS_INTERPRETED(walk->words[i]))
		return 0;
	hash = hash_mix(walk->space_key, walk->words[i]);
	hash = hash_mix(hash, FRAME_POSITION_CODE(walk->words[i + 1]));
	return !tell_code(hash);
}

/* Is there a function in the words of the walk that user space has not heard of? Called when they
 * are about to be sent. Loops in each other, hence functions: the verifier goes through the inner
 * ones once. A second word that happens to look like a first costs a wake-up, no more. */
__noinline int brings_new_code(void)
{
	struct walk *walk = current_walk();
	int is_new = 0;

	if (!walk)
		return 0;
	for (u32 i = 0; i + 1 < USER_WORDS_MAX; i++) {
		if (i + 1 >= walk->nwords)
			break;
		is_new |= is_new_code(i);
	}
	return is_new;
}

#endif
