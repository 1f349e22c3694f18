/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runc: ROOT/NAME/state.json, written after the cgroup is made and before the container's program
 * is executed. It has the cgroup of each controller ("" is v2), and the bundle's annotations as
 * "key=value" (libcontainer/container_linux.go, BaseState and State).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/bounded_json.h"
#include "container/claims.h"
#include "container/runtime.h"

static int fill(const json_t *state, const char *name, struct details *d)
{
	const json_t *labels = json_object_get(json_object_get(state, "config"), "labels");
	json_t *label;
	size_t i;

	if (!state)
		return -ENOENT;
	details_set(d, &d->name, name);
	json_array_foreach(labels, i, label)
	{
		const char *text = json_string_value(label);
		const char *equals = text ? strchr(text, '=') : NULL;

		if (equals) {
			_cleanup_free_ char *key = xstrndup(text, (size_t)(equals - text));

			details_label(d, key, equals + 1, WORD_OF_RUNTIME);
		}
	}
	d->init_pid = json_pid(json_object_get(state, "init_process_pid"));
	d->created = parse_time(json_text_at(state, "created", NULL));
	details_done(d);
	return 0;
}

static json_t *read_state(struct place *place, const char *directory)
{
	_cleanup_free_ char *path = xasprintf("%s/state.json", directory);

	return place_read_json(place, path, STATE_JSON_MAX);
}

static int describe(struct place *place, const char *id, struct details *d)
{
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_RUNC, i)); i++) {
		_cleanup_free_ char *directory = xasprintf("%s/%s", root, id);
		_cleanup_json_ json_t *state = read_state(place, directory);

		if (state)
			return fill(state, id, d);
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
	_cleanup_free_ char *directory = xasprintf("%s/%s", v->root, name);
	struct details d = { .arena = claims_arena(v->claims) };
	_cleanup_json_ json_t *state = NULL;
	const char *controller, *path = NULL;
	json_t *value;
	uint64_t version;

	if (!claims_is_news(v->claims, dir, name, &version))
		return;
	state = read_state(v->place, directory);
	if (!state)
		return; /* not written yet; asked again */
	claims_mark_read(v->claims, version);
	fill(state, name, &d);
	json_object_foreach(json_object_get(state, "cgroup_paths"), controller, value)
	{
		if (!json_is_string(value))
			continue;
		path = claims_relative(v->claims, controller, json_string_value(value));
		if (path)
			claims_add(v->claims, path, "runc", name, &d);
	}
}

static void claim(struct place *place, struct claims *claims)
{
	struct visit v = { .place = place, .claims = claims };

	for (size_t i = 0; (v.root = place_root(place, ROOT_RUNC, i)); i++)
		place_list(place, v.root, claim_one, &v);
}

const struct runtime runtime_runc = { .name = "runc", .describe = describe, .claim = claim };
