/* SPDX-License-Identifier: Apache-2.0 */
/* The bar of states; see ledger_bar.h. */
#include "output/ledger_bar.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/terminal.h"

/*
 * Green runs, red and violet are time lost to others and to the own limit, warm colours wait for a
 * device or another thread, blue for others far away, grey chose to. The 256 are nearest to what
 * HTML says; none of them is among the first sixteen, which a theme may change.
 */
const struct state_look state_looks[ACCOUNT_STATES] = {
	[ACCOUNT_USER] = { 'U', 34, 16, 2, 0, "#2fa84f", "green" },
	[ACCOUNT_KERNEL] = { 'K', 29, 231, 6, 0, "#0f7b63", "dark green" },
	[ACCOUNT_RUNNABLE] = { 'R', 160, 231, 1, 7, "#d3222a", "red" },
	[ACCOUNT_THROTTLED] = { 'T', 127, 231, 5, 7, "#ab1fa8", "violet" },
	[ACCOUNT_DISK] = { 'D', 208, 16, 3, 0, "#f28a1c", "orange" },
	[ACCOUNT_NETWORK] = { 'N', 32, 231, 4, 7, "#1b82d1", "blue" },
	[ACCOUNT_LOCK] = { 'L', 220, 16, 3, 0, "#f2c511", "yellow" },
	[ACCOUNT_PIPE] = { 'P', 80, 16, 6, 0, "#5ccbd1", "turquoise" },
	[ACCOUNT_MEMORY] = { 'M', 131, 231, 5, 7, "#a9585a", "brown" },
	[ACCOUNT_CHILD] = { 'C', 104, 16, 4, 7, "#8389c9", "lavender" },
	[ACCOUNT_OTHER] = { 'O', 144, 16, 7, 0, "#b1ad84", "khaki" },
	[ACCOUNT_IDLE] = { '.', 238, 250, 0, 7, "#5a5f66", "grey" },
	[ACCOUNT_UNACCOUNTED] = { '?', 255, 16, 7, 0, "#eeeeee", "white" },
};

enum bar_colours bar_colours_of_terminal(void)
{
	const char *term = getenv("TERM"), *color = getenv("COLORTERM");

	if (!terminal_has_colours(STDOUT_FILENO))
		return BAR_PLAIN;
	/* COLORTERM is how terminals tell of 24 bits; those have the 256, too. */
	if (strstr(term, "256color") || strstr(term, "direct") || (color && *color))
		return BAR_256;
	return BAR_8;
}

void ledger_bar_cells(const uint64_t ns[ACCOUNT_STATES], size_t width, uint8_t cells[])
{
	double total = 0, sum = 0;
	size_t at = 0;

	width = MIN(width, (size_t)BAR_CELLS_MAX);
	for (size_t s = 0; s < ACCOUNT_STATES; s++)
		total += (double)ns[s];
	for (size_t s = 0; s < ACCOUNT_STATES && total > 0; s++) {
		sum += (double)ns[s];
		for (size_t end = (size_t)(sum / total * (double)width + 0.5); at < MIN(end, width);
		     at++)
			cells[at] = (uint8_t)s;
	}
	for (; at < width; at++)
		cells[at] = BAR_EMPTY;
}

static void begin(struct buffer *out, size_t state, enum bar_colours colours)
{
	const struct state_look *look = &state_looks[state];

	if (colours == BAR_256)
		buffer_printf(out, "\033[48;5;%um\033[38;5;%um", look->ansi256, look->ink256);
	else if (colours == BAR_8)
		buffer_printf(out, "\033[%um\033[%um", 40 + look->ansi8, 30 + look->ink8);
}

static void end(struct buffer *out, enum bar_colours colours)
{
	if (colours != BAR_PLAIN)
		buffer_puts(out, "\033[0m");
}

/* Cells of one state, next to each other. */
static void add_stretch(struct buffer *out, size_t state, size_t n, enum bar_colours colours)
{
	if (state == BAR_EMPTY) {
		buffer_printf(out, "%*s", (int)n, "");
		return;
	}
	begin(out, state, colours);
	for (size_t i = 0; i < n; i++)
		buffer_add(out, i && colours == BAR_256 ? " " : &state_looks[state].letter, 1);
	end(out, colours);
}

void ledger_bar(struct buffer *out, const uint64_t ns[ACCOUNT_STATES], size_t width,
		enum bar_colours colours)
{
	uint8_t cells[BAR_CELLS_MAX];
	size_t n;

	width = MIN(width, (size_t)BAR_CELLS_MAX);
	ledger_bar_cells(ns, width, cells);
	for (size_t i = 0; i < width; i += n) {
		for (n = 1; i + n < width && cells[i + n] == cells[i];)
			n++;
		add_stretch(out, cells[i], n, colours);
	}
}

void ledger_bar_key(struct buffer *out, enum account_state state, enum bar_colours colours)
{
	add_stretch(out, state, 1, colours);
}
