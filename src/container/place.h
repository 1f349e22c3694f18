/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container's runtime keeps its files, and whose word they are:
 *
 *     the host          root's runtimes; believed about every container
 *     a user            a rootless runtime; files of that user only, believed only about
 *                       containers below that user's slice
 *     in a container    a nested runtime; seen from that container's own root, which no link
 *                       leaves, believed only about containers in its cgroup
 */
#ifndef PLIMSOLL_CONTAINER_PLACE_H
#define PLIMSOLL_CONTAINER_PLACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "container/settings.h"

struct storage_index;

struct place {
	int root;  /* what paths are below; O_PATH */
	uid_t uid; /* a user's place; 0 for the others */
	const struct settings *settings;
	struct storage_index *indexes; /* see storage.c */
};

/* `settings` must outlive the place. 0 or negative errno. */
int place_open(struct place *p, const char *root, uid_t uid, const struct settings *settings);
void place_close(struct place *p);

/* The i-th root of this kind, NULL behind the last. */
const char *place_root(const struct place *p, enum root_kind kind, size_t i);

/* Opens a regular file; not another user's in a user's place. fd (the caller
 * closes it) or negative errno. */
int place_open_file(const struct place *p, const char *path, struct stat *st);
int place_read(const struct place *p, const char *path, size_t limit, char **data, size_t *size);
/* NULL if it is not there or not to be parsed. The caller drops the reference. */
json_t *place_read_json(const struct place *p, const char *path, size_t limit);

/* Calls fn for the entries of a directory, at most PLACE_ENTRIES_MAX, without "." and "..". `dir`
 * is the directory's own fd. */
#define PLACE_ENTRIES_MAX 65536
typedef void (*place_fn)(int dir, const char *name, void *context);
void place_list(const struct place *p, const char *path, place_fn fn, void *context);

#endif
