/* SPDX-License-Identifier: Apache-2.0 */
/* LXC, Incus, LXD: the cgroup has the name; LXCPATH/NAME/config says that it is one of theirs. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/runtime.h"

static int describe(struct place *place, const char *id, struct details *d)
{
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_LXC, i)); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s/config", root, id);
		_cleanup_close_ int fd = place_open_file(place, path, NULL);

		if (fd >= 0) {
			details_set(d, &d->name, id);
			return 0;
		}
	}
	return -ENOENT;
}

const struct runtime runtime_lxc = { .name = "lxc", .describe = describe };
