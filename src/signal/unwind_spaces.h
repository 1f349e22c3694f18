/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process has what mapped where, as the kernel's walker reads it.
 *
 *     process --> range --> [first, n) of the mappings --> tables
 *                   ^
 *     its children -'    share it until one of them maps something
 *
 * A process whose mappings change gets a new range, filled before the process is led to it; the old
 * one rests before it is filled again. Only the number of a mapping's table is stored in place,
 * when the table that was pending is there.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_SPACES_H
#define PLIMSOLL_SIGNAL_UNWIND_SPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "signal/unwind_maps.h"
#include "signal/unwind_room.h"
#include "signal/unwind_tables.h"
#include "symbol/space.h"
#include "symbol/symbol.h"

struct range {
	struct space *space; /* whose `range` leads here; NULL: free */
	uint32_t first, n;
	uint32_t references; /* processes */
	struct interpreter interpreter;
};

/* A process that the kernel was told of. */
struct told {
	uint64_t key; /* 0: free */
	uint32_t range;
};

struct unwind_spaces {
	struct unwind_maps *maps;
	struct unwind_tables *tables;
	uint64_t vdso_base; /* address in the image of its first byte */
	bool has_vdso;
	uint32_t *table_of; /* by mapping: number of its table */
	struct room room;
	struct range *ranges; /* by number; 0: none, 1: of those that found no room */
	size_t nranges, ranges_capacity, free_ranges;
	struct told *told;
	size_t ntold, told_capacity;
	size_t living; /* of told */
	struct index by_pid;
	uint32_t generation;
	struct {
		uint64_t published, no_room;
	} stats;
};

/* The identity of the vDSO's table. */
#define VDSO_ID "[vdso]"

void spaces_init(struct unwind_spaces *spaces, struct unwind_maps *maps,
		 struct unwind_tables *tables);
void spaces_destroy(struct unwind_spaces *spaces);

/* Tells the kernel what the process has mapped now, or that it is gone. `now` in ms. */
void spaces_on_change(struct unwind_spaces *spaces, const struct space_change *change, int64_t now);
/* A table is ready, or never will be: the mappings of it say so from now on. */
void spaces_on_table(struct unwind_spaces *spaces, uint32_t number);
/* Drops processes of which the symbols have forgotten. Called about once a second. */
void spaces_tick(struct unwind_spaces *spaces, struct symbols *symbols, int64_t now);

/*
 * For walks in user space: the mappings as the kernel has them, or would have them. At most
 * UNWIND_SPACE_MAX; numbers[i] is that of mapping i's table, which this does not use
 * (tables_use()). *incomplete: files were missing that may be opened yet.
 */
size_t spaces_describe(struct unwind_spaces *spaces, const struct space *space, int64_t now,
		       struct unwind_mapping *mappings, uint32_t *numbers, bool *incomplete);

#endif
