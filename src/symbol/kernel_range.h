/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where functions of the kernel stand in its text, by name: for BPF programs that want to know
 * whether an address is in one.
 */
#ifndef PLIMSOLL_SYMBOL_KERNEL_RANGE_H
#define PLIMSOLL_SYMBOL_KERNEL_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct kernel_range {
	const char *name;
	const char
		*last; /* NULL: the range ends where the next symbol begins; else with this one */
	uint64_t start, end; /* 0: not found */
};

/* Fills in what a file such as /proc/kallsyms knows; what it does not, or hides, stays 0. */
void kernel_ranges_find(const char *kallsyms, struct kernel_range *ranges, size_t n);

#endif
