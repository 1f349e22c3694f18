/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user half of bpf/stacks.bpf.h, for every signal that has stacks: takes in what the kernel
 * tells of them, while the processes live, and keeps what each hash means.
 *
 *     ring `stacks` --> stacks_on_record() --> meanings[]: hash -> stack, who
 *                              '--> unwinder --> the same, a little later
 *     counts of a hash --> stacks_find() --> stacks_labels() --> profile_add()
 */
#ifndef PLIMSOLL_SIGNAL_STACKS_H
#define PLIMSOLL_SIGNAL_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "profile/profile.h"
#include "signal/signal.h"

struct bpf_map;
struct stacks;

/* What a hash stands for. */
struct meaning {
	uint64_t hash;
	struct identity who;
	uint32_t pid, tid;
	uint32_t stack;	  /* of the profile, as the next two */
	uint32_t thread;  /* string */
	uint32_t comm;	  /* string */
	uint8_t walk_end; /* enum walk_end */
	bool in_kernel;	  /* the leaf is the kernel's */
	bool in_use;	  /* marked since the last sweep, or told of since */
};

struct stacks_options {
	const struct signal_options *signal; /* outlives the stacks */
	/* A deferred sample without a hash has been walked. */
	void (*on_single)(void *context, const struct meaning *meaning);
	void *context;
};

struct stacks *stacks_new(const struct stacks_options *options);
void stacks_free(struct stacks *s);

/*
 * --- the BPF object, between its open and its load ---
 *
 * The maps and settings of bpf/stacks.bpf.h by the names they have there.
 */
struct stacks_maps {
	struct bpf_map *stacks, *deferred, *known_processes;
	struct bpf_map *target_cgroups, *target_pids;
	struct bpf_map *unwind_spaces, *unwind_mappings, *unwind_tables, *unwind_rules;
	struct bpf_map *unwind_pools, *interpreters;
};
struct stacks_settings {
	volatile uint64_t *hash_seed, *ring_high;
	volatile uint32_t *v1_controller, *target_mode;
	volatile bool *walk_by_tables;
};
#define STACKS_MAPS(bpf)                                                        \
	(struct stacks_maps)                                                    \
	{                                                                       \
		.stacks = (bpf)->maps.stacks, .deferred = (bpf)->maps.deferred, \
		.known_processes = (bpf)->maps.known_processes,                 \
		.target_cgroups = (bpf)->maps.target_cgroups,                   \
		.target_pids = (bpf)->maps.target_pids,                         \
		.unwind_spaces = (bpf)->maps.unwind_spaces,                     \
		.unwind_mappings = (bpf)->maps.unwind_mappings,                 \
		.unwind_tables = (bpf)->maps.unwind_tables,                     \
		.unwind_rules = (bpf)->maps.unwind_rules,                       \
		.unwind_pools = (bpf)->maps.unwind_pools,                       \
		.interpreters = (bpf)->maps.interpreters,                       \
	}
#define STACKS_SETTINGS(bpf)                                                         \
	(struct stacks_settings)                                                     \
	{                                                                            \
		.hash_seed = (volatile uint64_t *)&(bpf)->rodata->hash_seed,         \
		.ring_high = (volatile uint64_t *)&(bpf)->rodata->ring_high,         \
		.v1_controller = (volatile uint32_t *)&(bpf)->rodata->v1_controller, \
		.target_mode = (volatile uint32_t *)&(bpf)->rodata->target_mode,     \
		.walk_by_tables = (volatile bool *)&(bpf)->rodata->walk_by_tables,   \
	}
/* 0 or negative errno. */
int stacks_prepare(struct stacks *s, const struct stacks_maps *maps,
		   const struct stacks_settings *settings, int possible_cpus);
/* After the load. 0 or negative errno. */
int stacks_map_known(struct stacks *s, const struct stacks_maps *maps);

/* --- records and what they mean --- */

/* Takes in a record if it is one of bpf/stacks.h; false: its kind is the signal's own. */
bool stacks_on_record(struct stacks *s, const void *data, size_t size);
/* Valid until the next call of stacks_*(), but for labels and counts. NULL: not told of. */
const struct meaning *stacks_find(struct stacks *s, uint64_t hash);

/* Labels of a sample: container, pod, thread and so on. Returns how many. */
#define STACKS_LABELS_MAX 12
size_t stacks_labels(struct stacks *s, const struct meaning *m,
		     struct label labels[STACKS_LABELS_MAX]);
const struct container *stacks_container(struct stacks *s, const struct meaning *m);
/* So many samples of the profile came from this stack: for stacks_note(). */
void stacks_count(struct stacks *s, const struct meaning *m, uint64_t count);

/*
 * Forgetting what the kernel does not speak of any more, when more than `enough` is remembered. A
 * count may still be on its way when nothing in the kernel holds its hash, so a meaning goes only
 * when two sweeps in a row, with the ring emptied in between, did not find it.
 */
bool stacks_are_many(const struct stacks *s, size_t enough);
void stacks_mark(struct stacks *s, uint64_t hash);
void stacks_sweep(struct stacks *s);

/* The recording is over: waits for tables and walks what is deferred still. */
void stacks_finish(struct stacks *s);
/* Puts into the profile's notes how the walks went. */
void stacks_note(struct stacks *s);
uint64_t stacks_lost(const struct stacks *s); /* found no room in the profile */

/* Memory of an array map that is BPF_F_MMAPABLE. 0 or negative errno. */
int stacks_mmap(const struct bpf_map *map, size_t bytes, int protection, void **out);

#endif
