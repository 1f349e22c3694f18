/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What live.c gathers and name.c reads; nobody else includes this.
 *
 *     profile's mapping number --bindings--> where its names come from
 */
#ifndef PLIMSOLL_SYMBOL_STATE_H
#define PLIMSOLL_SYMBOL_STATE_H

#include "symbol/jit.h"
#include "symbol/jvm.h"
#include "symbol/language.h"
#include "symbol/modules.h"
#include "symbol/object.h"
#include "symbol/space.h"
#include "symbol/symbol.h"

enum source_kind {
	SOURCE_NONE, /* the mapping is not ours, or two sources share it: stays unnamed */
	SOURCE_OBJECT,
	SOURCE_OBJECT_BY_OFFSET, /* addresses are offsets: the file was not open at that time */
	SOURCE_JIT,
	SOURCE_VDSO,
	SOURCE_KERNEL,
};

struct binding {
	enum source_kind kind;
	union {
		struct object *object;
		struct jit *jit;
		char module[64]; /* "" for the kernel itself */
	};
};

struct symbols {
	char *kallsyms, *proc, *debug_root;
	struct objects objects;
	struct processes processes;
	struct jits jits;
	struct modules modules;
	bool debuginfod;   /* debug files are fetched */
	struct jvms *jvms; /* NULL: they are not asked */
	unsigned jvm_warnings;
	struct languages *languages;
	/* Processes whose memory changed, until symbols_next_change() has told of them. */
	pid_t *changed;
	size_t nchanged, changed_capacity;
	/* Spaces that symbols_hold_space() gave out. */
	struct space **held;
	size_t nheld, held_capacity;
	int64_t next_room; /* ms: what is full is not swept again before */
	uint64_t processes_missed;

	/* Of the profile that is being filled. */
	const struct profile *profile;
	uint32_t epoch;		  /* counts profiles; what was cached for an older one is void */
	struct binding *bindings; /* by mapping number */
	size_t nbindings, bindings_capacity;
	uint32_t kernel_mapping, unknown_location; /* 0: not made yet */
	struct {
		uint64_t start; /* of the module; 0: not made yet */
		uint32_t mapping;
	} last_module;
};

/* live_jvm.c: a sampled process has mapped libjvm.so; once a second. */
void symbols_meet_jvm(struct symbols *s, struct process *process);
void symbols_tick_jvms(struct symbols *s);

/* Forgets what belongs to the profile filled until now. */
void symbols_next_profile(struct symbols *s, const struct profile *p);
/* It is named: closes what only it needed. */
void symbols_end_profile(struct symbols *s);

#endif
