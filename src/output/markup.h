/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names on their way into SVG and HTML. A name that a container chose passes two sieves: first what
 * a terminal would obey (control characters, overrides of the reading direction) becomes visible,
 * so that a picture shows the very text that the table shows; then what markup would obey.
 */
#ifndef PLIMSOLL_OUTPUT_MARKUP_H
#define PLIMSOLL_OUTPUT_MARKUP_H

#include <stddef.h>

#include "base/text.h"

/* A name longer than this many bytes is cut, with "…": C++ has some of many kilobytes. */
#define MARKUP_NAME_MAX 1024

/* Appends s for the text of an element or a quoted attribute. */
void markup_text(struct buffer *out, const char *s);
/* Appends the first `columns` columns of s, with "…" where that is not all. */
void markup_fit(struct buffer *out, const char *s, size_t columns);
/* Appends s as a JSON string that may stand in a <script> of HTML and of XML. */
void markup_json(struct buffer *out, const char *s);

#endif
