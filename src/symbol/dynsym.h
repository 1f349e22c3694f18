/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A symbol by its name: the way the dynamic linker looks it up, through the hash table that the
 * file brings along. A name that is not there costs three reads, so any file may be asked.
 */
#ifndef PLIMSOLL_SYMBOL_DYNSYM_H
#define PLIMSOLL_SYMBOL_DYNSYM_H

#include "symbol/elf.h"

struct dynsym {
	uint64_t address, size; /* in the file */
};

/* Only 64-bit files of this machine's byte order are looked into. */
bool dynsym_find(const struct elf *elf, const char *name, struct dynsym *out);

/* The content of the file at an address, not its memory in a process; false where it has none. */
bool elf_read_address(const struct elf *elf, uint64_t address, void *buffer, size_t size);

#endif
