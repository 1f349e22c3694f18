/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .debug_line, DWARF 2 to 5: a program whose output is a table of (address, file, line), a row for
 * each place where the line changes. The table is never made: as the program runs, each pair of
 * rows is held against the addresses that were asked for, which are sorted.
 *
 *     rows:      |-- a.c:3 --|---- a.c:4 ----|-- b.h:70 --| end of sequence
 *     asked:           ^         ^    ^                          ^
 */
#ifndef PLIMSOLL_SYMBOL_DWARF_LINE_H
#define PLIMSOLL_SYMBOL_DWARF_LINE_H

#include "base/arena.h"
#include "symbol/dwarf_info.h"

struct dwarf_place {
	uint32_t file; /* in the program's table of files */
	uint32_t line; /* 0: made by the compiler, belongs to no line */
	bool found;
};

/* A directory or a file of the header. */
struct dwarf_entry {
	const char *name;
	uint32_t directory;
	const char *path; /* once it was asked for: absolute, as far as is known */
};

struct dwarf_lines {
	struct dwarf_unit unit; /* sizes of what stands in it */
	struct reader program;
	uint64_t next;	       /* offset of the next table in the section */
	const char *directory; /* where the compiler ran; NULL: not known */
	uint8_t min_length, max_operations, line_range, opcode_base;
	int8_t line_base;
	const uint8_t *lengths; /* of standard opcodes, from opcode 1 */
	struct dwarf_entry *directories, *files;
	size_t ndirectories, nfiles;
};

/* The table at `offset` of .debug_line. False: corrupt, then only `next` is set (0: no next one).
 * dwarf_lines_close() in either case. */
bool dwarf_lines_open(struct dwarf_info *info, uint64_t offset, const char *directory,
		      uint8_t address_size, struct dwarf_lines *out);
void dwarf_lines_close(struct dwarf_lines *lines);

/* Runs the program; places[i] is that of addresses[i]. Places found before are kept. */
void dwarf_lines_find(struct dwarf_lines *lines, const uint64_t *addresses, size_t n,
		      struct dwarf_place *places);

/* Path of a file by its number, in `arena`; NULL where there is none. */
const char *dwarf_lines_file(struct dwarf_lines *lines, uint64_t number, struct arena *arena);

#endif
