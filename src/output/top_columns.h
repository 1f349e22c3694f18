/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of top: their heads, how wide they are, what stands in them, and which of them find
 * room on a screen.
 */
#ifndef PLIMSOLL_OUTPUT_TOP_COLUMNS_H
#define PLIMSOLL_OUTPUT_TOP_COLUMNS_H

#include "base/text.h"
#include "output/top_rows.h"

enum top_column {
	TOP_NAME,
	TOP_CPU,
	TOP_OF_LIMIT,
	TOP_LEDGER,
	TOP_WAIT,
	TOP_THROTTLED,
	TOP_MEMORY,
	TOP_MEMORY_LIMIT,
	TOP_IO,
	TOP_NET,
	TOP_THREADS,
	TOP_COLUMNS
};

struct top_column_look {
	const char *head;
	unsigned width;	  /* columns; 0: takes what is left */
	enum top_key key; /* sorts by it */
	const char *help;
};
extern const struct top_column_look top_columns[TOP_COLUMNS];

/* Columns that a screen `width` wide has room for: their widths, 0 for those that are left out. A
 * blank stands between any two. `longest`: the widest name. */
void top_columns_fit(unsigned width, unsigned longest, bool io, bool net,
		     unsigned widths[TOP_COLUMNS]);

/* What stands in a column of figures, at most as wide as the column; "-" where it is not known.
 * Into the caller's buffer, returned. */
const char *top_cell(const struct top_row *row, enum top_column column, char buf[TEXT_SHORT]);

/* "12.3M", "640K"; at most 5 columns up to a million of the largest unit. */
const char *top_bytes(double bytes, char buf[TEXT_SHORT]);
/* "1.25ms", "12.3us"; at most 6 columns up to days. */
const char *top_time(uint64_t ns, char buf[TEXT_SHORT]);

#endif
