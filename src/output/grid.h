/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of text for a terminal: as wide as what is in them, and where that is more than the
 * terminal has, the widest of those that may be cut are cut.
 */
#ifndef PLIMSOLL_OUTPUT_GRID_H
#define PLIMSOLL_OUTPUT_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"

#define GRID_COLUMNS_MAX 16

enum grid_style {
	GRID_PLAIN,
	GRID_BOLD,
	GRID_FAINT,
	GRID_CONTAINER,
	GRID_KERNEL,
	GRID_WARNING,
	GRID_MORE,
	GRID_LESS
};

struct grid_column {
	const char *head;
	bool right; /* numbers */
	bool cut;   /* may be shortened, down to `least` columns */
	size_t least;
};

struct grid_cell {
	const char *text;
	enum grid_style style;
};

struct grid {
	struct grid_column columns[GRID_COLUMNS_MAX];
	size_t ncolumns;
	struct grid_cell *cells; /* row by row */
	size_t ncells, capacity;
	struct arena arena;
};

/* A zero-initialised struct grid is empty. Columns first, then cell by cell, row by row. */
void grid_column(struct grid *g, const char *head, bool right, size_t least);
/* `text` is any text: it is escaped here. */
void grid_add(struct grid *g, enum grid_style style, const char *text);
/* A cell with a bar, see grid_bar(). */
void grid_add_bar(struct grid *g, enum grid_style style, double share, size_t columns);
/* Appends head and rows, each after `indent` blanks; at most `width` columns, 0: no limit. */
void grid_print(const struct grid *g, size_t indent, size_t width, bool color, struct buffer *out);
void grid_free(struct grid *g);

/* Appends a bar of block characters, `share` (0 to 1) of `columns` long, fine to an eighth of a
 * column; it is not padded. Returns how many columns it takes. */
size_t grid_bar(struct buffer *out, double share, size_t columns);
/* Appends text in a style, where colours are wanted; the text is escaped. */
void grid_text(struct buffer *out, bool color, enum grid_style style, const char *text);

#endif
