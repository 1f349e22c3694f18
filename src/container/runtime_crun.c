/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crun: ROOT/NAME/status has the cgroup's path below the hierarchy's root (src/libcrun/status.c),
 * ROOT/NAME/config.json is a copy of the bundle's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/bounded_json.h"
#include "container/claims.h"
#include "container/runtime.h"

static json_t *read_below(struct place *place, const char *directory, const char *name,
			  size_t limit)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", directory, name);

	return place_read_json(place, path, limit);
}

static int fill(struct place *place, const char *directory, const char *name, const json_t *status,
		struct details *d)
{
	_cleanup_json_ json_t *config = NULL;

	if (!status)
		return -ENOENT;
	config = read_below(place, directory, "config.json", CONFIG_JSON_MAX);
	details_set(d, &d->name, name);
	details_labels(d, json_object_at(config, "annotations", NULL), WORD_OF_RUNTIME);
	d->init_pid = json_pid(json_object_get(status, "pid"));
	d->created = parse_time(json_text_at(status, "created", NULL));
	details_done(d);
	return 0;
}

static int describe(struct place *place, const char *id, struct details *d)
{
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_CRUN, i)); i++) {
		_cleanup_free_ char *directory = xasprintf("%s/%s", root, id);
		_cleanup_json_ json_t *status = read_below(place, directory, "status", STATUS_MAX);

		if (status)
			return fill(place, directory, id, status, d);
	}
	return -ENOENT;
}

struct visit {
	struct place *place;
	struct claims *claims;
	const char *root;
};

static void claim_one(int dir, const char *name, void *context)
{
	struct visit *v = context;
	_cleanup_free_ char *directory = xasprintf("%s/%s", v->root, name), *path = NULL;
	struct details d = { .arena = claims_arena(v->claims) };
	_cleanup_json_ json_t *status = NULL;
	const char *written;
	uint64_t version;

	if (!claims_is_news(v->claims, dir, name, &version))
		return;
	status = read_below(v->place, directory, "status", STATUS_MAX);
	if (!status)
		return; /* not written yet; asked again */
	claims_mark_read(v->claims, version);
	written = json_text_at(status, "cgroup-path", NULL);
	if (!written)
		return;
	path = xasprintf("%s%s", *written == '/' ? "" : "/", written);
	fill(v->place, directory, name, status, &d);
	claims_add(v->claims, path, "crun", name, &d);
}

static void claim(struct place *place, struct claims *claims)
{
	struct visit v = { .place = place, .claims = claims };

	for (size_t i = 0; (v.root = place_root(place, ROOT_CRUN, i)); i++)
		place_list(place, v.root, claim_one, &v);
}

const struct runtime runtime_crun = { .name = "crun", .describe = describe, .claim = claim };
