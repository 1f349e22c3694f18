/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waited for a CPU, and who had it meanwhile: what a ledger's window says of it, in an order
 * for people (the longest wait first, of it the largest part first), as a table and as JSON.
 */
#ifndef PLIMSOLL_OUTPUT_BLAME_H
#define PLIMSOLL_OUTPUT_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "signal/ledger.h"

struct blame_options {
	const char *const
		*patterns; /* victims that are shown, see container_matches(); none: all */
	size_t npatterns;
	bool by_cpu;
	bool all;	/* what is small, too */
	bool color;	/* on a terminal */
	unsigned width; /* terminal columns; 0: no limit */
	unsigned cpus;	/* of the host, for the heading */
};

/* What one party waited, on all CPUs or on one. */
struct blame_victim {
	struct party party;
	uint32_t cpu;	 /* by_cpu only */
	uint64_t ran;	 /* ns on a CPU; 0 by_cpu, where it is not known */
	uint64_t waited; /* ns, what nobody is to blame for included */
	struct blame_culprit {
		struct party party; /* PARTY_UNKNOWN: nobody is to blame, too */
		uint64_t ns;
		bool is_self; /* threads of the victim */
	} * culprits;	      /* most first; `n` of them */
	size_t n;
};

struct blame_view {
	struct blame_victim *victims; /* by CPU, then worst first */
	size_t n;
	struct blame_culprit *culprits; /* of all of them */
};

/* Free with blame_view_free(). Points into the window's containers. */
void blame_view_init(struct blame_view *v, const struct ledger_window *w,
		     const struct blame_options *o);
void blame_view_free(struct blame_view *v);

void blame_write_table(const struct ledger_window *w, const struct blame_options *o,
		       struct buffer *out);
/* Valid UTF-8 without control characters, so that it is harmless to a terminal, too. */
void blame_write_json(const struct ledger_window *w, const struct blame_options *o,
		      struct buffer *out);

#endif
