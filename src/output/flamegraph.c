/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flame graph as one SVG file:
 *
 *     title                         y = 28
 *     facts                         y = 48
 *     legend            [search]    y = 74    the search field is made by the script
 *     frames                        from 90
 *     what was left out             below
 *
 * Without a script it is a picture with tooltips; flamegraph.js, which it carries, makes it fit the
 * window, zoom and search.
 */
#include "output/output.h"

#include "base/cleanup.h"
#include "output/assets.h"
#include "output/flame.h"
#include "output/markup.h"
#include "output/view.h"

#define TOP   90
#define FOOT  34
#define WIDTH 1200
/* The options' width may be a terminal's; no terminal has so many columns, no picture so few. */
#define WIDTH_LEAST 480
#define WIDTH_MOST  10000

static unsigned picture_width(const struct output_options *o)
{
	return o->width >= WIDTH_LEAST && o->width <= WIDTH_MOST ? o->width : WIDTH;
}

static void add_start(const struct view *v, unsigned width, unsigned height, struct buffer *out)
{
	buffer_printf(out,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"flamegraph alone\" "
		      "width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" data-top=\"%d\" "
		      "data-foot=\"%d\">\n<title>",
		      width, height, width, height, TOP, FOOT);
	markup_text(out, v->title.data);
	buffer_puts(out, "</title>\n<style><![CDATA[\n");
	add_asset(out, flamegraph_css);
	buffer_puts(out, "]]></style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n");
}

/* Comes after the frames and has a ground of its own: the script keeps it in sight above them. */
static void add_head(const struct view *v, const struct flame *f, struct buffer *out)
{
	_cleanup_(buffer_free) struct buffer facts = { 0 };

	view_facts(v, &facts);
	buffer_printf(out,
		      "<g class=\"head\"><rect class=\"paper\" width=\"100%%\" height=\"%d\"/>\n"
		      "<text class=\"heading\" x=\"%d\" y=\"28\">",
		      TOP - 6, FLAME_MARGIN);
	markup_text(out, v->title.data);
	buffer_printf(out, "</text>\n<text class=\"facts\" x=\"%d\" y=\"48\">", FLAME_MARGIN);
	markup_text(out, facts.size ? facts.data : "");
	buffer_puts(out, "</text>\n");
	flame_legend(f, FLAME_MARGIN, 74, out);
	buffer_puts(out, "</g>\n");
}

static void add_foot(const struct flame *f, struct buffer *out)
{
	unsigned y = TOP + flame_height(f) + 20;

	buffer_printf(out, "<g class=\"foot\"><text x=\"%d\" y=\"%u\">", FLAME_MARGIN, y);
	if (!f->tree->root->total && !f->tree->root->total_base)
		buffer_puts(out, "No samples: nothing ran on a CPU while this was recorded.");
	else
		flame_left_out(f, out);
	if (f->tree->is_diff)
		buffer_puts(out, f->undrawn + f->pruned ? " · " : "");
	if (f->tree->is_diff)
		buffer_puts(out, "width: mean of before and after, both scaled to the same total");
	buffer_puts(out, "</text></g>\n");
}

static void write_svg(const struct view *v, const struct tree *t, const struct output_options *o,
		      struct buffer *out)
{
	unsigned width = picture_width(o);
	_cleanup_(flame_free) struct flame f;

	flame_new(&f, t, width, o->inverted);
	add_start(v, width, TOP + flame_height(&f) + FOOT, out);
	flame_frames(&f, TOP, out);
	add_head(v, &f, out);
	add_foot(&f, out);
	buffer_puts(out, "<script type=\"application/json\" id=\"flamegraph-data\">");
	flame_data(&f, out);
	buffer_puts(out, "</script>\n<script><![CDATA[\n");
	add_asset(out, flamegraph_js);
	buffer_puts(out, "]]></script>\n</svg>\n");
}

int flamegraph_write(const struct profile *p, const struct output_options *o, struct buffer *out)
{
	_cleanup_(view_free) struct view v;
	struct tree *t;

	view_init(&v, p, o);
	t = tree_new(p, &(struct tree_options){ .value = v.value, .roots = v.roots });
	write_svg(&v, t, o, out);
	tree_free(t);
	return 0;
}

int flamegraph_write_diff(const struct profile *before, const struct profile *after,
			  const struct output_options *o, struct buffer *out)
{
	_cleanup_(view_free) struct view v;
	struct tree *t;
	int err;

	view_init_diff(&v, before, after, o);
	err = tree_diff(before, after, &(struct tree_options){ .value = v.value, .roots = v.roots },
			&t);
	if (err)
		return err;
	write_svg(&v, t, o, out);
	tree_free(t);
	return 0;
}
