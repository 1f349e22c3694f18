/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choices and words that all outputs for people share. See view.h.
 */
#include "output/view.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

static const char *const default_roots[] = { "container", "thread" };
/* Of wall time, which is all states of threads together. */
static const char *const wall_roots[] = { "container", "state", "thread" };

/* How headings call a value; others go by their own type name. */
static const struct {
	const char *type, *words;
} signals[] = {
	{ "cpu", "CPU time" },
	{ "samples", "CPU samples" },
	{ "offcpu", "Off-CPU time" },
	{ "wall", "Wall time" },
};

static const char *signal_words(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!strcmp(type, signals[i].type))
			return signals[i].words;
	return *type ? type : "Profile";
}

bool view_has_label(const struct profile *p, const char *key)
{
	uint32_t wanted = profile_find_string(p, key);

	if (!wanted)
		return false;
	for (size_t i = 1; i <= profile_count_labels(p); i++) {
		size_t n;
		const struct label *labels = profile_get_labels(p, (uint32_t)i, &n);

		for (size_t j = 0; j < n; j++)
			if (labels[j].key == wanted)
				return true;
	}
	return false;
}

/* The text behind "KEY: " in the notes, or NULL. */
static const char *note_value(const struct profile *p, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < profile_notes(p); i++) {
		const char *note = profile_get_note(p, i);

		if (!strncmp(note, key, n) && !strncmp(note + n, ": ", 2) && note[n + 2])
			return note + n + 2;
	}
	return NULL;
}

bool view_shows_note(const char *note)
{
	return strncmp(note, "host: ", 6) != 0;
}

bool view_is_loss(const char *note)
{
	return !strncmp(note, "lost", 4);
}

static uint64_t total_of(const struct profile *p, size_t value)
{
	uint64_t total = 0;

	for (size_t i = 0; i < profile_count_samples(p); i++) {
		int64_t v = profile_get_sample(p, i).values[value];

		if (v > 0 && __builtin_add_overflow(total, (uint64_t)v, &total))
			return UINT64_MAX;
	}
	return total;
}

static void choose_roots(struct view *v, const struct profile *a, const struct profile *b,
			 const struct output_options *o)
{
	size_t n = 0;

	if (o->roots) {
		for (; o->roots[n] && n < RANK_KEYS_MAX; n++)
			v->roots[n] = o->roots[n];
		return;
	}
	/* A profile of another tool has no containers: a level of "-" would only be in the way. */
	const bool is_wall = strcmp(v->type, "wall") == 0;
	const char *const *roots = is_wall ? wall_roots : default_roots;

	for (size_t i = 0; i < (is_wall ? ARRAY_SIZE(wall_roots) : ARRAY_SIZE(default_roots)); i++)
		if (view_has_label(a, roots[i]) || (b && view_has_label(b, roots[i])))
			v->roots[n++] = roots[i];
}

static void read_head(struct view *v, const struct profile *p)
{
	/* The head is reached through a pointer that may write; we only read. */
	const struct profile_head *head = profile_head((struct profile *)p);
	const char *unit = profile_str(p, head->period_type.unit);

	v->time = head->time;
	v->duration = head->duration;
	if (head->period > 0 && !strcmp(unit, "nanoseconds"))
		v->frequency = 1e9 / (double)head->period;
}

static void choose_value(struct view *v, const struct profile *p, const struct output_options *o)
{
	const struct value_type *types = profile_types(p);
	size_t n = profile_values(p);

	v->value = o->value >= 0 && (size_t)o->value < n ? (size_t)o->value
							 : profile_default_value(p);
	v->samples_type = profile_find_type(p, "samples");
	v->type = v->unit = "";
	if (v->value < n) {
		v->type = profile_str(p, types[v->value].type);
		v->unit = profile_str(p, types[v->value].unit);
		v->total = total_of(p, v->value);
	}
	if (v->samples_type >= 0)
		v->samples = total_of(p, (size_t)v->samples_type);
	v->signal = signal_words(v->type);
}

void view_init(struct view *v, const struct profile *p, const struct output_options *o)
{
	*v = (struct view){ 0 };
	choose_value(v, p, o);
	read_head(v, p);
	choose_roots(v, p, NULL, o);
	v->host = note_value(p, "host");
	v->has_containers = view_has_label(p, "container");
	if (o->title)
		buffer_puts(&v->title, o->title);
	else if (v->host)
		buffer_printf(&v->title, "%s on %s", v->signal, v->host);
	else if (v->has_containers)
		buffer_printf(&v->title, "%s by container", v->signal);
	else
		buffer_puts(&v->title, v->signal);
}

void view_init_diff(struct view *v, const struct profile *before, const struct profile *after,
		    const struct output_options *o)
{
	view_init(v, after, o);
	memset(v->roots, 0, sizeof(v->roots));
	choose_roots(v, after, before, o);
	/* A key that only one side knows cannot tell the two apart by name. */
	v->has_containers = v->has_containers && view_has_label(before, "container");
	if (!o->title) {
		buffer_free(&v->title);
		v->title = (struct buffer){ 0 };
		buffer_printf(&v->title, "%s, before and after", v->signal);
		if (v->host)
			buffer_printf(&v->title, ", on %s", v->host);
	}
}

void view_free(struct view *v)
{
	buffer_free(&v->title);
}

void view_facts(const struct view *v, struct buffer *out)
{
	char text[TEXT_SHORT];
	const char *gap = "";

	if (v->duration > 0) {
		buffer_puts(out, text_duration((uint64_t)v->duration, text));
		if (v->frequency > 0)
			buffer_printf(out, " at %.*f Hz", v->frequency < 10 ? 1 : 0, v->frequency);
		gap = " · ";
	}
	if (v->samples_type >= 0) {
		buffer_printf(out, "%s%s sample%s", gap, text_count(v->samples, text),
			      v->samples == 1 ? "" : "s");
		gap = " · ";
	}
	if ((int)v->value != v->samples_type && *v->type) {
		buffer_printf(out, "%s%s", gap, value_text((double)v->total, v->unit, text));
		/* "CPU time" keeps its letters, "Wall time" is one only as a heading. */
		buffer_printf(out, " %c%s",
			      isupper((unsigned char)v->signal[1])
				      ? v->signal[0]
				      : tolower((unsigned char)v->signal[0]),
			      v->signal + 1);
		gap = " · ";
	}
	if (v->time > 0) {
		time_t seconds = (time_t)(v->time / 1000000000);
		struct tm tm;
		char when[64];

		if (gmtime_r(&seconds, &tm) &&
		    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm))
			buffer_printf(out, "%s%s", gap, when);
	}
}

/* A double that came from adding up int64 values may round up to 2^64, which does not convert. */
static uint64_t whole(double value)
{
	if (!(value > 0))
		return 0;
	return value >= 0x1p64 ? UINT64_MAX : (uint64_t)(value + 0.5);
}

char *value_text(double value, const char *unit, char buf[TEXT_SHORT])
{
	/* Nothing is nothing in any unit. */
	if (!(value > 0))
		return text_count(0, buf);
	if (!strcmp(unit, "nanoseconds"))
		return text_duration(whole(value), buf);
	if (!strcmp(unit, "microseconds"))
		return text_duration(whole(value * 1e3), buf);
	if (!strcmp(unit, "milliseconds"))
		return text_duration(whole(value * 1e6), buf);
	if (!strcmp(unit, "seconds"))
		return text_duration(whole(value * 1e9), buf);
	if (!strcmp(unit, "bytes"))
		return text_bytes(whole(value), buf);
	return text_count(whole(value), buf);
}

char *value_delta(double delta, const char *unit, char buf[TEXT_SHORT])
{
	char magnitude[TEXT_SHORT];

	value_text(fabs(delta), unit, magnitude);
	snprintf(buf, TEXT_SHORT, "%s%.*s", delta < 0 ? "-" : "+", TEXT_SHORT - 2, magnitude);
	return buf;
}

double share(double part, double whole_value)
{
	return whole_value > 0 ? 100.0 * part / whole_value : 0.0;
}

char *share_text(double part, double whole_value, char buf[TEXT_SHORT])
{
	double percent = share(part, whole_value);

	if (percent > 0 && percent < 0.05)
		snprintf(buf, TEXT_SHORT, "<0.1 %%");
	else
		snprintf(buf, TEXT_SHORT, "%.1f %%", percent);
	return buf;
}

char *points_text(double before, double after, char buf[TEXT_SHORT])
{
	double points = after - before;

	/* No "-0.0": what rounds to nothing has no sign. */
	if (fabs(points) < 0.05)
		points = 0;
	snprintf(buf, TEXT_SHORT, "%+.1f pp", points);
	return buf;
}

const char *whole_frame_name(const struct profile *p, uint32_t location, size_t line, char *buf,
			     size_t size)
{
	const struct location *l = profile_get_location(p, location);
	const char *name = "";

	if (line < l->nlines)
		name = profile_str(p, profile_get_function(p, l->lines[line].function)->name);
	return *name ? name : profile_frame_name(p, location, line, buf, size);
}
