/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top on a whole terminal (ncursesw): the list, a container that was opened, help. Holds what the
 * user chose and draws what it is handed; knows neither kernel nor clock.
 *
 *     title       plimsoll top  node1  12 containers ...
 *     heads       NAME  CPU%  LIM%  LEDGER ...
 *     rows
 *     legend      what the colours of the ledger mean
 *     foot        keys, or the filter while it is typed
 */
#ifndef PLIMSOLL_OUTPUT_TOP_SCREEN_H
#define PLIMSOLL_OUTPUT_TOP_SCREEN_H

#include <stdbool.h>
#include <time.h>

#include "output/top_open.h"
#include "output/top_rows.h"

struct top_screen;

/* What there is to be shown; arranged by top_screen_draw() itself. */
struct top_view {
	struct top_rows *rows;
	double interval; /* seconds */
	unsigned cpus;
	const char *host; /* its name */
	time_t now;
	uint64_t unknown; /* cgroups that found no slot: their time is not known to be theirs */
	const struct top_open *open;
	const char *open_note; /* why there are no stacks (yet), or NULL */
};

/* Takes over the terminal. -ENOTTY: there is none; -EINVAL: TERM is not known; not logged. */
int top_screen_open(enum top_key key, struct top_screen **out);
/* Gives the terminal back as it was. NULL is fine. */
void top_screen_close(struct top_screen *s);

/* Takes the keys that were pressed, and the terminal's new size. False: the user wants to leave. */
bool top_screen_keys(struct top_screen *s, struct top_rows *rows);
void top_screen_draw(struct top_screen *s, const struct top_view *view);

bool top_screen_is_paused(const struct top_screen *s);
/* The container that is open, or NULL. */
const struct container *top_screen_opened(const struct top_screen *s);

#endif
