/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as kallsyms, asked with and without the promise that all addresses are the kernel's. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "symbol/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = {
		0, 0x1000, 0xffffffff81000100, 0xffffffff81000200, 0xffffffffc0a00050, UINT64_MAX
	};
	_cleanup_close_ int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	for (int all_core = 0; all_core < 2; all_core++) {
		const char *names[ARRAY_SIZE(addresses)] = { NULL };
		const char *modules[ARRAY_SIZE(addresses)] = { NULL };
		uint64_t work = LOOKUP_WORK_SOURCE;
		struct arena arena = { 0 };
		struct lookup lookup = {
			.addresses = addresses,
			.n = ARRAY_SIZE(addresses),
			.names = names,
			.arena = &arena,
			.work = &work,
		};

		if (lseek(fd, 0, SEEK_SET) < 0)
			abort();
		kallsyms_lookup(fd, all_core, &lookup, modules);
		for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
			if (names[i] && !modules[i])
				abort();
		arena_free(&arena);
	}
	return 0;
}
