/* SPDX-License-Identifier: Apache-2.0 */
/* bbolt databases, as containerd and a user's Podman write them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "container/bolt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(const char *key, const char *value, void *context)
{
	(void)key, (void)value, (void)context;
}

/* Chance finds no checksum, so the metas are given a true one. */
static void fix_meta(uint8_t *meta)
{
	static const uint8_t front[] = { 0xed, 0xda, 0x0c, 0xed, 2, 0, 0, 0, 0, 4, 0, 0 };
	uint64_t h = 0xcbf29ce484222325ULL;

	memcpy(meta, front, sizeof(front));
	for (int i = 0; i < 56; i++)
		h = (h ^ meta[i]) * 0x100000001b3ULL;
	memcpy(meta + 56, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *const value[] = { "v1", "a", "b", NULL }, *const bucket[] = { "v1", "a", NULL };
	const char *const root[] = { NULL };
	int fd = memfd_create("bolt", MFD_CLOEXEC);
	uint8_t *copy = malloc(size + 1);
	char *found;
	size_t n;

	if (fd < 0 || !copy)
		abort();
	memcpy(copy, data, size);
	if (size >= 80)
		fix_meta(copy + 16);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	if (bolt_get(fd, value, 4096, &found, &n) == 0)
		free(found);
	bolt_each(fd, bucket, 128, ignore, NULL);
	bolt_each(fd, root, 128, ignore, NULL);
	close(fd);
	free(copy);
	return 0;
}
