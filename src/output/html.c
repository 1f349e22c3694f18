/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as one HTML file: containers, flame graph, functions, notes. It asks nothing of the
 * network, and its Content-Security-Policy lets only its own scripts and styles run: they carry a
 * random nonce, so markup that a name might smuggle in would still be dead. Without scripts all of
 * it can be read; with them it zooms, searches and sorts.
 */
#include "output/output.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "output/assets.h"
#include "output/flame.h"
#include "output/markup.h"
#include "output/summary.h"
#include "output/view.h"

/* The page's graph has the legend above and a line below it; heading and search are HTML. */
#define TOP   30
#define FOOT  30
#define WIDTH 1160

#define CONTAINERS_SHOWN 200
#define FUNCTIONS_SHOWN	 1000

/* --- head --- */

static int make_nonce(char nonce[33])
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		int err = -errno;

		log_error("cannot get random bytes for the report: %s", strerror(errno));
		return err;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return 0;
}

static void add_head(const struct view *v, const char *nonce, struct buffer *out)
{
	buffer_printf(out,
		      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "script-src 'nonce-%s'; style-src 'nonce-%s'; base-uri 'none'; "
		      "form-action 'none'\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
		      nonce, nonce);
	markup_text(out, v->title.data);
	buffer_printf(out, "</title>\n<style nonce=\"%s\">\n", nonce);
	add_asset(out, report_css);
	add_asset(out, flamegraph_css);
	buffer_puts(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
	markup_text(out, v->title.data);
	buffer_puts(out, "</h1>\n");
}

static void add_facts(const struct view *v, const char *before, struct buffer *out)
{
	_cleanup_(buffer_free) struct buffer facts = { 0 };

	view_facts(v, &facts);
	buffer_printf(out, "<p class=\"facts\">%s", before);
	markup_text(out, facts.size ? facts.data : "");
	buffer_puts(out, "</p>\n");
}

/* --- notes --- */

static bool has_notes(const struct profile *p, bool losses)
{
	for (size_t i = 0; i < profile_notes(p); i++) {
		const char *note = profile_get_note(p, i);

		if (view_shows_note(note) && view_is_loss(note) == losses)
			return true;
	}
	return false;
}

/* `side` is ", before" or ", after" in a comparison, else "". */
static void add_notes(const struct profile *p, bool losses, const char *side, struct buffer *out)
{
	if (!has_notes(p, losses))
		return;
	buffer_printf(out, "<section class=\"%s\">\n<h2>%s%s</h2>\n<ul>\n",
		      losses ? "losses" : "notes", losses ? "Not everything was seen" : "Notes",
		      side);
	for (size_t i = 0; i < profile_notes(p); i++) {
		const char *note = profile_get_note(p, i);

		if (!view_shows_note(note) || view_is_loss(note) != losses)
			continue;
		buffer_puts(out, "<li>");
		markup_text(out, note);
		buffer_puts(out, "</li>\n");
	}
	buffer_puts(out, "</ul>\n</section>\n");
}

/* --- cells --- */

static void cell_text(struct buffer *out, const char *class, const char *text)
{
	buffer_printf(out, "<td class=\"%s\">", class);
	markup_text(out, text);
	buffer_puts(out, "</td>");
}

/* data-v is what a column sorts by. */
static void cell_share(struct buffer *out, double part, double whole)
{
	char text[TEXT_SHORT];

	buffer_printf(out, "<td class=\"n\" data-v=\"%.4f\">", share(part, whole));
	escape_xml(out, share_text(part, whole, text));
	buffer_puts(out, "</td>");
}

static void cell_value(struct buffer *out, double value, const char *unit)
{
	char text[TEXT_SHORT];

	buffer_printf(out, "<td class=\"n\" data-v=\"%.0f\">%s</td>", value,
		      value_text(value, unit, text));
}

/* A phone has no room for it. */
static void cell_samples(struct buffer *out, uint64_t samples)
{
	char text[TEXT_SHORT];

	buffer_printf(out, "<td class=\"n s\">%s</td>", text_count(samples, text));
}

static void cell_change(struct buffer *out, double before, double after)
{
	char text[TEXT_SHORT];
	double points = after - before;

	buffer_printf(out, "<td class=\"n %s\" data-v=\"%.4f\">%s</td>",
		      points >= 0.05	? "more"
		      : points <= -0.05 ? "less"
					: "",
		      points, points_text(before, after, text));
}

static void cell_bar(struct buffer *out, double percent)
{
	buffer_printf(
		out,
		"<td class=\"b\"><svg class=\"bar\" viewBox=\"0 0 100 8\" "
		"preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" "
		"width=\"100\" height=\"8\"/><rect class=\"fill\" width=\"%.2f\" height=\"8\"/>"
		"</svg></td>",
		fmin(percent, 100));
}

static const char *where(const char *mapping)
{
	return !strcmp(mapping, MAPPING_KERNEL) ? "kernel" : base_name(mapping);
}

static void cell_where(struct buffer *out, const char *mapping)
{
	buffer_puts(out, "<td class=\"w\" title=\"");
	markup_text(out, mapping);
	buffer_puts(out, "\">");
	markup_text(out, where(mapping));
	buffer_puts(out, "</td>");
}

/* --- containers --- */

static void add_container(const struct summary *s, const struct summary_container *c,
			  const struct view *v, struct buffer *out)
{
	const struct rank_row *top = summary_top(c);

	buffer_puts(out, "<tr><th scope=\"row\" class=\"c\">");
	markup_text(out, c->name);
	buffer_puts(out, "</th>");
	cell_share(out, (double)c->value, (double)v->total);
	cell_bar(out, share((double)c->value, (double)v->total));
	cell_value(out, (double)c->value, v->unit);
	if (v->samples_type >= 0)
		cell_samples(out, c->samples);
	cell_text(out, "f", top ? top->keys[s->function_key] : "-");
	buffer_puts(out, "</tr>\n");
}

static void add_containers(const struct summary *s, const struct view *v, struct buffer *out)
{
	char text[TEXT_SHORT];

	buffer_puts(
		out,
		"<section>\n<h2>Containers</h2>\n<div class=\"scroll\"><table id=\"containers\">\n"
		"<thead><tr><th>Container</th><th class=\"n\">Share</th><th></th><th class=\"n\">");
	markup_text(out, v->signal);
	buffer_puts(out, "</th>");
	if (v->samples_type >= 0)
		buffer_puts(out, "<th class=\"n s\">Samples</th>");
	buffer_puts(out, "<th>Hottest function</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < MIN(s->n, (size_t)CONTAINERS_SHOWN); i++)
		add_container(s, &s->containers[i], v, out);
	buffer_puts(out, "</tbody>\n</table></div>\n");
	if (s->n > CONTAINERS_SHOWN)
		buffer_printf(out, "<p class=\"faint\">and %s more</p>\n",
			      text_count(s->n - CONTAINERS_SHOWN, text));
	buffer_puts(out, "</section>\n");
}

/* --- functions --- */

static int by_total(const void *a, const void *b)
{
	const struct rank_row *x = *(const struct rank_row *const *)a;
	const struct rank_row *y = *(const struct rank_row *const *)b;
	double wx = fmax((double)x->total, x->total_base),
	       wy = fmax((double)y->total, y->total_base);

	return wx < wy ? 1 : wx > wy ? -1 : x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b)
{
	const struct rank_row *x = *(const struct rank_row *const *)a;
	const struct rank_row *y = *(const struct rank_row *const *)b;

	return x < y ? -1 : x > y;
}

/* The heaviest by total, since no function is heavier by self, in the ranking's order. The caller
 * frees the array. */
static const struct rank_row **heaviest(const struct rank *r, size_t *n)
{
	const struct rank_row **rows = xreallocarray(NULL, r->n + 1, sizeof(*rows));

	for (size_t i = 0; i < r->n; i++)
		rows[i] = &r->rows[i];
	*n = MIN(r->n, (size_t)FUNCTIONS_SHOWN);
	if (r->n > *n) {
		qsort(rows, r->n, sizeof(*rows), by_total);
		qsort(rows, *n, sizeof(*rows), by_place);
	}
	return rows;
}

/* Where the keys of a row are: a ranking without containers has one key less. */
struct places {
	bool containers;
	size_t function, mapping;
};

static void cell_function(struct buffer *out, const struct rank_row *row, const struct places *at)
{
	cell_text(out, row->kind == FRAME_KERNEL ? "f kernel" : "f", row->keys[at->function]);
	if (at->containers)
		cell_text(out, "c", row->keys[0]);
	cell_where(out, row->keys[at->mapping]);
	buffer_puts(out, "</tr>\n");
}

static void add_functions_head(struct buffer *out, const struct places *at,
			       const char *const heads[])
{
	buffer_puts(out, "<section>\n<div class=\"title\"><h2>Functions</h2><div class=\"tools\" "
			 "id=\"functions-tools\"></div></div>\n<div class=\"scroll\"><table "
			 "id=\"functions\">\n"
			 "<thead><tr>");
	for (; *heads; heads++)
		buffer_printf(out, "<th class=\"n\" data-sort=\"number\">%s</th>", *heads);
	buffer_puts(out, "<th data-sort=\"text\">Function</th>");
	if (at->containers)
		buffer_puts(out, "<th data-sort=\"text\">Container</th>");
	buffer_puts(out, "<th data-sort=\"text\">Where</th></tr></thead>\n<tbody>\n");
}

static void add_functions_foot(struct buffer *out, size_t shown, size_t n)
{
	char text[TEXT_SHORT];

	buffer_puts(out, "</tbody>\n</table></div>\n");
	if (shown < n)
		buffer_printf(out, "<p class=\"faint\">%s lighter functions are left out.</p>\n",
			      text_count(n - shown, text));
	buffer_puts(out, "</section>\n");
}

static void add_functions(const struct summary *s, const struct view *v, struct buffer *out)
{
	static const char *const heads[] = { "Self", "Self share", "Total", "Total share", NULL };
	const struct places at = { v->has_containers, s->function_key, s->mapping_key };
	double whole = (double)v->total;
	size_t n;
	_cleanup_free_ const struct rank_row **rows = heaviest(s->rank, &n);

	add_functions_head(out, &at, heads);
	for (size_t i = 0; i < n; i++) {
		buffer_puts(out, "<tr>");
		cell_value(out, (double)rows[i]->self, v->unit);
		cell_share(out, (double)rows[i]->self, whole);
		cell_value(out, (double)rows[i]->total, v->unit);
		cell_share(out, (double)rows[i]->total, whole);
		cell_function(out, rows[i], &at);
	}
	add_functions_foot(out, n, s->rank->n);
}

/* --- graph --- */

static void add_graph(const struct tree *t, const struct output_options *o, struct buffer *out)
{
	_cleanup_(flame_free) struct flame f;
	unsigned height;

	flame_new(&f, t, WIDTH, o->inverted);
	height = TOP + flame_height(&f) + FOOT;
	buffer_printf(
		out,
		"<section>\n<div class=\"title\"><h2>Flame graph</h2><div "
		"class=\"flamegraph-controls\">"
		"</div></div>\n<div class=\"graph\"><svg xmlns=\"http://www.w3.org/2000/svg\" "
		"class=\"flamegraph\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
		"data-top=\"%d\" "
		"data-foot=\"%d\" role=\"img\">\n",
		WIDTH, height, WIDTH, height, TOP, FOOT);
	flame_legend(&f, FLAME_MARGIN, 16, out);
	flame_frames(&f, TOP, out);
	buffer_printf(out, "<g class=\"foot\"><text x=\"%d\" y=\"%u\">", FLAME_MARGIN, height - 10);
	flame_left_out(&f, out);
	buffer_puts(out, "</text></g>\n</svg></div>\n</section>\n"
			 "<script type=\"application/json\" id=\"flamegraph-data\">");
	flame_data(&f, out);
	buffer_puts(out, "</script>\n");
}

static void add_end(const char *nonce, struct buffer *out)
{
	buffer_printf(out, "</main>\n<script nonce=\"%s\">\n", nonce);
	add_asset(out, flamegraph_js);
	add_asset(out, report_js);
	buffer_puts(out, "</script>\n</body>\n</html>\n");
}

static void add_empty(struct buffer *out)
{
	buffer_puts(
		out,
		"<section><h2>No samples</h2><p>Nothing ran on a CPU while this was recorded: "
		"what sleeps or waits leaves no trace here. Record for longer, or while there is "
		"work.</p></section>\n");
}

int html_write(const struct profile *p, const struct output_options *o, struct buffer *out)
{
	_cleanup_(view_free) struct view v = { 0 };
	struct summary *s = NULL;
	struct tree *t;
	char nonce[33];
	int err = make_nonce(nonce);

	if (err)
		return err;
	view_init(&v, p, o);
	if (profile_count_samples(p)) {
		err = summary_new(p, &v, &s);
		if (err)
			return err;
	}
	add_head(&v, nonce, out);
	add_facts(&v, "", out);
	buffer_puts(out, "</header>\n<main>\n");
	add_notes(p, true, "", out);
	if (s) {
		if (v.has_containers)
			add_containers(s, &v, out);
		t = tree_new(p, &(struct tree_options){ .value = v.value, .roots = v.roots });
		add_graph(t, o, out);
		tree_free(t);
		add_functions(s, &v, out);
	} else {
		add_empty(out);
	}
	add_notes(p, false, "", out);
	add_end(nonce, out);
	summary_free(s);
	return 0;
}

/* --- comparison --- */

static void add_container_changes(const struct rank *r, struct buffer *out)
{
	double whole = (double)r->total;

	buffer_puts(
		out,
		"<section>\n<h2>Containers</h2>\n<div class=\"scroll\"><table id=\"containers\">\n"
		"<thead><tr><th>Container</th><th class=\"n\">Before</th><th class=\"n\">After</th>"
		"<th class=\"n\">Change</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < MIN(r->n, (size_t)CONTAINERS_SHOWN); i++) {
		const struct rank_row *row = &r->rows[i];

		buffer_puts(out, "<tr><th scope=\"row\" class=\"c\">");
		markup_text(out, row->keys[0]);
		buffer_puts(out, "</th>");
		cell_share(out, row->self_base, whole);
		cell_share(out, (double)row->self, whole);
		cell_change(out, share(row->self_base, whole), share((double)row->self, whole));
		buffer_puts(out, "</tr>\n");
	}
	buffer_puts(out, "</tbody>\n</table></div>\n</section>\n");
}

static void add_function_changes(const struct rank *r, bool containers, struct buffer *out)
{
	static const char *const heads[] = { "Self before", "Self after", "Self change",
					     "Total change", NULL };
	const struct places at = { containers, containers ? 1 : 0, containers ? 2 : 1 };
	double whole = (double)r->total;
	size_t n;
	_cleanup_free_ const struct rank_row **rows = heaviest(r, &n);

	add_functions_head(out, &at, heads);
	for (size_t i = 0; i < n; i++) {
		const struct rank_row *row = rows[i];

		buffer_puts(out, "<tr>");
		cell_share(out, row->self_base, whole);
		cell_share(out, (double)row->self, whole);
		cell_change(out, share(row->self_base, whole), share((double)row->self, whole));
		cell_change(out, share(row->total_base, whole), share((double)row->total, whole));
		cell_function(out, row, &at);
	}
	add_functions_foot(out, n, r->n);
}

/* The three views of a comparison, made before anything is written: any of them may fail. */
struct changes {
	struct tree *tree;
	struct rank *containers, *functions;
};

static void changes_free(struct changes *c)
{
	if (c->tree)
		tree_free(c->tree);
	if (c->containers)
		rank_free(c->containers);
	if (c->functions)
		rank_free(c->functions);
}

static int changes_new(struct changes *c, const struct profile *before, const struct profile *after,
		       const struct view *v)
{
	static const char *const keys[] = { "container", "function", "mapping" };
	size_t skip = v->has_containers ? 0 : 1;
	int err = tree_diff(before, after,
			    &(struct tree_options){ .value = v->value, .roots = v->roots },
			    &c->tree);

	if (!err && v->has_containers)
		err = rank_diff(before, after, v->type, keys, 1, &c->containers);
	if (!err)
		err = rank_diff(before, after, v->type, keys + skip, ARRAY_SIZE(keys) - skip,
				&c->functions);
	return err;
}

int html_write_diff(const struct profile *before, const struct profile *after,
		    const struct output_options *o, struct buffer *out)
{
	_cleanup_(view_free) struct view v = { 0 }, old = { 0 };
	_cleanup_(changes_free) struct changes changes = { 0 };
	char nonce[33];
	int err = make_nonce(nonce);

	if (err)
		return err;
	view_init_diff(&v, before, after, o);
	view_init(&old, before, o);
	err = changes_new(&changes, before, after, &v);
	if (err)
		return err;
	add_head(&v, nonce, out);
	add_facts(&old, "<b>Before</b> ", out);
	add_facts(&v, "<b>After</b> ", out);
	buffer_puts(
		out,
		"<p class=\"facts\">Shares are of each profile's own total, so that their lengths "
		"do not matter. A frame is as wide as the mean of both.</p>\n</header>\n<main>\n");
	add_notes(before, true, ", before", out);
	add_notes(after, true, ", after", out);
	if (changes.containers)
		add_container_changes(changes.containers, out);
	add_graph(changes.tree, o, out);
	add_function_changes(changes.functions, v.has_containers, out);
	add_notes(before, false, ", before", out);
	add_notes(after, false, ", after", out);
	add_end(nonce, out);
	return 0;
}
