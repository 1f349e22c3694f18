/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compilers split what is rarely executed off a function and put it far away (gcc's
 * -freorder-blocks-and-partition, part of -O2 with profiles). A symbol of its own, NAME.cold, goes
 * when the file is stripped; but the function still jumps into the middle of it, as nobody else
 * would, and the table of unwind information knows where it begins and ends.
 */
#ifndef PLIMSOLL_SYMBOL_COLD_PART_H
#define PLIMSOLL_SYMBOL_COLD_PART_H

#include "symbol/elf.h"

/* The cold part of the function [start, end), all in addresses of the file; false: none is seen. */
bool cold_part_find(const struct elf *elf, uint64_t start, uint64_t end, uint64_t *cold_start,
		    uint64_t *cold_end);

#endif
