/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the source is it? Functions, those that were inlined included, files and lines of
 * addresses, from DWARF 2 to 5.
 *
 *     address --> scope: memcpy      called at list.h:12 from
 *                   `-> append       called at main.c:70 from
 *                         `-> main   (outermost: the function that the code belongs to)
 *                 and the line table's file and line, which is the place in the innermost one
 *
 * Many addresses are asked for at once, sorted. A unit of compilation that has none of them is
 * passed over by its ranges; in the others one walk finds the scopes of all their addresses, and
 * one run of the line table their lines. Nothing but what was asked for is kept.
 *
 * Not read: split DWARF (.dwo, .dwp): lines, but no inlined functions. Counted.
 */
#ifndef PLIMSOLL_SYMBOL_SOURCE_H
#define PLIMSOLL_SYMBOL_SOURCE_H

#include "base/arena.h"
#include "symbol/elf.h"

/* Bytes of one name or path that are kept. */
#define SOURCE_TEXT_MAX 4096
/* Functions inlined into each other; deeper ones are left out. Real code has up to 40. */
#define SOURCE_SCOPES_MAX 100

struct source_function {
	const char *name;    /* as linked (mangled) if that is known, else with what is around it */
	const char *written; /* as written, without that; may be NULL if the other is known */
	uint32_t start_line;
};

struct source_scope {
	const struct source_scope *outer;	/* that it is inlined into; NULL: it is outermost */
	const struct source_function *function; /* NULL: nameless */
	const char *call_file;			/* where in the outer one; NULL: not known */
	uint32_t call_line;
	uint16_t depth; /* 1: outermost */
};

struct source_answer {
	const struct source_scope *scope; /* innermost; NULL: not known */
	const char *file;
	uint32_t line; /* 0: not known, or belongs to no line */
};

struct source_stats {
	uint64_t units;	      /* walked */
	uint64_t units_split; /* whose inlined functions are in a file that we do not look for */
	uint64_t units_broken;
	uint64_t scopes_cut; /* nested too deeply */
	bool is_exhausted;   /* the allowance was spent: some addresses were not looked up */
};

struct source_files {
	const struct elf *elf;	      /* that has the DWARF: the binary or its debug file */
	const struct elf *supplement; /* what dwz moved out of it, or NULL */
	uint64_t bias; /* to be taken from an address asked for to get one of this file */
};

/* Some 20 ns each, 10 s in all: enough for all DIEs of Chromium. */
#define SOURCE_WORK 500000000UL
/* Of compressed sections, when they are unpacked. */
#define SOURCE_MEMORY (1ULL << 30)

/*
 * `addresses` sorted and distinct; answers[i] is that of addresses[i], zeroed before; strings and
 * scopes are in `arena`. 0 or negative errno as dwarf_file_open(). To be called in a confined
 * process: the file may be cut short while it is read.
 */
int source_lookup(const struct source_files *files, const uint64_t *addresses, size_t n,
		  uint64_t *work, struct arena *arena, struct source_answer *answers,
		  struct source_stats *stats);

#endif
