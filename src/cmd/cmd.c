/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs share about being called wrongly; see cmd.h. */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

int usage_error(const char *verb, const char *format, ...)
{
	_cleanup_free_ char *what = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&what, format, ap) < 0)
		what = NULL;
	va_end(ap);
	log_error("%s ('plimsoll %s --help' tells how)", what ? what : format, verb);
	return EXIT_USAGE;
}

const char *nearest_name(const char *word, const char *const *names)
{
	const char *best = NULL;
	/* A third of the letters may be wrong; more is another word. */
	size_t least = MAX(strlen(word) / 3, 1) + 1;

	for (; *names; names++) {
		size_t distance = text_distance(word, *names);

		/* A beginning is as good as one typo: "rec" means "record". */
		if (strlen(word) >= 2 && strncmp(*names, word, strlen(word)) == 0)
			distance = MIN(distance, 1);
		if (distance < least) {
			least = distance;
			best = *names;
		}
	}
	return best;
}
