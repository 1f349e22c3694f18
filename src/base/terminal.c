/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals; see terminal.h. */
#include "base/terminal.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <term.h> /* after ncurses.h; makes macros of words such as "columns" */

unsigned terminal_columns(int fd)
{
	struct winsize size;

	return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool terminal_has_colours(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && (!no_color || !*no_color) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

bool terminal_is_screen(int fd)
{
	int status;
	bool is_screen;

	if (!isatty(fd) || setupterm(NULL, fd, &status) == ERR)
		return false;
	is_screen = tigetstr("cup") != NULL;
	del_curterm(cur_term);
	return is_screen;
}
