/* SPDX-License-Identifier: Apache-2.0 */
/* A hash index over somebody's array; see index.h. */
#include "base/index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"

#define CAPACITY_MIN 64

static uint32_t fold(uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32);
}

uint32_t index_find(const struct index *index, uint64_t hash, const void *key, index_equal_fn equal,
		    const void *context)
{
	if (!index->count)
		return INDEX_NONE;

	uint32_t mask = index->capacity - 1;
	uint32_t folded = fold(hash);

	for (uint32_t i = folded & mask;; i = (i + 1) & mask) {
		const struct index_slot *slot = &index->slots[i];

		if (!slot->position_plus_1)
			return INDEX_NONE;
		if (slot->hash == folded && equal(key, slot->position_plus_1 - 1, context))
			return slot->position_plus_1 - 1;
	}
}

static void place(struct index *index, struct index_slot slot)
{
	uint32_t mask = index->capacity - 1;
	uint32_t i = slot.hash & mask;

	while (index->slots[i].position_plus_1)
		i = (i + 1) & mask;
	index->slots[i] = slot;
}

static void grow(struct index *index)
{
	struct index old = *index;

	index->capacity = old.capacity ? old.capacity * 2 : CAPACITY_MIN;
	index->slots = xcalloc(index->capacity, sizeof(*index->slots));
	for (uint32_t i = 0; i < old.capacity; i++)
		if (old.slots[i].position_plus_1)
			place(index, old.slots[i]);
	free(old.slots);
}

void index_insert(struct index *index, uint64_t hash, uint32_t position)
{
	if ((uint64_t)index->count * 4 >= (uint64_t)index->capacity * 3)
		grow(index);
	place(index, (struct index_slot){ .hash = fold(hash), .position_plus_1 = position + 1 });
	index->count++;
}

void index_clear(struct index *index)
{
	if (index->slots)
		memset(index->slots, 0, index->capacity * sizeof(*index->slots));
	index->count = 0;
}

void index_free(struct index *index)
{
	free(index->slots);
	*index = (struct index){ 0 };
}

static uint64_t secret(void)
{
	static uint64_t value;

	while (!value) {
		if (getrandom(&value, sizeof(value), GRND_NONBLOCK) == sizeof(value))
			continue;
		/* Before the kernel's pool is seeded, early at boot; then the clock is better
		 * than a constant. */
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		value = ((uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec) | 1;
	}
	return value;
}

/* The mixer of MurmurHash3's 64-bit finalizer (Austin Appleby, public domain). */
static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	h ^= h >> 33;
	return h;
}

uint64_t hash_combine(uint64_t a, uint64_t b)
{
	return mix(a * 0x9e3779b97f4a7c15ULL ^ b);
}

uint64_t hash_bytes(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = secret() ^ size;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = hash_combine(h, word);
	}
	word = 0;
	memcpy(&word, p, size);
	return hash_combine(h, word);
}

uint64_t hash_string(const char *s)
{
	return hash_bytes(s, strlen(s));
}

uint64_t hash_fnv1a(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ULL;
	return hash;
}
