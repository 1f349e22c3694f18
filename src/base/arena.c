/* SPDX-License-Identifier: Apache-2.0 */
/* Memory handed out in order and freed at once; see arena.h. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Large enough that malloc is rare, small enough that an empty profile costs little. */
#define CHUNK_SIZE ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t data[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;

	size = (size + 7) & ~(size_t)7;
	if (!chunk || chunk->size - chunk->used < size) {
		size_t capacity = size > CHUNK_SIZE / 4 ? size : CHUNK_SIZE;

		chunk = xcalloc(1, sizeof(*chunk) + capacity);
		chunk->size = capacity;
		arena->total += sizeof(*chunk) + capacity;
		/* A chunk made for one large request is full; the one with room stays in front. */
		if (arena->chunks && capacity != CHUNK_SIZE) {
			chunk->next = arena->chunks->next;
			arena->chunks->next = chunk;
		} else {
			chunk->next = arena->chunks;
			arena->chunks = chunk;
		}
	}
	void *p = (char *)chunk->data + chunk->used;
	chunk->used += size;
	return p;
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
	char *copy = arena_alloc(arena, n + 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

void arena_free(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;

	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	*arena = (struct arena){ 0 };
}
