/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands sources out to namers (symbol/namer.h), as many at a time as there are CPUs, and takes
 * their answers in:
 *
 *     jobs, largest first --> idle namer --> answer that holds together --> done()
 *                              | crash, time is up, nonsense
 *                              `-> a new namer, and the same job with less asked of it
 *
 * First the DWARF is left out, then the demangling, then the source has no names. The profile goes
 * on either way.
 */
#ifndef PLIMSOLL_SYMBOL_DISPATCH_H
#define PLIMSOLL_SYMBOL_DISPATCH_H

#include "base/confined.h"
#include "symbol/answer.h"

struct job {
	struct request request; /* `n` and `has_file` are filled in */
	int files[ASK_FILES];	/* -1: not there; they stay the caller's */
	const uint64_t *addresses;
	size_t n;
	uint64_t size;	   /* roughly what it costs: bytes to be read */
	const char *name;  /* for messages */
	size_t number;	   /* the caller's */
	unsigned failures; /* so far */
};

/* `answer` is NULL where there is none; it goes when this returns. `reply` is all zero then. */
typedef void (*job_done_fn)(const struct job *job, const struct answer *answer,
			    const struct reply *reply, void *context);

struct dispatch_stats {
	uint64_t failures; /* namers that crashed, took too long or told nonsense */
	uint64_t unanswered;
};

struct dispatch_options {
	confined_fn run; /* what a namer does: namer_run() */
	int job_ms;	 /* a namer that takes longer is lost */
};
extern const struct dispatch_options dispatch_usual;

/* Calls done() once for each job, in any order. */
void dispatch(const struct dispatch_options *options, struct job *jobs, size_t n, job_done_fn done,
	      void *context, struct dispatch_stats *stats);

#endif
