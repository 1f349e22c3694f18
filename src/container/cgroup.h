/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup hierarchies of this host: where they are mounted, which v1 controller identifies a
 * task, and the way between a cgroup's id and its path. An id is the inode number of the cgroup's
 * directory (kernfs), in v1 and v2 alike.
 */
#ifndef PLIMSOLL_CONTAINER_CGROUP_H
#define PLIMSOLL_CONTAINER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container/container.h"

enum { HIERARCHY_V2, HIERARCHY_V1, HIERARCHIES };

/* Mounts of v1 whose files tell of usage, besides the chosen controller's. */
enum v1_use { V1_CPU_QUOTA, V1_CPU_TIME, V1_MEMORY_USE, V1_PERF, V1_BLOCK_IO, V1_USES };

struct hierarchy {
	char *mount; /* as we open it, the options' root in front; NULL: not mounted */
	char *point; /* as mountinfo says it, so as the host's runtimes write it */
	char *base;  /* path of the mounted cgroup when it is not the root: "/docker/ID"; else "" */
	int fd;	     /* of the mount */
	bool has_handles; /* a cgroup file system: ids can be opened */
};

struct cgroups {
	enum cgroup_mode mode;
	struct hierarchy at[HIERARCHIES];
	const char *controller; /* the v1 one; NULL in CGROUP_V2 mode */
	int number;		/* its hierarchy's */
	char *use[V1_USES];	/* where these controllers are mounted, NULL: not in v1 */
};

/* Reads /proc/self/mountinfo (below another root: that of PID 1) and /proc/cgroups. No cgroups at
 * all is CGROUP_NONE, not an error. 0 or negative errno. */
int cgroups_find(struct cgroups *c, const char *root);
void cgroups_release(struct cgroups *c);

/* What cgroups_find() does once the text is read; for tests. */
void cgroups_parse(struct cgroups *c, const char *root, char *mountinfo, char *proc_cgroups);

/* Calls fn for every cgroup of one hierarchy from `path` (of the hierarchy, "/" the root) down,
 * parents before children, until it returns non-zero. 0, or what fn returned; a missing path is
 * an empty tree. */
typedef int (*cgroup_fn)(const char *path, uint64_t id, void *context);
int cgroups_walk(const struct cgroups *c, int hierarchy, const char *path, cgroup_fn fn,
		 void *context);

/*
 * Path of the cgroup with this id, found through a file handle in one step; the caller frees *path.
 * -ENOENT: there is none (any more). -EOPNOTSUPP: this file system, or a missing
 * CAP_DAC_READ_SEARCH, allows no handles; then only walking helps.
 */
int cgroups_path_of(const struct cgroups *c, int hierarchy, uint64_t id, char **path);

/* "/sys/fs/cgroup/memory/a/b" -> "/a/b": what a runtime wrote down as directory of a v1
 * controller ("memory") or of v2 (""). NULL if it is not below a mount that is asked about. */
const char *cgroups_relative(const struct cgroups *c, const char *controller,
			     const char *directory);

/*
 * The cgroup of a process in one hierarchy, out of the text of /proc/PID/cgroup: points into
 * `text`, *length bytes of it; NULL if it is not there.
 */
const char *cgroups_of_process(const struct cgroups *c, int hierarchy, const char *text,
			       size_t *length);

/* The file `name` of a cgroup, below `mount`. The caller frees it. */
char *cgroups_file(const char *mount, const char *base, const char *path, const char *name);

#endif
