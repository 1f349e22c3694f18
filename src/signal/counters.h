/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware counters of a cgroup: what the CPUs count while a thread of the cgroup, or of one below
 * it, is on them. One event per counter and CPU; they are opened in pairs whose ratio matters, so
 * that both halves of a pair were counted at the same time where the CPU has to share its counters
 * (it has four to eight), and then the counts are scaled to the whole time.
 */
#ifndef PLIMSOLL_SIGNAL_COUNTERS_H
#define PLIMSOLL_SIGNAL_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

enum counter {
	COUNTER_CYCLES,
	COUNTER_INSTRUCTIONS,
	COUNTER_CACHE_REFERENCES,
	COUNTER_CACHE_MISSES,
	COUNTER_BRANCHES,
	COUNTER_BRANCH_MISSES,
	COUNTERS
};

/* type and config of perf_event_attr; the first of each two leads the pair. */
struct counter_event {
	uint32_t type;
	uint64_t config;
};
extern const struct counter_event counter_events[COUNTERS];

/* Sums over all CPUs since counters_open(). A counter that is not there has `is_supported` unset
 * and counts nothing. */
struct counter_reading {
	uint64_t count[COUNTERS];
	uint64_t enabled[COUNTERS], running[COUNTERS]; /* ns */
	bool is_supported[COUNTERS];
};

struct counters;

/* Are any of these events there on this machine at all? Asked once, it saves asking for every
 * cgroup and CPU. */
bool counters_exist(const struct counter_event events[COUNTERS]);

/*
 * Counts for the cgroup whose directory is open as `cgroup` (perf_event hierarchy), on all CPUs
 * that are online now. `events` is counter_events but for tests. 0 or negative errno, nothing
 * logged: -EMFILE when the process may not open so many files; then none stays open.
 */
int counters_open(int cgroup, const struct counter_event events[COUNTERS], struct counters **out);
void counters_close(struct counters *c); /* NULL is fine */
void counters_read(const struct counters *c, struct counter_reading *reading);

/* What was counted from one reading to a later one, scaled where the counter was not always on
 * the CPU. False: not supported, or never on. */
bool counters_between(const struct counter_reading *from, const struct counter_reading *to,
		      enum counter counter, double *count);
/* The least share of the time that any counter was on its CPU, 0 to 1; 1: nothing was scaled. */
double counters_coverage(const struct counter_reading *from, const struct counter_reading *to);

#endif
