/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question to a symbol table: which symbols contain these addresses?
 *
 *     table:      |--a--|   |---b---|      |-c-|          streamed once, in any order
 *     asked:         ^        ^   ^      ^                sorted
 *     answer:        a        b   b      -
 *
 * Tables have millions of symbols and we ask for hundreds: so the addresses are searched for each
 * symbol instead of the other way round, and no table is ever held in memory.
 */
#ifndef PLIMSOLL_SYMBOL_LOOKUP_H
#define PLIMSOLL_SYMBOL_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Longer names are cut. */
#define SYMBOL_NAME_MAX 4096

struct lookup {
	const uint64_t *addresses; /* sorted, distinct */
	size_t n;
	const char **names; /* n of them, in `arena`, valid UTF-8; NULL: not found (yet) */
	struct arena *arena;
	uint64_t *work; /* steps left; tables that lie about sizes run out of them */
};

/*
 * A step is a symbol read, or an address compared with one: some 10 ns. Chrome has 1.5 million
 * symbols. The first bound is for a single file, the second for all that one recording looks into.
 */
#define LOOKUP_WORK_SOURCE 50000000UL
#define LOOKUP_WORK	   300000000UL

/* Position of the first address that is not below `address`; n if none is. */
static inline size_t lookup_first(const uint64_t *addresses, size_t n, uint64_t address)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addresses[middle] < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Takes `steps` from the allowance; 0 when there are none left. */
static inline int lookup_spend(struct lookup *lookup, uint64_t steps)
{
	if (*lookup->work < steps) {
		*lookup->work = 0;
		return 0;
	}
	*lookup->work -= steps;
	return 1;
}

#endif
