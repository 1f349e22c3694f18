/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/maps; see maps.h. The kernel writes it, but the process chooses the paths and how many
 * lines there are: a line is bounded by PATH_MAX, their number by MAPS_MAX_READ.
 */
#include "symbol/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "symbol/hex.h"

/* vm.max_map_count is 65,530 by default, and the kernel takes about 1 us a line. */
#define MAPS_MAX_READ (8L << 20)

static bool expect(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	++*p;
	return true;
}

/* 7f1c2a000000-7f1c2a155000 r-xp 00026000 fd:01 1057              /usr/lib/libc.so.6 */
bool maps_parse(char *line, struct maps_line *out)
{
	const char *p = line, *end = line + strlen(line);
	uint64_t major, minor;

	if (!parse_hex(&p, end, &out->start) || !expect(&p, end, '-') ||
	    !parse_hex(&p, end, &out->end) || !expect(&p, end, ' '))
		return false;
	if (end - p < 5 || p[2] != 'x' || p[4] != ' ' || out->start >= out->end)
		return false;
	p += 5;
	if (!parse_hex(&p, end, &out->offset) || !expect(&p, end, ' ') ||
	    !parse_hex(&p, end, &major) || !expect(&p, end, ':') || !parse_hex(&p, end, &minor) ||
	    !expect(&p, end, ' '))
		return false;
	out->device = major << 20 | minor;
	out->inode = 0;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		out->inode = out->inode * 10 + (uint64_t)(*p - '0');
	while (p < end && *p == ' ')
		p++;
	out->path = p;
	return true;
}

int maps_read(const char *proc, int pid, maps_fn fn, void *context)
{
	/* The longest line is a path of PATH_MAX, newlines in it written as \012, and the numbers.
	 */
	char buffer[4 * PATH_MAX + 256], path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct maps_line map;
	size_t kept = 0;
	long left = MAPS_MAX_READ;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%d/maps", proc, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buffer + kept, sizeof(buffer) - kept)) > 0 && (left -= n) > 0) {
		char *line = buffer, *end = buffer + kept + n, *newline;

		while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
			*newline = '\0';
			if (maps_parse(line, &map))
				fn(&map, context);
			line = newline + 1;
		}
		kept = (size_t)(end - line);
		if (kept == sizeof(buffer))
			kept = 0;
		memmove(buffer, line, kept);
	}
	return n < 0 ? -errno : 0;
}
