/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to name addresses, as a recording does it at its end, in a confined process:
 *
 *     names FILE [DEBUG] < ADDRESSES -> "MILLISECONDS NAMED INLINED\n"
 *
 * ADDRESSES in hex, a line each. MILLISECONDS from the first fork to the last answer taken in;
 * NAMED addresses with a function and a line, INLINED functions among theirs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "symbol/dispatch.h"
#include "symbol/lookup.h"
#include "symbol/source.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t *read_addresses(size_t *n)
{
	uint64_t *all = NULL, address;
	size_t capacity = 0, distinct = 0;

	for (*n = 0; scanf("%" SCNx64, &address) == 1; ++*n) {
		GROW(all, *n, capacity);
		all[*n] = address;
	}
	qsort(all, *n, sizeof(*all), by_value);
	for (size_t i = 0; i < *n; i++)
		if (!i || all[i] != all[i - 1])
			all[distinct++] = all[i];
	*n = distinct;
	return all;
}

struct sum {
	size_t named, inlined;
};

static void add(const struct job *job, const struct answer *answer, const struct reply *reply,
		void *context)
{
	struct sum *sum = context;

	(void)reply;
	for (size_t i = 0; answer && i < job->n; i++) {
		uint32_t first = answer->first[i], end = answer->first[i + 1];

		if (first == end)
			continue;
		sum->named += answer->functions[answer->lines[first].function].name &&
			      answer->functions[answer->lines[first].function].file;
		sum->inlined += end - first - 1;
	}
}

int main(int argc, char **argv)
{
	struct job job = {
		.request = { .kind = ASK_FILE, .source_work = SOURCE_WORK, .demangles = true },
		.files = { -1, -1, -1 },
		.name = argc > 1 ? argv[1] : "",
	};
	struct dispatch_stats stats = { 0 };
	struct sum sum = { 0 };
	double start;

	if (argc < 2)
		return 2;
	for (int i = 1; i < argc && i <= ASK_FILES; i++) {
		job.files[i - 1] = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (job.files[i - 1] < 0) {
			perror(argv[i]);
			return 1;
		}
	}
	job.addresses = read_addresses(&job.n);
	if (!job.n)
		return 2;
	start = now();
	dispatch(&dispatch_usual, &job, 1, add, &sum, &stats);
	printf("%.1f %zu %zu\n", now() - start, sum.named, sum.inlined);
	return stats.failures != 0;
}
