/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a CFA program, and what of it a rule can say. A part of cfi.c, which runs the
 * programs.
 *
 *     state: CFA = rsp + 24, rbp at CFA - 16, ...  -->  rule (bpf/unwind.h)  -->  its number
 */
#ifndef PLIMSOLL_SYMBOL_CFI_RULE_H
#define PLIMSOLL_SYMBOL_CFI_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/cfi.h"
#include "symbol/cfi_expression.h"

/* DWARF numbers of registers. */
struct cfi_machine {
	uint16_t machine; /* EM_* */
	uint8_t fp, sp, ra, rbx;
	bool links; /* a call leaves the return address in `ra` */
};
/* NULL: not one that we walk. */
const struct cfi_machine *cfi_machine_of(uint16_t machine);

/* What a program says of a register of the caller. */
enum saved_how {
	SAVED_UNSAID,
	SAVED_NOWHERE, /* undefined */
	SAVED_SAME,
	SAVED_AT, /* in memory, at `value` */
	SAVED_IS, /* `value` itself */
	SAVED_UNKNOWN,
};
struct cfi_saved {
	uint8_t how;
	struct cfi_value value;
};

/* The registers that matter. */
enum { CFI_FP, CFI_SP, CFI_RA, CFI_RBX, CFI_TRACKED };

struct cfi_state {
	bool has_cfa;
	struct cfi_value cfa;
	struct cfi_saved saved[CFI_TRACKED];
};

/* What is the same in all states of a function. */
struct cfi_meaning {
	uint8_t registers[CFI_TRACKED]; /* their numbers */
	bool is_signal;			/* the caller was interrupted */
	bool is_go;			/* described by Go's compiler */
};

/* Slots of the hash table cfi->rule_slots; a power of two. */
#define CFI_RULE_SLOTS 4096

/* The number of the file's rule that equals this one; UNWIND_RULE_UNSUPPORTED when there are too
 * many. */
uint32_t cfi_intern_rule(struct cfi *cfi, const struct unwind_rule *rule);
/* The number of the rule for a state. */
uint32_t cfi_rule_of(struct cfi *cfi, const struct cfi_meaning *meaning,
		     const struct cfi_state *state);

#endif
