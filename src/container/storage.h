/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers/storage, which Podman and CRI-O share: ROOT/DRIVER-containers/containers.json lists
 * all containers of a driver, ROOT/DRIVER-containers/ID/userdata/ has the bundle of one.
 */
#ifndef PLIMSOLL_CONTAINER_STORAGE_H
#define PLIMSOLL_CONTAINER_STORAGE_H

#include <jansson.h>

#include "container/place.h"

struct storage_entry {
	const char *name;  /* the first of its names */
	const char *image; /* by name; NULL unknown */
};

/* What containers.json says of a container, in any root and driver; valid until the next call. The
 * files are read again only when they changed. */
int storage_find(struct place *place, const char *id, struct storage_entry *out);

/* The container's bundle, or NULL. The caller drops the reference. */
json_t *storage_config(struct place *place, const char *id);

void storage_free(struct place *place);

#endif
