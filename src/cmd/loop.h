/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verb that measures waits for: descriptors, timers, and the signals that end it early.
 */
#ifndef PLIMSOLL_CMD_LOOP_H
#define PLIMSOLL_CMD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_TIMERS_MAX 4
#define LOOP_READY_MAX	8

struct loop {
	int epoll;
	int signals; /* readable when SIGINT, SIGTERM or SIGHUP came; never read: it stays so */
	int end;     /* readable when the time is over; -1: no end */
	int ticker;  /* once a second; -1: not yet */
	int timers[LOOP_TIMERS_MAX]; /* these two among them */
	size_t ntimers;
};

/* Not open, for initialisers. */
#define LOOP_NONE                                                   \
	{                                                           \
		.epoll = -1, .signals = -1, .end = -1, .ticker = -1 \
	}

/* Blocks the three signals for good. 0 or negative errno; loop_close() afterwards in any case. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
/* 0 or negative errno, that in errno if `fd` is negative. The descriptor stays the caller's. */
int loop_add(const struct loop *loop, int fd);
/* A timer of CLOCK_MONOTONIC: its descriptor, which the loop owns, or negative errno. */
int loop_add_timer(struct loop *loop, double seconds, bool repeats);
/* Starts the clocks of a measurement: the ticker, and the end in so many seconds, 0: none. 0 or
 * negative errno. */
int loop_start(struct loop *loop, double seconds);
/* Is what became ready the end, or a signal? */
bool loop_is_over(const struct loop *loop, int fd);
/* How often a timer fired since it was asked last. */
uint64_t loop_fired(int timer);
/* Waits; the descriptors that are ready. Their number (0: a signal handler ran) or negative
 * errno. */
int loop_wait(const struct loop *loop, int ready[LOOP_READY_MAX]);

/* libbpf's own messages are told only to who asked for all there is: what fails, we explain. */
void loop_hush_libbpf(void);

#endif
