/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian numbers, fixed or LEB128 (DWARF 5, 7.6), from memory that somebody else filled. A
 * reader never passes its end: what is not there reads as 0 and sets `failed`, which is looked at
 * once, when all is read.
 */
#ifndef PLIMSOLL_SYMBOL_READER_H
#define PLIMSOLL_SYMBOL_READER_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

/* The next n bytes, or NULL. */
static inline const uint8_t *reader_take(struct reader *r, uint64_t n)
{
	const uint8_t *p = r->at;

	if (n > reader_left(r)) {
		r->failed = true;
		r->at = r->end;
		return NULL;
	}
	r->at += n;
	return p;
}

/* A number of 1, 2, 4 or 8 bytes. */
static inline uint64_t reader_fixed(struct reader *r, size_t size)
{
	const uint8_t *p = reader_take(r, size);
	uint64_t value = 0;

	if (p)
		memcpy(&value, p, size);
	return le64toh(value);
}

static inline int64_t sign_extend(uint64_t value, size_t size)
{
	unsigned shift = (unsigned)(64 - 8 * size);

	return (int64_t)(value << shift) >> shift;
}

static inline int64_t reader_signed(struct reader *r, size_t size)
{
	return sign_extend(reader_fixed(r, size), size);
}

/* Ten bytes make 64 bits; a longer number is none. */
#define LEB_BYTES_MAX 10

/* *shift becomes the number of bits read, 0 where there is no number. */
static inline uint64_t reader_leb(struct reader *r, unsigned *shift, uint8_t *last)
{
	uint64_t value = 0;

	*last = 0;
	for (*shift = 0; *shift < 7 * LEB_BYTES_MAX && r->at < r->end;) {
		*last = *r->at++;
		value |= (uint64_t)(*last & 0x7f) << *shift;
		*shift += 7;
		if (!(*last & 0x80))
			return value;
	}
	r->failed = true;
	*shift = 0;
	return 0;
}

static inline uint64_t reader_uleb(struct reader *r)
{
	unsigned shift;
	uint8_t last;

	return reader_leb(r, &shift, &last);
}

static inline int64_t reader_sleb(struct reader *r)
{
	unsigned shift;
	uint8_t last;
	uint64_t value = reader_leb(r, &shift, &last);

	if (shift && shift < 64 && last & 0x40)
		value |= ~0ULL << shift;
	return (int64_t)value;
}

#endif
