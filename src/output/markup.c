/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two sieves for names in SVG and HTML, and the cut for names that are too long. See markup.h.
 */
#include "output/markup.h"

#include <string.h>

#include "base/cleanup.h"

/* The name as a terminal may show it, at most MARKUP_NAME_MAX bytes of it. */
static void clean(struct buffer *out, const char *s)
{
	size_t n = strlen(s);

	if (n <= MARKUP_NAME_MAX) {
		escape_terminal(out, s);
		return;
	}
	n = MARKUP_NAME_MAX;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	_cleanup_(buffer_free) struct buffer head = { 0 };

	buffer_add(&head, s, n);
	escape_terminal(out, head.data);
	buffer_puts(out, "…");
}

void markup_text(struct buffer *out, const char *s)
{
	_cleanup_(buffer_free) struct buffer name = { 0 };

	clean(&name, s);
	if (name.size)
		escape_xml(out, name.data);
}

void markup_fit(struct buffer *out, const char *s, size_t columns)
{
	_cleanup_(buffer_free) struct buffer name = { 0 }, cut = { 0 };

	clean(&name, s);
	if (!name.size)
		return;
	if (text_width(name.data) <= columns) {
		escape_xml(out, name.data);
		return;
	}
	text_fit(&cut, name.data, columns, false);
	/* A wide character that did not fit leaves a blank of padding behind. */
	while (cut.size && cut.data[cut.size - 1] == ' ')
		cut.data[--cut.size] = '\0';
	escape_xml(out, cut.data);
}

void markup_json(struct buffer *out, const char *s)
{
	_cleanup_(buffer_free) struct buffer name = { 0 };
	size_t start = out->size;

	clean(&name, s);
	escape_json(out, name.size ? name.data : "");
	/* U+FFFE and U+FFFF are valid JSON but not valid XML 1.0 (section 2.2): U+FFFD instead. */
	for (size_t i = start; i + 2 < out->size; i++)
		if (!memcmp(out->data + i, "\xef\xbf\xbe", 3) ||
		    !memcmp(out->data + i, "\xef\xbf\xbf", 3))
			out->data[i + 2] = (char)0xbd;
}
