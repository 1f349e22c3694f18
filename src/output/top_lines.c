/* SPDX-License-Identifier: Apache-2.0 */
/* top without a screen; see top_lines.h. */
#include "output/top_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "output/top_columns.h"

/* --- batch --- */

static const enum top_column batch_columns[] = {
	TOP_CPU,	  TOP_OF_LIMIT, TOP_WAIT, TOP_THROTTLED, TOP_MEMORY,
	TOP_MEMORY_LIMIT, TOP_IO,	TOP_NET,  TOP_THREADS,
};

/* Heads of the states' columns: their names, cut to what a column has. */
#define STATE_WIDTH 5

static void batch_head(struct buffer *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(batch_columns); i++)
		buffer_printf(out, "%*s ", (int)top_columns[batch_columns[i]].width,
			      top_columns[batch_columns[i]].head);
	for (enum account_state s = 0; s < ACCOUNT_STATES; s++)
		buffer_printf(out, "%*.*s ", STATE_WIDTH, STATE_WIDTH, account_state_name(s));
	buffer_puts(out, "NAME\n");
}

static double percent_of(const struct top_row *row, enum account_state state)
{
	return row->total ? 100.0 * (double)row->ns[state] / (double)row->total : 0;
}

static void batch_row(const struct top_row *row, struct buffer *out)
{
	char text[TEXT_SHORT];

	for (size_t i = 0; i < ARRAY_SIZE(batch_columns); i++)
		buffer_printf(out, "%*s ", (int)top_columns[batch_columns[i]].width,
			      top_cell(row, batch_columns[i], text));
	for (enum account_state s = 0; s < ACCOUNT_STATES; s++)
		buffer_printf(out, "%*.1f ", STATE_WIDTH, percent_of(row, s));
	buffer_printf(out, "%s%s\n", row->depth ? "  " : "", row->name);
}

void top_batch(struct top_rows *rows, time_t now, struct buffer *out)
{
	char stamp[32];
	struct tm tm;

	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	buffer_printf(out, "%s %.3f s, %zu containers, CPU %.1f %%\n", stamp,
		      (double)top_rows_wall(rows) / 1e9, top_rows_containers(rows),
		      100 * top_rows_cpu(rows));
	batch_head(out);
	for (size_t i = 0; i < top_rows_count(rows); i++)
		batch_row(top_rows_get(rows, i), out);
	buffer_puts(out, "\n");
}

/* --- plain --- */

/* Changes below these are not worth a sentence. */
#define POINTS	     5.0 /* per cent of one CPU, or of the ledger */
#define MEMORY_RATIO 0.1
/* States with less are not told. */
#define STATE_LEAST 0.5

struct said {
	char *name;
	const struct container *container;
	double cpu, states[ACCOUNT_STATES]; /* per cent */
	uint64_t memory;
	bool is_here;
};

struct top_speech {
	struct said *said;
	size_t n, capacity;
};

struct top_speech *top_speech_new(void)
{
	return xcalloc(1, sizeof(struct top_speech));
}

void top_speech_free(struct top_speech *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->said[i].name);
	free(s->said);
	free(s);
}

static struct said *find(struct top_speech *s, const struct top_row *row)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->said[i].container == row->container && !strcmp(s->said[i].name, row->name))
			return &s->said[i];
	return NULL;
}

static bool has_changed(const struct said *said, const struct top_row *row)
{
	if (fabs(said->cpu - 100 * row->cpu) >= POINTS)
		return true;
	for (enum account_state s = 0; s < ACCOUNT_STATES; s++)
		if (fabs(said->states[s] - percent_of(row, s)) >= POINTS)
			return true;
	return row->usage.has_memory && fabs((double)said->memory - (double)row->usage.memory) >
						MEMORY_RATIO * (double)said->memory;
}

static void remember(struct said *said, const struct top_row *row)
{
	said->cpu = 100 * row->cpu;
	for (enum account_state s = 0; s < ACCOUNT_STATES; s++)
		said->states[s] = percent_of(row, s);
	said->memory = row->usage.memory;
}

static void say_times(const struct top_row *row, struct buffer *out)
{
	const char *separator = "";

	buffer_puts(out, " Time: ");
	for (enum account_state s = 0; s < ACCOUNT_STATES; s++) {
		if (percent_of(row, s) < STATE_LEAST)
			continue;
		buffer_printf(out, "%s%s %.0f percent", separator, account_state_name(s),
			      percent_of(row, s));
		separator = ", ";
	}
	buffer_puts(out, ".");
}

static void say_row(const struct top_row *row, const char *lead, struct buffer *out)
{
	char text[TEXT_SHORT];

	buffer_printf(out, "%s%s: CPU %.0f percent", lead, row->name, 100 * row->cpu);
	if (top_row_of_limit(row) >= 0)
		buffer_printf(out, ", %.0f percent of its limit", 100 * top_row_of_limit(row));
	buffer_puts(out, ".");
	say_times(row, out);
	if (row->wait_p99)
		buffer_printf(out, " 99 of 100 waits for a CPU are below %s.",
			      text_duration(row->wait_p99, text));
	if (row->usage.has_memory) {
		buffer_printf(out, " Memory %s", text_bytes(row->usage.memory, text));
		if (row->usage.memory_limit != UINT64_MAX)
			buffer_printf(out, " of %s", text_bytes(row->usage.memory_limit, text));
		buffer_puts(out, ".");
	}
	if (row->io_rate >= 0)
		buffer_printf(out, " Block I/O %s a second.",
			      text_bytes((uint64_t)row->io_rate, text));
	if (row->net_rate >= 0)
		buffer_printf(out, " Network %s a second.",
			      text_bytes((uint64_t)row->net_rate, text));
	buffer_printf(out, " Threads %.0f.\n", ceil(row->threads - 0.05));
}

static void say_new(struct top_speech *s, const struct top_row *row, struct buffer *out)
{
	struct said *said;

	say_row(row, "New: ", out);
	GROW(s->said, s->n, s->capacity);
	said = &s->said[s->n++];
	*said = (struct said){
		.name = xstrdup(row->name),
		.container = row->container,
		.is_here = true,
	};
	remember(said, row);
}

static void say_gone(struct top_speech *s, struct buffer *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->said[i].is_here) {
			s->said[kept++] = s->said[i];
			continue;
		}
		buffer_printf(out, "Gone: %s.\n", s->said[i].name);
		free(s->said[i].name);
	}
	s->n = kept;
}

void top_speech_say(struct top_speech *s, struct top_rows *rows, time_t now, struct buffer *out)
{
	_cleanup_(buffer_free) struct buffer news = { 0 };
	char stamp[16];
	struct tm tm;

	for (size_t i = 0; i < s->n; i++)
		s->said[i].is_here = false;
	for (size_t i = 0; i < top_rows_count(rows); i++) {
		const struct top_row *row = top_rows_get(rows, i);
		struct said *said = find(s, row);

		if (!said) {
			say_new(s, row, &news);
			continue;
		}
		said->is_here = true;
		if (has_changed(said, row)) {
			say_row(row, "", &news);
			remember(said, row);
		}
	}
	say_gone(s, &news);
	if (!news.size)
		return;
	strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime_r(&now, &tm));
	buffer_printf(out, "At %s, %zu containers.\n", stamp, top_rows_containers(rows));
	buffer_add(out, news.data, news.size);
}
