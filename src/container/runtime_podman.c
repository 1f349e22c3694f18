/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podman: name and image are in containers.json; labels and pod in its database, as long as that
 * is bbolt (before Podman 5): ROOT/libpod/bolt_state.db, buckets ctr/ID and pod/ID.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/bolt.h"
#include "container/bounded_json.h"
#include "container/runtime.h"
#include "container/storage.h"

static json_t *read_value(int fd, const char *bucket, const char *id, const char *key)
{
	const char *const keys[] = { bucket, id, key, NULL };
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (bolt_get(fd, keys, CONFIG_JSON_MAX, &text, &size) < 0)
		return NULL;
	return json_parse(text, size);
}

static bool fill_from_database(int fd, const char *id, struct details *d)
{
	_cleanup_json_ json_t *config = read_value(fd, "ctr", id, "config");
	_cleanup_json_ json_t *state = read_value(fd, "ctr", id, "state");
	_cleanup_json_ json_t *pod = NULL;
	const char *pod_id = json_text_at(config, "pod", NULL);

	if (!config)
		return false;
	details_set(d, &d->name, json_text_at(config, "name", NULL));
	details_set(d, &d->image, json_text_at(config, "rootfsImageName", NULL));
	details_labels(d, json_object_at(config, "labels", NULL), WORD_OF_IMAGE);
	d->init_pid = json_pid(json_object_get(state, "pid"));
	if (pod_id) {
		pod = read_value(fd, "pod", pod_id, "config");
		details_set(d, &d->pod, json_text_at(pod, "name", NULL));
		d->is_sandbox = json_is_true(json_object_get(config, "pause"));
	}
	return true;
}

static void ask_database(struct place *place, const char *id, struct details *d)
{
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_STORAGE, i)); i++) {
		_cleanup_free_ char *path = xasprintf("%s/libpod/bolt_state.db", root);
		_cleanup_close_ int fd = place_open_file(place, path, NULL);

		if (fd >= 0 && fill_from_database(fd, id, d))
			return;
	}
}

static int describe(struct place *place, const char *id, struct details *d)
{
	_cleanup_json_ json_t *config = NULL;
	struct storage_entry entry = { 0 };
	int err = storage_find(place, id, &entry);

	if (err)
		return err;
	details_set(d, &d->name, entry.name);
	details_set(d, &d->image, entry.image);
	ask_database(place, id, d);
	config = storage_config(place, id);
	d->created = parse_time(
		json_text_at(config, "annotations", "io.kubernetes.cri-o.Created", NULL));
	return 0;
}

const struct runtime runtime_podman = { .name = "podman", .describe = describe };
