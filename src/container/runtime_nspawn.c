/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd-nspawn: /run/systemd/machines/NAME, lines of KEY=value (machine_save() in systemd's
 * src/machine/machine.c). Virtual machines are registered there, too: CLASS says so.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "container/runtime.h"

/* A value may stand in double quotes. */
static void unquote(char *value)
{
	size_t n = strlen(value);

	if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
		memmove(value, value + 1, n - 2);
		value[n - 2] = '\0';
	}
}

static void take(const char *key, char *value, struct details *d)
{
	uint64_t number;

	unquote(value);
	if (strcmp(key, "NAME") == 0)
		details_set(d, &d->name, value);
	else if (strcmp(key, "ROOT") == 0)
		details_set(d, &d->image, value);
	else if (strcmp(key, "CLASS") == 0)
		d->is_machine = strcmp(value, "container") != 0;
	else if (strcmp(key, "LEADER") == 0 && parse_u64(value, &number) == 0 && number <= INT_MAX)
		d->init_pid = (pid_t)number;
	else if (strcmp(key, "TIMESTAMP") == 0 && parse_u64(value, &number) == 0)
		d->created = (int64_t)(number / 1000000); /* microseconds */
}

static int describe(struct place *place, const char *id, struct details *d)
{
	const char *root;

	for (size_t i = 0; (root = place_root(place, ROOT_MACHINES, i)); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", root, id), *text = NULL;
		char *save, *line;

		if (place_read(place, path, STATUS_MAX, &text, NULL) < 0)
			continue;
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			char *equals = strchr(line, '=');

			if (equals) {
				*equals = '\0';
				take(line, equals + 1, d);
			}
		}
		/* The cgroup has the name, whatever is written here. */
		details_set(d, &d->name, id);
		return 0;
	}
	return -ENOENT;
}

const struct runtime runtime_nspawn = { .name = "nspawn", .describe = describe };
