/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information (DWARF 5, 6.4; LSB 5.0 Core, "Exception Frames"), run once from beginning
 * to end: each function's program becomes rows, each row a rule.
 *
 *     CIE  what its functions have in common, their first state
 *     FDE  a function: start, length, program      struct cfi_function
 *            advance 4; cfa = sp + 16; fp at -16 --> struct cfi_row { start + 4, rule }
 *
 * Of all registers only three matter to a walk: frame pointer, return address and, where a signal
 * frame saved it, the stack pointer. The rest is read over.
 *
 * The input is hostile. An entry that is wrong is left out as if it were not there, and counted;
 * its neighbours stand. Work and memory are bounded for the file as a whole.
 */
#ifndef PLIMSOLL_SYMBOL_CFI_H
#define PLIMSOLL_SYMBOL_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"
#include "symbol/elf.h"

/* A row starts here and ends where the next one starts, or its function ends. */
struct cfi_row {
	uint32_t at; /* address - cfi.base */
	uint32_t rule;
};

struct cfi_function {
	uint32_t start, end; /* address - cfi.base, start < end */
	uint32_t row, nrows; /* its rows; the first is at `start`, they ascend strictly */
};

/* Everything that is known of one file, in the order in which it was read. */
struct cfi {
	uint64_t base; /* where the file's code begins, down to a page of the table */
	struct cfi_function *functions;
	size_t nfunctions;
	struct cfi_row *rows;
	size_t nrows;
	struct unwind_rule *rules; /* begins with UNWIND_RULE_NONE, _UNSUPPORTED, _END */
	uint32_t nrules;
	uint32_t refused; /* functions */
	bool tracks_rbx;  /* set behind cfi_open(): rules say where rbx is, see bpf/unwind.h */

	/* For cfi.c alone. */
	const struct elf *elf;
	const struct cfi_machine *machine;
	size_t functions_capacity, rows_capacity, rules_capacity;
	uint16_t *rule_slots;
	uint64_t work; /* steps left */
};

/* 0, or -ENODATA for what is not walked: 32-bit files, other machines, files without code. The
 * file must stay open. cfi_close() only after success. */
int cfi_open(const struct elf *elf, struct cfi *cfi);
void cfi_close(struct cfi *cfi);

/*
 * Adds what .eh_frame (or .debug_frame) of `elf` says, which is the file or its debug file. 0;
 * -ENODATA: has no such section; -E2BIG: rows, bytes or work beyond all that is sensible; -EBADMSG,
 * -EIO.
 */
int cfi_read(struct cfi *cfi, const struct elf *elf, bool eh_frame);

/* Are there frames whose CFA is found by rbx? */
bool cfi_needs_rbx(const struct cfi *cfi);

/* Is all of [address, address + size) code of the file, where a table can reach it? */
bool cfi_is_code(const struct cfi *cfi, uint64_t address, uint64_t size);

/* For code that is understood without CFI: a function of one row after the other, ascending. */
void cfi_add_function(struct cfi *cfi, uint64_t address, uint64_t size);
void cfi_add_row(struct cfi *cfi, uint64_t address, const struct unwind_rule *rule);

#endif
