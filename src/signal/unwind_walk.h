/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a stack that the kernel sent along, by the kernel's own algorithm (bpf/unwind_step.h): the
 * memory is what was sent, mappings and tables are those that the kernel has by now.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_WALK_H
#define PLIMSOLL_SIGNAL_UNWIND_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "signal/unwind_spaces.h"
#include "signal/unwind_tables.h"

/* Tables mapped at a time. */
#define WALK_VIEWS 16

/* The words of one table. */
struct walk_view {
	uint32_t number; /* 0: unused */
	uint32_t *words;
	uint64_t first, n; /* of the words, in their pool */
};

struct unwind_walker {
	struct unwind_spaces *spaces;
	struct unwind_tables *tables;
	/* Of the space that was walked last. */
	const struct space *space;
	bool final;
	struct unwind_mapping *mappings;
	uint32_t *numbers;
	size_t nmappings;
	struct walk_view views[WALK_VIEWS];
	size_t next_view;
};

struct walked {
	enum walk_end end;
	uint32_t table; /* WALK_DEFERRED: number of the one that is missing, 0: not known */
	uint64_t lost;	/* WALK_NO_MAPPING: the address that is in none */
	size_t nwords;
	uint64_t words[STACK_FRAMES_MAX]; /* as in bpf/stack.h */
};

void walker_init(struct unwind_walker *walker, struct unwind_spaces *spaces,
		 struct unwind_tables *tables);
void walker_destroy(struct unwind_walker *walker);

/* `final`: what is missing is taken for missing for ever, and walked by frame pointers. */
void walker_walk(struct unwind_walker *walker, const struct unwind_registers *registers,
		 const uint8_t *stack, size_t stack_size, const struct space *space, bool final,
		 int64_t now, struct walked *out);
/* Tables and mappings may change after this: what was kept for the next walk is let go. */
void walker_rest(struct unwind_walker *walker, int64_t now);

#endif
