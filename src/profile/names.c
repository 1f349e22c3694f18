/* SPDX-License-Identifier: Apache-2.0 */
/* Names and frames for trees and tables; see names.h. */
#include "profile/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static bool same_name(const void *key, uint32_t position, const void *context)
{
	return strcmp(key, ((const struct names *)context)->array[position]) == 0;
}

uint32_t names_add(struct names *names, const char *s)
{
	uint64_t hash = hash_string(s);
	uint32_t found = index_find(&names->index, hash, s, same_name, names);

	if (found == INDEX_NONE) {
		GROW(names->array, names->n, names->capacity);
		names->array[names->n] = s;
		found = (uint32_t)names->n++;
		index_insert(&names->index, hash, found);
	}
	return found;
}

void names_init(struct names *names, struct arena *arena)
{
	*names = (struct names){ .arena = arena };
	names_add(names, "-");
}

void names_free(struct names *names)
{
	free(names->array);
	index_free(&names->index);
}

/* For a text that is made here and may be known already. */
static uint32_t add_made(struct names *names, const char *s)
{
	uint32_t found = index_find(&names->index, hash_string(s), s, same_name, names);

	if (found != INDEX_NONE)
		return found;
	return names_add(names, arena_strndup(names->arena, s, strlen(s)));
}

uint32_t names_add_label(struct names *names, const struct profile *p, uint32_t labels,
			 const char *key)
{
	const char *text = profile_label_text(p, labels, key);
	char decimal[32];
	int64_t number;

	if (text)
		return names_add(names, text);
	if (!profile_label_number(p, labels, key, &number))
		return 0;
	snprintf(decimal, sizeof(decimal), "%" PRId64, number);
	return add_made(names, decimal);
}

/* --- frames --- */

struct reading {
	const struct profile *profile;
	struct names *names;
	uint32_t *known; /* by the profile's string number: name + 1, 0: not asked for yet */
};

static uint32_t name_of(struct reading *r, uint32_t string)
{
	if (!string)
		return 0;
	if (!r->known[string])
		r->known[string] = names_add(r->names, profile_str(r->profile, string)) + 1;
	return r->known[string] - 1;
}

static uint32_t name_of_frame(struct reading *r, uint32_t location, uint32_t line)
{
	const struct location *l = profile_get_location(r->profile, location);
	char made[512];

	if (line < l->nlines) {
		const struct function *f = profile_get_function(r->profile,
								l->lines[line].function);

		if (f->name || f->system_name)
			return name_of(r, f->name ? f->name : f->system_name);
	}
	return add_made(r->names,
			profile_frame_name(r->profile, location, line, made, sizeof(made)));
}

static struct frame read_frame(struct reading *r, uint32_t location, uint32_t line)
{
	const struct profile *p = r->profile;
	const struct location *l = profile_get_location(p, location);
	struct frame f = {
		.name = name_of_frame(r, location, line),
		.kind = profile_frame_kind(p, location),
		.inlined = line + 1 < l->nlines,
	};

	if (line < l->nlines)
		f.source = name_of(r, profile_get_function(p, l->lines[line].function)->file);
	if (l->mapping)
		f.mapping = name_of(r, profile_get_mapping(p, l->mapping)->file);
	return f;
}

void frames_init(struct frames *f, const struct profile *p, struct names *names)
{
	size_t locations = profile_count_locations(p);
	_cleanup_free_ uint32_t *known = xcalloc(profile_count_strings(p), sizeof(*known));
	struct reading reading = { p, names, known };
	uint32_t n = 0;

	f->first = xcalloc(locations + 2, sizeof(*f->first));
	for (uint32_t i = 1; i <= locations; i++) {
		f->first[i] = n;
		n += MAX(profile_get_location(p, i)->nlines, 1U);
	}
	f->first[locations + 1] = n;
	f->all = xcalloc(n, sizeof(*f->all));
	for (uint32_t i = 1; i <= locations; i++)
		for (uint32_t at = f->first[i]; at < f->first[i + 1]; at++)
			f->all[at] = read_frame(&reading, i, at - f->first[i]);
}

void frames_free(struct frames *f)
{
	free(f->all);
	free(f->first);
}
