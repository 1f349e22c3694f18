/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs are there. They come and go while we watch.
 */
#ifndef PLIMSOLL_SIGNAL_CPUS_H
#define PLIMSOLL_SIGNAL_CPUS_H

#include <stdbool.h>

#define CPUS_MAX 8192 /* the largest NR_CPUS that Kconfig offers on x86-64 */

struct cpus {
	bool online[CPUS_MAX];
	int highest; /* number of the highest one, -1: none */
	int count;
};

/* Reads /sys/devices/system/cpu/online. 0 or negative errno. */
int cpus_read(struct cpus *cpus);
/* How many are online; 1 where that cannot be read. */
unsigned cpus_count(void);
/* Parses "0-3,8,10-11". 0 or -EINVAL. */
int cpus_parse(const char *list, struct cpus *cpus);

#endif
