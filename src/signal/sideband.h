/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf's side band: the kernel itself tells of every executable mapping, exec, fork and exit, so
 * that address spaces are known without asking /proc, also of processes that are gone by then.
 */
#ifndef PLIMSOLL_SIGNAL_SIDEBAND_H
#define PLIMSOLL_SIGNAL_SIDEBAND_H

#include <stdint.h>

#include "symbol/symbol.h"

struct sideband;

/* 0 or negative errno, logged. */
int sideband_open(struct symbols *symbols, struct sideband **out);
void sideband_close(struct sideband *s);

/* Opens one event a CPU, unless it is open already: just before the first sample is taken, so that
 * nothing is told in vain. 0 or negative errno, logged. */
int sideband_start(struct sideband *s);

/* An epoll fd, readable when a ring is half full. */
int sideband_fd(const struct sideband *s);
/* Hands all that has been told to the symbols, in the order of its time. */
void sideband_drain(struct sideband *s);
/* Opens what CPUs came online since. */
void sideband_tick(struct sideband *s);
/* Records that the kernel could not write because a ring was full. */
uint64_t sideband_lost(const struct sideband *s);

#endif
