/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON that others wrote, parsed within bounds: jansson does the parsing, this limits what it may
 * cost and spares its callers the checks of type.
 */
#ifndef PLIMSOLL_CONTAINER_BOUNDED_JSON_H
#define PLIMSOLL_CONTAINER_BOUNDED_JSON_H

#include <jansson.h>
#include <stddef.h>

static inline void cleanup_json(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* NULL if it is not JSON, or has so many values that it would take much memory. Every string in it
 * is valid UTF-8. The caller drops the reference. */
json_t *json_parse(const char *text, size_t size);

/* The string at a path of object keys ("Config", "Image"; ended by NULL), or NULL. Never "". */
const char *json_text_at(const json_t *json, ...) __attribute__((sentinel));

/* The object at such a path, or NULL. */
json_t *json_object_at(const json_t *json, ...) __attribute__((sentinel));

#endif
