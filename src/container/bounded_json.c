/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that others wrote, parsed within bounds; see bounded_json.h. */
#include "container/bounded_json.h"

#include <stdarg.h>

/* A value takes jansson some 100 bytes whatever it says ("[[[…": 150), so text of a megabyte could
 * ask for a hundred. A containers.json of 4,000 containers has 100,000. */
#define VALUES_MAX 200000

static size_t count_values(const char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += text[i] == ',' || text[i] == '[' || text[i] == '{';
	return n;
}

json_t *json_parse(const char *text, size_t size)
{
	json_error_t ignored; /* the caller knows only that it is not there, whatever the reason */

	if (count_values(text, size) > VALUES_MAX)
		return NULL;
	return json_loadb(text, size, 0, &ignored);
}

static json_t *follow(const json_t *json, va_list keys)
{
	const char *key;

	while (json && (key = va_arg(keys, const char *)))
		json = json_object_get(json, key);
	return (json_t *)json;
}

const char *json_text_at(const json_t *json, ...)
{
	va_list keys;
	const char *text;

	va_start(keys, json);
	text = json_string_value(follow(json, keys));
	va_end(keys);
	return text && *text ? text : NULL;
}

json_t *json_object_at(const json_t *json, ...)
{
	va_list keys;
	json_t *found;

	va_start(keys, json);
	found = follow(json, keys);
	va_end(keys);
	return json_is_object(found) ? found : NULL;
}
