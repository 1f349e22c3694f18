/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that the kernel has, is to get, or cannot have: one a build ID, shared by all
 * mappings of all processes. Its number is known from the first mapping on; it is built when a walk
 * comes to it for the first time, for of a hundred libraries that a process maps its stacks touch
 * five.
 *
 *     SEEN --a walk needs it--> WANTED --builder--> BUILDING --> READY    in a pool
 *                                                           \--> NONE     no tables in that file
 *                                                            \-> REFUSED  corrupt, too large
 *
 * One without users stays for a while, since programs that are started once are started again;
 * when there is no room for another, the one that was not used for longest goes.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_TABLES_H
#define PLIMSOLL_SIGNAL_UNWIND_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "signal/unwind_maps.h"
#include "signal/unwind_pools.h"
#include "signal/unwind_rules.h"
#include "symbol/elf.h"
#include "symbol/unwind_table.h"

/* So long does a table stay that nobody uses. */
#define TABLE_UNUSED_MS 60000

enum table_state {
	TABLE_FREE, /* no such number */
	TABLE_SEEN,
	TABLE_WANTED,
	TABLE_BUILDING,
	TABLE_READY,
	TABLE_NONE,
	TABLE_REFUSED,
};

struct table {
	uint8_t id[ELF_ID_MAX]; /* build ID or fingerprint */
	uint8_t id_size;
	uint8_t state;	/* enum table_state */
	uint32_t users; /* mappings */
	uint32_t need;	/* walks that wait for it */
	int64_t used;	/* ms: when it got its last user, or lost it */
	/* When ready: */
	struct pool_place place;
	uint16_t *rules; /* numbers of the rules that it holds */
	uint32_t nrules;
};

struct unwind_tables {
	struct unwind_maps *maps;
	struct unwind_pools pools;
	struct unwind_rules rules;
	struct room numbers;
	struct table *all; /* by number, UNWIND_TABLES_MAX of them */
	struct index by_id;
	uint32_t wanted; /* how many are WANTED */
	uint32_t highest;
	struct {
		uint64_t built, none, refused, no_room;
		uint64_t rows, bytes, functions_refused, rows_unsupported;
		uint64_t build_ns, build_ns_max;
	} stats;
};

void tables_init(struct unwind_tables *tables, struct unwind_maps *maps);
void tables_destroy(struct unwind_tables *tables);

/* The table of a file, new or known; UNWIND_TABLE_NONE when there are too many. Valid for as long
 * as it has users, or until the next call of this. */
uint32_t tables_get(struct unwind_tables *tables, const uint8_t *id, size_t id_size, int64_t now);
void tables_use(struct unwind_tables *tables, uint32_t number, int64_t now);
void tables_release(struct unwind_tables *tables, uint32_t number, int64_t now);

/* What a mapping of it has to say: its number, or UNWIND_TABLE_PENDING, UNWIND_TABLE_NONE. */
uint32_t tables_word(const struct unwind_tables *tables, uint32_t number);

/* A walk cannot go on without it. */
void tables_want(struct unwind_tables *tables, uint32_t number);
/* The one that most walks wait for becomes BUILDING; 0: none is wanted. */
uint32_t tables_next_wanted(struct unwind_tables *tables);

/* It was built; `built` holds together (unwind_built_check()) and is not kept. */
void tables_install(struct unwind_tables *tables, uint32_t number, const struct unwind_built *built,
		    int64_t now);
/* It could not be; `state` is TABLE_NONE or TABLE_REFUSED. */
void tables_give_up(struct unwind_tables *tables, uint32_t number, enum table_state state);

/* Drops what was not used for long. Called about once a second. */
void tables_tick(struct unwind_tables *tables, int64_t now);

#endif
