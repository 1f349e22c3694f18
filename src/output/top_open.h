/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What top shows of a container that was opened: its threads, busiest first, and where its CPU time
 * went during the last seconds, by function and by stack.
 */
#ifndef PLIMSOLL_OUTPUT_TOP_OPEN_H
#define PLIMSOLL_OUTPUT_TOP_OPEN_H

#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "signal/ledger.h"

struct top_hot {
	double share; /* of the samples, 0..1 */
	char *text;   /* escaped for terminals; of a stack: leaf first, "f < its caller < main" */
};

/* Zero-initialised is empty. */
struct top_open {
	struct thread_account *threads;
	size_t nthreads;
	struct top_hot *functions, *stacks; /* hottest first */
	size_t nfunctions, nstacks;
	uint64_t samples; /* that these are made of */
};

/* At most so many of each. */
#define TOP_HOT_MAX 64

/* Keeps those of `container` and sorts them; takes over the array. */
void top_open_threads(struct top_open *open, const struct container *container,
		      struct thread_account *threads, size_t n);
/* From a profile of the cpu signal, named. */
void top_open_profile(struct top_open *open, const struct profile *profile);
/* Forgets all. */
void top_open_clear(struct top_open *open);

#endif
