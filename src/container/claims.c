/* SPDX-License-Identifier: Apache-2.0 */
/* Containers known by their runtime's state; see claims.h. */
#include "container/claims.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "container/pattern.h"

/* A user's runtime state is the user's to write: not more of it than a host can mean. */
#define CLAIMS_MAX 65536

void claims_init(struct claims *c, const struct cgroups *cgroups,
		 bool (*is_known)(const char *id, void *context), void *context)
{
	*c = (struct claims){ .cgroups = cgroups, .is_known = is_known, .context = context };
}

void claims_free(struct claims *c)
{
	index_free(&c->by_path);
	index_free(&c->read);
	free(c->list);
	free(c->read_keys);
	arena_free(&c->arena);
}

struct path_key {
	const char *path;
	size_t length;
};

static bool claim_is_on(const void *key, uint32_t position, const void *context)
{
	const struct path_key *want = key;
	const char *path = ((const struct claims *)context)->list[position]->path;

	return strncmp(path, want->path, want->length) == 0 && !path[want->length];
}

static uint32_t position_of(const struct claims *c, const char *path, size_t length)
{
	struct path_key key = { path, length };

	return index_find(&c->by_path, hash_bytes(path, length), &key, claim_is_on, c);
}

const struct claim *claims_find(const struct claims *c, const char *path, size_t length)
{
	uint32_t at = position_of(c, path, length);

	return at == INDEX_NONE ? NULL : c->list[at];
}

static bool key_is(const void *key, uint32_t position, const void *context)
{
	return ((const struct claims *)context)->read_keys[position] == *(const uint64_t *)key;
}

bool claims_is_news(struct claims *c, int dir, const char *id, uint64_t *version)
{
	struct stat st;

	if (c->n >= CLAIMS_MAX || c->nread >= CLAIMS_MAX * 2 || !is_safe_name(id) ||
	    c->is_known(id, c->context) || fstatat(dir, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	/* An inode's number alone is used again at once by some file systems. */
	*version = hash_combine(
		hash_combine(st.st_dev, st.st_ino),
		hash_combine((uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec));
	return index_find(&c->read, *version, version, key_is, c) == INDEX_NONE;
}

void claims_mark_read(struct claims *c, uint64_t version)
{
	GROW(c->read_keys, c->nread, c->read_capacity);
	c->read_keys[c->nread] = version;
	index_insert(&c->read, version, (uint32_t)c->nread++);
}

void claims_add(struct claims *c, const char *path, const char *runtime, const char *id,
		const struct details *details)
{
	size_t length = strnlen(path, PATH_MAX);
	struct claim *claim;
	uint32_t at;

	/* The root, and what is no path, can be no container. */
	if (path[0] != '/' || length < 2 || length == PATH_MAX || path[length - 1] == '/')
		return;
	claim = arena_alloc(&c->arena, sizeof(*claim));
	*claim = (struct claim){ .path = arena_strndup(&c->arena, path, length),
				 .runtime = runtime,
				 .id = arena_strndup(&c->arena, id, strlen(id)),
				 .uid = c->uid,
				 .details = *details };
	at = position_of(c, path, length);
	if (at != INDEX_NONE) {
		/* Root's word about a path is not a user's to take back. */
		if (c->list[at]->uid == c->uid || !c->uid) {
			c->list[at] = claim;
			c->version++;
		}
		return;
	}
	GROW(c->list, c->n, c->capacity);
	c->list[c->n] = claim;
	c->version++;
	index_insert(&c->by_path, hash_bytes(path, length), (uint32_t)c->n++);
}

struct arena *claims_arena(struct claims *c)
{
	return &c->arena;
}

const char *claims_relative(const struct claims *c, const char *controller, const char *directory)
{
	return cgroups_relative(c->cgroups, controller, directory);
}
