/* SPDX-License-Identifier: Apache-2.0 */
/* Where tables lie in the kernel; see unwind_pools.h. */
#include "signal/unwind_pools.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

void pools_init(struct unwind_pools *pools, struct unwind_maps *maps)
{
	*pools = (struct unwind_pools){ .maps = maps };
}

void pools_destroy(struct unwind_pools *pools)
{
	for (uint32_t i = 0; i < UNWIND_POOLS_MAX; i++)
		if (pools->all[i].lines)
			room_destroy(&pools->all[i].room);
}

static bool take_from(struct unwind_pools *pools, uint32_t number, uint32_t lines, int64_t now,
		      struct pool_place *place)
{
	*place = (struct pool_place){ .pool = number, .lines = lines };
	return pools->all[number].lines &&
	       room_take(&pools->all[number].room, lines, now, &place->line);
}

static bool add_pool(struct unwind_pools *pools, uint32_t number, uint32_t lines)
{
	int err;

	if (lines > POOLS_LINES_MAX - pools->lines)
		return false;
	err = pools->maps->ops->add_pool(pools->maps, number, lines);
	if (err) {
		log_debug("no kernel memory for unwind tables: %s", strerror(-err));
		return false;
	}
	pools->all[number].lines = lines;
	room_init(&pools->all[number].room, 0, lines);
	pools->lines += lines;
	return true;
}

bool pools_take(struct unwind_pools *pools, uint32_t lines, int64_t now, struct pool_place *place)
{
	for (uint32_t i = 0; i < UNWIND_POOLS_MAX; i++)
		if (take_from(pools, i, lines, now, place))
			return true;
	for (uint32_t i = 0; i < UNWIND_POOLS_MAX; i++)
		if (!pools->all[i].lines)
			return add_pool(pools, i, MAX(lines, (uint32_t)UNWIND_POOL_LINES)) &&
			       take_from(pools, i, lines, now, place);
	return false;
}

void pools_give(struct unwind_pools *pools, const struct pool_place *place, int64_t now)
{
	room_give(&pools->all[place->pool].room, place->line, place->lines, now);
}

void pools_tidy(struct unwind_pools *pools, int64_t now)
{
	for (uint32_t i = 0; i < UNWIND_POOLS_MAX; i++) {
		struct pool *pool = &pools->all[i];

		if (!pool->lines || pool->lines == pools->lines || !room_is_empty(&pool->room, now))
			continue;
		pools->maps->ops->remove_pool(pools->maps, i);
		room_destroy(&pool->room);
		pools->lines -= pool->lines;
		pool->lines = 0;
	}
}
