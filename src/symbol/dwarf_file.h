/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DWARF sections of a file, as they lie in it: mapped, or unpacked where they are compressed.
 * A file that somebody cuts short while it is mapped kills its reader, so this is only for
 * processes that may die (base/confined.h).
 */
#ifndef PLIMSOLL_SYMBOL_DWARF_FILE_H
#define PLIMSOLL_SYMBOL_DWARF_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "symbol/elf.h"

enum dwarf_section {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_LINE,
	DWARF_STR,
	DWARF_LINE_STR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_ADDR,
	DWARF_STR_OFFSETS,
	DWARF_SECTIONS
};

struct dwarf_bytes {
	const uint8_t *data;
	uint64_t size; /* 0: not there */
};

/* A stretch of machine code, in addresses of the file. */
struct dwarf_code {
	uint64_t start, end;
};
#define DWARF_CODE_MAX 32

struct dwarf_file {
	struct dwarf_bytes sections[DWARF_SECTIONS];
	struct dwarf_code code[DWARF_CODE_MAX];
	size_t ncode;
	uint8_t *unpacked[DWARF_SECTIONS]; /* freed on close */
	void *map;
	size_t map_size;
};

/* Is there anything to be opened: .debug_info or .debug_line? */
bool dwarf_file_present(const struct elf *elf);

/*
 * 0; -ENODATA: no DWARF; -EOPNOTSUPP: of another byte order, or compressed in a way that we do not
 * read; -EFBIG: more than `limit` bytes when unpacked; -EBADMSG, -EIO. The ELF file's image must
 * outlive it.
 */
int dwarf_file_open(const struct elf *elf, uint64_t limit, struct dwarf_file *out);
void dwarf_file_close(struct dwarf_file *file);

/* Tables say of functions that the linker threw away that they are at 0 or at the end of memory. */
static inline bool dwarf_is_code(const struct dwarf_file *file, uint64_t address)
{
	for (size_t i = 0; i < file->ncode; i++)
		if (address >= file->code[i].start && address < file->code[i].end)
			return true;
	return false;
}

/* The NUL-terminated string at `offset` of a section, or NULL. */
const char *dwarf_string(const struct dwarf_bytes *section, uint64_t offset);

#endif
