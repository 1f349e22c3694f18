/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to the person at the terminal; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/terminal.h"
#include "base/text.h"

#define COLUMNS_DEFAULT 80 /* of a terminal that does not say */

static enum log_level level = LOG_INFO;
static bool progress_shown;

void log_set_level(enum log_level wanted)
{
	level = wanted;
}

enum log_level log_get_level(void)
{
	return level;
}

void progress_clear(void)
{
	if (!progress_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress_shown = false;
}

/* One write a message, so that lines of several processes do not mix. */
static void emit(enum log_level at, const char *prefix, const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	struct buffer line = { 0 };

	if (at > level)
		return;
	progress_clear();
	if (vasprintf(&text, format, ap) < 0) {
		text = NULL;
		return;
	}
	buffer_puts(&line, prefix);
	escape_terminal(&line, text);
	buffer_puts(&line, "\n");
	fwrite(line.data, 1, line.size, stderr);
	buffer_free(&line);
}

#define LOG_FUNCTION(name, at, prefix)        \
	void name(const char *format, ...)    \
	{                                     \
		va_list ap;                   \
		va_start(ap, format);         \
		emit(at, prefix, format, ap); \
		va_end(ap);                   \
	}

LOG_FUNCTION(log_error, LOG_ERROR, "plimsoll: ")
LOG_FUNCTION(log_warn, LOG_WARN, "plimsoll: warning: ")
LOG_FUNCTION(log_info, LOG_INFO, "plimsoll: ")
LOG_FUNCTION(log_debug, LOG_DEBUG, "plimsoll: ")

void progress(const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	struct buffer line = { 0 };
	unsigned columns = terminal_columns(STDERR_FILENO);
	va_list ap;

	if (level < LOG_INFO || !isatty(STDERR_FILENO))
		return;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;

	struct buffer escaped = { 0 };
	escape_terminal(&escaped, text);
	buffer_puts(&line, "\r");
	/* The last column stays free, or the terminal wraps. */
	text_fit(&line, escaped.data ? escaped.data : "", (columns ? columns : COLUMNS_DEFAULT) - 1,
		 false);
	fwrite(line.data, 1, line.size, stderr);
	fflush(stderr);
	progress_shown = true;
	buffer_free(&escaped);
	buffer_free(&line);
}
