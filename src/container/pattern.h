/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup's path says by its form alone: which runtime made it, for which container of which
 * pod. One table has a row for each form (pattern.c); the innermost match is the container, the
 * ones around it are its parents.
 */
#ifndef PLIMSOLL_CONTAINER_PATTERN_H
#define PLIMSOLL_CONTAINER_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A runtime's name for a container, NUL included: NAME_MAX of its state directory. */
#define CONTAINER_ID_SIZE 256
#define POD_UID_SIZE	  64
/* Containers in containers in containers; what is deeper belongs to the eighth. */
#define NESTING_MAX 8

struct cgroup_match {
	const char *runtime; /* as in struct container */
	const char *keeper;  /* the runtime whose files tell of it; NULL: any may, ask all */
	char id[CONTAINER_ID_SIZE];
	char pod_uid[POD_UID_SIZE]; /* "" outside a pod */
	size_t length;		    /* of the part of the path that is the container's own cgroup */
};

/* The containers along `path`, outermost first; returns how many. */
size_t cgroup_matches(const char *path, struct cgroup_match matches[NESTING_MAX]);

/* The systemd service or scope that a path outside every container lies in: sets the length of the
 * unit's own path and its name (the last component of that). False: in none. */
bool cgroup_unit(const char *path, size_t *length);

/* Is this the cgroup of a logged-in user other than root (/user.slice/user-N.slice)? Such a user
 * may make any cgroup below, so only that user's own files are believed about it. */
bool cgroup_user(const char *path, uid_t *uid);

/* May it stand as one component in a file's path? Not empty, "." or "..", no '/', not too long. */
bool is_safe_name(const char *name);

/*
 * The cgroup path that an OCI bundle's linux.cgroupsPath means: "/any/path" is itself,
 * "SLICE:PREFIX:NAME" is systemd's (docs/systemd.md of runc). NULL for a relative one, which only
 * the runtime can tell. The caller frees it.
 */
char *cgroups_path_expand(const char *cgroups_path);

#endif
