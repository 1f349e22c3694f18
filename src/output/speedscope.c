/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For speedscope, in its own file format (https://www.speedscope.app/file-format-schema.json): one
 * "sampled" profile of everything, and one of each container, since its list of profiles is how one
 * moves about there. Samples carry no time; they are ordered by container, thread and stack, which
 * makes speedscope's "time order" view a tidy one.
 */
#include "output/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "output/view.h"

/* The heaviest containers get a profile of their own; all are in the first. */
#define PROFILES_MAX 100

/* A frame of the file: the same function in the same mapping is one frame, whatever the address. */
struct frame {
	const char *name; /* owned */
	uint32_t file;	  /* string: source file, else the mapping's path, else 0 */
	int64_t line;	  /* where the function begins, 0: unknown */
};

struct writer {
	const struct profile *profile;
	const struct view *view;
	struct buffer *out;
	struct frame *frames;
	size_t nframes, frames_capacity;
	struct index index;
};

/* A sample in the order of writing. */
struct entry {
	const char *container, *thread;
	uint32_t stack;
	int64_t weight;
};

static bool same_frame(const void *key, uint32_t position, const void *context)
{
	const struct frame *a = key, *b = &((const struct writer *)context)->frames[position];

	return a->file == b->file && a->line == b->line && !strcmp(a->name, b->name);
}

static uint32_t add_frame(struct writer *w, const struct frame *f)
{
	uint64_t hash = hash_combine(hash_string(f->name), hash_bytes(&f->file, sizeof(f->file)));
	uint32_t position = index_find(&w->index, hash, f, same_frame, w);

	if (position == INDEX_NONE) {
		GROW(w->frames, w->nframes, w->frames_capacity);
		position = (uint32_t)w->nframes++;
		w->frames[position] = *f;
		w->frames[position].name = xstrdup(f->name);
		index_insert(&w->index, hash, position);
	}
	return position;
}

static uint32_t frame_of(struct writer *w, uint32_t number, size_t line)
{
	const struct location *l = profile_get_location(w->profile, number);
	char name[512];
	struct frame f = {
		.name = whole_frame_name(w->profile, number, line, name, sizeof(name)),
	};

	if (line < l->nlines) {
		const struct function *fn = profile_get_function(w->profile,
								 l->lines[line].function);

		f.file = fn->file;
		f.line = fn->start_line;
	}
	if (!f.file && l->mapping)
		f.file = profile_get_mapping(w->profile, l->mapping)->file;
	return add_frame(w, &f);
}

static uint32_t name_frame(struct writer *w, const char *name)
{
	return add_frame(w, &(struct frame){ .name = name });
}

static const char *label(const struct writer *w, uint32_t labels, const char *key)
{
	const char *text = profile_label_text(w->profile, labels, key);

	return text && *text ? text : "-";
}

static int by_place(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->container, y->container);

	if (!order)
		order = strcmp(x->thread, y->thread);
	if (!order)
		order = x->stack < y->stack ? -1 : x->stack > y->stack;
	return order;
}

static bool same_place(const struct entry *a, const struct entry *b)
{
	return a->stack == b->stack && !strcmp(a->thread, b->thread) &&
	       !strcmp(a->container, b->container);
}

/* Samples in order, those that differ only in labels that are not shown added up. */
static struct entry *collect(const struct writer *w, size_t *count)
{
	size_t samples = profile_count_samples(w->profile), n = 0;
	struct entry *entries = xreallocarray(NULL, samples + 1, sizeof(*entries));

	for (size_t i = 0; i < samples; i++) {
		struct sample s = profile_get_sample(w->profile, i);

		if (s.values[w->view->value] <= 0)
			continue;
		entries[n++] = (struct entry){
			.container = label(w, s.labels, "container"),
			.thread = label(w, s.labels, "thread"),
			.stack = s.stack,
			.weight = s.values[w->view->value],
		};
	}
	qsort(entries, n, sizeof(*entries), by_place);

	size_t merged = 0;

	for (size_t i = 0; i < n; i++) {
		struct entry *last = merged ? &entries[merged - 1] : NULL;

		if (!last || !same_place(last, &entries[i]))
			entries[merged++] = entries[i];
		else if (__builtin_add_overflow(last->weight, entries[i].weight, &last->weight))
			last->weight = INT64_MAX;
	}
	*count = merged;
	return entries;
}

/* Root first, as speedscope wants it; our stacks have the leaf first, and inlined callees before
 * their callers. */
static void write_stack(struct writer *w, const struct entry *e, bool with_container)
{
	size_t n;
	const uint32_t *stack = profile_get_stack(w->profile, e->stack, &n);
	const char *gap = "";

	buffer_puts(w->out, "[");
	for (size_t r = 0; w->view->roots[r]; r++) {
		bool container = !strcmp(w->view->roots[r], "container");

		if (container && !with_container)
			continue;
		buffer_printf(w->out, "%s%u", gap,
			      name_frame(w, container ? e->container : e->thread));
		gap = ",";
	}
	for (size_t i = n; i-- > 0;) {
		const struct location *l = profile_get_location(w->profile, stack[i]);

		for (size_t line = MAX(l->nlines, 1U); line-- > 0;) {
			buffer_printf(w->out, "%s%u", gap, frame_of(w, stack[i], line));
			gap = ",";
		}
	}
	buffer_puts(w->out, "]");
}

/* The units that speedscope knows; everything else is a plain number. */
static const char *speedscope_unit(const char *unit)
{
	static const char *const known[] = { "nanoseconds", "microseconds", "milliseconds",
					     "seconds", "bytes" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(unit, known[i]))
			return known[i];
	return "none";
}

static void write_profile(struct writer *w, const char *name, const struct entry *entries, size_t n,
			  bool with_container)
{
	unsigned long long total = 0;

	for (size_t i = 0; i < n; i++)
		total += (unsigned long long)entries[i].weight;
	buffer_puts(w->out, "{\"type\":\"sampled\",\"name\":");
	escape_json(w->out, name);
	buffer_printf(w->out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%llu,\n\"samples\":[",
		      speedscope_unit(w->view->unit), total);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buffer_puts(w->out, ",\n");
		write_stack(w, &entries[i], with_container);
	}
	buffer_puts(w->out, "],\n\"weights\":[");
	for (size_t i = 0; i < n; i++)
		buffer_printf(w->out, "%s%lld", i ? "," : "", (long long)entries[i].weight);
	buffer_puts(w->out, "]}");
}

/* One container's entries, which stand together. */
struct group {
	const struct entry *entries;
	size_t n;
	uint64_t weight;
};

static int by_weight(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return x->entries < y->entries ? -1 : x->entries > y->entries;
}

static void write_containers(struct writer *w, const struct entry *entries, size_t n)
{
	_cleanup_free_ struct group *groups = NULL;
	size_t count = 0, capacity = 0;

	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(entries[i].container, entries[i - 1].container)) {
			GROW(groups, count, capacity);
			groups[count++] = (struct group){ .entries = &entries[i] };
		}
		groups[count - 1].n++;
		groups[count - 1].weight += (uint64_t)entries[i].weight;
	}
	if (count)
		qsort(groups, count, sizeof(*groups), by_weight);
	for (size_t i = 0; i < MIN(count, (size_t)PROFILES_MAX); i++) {
		buffer_puts(w->out, ",\n");
		write_profile(w, groups[i].entries->container, groups[i].entries, groups[i].n,
			      false);
	}
}

static void write_frames(struct writer *w)
{
	for (size_t i = 0; i < w->nframes; i++) {
		const struct frame *f = &w->frames[i];

		buffer_puts(w->out, i ? ",\n{\"name\":" : "{\"name\":");
		escape_json(w->out, *f->name ? f->name : "-");
		if (f->file) {
			buffer_puts(w->out, ",\"file\":");
			escape_json(w->out, profile_str(w->profile, f->file));
		}
		if (f->line > 0)
			buffer_printf(w->out, ",\"line\":%lld", (long long)f->line);
		buffer_puts(w->out, "}");
	}
}

static void writer_clear(struct writer *w)
{
	for (size_t i = 0; i < w->nframes; i++)
		free((char *)w->frames[i].name);
	free(w->frames);
	index_free(&w->index);
}

int speedscope_write(const struct profile *p, const struct output_options *o, struct buffer *out)
{
	/* speedscope's roots are fixed: its profiles are the containers. */
	struct output_options options = *o;
	_cleanup_(view_free) struct view v;
	size_t n;

	options.roots = NULL;
	view_init(&v, p, &options);
	_cleanup_(writer_clear) struct writer w = { .profile = p, .view = &v, .out = out };
	_cleanup_free_ struct entry *entries = collect(&w, &n);

	buffer_puts(out, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
			 "\"exporter\":\"plimsoll\",\"name\":");
	escape_json(out, v.title.data);
	buffer_puts(out, ",\"activeProfileIndex\":0,\n\"profiles\":[\n");
	write_profile(&w, "all", entries, n, true);
	if (v.has_containers)
		write_containers(&w, entries, n);
	buffer_puts(out, "],\n\"shared\":{\"frames\":[\n");
	write_frames(&w);
	buffer_puts(out, "]}}\n");
	return 0;
}
