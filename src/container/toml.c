/* SPDX-License-Identifier: Apache-2.0 */
/* One string out of a TOML file; see toml.h. */
#include "container/toml.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t\r");
}

/* Is this line "[section]"? */
static bool opens(const char *line, const char *section)
{
	size_t n = strlen(section);

	line = skip_blanks(line + 1);
	if (strncmp(line, section, n) != 0)
		return false;
	return *skip_blanks(line + n) == ']';
}

static char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);
	const char *s, *end;
	char quote;

	if (strncmp(line, key, n) != 0)
		return NULL;
	s = skip_blanks(line + n);
	if (*s != '=')
		return NULL;
	s = skip_blanks(s + 1);
	quote = *s;
	if (quote != '"' && quote != '\'')
		return NULL;
	s++;
	end = s + strcspn(s, "\"'\\\n");
	if (*end != quote || end == s)
		return NULL;
	return xstrndup(s, (size_t)(end - s));
}

char *toml_string(const char *text, const char *section, const char *key)
{
	bool inside = !*section;
	char *value = NULL;

	for (const char *line = text; *line && !value;) {
		const char *s = skip_blanks(line), *end = strchr(line, '\n');

		if (*s == '[')
			inside = *section && opens(s, section);
		else if (inside)
			value = value_of(s, key);
		line = end ? end + 1 : line + strlen(line);
	}
	return value;
}
