/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `plimsoll stat` shows: one record per container and interval, as a block for the eye
 * (stat_block.c) or as a line of JSON or CSV for programs (stat_fields.c). docs/stat.md says what
 * each figure is.
 */
#ifndef PLIMSOLL_OUTPUT_STAT_H
#define PLIMSOLL_OUTPUT_STAT_H

#include "base/text.h"
#include "container/container.h"
#include "output/ledger_bar.h"
#include "signal/counters.h"
#include "signal/ledger.h"

enum stat_kind {
	STAT_CONTAINER,
	STAT_UNIT,
	STAT_PROCESS, /* of the ledger the states only */
	STAT_COMMAND, /* in a cgroup of its own: a container for as long as it runs */
	STAT_KERNEL,  /* kernel threads */
	STAT_HOST,
};

/* Something that is measured, over an interval. */
struct stat_record {
	enum stat_kind kind;
	const char *name;
	const struct container *container; /* whose it is; of a process the one it lives in */
	pid_t pid;			   /* STAT_PROCESS and STAT_COMMAND */
	unsigned interval;		   /* 1, 2, ...; 0: the whole */
	int64_t time;			   /* of its end, ns since the epoch */
	uint64_t begin, wall;		   /* ns; `begin` since the measuring began */
	struct account account;
	const char *faults_from; /* where `faults` come from; NULL: not known */
	uint64_t faults, major_faults;
	bool has_quota;
	double cpu_limit; /* CPUs; 0: no limit */
	uint64_t periods, throttled_periods, throttled_ns;
	bool has_counters; /* they were asked for and there is a cgroup to count in */
	bool counts[COUNTERS];
	double counters[COUNTERS], coverage;
};

const char *stat_kind_name(enum stat_kind kind);

/* Time lost: threads wanted to go on and could not. What `stat` sorts by. ns. */
uint64_t stat_lost(const struct stat_record *r);
/* On a CPU, ns. */
uint64_t stat_ran(const struct stat_record *r);
/* Upper end of the longest wait's bucket, ns; 0: nobody waited. */
uint64_t stat_longest_wait(const struct stat_record *r);

struct stat_view {
	size_t width; /* of the terminal or page, in columns */
	enum bar_colours colours;
};
#define STAT_WIDTH 80 /* where there is no terminal to ask */

/* Appends the block, an empty line in front. */
void stat_block(const struct stat_record *r, const struct stat_view *view, struct buffer *out);

/* Appends a line. Unknown is null, in CSV empty. */
void stat_json(const struct stat_record *r, struct buffer *out);
void stat_csv(const struct stat_record *r, struct buffer *out);
void stat_csv_head(struct buffer *out);

#endif
