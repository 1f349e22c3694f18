/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first answer of every report: who used how much, and with what. Containers by weight, each
 * with its functions by weight.
 */
#ifndef PLIMSOLL_OUTPUT_SUMMARY_H
#define PLIMSOLL_OUTPUT_SUMMARY_H

#include "base/arena.h"
#include "base/index.h"
#include "output/view.h"
#include "profile/rank.h"

struct summary_container {
	const char *name; /* "-": samples without a container */
	uint64_t value, samples;
	const struct rank_row **functions; /* by self; borrowed from the rank below */
	size_t n;
};

struct summary {
	struct summary_container *containers; /* by value; exactly one when there are no labels */
	size_t n;
	struct rank *rank;		  /* keys: container (if labelled), function, mapping */
	size_t function_key, mapping_key; /* where these two are in a row's keys */
	struct arena arena;
};

/* Keeps pointers into p. 0 or negative errno, logged. Free with summary_free(). */
int summary_new(const struct profile *p, const struct view *v, struct summary **out);
void summary_free(struct summary *s);

/* The hottest function by self, or NULL. */
const struct rank_row *summary_top(const struct summary_container *c);

#endif
