/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What top shows, without how: a row a container (and unit, the host, the kernel's threads), made
 * from one window of the ledger, sorted, filtered, and as a tree of pods.
 *
 *     ledger_window --top_rows_update()--> all rows --top_rows_arrange()--> those to be shown
 *
 * What costs system calls (memory, limits, traffic) is read of a row when somebody looks at it, or
 * of all when the order depends on it: a host with 1,000 containers has 24 of them on a screen.
 */
#ifndef PLIMSOLL_OUTPUT_TOP_ROWS_H
#define PLIMSOLL_OUTPUT_TOP_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "signal/ledger.h"

enum top_key {
	TOP_BY_CPU,
	TOP_BY_LIMIT,
	TOP_BY_LOST,
	TOP_BY_WAIT,
	TOP_BY_THROTTLED,
	TOP_BY_MEMORY,
	TOP_BY_IO,
	TOP_BY_NET,
	TOP_BY_THREADS,
	TOP_BY_NAME,
	TOP_KEYS
};
/* "cpu", as --sort takes it; NULL-terminated. Names run from A to Z, figures from the largest. */
extern const char *const top_key_names[TOP_KEYS + 1];

struct top_usage {
	double cpu_limit; /* CPUs, 0: none */
	bool has_memory, has_io, has_net;
	uint64_t memory, memory_limit; /* bytes; UINT64_MAX: no limit */
	uint64_t io, net;	       /* bytes, since start */
};
typedef void (*top_usage_fn)(void *context, const struct container *container,
			     struct top_usage *usage);

struct top_row {
	const struct container *container; /* NULL: a pod, or the kernel's threads */
	bool is_pod, is_kernel;
	unsigned depth; /* 1: below its pod */
	char *name;	/* escaped for terminals; a pod's: namespace/name */
	double threads; /* on average */
	double cpu;	/* CPUs that it had */
	uint64_t ns[ACCOUNT_STATES], total;
	uint64_t waits[LEDGER_BUCKETS];
	uint64_t wait_p99; /* ns */
	double throttled;  /* share of the time in which its threads could run or ran, 0..1 */
	double lost;	   /* share of all its time in which it waited for anything, 0..1 */
	bool has_usage;
	struct top_usage usage;
	double io_rate, net_rate; /* bytes a second; negative: not known (yet) */
};

struct top_arrangement {
	enum top_key key;
	bool reversed;
	bool tree;	      /* containers of a pod below it */
	bool only_containers; /* neither units nor host nor kernel */
	const char *filter;   /* part of a name, pod or image, whatever the case; NULL: all */
};

struct top_rows_options {
	const char *const *patterns; /* -c; none: all */
	size_t npatterns;
	top_usage_fn usage;
	void *context;
};

struct top_rows;

/* The options' strings must outlive the rows. */
struct top_rows *top_rows_new(const struct top_rows_options *options);
void top_rows_free(struct top_rows *rows);

/* Makes all rows anew; what was handed out before is gone. */
void top_rows_update(struct top_rows *rows, const struct ledger_window *window);
/* Chooses and sorts. */
void top_rows_arrange(struct top_rows *rows, const struct top_arrangement *how);

/* Those arranged, from the top. */
size_t top_rows_count(const struct top_rows *rows);
/* With its usage read. */
const struct top_row *top_rows_get(struct top_rows *rows, size_t i);
/* As it is. */
const struct top_row *top_rows_peek(const struct top_rows *rows, size_t i);

uint64_t top_rows_wall(const struct top_rows *rows);	 /* ns, of the window */
double top_rows_cpu(const struct top_rows *rows);	 /* CPUs, of all rows */
size_t top_rows_containers(const struct top_rows *rows); /* of all rows */
/* Has anybody been seen with such figures? */
bool top_rows_have_io(const struct top_rows *rows);
bool top_rows_have_net(const struct top_rows *rows);

/* CPU against its limit, 0..1 and a little more; negative: it has none. */
double top_row_of_limit(const struct top_row *row);

#endif
