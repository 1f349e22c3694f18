/* SPDX-License-Identifier: Apache-2.0 */
/* CRI-O: the bundle in containers/storage, whose annotations tell all. */
#include <errno.h>

#include "container/bounded_json.h"
#include "container/runtime.h"
#include "container/storage.h"

static int describe(struct place *place, const char *id, struct details *d)
{
	_cleanup_json_ json_t *config = storage_config(place, id);
	json_t *annotations = json_object_at(config, "annotations", NULL);

	/* Podman's bundles lie in the same folders. */
	if (!json_text_at(annotations, "io.kubernetes.pod.name", NULL))
		return -ENOENT;
	details_labels(d, annotations, WORD_OF_RUNTIME);
	d->created = parse_time(json_text_at(annotations, "io.kubernetes.cri-o.Created", NULL));
	return 0;
}

const struct runtime runtime_crio = { .name = "cri-o", .describe = describe };
