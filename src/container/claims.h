/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers that only their runtime's state gives away: `ctr` and runc put a container wherever
 * they are told. A claim says that a cgroup path is a container, and what is known of it.
 */
#ifndef PLIMSOLL_CONTAINER_CLAIMS_H
#define PLIMSOLL_CONTAINER_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "container/cgroup.h"
#include "container/runtime.h"

struct claim {
	char *path; /* of the container's own cgroup */
	const char *runtime;
	char *id;
	uid_t uid; /* whose word it is: a user's counts below that user's slice only */
	struct details details;
};

struct claims {
	struct arena arena;
	const struct cgroups *cgroups;
	struct claim **list;
	size_t n, capacity;
	struct index by_path;
	struct index read; /* over read_keys */
	uint64_t *read_keys;
	size_t nread, read_capacity;
	uint32_t version; /* changes with every claim: what was decided before may be wrong */
	uid_t uid;	  /* of the place that is being read */
	/* Containers known by their path need no claim, so their state is not read for one. */
	bool (*is_known)(const char *id, void *context);
	void *context;
};

void claims_init(struct claims *c, const struct cgroups *cgroups,
		 bool (*is_known)(const char *id, void *context), void *context);
void claims_free(struct claims *c);

/* The latest claim on exactly path[0..length), or NULL. */
const struct claim *claims_find(const struct claims *c, const char *path, size_t length);

/* --- for the runtimes --- */

/* Is there reason to read the state of `id`, kept in the folder of that name in `dir`? *version
 * identifies what is there now. */
bool claims_is_news(struct claims *c, int dir, const char *id, uint64_t *version);
/* It was read; not again until the folder, or something in it, is made anew. */
void claims_mark_read(struct claims *c, uint64_t version);
/* `runtime` is a constant; the strings of `details` are in claims_arena(). */
void claims_add(struct claims *c, const char *path, const char *runtime, const char *id,
		const struct details *details);
struct arena *claims_arena(struct claims *c);
/* See cgroups_relative(). */
const char *claims_relative(const struct claims *c, const char *controller, const char *directory);

#endif
