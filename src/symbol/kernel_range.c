/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the kernel's table until it has what was asked for; see kernel_range.h. The kernel lists
 * its own symbols by address, so a function ends where the line of another address begins.
 */
#include "symbol/kernel_range.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void take(struct kernel_range *range, const char *name, uint64_t address)
{
	bool is_end = range->last ? strcmp(name, range->last) == 0 : address > range->start;

	if (range->start && !range->end && is_end)
		range->end = address;
	if (strcmp(name, range->name) == 0)
		range->start = address;
}

static size_t count_found(const struct kernel_range *ranges, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += ranges[i].end != 0;
	return found;
}

void kernel_ranges_find(const char *kallsyms, struct kernel_range *ranges, size_t n)
{
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	FILE *file = fopen(kallsyms, "re");

	for (size_t i = 0; i < n; i++)
		ranges[i].start = ranges[i].end = 0;
	while (file && count_found(ranges, n) < n && getline(&line, &capacity, file) > 0) {
		char *rest, *name;
		uint64_t address = strtoull(line, &rest, 16);

		/* " T NAME\n"; a module's name would follow, and modules come last. */
		if (strlen(rest) < 4)
			continue;
		name = rest + 3;
		name[strcspn(name, "\t\n")] = '\0';
		for (size_t i = 0; i < n; i++)
			take(&ranges[i], name, address);
	}
	if (file)
		fclose(file);
	/* One that has no end is none. */
	for (size_t i = 0; i < n; i++)
		if (!ranges[i].end)
			ranges[i].start = 0;
}
