/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing samples of a recorded profile by the labels that say whose they are: what -c and -p mean
 * for a file, as container_matches() says what -c means on a live host.
 */
#ifndef PLIMSOLL_PROFILE_SELECT_H
#define PLIMSOLL_PROFILE_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/*
 * Does -c PATTERN mean the container that this label set tells of? Its name, the beginning of its
 * id (4 hex digits or more), its pod as "namespace/name", or a glob over any of these.
 */
bool select_container(const struct profile *p, uint32_t labels, const char *pattern);

/* A sample passes when any of these means it; with none of both all pass. */
struct selection {
	const char *const *containers;
	size_t ncontainers;
	const int64_t *pids;
	size_t npids;
};

/* Does it mean any sample at all? */
bool select_finds_container(const struct profile *p, const char *pattern);
bool select_finds_pid(const struct profile *p, int64_t pid);

/* A new profile with the samples that pass. */
struct profile *select_samples(const struct profile *p, const struct selection *s);

#endif
