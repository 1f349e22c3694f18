/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the kernel's unwind tables (bpf/unwind.h) in step with what processes do, so that the
 * kernel half of a signal can walk their stacks; and walks those that the kernel could not walk
 * yet.
 *
 *     symbols: who maps what --> unwind_spaces --> the kernel's maps <-- unwind_tables
 *                                                                           ^
 *     deferred sample --> unwind_walk --needs a table--> unwind_builder ----'
 *                              '--> the signal's own function, once its stack is known
 *
 * One for all signals of a recording.
 */
#ifndef PLIMSOLL_SIGNAL_UNWINDER_H
#define PLIMSOLL_SIGNAL_UNWINDER_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "signal/unwind_deferred.h"
#include "signal/unwind_maps.h"
#include "symbol/symbol.h"

struct unwinder;

/* Starts the child that builds tables: before privileges are dropped. 0 or negative errno. The
 * symbols are kept. */
int unwinder_open(struct symbols *symbols, struct unwinder **out);
void unwinder_close(struct unwinder *u);

/* Lets a BPF object that is about to be loaded use the maps. 0 or negative errno. */
int unwinder_share(struct unwinder *u, const struct unwind_map_declarations *declared);

/* Readable when there is work, for unwinder_work(). */
int unwinder_fd(const struct unwinder *u);
/* Tells the kernel what has changed, takes in tables that are built, walks what can be walked.
 * Call it when the side band was drained. Never waits for a table. */
void unwinder_work(struct unwinder *u);
/* About once a second. */
void unwinder_tick(struct unwinder *u);

struct walked_sample {
	const struct record_head *head;
	struct identity who;
	const uint64_t *kernel; /* head->kernel_frames of them */
	const uint64_t *words;	/* see bpf/stack.h; native frames alone */
	size_t nwords;
	enum walk_end end;
	struct space *space; /* in whose light the words are to be read, see symbol.h; or NULL */
};

/*
 * Takes over a sample of a process that symbols_on_space() was told of; `walked` gets it back, now
 * or later. The record is checked and copied.
 */
void unwinder_defer(struct unwinder *u, const struct deferred_record *record, size_t size,
		    struct identity who, walked_fn walked, void *context);
/* Waits, up to `wait_ms`, for the tables that samples wait for, then walks all of them with what
 * there is. */
void unwinder_finish(struct unwinder *u, int wait_ms);

struct unwinder_stats {
	uint64_t tables, without_table, refused, no_room; /* files; */
	uint64_t rows, bytes;				  /* of the tables that were built */
	uint64_t functions_refused, rows_unsupported;
	uint64_t build_ns, build_ns_max;		 /* by the child's own account */
	uint64_t children;				 /* that were started to build tables */
	uint64_t spaces;				 /* stored in the kernel's map */
	uint64_t deferred, deferred_full, deferred_late; /* samples: sent along; walked without
							  * waiting, because too many waited, or
							  * because the recording was over */
	uint64_t deferred_bytes_max;
};
struct unwinder_stats unwinder_stats(const struct unwinder *u);

#endif
