/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples that could not be walked where they were taken: they wait, in the order in which they
 * came, for what is not known yet.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_DEFERRED_H
#define PLIMSOLL_SIGNAL_UNWIND_DEFERRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"

struct space;
struct walked_sample;

/* A deferred sample that has been walked; all of it is valid during the call only. */
typedef void (*walked_fn)(void *context, const struct walked_sample *sample);

/* Bytes of all that wait: five seconds of two busy CPUs with stacks of 16 KiB. */
#define DEFERRED_BYTES_MAX (16 << 20)

struct waiting {
	struct waiting *next;
	struct space *space; /* held, see symbol.h; NULL: nothing is known of the process */
	uint32_t table;	     /* number of the table that it waits for; 0: not walked yet */
	struct identity who; /* whose it is; the record itself may not say it */
	walked_fn walked;    /* who gets it */
	void *context;
	size_t size; /* of the record */
	const struct deferred_record *record;
};

struct deferred_queue {
	struct waiting *first, **end;
	size_t n, bytes, bytes_max;
};

void deferred_init(struct deferred_queue *queue);

/* Is this a whole record of its kind? Everything that is read from one lies within `size`. */
bool deferred_is_sound(const struct deferred_record *record, size_t size);

/* Appends a copy of `waiting`, its record included; false when the queue is full. */
bool deferred_add(struct deferred_queue *queue, const struct waiting *waiting);
/* Takes out what *link leads to; the caller frees it. */
struct waiting *deferred_remove(struct deferred_queue *queue, struct waiting **link);
void waiting_free(struct waiting *waiting);

#endif
