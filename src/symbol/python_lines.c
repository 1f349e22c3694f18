/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's line tables; see python_lines.h. All three are runs of instructions, each with a
 * difference to the line of the run before.
 */
#include "symbol/python_lines.h"

/* No source file is longer; garbage adds up to anything. */
#define LAST_LINE INT32_MAX

static int64_t plausible(int64_t line)
{
	return line > 0 && line <= LAST_LINE ? line : 0;
}

/* Pairs of an unsigned length of the run before, and a signed difference. */
static int64_t lnotab_line(const uint8_t *table, size_t size, int64_t line, uint32_t offset)
{
	uint64_t at = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		at += table[i];
		if (at > offset)
			break;
		line += (int8_t)table[i + 1];
	}
	return plausible(line);
}

#define NO_LINE (-128)

/* Pairs of the length of the run and the difference of its own line. */
static int64_t line_table_line(const uint8_t *table, size_t size, int64_t line, uint32_t offset)
{
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		int8_t difference = (int8_t)table[i + 1];

		end += table[i];
		if (difference != NO_LINE)
			line += difference;
		if (offset < end)
			return difference == NO_LINE ? 0 : plausible(line);
	}
	return 0;
}

/* Bits of an entry's first byte, which alone has the highest one set. */
#define ENTRY_START	0x80
#define ENTRY_CODE(b)	((b) >> 3 & 15)
#define ENTRY_LENGTH(b) (((b)&7) + 1) /* in code units */
#define CODE_UNIT	2	      /* bytes */

enum entry_code {
	/* 0 to 9: on the same line */
	CODE_ONE_LINE_0 = 10, /* on the same line, or one or two further on */
	CODE_ONE_LINE_2 = 12,
	CODE_NO_COLUMNS = 13,
	CODE_LONG = 14,
	CODE_NONE = 15, /* no line */
};

struct bytes {
	const uint8_t *at, *end;
};

/* Six bits a byte, the lowest first; the seventh says that there is more. The sign is the lowest
 * bit of all. */
static int64_t signed_varint(struct bytes *b)
{
	uint64_t value = 0;

	for (unsigned shift = 0; b->at < b->end && shift < 60; shift += 6) {
		uint8_t byte = *b->at++;

		value |= (uint64_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int64_t entry_difference(struct bytes *b, unsigned code)
{
	int64_t difference;

	if (code >= CODE_ONE_LINE_0 && code <= CODE_ONE_LINE_2)
		return code - CODE_ONE_LINE_0;
	if (code != CODE_NO_COLUMNS && code != CODE_LONG)
		return 0;
	difference = signed_varint(b);
	return difference > LAST_LINE || difference < -LAST_LINE ? 0 : difference;
}

static int64_t locations_line(const uint8_t *table, size_t size, int64_t line, uint32_t offset)
{
	struct bytes b = { table, table + size };
	uint64_t end = 0;

	while (b.at < b.end) {
		uint8_t first = *b.at++;
		unsigned code = ENTRY_CODE(first);

		end += ENTRY_LENGTH(first) * CODE_UNIT;
		line += entry_difference(&b, code);
		if (offset < end)
			return code == CODE_NONE ? 0 : plausible(line);
		/* Columns, which we do not show. */
		while (b.at < b.end && !(*b.at & ENTRY_START))
			b.at++;
	}
	return 0;
}

int64_t python_line(enum python_line_format format, const uint8_t *table, size_t size,
		    int64_t first_line, uint32_t offset)
{
	static int64_t (*const readers[])(const uint8_t *, size_t, int64_t, uint32_t) = {
		[PYTHON_LNOTAB] = lnotab_line,
		[PYTHON_LINE_TABLE] = line_table_line,
		[PYTHON_LOCATIONS] = locations_line,
	};

	return readers[format](table, size, first_line, offset);
}
