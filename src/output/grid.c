/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of text for a terminal; see grid.h. */
#include "output/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define GAP 2 /* blanks between columns */

/* Select Graphic Rendition (ECMA-48), with the eight colours that every theme makes readable. */
static const char *const codes[] = {
	[GRID_PLAIN] = "",	    [GRID_BOLD] = "\033[1m",
	[GRID_FAINT] = "\033[2m",   [GRID_CONTAINER] = "\033[1;36m",
	[GRID_KERNEL] = "\033[34m", [GRID_WARNING] = "\033[1;33m",
	[GRID_MORE] = "\033[31m",   [GRID_LESS] = "\033[32m",
};

static void begin(struct buffer *out, bool color, enum grid_style style)
{
	if (color && style != GRID_PLAIN)
		buffer_puts(out, codes[style]);
}

static void end(struct buffer *out, bool color, enum grid_style style)
{
	if (color && style != GRID_PLAIN)
		buffer_puts(out, "\033[0m");
}

void grid_text(struct buffer *out, bool color, enum grid_style style, const char *text)
{
	begin(out, color, style);
	escape_terminal(out, text);
	end(out, color, style);
}

/* `least` 0: never cut. */
void grid_column(struct grid *g, const char *head, bool right, size_t least)
{
	if (g->ncolumns < GRID_COLUMNS_MAX)
		g->columns[g->ncolumns++] = (struct grid_column){
			.head = head,
			.right = right,
			.cut = least > 0,
			.least = least,
		};
}

void grid_add(struct grid *g, enum grid_style style, const char *text)
{
	_cleanup_(buffer_free) struct buffer clean = { 0 };

	escape_terminal(&clean, text);
	GROW(g->cells, g->ncells, g->capacity);
	g->cells[g->ncells++] = (struct grid_cell){
		.text = clean.size ? arena_strndup(&g->arena, clean.data, clean.size) : "",
		.style = style,
	};
}

void grid_free(struct grid *g)
{
	free(g->cells);
	arena_free(&g->arena);
	*g = (struct grid){ 0 };
}

static void shrink(const struct grid *g, size_t widths[], size_t sum, size_t width)
{
	while (width && sum > width) {
		size_t widest = GRID_COLUMNS_MAX;

		for (size_t c = 0; c < g->ncolumns; c++)
			if (g->columns[c].cut && widths[c] > g->columns[c].least &&
			    (widest == GRID_COLUMNS_MAX || widths[c] > widths[widest]))
				widest = c;
		if (widest == GRID_COLUMNS_MAX)
			return;
		widths[widest]--;
		sum--;
	}
}

static void measure(const struct grid *g, size_t indent, size_t width, size_t widths[])
{
	size_t sum = indent + GAP * (g->ncolumns - 1);

	for (size_t c = 0; c < g->ncolumns; c++)
		widths[c] = text_width(g->columns[c].head);
	for (size_t i = 0; i < g->ncells; i++) {
		size_t w = text_width(g->cells[i].text);

		widths[i % g->ncolumns] = MAX(widths[i % g->ncolumns], w);
	}
	for (size_t c = 0; c < g->ncolumns; c++)
		sum += widths[c];
	shrink(g, widths, sum, width);
}

static void print_cell(const struct grid *g, size_t c, size_t width, const char *text,
		       enum grid_style style, bool color, struct buffer *out)
{
	bool last = c + 1 == g->ncolumns;

	begin(out, color, style);
	/* Nothing stands behind the last column: no blanks at the end of a line. */
	if (last && !g->columns[c].right && text_width(text) <= width)
		buffer_puts(out, text);
	else
		text_fit(out, text, width, g->columns[c].right);
	end(out, color, style);
	if (last) {
		while (out->size && out->data[out->size - 1] == ' ')
			out->data[--out->size] = '\0';
		buffer_puts(out, "\n");
	} else {
		buffer_printf(out, "%*s", GAP, "");
	}
}

void grid_print(const struct grid *g, size_t indent, size_t width, bool color, struct buffer *out)
{
	size_t widths[GRID_COLUMNS_MAX];

	if (!g->ncolumns)
		return;
	measure(g, indent, width, widths);
	buffer_printf(out, "%*s", (int)indent, "");
	for (size_t c = 0; c < g->ncolumns; c++)
		print_cell(g, c, widths[c], g->columns[c].head, GRID_FAINT, color, out);
	for (size_t i = 0; i < g->ncells; i++) {
		size_t c = i % g->ncolumns;

		if (!c)
			buffer_printf(out, "%*s", (int)indent, "");
		print_cell(g, c, widths[c], g->cells[i].text, g->cells[i].style, color, out);
	}
}

void grid_add_bar(struct grid *g, enum grid_style style, double share, size_t columns)
{
	_cleanup_(buffer_free) struct buffer bar = { 0 };

	grid_bar(&bar, share, columns);
	grid_add(g, style, bar.data);
}

size_t grid_bar(struct buffer *out, double share, size_t columns)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned eighths = (unsigned)lround(fmin(fmax(share, 0), 1) * (double)columns * 8);

	for (unsigned i = 0; i < eighths / 8; i++)
		buffer_puts(out, "█");
	buffer_puts(out, parts[eighths % 8]);
	return eighths / 8 + (eighths % 8 ? 1 : 0);
}
