/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples folded by common prefix. While it grows, one hash index for the whole tree finds the
 * child of a node by name; when it is done, the children of each node are sorted and the index
 * goes.
 */
#include "profile/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "profile/compare.h"
#include "profile/names.h"

/* 110 bytes each with their index. Only a profile made to be large gets there. */
#define NODES_MAX     (2U << 20)
#define NAME_TOO_MANY "[too many frames]"

struct grower {
	struct tree *tree;
	struct tree_node **nodes; /* parents before children */
	size_t n, capacity;
	struct index index;
	struct names names;
	const char *const *roots;
};

struct child_key {
	const struct tree_node *parent;
	const char *name; /* from grower.names: equal names are one pointer */
	enum frame_kind kind;
};

static bool same_child(const void *key, uint32_t position, const void *context)
{
	const struct child_key *k = key;
	const struct tree_node *n = ((const struct grower *)context)->nodes[position];

	return n->parent == k->parent && n->name == k->name && n->kind == k->kind;
}

static struct tree_node *add_node(struct grower *g, const struct child_key *key,
				  struct tree_node *parent)
{
	struct tree_node *node = arena_alloc(&g->tree->arena, sizeof(*node));

	node->name = key->name;
	node->kind = key->kind;
	node->parent = parent;
	if (parent) {
		node->next = parent->children;
		parent->children = node;
		parent->nchildren++;
	}
	GROW(g->nodes, g->n, g->capacity);
	g->nodes[g->n++] = node;
	return node;
}

static struct tree_node *child(struct grower *g, struct tree_node *parent, uint32_t name,
			       enum frame_kind kind)
{
	const struct child_key key = { parent, g->names.array[name], kind };
	uint64_t hash = hash_combine((uintptr_t)parent, (uint64_t)name << 8 | kind);
	uint32_t found = index_find(&g->index, hash, &key, same_child, g);

	if (found != INDEX_NONE)
		return g->nodes[found];
	index_insert(&g->index, hash, (uint32_t)g->n);
	return add_node(g, &key, parent);
}

static struct tree_node *child_of_frame(struct grower *g, struct tree_node *parent,
					const struct frame *f)
{
	size_t before = g->n;
	struct tree_node *node = child(g, parent, f->name, f->kind);
	const char *file = f->mapping ? g->names.array[f->mapping] : NULL;

	if (g->n > before) {
		node->file = file;
		node->inlined = f->inlined;
		return node;
	}
	/* One name may come from several files, and may be called here and inlined there. */
	if (node->file != file)
		node->file = NULL;
	node->inlined &= f->inlined;
	return node;
}

static enum frame_kind kind_of_root(const char *key)
{
	static const char *const threads[] = { "thread", "comm", "pid", "tid" };

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		if (strcmp(key, threads[i]) == 0)
			return FRAME_THREAD;
	return strcmp(key, "state") == 0 ? FRAME_STATE : FRAME_CONTAINER;
}

/* A sample on its way down from the root. */
struct walk {
	struct grower *grower;
	struct tree_node *node;
	uint64_t weight;
	uint32_t level;
	bool is_base;
};

static void step_to(struct walk *w, struct tree_node *node)
{
	if (w->is_base)
		node->total_base += (double)w->weight;
	else
		node->total = weight_add(node->total, w->weight);
	w->node = node;
	w->level++;
}

static void walk_roots(struct walk *w, const struct profile *p, uint32_t labels)
{
	struct grower *g = w->grower;

	for (size_t i = 0; g->roots[i]; i++)
		step_to(w, child(g, w->node, names_add_label(&g->names, p, labels, g->roots[i]),
				 kind_of_root(g->roots[i])));
}

static void walk_stack(struct walk *w, const struct frames *frames, const uint32_t *stack, size_t n)
{
	struct grower *g = w->grower;

	while (n-- > 0) {
		uint32_t first = frames->first[stack[n]];

		for (uint32_t at = frames->first[stack[n] + 1]; at-- > first;) {
			if (g->n >= NODES_MAX) {
				step_to(w, child(g, w->node, names_add(&g->names, NAME_TOO_MANY),
						 FRAME_MARK));
				return;
			}
			step_to(w, child_of_frame(g, w->node, &frames->all[at]));
		}
	}
}

static void add_sample(struct grower *g, const struct profile *p, const struct frames *frames,
		       const struct sample *s, uint64_t weight, bool is_base)
{
	struct walk w = { .grower = g, .weight = weight, .is_base = is_base };
	size_t n;
	const uint32_t *stack = profile_get_stack(p, s->stack, &n);

	step_to(&w, g->tree->root);
	walk_roots(&w, p, s->labels);
	walk_stack(&w, frames, stack, n);
	if (is_base)
		w.node->self_base += (double)weight;
	else
		w.node->self = weight_add(w.node->self, weight);
	g->tree->depth = MAX(g->tree->depth, w.level - 1);
}

static void add_profile(struct grower *g, const struct profile *p, size_t value, bool is_base)
{
	_cleanup_(frames_free) struct frames frames = { 0 };

	if (value >= profile_values(p))
		return;
	frames_init(&frames, p, &g->names);
	for (size_t i = 0; i < profile_count_samples(p); i++) {
		struct sample s = profile_get_sample(p, i);

		uint64_t weight = weight_of(s.values[value]);

		if (weight)
			add_sample(g, p, &frames, &s, weight, is_base);
	}
}

static void grower_init(struct grower *g, const struct tree_options *options)
{
	static const char *const roots[] = { "container", "thread", NULL };
	const struct child_key all = { .name = "all", .kind = FRAME_MARK };

	*g = (struct grower){
		.tree = xcalloc(1, sizeof(*g->tree)),
		.roots = options->roots ? options->roots : roots,
	};
	names_init(&g->names, &g->tree->arena);
	g->tree->root = add_node(g, &all, NULL);
}

static int by_name(const void *a, const void *b)
{
	const struct tree_node *x = *(struct tree_node *const *)a;
	const struct tree_node *y = *(struct tree_node *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (int)x->kind - (int)y->kind;
}

static void sort_children(struct tree_node *parent, struct tree_node **space)
{
	struct tree_node *node = parent->children, **link = &parent->children;

	for (uint32_t i = 0; i < parent->nchildren; i++, node = node->next)
		space[i] = node;
	qsort(space, parent->nchildren, sizeof(*space), by_name);
	for (uint32_t i = 0; i < parent->nchildren; i++) {
		*link = space[i];
		link = &space[i]->next;
	}
	*link = NULL;
}

/* The tree is whole. */
static struct tree *finish(struct grower *g)
{
	struct tree *t = g->tree;
	_cleanup_free_ struct tree_node **space = NULL;
	uint32_t widest = 0;

	for (size_t i = 0; i < g->n; i++)
		widest = MAX(widest, g->nodes[i]->nchildren);
	space = xcalloc(widest, sizeof(*space));
	for (size_t i = 0; i < g->n; i++)
		if (g->nodes[i]->nchildren > 1)
			sort_children(g->nodes[i], space);
	t->nodes = (uint32_t)g->n;
	/* Scaling needs the nodes in a row, so tree_diff() does it before this. */
	free(g->nodes);
	index_free(&g->index);
	names_free(&g->names);
	return t;
}

static void set_type(struct tree *t, const struct profile *p, size_t value)
{
	t->type = t->unit = "";
	if (value < profile_values(p)) {
		t->type = profile_str(p, profile_types(p)[value].type);
		t->unit = profile_str(p, profile_types(p)[value].unit);
	}
}

struct tree *tree_new(const struct profile *p, const struct tree_options *options)
{
	struct grower g;

	grower_init(&g, options);
	set_type(g.tree, p, options->value);
	add_profile(&g, p, options->value, false);
	return finish(&g);
}

int tree_diff(const struct profile *before, const struct profile *after,
	      const struct tree_options *options, struct tree **out)
{
	struct grower g;
	double scale;
	size_t base_value;
	int err = compare_value(before, after, options->value, &base_value);

	if (err)
		return err;
	grower_init(&g, options);
	set_type(g.tree, after, options->value);
	g.tree->is_diff = true;
	add_profile(&g, after, options->value, false);
	add_profile(&g, before, base_value, true);

	const struct tree_node *root = g.tree->root;
	g.tree->base_total = compare_total(before, base_value);
	scale = compare_scale(g.tree->base_total, root->total);
	for (size_t i = 0; i < g.n; i++) {
		g.nodes[i]->self_base *= scale;
		g.nodes[i]->total_base *= scale;
	}
	*out = finish(&g);
	return 0;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	arena_free(&t->arena);
	free(t);
}
