/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where tables lie in the kernel: in a few large arrays, made as they are needed and given back
 * when they are empty. A table is in one piece.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_POOLS_H
#define PLIMSOLL_SIGNAL_UNWIND_POOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "signal/unwind_maps.h"
#include "signal/unwind_room.h"

/* All pools together: 256 MiB of kernel memory, or 64 million rows. Debian's libc has 23 thousand,
 * cc1 430 thousand, the largest browsers 6 million. */
#define POOLS_LINES_MAX (256 << 20 >> 6)

struct pool_place {
	uint32_t pool, line, lines;
};

struct pool {
	struct room room;
	uint32_t lines; /* 0: there is no such pool */
};

struct unwind_pools {
	struct unwind_maps *maps;
	struct pool all[UNWIND_POOLS_MAX];
	uint32_t lines; /* of all pools */
};

void pools_init(struct unwind_pools *pools, struct unwind_maps *maps);
void pools_destroy(struct unwind_pools *pools);

/* False when there is no room left, or no memory. */
bool pools_take(struct unwind_pools *pools, uint32_t lines, int64_t now, struct pool_place *place);
void pools_give(struct unwind_pools *pools, const struct pool_place *place, int64_t now);
/* Gives empty pools back to the kernel, but for one. Waits for its readers when there are any. */
void pools_tidy(struct unwind_pools *pools, int64_t now);

#endif
