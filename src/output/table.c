/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table for a terminal: who used how much, then with what. Also what `record` prints at its
 * end.
 *
 *     CPU time on HOST
 *     10.0 s at 99 Hz · 1,234 samples · 12.5 s CPU time
 *
 *     CONTAINER  SHARE %  CPU TIME  SAMPLES  HOTTEST FUNCTION
 *     web           45.3    5.60 s      555  deflate (libz.so.1)
 *
 *     web · 45.3 % · 5.60 s
 *       SELF %  TOTAL %  CPU TIME  FUNCTION  WHERE
 *         70.1     70.1    3.92 s  deflate   libz.so.1
 *
 * Percent in a container's section are of that container. With keys it is one ranking by these.
 */
#include "output/output.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "output/grid.h"
#include "output/summary.h"
#include "output/view.h"

/* Rows of a section unless asked for otherwise, chosen so that a summary fits two screens. */
#define CONTAINERS_SHOWN 16
#define SECTIONS_SHOWN	 6
#define FUNCTIONS_SHOWN	 10
#define FUNCTIONS_MINOR	 4 /* of a container below MINOR per cent */
#define MINOR		 5.0
#define RANKING_SHOWN	 40
/* Terminals at least so wide also get bars, and where the hottest functions are. */
#define WIDE_COLUMNS 100
#define BAR_COLUMNS  16

/* What one call writes with, so that the pieces need not be told each time. */
struct page {
	const struct output_options *options;
	const struct view *view;
	struct buffer *out;
	char heading[64]; /* the value's column: "CPU TIME" */
	bool short_names; /* of mappings: libz.so.1 under WHERE; a ranking has the paths */
};

static void heading_of(const struct view *v, char heading[64])
{
	snprintf(heading, 64, "%s", v->signal);
	for (char *s = heading; *s; s++)
		*s = (char)toupper((unsigned char)*s);
}

static bool is_wide(const struct page *page)
{
	return !page->options->width || page->options->width >= WIDE_COLUMNS;
}

static size_t rows_shown(const struct page *page, size_t fallback, size_t n)
{
	return MIN(page->options->rows ? page->options->rows : fallback, n);
}

static void add_number(struct grid *g, enum grid_style style, double percent)
{
	char text[TEXT_SHORT];

	snprintf(text, sizeof(text), percent > 0 && percent < 0.05 ? "<0.1" : "%.1f", percent);
	grid_add(g, style, text);
}

static void add_value(struct grid *g, enum grid_style style, const struct view *v, double value)
{
	char text[TEXT_SHORT];

	grid_add(g, style, value_text(value, v->unit, text));
}

static void add_count(struct grid *g, enum grid_style style, uint64_t count)
{
	char text[TEXT_SHORT];

	grid_add(g, style, text_count(count, text));
}

/* Where a function is: the file's name; the kernel by its short name. */
static const char *where(const char *mapping)
{
	return !strcmp(mapping, MAPPING_KERNEL) ? "kernel" : base_name(mapping);
}

static enum grid_style function_style(const struct rank_row *row)
{
	return row->kind == FRAME_KERNEL ? GRID_KERNEL
	       : row->kind == FRAME_MARK ? GRID_FAINT
					 : GRID_PLAIN;
}

/* --- head and foot --- */

/* A name that is cut where the line would be too long, and what stands behind it. */
static void print_fitting(struct page *page, enum grid_style style, const char *name,
			  const char *rest)
{
	_cleanup_(buffer_free) struct buffer clean = { 0 }, cut = { 0 };
	size_t width = page->options->width, taken = text_width(rest);

	escape_terminal(&clean, name);
	buffer_puts(&clean, "");
	if (width && text_width(clean.data) + taken > width)
		text_fit(&cut, clean.data, width > taken ? width - taken : 1, false);
	/* Escaping what is escaped already changes nothing. */
	grid_text(page->out, page->options->color, style, cut.data ? cut.data : clean.data);
	buffer_printf(page->out, "%s\n", rest);
}

static void print_title(struct page *page)
{
	print_fitting(page, GRID_BOLD, page->view->title.data, "");
}

static void print_facts(struct page *page, const char *before, const struct view *v)
{
	_cleanup_(buffer_free) struct buffer facts = { 0 };

	buffer_puts(&facts, before);
	view_facts(v, &facts);
	if (facts.size > strlen(before))
		print_fitting(page, GRID_PLAIN, facts.data, "");
}

static void print_notes(struct page *page, const struct profile *p, bool losses)
{
	for (size_t i = 0; i < profile_notes(p); i++) {
		const char *note = profile_get_note(p, i);

		if (!view_shows_note(note) || view_is_loss(note) != losses)
			continue;
		grid_text(page->out, page->options->color, losses ? GRID_WARNING : GRID_FAINT,
			  note);
		buffer_puts(page->out, "\n");
	}
}

static bool has_notes(const struct profile *p)
{
	for (size_t i = 0; i < profile_notes(p); i++)
		if (view_shows_note(profile_get_note(p, i)))
			return true;
	return false;
}

static void print_foot(struct page *page, const struct profile *p)
{
	if (!has_notes(p))
		return;
	buffer_puts(page->out, "\n");
	print_notes(page, p, true);
	print_notes(page, p, false);
}

static void print_empty(struct page *page)
{
	buffer_puts(page->out, "\nNo samples.\n");
	if (!strcmp(page->view->type, "cpu") || !strcmp(page->view->type, "samples"))
		buffer_puts(page->out,
			    "Only what runs on a CPU is sampled: what sleeps or waits leaves no "
			    "trace here.\nRecord for longer (-d), or while there is work.\n");
}

/* --- by container --- */

static void add_hottest(struct grid *g, const struct page *page, const struct summary *s,
			const struct summary_container *c)
{
	const struct rank_row *top = summary_top(c);
	_cleanup_(buffer_free) struct buffer text = { 0 };

	if (!top) {
		grid_add(g, GRID_FAINT, "-");
		return;
	}
	buffer_puts(&text, top->keys[s->function_key]);
	if (is_wide(page) && strcmp(top->keys[s->mapping_key], "-"))
		buffer_printf(&text, " (%s)", where(top->keys[s->mapping_key]));
	grid_add(g, function_style(top), text.data ? text.data : "");
}

static void add_rest(struct grid *g, struct page *page, const struct summary *s, size_t shown,
		     bool bars)
{
	char text[TEXT_SHORT + 32], count[TEXT_SHORT];
	uint64_t value = 0, samples = 0;

	for (size_t i = shown; i < s->n; i++) {
		value += s->containers[i].value;
		samples += s->containers[i].samples;
	}
	snprintf(text, sizeof(text), "%s more", text_count(s->n - shown, count));
	grid_add(g, GRID_FAINT, text);
	add_number(g, GRID_FAINT, share((double)value, (double)page->view->total));
	if (bars)
		grid_add(g, GRID_FAINT, "");
	add_value(g, GRID_FAINT, page->view, (double)value);
	if (page->view->samples_type >= 0)
		add_count(g, GRID_FAINT, samples);
	grid_add(g, GRID_FAINT, "");
}

static void print_containers(struct page *page, const struct summary *s)
{
	_cleanup_(grid_free) struct grid g = { 0 };
	const struct view *v = page->view;
	bool bars = is_wide(page);
	size_t shown = rows_shown(page, CONTAINERS_SHOWN, s->n);

	grid_column(&g, "CONTAINER", false, 12);
	grid_column(&g, "SHARE %", true, 0);
	if (bars)
		grid_column(&g, "", false, 0);
	grid_column(&g, page->heading, true, 0);
	if (v->samples_type >= 0)
		grid_column(&g, "SAMPLES", true, 0);
	grid_column(&g, "HOTTEST FUNCTION", false, 16);
	for (size_t i = 0; i < shown; i++) {
		const struct summary_container *c = &s->containers[i];
		double percent = share((double)c->value, (double)v->total);

		grid_add(&g, GRID_CONTAINER, c->name);
		add_number(&g, GRID_PLAIN, percent);
		if (bars)
			grid_add_bar(&g, GRID_CONTAINER, percent / 100, BAR_COLUMNS);
		add_value(&g, GRID_PLAIN, v, (double)c->value);
		if (v->samples_type >= 0)
			add_count(&g, GRID_PLAIN, c->samples);
		add_hottest(&g, page, s, c);
	}
	if (shown < s->n)
		add_rest(&g, page, s, shown, bars);
	buffer_puts(page->out, "\n");
	grid_print(&g, 0, page->options->width, page->options->color, page->out);
}

/* --- one container's functions --- */

static void add_other_functions(struct grid *g, struct page *page,
				const struct summary_container *c, size_t shown)
{
	char text[TEXT_SHORT + 32], count[TEXT_SHORT];
	uint64_t self = 0;

	for (size_t i = shown; i < c->n; i++)
		self += c->functions[i]->self;
	snprintf(text, sizeof(text), "%s more function%s", text_count(c->n - shown, count),
		 c->n - shown == 1 ? "" : "s");
	add_number(g, GRID_FAINT, share((double)self, (double)c->value));
	grid_add(g, GRID_FAINT, "");
	add_value(g, GRID_FAINT, page->view, (double)self);
	grid_add(g, GRID_FAINT, text);
	grid_add(g, GRID_FAINT, "");
}

static void print_functions(struct page *page, const struct summary *s,
			    const struct summary_container *c)
{
	_cleanup_(grid_free) struct grid g = { 0 };
	bool minor = share((double)c->value, (double)page->view->total) < MINOR;
	size_t shown = rows_shown(page, minor ? FUNCTIONS_MINOR : FUNCTIONS_SHOWN, c->n);

	grid_column(&g, "SELF %", true, 0);
	grid_column(&g, "TOTAL %", true, 0);
	grid_column(&g, page->heading, true, 0);
	grid_column(&g, "FUNCTION", false, 16);
	grid_column(&g, "WHERE", false, 8);
	for (size_t i = 0; i < shown; i++) {
		const struct rank_row *row = c->functions[i];

		add_number(&g, GRID_PLAIN, share((double)row->self, (double)c->value));
		add_number(&g, GRID_PLAIN, share((double)row->total, (double)c->value));
		add_value(&g, GRID_PLAIN, page->view, (double)row->self);
		grid_add(&g, function_style(row), row->keys[s->function_key]);
		grid_add(&g, GRID_FAINT, where(row->keys[s->mapping_key]));
	}
	if (shown < c->n)
		add_other_functions(&g, page, c, shown);
	grid_print(&g, 2, page->options->width, page->options->color, page->out);
}

/* "  lock 53.2 % · pipe 46.8 %": what the container's threads were in; `states` is by container and
 * state, most first. */
static void print_states(struct page *page, const struct rank *states,
			 const struct summary_container *c)
{
	_cleanup_(buffer_free) struct buffer line = { 0 };
	char text[TEXT_SHORT];

	for (size_t i = 0; i < states->n; i++)
		if (strcmp(states->rows[i].keys[0], c->name) == 0)
			buffer_printf(
				&line, "%s%s %s", line.size ? " · " : "  ", states->rows[i].keys[1],
				share_text((double)states->rows[i].total, (double)c->value, text));
	if (line.size)
		print_fitting(page, GRID_PLAIN, line.data, "");
}

static void print_section(struct page *page, const struct summary *s,
			  const struct summary_container *c, const struct rank *states)
{
	const struct view *v = page->view;
	char share_of_all[TEXT_SHORT], value[TEXT_SHORT];

	buffer_puts(page->out, "\n");
	if (v->has_containers) {
		_cleanup_(buffer_free) struct buffer figures = { 0 };

		buffer_printf(&figures, " · %s · %s",
			      share_text((double)c->value, (double)v->total, share_of_all),
			      value_text((double)c->value, v->unit, value));
		print_fitting(page, GRID_CONTAINER, c->name, figures.data);
	}
	if (states)
		print_states(page, states, c);
	print_functions(page, s, c);
}

static int print_summary(struct page *page, const struct profile *p)
{
	static const char *const keys[] = { "container", "state" };
	struct rank *states = NULL;
	struct summary *s = NULL;
	int err = 0;

	if (page->view->has_containers && view_has_label(p, "state"))
		err = rank_new(p, page->view->value, keys, ARRAY_SIZE(keys), &states);
	if (!err)
		err = summary_new(p, page->view, &s);
	if (err) {
		rank_free(states);
		return err;
	}
	if (page->view->has_containers)
		print_containers(page, s);
	for (size_t i = 0; i < MIN(s->n, (size_t)SECTIONS_SHOWN); i++)
		print_section(page, s, &s->containers[i], states);
	if (s->n > SECTIONS_SHOWN)
		buffer_puts(page->out,
			    "\nFor the functions of the others: --by container,function\n");
	rank_free(states);
	summary_free(s);
	return 0;
}

/* --- by keys --- */

static size_t count_keys(const char *const *keys)
{
	size_t n = 0;

	while (keys[n])
		n++;
	return n;
}

/* Keys of the stack tell self from total; those of the labels have one value. */
static bool has_stack_key(const struct rank *r)
{
	static const char *const stack_keys[] = { "function", "file", "mapping" };

	for (size_t k = 0; k < r->nkeys; k++)
		for (size_t i = 0; i < ARRAY_SIZE(stack_keys); i++)
			if (!strcmp(r->keys[k], stack_keys[i]))
				return true;
	return false;
}

static bool is_short(const struct page *page, const char *key)
{
	return page->short_names && !strcmp(key, "mapping");
}

static void add_key_columns(struct grid *g, const struct page *page, const struct rank *r)
{
	for (size_t k = 0; k < r->nkeys; k++) {
		char heading[64];

		snprintf(heading, sizeof(heading), "%s",
			 is_short(page, r->keys[k]) ? "where" : r->keys[k]);
		for (char *s = heading; *s; s++)
			*s = (char)toupper((unsigned char)*s);
		grid_column(g, arena_strndup(&g->arena, heading, strlen(heading)), false, 12);
	}
}

static void add_keys(struct grid *g, const struct page *page, const struct rank *r,
		     const struct rank_row *row)
{
	for (size_t k = 0; k < r->nkeys; k++) {
		if (!strcmp(r->keys[k], "function"))
			grid_add(g, function_style(row), row->keys[k]);
		else if (!strcmp(r->keys[k], "container"))
			grid_add(g, GRID_CONTAINER, row->keys[k]);
		else if (is_short(page, r->keys[k]))
			grid_add(g, GRID_FAINT, where(row->keys[k]));
		else
			grid_add(g, GRID_PLAIN, row->keys[k]);
	}
}

/* A row that sums up what is not shown: the counted words in the first key's column. */
static void add_rest_key(struct grid *g, const struct rank *r, size_t n)
{
	char text[TEXT_SHORT + 32], count[TEXT_SHORT];

	snprintf(text, sizeof(text), "%s more", text_count(n, count));
	grid_add(g, GRID_FAINT, text);
	for (size_t k = 1; k < r->nkeys; k++)
		grid_add(g, GRID_FAINT, "");
}

static int print_ranking(struct page *page, const struct profile *p)
{
	_cleanup_(grid_free) struct grid g = { 0 };
	const char *const *by = page->options->by;
	struct rank *r;
	int err = rank_new(p, page->view->value, by, count_keys(by), &r);

	if (err)
		return err;
	bool stacks = has_stack_key(r);
	size_t shown = rows_shown(page, RANKING_SHOWN, r->n);
	uint64_t rest = 0;

	grid_column(&g, stacks ? "SELF %" : "SHARE %", true, 0);
	if (stacks)
		grid_column(&g, "TOTAL %", true, 0);
	grid_column(&g, page->heading, true, 0);
	add_key_columns(&g, page, r);
	for (size_t i = 0; i < shown; i++) {
		const struct rank_row *row = &r->rows[i];

		add_number(&g, GRID_PLAIN, share((double)row->self, (double)r->total));
		if (stacks)
			add_number(&g, GRID_PLAIN, share((double)row->total, (double)r->total));
		add_value(&g, GRID_PLAIN, page->view, (double)row->self);
		add_keys(&g, page, r, row);
	}
	for (size_t i = shown; i < r->n; i++)
		rest += r->rows[i].self;
	if (shown < r->n) {
		add_number(&g, GRID_FAINT, share((double)rest, (double)r->total));
		if (stacks)
			grid_add(&g, GRID_FAINT, "");
		add_value(&g, GRID_FAINT, page->view, (double)rest);
		add_rest_key(&g, r, r->n - shown);
	}
	buffer_puts(page->out, "\n");
	grid_print(&g, 0, page->options->width, page->options->color, page->out);
	rank_free(r);
	return 0;
}

int table_write(const struct profile *p, const struct output_options *o, struct buffer *out)
{
	_cleanup_(view_free) struct view v;
	struct page page = { .options = o, .view = &v, .out = out };
	int err = 0;

	view_init(&v, p, o);
	heading_of(&v, page.heading);
	print_title(&page);
	print_facts(&page, "", &v);
	if (!profile_count_samples(p))
		print_empty(&page);
	else if (o->by && o->by[0])
		err = print_ranking(&page, p);
	else
		err = print_summary(&page, p);
	print_foot(&page, p);
	return err;
}

/* --- comparison --- */

/* Largest change first, whichever way it went. */
static int by_change(const void *a, const void *b)
{
	const struct rank_row *x = *(const struct rank_row *const *)a;
	const struct rank_row *y = *(const struct rank_row *const *)b;
	double dx = fabs((double)x->self - x->self_base), dy = fabs((double)y->self - y->self_base);

	if (dx != dy)
		return dx < dy ? 1 : -1;
	return x < y ? -1 : x > y;
}

static enum grid_style change_style(double points)
{
	return points >= 0.05 ? GRID_MORE : points <= -0.05 ? GRID_LESS : GRID_FAINT;
}

static void add_change(struct grid *g, double before, double after)
{
	char text[TEXT_SHORT];

	/* Both in percent; "pp" stands in the column's head. */
	snprintf(text, sizeof(text), "%+.1f", fabs(after - before) < 0.05 ? 0.0 : after - before);
	add_number(g, GRID_PLAIN, before);
	add_number(g, GRID_PLAIN, after);
	grid_add(g, change_style(after - before), text);
}

static void print_changes(struct page *page, const struct rank *r)
{
	_cleanup_(grid_free) struct grid g = { 0 };
	_cleanup_free_ const struct rank_row **rows = xreallocarray(NULL, r->n + 1, sizeof(*rows));
	size_t shown = rows_shown(page, RANKING_SHOWN, r->n);
	bool stacks = has_stack_key(r);
	double whole = (double)r->total;

	for (size_t i = 0; i < r->n; i++)
		rows[i] = &r->rows[i];
	qsort(rows, r->n, sizeof(*rows), by_change);
	grid_column(&g, "BEFORE %", true, 0);
	grid_column(&g, "AFTER %", true, 0);
	grid_column(&g, "CHANGE pp", true, 0);
	if (stacks)
		grid_column(&g, "TOTAL pp", true, 0);
	add_key_columns(&g, page, r);
	for (size_t i = 0; i < shown; i++) {
		double points = share((double)rows[i]->total - rows[i]->total_base, whole);
		char text[TEXT_SHORT];

		add_change(&g, share(rows[i]->self_base, whole),
			   share((double)rows[i]->self, whole));
		snprintf(text, sizeof(text), "%+.1f", fabs(points) < 0.05 ? 0.0 : points);
		if (stacks)
			grid_add(&g, change_style(points), text);
		add_keys(&g, page, r, rows[i]);
	}
	buffer_puts(page->out, "\n");
	grid_print(&g, 0, page->options->width, page->options->color, page->out);
	if (shown < r->n) {
		char count[TEXT_SHORT];

		buffer_printf(page->out, "%s more changed less\n", text_count(r->n - shown, count));
	}
}

static int print_diff_by(struct page *page, const struct profile *before,
			 const struct profile *after, const char *const *keys)
{
	struct rank *r;
	int err = rank_diff(before, after, page->view->type, keys, count_keys(keys), &r);

	if (err)
		return err;
	print_changes(page, r);
	rank_free(r);
	return 0;
}

int table_write_diff(const struct profile *before, const struct profile *after,
		     const struct output_options *o, struct buffer *out)
{
	static const char *const containers[] = { "container", NULL };
	static const char *const functions[] = { "container", "function", "mapping", NULL };
	_cleanup_(view_free) struct view v, old;
	struct page page = { .options = o, .view = &v, .out = out };
	int err;

	view_init_diff(&v, before, after, o);
	view_init(&old, before, o);
	heading_of(&v, page.heading);
	print_title(&page);
	print_facts(&page, "before  ", &old);
	print_facts(&page, "after   ", &v);
	buffer_puts(out,
		    "Shares of each profile's own total, so that their lengths do not matter.\n");
	if (o->by && o->by[0]) {
		err = print_diff_by(&page, before, after, o->by);
	} else {
		page.short_names = true;
		err = v.has_containers ? print_diff_by(&page, before, after, containers) : 0;
		if (!err)
			err = print_diff_by(&page, before, after, functions + !v.has_containers);
	}
	print_foot(&page, before);
	print_foot(&page, after);
	return err;
}
