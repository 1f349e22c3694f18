/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash index over records that live in somebody's array: hash -> position in the array.
 *
 *     slots:  | hash | position+1 |   open addressing, linear probing, at most 3/4 full
 *
 * The records stay where they are (dense, iterable, addressable by a 32-bit number); the index
 * only finds them. Nothing is ever deleted from it singly. Interned strings, frames, stacks,
 * label sets and samples are all "array plus index".
 */
#ifndef PLIMSOLL_BASE_INDEX_H
#define PLIMSOLL_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_slot {
	uint32_t hash;
	uint32_t position_plus_1; /* 0: empty */
};

/* A zero-initialised struct index is empty. */
struct index {
	struct index_slot *slots;
	uint32_t capacity; /* a power of two, or 0 */
	uint32_t count;
};

#define INDEX_NONE UINT32_MAX

/* Is record number `position` the one that `key` describes? */
typedef bool (*index_equal_fn)(const void *key, uint32_t position, const void *context);

/* Position of the record that equals `key`, or INDEX_NONE. */
uint32_t index_find(const struct index *index, uint64_t hash, const void *key, index_equal_fn equal,
		    const void *context);
/* Adds a record that index_find() did not find. */
void index_insert(struct index *index, uint64_t hash, uint32_t position);
void index_clear(struct index *index); /* forgets all, keeps the memory */
void index_free(struct index *index);

/* Keyed by a random number of this process, so that nobody outside can aim at collisions. */
uint64_t hash_bytes(const void *data, size_t size);
uint64_t hash_string(const char *s);
uint64_t hash_combine(uint64_t a, uint64_t b);

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): the same everywhere and always, for
 * what is kept. Begins with HASH_FNV1A, goes on with what it returned. */
#define HASH_FNV1A 0xcbf29ce484222325ULL
uint64_t hash_fnv1a(uint64_t hash, const void *data, size_t size);

#endif
