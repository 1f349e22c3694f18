/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in an array that the kernel reads without locks: taken, given back, and taken again a while
 * later, when no walk can still be on its way through what stood there.
 *
 *     free:   | extent | extent | ...     sorted, never touching each other; first fit
 *     limbo:  | extent, when | ...        given back, oldest first
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_ROOM_H
#define PLIMSOLL_SIGNAL_UNWIND_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A walk takes some ten microseconds; a virtual CPU may be descheduled in the midst of one. */
#define ROOM_REST_MS 1000

struct extent {
	uint32_t first, n;
};

struct resting {
	struct extent extent;
	int64_t since; /* ms */
};

struct room {
	struct extent *free;
	size_t nfree, free_capacity;
	struct resting *limbo;
	size_t nlimbo, limbo_capacity;
	uint32_t used; /* taken or resting */
};

/* Elements first .. first + n - 1. */
void room_init(struct room *room, uint32_t first, uint32_t n);
void room_destroy(struct room *room);

/* `now` in ms, never going back. False when there are no n elements in a row. */
bool room_take(struct room *room, uint32_t n, int64_t now, uint32_t *first);
/* Exactly what was taken. */
void room_give(struct room *room, uint32_t first, uint32_t n, int64_t now);
/* Nothing is taken and nothing rests. */
bool room_is_empty(struct room *room, int64_t now);

#endif
