/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of top; see top_columns.h. */
#include "output/top_columns.h"

#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"

const struct top_column_look top_columns[TOP_COLUMNS] = {
	[TOP_NAME] = { "NAME", 0, TOP_BY_NAME, "container, unit, or the host's other processes" },
	[TOP_CPU] = { "CPU%", 6, TOP_BY_CPU, "CPU time, in per cent of one CPU" },
	[TOP_OF_LIMIT] = { "LIM%", 5, TOP_BY_LIMIT, "that, in per cent of its own CPU limit" },
	[TOP_LEDGER] = { "LEDGER", 0, TOP_BY_LOST, "where its threads' time went, as a bar" },
	[TOP_WAIT] = { "P99", 6, TOP_BY_WAIT, "99 of 100 waits for a CPU were shorter" },
	[TOP_THROTTLED] = { "THR%", 5, TOP_BY_THROTTLED,
			    "of the time it ran or could, stopped by its limit" },
	[TOP_MEMORY] = { "MEM", 5, TOP_BY_MEMORY, "memory that cannot just be dropped" },
	[TOP_MEMORY_LIMIT] = { "MAX", 5, TOP_BY_MEMORY, "its limit" },
	[TOP_IO] = { "IO/s", 5, TOP_BY_IO, "bytes a second, read and written, block devices" },
	[TOP_NET] = { "NET/s", 5, TOP_BY_NET, "bytes a second, received and sent" },
	[TOP_THREADS] = { "THRDS", 5, TOP_BY_THREADS, "threads, on average" },
};

/* Names and bar must have this much together; else columns go, those that say least first. */
#define FLEXIBLE_LEAST 29
#define NAME_LEAST     12
#define NAME_MOST      44
static const enum top_column drop_order[] = {
	TOP_NET,       TOP_IO,	     TOP_MEMORY_LIMIT, TOP_THREADS,
	TOP_THROTTLED, TOP_OF_LIMIT, TOP_MEMORY,       TOP_WAIT,
};

void top_columns_fit(unsigned width, unsigned longest, bool io, bool net,
		     unsigned widths[TOP_COLUMNS])
{
	unsigned used = 0, flexible, name;

	for (enum top_column i = 0; i < TOP_COLUMNS; i++) {
		widths[i] = top_columns[i].width;
		if ((i == TOP_IO && !io) || (i == TOP_NET && !net))
			widths[i] = 0;
		used += widths[i] ? widths[i] + 1 : 0;
	}
	used++; /* between name and bar */
	for (size_t i = 0; i < ARRAY_SIZE(drop_order) && used + FLEXIBLE_LEAST > width; i++) {
		unsigned *drop = &widths[drop_order[i]];

		used -= *drop ? *drop + 1 : 0;
		*drop = 0;
	}
	flexible = width > used ? width - used : 0;
	name = MIN(MAX(longest, NAME_LEAST), NAME_MOST);
	name = MIN(name, MAX(NAME_LEAST, flexible / 2));
	widths[TOP_NAME] = MIN(name, flexible);
	widths[TOP_LEDGER] = flexible - widths[TOP_NAME];
}

const char *top_bytes(double bytes, char buf[TEXT_SHORT])
{
	static const char units[] = "BKMGTPE";
	size_t unit = 0;

	/* Rounded up to 1000 or more it would be a column too wide. */
	while (bytes >= 999.5 && units[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, TEXT_SHORT, "%.*f%c", unit && bytes < 9.95 ? 1 : 0, bytes, units[unit]);
	return buf;
}

const char *top_time(uint64_t ns, char buf[TEXT_SHORT])
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(buf, TEXT_SHORT, "%.*f%s", unit && value < 99.95 ? 1 : 0, value, units[unit]);
	return buf;
}

static const char *percent(double share, char buf[TEXT_SHORT])
{
	double value = share * 100;

	if (share < 0)
		return "-";
	snprintf(buf, TEXT_SHORT, "%.*f", value < 999.95 ? 1 : 0, value);
	return buf;
}

static const char *bytes_or_unknown(bool known, double bytes, char buf[TEXT_SHORT])
{
	return known ? top_bytes(bytes, buf) : "-";
}

const char *top_cell(const struct top_row *row, enum top_column column, char buf[TEXT_SHORT])
{
	const struct top_usage *u = &row->usage;

	switch (column) {
	case TOP_CPU:
		return percent(row->cpu, buf);
	case TOP_OF_LIMIT:
		return percent(top_row_of_limit(row), buf);
	case TOP_WAIT:
		return row->wait_p99 ? top_time(row->wait_p99, buf) : "-";
	case TOP_THROTTLED:
		/* Nothing can stop who has no limit; a parent's may. */
		return row->throttled > 0 || u->cpu_limit > 0 ? percent(row->throttled, buf) : "-";
	case TOP_MEMORY:
		return bytes_or_unknown(u->has_memory, (double)u->memory, buf);
	case TOP_MEMORY_LIMIT:
		return bytes_or_unknown(u->memory_limit != UINT64_MAX, (double)u->memory_limit,
					buf);
	case TOP_IO:
		return bytes_or_unknown(row->io_rate >= 0, row->io_rate, buf);
	case TOP_NET:
		return bytes_or_unknown(row->net_rate >= 0, row->net_rate, buf);
	case TOP_THREADS:
		snprintf(buf, TEXT_SHORT, "%.0f", ceil(row->threads - 0.05));
		return buf;
	default:
		return "";
	}
}
