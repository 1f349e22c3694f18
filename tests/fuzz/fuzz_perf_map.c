/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a perf map, asked for addresses across the whole range; its names taken apart. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "symbol/jit_name.h"
#include "symbol/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = { 0,	 1,	 0x10,		 0x1000,
					      0x1008,	 0x2000, 0x7f0000000000, UINT64_MAX - 1,
					      UINT64_MAX };
	const char *names[ARRAY_SIZE(addresses)] = { NULL };
	_cleanup_close_ int fd = memfd_create("perf-map", MFD_CLOEXEC);
	uint64_t work = LOOKUP_WORK_SOURCE;
	struct arena arena = { 0 };
	struct lookup lookup = {
		.addresses = addresses,
		.n = ARRAY_SIZE(addresses),
		.names = names,
		.arena = &arena,
		.work = &work,
	};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	perf_map_lookup(fd, &lookup);
	for (size_t i = 0; i < lookup.n; i++) {
		struct jit_name name;

		if (!names[i])
			continue;
		jit_name_read(names[i], &arena, &name);
		if (!name.function || name.line < 0)
			abort();
	}
	arena_free(&arena);
	return 0;
}
