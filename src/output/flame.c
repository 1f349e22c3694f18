/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning, layout and drawing of a flame graph; see flame.h.
 *
 * A frame's width is its weight: its total, or in a comparison the mean of before and after, so
 * that a frame that is gone is still seen. Means add up as totals do, which is all that the layout
 * needs.
 *
 * Text is monospaced so that it can be cut to its frame here, where no font can be measured.
 */
#include "output/flame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "output/markup.h"
#include "output/view.h"
#include "signal/ledger.h"

/* Advance of one monospaced character at 12 px: 0.602 em in DejaVu Sans Mono, the widest in use. */
#define CHARACTER 7.23
#define PADDING	  4.0 /* left and right of a frame's text */
/* A text cut to fewer characters says nothing ("a…"). */
#define TEXT_SHORTEST 4

#define SHADES 6 /* shades of one kind, so that neighbours are told apart */
#define STEPS  6 /* of red and of blue in a comparison */
/* Changes below this share of the larger side are noise, and grey. */
#define CHANGE_SEEN 0.03

/* What a frame looks like. A row a look: the letter of its CSS class, and its word in the legend.
 */
enum look {
	LOOK_ROOT,
	LOOK_CONTAINER,
	LOOK_THREAD,
	LOOK_STATE,
	LOOK_USER,
	LOOK_INLINED,
	LOOK_JIT,
	LOOK_KERNEL,
	LOOK_MARK,
	LOOK_GREW,
	LOOK_SHRANK,
	LOOK_SAME,
	LOOKS
};

static const struct {
	char letter;
	const char *legend; /* NULL: needs none */
} looks[LOOKS] = {
	[LOOK_ROOT] = { 'a', NULL },	   [LOOK_CONTAINER] = { 'c', "container" },
	[LOOK_THREAD] = { 't', "thread" }, [LOOK_STATE] = { 's', NULL },
	[LOOK_USER] = { 'u', "user" },	   [LOOK_INLINED] = { 'i', "inlined" },
	[LOOK_JIT] = { 'j', "JIT" },	   [LOOK_KERNEL] = { 'k', "kernel" },
	[LOOK_MARK] = { 'm', "mark" },	   [LOOK_GREW] = { 'r', "grew" },
	[LOOK_SHRANK] = { 'b', "shrank" }, [LOOK_SAME] = { 'n', "unchanged" },
};

struct flame_node {
	const struct tree_node *node;
	uint32_t level;
	bool drawn;
	float x, width; /* pixels, from the root's left edge */
	char style[4];	/* CSS class, "u3" */
};

static double weight(const struct tree *t, const struct tree_node *n)
{
	return t->is_diff ? ((double)n->total + n->total_base) / 2 : (double)n->total;
}

/* Next in preorder below `root`; NULL at the end. *level follows. */
static const struct tree_node *next_node(const struct tree_node *n, const struct tree_node *root,
					 bool skip_children, uint32_t *level)
{
	if (n->children && !skip_children) {
		(*level)++;
		return n->children;
	}
	while (n != root && !n->next) {
		n = n->parent;
		(*level)--;
	}
	return n == root ? NULL : n->next;
}

/* --- looks --- */

/* FNV-1a: the same name has the same shade in every file, unlike with hash_string(). */
static uint32_t shade_of(const char *s)
{
	uint32_t hash = 2166136261U;

	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * 16777619U;
	return (hash ^ hash >> 16) % SHADES;
}

static enum look look_of(const struct tree_node *n, uint32_t level)
{
	static const enum look by_kind[FRAME_KINDS] = {
		[FRAME_USER] = LOOK_USER,
		[FRAME_KERNEL] = LOOK_KERNEL,
		[FRAME_JIT] = LOOK_JIT,
		[FRAME_MARK] = LOOK_MARK,
		[FRAME_CONTAINER] = LOOK_CONTAINER,
		[FRAME_THREAD] = LOOK_THREAD,
		[FRAME_STATE] = LOOK_STATE,
	};

	if (!level)
		return LOOK_ROOT;
	if (n->inlined && n->kind == FRAME_USER)
		return LOOK_INLINED;
	return by_kind[n->kind];
}

/* By the change relative to the larger side: a frame that doubled is half-way red. */
static enum look look_of_change(const struct tree_node *n, unsigned *step)
{
	double after = (double)n->total, before = n->total_base;
	double larger = fmax(after, before);
	double change = larger > 0 ? (after - before) / larger : 0;

	*step = (unsigned)fmin(STEPS - 1, fabs(change) * STEPS);
	if (fabs(change) < CHANGE_SEEN)
		return LOOK_SAME;
	return change > 0 ? LOOK_GREW : LOOK_SHRANK;
}

/* A state's shade is its number, for which the style sheet has the colour of all other views. */
static unsigned shade_of_state(const char *name)
{
	for (unsigned state = 0; state < ACCOUNT_STATES; state++)
		if (strcmp(name, account_state_name(state)) == 0)
			return state;
	return ACCOUNT_UNACCOUNTED;
}

/* Names the node's CSS class; the look, for the legend. */
static enum look style_of(const struct tree *t, const struct tree_node *n, uint32_t level,
			  char style[4])
{
	unsigned shade = 0;
	enum look look;

	if (t->is_diff) {
		look = look_of_change(n, &shade);
	} else {
		look = look_of(n, level);
		if (look == LOOK_STATE)
			shade = shade_of_state(n->name);
		else if (look != LOOK_ROOT && look != LOOK_MARK)
			shade = shade_of(n->name);
	}
	snprintf(style, 4, "%c%u", looks[look].letter, shade % 100);
	return look;
}

/* --- pruning --- */

static int larger_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/*
 * The weight that the `max` largest of n weights have in common: all above it stay, and of those
 * that equal it as many as there is room for (*ties). 0: all stay.
 */
static double threshold(double *weights, size_t n, size_t max, size_t *ties)
{
	if (n <= max)
		return *ties = 0, 0;
	qsort(weights, n, sizeof(*weights), larger_first);

	double limit = weights[max];
	size_t above = max;

	while (above && weights[above - 1] == limit)
		above--;
	*ties = max - above;
	return limit;
}

/* A child weighs at most what its parent does, so what passes in preorder is a tree again. */
static bool passes(double w, double limit, size_t *ties)
{
	if (w > limit)
		return true;
	if (w < limit || !*ties)
		return false;
	(*ties)--;
	return true;
}

static double keep_limit(const struct tree *t, size_t *ties)
{
	_cleanup_free_ double *weights = xreallocarray(NULL, (size_t)t->nodes + 1,
						       sizeof(*weights));
	uint32_t level = 0;
	size_t n = 0;

	for (const struct tree_node *node = t->root; node && n <= t->nodes;
	     node = next_node(node, t->root, level + 1 >= FLAME_LEVELS_MAX, &level))
		weights[n++] = weight(t, node);
	return threshold(weights, n, FLAME_NODES_MAX, ties);
}

/* --- layout --- */

/*
 * Frames stand side by side from their parent's left edge. `edge[level]` is where the next one on
 * that level begins; pruned ones leave their gap.
 */
static void lay_out(struct flame *f)
{
	const struct tree *t = f->tree;
	double edge[FLAME_LEVELS_MAX + 1] = { 0 };
	double scale = weight(t, t->root) > 0 ? f->width / weight(t, t->root) : 0;
	uint32_t level = 0;
	size_t ties, seen = 0, capacity = 0;
	double limit = keep_limit(t, &ties);
	bool skip;

	for (const struct tree_node *n = t->root; n; n = next_node(n, t->root, skip, &level)) {
		double x = edge[level], w = weight(t, n);

		edge[level] += w * scale;
		edge[level + 1] = x;
		/* The root is shown even if it is empty, so that there is something to see. */
		skip = !(level == 0 || (w > 0 && passes(w, limit, &ties)));
		if (!skip) {
			GROW(f->nodes, f->n, capacity);
			struct flame_node *kept = &f->nodes[f->n++];

			*kept = (struct flame_node){
				.node = n,
				.level = level,
				.x = (float)x,
				.width = (float)(w * scale),
			};
			f->classes |= 1U << style_of(t, n, level, kept->style);
			seen++;
		}
		skip = skip || level + 1 >= FLAME_LEVELS_MAX;
	}
	f->pruned = t->nodes > seen ? t->nodes - seen : 0;
}

/* flamegraph.js has the same rule. */
static bool is_wide_enough(const struct flame_node *n)
{
	unsigned above = n->level > FLAME_TALL ? n->level - FLAME_TALL : 0;

	return n->width >= FLAME_NARROWEST + above * FLAME_STEEPER;
}

static void choose_drawn(struct flame *f)
{
	_cleanup_free_ double *widths = xreallocarray(NULL, f->n + 1, sizeof(*widths));
	size_t wide = 0, ties, drawn = 0;

	for (size_t i = 0; i < f->n; i++)
		if (is_wide_enough(&f->nodes[i]))
			widths[wide++] = f->nodes[i].width;

	double limit = threshold(widths, wide, FLAME_DRAWN_MAX, &ties);

	for (size_t i = 0; i < f->n; i++) {
		struct flame_node *n = &f->nodes[i];

		n->drawn = i == 0 || (is_wide_enough(n) && passes(n->width, limit, &ties));
		drawn += n->drawn;
		if (n->drawn)
			f->levels = MAX(f->levels, n->level + 1);
	}
	f->undrawn = f->n - drawn;
}

void flame_new(struct flame *f, const struct tree *tree, unsigned width, bool inverted)
{
	*f = (struct flame){ .tree = tree, .inverted = inverted };
	f->width = (double)width - 2 * FLAME_MARGIN;
	lay_out(f);
	choose_drawn(f);
}

void flame_free(struct flame *f)
{
	free(f->nodes);
}

unsigned flame_height(const struct flame *f)
{
	return f->levels * FLAME_ROW;
}

/* --- the static picture --- */

/* A coordinate with as few digits as show no difference. */
static void add_pixels(struct buffer *out, double v)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%.2f", v);

	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	buffer_add(out, text, (size_t)n);
}

static const char *kind_words(const struct tree_node *n, uint32_t level)
{
	static const char *const words[LOOKS] = {
		[LOOK_CONTAINER] = "container",
		[LOOK_THREAD] = "thread",
		[LOOK_STATE] = "state",
		[LOOK_KERNEL] = "kernel",
		[LOOK_JIT] = "JIT",
		[LOOK_INLINED] = "inlined",
	};

	return words[look_of(n, level)];
}

/* "12.3 %, 4.56 s" on a line of its own; the share may begin with '<'. */
static void add_amount(struct buffer *out, const char *words, double part, double whole,
		       const char *unit)
{
	char text[TEXT_SHORT];

	buffer_printf(out, "\n%s", words);
	escape_xml(out, share_text(part, whole, text));
	buffer_printf(out, ", %s", value_text(part, unit, text));
}

static void add_title(const struct flame *f, const struct flame_node *at, struct buffer *out)
{
	const struct tree *t = f->tree;
	const struct tree_node *n = at->node;
	const char *kind = kind_words(n, at->level);
	double whole = (double)t->root->total, whole_base = t->root->total_base;
	char points[TEXT_SHORT], delta[TEXT_SHORT];

	buffer_puts(out, "<title>");
	markup_text(out, n->name);
	if (kind)
		buffer_printf(out, " (%s)", kind);
	if (t->is_diff) {
		add_amount(out, "before ", n->total_base, whole_base, t->unit);
		add_amount(out, "after ", (double)n->total, whole, t->unit);
		buffer_printf(out, "\n%s, %s",
			      points_text(share(n->total_base, whole_base),
					  share((double)n->total, whole), points),
			      value_delta((double)n->total - n->total_base, t->unit, delta));
	} else {
		add_amount(out, "", (double)n->total, whole, t->unit);
		if (n->self && n->self != n->total)
			add_amount(out, "self ", (double)n->self, whole, t->unit);
	}
	if (n->file && *n->file) {
		buffer_puts(out, "\n");
		markup_text(out, n->file);
	}
	buffer_puts(out, "</title>");
}

static void add_frame(const struct flame *f, const struct flame_node *n, double top,
		      struct buffer *out)
{
	unsigned row = f->inverted ? n->level : f->levels - 1 - n->level;
	double y = top + row * FLAME_ROW;
	double columns = floor((n->width - 2 * PADDING) / CHARACTER);
	/* Half a pixel to the neighbour, unless that would leave too little colour. */
	double width = n->width > 3 ? n->width - 0.5 : n->width;

	buffer_printf(out, "<g class=\"f %s\">", n->style);
	add_title(f, n, out);
	buffer_puts(out, "<rect x=\"");
	add_pixels(out, FLAME_MARGIN + n->x);
	buffer_puts(out, "\" y=\"");
	add_pixels(out, y);
	buffer_puts(out, "\" width=\"");
	add_pixels(out, width);
	buffer_printf(out, "\" height=\"%d\"/>", FLAME_ROW - 1);
	if (columns >= TEXT_SHORTEST) {
		buffer_puts(out, "<text x=\"");
		add_pixels(out, FLAME_MARGIN + n->x + PADDING);
		buffer_puts(out, "\" y=\"");
		add_pixels(out, y + 13);
		buffer_puts(out, "\">");
		markup_fit(out, n->node->name, (size_t)columns);
		buffer_puts(out, "</text>");
	}
	buffer_puts(out, "</g>\n");
}

void flame_frames(const struct flame *f, unsigned top, struct buffer *out)
{
	buffer_puts(out, "<g class=\"frames\">\n");
	for (size_t i = 0; i < f->n; i++)
		if (f->nodes[i].drawn)
			add_frame(f, &f->nodes[i], top, out);
	buffer_puts(out, "</g>\n");
}

void flame_legend(const struct flame *f, unsigned x, unsigned y, struct buffer *out)
{
	buffer_puts(out, "<g class=\"legend\">");
	for (int look = 0; look < LOOKS; look++) {
		if (!looks[look].legend || !(f->classes & 1U << look))
			continue;
		/* Grew and shrank are shown by a middle step of their scale. */
		int shade = look == LOOK_GREW || look == LOOK_SHRANK ? STEPS / 2 : 0;

		buffer_printf(
			out,
			"<g class=\"%c%d\"><rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\"/>"
			"</g><text x=\"%u\" y=\"%u\">%s</text>",
			looks[look].letter, shade, x, y - 10, x + 17, y, looks[look].legend);
		x += 17 + (unsigned)strlen(looks[look].legend) * 7 + 16;
	}
	buffer_puts(out, "</g>\n");
}

void flame_left_out(const struct flame *f, struct buffer *out)
{
	size_t n = f->undrawn + f->pruned;
	char text[TEXT_SHORT];

	if (n)
		buffer_printf(out, "%s frame%s too narrow to be drawn", text_count(n, text),
			      n == 1 ? " is" : "s are");
}

/* --- data for the script --- */

/* Frames that differ in nothing but their place are written once. */
struct palette {
	struct index index;
	const struct flame_node **frames;
	size_t n, capacity;
};

static bool same_frame(const void *key, uint32_t position, const void *context)
{
	const struct flame_node *a = key, *b = ((const struct palette *)context)->frames[position];
	const char *fa = a->node->file ? a->node->file : "",
		   *fb = b->node->file ? b->node->file : "";

	return !strcmp(a->style, b->style) && a->node->kind == b->node->kind &&
	       a->node->inlined == b->node->inlined && !strcmp(a->node->name, b->node->name) &&
	       !strcmp(fa, fb);
}

static uint32_t palette_add(struct palette *p, const struct flame_node *n)
{
	uint64_t hash = hash_combine(hash_string(n->node->name),
				     hash_string(n->node->file ? n->node->file : ""));
	uint32_t position;

	hash = hash_combine(hash, hash_bytes(n->style, strlen(n->style)));
	position = index_find(&p->index, hash, n, same_frame, p);
	if (position == INDEX_NONE) {
		GROW(p->frames, p->n, p->capacity);
		position = (uint32_t)p->n++;
		p->frames[position] = n;
		index_insert(&p->index, hash, position);
	}
	return position;
}

/* What all values are multiples of: nanoseconds of a sampled profile shrink to sample counts. */
static uint64_t common_divisor(const struct flame *f)
{
	uint64_t divisor = 0;

	for (size_t i = 0; i < f->n; i++) {
		uint64_t values[] = { f->nodes[i].node->total, f->nodes[i].node->self };

		for (size_t j = 0; j < ARRAY_SIZE(values); j++)
			for (uint64_t v = values[j]; v;) {
				uint64_t rest = divisor % v;

				divisor = v;
				v = rest;
			}
	}
	return divisor ? divisor : 1;
}

static void add_nodes(const struct flame *f, const uint32_t *frames, uint64_t scale,
		      struct buffer *out)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct tree_node *n = f->nodes[i].node;

		/* A line break now and then: some tools read line by line. */
		buffer_printf(out, "%s%u,%u,%llu,%llu",
			      !i       ? ""
			      : i % 16 ? ","
				       : ",\n",
			      f->nodes[i].level, frames[i], (unsigned long long)(n->total / scale),
			      (unsigned long long)(n->self / scale));
		if (f->tree->is_diff)
			buffer_printf(out, ",%.6g,%.6g", n->total_base / (double)scale,
				      n->self_base / (double)scale);
	}
}

static void add_palette(const struct palette *p, struct buffer *out)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct flame_node *n = p->frames[i];
		const char *kind = kind_words(n->node, n->level);

		buffer_puts(out, i ? ",\n[" : "[");
		markup_json(out, n->node->name);
		buffer_printf(out, ",\"%s\",\"%s\",", n->style, kind ? kind : "");
		markup_json(out, n->node->file ? n->node->file : "");
		buffer_puts(out, "]");
	}
}

void flame_data(const struct flame *f, struct buffer *out)
{
	_cleanup_free_ uint32_t *frames = xreallocarray(NULL, f->n + 1, sizeof(*frames));
	struct palette palette = { 0 };
	uint64_t scale = common_divisor(f);

	for (size_t i = 0; i < f->n; i++)
		frames[i] = palette_add(&palette, &f->nodes[i]);
	buffer_puts(out, "{\"unit\":");
	markup_json(out, f->tree->unit);
	buffer_printf(out,
		      ",\"scale\":%llu,\"diff\":%s,\"inverted\":%s,\"row\":%d,\"margin\":%d,"
		      "\"pruned\":%zu,\"frames\":[\n",
		      (unsigned long long)scale, f->tree->is_diff ? "true" : "false",
		      f->inverted ? "true" : "false", FLAME_ROW, FLAME_MARGIN, f->pruned);
	add_palette(&palette, out);
	buffer_puts(out, "],\n\"nodes\":[");
	add_nodes(f, frames, scale, out);
	buffer_puts(out, "]}\n");
	index_free(&palette.index);
	free(palette.frames);
}
