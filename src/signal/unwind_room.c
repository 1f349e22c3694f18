/* SPDX-License-Identifier: Apache-2.0 */
/* Room in an array that the kernel reads; see unwind_room.h. */
#include "signal/unwind_room.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void room_init(struct room *room, uint32_t first, uint32_t n)
{
	*room = (struct room){ 0 };
	GROW(room->free, room->nfree, room->free_capacity);
	room->free[room->nfree++] = (struct extent){ first, n };
}

void room_destroy(struct room *room)
{
	free(room->free);
	free(room->limbo);
	*room = (struct room){ 0 };
}

static size_t first_behind(const struct room *room, uint32_t position)
{
	size_t low = 0, high = room->nfree;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (room->free[middle].first < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void remove_extent(struct room *room, size_t i)
{
	room->nfree--;
	memmove(&room->free[i], &room->free[i + 1], (room->nfree - i) * sizeof(*room->free));
}

/* Back among the free, grown together with its neighbours. */
static void release(struct room *room, struct extent extent)
{
	size_t i = first_behind(room, extent.first);

	room->used -= extent.n;
	if (i < room->nfree && extent.first + extent.n == room->free[i].first) {
		extent.n += room->free[i].n;
		remove_extent(room, i);
	}
	if (i && room->free[i - 1].first + room->free[i - 1].n == extent.first) {
		room->free[i - 1].n += extent.n;
		return;
	}
	GROW(room->free, room->nfree, room->free_capacity);
	memmove(&room->free[i + 1], &room->free[i], (room->nfree - i) * sizeof(extent));
	room->free[i] = extent;
	room->nfree++;
}

static void wake_rested(struct room *room, int64_t now)
{
	size_t n = 0;

	while (n < room->nlimbo && now - room->limbo[n].since >= ROOM_REST_MS)
		release(room, room->limbo[n++].extent);
	if (!n)
		return;
	room->nlimbo -= n;
	memmove(room->limbo, room->limbo + n, room->nlimbo * sizeof(*room->limbo));
}

bool room_take(struct room *room, uint32_t n, int64_t now, uint32_t *first)
{
	wake_rested(room, now);
	for (size_t i = 0; i < room->nfree; i++) {
		struct extent *extent = &room->free[i];

		if (extent->n < n)
			continue;
		*first = extent->first;
		extent->first += n;
		extent->n -= n;
		room->used += n;
		if (!extent->n)
			remove_extent(room, i);
		return true;
	}
	return false;
}

void room_give(struct room *room, uint32_t first, uint32_t n, int64_t now)
{
	GROW(room->limbo, room->nlimbo, room->limbo_capacity);
	room->limbo[room->nlimbo++] = (struct resting){ { first, n }, now };
}

bool room_is_empty(struct room *room, int64_t now)
{
	wake_rested(room, now);
	return !room->used;
}
