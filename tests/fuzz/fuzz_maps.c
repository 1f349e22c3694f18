/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as /proc/PID/maps: every line that parses is mapped, and the space stays sorted. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/maps.h"
#include "symbol/space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	struct space *space = space_new();
	struct maps_line line;
	char *rest;

	for (char *p = strtok_r(text, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest)) {
		if (!maps_parse(p, &line))
			continue;
		const struct map map = {
			.start = line.start,
			.end = line.end,
			.offset = line.offset,
			.kind = map_kind_of_path(line.path),
		};
		const struct map *found;

		space_add(&space, &map);
		found = space_find(space, line.start);
		if (space->n < 4096 && (!found || found->start != line.start))
			abort();
	}
	for (size_t i = 0; i < space->n; i++)
		if (space->maps[i].start >= space->maps[i].end ||
		    (i && space->maps[i - 1].end > space->maps[i].start))
			abort();
	space_drop(space);
	return 0;
}
