/* SPDX-License-Identifier: Apache-2.0 */
/* Strings on their way out; see text.h. */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* --- buffer --- */

static void reserve(struct buffer *b, size_t more)
{
	size_t needed = b->size + more + 1;

	if (needed <= b->capacity)
		return;
	b->capacity = MAX(needed, b->capacity + b->capacity / 2 + 256);
	b->data = xreallocarray(b->data, b->capacity, 1);
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
	reserve(b, size);
	memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = '\0';
}

void buffer_puts(struct buffer *b, const char *s)
{
	buffer_add(b, s, strlen(s));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n > 0) {
		reserve(b, (size_t)n);
		vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
		b->size += (size_t)n;
	}
	va_end(again);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}

/* --- UTF-8 --- */

/*
 * Length of the well-formed sequence at s (Unicode 15, table 3-7: no overlong forms, no surrogates,
 * nothing above U+10FFFF) and its code point; 0 for a byte that starts none.
 */
static size_t decode(const unsigned char *s, uint32_t *c)
{
	if (s[0] < 0x80) {
		*c = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf && (s[1] & 0xc0) == 0x80) {
		*c = (s[0] & 0x1fU) << 6 | (s[1] & 0x3fU);
		return 2;
	}
	if ((s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80) {
		*c = (s[0] & 0x0fU) << 12 | (s[1] & 0x3fU) << 6 | (s[2] & 0x3fU);
		return *c >= 0x800 && (*c < 0xd800 || *c > 0xdfff) ? 3 : 0;
	}
	if ((s[0] & 0xf8) == 0xf0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
	    (s[3] & 0xc0) == 0x80) {
		*c = (s[0] & 0x07U) << 18 | (s[1] & 0x3fU) << 12 | (s[2] & 0x3fU) << 6 |
		     (s[3] & 0x3fU);
		return *c >= 0x10000 && *c <= 0x10ffff ? 4 : 0;
	}
	return 0;
}

/* Characters that steer a terminal or a line's direction instead of being seen. */
static bool is_unseen(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || /* Arabic letter mark */
	       (c >= 0x200b && c <= 0x200f) ||			     /* zero width, LRM, RLM */
	       (c >= 0x2028 && c <= 0x202e) || /* separators, embeddings, overrides */
	       (c >= 0x2060 && c <= 0x206f) || /* invisible operators, isolates */
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || /* byte order mark, annotations */
	       (c >= 0xe0000 && c <= 0xe007f);		      /* tags */
}

void escape_terminal(struct buffer *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;

	for (size_t n; *p; p += n) {
		n = decode(p, &c);
		if (n && !is_unseen(c)) {
			buffer_add(b, p, n);
		} else if (n == 1 && c == '\n') {
			buffer_puts(b, "\\n");
		} else if (n == 1 && c == '\t') {
			buffer_puts(b, "\\t");
		} else if (n > 1) {
			buffer_printf(b, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
		} else {
			buffer_printf(b, "\\x%02x", *p);
			n = 1;
		}
	}
}

char *escaped_terminal(const char *s)
{
	struct buffer b = { 0 };

	escape_terminal(&b, s);
	return b.data ? b.data : xstrdup("");
}

void escape_xml(struct buffer *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;

	for (size_t n; *p; p += n) {
		n = decode(p, &c);
		if (!n || is_unseen(c) || c == 0xfffe || c == 0xffff) {
			buffer_puts(b, "\xef\xbf\xbd");
			n = n ? n : 1;
			continue;
		}
		switch (c) {
		case '&':
			buffer_puts(b, "&amp;");
			break;
		case '<':
			buffer_puts(b, "&lt;");
			break;
		case '>':
			buffer_puts(b, "&gt;");
			break;
		case '"':
			buffer_puts(b, "&quot;");
			break;
		case '\'':
			buffer_puts(b, "&#39;");
			break;
		default:
			buffer_add(b, p, n);
		}
	}
}

void escape_json(struct buffer *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;

	buffer_puts(b, "\"");
	for (size_t n; *p; p += n) {
		n = decode(p, &c);
		if (!n) {
			buffer_puts(b, "\xef\xbf\xbd");
			n = 1;
		} else if (c == '"' || c == '\\') {
			buffer_printf(b, "\\%c", (char)c);
		} else if (c == '<' || c == '>' || c == '&' || (is_unseen(c) && c <= 0xffff)) {
			buffer_printf(b, "\\u%04x", c);
		} else {
			buffer_add(b, p, n);
		}
	}
	buffer_puts(b, "\"");
}

/* Columns of one character; what the locale does not know takes one. */
static size_t columns_of(uint32_t c)
{
	int w = wcwidth((wchar_t)c);

	return w < 0 ? 1 : (size_t)w;
}

size_t text_width(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t columns = 0;
	uint32_t c;

	for (size_t n; *p; p += n) {
		n = decode(p, &c);
		columns += n ? columns_of(c) : 1;
		n = n ? n : 1;
	}
	return columns;
}

void text_fit(struct buffer *b, const char *s, size_t columns, bool right)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t width = text_width(s);
	uint32_t c;

	if (width <= columns) {
		size_t blanks = columns - width;

		for (size_t i = 0; right && i < blanks; i++)
			buffer_puts(b, " ");
		buffer_puts(b, s);
		for (size_t i = 0; !right && i < blanks; i++)
			buffer_puts(b, " ");
		return;
	}
	if (!columns)
		return;
	size_t used = 0;
	for (size_t n; *p; p += n) {
		n = decode(p, &c);
		size_t w = n ? columns_of(c) : 1;

		n = n ? n : 1;
		if (used + w > columns - 1)
			break;
		buffer_add(b, p, n);
		used += w;
	}
	buffer_puts(b, "…");
	for (used++; used < columns; used++)
		buffer_puts(b, " ");
}

/* --- numbers --- */

char *text_bytes(uint64_t bytes, char buf[TEXT_SHORT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t u = 0;

	/* 1023.95 would print as 1024.0. */
	while (value >= 1023.95 && u + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		u++;
	}
	snprintf(buf, TEXT_SHORT, u ? "%.1f %s" : "%.0f %s", value, units[u]);
	return buf;
}

char *text_duration(uint64_t ns, char buf[TEXT_SHORT])
{
	double seconds = (double)ns / 1e9;

	if (ns < 1000)
		snprintf(buf, TEXT_SHORT, "%u ns", (unsigned)ns);
	else if (ns < 1000000)
		snprintf(buf, TEXT_SHORT, "%.1f µs", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, TEXT_SHORT, ns < 10000000 ? "%.1f ms" : "%.0f ms", (double)ns / 1e6);
	else if (seconds < 60)
		snprintf(buf, TEXT_SHORT, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
	else if (seconds < 3600)
		snprintf(buf, TEXT_SHORT, "%.0f m %02.0f s", floor(seconds / 60),
			 fmod(seconds, 60));
	else if (seconds < 86400)
		snprintf(buf, TEXT_SHORT, "%.0f h %02.0f m", floor(seconds / 3600),
			 floor(fmod(seconds, 3600) / 60));
	else
		snprintf(buf, TEXT_SHORT, "%.0f d %02.0f h", floor(seconds / 86400),
			 floor(fmod(seconds, 86400) / 3600));
	return buf;
}

char *text_count(uint64_t count, char buf[TEXT_SHORT])
{
	char digits[TEXT_SHORT];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	char *out = buf;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}

/* --- words --- */

const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path;
}

size_t text_distance(const char *a, const char *b)
{
	/* Longer names are cut: a typo is judged by the first characters well enough. */
	enum { LONGEST = 64 };
	size_t la = strnlen(a, LONGEST), lb = strnlen(b, LONGEST);
	size_t rows[3][LONGEST + 1];
	size_t *older = rows[0], *old = rows[1], *now = rows[2];

	for (size_t j = 0; j <= lb; j++)
		old[j] = j;
	for (size_t i = 1; i <= la; i++) {
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			int ca = tolower((unsigned char)a[i - 1]);
			int cb = tolower((unsigned char)b[j - 1]);
			size_t d = MIN(old[j] + 1, now[j - 1] + 1);

			d = MIN(d, old[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]))
				d = MIN(d, older[j - 2] + 1);
			now[j] = d;
		}
		size_t *spare = older;

		older = old;
		old = now;
		now = spare;
	}
	return old[lb];
}

int parse_u64(const char *s, uint64_t *value)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	*value = v;
	return 0;
}

int parse_number(const char *s, double *value)
{
	char *end;

	/* strtod() would take blanks, signs, hexadecimal, "inf" and "nan". */
	if (!*s || s[strspn(s, "0123456789.")])
		return -EINVAL;
	errno = 0;
	double v = strtod(s, &end);
	if (*end || end == s || errno || !isfinite(v))
		return -EINVAL;
	*value = v;
	return 0;
}

int parse_duration_ns(const char *s, uint64_t *nanoseconds)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	size_t digits = strspn(s, "0123456789.");
	char number[TEXT_SHORT];
	double value;

	if (digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, s, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(s + digits, units[i].unit) != 0)
			continue;
		if (parse_number(number, &value) < 0 || value * units[i].ns >= 0x1p63)
			return -EINVAL;
		*nanoseconds = (uint64_t)(value * units[i].ns + 0.5);
		return 0;
	}
	return -EINVAL;
}
