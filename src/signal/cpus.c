/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs are there; see cpus.h. */
#include "signal/cpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

int cpus_parse(const char *list, struct cpus *cpus)
{
	const char *p = list;

	memset(cpus, 0, sizeof(*cpus));
	cpus->highest = -1;
	while (*p && *p != '\n') {
		char *end;
		long first = strtol(p, &end, 10), last = first;

		if (end == p)
			return -EINVAL;
		if (*end == '-') {
			p = end + 1;
			last = strtol(p, &end, 10);
			if (end == p)
				return -EINVAL;
		}
		if (first < 0 || last < first || last >= CPUS_MAX)
			return -EINVAL;
		for (long cpu = first; cpu <= last; cpu++) {
			cpus->count += !cpus->online[cpu];
			cpus->online[cpu] = true;
		}
		cpus->highest = MAX(cpus->highest, (int)last);
		if (*end != ',' && *end != '\n' && *end != '\0')
			return -EINVAL;
		p = *end == ',' ? end + 1 : end;
	}
	return cpus->count ? 0 : -EINVAL;
}

int cpus_read(struct cpus *cpus)
{
	_cleanup_free_ char *list = NULL;
	int err = read_file("/sys/devices/system/cpu/online", 64 << 10, &list, NULL);

	return err ? err : cpus_parse(list, cpus);
}

unsigned cpus_count(void)
{
	_cleanup_free_ struct cpus *cpus = xcalloc(1, sizeof(*cpus));

	return cpus_read(cpus) < 0 ? 1 : (unsigned)cpus->count;
}
