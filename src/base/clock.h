/* SPDX-License-Identifier: Apache-2.0 */
/* What time it is, as one number. */
#ifndef PLIMSOLL_BASE_CLOCK_H
#define PLIMSOLL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Of CLOCK_MONOTONIC for how long things take and when they are due, of CLOCK_MONOTONIC_COARSE
 * where that is asked often and a few milliseconds do not matter, of CLOCK_REALTIME for dates. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Signed, since deadlines are subtracted from it. */
static inline int64_t clock_ms(clockid_t clock)
{
	return (int64_t)(clock_ns(clock) / 1000000);
}

#endif
