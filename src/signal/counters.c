/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware counters by cgroup; see counters.h and perf_event_open(2). */
#include "signal/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "signal/cpus.h"

#define PAIRS (COUNTERS / 2)

const struct counter_event counter_events[COUNTERS] = {
	[COUNTER_CYCLES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	[COUNTER_INSTRUCTIONS] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	[COUNTER_CACHE_REFERENCES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES },
	[COUNTER_CACHE_MISSES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	[COUNTER_BRANCHES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS },
	[COUNTER_BRANCH_MISSES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
};

/* Both halves on one CPU; -1: not supported. The second is in the group of the first. */
struct pair {
	int fds[2];
};

struct counters {
	struct pair (*cpus)[PAIRS];
	size_t ncpus;
};

static int open_event(const struct counter_event *event, int target, int cpu, int leader,
		      unsigned long flags)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = event->type,
		.config = event->config,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, target, cpu, leader,
			      flags | PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool counters_exist(const struct counter_event events[COUNTERS])
{
	for (int i = 0; i < COUNTERS; i++) {
		int fd = open_event(&events[i], 0, -1, -1, 0);

		if (fd >= 0) {
			close(fd);
			return true;
		}
	}
	return false;
}

/* What a machine does not have is no error, nor a CPU that went away. */
static bool is_missing(int err)
{
	return err == -ENOENT || err == -EOPNOTSUPP || err == -ENODEV || err == -EINVAL ||
	       err == -ENXIO;
}

static int open_pair(int cgroup, const struct counter_event *events, int cpu, struct pair *pair)
{
	for (int half = 0; half < 2; half++) {
		int leader = half ? pair->fds[0] : -1;
		int fd = open_event(&events[half], cgroup, cpu, leader, PERF_FLAG_PID_CGROUP);

		if (fd < 0 && !is_missing(fd))
			return fd;
		pair->fds[half] = MAX(fd, -1);
	}
	return 0;
}

int counters_open(int cgroup, const struct counter_event events[COUNTERS], struct counters **out)
{
	struct counters *c = xcalloc(1, sizeof(*c));
	_cleanup_free_ struct cpus *cpus = xcalloc(1, sizeof(*cpus));
	int err = cpus_read(cpus);

	c->cpus = xcalloc((size_t)MAX(cpus->count, 1), sizeof(*c->cpus));
	for (int cpu = 0; !err && cpu <= cpus->highest; cpu++) {
		if (!cpus->online[cpu])
			continue;
		struct pair *pairs = c->cpus[c->ncpus++];

		memset(pairs, -1, sizeof(*c->cpus));
		for (int i = 0; !err && i < PAIRS; i++)
			err = open_pair(cgroup, &events[2 * i], cpu, &pairs[i]);
	}
	if (err)
		counters_close(c);
	else
		*out = c;
	return err;
}

void counters_close(struct counters *c)
{
	if (!c)
		return;
	for (size_t cpu = 0; cpu < c->ncpus; cpu++)
		for (int i = 0; i < COUNTERS; i++)
			if (c->cpus[cpu][i / 2].fds[i % 2] >= 0)
				close(c->cpus[cpu][i / 2].fds[i % 2]);
	free(c->cpus);
	free(c);
}

void counters_read(const struct counters *c, struct counter_reading *reading)
{
	struct {
		uint64_t value, enabled, running;
	} one;

	*reading = (struct counter_reading){ 0 };
	for (size_t cpu = 0; cpu < c->ncpus; cpu++) {
		for (int i = 0; i < COUNTERS; i++) {
			int fd = c->cpus[cpu][i / 2].fds[i % 2];

			/* An event of a CPU that went offline may have nothing to read. */
			if (fd < 0 || read(fd, &one, sizeof(one)) != sizeof(one))
				continue;
			reading->is_supported[i] = true;
			reading->count[i] += one.value;
			reading->enabled[i] += one.enabled;
			reading->running[i] += one.running;
		}
	}
}

bool counters_between(const struct counter_reading *from, const struct counter_reading *to,
		      enum counter counter, double *count)
{
	uint64_t n = to->count[counter] - from->count[counter];
	uint64_t enabled = to->enabled[counter] - from->enabled[counter];
	uint64_t running = to->running[counter] - from->running[counter];

	*count = 0;
	if (!to->is_supported[counter] || to->running[counter] < from->running[counter] ||
	    (enabled && !running))
		return false;
	/* Nobody of the cgroup ran: a count of nothing is a count. */
	if (running)
		*count = (double)n * ((double)enabled / (double)running);
	return true;
}

double counters_coverage(const struct counter_reading *from, const struct counter_reading *to)
{
	double least = 1;

	for (int i = 0; i < COUNTERS; i++) {
		double enabled = (double)(to->enabled[i] - from->enabled[i]);

		if (to->is_supported[i] && enabled > 0)
			least = MIN(least, (double)(to->running[i] - from->running[i]) / enabled);
	}
	return least;
}
