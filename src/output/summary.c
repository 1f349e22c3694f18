/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups the ranking of (container, function, mapping) by container. See summary.h.
 */
#include "output/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Containers while they are counted; `found` grows, `index` finds them by name. */
struct census {
	struct summary_container *found;
	size_t n, capacity;
	struct index index;
};

static bool same_name(const void *key, uint32_t position, const void *context)
{
	const struct census *c = context;

	return !strcmp(c->found[position].name, key);
}

static struct summary_container *census_get(struct census *c, const char *name)
{
	uint64_t hash = hash_string(name);
	uint32_t position = index_find(&c->index, hash, name, same_name, c);

	if (position == INDEX_NONE) {
		GROW(c->found, c->n, c->capacity);
		position = (uint32_t)c->n++;
		c->found[position] = (struct summary_container){ .name = name };
		index_insert(&c->index, hash, position);
	}
	return &c->found[position];
}

static void census_clear(struct census *c)
{
	index_free(&c->index);
	free(c->found);
}

static void add_saturated(uint64_t *sum, int64_t value)
{
	if (value > 0 && __builtin_add_overflow(*sum, (uint64_t)value, sum))
		*sum = UINT64_MAX;
}

static const char *container_of(const struct profile *p, const struct view *v, uint32_t labels)
{
	const char *name = v->has_containers ? profile_label_text(p, labels, "container") : NULL;

	return name && *name ? name : "-";
}

static int by_value(const void *a, const void *b)
{
	const struct summary_container *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return strcmp(x->name, y->name);
}

static const char *row_container(const struct view *v, const struct rank_row *row)
{
	return v->has_containers && *row->keys[0] ? row->keys[0] : "-";
}

/* Two passes over the rows: how many has each container, then put them there, order kept. */
static void group_functions(struct summary *s, const struct view *v, struct census *c)
{
	for (size_t i = 0; i < s->rank->n; i++)
		census_get(c, row_container(v, &s->rank->rows[i]))->n++;
	for (size_t i = 0; i < c->n; i++) {
		c->found[i].functions = arena_alloc(&s->arena,
						    c->found[i].n * sizeof(*c->found[i].functions));
		c->found[i].n = 0;
	}
	for (size_t i = 0; i < s->rank->n; i++) {
		struct summary_container *owner = census_get(c,
							     row_container(v, &s->rank->rows[i]));

		owner->functions[owner->n++] = &s->rank->rows[i];
	}
}

int summary_new(const struct profile *p, const struct view *v, struct summary **out)
{
	static const char *const keys[] = { "container", "function", "mapping" };
	struct summary *s = xcalloc(1, sizeof(*s));
	_cleanup_(census_clear) struct census census = { 0 };
	size_t skip = v->has_containers ? 0 : 1;
	int err;

	err = rank_new(p, v->value, keys + skip, ARRAY_SIZE(keys) - skip, &s->rank);
	if (err) {
		free(s);
		return err;
	}
	s->function_key = 1 - skip;
	s->mapping_key = 2 - skip;
	for (size_t i = 0; i < profile_count_samples(p); i++) {
		struct sample sample = profile_get_sample(p, i);
		struct summary_container *c = census_get(&census,
							 container_of(p, v, sample.labels));

		add_saturated(&c->value, sample.values[v->value]);
		if (v->samples_type >= 0)
			add_saturated(&c->samples, sample.values[v->samples_type]);
	}
	group_functions(s, v, &census);
	s->n = census.n;
	s->containers = arena_alloc(&s->arena, census.n * sizeof(*s->containers));
	if (census.n) {
		memcpy(s->containers, census.found, census.n * sizeof(*s->containers));
		qsort(s->containers, s->n, sizeof(*s->containers), by_value);
	}
	*out = s;
	return 0;
}

void summary_free(struct summary *s)
{
	if (!s)
		return;
	rank_free(s->rank);
	arena_free(&s->arena);
	free(s);
}

const struct rank_row *summary_top(const struct summary_container *c)
{
	return c->n && c->functions[0]->self ? c->functions[0] : NULL;
}
