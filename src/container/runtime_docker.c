/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker Engine: DATA-ROOT/containers/ID/config.v2.json, written when the container is created.
 * With user namespaces remapped, the data root is a folder UID.GID below the one that is set.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/bounded_json.h"
#include "container/runtime.h"

static int fill(const json_t *json, struct details *d)
{
	const char *name = json_text_at(json, "Name", NULL);
	const char *started = json_text_at(json, "State", "StartedAt", NULL);

	if (!name)
		return -ENOENT;
	details_set(d, &d->name, name + (*name == '/'));
	details_set(d, &d->image, json_text_at(json, "Config", "Image", NULL));
	details_labels(d, json_object_at(json, "Config", "Labels", NULL), WORD_OF_IMAGE);
	d->init_pid = json_pid(json_object_get(json_object_at(json, "State", NULL), "Pid"));
	/* A container that is just starting has the zero time, or that of its last run. */
	d->created = d->init_pid ? parse_time(started) : 0;
	return 0;
}

static int try_root(struct place *place, const char *root, const char *id, struct details *d)
{
	_cleanup_free_ char *path = xasprintf("%s/containers/%s/config.v2.json", root, id);
	_cleanup_json_ json_t *json = place_read_json(place, path, CONFIG_JSON_MAX);

	return json ? fill(json, d) : -ENOENT;
}

/* "100000.100000" */
static bool is_remapped(const char *name)
{
	size_t n = strspn(name, "0123456789");

	return n && name[n] == '.' && name[n + 1] &&
	       !name[n + 1 + strspn(name + n + 1, "0123456789")];
}

struct search {
	struct place *place;
	const char *root, *id;
	struct details *details;
	int err;
};

static void try_remapped(int dir, const char *name, void *context)
{
	struct search *s = context;

	(void)dir;
	if (!s->err || !is_remapped(name))
		return;
	_cleanup_free_ char *root = xasprintf("%s/%s", s->root, name);

	s->err = try_root(s->place, root, s->id, s->details);
}

static int describe(struct place *place, const char *id, struct details *d)
{
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_DOCKER, i)); i++) {
		struct search s = { place, root, id, d, try_root(place, root, id, d) };

		if (s.err)
			place_list(place, root, try_remapped, &s);
		if (!s.err)
			return 0;
	}
	return -ENOENT;
}

const struct runtime runtime_docker = { .name = "docker", .describe = describe };
