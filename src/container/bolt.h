/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading single values out of a bbolt database while its owner writes it: containerd and Podman
 * keep images and labels there and nowhere else on disk. Nothing is locked and nothing is
 * believed: every offset is checked, every read bounded.
 */
#ifndef PLIMSOLL_CONTAINER_BOLT_H
#define PLIMSOLL_CONTAINER_BOLT_H

#include <stddef.h>

/*
 * The value of the last of `keys` in the buckets that the ones before name; ended by NULL. It is
 * NUL-terminated behind *size; the caller frees it. 0, -ENOENT, or -EBADMSG for what is no bbolt
 * file or a torn one. Values above `limit` are -EFBIG.
 */
int bolt_get(int fd, const char *const *keys, size_t limit, char **value, size_t *size);

/* Calls fn for the values (not the buckets) of the bucket that `keys` name, at most `max` of them.
 * Key and value are NUL-terminated. 0 or as above. */
typedef void (*bolt_fn)(const char *key, const char *value, void *context);
int bolt_each(int fd, const char *const *keys, size_t max, bolt_fn fn, void *context);

#endif
