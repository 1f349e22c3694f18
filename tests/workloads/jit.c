/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JIT compiler in small: two functions in anonymous executable memory, 75 and 25 % of the time,
 * announced in /tmp/perf-PID.map with the number that the process has in its own PID namespace.
 *
 *     jit [SECONDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "code.h"
#include "cpu_clock.h"

#define MEMORY_SIZE 65536
#define SECOND_AT   4096
#define ROUNDS	    100000

static int write_perf_map(const char *memory)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	/* Node.js has blanks in its names too. */
	fprintf(f, "%lx %zx JS:*render list.js:12\n", (long)memory, sizeof(countdown_code));
	fprintf(f, "%lx %zx JS:~parse\n", (long)(memory + SECOND_AT), sizeof(countdown_code));
	return fclose(f);
}

int main(int argc, char **argv)
{
	int64_t end = end_after(argc > 1 ? argv[1] : NULL);
	char *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	countdown_fn render = code_write(memory);
	countdown_fn parse = code_write(memory + SECOND_AT);

	if (write_perf_map(memory) < 0)
		return 1;
	while (monotonic_ns() < end) {
		render(3 * ROUNDS);
		parse(ROUNDS);
	}
	return 0;
}
