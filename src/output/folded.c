/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks, the text form that flame graph tools and one-liners read:
 *
 *     web;nginx;main;ngx_worker;deflate 42
 *
 * Small whole numbers are what people sort and sum, so a profile that counts samples gives counts
 * unless a value was asked for. A comparison has two columns, before and after, as difffolded.pl
 * writes them and flamegraph.pl reads them; before is scaled to the total of after.
 */
#include "output/output.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "output/view.h"
#include "profile/tree.h"

/* ';' parts frames and a newline ends the stack: neither may come from a name. */
static void add_frame(struct buffer *out, const char *name)
{
	size_t start = out->size;

	escape_terminal(out, *name ? name : "-");
	for (char *s = out->data + start; (s = strchr(s, ';'));)
		*s = ':';
}

/* The path to every node, kept as a text that grows and shrinks while the tree is walked. */
struct path {
	struct buffer text;
	const struct tree_node *node;
};

static void path_leave(struct path *path)
{
	char *last = strrchr(path->text.data, ';');

	path->text.size = last ? (size_t)(last - path->text.data) : 0;
	path->text.data[path->text.size] = '\0';
	path->node = path->node->parent;
}

static void path_enter(struct path *path, const struct tree_node *node)
{
	if (path->text.size)
		buffer_puts(&path->text, ";");
	add_frame(&path->text, node->name);
	path->node = node;
}

static void add_line(struct buffer *out, const struct tree *t, const struct path *path)
{
	const struct tree_node *n = path->node;

	if (!t->is_diff) {
		if (n->self)
			buffer_printf(out, "%s %llu\n", path->text.data,
				      (unsigned long long)n->self);
		return;
	}
	unsigned long long before = (unsigned long long)llround(fmin(n->self_base, 9e18));

	if (n->self || before)
		buffer_printf(out, "%s %llu %llu\n", path->text.data, before,
			      (unsigned long long)n->self);
}

/* Without recursion: the depth is whatever a file said it is. */
static void write_tree(const struct tree *t, struct buffer *out)
{
	struct path path = { .node = t->root };

	/* Samples without a stack and without roots have nothing but the root to stand for them. */
	if (t->root->self)
		buffer_printf(out, "%s %llu\n", t->root->name, (unsigned long long)t->root->self);
	while (path.node) {
		const struct tree_node *next = path.node->children;

		while (!next && path.node != t->root) {
			next = path.node->next;
			path_leave(&path);
		}
		if (!next)
			break;
		path_enter(&path, next);
		add_line(out, t, &path);
	}
	buffer_free(&path.text);
}

/* Samples where they are counted; see above. */
static struct output_options prefer_counts(const struct profile *p, const struct output_options *o)
{
	struct output_options counts = *o;

	if (o->value < 0)
		counts.value = profile_find_type(p, "samples");
	return counts;
}

int folded_write(const struct profile *p, const struct output_options *o, struct buffer *out)
{
	struct output_options counts = prefer_counts(p, o);
	_cleanup_(view_free) struct view v;

	view_init(&v, p, &counts);
	if (!profile_count_samples(p))
		return 0;
	struct tree *t = tree_new(p, &(struct tree_options){ .value = v.value, .roots = v.roots });

	write_tree(t, out);
	tree_free(t);
	return 0;
}

int folded_write_diff(const struct profile *before, const struct profile *after,
		      const struct output_options *o, struct buffer *out)
{
	struct output_options counts = prefer_counts(after, o);
	_cleanup_(view_free) struct view v;
	struct tree *t;
	int err;

	view_init_diff(&v, before, after, &counts);
	err = tree_diff(before, after, &(struct tree_options){ .value = v.value, .roots = v.roots },
			&t);
	if (err)
		return err;
	write_tree(t, out);
	tree_free(t);
	return 0;
}
