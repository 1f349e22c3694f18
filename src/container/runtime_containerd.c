/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd: the OCI bundle below its state root, written before the container is created, and
 * its database, which alone has the image and labels of what `ctr` runs.
 *
 *     STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json     annotations, cgroupsPath
 *     DATA/io.containerd.metadata.v1.bolt/meta.db                      v1/NAMESPACE/containers/ID
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/bolt.h"
#include "container/bounded_json.h"
#include "container/claims.h"
#include "container/pattern.h"
#include "container/runtime.h"

/* Docker's own namespace; its containers are Docker's to tell. */
#define DOCKER_NAMESPACE "moby"

static const char *const tasks[] = { "io.containerd.runtime.v2.task",
				     "io.containerd.runtime.v1.linux" };

static void add_label(const char *key, const char *value, void *context)
{
	details_label(context, key, value, WORD_OF_IMAGE);
}

/* What only the database knows; the bundle has told the rest. */
static void ask_database(struct place *place, const char *namespace, const char *id,
			 struct details *d)
{
	const char *const image[] = { "v1", namespace, "containers", id, "image", NULL };
	const char *const labels[] = { "v1", namespace, "containers", id, "labels", NULL };
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_CONTAINERD_DATA, i)); i++) {
		_cleanup_free_ char *path = xasprintf("%s/io.containerd.metadata.v1.bolt/meta.db",
						      root);
		_cleanup_close_ int fd = place_open_file(place, path, NULL);
		_cleanup_free_ char *value = NULL;
		size_t size;

		if (fd < 0 || bolt_get(fd, image, TEXT_VALUE_MAX, &value, &size) < 0)
			continue;
		if (!d->image)
			details_set(d, &d->image, value);
		bolt_each(fd, labels, LABELS_MAX, add_label, d);
		return;
	}
}

/* The runtime's shim writes the PID beside the bundle. */
static pid_t read_pid(struct place *place, const char *bundle)
{
	_cleanup_free_ char *path = xasprintf("%s/init.pid", bundle), *text = NULL;
	int pid;

	if (place_read(place, path, 64, &text, NULL) < 0 || sscanf(text, "%d", &pid) != 1)
		return 0;
	return pid > 0 ? pid : 0;
}

static int describe_bundle(struct place *place, const char *bundle, const char *namespace,
			   const char *id, const json_t *config, struct details *d)
{
	if (!config)
		return -ENOENT;
	ask_database(place, namespace, id, d);
	/* Later wins: the runtime's annotations over an image's labels. */
	details_labels(d, json_object_at(config, "annotations", NULL), WORD_OF_RUNTIME);
	d->init_pid = read_pid(place, bundle);
	if (!d->name)
		details_set(d, &d->name, id);
	return 0;
}

/* --- every bundle there is --- */

struct visit {
	struct place *place;
	const char *root;      /* STATE/task */
	const char *namespace; /* while inside one */
	const char *id;	       /* describe: the one looked for */
	struct details *details;
	struct claims *claims;
	int err;
};

static void describe_in(int dir, const char *namespace, void *context)
{
	struct visit *v = context;

	(void)dir;
	if (!v->err || strcmp(namespace, DOCKER_NAMESPACE) == 0)
		return;
	_cleanup_free_ char *bundle = xasprintf("%s/%s/%s", v->root, namespace, v->id);
	_cleanup_free_ char *path = xasprintf("%s/config.json", bundle);
	_cleanup_json_ json_t *config = place_read_json(v->place, path, CONFIG_JSON_MAX);

	v->err = describe_bundle(v->place, bundle, namespace, v->id, config, v->details);
}

static int describe(struct place *place, const char *id, struct details *d)
{
	struct visit v = { .place = place, .id = id, .details = d, .err = -ENOENT };
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_CONTAINERD_STATE, i)); i++)
		for (size_t k = 0; k < ARRAY_SIZE(tasks) && v.err; k++) {
			_cleanup_free_ char *task = xasprintf("%s/%s", root, tasks[k]);

			v.root = task;
			place_list(place, task, describe_in, &v);
		}
	return v.err;
}

static void claim_one(int dir, const char *id, void *context)
{
	struct visit *v = context;
	_cleanup_free_ char *bundle = xasprintf("%s/%s/%s", v->root, v->namespace, id);
	_cleanup_free_ char *file = xasprintf("%s/config.json", bundle);
	_cleanup_free_ char *cgroup = NULL;
	_cleanup_json_ json_t *config = NULL;
	struct details d = { .arena = claims_arena(v->claims) };
	const char *written;
	uint64_t version;

	if (!claims_is_news(v->claims, dir, id, &version))
		return;
	config = place_read_json(v->place, file, CONFIG_JSON_MAX);
	if (!config)
		return; /* not written yet; asked again */
	claims_mark_read(v->claims, version);
	written = json_text_at(config, "linux", "cgroupsPath", NULL);
	cgroup = written ? cgroups_path_expand(written) : NULL;
	if (!cgroup)
		return;
	describe_bundle(v->place, bundle, v->namespace, id, config, &d);
	claims_add(v->claims, cgroup, "containerd", id, &d);
}

static void claim_in(int dir, const char *namespace, void *context)
{
	struct visit *v = context;

	(void)dir;
	if (strcmp(namespace, DOCKER_NAMESPACE) == 0)
		return;
	_cleanup_free_ char *path = xasprintf("%s/%s", v->root, namespace);

	v->namespace = namespace;
	place_list(v->place, path, claim_one, v);
}

static void claim(struct place *place, struct claims *claims)
{
	struct visit v = { .place = place, .claims = claims };
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_CONTAINERD_STATE, i)); i++)
		for (size_t k = 0; k < ARRAY_SIZE(tasks); k++) {
			_cleanup_free_ char *task = xasprintf("%s/%s", root, tasks[k]);

			v.root = task;
			place_list(place, task, claim_in, &v);
		}
}

const struct runtime runtime_containerd = {
	.name = "containerd",
	.describe = describe,
	.claim = claim,
};
