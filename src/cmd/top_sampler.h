/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the CPU time of the one container goes that is open in top: the cpu signal at a low
 * frequency, in rounds. A round ends with its functions named and the next one begun.
 */
#ifndef PLIMSOLL_CMD_TOP_SAMPLER_H
#define PLIMSOLL_CMD_TOP_SAMPLER_H

#include "container/container.h"
#include "output/top_open.h"

struct top_sampler;

/* 0 or negative errno, logged. */
int top_sampler_open(struct containers *containers, const struct container *container,
		     struct top_sampler **out);
/* NULL is fine. */
void top_sampler_close(struct top_sampler *s);
/* Readable when top_sampler_drain() has work. */
int top_sampler_fd(const struct top_sampler *s);
void top_sampler_drain(struct top_sampler *s);
/* About once a second. */
void top_sampler_tick(struct top_sampler *s);
/* Shows what the round found and begins the next. 0 or negative errno, logged. */
int top_sampler_round(struct top_sampler *s, struct top_open *open);

#endif
