/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model's storage. Each kind of thing is an array, addressed by number, and a hash index that
 * finds the equal one; what has no fixed size (strings, lines, stacks, label sets) lies in the
 * arena and the array points at it.
 *
 *     strings    "" | "main" | "libc.so.6" | ...        --> arena
 *     locations  none | { mapping, address, lines } ...  --> arena: lines
 *     stacks     none | { n, locations... } ...          --> arena
 *     keys       { stack, labels } ...       a sample's key, and at the same place in
 *     values     v0 v1 | v0 v1 | ...         this array what it adds up to
 *
 * Record 0 of every array but the last two stands for "none".
 */
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "base/utf8.h"

struct stack {
	uint32_t n;
	uint32_t locations[];
};

struct label_set {
	uint32_t n;
	struct label labels[];
};

struct sample_key {
	uint32_t stack, labels;
};

/* struct NAME { T *array; size_t n, capacity; struct index index; } */
#define TABLE_OF(T)                 \
	struct {                    \
		T *array;           \
		size_t n, capacity; \
		struct index index; \
	}

struct profile {
	struct profile_head head;
	struct value_type types[PROFILE_VALUES_MAX];
	size_t ntypes;

	TABLE_OF(const char *) strings;
	TABLE_OF(struct mapping) mappings;
	TABLE_OF(struct function) functions;
	/* Its own index finds by mapping and address what profile_location() made; by_lines finds
	 * by mapping, address and lines what came with lines. */
	TABLE_OF(struct location) locations;
	struct index by_lines;
	TABLE_OF(const struct stack *) stacks;
	TABLE_OF(const struct label_set *) label_sets;
	TABLE_OF(struct sample_key) samples;
	int64_t *values; /* ntypes a sample */
	size_t values_capacity;
	TABLE_OF(const char *) notes;

	struct arena arena;
};

/* Appends a record; its number. */
#define TABLE_ADD(table, record)                                     \
	({                                                           \
		GROW((table)->array, (table)->n, (table)->capacity); \
		(table)->array[(table)->n] = (record);               \
		(uint32_t)(table)->n++;                              \
	})

#define TABLE_FREE(table)                     \
	do {                                  \
		free((void *)(table)->array); \
		index_free(&(table)->index);  \
	} while (0)

#define TABLE_MEMORY(table)                              \
	((table)->capacity * sizeof((table)->array[0]) + \
	 (table)->index.capacity * sizeof(struct index_slot))

static const struct stack no_stack;
static const struct label_set no_labels;

struct profile *profile_new(void)
{
	struct profile *p = xcalloc(1, sizeof(*p));

	profile_string(p, "");
	TABLE_ADD(&p->mappings, (struct mapping){ 0 });
	TABLE_ADD(&p->functions, (struct function){ 0 });
	TABLE_ADD(&p->locations, (struct location){ 0 });
	TABLE_ADD(&p->stacks, &no_stack);
	TABLE_ADD(&p->label_sets, &no_labels);
	return p;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	TABLE_FREE(&p->strings);
	TABLE_FREE(&p->mappings);
	TABLE_FREE(&p->functions);
	TABLE_FREE(&p->locations);
	index_free(&p->by_lines);
	TABLE_FREE(&p->stacks);
	TABLE_FREE(&p->label_sets);
	TABLE_FREE(&p->samples);
	free(p->values);
	TABLE_FREE(&p->notes);
	arena_free(&p->arena);
	free(p);
}

size_t profile_memory(const struct profile *p)
{
	return sizeof(*p) + p->arena.total + TABLE_MEMORY(&p->strings) +
	       TABLE_MEMORY(&p->mappings) + TABLE_MEMORY(&p->functions) +
	       TABLE_MEMORY(&p->locations) + p->by_lines.capacity * sizeof(struct index_slot) +
	       TABLE_MEMORY(&p->stacks) + TABLE_MEMORY(&p->label_sets) + TABLE_MEMORY(&p->samples) +
	       p->values_capacity * sizeof(*p->values) + TABLE_MEMORY(&p->notes);
}

/* --- the profile as a whole --- */

void profile_set_types(struct profile *p, const struct value_type *types, size_t n)
{
	p->ntypes = MIN(n, (size_t)PROFILE_VALUES_MAX);
	memcpy(p->types, types, p->ntypes * sizeof(*types));
}

size_t profile_values(const struct profile *p)
{
	return p->ntypes;
}

const struct value_type *profile_types(const struct profile *p)
{
	return p->types;
}

int profile_find_type(const struct profile *p, const char *type)
{
	for (size_t i = 0; i < p->ntypes; i++)
		if (strcmp(profile_str(p, p->types[i].type), type) == 0)
			return (int)i;
	return -1;
}

size_t profile_default_value(const struct profile *p)
{
	for (size_t i = 0; p->head.default_type && i < p->ntypes; i++)
		if (p->types[i].type == p->head.default_type)
			return i;
	return p->ntypes ? p->ntypes - 1 : 0;
}

struct profile_head *profile_head(struct profile *p)
{
	return &p->head;
}

const struct profile_head *profile_get_head(const struct profile *p)
{
	return &p->head;
}

void profile_note(struct profile *p, const char *note)
{
	TABLE_ADD(&p->notes, profile_str(p, profile_string(p, note)));
}

size_t profile_notes(const struct profile *p)
{
	return p->notes.n;
}

const char *profile_get_note(const struct profile *p, size_t i)
{
	return p->notes.array[i];
}

/* --- strings --- */

struct string_key {
	const char *s;
	size_t n;
};

static bool same_string(const void *key, uint32_t position, const void *context)
{
	const struct string_key *k = key;
	const struct profile *p = context;
	const char *s = p->strings.array[position];

	/* The key has no NUL among its n bytes, so strncmp() stops at the end of s at the latest.
	 */
	return strncmp(s, k->s, k->n) == 0 && !s[k->n];
}

static uint32_t intern_string(struct profile *p, const char *s, size_t n)
{
	const struct string_key key = { s, n };
	uint64_t hash = hash_bytes(s, n);
	uint32_t found = index_find(&p->strings.index, hash, &key, same_string, p);

	if (found != INDEX_NONE)
		return found;
	found = TABLE_ADD(&p->strings, arena_strndup(&p->arena, s, n));
	index_insert(&p->strings.index, hash, found);
	return found;
}

static bool is_ascii(const char *s, size_t n)
{
	unsigned char all = 0;

	for (size_t i = 0; i < n; i++)
		all |= (unsigned char)s[i];
	return all < 0x80;
}

uint32_t profile_string_n(struct profile *p, const char *s, size_t n)
{
	n = strnlen(s, n);
	if (is_ascii(s, n))
		return intern_string(p, s, n);

	_cleanup_free_ char *clean = utf8_clean(xstrndup(s, n));

	return intern_string(p, clean, n);
}

uint32_t profile_string(struct profile *p, const char *s)
{
	return profile_string_n(p, s, strlen(s));
}

uint32_t profile_find_string(const struct profile *p, const char *s)
{
	const struct string_key key = { s, strlen(s) };
	uint32_t found = index_find(&p->strings.index, hash_bytes(s, key.n), &key, same_string, p);

	return found == INDEX_NONE ? 0 : found;
}

const char *profile_str(const struct profile *p, uint32_t string)
{
	return p->strings.array[string];
}

/* --- mappings, functions --- */

static bool same_mapping(const void *key, uint32_t position, const void *context)
{
	const struct mapping *a = key,
			     *b = &((const struct profile *)context)->mappings.array[position];

	return a->start == b->start && a->limit == b->limit && a->offset == b->offset &&
	       a->file == b->file && a->build_id == b->build_id;
}

uint32_t profile_mapping(struct profile *p, const struct mapping *m)
{
	const uint64_t words[] = { m->start, m->limit, m->offset,
				   (uint64_t)m->file << 32 | m->build_id };
	uint64_t hash = hash_bytes(words, sizeof(words));
	uint32_t found = index_find(&p->mappings.index, hash, m, same_mapping, p);

	if (found == INDEX_NONE) {
		found = TABLE_ADD(&p->mappings, *m);
		index_insert(&p->mappings.index, hash, found);
	}
	return found;
}

static bool same_function(const void *key, uint32_t position, const void *context)
{
	const struct function *a = key;
	const struct function *b = &((const struct profile *)context)->functions.array[position];

	return a->name == b->name && a->system_name == b->system_name && a->file == b->file &&
	       a->start_line == b->start_line;
}

uint32_t profile_function(struct profile *p, const struct function *f)
{
	const uint64_t words[] = { (uint64_t)f->name << 32 | f->system_name, f->file,
				   (uint64_t)f->start_line };
	uint64_t hash = hash_bytes(words, sizeof(words));
	uint32_t found = index_find(&p->functions.index, hash, f, same_function, p);

	if (found == INDEX_NONE) {
		found = TABLE_ADD(&p->functions, *f);
		index_insert(&p->functions.index, hash, found);
	}
	return found;
}

/* --- locations --- */

static uint64_t hash_address(uint32_t mapping, uint64_t address)
{
	const uint64_t words[] = { mapping, address };

	return hash_bytes(words, sizeof(words));
}

static bool same_address(const void *key, uint32_t position, const void *context)
{
	const struct location *a = key;
	const struct location *b = &((const struct profile *)context)->locations.array[position];

	return a->mapping == b->mapping && a->address == b->address;
}

static bool same_lines(const void *key, uint32_t position, const void *context)
{
	const struct location *a = key;
	const struct location *b = &((const struct profile *)context)->locations.array[position];

	if (!same_address(key, position, context) || a->nlines != b->nlines)
		return false;
	/* By field: struct line has padding. */
	for (uint32_t i = 0; i < a->nlines; i++)
		if (a->lines[i].function != b->lines[i].function ||
		    a->lines[i].line != b->lines[i].line)
			return false;
	return true;
}

uint32_t profile_location(struct profile *p, uint32_t mapping, uint64_t address)
{
	const struct location key = { .mapping = mapping, .address = address };
	uint64_t hash = hash_address(mapping, address);
	uint32_t found = index_find(&p->locations.index, hash, &key, same_address, p);

	if (found == INDEX_NONE) {
		found = TABLE_ADD(&p->locations, key);
		index_insert(&p->locations.index, hash, found);
	}
	return found;
}

void profile_set_lines(struct profile *p, uint32_t location, const struct line *lines, size_t n)
{
	struct location *l = &p->locations.array[location];
	struct line *copy = NULL;

	if (n) {
		copy = arena_alloc(&p->arena, n * sizeof(*lines));
		memcpy(copy, lines, n * sizeof(*lines));
	}
	l->lines = copy;
	l->nlines = (uint32_t)n;
}

uint32_t profile_location_with_lines(struct profile *p, uint32_t mapping, uint64_t address,
				     const struct line *lines, size_t n)
{
	const struct location key = {
		.mapping = mapping, .address = address, .lines = lines, .nlines = (uint32_t)n
	};
	uint64_t hash = hash_address(mapping, address);

	if (!n)
		return profile_location(p, mapping, address);
	/* Perhaps a recorder made it and named it later. */
	uint32_t found = index_find(&p->locations.index, hash, &key, same_lines, p);
	if (found != INDEX_NONE)
		return found;

	for (size_t i = 0; i < n; i++)
		hash = hash_combine(hash_combine(hash, lines[i].function), (uint64_t)lines[i].line);
	found = index_find(&p->by_lines, hash, &key, same_lines, p);
	if (found == INDEX_NONE) {
		found = TABLE_ADD(&p->locations, key);
		profile_set_lines(p, found, lines, n);
		index_insert(&p->by_lines, hash, found);
	}
	return found;
}

uint32_t profile_named_location(struct profile *p, uint32_t mapping, const char *name)
{
	const struct function f = { .name = profile_string(p, name),
				    .system_name = profile_string(p, name) };
	const struct line line = { .function = profile_function(p, &f) };

	return profile_location_with_lines(p, mapping, 0, &line, 1);
}

/* --- stacks --- */

struct stack_key {
	const uint32_t *locations;
	size_t n;
};

static bool same_stack(const void *key, uint32_t position, const void *context)
{
	const struct stack_key *k = key;
	const struct stack *s = ((const struct profile *)context)->stacks.array[position];

	return k->n == s->n && memcmp(k->locations, s->locations, k->n * sizeof(uint32_t)) == 0;
}

uint32_t profile_stack(struct profile *p, const uint32_t *locations, size_t n)
{
	const struct stack_key key = { locations, n = MIN(n, (size_t)PROFILE_STACK_MAX) };

	if (!n)
		return 0;
	uint64_t hash = hash_bytes(locations, n * sizeof(*locations));
	uint32_t found = index_find(&p->stacks.index, hash, &key, same_stack, p);
	if (found == INDEX_NONE) {
		struct stack *s = arena_alloc(&p->arena, sizeof(*s) + n * sizeof(*locations));

		s->n = (uint32_t)n;
		memcpy(s->locations, locations, n * sizeof(*locations));
		found = TABLE_ADD(&p->stacks, s);
		index_insert(&p->stacks.index, hash, found);
	}
	return found;
}

/* --- labels --- */

static int compare_labels(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->text != y->text)
		return x->text < y->text ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->unit > y->unit) - (x->unit < y->unit);
}

/* Sorted, without padding that differs, each once: equal sets are equal bytes. */
static size_t canonical_labels(struct label *to, const struct label *from, size_t n)
{
	size_t kept = 0;

	memset(to, 0, n * sizeof(*to));
	for (size_t i = 0; i < n; i++) {
		to[i].key = from[i].key;
		to[i].text = from[i].text;
		/* What a text label says as a number has no meaning. */
		to[i].number = from[i].text ? 0 : from[i].number;
		to[i].unit = from[i].text ? 0 : from[i].unit;
	}
	qsort(to, n, sizeof(*to), compare_labels);
	for (size_t i = 0; i < n; i++)
		if (!kept || compare_labels(&to[kept - 1], &to[i]) != 0)
			to[kept++] = to[i];
	return kept;
}

struct label_key {
	const struct label *labels;
	size_t n;
};

static bool same_labels(const void *key, uint32_t position, const void *context)
{
	const struct label_key *k = key;
	const struct label_set *s = ((const struct profile *)context)->label_sets.array[position];

	return k->n == s->n && memcmp(k->labels, s->labels, k->n * sizeof(*k->labels)) == 0;
}

uint32_t profile_labels(struct profile *p, const struct label *labels, size_t n)
{
	struct label canonical[PROFILE_LABELS_MAX];

	n = canonical_labels(canonical, labels, MIN(n, (size_t)PROFILE_LABELS_MAX));
	if (!n)
		return 0;
	const struct label_key key = { canonical, n };
	uint64_t hash = hash_bytes(canonical, n * sizeof(*canonical));
	uint32_t found = index_find(&p->label_sets.index, hash, &key, same_labels, p);
	if (found == INDEX_NONE) {
		struct label_set *s = arena_alloc(&p->arena, sizeof(*s) + n * sizeof(*canonical));

		s->n = (uint32_t)n;
		memcpy(s->labels, canonical, n * sizeof(*canonical));
		found = TABLE_ADD(&p->label_sets, s);
		index_insert(&p->label_sets.index, hash, found);
	}
	return found;
}

/* --- samples --- */

static bool same_sample(const void *key, uint32_t position, const void *context)
{
	const struct sample_key *a = key;
	const struct sample_key *b = &((const struct profile *)context)->samples.array[position];

	return a->stack == b->stack && a->labels == b->labels;
}

static int64_t add_saturating(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

void profile_add(struct profile *p, uint32_t stack, uint32_t labels, const int64_t *values)
{
	const struct sample_key key = { stack, labels };
	uint64_t hash = hash_combine(stack, labels);
	uint32_t found = index_find(&p->samples.index, hash, &key, same_sample, p);

	if (found == INDEX_NONE) {
		found = TABLE_ADD(&p->samples, key);
		index_insert(&p->samples.index, hash, found);
		if (!p->ntypes)
			return;
		GROW(p->values, p->samples.n * p->ntypes - 1, p->values_capacity);
		memcpy(p->values + found * p->ntypes, values, p->ntypes * sizeof(*values));
		return;
	}
	int64_t *sum = p->values + found * p->ntypes;
	for (size_t i = 0; i < p->ntypes; i++)
		sum[i] = add_saturating(sum[i], values[i]);
}

/* --- reading --- */

size_t profile_count_strings(const struct profile *p)
{
	return p->strings.n;
}

size_t profile_count_mappings(const struct profile *p)
{
	return p->mappings.n - 1;
}

size_t profile_count_functions(const struct profile *p)
{
	return p->functions.n - 1;
}

size_t profile_count_locations(const struct profile *p)
{
	return p->locations.n - 1;
}

size_t profile_count_stacks(const struct profile *p)
{
	return p->stacks.n - 1;
}

size_t profile_count_labels(const struct profile *p)
{
	return p->label_sets.n - 1;
}

size_t profile_count_samples(const struct profile *p)
{
	return p->samples.n;
}

const struct mapping *profile_get_mapping(const struct profile *p, uint32_t mapping)
{
	return &p->mappings.array[mapping];
}

const struct function *profile_get_function(const struct profile *p, uint32_t function)
{
	return &p->functions.array[function];
}

const struct location *profile_get_location(const struct profile *p, uint32_t location)
{
	return &p->locations.array[location];
}

const uint32_t *profile_get_stack(const struct profile *p, uint32_t stack, size_t *n)
{
	const struct stack *s = p->stacks.array[stack];

	*n = s->n;
	return s->locations;
}

const struct label *profile_get_labels(const struct profile *p, uint32_t labels, size_t *n)
{
	const struct label_set *s = p->label_sets.array[labels];

	*n = s->n;
	return s->labels;
}

struct sample profile_get_sample(const struct profile *p, size_t i)
{
	return (struct sample){
		.stack = p->samples.array[i].stack,
		.labels = p->samples.array[i].labels,
		.values = p->values + i * p->ntypes,
	};
}

static const struct label *find_label(const struct profile *p, uint32_t labels, const char *key,
				      bool is_text)
{
	uint32_t wanted = profile_find_string(p, key);
	const struct label_set *s = p->label_sets.array[labels];

	for (uint32_t i = 0; wanted && i < s->n; i++)
		if (s->labels[i].key == wanted && !s->labels[i].text == !is_text)
			return &s->labels[i];
	return NULL;
}

const char *profile_label_text(const struct profile *p, uint32_t labels, const char *key)
{
	const struct label *l = find_label(p, labels, key, true);

	return l ? profile_str(p, l->text) : NULL;
}

bool profile_label_number(const struct profile *p, uint32_t labels, const char *key, int64_t *n)
{
	const struct label *l = find_label(p, labels, key, false);

	if (l)
		*n = l->number;
	return l != NULL;
}
