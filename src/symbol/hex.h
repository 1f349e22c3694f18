/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal numbers in text of which millions of lines are read: strtoull() takes four times as
 * long, accepts signs and blanks, and runs past the end of a buffer. */
#ifndef PLIMSOLL_SYMBOL_HEX_H
#define PLIMSOLL_SYMBOL_HEX_H

#include <stdbool.h>
#include <stdint.h>

/* The number at *p, with or without "0x"; moves *p behind it. False where there is no digit or more
 * than 64 bits. */
static inline bool parse_hex(const char **p, const char *end, uint64_t *value)
{
	const char *s = *p;
	uint64_t v = 0;
	int digits = 0;

	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (; s < end; s++) {
		unsigned digit;

		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
			digit = (unsigned)((*s | 0x20) - 'a' + 10);
		else
			break;
		if (v >> 60)
			return false;
		v = v << 4 | digit;
		digits++;
	}
	*p = s;
	*value = v;
	return digits > 0;
}

#endif
