/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the terminal behind a descriptor, if it is one.
 */
#ifndef PLIMSOLL_BASE_TERMINAL_H
#define PLIMSOLL_BASE_TERMINAL_H

#include <stdbool.h>

/* Its width in columns; 0: no terminal, or one that does not say. */
unsigned terminal_columns(int fd);
/* A terminal that knows colours (TERM), and nobody said NO_COLOR (no-color.org). */
bool terminal_has_colours(int fd);
/* Can its cursor be moved to any place, as far as TERM tells? */
bool terminal_is_screen(int fd);

#endif
