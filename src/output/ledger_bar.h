/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bar of states: where the time of an account went, in one line, and the colours and letters
 * by which a state is known wherever it is shown: terminal, web page, plain text.
 *
 *     UUUUUUKKRRRDDDDDDNN...............
 */
#ifndef PLIMSOLL_OUTPUT_LEDGER_BAR_H
#define PLIMSOLL_OUTPUT_LEDGER_BAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "signal/ledger.h"

struct state_look {
	char letter;		 /* for plain text, no two alike */
	uint8_t ansi256, ink256; /* background; letters on it (xterm's palette, 0 to 255) */
	uint8_t ansi8, ink8;	 /* the same in the eight colours of ECMA-48, 0 black to 7 white;
				  * several states share one, so letters must tell them apart */
	const char *html;	 /* "#rrggbb" */
	const char *colour;	 /* its name, for help */
};

/* In the order in which a bar shows them, which is that of enum account_state. */
extern const struct state_look state_looks[ACCOUNT_STATES];

enum bar_colours {
	BAR_PLAIN, /* letters only */
	BAR_8,	   /* a letter in each cell, coloured */
	BAR_256,   /* coloured; a letter begins each stretch */
};

/* Of standard output: from TERM, COLORTERM and NO_COLOR; BAR_PLAIN if it is no terminal. */
enum bar_colours bar_colours_of_terminal(void);

#define BAR_CELLS_MAX 512
#define BAR_EMPTY     ACCOUNT_STATES /* in `cells`: nothing to show */

/*
 * Shares `width` cells (at most BAR_CELLS_MAX) among the states: cells[i] is the state that cell
 * shows. Each boundary is rounded on its own, so the bar is always full, and no state is more than
 * a cell off; all are BAR_EMPTY where `ns` is all zero. For screens that paint cells themselves.
 */
void ledger_bar_cells(const uint64_t ns[ACCOUNT_STATES], size_t width, uint8_t cells[]);

/* Appends the bar; `width` columns, whatever the colours. */
void ledger_bar(struct buffer *out, const uint64_t ns[ACCOUNT_STATES], size_t width,
		enum bar_colours colours);

/* Appends one coloured cell with the state's letter, for legends and tables. */
void ledger_bar_key(struct buffer *out, enum account_state state, enum bar_colours colours);

#endif
