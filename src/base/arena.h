/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one profile, one window or one report: handed out in order, freed all at once.
 *
 *     chunk --> chunk --> chunk
 *     [used....|free]     newest first; a request larger than a chunk gets one of its own
 */
#ifndef PLIMSOLL_BASE_ARENA_H
#define PLIMSOLL_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	size_t total; /* bytes taken from malloc, for accounting */
};

/* Zeroed memory aligned to 8 bytes; never NULL. A zero-initialised struct arena is empty. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strndup(struct arena *arena, const char *s, size_t n);
void arena_free(struct arena *arena);

#endif
