/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples folded into a tree by common prefix, root first: what a flame graph draws and folded
 * text lists. Level 0 is the root "all"; then one level a root key (container, thread), then the
 * frames from the entry point to the leaf, inlined functions as frames of their own.
 */
#ifndef PLIMSOLL_PROFILE_TREE_H
#define PLIMSOLL_PROFILE_TREE_H

#include "base/arena.h"
#include "profile/profile.h"

struct tree_node {
	const char *name;
	enum frame_kind kind;
	bool inlined;
	uint64_t self, total;	      /* of the profile (of AFTER in a diff), in the value's unit */
	double self_base, total_base; /* diff only: of BEFORE, scaled to AFTER's total */
	struct tree_node *parent;
	struct tree_node *children; /* first child; ordered by name */
	struct tree_node *next;	    /* next sibling */
	uint32_t nchildren;
	const char *file; /* mapping's file, or NULL; for tooltips */
};

struct tree {
	struct tree_node *root;
	uint32_t nodes;
	uint32_t depth; /* levels below the root */
	bool is_diff;
	uint64_t base_total; /* diff only: BEFORE's total, unscaled */
	const char *type, *unit;
	struct arena arena;
};

struct tree_options {
	size_t value;		  /* index of the value type */
	const char *const *roots; /* label keys, NULL-terminated; NULL: {"container", "thread"} */
};

/* Keeps pointers into `p`, which must outlive it. A sample without a label shows "-" there. */
struct tree *tree_new(const struct profile *p, const struct tree_options *options);
/* Value types are matched by name; -EINVAL, logged, when they have none in common. */
int tree_diff(const struct profile *before, const struct profile *after,
	      const struct tree_options *options, struct tree **out);
void tree_free(struct tree *t);

#endif
