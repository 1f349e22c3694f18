/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reading of the ledger is made of, for ledger.c, which fills it, and ledger_window.c, which
 * takes one from another.
 */
#ifndef PLIMSOLL_SIGNAL_LEDGER_READING_H
#define PLIMSOLL_SIGNAL_LEDGER_READING_H

#include "base/index.h"
#include "signal/ledger.h"

struct blame_reading;

/* Since ledger_open(), of one container. */
struct totals {
	const struct container *container; /* kernel threads: the host */
	bool is_kernel;
	uint64_t ns[LEDGER_SUMS];
	uint64_t user_ns, kernel_ns;
	uint64_t voluntary, involuntary, migrations, wakeups, began, ended, astray;
	uint64_t waits[LEDGER_BUCKETS];
	uint64_t blocks[LEDGER_BLOCKED][LEDGER_BUCKETS];
};

struct totals_table {
	struct totals *array;
	size_t n, capacity;
	struct index index; /* by container and is_kernel */
};
/* That of this container, made if there is none; valid until the next call. */
struct totals *totals_of(struct totals_table *t, const struct container *container, bool is_kernel);
void totals_free(struct totals_table *t);

struct thread_reading {
	struct ledger_dump dump;
	const struct container *container;
};

struct ledger_reading {
	uint64_t taken; /* CLOCK_MONOTONIC, ns */
	struct totals_table totals;
	struct thread_reading *threads; /* of those that the kernel told of */
	size_t nthreads;
	struct blame_reading *blame;
	uint64_t without_slot;
};

/* All of a window but what blame.h's half fills. The reading `from` may be one without anything. */
struct ledger_window *window_between(const struct ledger_reading *from,
				     const struct ledger_reading *to);

#endif
