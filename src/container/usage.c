/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container uses, out of the files of its cgroup. v1 where the controllers are there (a
 * hybrid host's v2 has none), else v2; the two spell the same things differently.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "container/registry.h"

#define FILE_MAX ((size_t)4 << 20)

/* v1 says "no limit" as the largest number of pages in bytes (PAGE_COUNTER_MAX * page size);
 * nobody has 2^62 bytes. */
#define V1_UNLIMITED (1ULL << 62)

static char *read_from(const char *mount, const char *base, const char *path, const char *name)
{
	_cleanup_free_ char *file = cgroups_file(mount, base, path, name);
	char *text = NULL;

	return read_file(file, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

static char *read_v2(const struct containers *c, const struct container *container,
		     const char *name)
{
	const struct hierarchy *h = &c->cgroups.at[HIERARCHY_V2];

	return h->mount ? read_from(h->mount, h->base, path_of(container), name) : NULL;
}

static char *read_v1(const struct containers *c, const struct container *container, enum v1_use use,
		     const char *name)
{
	const char *mount = c->cgroups.use[use];

	return mount ? read_from(mount, c->cgroups.at[HIERARCHY_V1].base, path_of(container), name)
		     : NULL;
}

/* "12345\n"; false for "max" and what is no number. */
static bool number(const char *text, uint64_t *value)
{
	return text && sscanf(text, "%" SCNu64, value) == 1;
}

/* The value of "key value" on a line of its own. */
static bool field(const char *text, const char *key, uint64_t *value)
{
	size_t n = strlen(key);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return number(line + n + 1, value);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

static void cpu_time(const struct containers *c, const struct container *container,
		     struct container_usage *u)
{
	_cleanup_free_ char *v1 = read_v1(c, container, V1_CPU_TIME, "cpuacct.usage");
	uint64_t microseconds;

	u->has_cpu = number(v1, &u->cpu_ns);
	if (u->has_cpu)
		return;
	_cleanup_free_ char *v2 = read_v2(c, container, "cpu.stat");

	u->has_cpu = field(v2, "usage_usec", &microseconds);
	if (u->has_cpu)
		u->cpu_ns = microseconds * 1000;
}

/* CPUs; 0: no quota. */
static double cpu_limit(const struct containers *c, const struct container *container)
{
	_cleanup_free_ char *quota = read_v1(c, container, V1_CPU_QUOTA, "cpu.cfs_quota_us");
	_cleanup_free_ char *period = read_v1(c, container, V1_CPU_QUOTA, "cpu.cfs_period_us");
	_cleanup_free_ char *max = quota ? NULL : read_v2(c, container, "cpu.max");
	long long q = 0, p = 0;

	/* v1: quota -1 is none. v2: "max 100000" or "150000 100000". */
	if (quota && period)
		q = atoll(quota), p = atoll(period);
	else if (!max || sscanf(max, "%lld %lld", &q, &p) != 2)
		return 0;
	return q > 0 && p > 0 ? (double)q / (double)p : 0;
}

/* The working set: what could not be dropped without asking anybody, as kubelet and docker count
 * it. */
static void set_memory(struct container_usage *u, const char *usage, const char *stat,
		       const char *inactive)
{
	uint64_t idle = 0;

	u->has_memory = number(usage, &u->memory);
	if (u->has_memory && field(stat, inactive, &idle))
		u->memory -= MIN(u->memory, idle);
}

static void memory(const struct containers *c, const struct container *container,
		   struct container_usage *u)
{
	_cleanup_free_ char *usage = read_v1(c, container, V1_MEMORY_USE, "memory.usage_in_bytes");
	_cleanup_free_ char *stat = NULL, *limit = NULL;
	bool is_v1 = usage != NULL;

	if (!is_v1)
		usage = read_v2(c, container, "memory.current");
	stat = is_v1 ? read_v1(c, container, V1_MEMORY_USE, "memory.stat")
		     : read_v2(c, container, "memory.stat");
	limit = is_v1 ? read_v1(c, container, V1_MEMORY_USE, "memory.limit_in_bytes")
		      : read_v2(c, container, "memory.max");
	set_memory(u, usage, stat, is_v1 ? "total_inactive_file" : "inactive_file");
	if (!number(limit, &u->memory_limit) || u->memory_limit >= V1_UNLIMITED)
		u->memory_limit = UINT64_MAX;
}

struct count {
	const struct hierarchy *hierarchy;
	uint64_t processes;
};

static int count_processes(const char *path, uint64_t id, void *context)
{
	struct count *count = context;
	_cleanup_free_ char *text = read_from(count->hierarchy->mount, count->hierarchy->base, path,
					      "cgroup.procs");

	(void)id;
	for (const char *s = text; s && (s = strchr(s, '\n')); s++)
		count->processes++;
	return 0;
}

static void throttling(const struct containers *c, const struct container *container,
		       struct container_counts *n)
{
	_cleanup_free_ char *v1 = read_v1(c, container, V1_CPU_QUOTA, "cpu.stat");
	_cleanup_free_ char *v2 = NULL;
	uint64_t microseconds;

	if (v1) {
		n->has_periods = field(v1, "nr_periods", &n->periods) &&
				 field(v1, "nr_throttled", &n->throttled_periods) &&
				 field(v1, "throttled_time", &n->throttled_ns);
		return;
	}
	v2 = read_v2(c, container, "cpu.stat");
	n->has_periods = field(v2, "nr_periods", &n->periods) &&
			 field(v2, "nr_throttled", &n->throttled_periods) &&
			 field(v2, "throttled_usec", &microseconds);
	if (n->has_periods)
		n->throttled_ns = microseconds * 1000;
}

static void faults(const struct containers *c, const struct container *container,
		   struct container_counts *n)
{
	_cleanup_free_ char *v1 = read_v1(c, container, V1_MEMORY_USE, "memory.stat");
	_cleanup_free_ char *v2 = NULL;

	/* v1 counts a cgroup on its own, too; v2 always with those below. */
	if (v1) {
		n->has_faults = field(v1, "total_pgfault", &n->faults) &&
				field(v1, "total_pgmajfault", &n->major_faults);
		return;
	}
	v2 = read_v2(c, container, "memory.stat");
	n->has_faults = field(v2, "pgfault", &n->faults) &&
			field(v2, "pgmajfault", &n->major_faults);
}

static void faults_of_machine(const struct containers *c, struct container_counts *n)
{
	_cleanup_free_ char *path = xasprintf("%s/proc/vmstat", c->root);
	_cleanup_free_ char *text = NULL;

	n->has_faults = read_file(path, FILE_MAX, &text, NULL) == 0 &&
			field(text, "pgfault", &n->faults) &&
			field(text, "pgmajfault", &n->major_faults);
}

void containers_counts(struct containers *c, const struct container *container,
		       struct container_counts *counts)
{
	*counts = (struct container_counts){ 0 };
	if (container->kind == OWNER_HOST) {
		faults_of_machine(c, counts);
		return;
	}
	counts->cpu_limit = cpu_limit(c, container);
	throttling(c, container, counts);
	faults(c, container, counts);
}

int containers_perf_cgroup(struct containers *c, const struct container *container)
{
	const char *v1 = c->cgroups.use[V1_PERF];
	const struct hierarchy *h = &c->cgroups.at[v1 ? HIERARCHY_V1 : HIERARCHY_V2];
	const char *mount = v1 ? v1 : h->mount;

	if (!mount)
		return -ENOENT;

	_cleanup_free_ char *path = cgroups_file(mount, h->base, path_of(container), "");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void containers_usage(struct containers *c, const struct container *container,
		      struct container_usage *usage)
{
	*usage = (struct container_usage){ .memory_limit = UINT64_MAX };
	cpu_time(c, container, usage);
	usage->cpu_limit = cpu_limit(c, container);
	memory(c, container, usage);
	/* A process is in every hierarchy, but on a hybrid host not always in its container's
	 * cgroup of each. */
	for (int i = 0; i < HIERARCHIES; i++) {
		struct count count = { .hierarchy = &c->cgroups.at[i] };

		cgroups_walk(&c->cgroups, i, path_of(container), count_processes, &count);
		usage->processes = MAX(usage->processes, count.processes);
	}
}
