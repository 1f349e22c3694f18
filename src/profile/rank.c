/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples summed up by keys. What a sample's labels say for the keys is looked up once a label set,
 * what a frame says once a frame; both become the number of a tuple, and a pair of tuples is a row:
 *
 *     keys:         container   function   comm
 *     label tuple:  web         .          nginx      row = (label tuple, frame tuple)
 *     frame tuple:  .           main       .
 *
 * As in pprof, a row that is in a stack several times (recursion) gets the sample's weight once.
 */
#include "profile/rank.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "base/log.h"
#include "base/text.h"
#include "profile/compare.h"
#include "profile/names.h"

enum key_source { KEY_LABEL, KEY_FUNCTION, KEY_FILE, KEY_MAPPING };

/* A label of the same name is hidden by these. */
static const struct {
	const char *name;
	enum key_source source;
} stack_keys[] = {
	{ "function", KEY_FUNCTION },
	{ "file", KEY_FILE },
	{ "mapping", KEY_MAPPING },
};

struct tuple {
	uint32_t names[RANK_KEYS_MAX]; /* 0 where the key is of the other sort */
};

struct tuples {
	struct tuple *array;
	size_t n, capacity;
	struct index index;
};

struct row_key {
	uint32_t labels, frame; /* tuples */
};

struct ranking {
	struct rank *rank;
	enum key_source sources[RANK_KEYS_MAX];
	bool has_stack_key;
	struct names names;
	struct tuples tuples;
	struct row_key *keys; /* of rank->rows, in the same order */
	uint32_t *seen;	      /* likewise: the last sample that counted */
	size_t rows_capacity, keys_capacity, seen_capacity;
	struct index rows;
	uint32_t sample; /* counts */
};

/* One profile on its way into the ranking. */
struct pass {
	struct ranking *ranking;
	const struct profile *profile;
	struct frames frames;
	uint32_t *frame_tuples; /* of frames.all */
	uint32_t *label_tuples; /* of label sets; tuple + 1, 0: not asked for yet */
	bool is_base, of_waits;
};

/* --- keys --- */

static enum key_source source_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(stack_keys); i++)
		if (strcmp(stack_keys[i].name, key) == 0)
			return stack_keys[i].source;
	return KEY_LABEL;
}

bool rank_key_is_label(const char *key)
{
	return source_of(key) == KEY_LABEL;
}

/* Marks the strings that are a label's key in some set. */
static uint8_t *label_keys(const struct profile *p)
{
	uint8_t *is_key = xcalloc(profile_count_strings(p), 1);

	for (uint32_t set = 1; set <= profile_count_labels(p); set++) {
		size_t n;
		const struct label *labels = profile_get_labels(p, set, &n);

		for (size_t i = 0; i < n; i++)
			is_key[labels[i].key] = 1;
	}
	return is_key;
}

static bool has_label_key(const struct profile *p, const char *key)
{
	_cleanup_free_ uint8_t *is_key = label_keys(p);

	return is_key[profile_find_string(p, key)];
}

static void log_unknown_key(const struct profile *p, const char *key)
{
	enum { SHOWN = 24 };
	_cleanup_free_ uint8_t *is_key = label_keys(p);
	_cleanup_(buffer_free) struct buffer known = { 0 };
	size_t shown = 0;

	for (size_t i = 0; i < ARRAY_SIZE(stack_keys); i++)
		buffer_printf(&known, "%s%s", i ? ", " : "", stack_keys[i].name);
	for (size_t i = 1; i < profile_count_strings(p) && shown <= SHOWN; i++)
		if (is_key[i] && shown++ < SHOWN)
			buffer_printf(&known, ", %s", profile_str(p, (uint32_t)i));
	log_error("no sample has a label '%s'; the profile can be ranked by %s%s", key, known.data,
		  shown > SHOWN ? ", ..." : "");
}

static int check_keys(const struct profile *p, const struct profile *other, const char *const *keys,
		      size_t nkeys)
{
	if (!nkeys || nkeys > RANK_KEYS_MAX) {
		log_error("a ranking has 1 to %d keys", RANK_KEYS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < nkeys; i++) {
		if (source_of(keys[i]) != KEY_LABEL || !profile_count_samples(p) ||
		    has_label_key(p, keys[i]) || (other && has_label_key(other, keys[i])))
			continue;
		log_unknown_key(p, keys[i]);
		return -EINVAL;
	}
	return 0;
}

/* --- tuples and rows --- */

static bool same_tuple(const void *key, uint32_t position, const void *context)
{
	return memcmp(key, &((const struct tuples *)context)->array[position],
		      sizeof(struct tuple)) == 0;
}

static uint32_t tuple_number(struct tuples *t, const struct tuple *tuple)
{
	uint64_t hash = hash_bytes(tuple, sizeof(*tuple));
	uint32_t found = index_find(&t->index, hash, tuple, same_tuple, t);

	if (found == INDEX_NONE) {
		GROW(t->array, t->n, t->capacity);
		t->array[t->n] = *tuple;
		found = (uint32_t)t->n++;
		index_insert(&t->index, hash, found);
	}
	return found;
}

static uint32_t tuple_of_frame(struct ranking *r, const struct frame *f)
{
	struct tuple tuple = { 0 };

	for (size_t i = 0; i < r->rank->nkeys; i++) {
		if (r->sources[i] == KEY_FUNCTION)
			tuple.names[i] = f->name;
		else if (r->sources[i] == KEY_FILE)
			tuple.names[i] = f->source;
		else if (r->sources[i] == KEY_MAPPING)
			tuple.names[i] = f->mapping;
	}
	return tuple_number(&r->tuples, &tuple);
}

static uint32_t tuple_of_labels(struct pass *pass, uint32_t labels)
{
	struct ranking *r = pass->ranking;
	struct tuple tuple = { 0 };

	if (pass->label_tuples[labels])
		return pass->label_tuples[labels] - 1;
	for (size_t i = 0; i < r->rank->nkeys; i++)
		if (r->sources[i] == KEY_LABEL)
			tuple.names[i] = names_add_label(&r->names, pass->profile, labels,
							 r->rank->keys[i]);
	uint32_t number = tuple_number(&r->tuples, &tuple);
	pass->label_tuples[labels] = number + 1;
	return number;
}

static bool same_row(const void *key, uint32_t position, const void *context)
{
	const struct row_key *a = key, *b = &((const struct ranking *)context)->keys[position];

	return a->labels == b->labels && a->frame == b->frame;
}

static uint32_t row_number(struct ranking *r, const struct row_key *key, enum frame_kind kind)
{
	struct rank *rank = r->rank;
	uint64_t hash = hash_combine(key->labels, key->frame);
	uint32_t found = index_find(&r->rows, hash, key, same_row, r);

	if (found != INDEX_NONE)
		return found;
	GROW(rank->rows, rank->n, r->rows_capacity);
	GROW(r->keys, rank->n, r->keys_capacity);
	GROW(r->seen, rank->n, r->seen_capacity);
	found = (uint32_t)rank->n++;
	r->keys[found] = *key;
	r->seen[found] = 0;
	rank->rows[found] = (struct rank_row){ .kind = kind };
	index_insert(&r->rows, hash, found);
	return found;
}

/* --- samples --- */

static void add_self(struct pass *pass, uint32_t row, uint64_t weight)
{
	struct rank_row *to = &pass->ranking->rank->rows[row];

	if (pass->is_base)
		to->self_base += (double)weight;
	else
		to->self = weight_add(to->self, weight);
}

static void add_total(struct pass *pass, uint32_t row, uint64_t weight)
{
	struct ranking *r = pass->ranking;
	struct rank_row *to = &r->rank->rows[row];

	if (r->seen[row] == r->sample)
		return;
	r->seen[row] = r->sample;
	if (pass->is_base)
		to->total_base += (double)weight;
	else
		to->total = weight_add(to->total, weight);
}

/* --- where a wait is --- */

/* Every thread that waits does it in there, which tells nothing of what it waits for. */
static bool is_scheduler(const struct pass *pass, const struct frame *f)
{
	static const char *const prefixes[] = { "schedule", "io_schedule", "preempt_schedule" };
	const char *name = pass->ranking->names.array[f->name];

	if (f->kind != FRAME_KERNEL)
		return false;
	name += strspn(name, "_");
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* The position in a stack of who has its weight as self: the leaf; of a wait the function that went
 * to the scheduler, behind the stack of who ended the wait, if that is joined to it. */
static size_t leaf_of(const struct pass *pass, const uint32_t *stack, size_t n)
{
	const struct frames *f = &pass->frames;
	size_t leaf = 0;

	if (!pass->of_waits)
		return 0;
	for (size_t i = 0; i + 1 < n; i++) {
		const struct frame *frame = &f->all[f->first[stack[i]]];

		if (!frame->mapping &&
		    strcmp(pass->ranking->names.array[frame->name], NAME_WAKER) == 0)
			leaf = i + 1;
	}
	while (leaf + 1 < n && is_scheduler(pass, &f->all[f->first[stack[leaf]]]))
		leaf++;
	return leaf;
}

static void add_sample(struct pass *pass, const struct sample *s, uint64_t weight)
{
	struct ranking *r = pass->ranking;
	struct row_key key = { .labels = tuple_of_labels(pass, s->labels) };
	size_t n = 0, leaf;
	const uint32_t *stack = profile_get_stack(pass->profile, s->stack, &n);

	r->sample++;
	/* Keys that ask nothing of the stack, and stacks with nothing to tell, make one row. */
	if (!r->has_stack_key || !n) {
		const struct frame none = { .kind = FRAME_MARK };
		uint32_t row;

		key.frame = tuple_of_frame(r, &none);
		row = row_number(r, &key, none.kind);
		add_self(pass, row, weight);
		add_total(pass, row, weight);
		return;
	}
	leaf = leaf_of(pass, stack, n);
	for (size_t i = 0; i < n; i++) {
		const uint32_t first = pass->frames.first[stack[i]];

		for (uint32_t at = first; at < pass->frames.first[stack[i] + 1]; at++) {
			uint32_t row;

			key.frame = pass->frame_tuples[at];
			row = row_number(r, &key, pass->frames.all[at].kind);
			if (i == leaf && at == first)
				add_self(pass, row, weight);
			add_total(pass, row, weight);
		}
	}
}

static void read_frames(struct pass *pass)
{
	const struct frames *f = &pass->frames;
	uint32_t n;

	frames_init(&pass->frames, pass->profile, &pass->ranking->names);
	n = f->first[profile_count_locations(pass->profile) + 1];
	pass->frame_tuples = xcalloc(n, sizeof(*pass->frame_tuples));
	for (uint32_t i = 0; i < n; i++)
		pass->frame_tuples[i] = tuple_of_frame(pass->ranking, &f->all[i]);
}

static void add_profile(struct ranking *r, const struct profile *p, size_t value, bool is_base)
{
	struct pass pass = {
		.ranking = r,
		.profile = p,
		.is_base = is_base,
		.of_waits = strcmp(r->rank->type, "offcpu") == 0 ||
			    strcmp(r->rank->type, "wall") == 0,
		.label_tuples = xcalloc(profile_count_labels(p) + 1, sizeof(uint32_t)),
	};

	if (r->has_stack_key)
		read_frames(&pass);
	for (size_t i = 0; value < profile_values(p) && i < profile_count_samples(p); i++) {
		struct sample s = profile_get_sample(p, i);
		uint64_t weight = weight_of(s.values[value]);

		if (weight)
			add_sample(&pass, &s, weight);
	}
	frames_free(&pass.frames);
	free(pass.frame_tuples);
	free(pass.label_tuples);
}

/* --- the whole --- */

static void ranking_init(struct ranking *r, const struct profile *p, size_t value,
			 const char *const *keys, size_t nkeys)
{
	*r = (struct ranking){ .rank = xcalloc(1, sizeof(*r->rank)) };
	names_init(&r->names, &r->rank->arena);
	r->rank->nkeys = nkeys;
	for (size_t i = 0; i < nkeys; i++) {
		r->rank->keys[i] = keys[i];
		r->sources[i] = source_of(keys[i]);
		r->has_stack_key |= r->sources[i] != KEY_LABEL;
	}
	r->rank->type = r->rank->unit = "";
	if (value < profile_values(p)) {
		r->rank->type = profile_str(p, profile_types(p)[value].type);
		r->rank->unit = profile_str(p, profile_types(p)[value].unit);
	}
}

static int by_weight(const void *a, const void *b, void *context)
{
	const struct rank_row *x = a, *y = b;
	const struct rank *rank = context;

	if (x->self != y->self)
		return x->self < y->self ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	for (size_t i = 0; i < rank->nkeys; i++) {
		int order = strcmp(x->keys[i], y->keys[i]);

		if (order)
			return order;
	}
	return 0;
}

static struct rank *finish(struct ranking *r)
{
	struct rank *rank = r->rank;

	for (size_t row = 0; row < rank->n; row++) {
		const struct tuple *labels = &r->tuples.array[r->keys[row].labels];
		const struct tuple *frame = &r->tuples.array[r->keys[row].frame];

		for (size_t i = 0; i < rank->nkeys; i++) {
			const struct tuple *t = r->sources[i] == KEY_LABEL ? labels : frame;

			rank->rows[row].keys[i] = r->names.array[t->names[i]];
		}
	}
	if (rank->n)
		qsort_r(rank->rows, rank->n, sizeof(*rank->rows), by_weight, rank);
	names_free(&r->names);
	free(r->tuples.array);
	index_free(&r->tuples.index);
	free(r->keys);
	free(r->seen);
	index_free(&r->rows);
	return rank;
}

int rank_new(const struct profile *p, size_t value, const char *const *keys, size_t nkeys,
	     struct rank **out)
{
	struct ranking r;
	int err = check_keys(p, NULL, keys, nkeys);

	if (err)
		return err;
	ranking_init(&r, p, value, keys, nkeys);
	add_profile(&r, p, value, false);
	r.rank->total = compare_total(p, value);
	*out = finish(&r);
	return 0;
}

int rank_diff(const struct profile *before, const struct profile *after, const char *type,
	      const char *const *keys, size_t nkeys, struct rank **out)
{
	int found = type ? profile_find_type(after, type) : -1;
	size_t value = found >= 0 ? (size_t)found : profile_default_value(after), base_value;
	struct ranking r;
	double scale;
	int err = check_keys(after, before, keys, nkeys);

	if (!err)
		err = compare_value(before, after, value, &base_value);
	if (err)
		return err;
	ranking_init(&r, after, value, keys, nkeys);
	r.rank->is_diff = true;
	add_profile(&r, after, value, false);
	add_profile(&r, before, base_value, true);
	r.rank->total = compare_total(after, value);
	r.rank->base_total = compare_total(before, base_value);
	scale = compare_scale(r.rank->base_total, r.rank->total);
	for (size_t i = 0; i < r.rank->n; i++) {
		r.rank->rows[i].self_base *= scale;
		r.rank->rows[i].total_base *= scale;
	}
	*out = finish(&r);
	return 0;
}

void rank_free(struct rank *r)
{
	if (!r)
		return;
	free(r->rows);
	arena_free(&r->arena);
	free(r);
}
