/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/maps, of which only what is executable matters here. */
#ifndef PLIMSOLL_SYMBOL_MAPS_H
#define PLIMSOLL_SYMBOL_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct maps_line {
	uint64_t start, end, offset;
	uint64_t device, inode; /* major << 20 | minor, the kernel's own dev_t; 0, 0: no file */
	const char *path;	/* "" for memory without file; may say " (deleted)" */
};

/* Called for each executable mapping, in the order of addresses. */
typedef void (*maps_fn)(const struct maps_line *line, void *context);

/* Takes a line apart in place; false if it is not executable, or no such line. */
bool maps_parse(char *line, struct maps_line *out);

/* 0 or negative errno: -ENOENT or -ESRCH when the process is gone. */
int maps_read(const char *proc, int pid, maps_fn fn, void *context);

#endif
