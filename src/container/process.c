/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says of the processes in a container. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "container/registry.h"

/* cgroup.procs of a cgroup with 100,000 processes is below a megabyte. */
#define PROCS_MAX  ((size_t)4 << 20)
#define STATUS_MAX ((size_t)64 << 10)
/* Of a cgroup's processes; the oldest, and so those of the host, tend to come first. */
#define LOOKED_AT 16

static char *read_proc(const struct containers *c, pid_t pid, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/proc/%d/%s", c->root, pid, name);
	char *text = NULL;

	return read_file(path, STATUS_MAX, &text, NULL) < 0 ? NULL : text;
}

/* The PIDs in a cgroup, one a line, or NULL. The caller frees it. */
static char *processes_of(const struct containers *c, int hierarchy, const char *path)
{
	const struct hierarchy *h = &c->cgroups.at[hierarchy];
	_cleanup_free_ char *file = cgroups_file(h->mount, h->base, path, "cgroup.procs");
	char *text = NULL;

	return read_file(file, PROCS_MAX, &text, NULL) < 0 ? NULL : text;
}

struct search {
	const struct containers *c;
	int hierarchy;
	pid_t pid;
};

static int search_one(const char *path, uint64_t id, void *context)
{
	struct search *s = context;

	_cleanup_free_ char *text = processes_of(s->c, s->hierarchy, path);

	(void)id;
	/* 0 stands for processes outside our own PID namespace. */
	s->pid = text ? MAX(atoi(text), 0) : 0;
	return s->pid != 0;
}

pid_t process_of_cgroup(const struct containers *c, const char *path)
{
	struct search s = { .c = c };

	for (s.hierarchy = 0; s.hierarchy < HIERARCHIES && !s.pid; s.hierarchy++)
		cgroups_walk(&c->cgroups, s.hierarchy, path, search_one, &s);
	return s.pid;
}

enum relation { UNKNOWN, OURS, THEIRS };

/* Namespaces are equal if the links' targets are: "pid:[4026531836]". */
static enum relation namespace_of(const struct containers *c, pid_t pid, const char *name)
{
	_cleanup_free_ char *theirs = xasprintf("%s/proc/%d/ns/%s", c->root, pid, name);
	/* The host's, should we be in a container ourselves. */
	_cleanup_free_ char *ours = *c->root ? xasprintf("%s/proc/1/ns/%s", c->root, name)
					     : xasprintf("/proc/self/ns/%s", name);
	char a[64], b[64];
	ssize_t na = readlink(theirs, a, sizeof(a)), nb = readlink(ours, b, sizeof(b));

	if (na <= 0 || nb <= 0)
		return UNKNOWN;
	return na == nb && memcmp(a, b, (size_t)na) == 0 ? OURS : THEIRS;
}

bool process_has_own_pid_namespace(const struct containers *c, pid_t pid)
{
	return namespace_of(c, pid, "pid") == THEIRS;
}

bool process_has_own_mount_namespace(const struct containers *c, pid_t pid)
{
	return namespace_of(c, pid, "mnt") == THEIRS;
}

bool process_has_own_network_namespace(const struct containers *c, pid_t pid)
{
	return namespace_of(c, pid, "net") == THEIRS;
}

enum tenants process_tenants(const struct containers *c, int hierarchy, const char *path)
{
	_cleanup_free_ char *text = processes_of(c, hierarchy, path);
	char *save, *line = text ? strtok_r(text, "\n", &save) : NULL;
	enum tenants found = TENANTS_NONE;

	for (int i = 0; i < LOOKED_AT && line; i++, line = strtok_r(NULL, "\n", &save)) {
		enum relation relation = namespace_of(c, atoi(line), "pid");

		if (relation == OURS)
			return TENANTS_OF_HOST;
		if (relation == THEIRS)
			found = TENANTS_OF_CONTAINER;
	}
	return found;
}

bool process_is_init(const struct containers *c, pid_t pid)
{
	_cleanup_free_ char *status = read_proc(c, pid, "status");
	const char *line = status ? strstr(status, "\nNSpid:") : NULL;
	size_t n = line ? strcspn(line + 1, "\n") : 0;

	/* "NSpid:\t4711\t1": its PIDs from the outermost namespace in. */
	return n > 2 && memcmp(line + 1 + n - 2, "\t1", 2) == 0;
}

static int64_t boot_time(const struct containers *c)
{
	_cleanup_free_ char *path = xasprintf("%s/proc/stat", c->root), *text = NULL;
	const char *line;
	long long seconds;

	if (read_file(path, PROCS_MAX, &text, NULL) < 0)
		return 0;
	line = strstr(text, "\nbtime ");
	return line && sscanf(line, "\nbtime %lld", &seconds) == 1 ? seconds : 0;
}

int64_t process_start(const struct containers *c, pid_t pid)
{
	_cleanup_free_ char *stat = read_proc(c, pid, "stat");
	/* The command in brackets may contain anything, brackets too; proc(5). */
	const char *field = stat ? strrchr(stat, ')') : NULL;
	long ticks_per_second = sysconf(_SC_CLK_TCK);
	unsigned long long ticks;
	int64_t boot;

	/* Field 22; the bracket ends field 2. */
	for (int i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	if (!field || sscanf(field, " %llu", &ticks) != 1 || ticks_per_second <= 0)
		return 0;
	boot = boot_time(c);
	return boot ? boot + (int64_t)(ticks / (unsigned long)ticks_per_second) : 0;
}
