/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who `stat` measures, and what of each: the ledger, the counts of their cgroups and the hardware
 * counters, read at one moment; and what happened between two such moments.
 *
 *     begin            mark            mark         last
 *     |---interval 1---|---interval 2---|---3--------|
 *     |------------------ the whole -----------------|
 *
 * All sums only grow, so the intervals of a subject add up to its whole. What a cgroup counted
 * cannot be read any more when it is gone: then the last reading stands, at most a second old.
 */
#ifndef PLIMSOLL_CMD_SUBJECTS_H
#define PLIMSOLL_CMD_SUBJECTS_H

#include "container/container.h"
#include "output/stat.h"
#include "signal/ledger.h"

struct subjects_options {
	struct containers *containers;
	struct ledger *ledger; /* opened with `threads` if there are pids */
	const char *const *patterns;
	size_t npatterns;
	const pid_t *pids;
	size_t npids;
	const struct container *command; /* or NULL */
	pid_t command_pid;
};

struct subjects;

/* Takes the first reading. 0 or negative errno, logged. */
int subjects_begin(const struct subjects_options *options, struct subjects **out);
void subjects_free(struct subjects *s);

/* Reads everything again: about once a second, and before subjects_records(). 0 or negative errno,
 * logged. */
int subjects_read(struct subjects *s);

/* Page faults of a command that has ended, where its cgroup does not tell of any. */
void subjects_add_command_faults(struct subjects *s, uint64_t minor, uint64_t major);

/*
 * The records between the last mark (`whole`: the begin) and the last reading: the command and
 * processes first, then containers and units by time lost, kernel threads, the host. Freed by
 * free(); valid until subjects_free(). NULL without memory of the kernel's maps.
 */
struct stat_record *subjects_records(struct subjects *s, bool whole, size_t *n);
/* The last reading is where the next interval begins. */
void subjects_mark(struct subjects *s);

/* ns from the begin to the last reading, by our own clock. */
uint64_t subjects_elapsed(const struct subjects *s);
/* Cgroups whose time is not known to be theirs, and events that did not fit. */
void subjects_losses(struct subjects *s, uint64_t *without_slot, uint64_t *astray);

#endif
