/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings on their way out. Whatever a container chose (its name, comm, paths, symbols) passes one
 * of these escapes for the place where it is shown, and strings on their way in are made valid
 * UTF-8 once, at the door.
 */
#ifndef PLIMSOLL_BASE_TEXT_H
#define PLIMSOLL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A growing string. Zero-initialised is empty; free with buffer_free(). data is NUL-terminated
 * once anything was added. */
struct buffer {
	char *data;
	size_t size;
	size_t capacity;
};
void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_puts(struct buffer *b, const char *s);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *b);

/* Appends s with control characters, DEL, C1 controls, bidirectional overrides and bytes that are
 * not UTF-8 shown as \n, \t or \xNN; safe to write to a terminal. */
void escape_terminal(struct buffer *b, const char *s);
/* The same as a string of its own, to be freed by the caller. */
char *escaped_terminal(const char *s);
/* Appends s for XML/HTML text and double- or single-quoted attributes; characters that XML 1.0
 * forbids become U+FFFD. */
void escape_xml(struct buffer *b, const char *s);
/* Appends s as a quoted JSON string; '<', '>' and '&' as \u00XX so that it may stand in a <script>.
 */
void escape_json(struct buffer *b, const char *s);

/* Columns that s takes on a terminal (wcwidth), after escape_terminal(). */
size_t text_width(const char *s);
/* Appends s, already escaped, cut to `columns` with "…" where it is longer and padded with blanks
 * where it is shorter (on the left if `right`). */
void text_fit(struct buffer *b, const char *s, size_t columns, bool right);

/* "1.2 GiB"; "93 ms"; "12.3 %" style helpers, into a static-size caller's buffer; return buf. */
#define TEXT_SHORT 32
char *text_bytes(uint64_t bytes, char buf[TEXT_SHORT]);
char *text_duration(uint64_t nanoseconds, char buf[TEXT_SHORT]);
char *text_count(uint64_t count, char buf[TEXT_SHORT]); /* 12,345,678 */

/* A path's last part, the whole path if that is empty; NULL for NULL. */
const char *base_name(const char *path);

/* Edit distance (Damerau-Levenshtein, adjacent swaps), ASCII case ignored; for "did you mean". */
size_t text_distance(const char *a, const char *b);

/* Strict unsigned decimal: digits only, the whole string, no overflow. 0 or -EINVAL/-ERANGE. */
int parse_u64(const char *s, uint64_t *value);
/* Non-negative decimal number ("10", "0.5"), whole string, finite. 0 or -EINVAL. */
int parse_number(const char *s, double *value);
/* A number and its unit, "500us", "1.5ms", "2s", "100ns", as nanoseconds. 0 or -EINVAL. */
int parse_duration_ns(const char *s, uint64_t *nanoseconds);

#endif
