/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole profiles: adding one to another, and keeping a part of one. Both copy samples from a
 * profile into another; a number there is found once and remembered.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "profile/profile.h"

/* For each number in `from` the number in `to`, 0: not copied yet. */
struct copier {
	struct profile *to;
	const struct profile *from;
	uint32_t *mappings, *functions, *locations, *stacks, *labels;
};

static void copier_init(struct copier *c, struct profile *to, const struct profile *from)
{
	*c = (struct copier){
		.to = to,
		.from = from,
		.mappings = xcalloc(profile_count_mappings(from) + 1, sizeof(uint32_t)),
		.functions = xcalloc(profile_count_functions(from) + 1, sizeof(uint32_t)),
		.locations = xcalloc(profile_count_locations(from) + 1, sizeof(uint32_t)),
		.stacks = xcalloc(profile_count_stacks(from) + 1, sizeof(uint32_t)),
		.labels = xcalloc(profile_count_labels(from) + 1, sizeof(uint32_t)),
	};
}

static void copier_free(struct copier *c)
{
	free(c->mappings);
	free(c->functions);
	free(c->locations);
	free(c->stacks);
	free(c->labels);
}

static uint32_t copy_string(struct copier *c, uint32_t string)
{
	return profile_string(c->to, profile_str(c->from, string));
}

static struct value_type copy_type(struct copier *c, struct value_type type)
{
	return (struct value_type){ copy_string(c, type.type), copy_string(c, type.unit) };
}

static uint32_t copy_mapping(struct copier *c, uint32_t mapping)
{
	if (mapping && !c->mappings[mapping]) {
		struct mapping m = *profile_get_mapping(c->from, mapping);

		m.file = copy_string(c, m.file);
		m.build_id = copy_string(c, m.build_id);
		c->mappings[mapping] = profile_mapping(c->to, &m);
	}
	return c->mappings[mapping];
}

static uint32_t copy_function(struct copier *c, uint32_t function)
{
	if (function && !c->functions[function]) {
		struct function f = *profile_get_function(c->from, function);

		f.name = copy_string(c, f.name);
		f.system_name = copy_string(c, f.system_name);
		f.file = copy_string(c, f.file);
		c->functions[function] = profile_function(c->to, &f);
	}
	return c->functions[function];
}

static uint32_t copy_location(struct copier *c, uint32_t location)
{
	if (!c->locations[location]) {
		const struct location *l = profile_get_location(c->from, location);
		_cleanup_free_ struct line *lines = xcalloc(l->nlines, sizeof(*lines));

		for (uint32_t i = 0; i < l->nlines; i++)
			lines[i] =
				(struct line){ .function = copy_function(c, l->lines[i].function),
					       .line = l->lines[i].line };
		c->locations[location] = profile_location_with_lines(
			c->to, copy_mapping(c, l->mapping), l->address, lines, l->nlines);
	}
	return c->locations[location];
}

static uint32_t copy_stack(struct copier *c, uint32_t stack)
{
	if (stack && !c->stacks[stack]) {
		uint32_t locations[PROFILE_STACK_MAX];
		size_t n;
		const uint32_t *from = profile_get_stack(c->from, stack, &n);

		for (size_t i = 0; i < n; i++)
			locations[i] = copy_location(c, from[i]);
		c->stacks[stack] = profile_stack(c->to, locations, n);
	}
	return c->stacks[stack];
}

static uint32_t copy_labels(struct copier *c, uint32_t labels)
{
	if (labels && !c->labels[labels]) {
		struct label copy[PROFILE_LABELS_MAX];
		size_t n;
		const struct label *from = profile_get_labels(c->from, labels, &n);

		for (size_t i = 0; i < n; i++)
			copy[i] = (struct label){ .key = copy_string(c, from[i].key),
						  .text = copy_string(c, from[i].text),
						  .number = from[i].number,
						  .unit = copy_string(c, from[i].unit) };
		c->labels[labels] = profile_labels(c->to, copy, n);
	}
	return c->labels[labels];
}

static void copy_types(struct copier *c)
{
	struct value_type types[PROFILE_VALUES_MAX];
	size_t n = profile_values(c->from);

	for (size_t i = 0; i < n; i++)
		types[i] = copy_type(c, profile_types(c->from)[i]);
	profile_set_types(c->to, types, n);
}

static void copy_head(struct copier *c)
{
	struct profile_head head = *profile_get_head(c->from);

	head.period_type = copy_type(c, head.period_type);
	head.default_type = copy_string(c, head.default_type);
	*profile_head(c->to) = head;
}

static bool has_note(const struct profile *p, const char *note)
{
	for (size_t i = 0; i < profile_notes(p); i++)
		if (strcmp(profile_get_note(p, i), note) == 0)
			return true;
	return false;
}

/* A note that both have says the same of both. */
static void copy_notes(struct copier *c)
{
	for (size_t i = 0; i < profile_notes(c->from); i++)
		if (!has_note(c->to, profile_get_note(c->from, i)))
			profile_note(c->to, profile_get_note(c->from, i));
}

/* --- merge --- */

static void merge_heads(struct profile_head *to, const struct profile_head *from)
{
	if (from->time && (!to->time || from->time < to->time))
		to->time = from->time;
	if (__builtin_add_overflow(to->duration, from->duration, &to->duration))
		to->duration = INT64_MAX;
	to->period = MAX(to->period, from->period);
}

static int64_t scaled(int64_t value, double scale)
{
	/* Not through a double where it need not be: that has 53 bits. */
	if (scale == 1)
		return value;
	double product = (double)value * scale;

	if (product >= 0x1p63)
		return INT64_MAX;
	if (product <= -0x1p63)
		return INT64_MIN;
	return isnan(product) ? 0 : llround(product);
}

/* Which of src's values each of dst's is, -1: none. */
static bool match_types(const struct profile *dst, const struct profile *src,
			int match[PROFILE_VALUES_MAX])
{
	bool any = false;

	for (size_t i = 0; i < profile_values(dst); i++) {
		struct value_type type = profile_types(dst)[i];
		const char *unit = profile_str(dst, type.unit);

		match[i] = profile_find_type(src, profile_str(dst, type.type));
		if (match[i] >= 0 &&
		    strcmp(unit, profile_str(src, profile_types(src)[match[i]].unit)) != 0)
			match[i] = -1;
		any |= match[i] >= 0;
	}
	return any;
}

int profile_merge(struct profile *dst, const struct profile *src, double scale)
{
	_cleanup_(copier_free) struct copier c;
	int match[PROFILE_VALUES_MAX];

	copier_init(&c, dst, src);
	if (!profile_values(dst)) {
		copy_types(&c);
		copy_head(&c);
		match_types(dst, src, match);
	} else {
		if (!match_types(dst, src, match))
			return -EINVAL;
		merge_heads(profile_head(dst), profile_get_head(src));
	}
	copy_notes(&c);
	for (size_t i = 0; i < profile_count_samples(src); i++) {
		struct sample s = profile_get_sample(src, i);
		int64_t values[PROFILE_VALUES_MAX] = { 0 };

		for (size_t v = 0; v < profile_values(dst); v++)
			if (match[v] >= 0)
				values[v] = scaled(s.values[match[v]], scale);
		profile_add(dst, copy_stack(&c, s.stack), copy_labels(&c, s.labels), values);
	}
	return 0;
}

/* --- filter --- */

struct profile *profile_filter(const struct profile *p, profile_filter_fn keep, void *context)
{
	_cleanup_(copier_free) struct copier c;
	struct profile *part = profile_new();

	copier_init(&c, part, p);
	copy_types(&c);
	copy_head(&c);
	copy_notes(&c);
	for (size_t i = 0; i < profile_count_samples(p); i++) {
		struct sample s = profile_get_sample(p, i);

		if (keep(p, &s, context))
			profile_add(part, copy_stack(&c, s.stack), copy_labels(&c, s.labels),
				    s.values);
	}
	return part;
}
