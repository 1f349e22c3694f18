/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the profile says, for programs; docs/formats.md is the contract, and `version` is
 * raised when a reader would have to change. Frames are listed once and samples refer to them:
 *
 *     "frames": [ {"function": "main", ...}, ... ]     "samples": [ {"stack": [4, 7, 0], ...}, ...
 * ]
 *
 * Written as it goes, without a tree of JSON values in memory.
 */
#include "output/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "output/summary.h"
#include "output/view.h"

#define VERSION 1

static void add_key(struct buffer *out, const char *key)
{
	buffer_printf(out, "\"%s\":", key);
}

static void add_string(struct buffer *out, const char *key, const char *value)
{
	add_key(out, key);
	escape_json(out, value);
}

/* ",key:value" where there is a value; absent is how "unknown" is written. */
static void add_known(struct buffer *out, const char *key, const char *value)
{
	if (!*value)
		return;
	buffer_puts(out, ",");
	add_string(out, key, value);
}

/* Nanoseconds since the epoch do not fit a double, which is what many readers have for a number. */
static void add_time(struct buffer *out, int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[64];

	if (ns <= 0 || !gmtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return;
	buffer_printf(out, ",\"time\":\"%s.%09" PRId64 "Z\"", text, ns % 1000000000);
}

static void add_type(const struct profile *p, struct buffer *out, struct value_type t)
{
	buffer_puts(out, "{");
	add_string(out, "type", profile_str(p, t.type));
	buffer_puts(out, ",");
	add_string(out, "unit", profile_str(p, t.unit));
	buffer_puts(out, "}");
}

static void add_values(struct buffer *out, const int64_t *values, size_t n)
{
	add_key(out, "values");
	buffer_puts(out, "[");
	for (size_t i = 0; i < n; i++)
		buffer_printf(out, "%s%" PRId64, i ? "," : "", values[i]);
	buffer_puts(out, "]");
}

static void add_head(const struct profile *p, const struct view *v, struct buffer *out)
{
	/* Only read; see view.c. */
	const struct profile_head *head = profile_head((struct profile *)p);

	add_time(out, head->time);
	buffer_printf(out, ",\"duration_ns\":%" PRId64, head->duration);
	if (v->host)
		add_known(out, "host", v->host);
	buffer_puts(out, ",\n\"types\":[");
	for (size_t i = 0; i < profile_values(p); i++) {
		buffer_puts(out, i ? "," : "");
		add_type(p, out, profile_types(p)[i]);
	}
	buffer_puts(out, "],");
	add_string(out, "default_type", v->type);
	if (head->period > 0) {
		buffer_printf(out, ",\"period\":{\"value\":%" PRId64, head->period);
		add_known(out, "type", profile_str(p, head->period_type.type));
		add_known(out, "unit", profile_str(p, head->period_type.unit));
		buffer_puts(out, "}");
	}
}

static void add_notes(const struct profile *p, struct buffer *out)
{
	buffer_puts(out, ",\n\"notes\":[");
	for (size_t i = 0; i < profile_notes(p); i++) {
		buffer_puts(out, i ? "," : "");
		escape_json(out, profile_get_note(p, i));
	}
	buffer_puts(out, "]");
}

static void add_totals(const struct profile *p, struct buffer *out)
{
	int64_t totals[PROFILE_VALUES_MAX] = { 0 };
	size_t n = profile_values(p);

	for (size_t i = 0; i < profile_count_samples(p); i++) {
		struct sample s = profile_get_sample(p, i);

		for (size_t v = 0; v < n; v++)
			if (__builtin_add_overflow(totals[v], s.values[v], &totals[v]))
				totals[v] = INT64_MAX;
	}
	buffer_puts(out, ",\n\"totals\":{");
	add_values(out, totals, n);
	buffer_puts(out, "}");
}

static void add_container(const struct summary *s, const struct summary_container *c,
			  const struct view *v, struct buffer *out)
{
	const struct rank_row *top = summary_top(c);

	buffer_puts(out, "{");
	add_string(out, "name", c->name);
	buffer_printf(out, ",\"value\":%" PRIu64 ",\"share\":%.6f", c->value,
		      share((double)c->value, (double)v->total) / 100);
	if (v->samples_type >= 0)
		buffer_printf(out, ",\"samples\":%" PRIu64, c->samples);
	if (top) {
		buffer_puts(out, ",\"hottest\":{");
		add_string(out, "function", top->keys[s->function_key]);
		buffer_puts(out, ",");
		add_string(out, "mapping", top->keys[s->mapping_key]);
		buffer_printf(out, ",\"self\":%" PRIu64 ",\"total\":%" PRIu64 "}", top->self,
			      top->total);
	}
	buffer_puts(out, "}");
}

static int add_containers(const struct profile *p, const struct view *v, struct buffer *out)
{
	struct summary *s;
	int err;

	buffer_puts(out, ",\n\"containers\":[");
	if (profile_count_samples(p) && v->has_containers) {
		err = summary_new(p, v, &s);
		if (err)
			return err;
		for (size_t i = 0; i < s->n; i++) {
			buffer_puts(out, i ? ",\n" : "\n");
			add_container(s, &s->containers[i], v, out);
		}
		summary_free(s);
	}
	buffer_puts(out, "]");
	return 0;
}

/* --- frames and samples --- */

static const char *const kinds[FRAME_KINDS] = {
	[FRAME_USER] = "user",	 [FRAME_KERNEL] = "kernel",	  [FRAME_JIT] = "jit",
	[FRAME_MARK] = "mark",	 [FRAME_CONTAINER] = "container", [FRAME_THREAD] = "thread",
	[FRAME_STATE] = "state",
};

static void add_frame(const struct profile *p, uint32_t number, size_t line, struct buffer *out)
{
	const struct location *l = profile_get_location(p, number);
	char name[512];

	buffer_puts(out, "{");
	add_string(out, "function", whole_frame_name(p, number, line, name, sizeof(name)));
	buffer_printf(out, ",\"kind\":\"%s\"", kinds[profile_frame_kind(p, number)]);
	if (line < l->nlines) {
		const struct function *f = profile_get_function(p, l->lines[line].function);
		const char *system_name = profile_str(p, f->system_name);

		if (strcmp(system_name, profile_str(p, f->name)))
			add_known(out, "system_name", system_name);
		add_known(out, "file", profile_str(p, f->file));
		if (l->lines[line].line > 0)
			buffer_printf(out, ",\"line\":%" PRId64, l->lines[line].line);
		if (line + 1 < l->nlines)
			buffer_puts(out, ",\"inlined\":true");
	}
	if (l->mapping) {
		const struct mapping *m = profile_get_mapping(p, l->mapping);

		add_known(out, "mapping", profile_str(p, m->file));
		add_known(out, "build_id", profile_str(p, m->build_id));
	}
	if (l->address)
		buffer_printf(out, ",\"address\":\"0x%" PRIx64 "\"", l->address);
	buffer_puts(out, "}");
}

/*
 * Frames are numbered location by location, a location's inlined ones first: first[location] is
 * the number of its innermost. The caller frees the array.
 */
static uint32_t *add_frames(const struct profile *p, struct buffer *out)
{
	size_t n = profile_count_locations(p);
	uint32_t *first = xreallocarray(NULL, n + 2, sizeof(*first));
	uint32_t next = 0;

	buffer_puts(out, ",\n\"frames\":[");
	for (uint32_t i = 1; i <= n; i++) {
		size_t lines = MAX(profile_get_location(p, i)->nlines, 1U);

		first[i] = next;
		for (size_t line = 0; line < lines; line++, next++) {
			buffer_puts(out, next ? ",\n" : "\n");
			add_frame(p, i, line, out);
		}
	}
	first[n + 1] = next;
	buffer_puts(out, "]");
	return first;
}

static void add_labels(const struct profile *p, uint32_t labels, struct buffer *out)
{
	size_t n;
	const struct label *set = profile_get_labels(p, labels, &n);

	buffer_puts(out, "\"labels\":{");
	for (size_t i = 0; i < n; i++) {
		buffer_puts(out, i ? "," : "");
		escape_json(out, profile_str(p, set[i].key));
		buffer_puts(out, ":");
		if (set[i].text)
			escape_json(out, profile_str(p, set[i].text));
		else
			buffer_printf(out, "%" PRId64, set[i].number);
	}
	buffer_puts(out, "}");
}

static void add_sample(const struct profile *p, const struct sample *s, const uint32_t *first,
		       struct buffer *out)
{
	size_t n;
	const uint32_t *stack = profile_get_stack(p, s->stack, &n);
	const char *gap = "";

	buffer_puts(out, "{\"stack\":[");
	for (size_t i = 0; i < n; i++)
		for (uint32_t frame = first[stack[i]]; frame < first[stack[i] + 1]; frame++) {
			buffer_printf(out, "%s%u", gap, frame);
			gap = ",";
		}
	buffer_puts(out, "],");
	add_values(out, s->values, profile_values(p));
	buffer_puts(out, ",");
	add_labels(p, s->labels, out);
	buffer_puts(out, "}");
}

int json_write(const struct profile *p, const struct output_options *o, struct buffer *out)
{
	_cleanup_(view_free) struct view v;
	int err;

	view_init(&v, p, o);
	buffer_printf(out, "{\"format\":\"plimsoll\",\"version\":%d", VERSION);
	add_head(p, &v, out);
	add_notes(p, out);
	add_totals(p, out);
	err = add_containers(p, &v, out);
	if (err)
		return err;
	_cleanup_free_ uint32_t *first = add_frames(p, out);

	buffer_puts(out, ",\n\"samples\":[");
	for (size_t i = 0; i < profile_count_samples(p); i++) {
		struct sample s = profile_get_sample(p, i);

		buffer_puts(out, i ? ",\n" : "\n");
		add_sample(p, &s, first, out);
	}
	buffer_puts(out, "]}\n");
	return 0;
}

/* --- comparison --- */

static void add_changes(const struct rank *r, const char *key, struct buffer *out)
{
	buffer_printf(out, ",\n\"%s\":[", key);
	for (size_t i = 0; i < r->n; i++) {
		const struct rank_row *row = &r->rows[i];

		buffer_puts(out, i ? ",\n{" : "\n{");
		for (size_t k = 0; k < r->nkeys; k++) {
			add_string(out, r->keys[k], row->keys[k]);
			buffer_puts(out, ",");
		}
		buffer_printf(out,
			      "\"before\":{\"self\":%.0f,\"total\":%.0f},"
			      "\"after\":{\"self\":%" PRIu64 ",\"total\":%" PRIu64 "}}",
			      row->self_base, row->total_base, row->self, row->total);
	}
	buffer_puts(out, "]");
}

static int add_diff_by(const struct profile *before, const struct profile *after,
		       const struct view *v, const char *name, const char *const *keys,
		       size_t nkeys, struct buffer *out)
{
	struct rank *r;
	int err = rank_diff(before, after, v->type, keys, nkeys, &r);

	if (err)
		return err;
	add_changes(r, name, out);
	rank_free(r);
	return 0;
}

static void add_side(const char *key, const struct profile *p, const struct output_options *o,
		     struct buffer *out)
{
	_cleanup_(view_free) struct view v;

	view_init(&v, p, o);
	buffer_printf(out, ",\n\"%s\":{\"total\":%" PRIu64, key, v.total);
	if (v.samples_type >= 0)
		buffer_printf(out, ",\"samples\":%" PRIu64, v.samples);
	add_head(p, &v, out);
	add_notes(p, out);
	buffer_puts(out, "}");
}

int json_write_diff(const struct profile *before, const struct profile *after,
		    const struct output_options *o, struct buffer *out)
{
	static const char *const keys[] = { "container", "function", "mapping" };
	_cleanup_(view_free) struct view v;
	int err = 0;

	view_init_diff(&v, before, after, o);
	buffer_printf(out, "{\"format\":\"plimsoll-diff\",\"version\":%d,", VERSION);
	add_string(out, "type", v.type);
	add_known(out, "unit", v.unit);
	add_side("before", before, o, out);
	add_side("after", after, o, out);
	if (v.has_containers)
		err = add_diff_by(before, after, &v, "containers", keys, 1, out);
	if (!err)
		err = add_diff_by(before, after, &v, "functions", keys + !v.has_containers,
				  ARRAY_SIZE(keys) - !v.has_containers, out);
	buffer_puts(out, "}\n");
	return err;
}
