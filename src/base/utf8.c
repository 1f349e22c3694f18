/* SPDX-License-Identifier: Apache-2.0 */
/* Valid UTF-8 or '?'; see utf8.h. */
#include "base/utf8.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Length of the valid sequence at s, 0 if there is none. The ranges are table 3-7 of the Unicode
 * standard: no overlong forms, no surrogates, nothing above U+10FFFF. A NUL ends every range, so
 * this never reads past the string.
 */
static size_t sequence(const uint8_t *s)
{
	static const struct {
		uint8_t first, last; /* lead byte */
		uint8_t low, high;   /* second byte */
		uint8_t length;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (s[1] < forms[i].low || s[1] > forms[i].high)
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return forms[i].length;
	}
	return 0;
}

char *utf8_clean(char *s)
{
	for (char *p = s; *p;) {
		size_t n = sequence((const uint8_t *)p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
	return s;
}
