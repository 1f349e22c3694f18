/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables are built in a confined child (base/confined.h), one after the other, while the recording
 * goes on.
 *
 *     us                                    child
 *     number, file, debug file, empty memfd --> unwind_build()
 *                                               | head | rules | words |  into the memfd
 *     number, error                         <--
 *     memfd sealed, mapped, every word checked
 *
 * A file that kills the child, or keeps it busy for too long, is answered as one that cannot be
 * built, and another child is started for the next.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_BUILDER_H
#define PLIMSOLL_SIGNAL_UNWIND_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/confined.h"
#include "symbol/unwind_table.h"

/* The largest known file takes two seconds. */
#define BUILD_MS_MAX 15000

struct unwind_builder {
	struct confined child;
	confined_fn run;
	uint32_t number; /* of the table it is at; 0: none */
	int memfd;
	int64_t began;	   /* ms */
	uint64_t children; /* started */
};

struct build_answer {
	uint32_t number;
	int error;	      /* 0; -ENODATA: the file has no tables; another: it cannot be built */
	uint64_t nanoseconds; /* that it took the child, by its own account */
	struct unwind_built built; /* checked; only if there is no error. Lies in `memory` */
	void *memory;
	size_t size;
};

/* Starts the child, so that it is there before privileges are dropped. `run` is NULL but in tests.
 * 0 or negative errno. */
int builder_open(struct unwind_builder *builder, confined_fn run);
void builder_close(struct unwind_builder *builder);

/* Readable when there is an answer; changes with each child. -1: there is none. */
int builder_fd(const struct unwind_builder *builder);
bool builder_is_busy(const struct unwind_builder *builder);
/* Only when not busy. `debug_fd` may be -1; both are the caller's. 0, or negative errno: no child
 * can be had. */
int builder_start(struct unwind_builder *builder, uint32_t number, int fd, int debug_fd,
		  int64_t now);
/* True if there is an answer; to be released. `now` in ms. */
bool builder_take(struct unwind_builder *builder, int64_t now, struct build_answer *answer);
void build_answer_release(struct build_answer *answer);

/* What a child does; for tests that stand between it and us. */
void builder_child(int socket, void *context);
/* A file to be answered in. Negative errno. */
int build_file_new(void);
/* Both sides of that file. 0 or negative errno: -EBADMSG for one that does not hold together. */
int build_file_write(int fd, const struct unwind_built *built);
int build_file_read(int fd, struct build_answer *answer);

#endif
