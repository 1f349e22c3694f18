/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to the person at the terminal: standard error, one line each, prefixed "plimsoll: ".
 * A message is written once, where the most is known, with the object's name and the remedy; below
 * that level errors travel as negative errno. Control characters in the arguments are escaped, so
 * a name that a container chose cannot drive the terminal.
 */
#ifndef PLIMSOLL_BASE_LOG_H
#define PLIMSOLL_BASE_LOG_H

enum log_level { LOG_QUIET, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Default LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A line that is overwritten in place; nothing at all unless standard error is a terminal. The next
 * log_*() call, or progress_clear(), removes it.
 */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_clear(void);

#endif
