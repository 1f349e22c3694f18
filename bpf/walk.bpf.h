/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk of a user stack while it is under way: one a CPU. What steps from frame to frame
 * (unwind.bpf.h) and what reads an interpreter's frames (one *.bpf.h a language) work on it and
 * append to its words.
 *
 * Functions that are neither inlined nor static are verified once and on their own; before Linux
 * 5.13 they take no pointers, so each of them gets at the walk by current_walk().
 */
#ifndef PLIMSOLL_BPF_WALK_BPF_H
#define PLIMSOLL_BPF_WALK_BPF_H

#include "interpreter.h"
#include "kernel.h"
#include "stack.h"
#include "unwind.h"
#include "unwind_step.h"

#define INTERPRETER_STATE_WORDS 8

/* Words that a walk notes, and the bytes from where it begins that they lie in. */
#define WALK_READS_MAX	32
#define WALK_READS_SPAN 4096

/* Rules of return addresses that this CPU met lately, a power of two. Most frames of most samples
 * are in it, and two searches are saved. */
#define REMEMBERED_RULES 1024
struct remembered_rule {
	u64 address;
	u32 generation; /* of the space; see struct unwind_space */
	u32 rule;
};

/* Where the leaf of this CPU's last walk was: the next one of the process is likely to be in the
 * same file, and two more searches are saved. */
struct remembered_place {
	u32 generation; /* of the space; 0: none */
	u32 reserved;
	struct unwind_mapping mapping;
	struct unwind_table table; /* the mapping's, if it has one */
};

struct walk {
	/* First what every walk uses: a sample finds the caches cold, and what it costs is the
	 * number of lines and pages that it touches. */
	struct unwind_state at; /* the frame that was reached */
	u64 space_key;
	struct unwind_space space;
	u32 nframes; /* native frames passed, stored or not */
	u32 nwords;
	u32 rule; /* by which it was reached from the one before */
	u32 end;  /* enum walk_end; WALK_GOES_ON: under way */
	struct remembered_place place;
	struct unwind_registers leaf; /* what the walk began with */
	u64 words[USER_WORDS_MAX];
	struct remembered_rule remembered[REMEMBERED_RULES];
	struct interpreter interpreter; /* of the process, if space.language */
	/* The language's own, from frame to frame; zero when a walk begins. */
	u64 interpreter_state[INTERPRETER_STATE_WORDS];
	u64 deferred_at;      /* when this CPU last sent a stack along, ns of bpf_ktime_get_ns() */
	u32 stale_generation; /* of the last space whose mappings did not have an address */
	/* If notes_reads: the words of the stack that this walk read, counted from leaf.sp. */
	u32 nreads;	     /* WALK_READS_MAX + 1: there were more */
	u32 reads_end;	     /* bytes up to the last of them */
	u32 reads_elsewhere; /* it read something else, too */
	u16 reads[WALK_READS_MAX];
};

/* Walks never nest on a CPU: perf refuses recursion of the same context, and BPF programs of
 * a CPU exclude each other by bpf_prog_active. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct walk);
} walks SEC(".maps");

static __always_inline struct walk *current_walk(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&walks, &zero);
}

/* Appends a word; one that finds no room is left out. */
static __always_inline void put_word(struct walk *walk, u64 word)
{
	u32 n = walk->nwords;

	if (n < USER_WORDS_MAX) {
		walk->words[n] = word;
		walk->nwords = n + 1;
	}
}

#endif
