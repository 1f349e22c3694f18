/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /tmp/perf-PID.map: what JIT compilers write for profilers, a line a function, "START SIZE name",
 * numbers in hex (Linux tools/perf/Documentation/jit-interface.txt).
 */
#ifndef PLIMSOLL_SYMBOL_PERF_MAP_H
#define PLIMSOLL_SYMBOL_PERF_MAP_H

#include "symbol/lookup.h"

/* Code memory is used again: of several entries that contain an address, the last one wins. Never
 * fails: lines that are none are passed over, and of a very large file only the end is read. */
void perf_map_lookup(int fd, struct lookup *lookup);

#endif
