/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parts of a pclntab are, and how to read them; for pclntab.c and go_frames.c. Offsets
 * are the file's; every one is checked against the table's end.
 *
 *     header --> functab: (entry, offset) (entry, offset) ... end      sorted by entry
 *                                 |
 *                                 v
 *                  _func: name, pcsp, pcfile, pcln, pcdata[], funcdata[]
 *                           |     |      |      |      |          |
 *                funcnametab      |   cutab     |   index of the innermost
 *                "main.main"      |   filetab   |   inlined call here --> inline tree (go:func.*)
 *                                 v   "main.go" v
 *                                pctab: (value delta, pc delta)... of a function
 *
 * The layouts are those of Go's sources: runtime/symtab.go (pcHeader, moduledata, functab),
 * runtime/runtime2.go (_func), runtime/symtabinl.go (inlinedCall), debug/gosym/pclntab.go and
 * cmd/link/internal/ld/pcln.go of Go 1.15, 1.19, 1.22, 1.24, 1.26 and 1.27; the document of the
 * first one is https://go.dev/s/go12symtab.
 */
#ifndef PLIMSOLL_SYMBOL_PCLNTAB_TABLE_H
#define PLIMSOLL_SYMBOL_PCLNTAB_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/elf.h"
#include "symbol/reader.h"

/* Named by the first Go that writes it. */
enum pclntab_version { GO_1_2, GO_1_16, GO_1_18, GO_1_20, PCLNTAB_VERSIONS };

/* What differs between them; 0: not there. */
struct pclntab_layout {
	uint32_t magic;
	/* Of a function's record, counted from behind its entry: its compilation unit, its first
	 * line, its flags, and the number of funcdata, behind which pcdata and funcdata begin. */
	uint8_t unit, start_line, flags, nfuncdata;
	/* Of an inlinedCall. */
	uint8_t call_size, call_name, call_parent, call_start_line;
};
extern const struct pclntab_layout pclntab_layouts[PCLNTAB_VERSIONS];

struct pclntab {
	const struct elf *elf;
	uint64_t *work; /* steps left, as in struct lookup */
	enum pclntab_version version;
	unsigned quantum; /* of pc deltas */
	unsigned word;	  /* of a pointer, bytes */
	unsigned field;	  /* of functab, bytes */
	uint64_t address; /* of the header, in memory */
	uint64_t at, end; /* of the whole table */
	uint64_t nfunctions, nfiles;
	uint64_t names, units, files, values, functions;
	uint64_t text;	  /* address that entries count from; 0 in the two older versions */
	uint64_t inlines; /* address that funcdata counts from (go:func.*); 0: not known */
};

/* False for what is not a Go program, or one whose table is broken or not found. */
bool pclntab_open(const struct elf *elf, uint64_t *work, struct pclntab *t);
/* Fills `inlines`: only who asks for inlined calls needs the search. */
void pclntab_find_inlines(struct pclntab *t);

static inline const struct pclntab_layout *pclntab_layout(const struct pclntab *t)
{
	return &pclntab_layouts[t->version];
}

/* Takes steps from the allowance; false when there are none left. */
static inline bool pclntab_spend(const struct pclntab *t, uint64_t steps)
{
	if (*t->work < steps) {
		*t->work = 0;
		return false;
	}
	*t->work -= steps;
	return true;
}

/* The number of `size` bytes at `offset`; false if that is not within the table. */
bool pclntab_number(const struct pclntab *t, uint64_t offset, size_t size, uint64_t *value);
/* The string at `offset`, cut to size - 1; false if that is not within the table. */
bool pclntab_string(const struct pclntab *t, uint64_t offset, char *buffer, size_t size);
/* Where the data at an address stands in the file; false where it is in no section. */
bool pclntab_offset(const struct elf *elf, uint64_t address, size_t size, uint64_t *offset);

/* --- functions --- */

/* One of functab: entry < end. */
struct pclntab_row {
	uint64_t entry, end; /* addresses */
	uint64_t record;     /* offset of its _func; 0: none */
};
/* In the order of the table, which is ascending in what Go writes; until `fn` returns false. */
typedef bool (*pclntab_row_fn)(const struct pclntab_row *row, void *context);
void pclntab_each(const struct pclntab *t, pclntab_row_fn fn, void *context);

/* abi.FuncFlag */
#define PCLNTAB_TOPFRAME 1 /* nobody called it: the bottom of a stack */
#define PCLNTAB_SPWRITE	 2 /* moves the stack pointer elsewhere: its pcsp does not tell where */
#define PCLNTAB_ASM	 4 /* written in assembly */

/* Its record. Of tables of values, 0 is none. */
struct pclntab_func {
	struct pclntab_row row;
	uint64_t at; /* of the first field behind the entry */
	uint32_t name, pcsp, pcfile, pcln, npcdata, unit, nfuncdata;
	uint8_t flags;
	int32_t start_line;
};
bool pclntab_read_func(const struct pclntab *t, const struct pclntab_row *row,
		       struct pclntab_func *f);

/*
 * A table of pctab, a step at a time: pairs of a zigzag value delta and a pc delta, both LEB128,
 * the value beginning with -1 and the pc with the function's entry; a value delta of 0 behind the
 * first pair ends it.
 */
#define PCLNTAB_WINDOW 256 /* read at a time; most tables have less than 100 bytes */
struct pclntab_values {
	const struct pclntab *table;
	struct reader reader;
	uint64_t at; /* of what is not in the window yet */
	uint64_t to; /* `value` holds up to this address */
	int32_t value;
	unsigned steps;
	uint8_t window[PCLNTAB_WINDOW];
};
void pclntab_values(struct pclntab_values *v, const struct pclntab *t, const struct pclntab_func *f,
		    uint32_t table);
/* False at the end. */
bool pclntab_next_value(struct pclntab_values *v);

#endif
