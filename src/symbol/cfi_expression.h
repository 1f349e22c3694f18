/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DWARF expressions in call frame information, evaluated without a process: the answer is a formula
 * in the frame's registers, as long as it is one of the few that rules have words for.
 *
 *     breg7 160; deref                =>  *(rsp + 160)          a signal frame
 *     breg6 -8; deref                 =>  *(rbp - 8)            a realigned stack
 *     breg7 16; deref; plus_uconst 8  =>  *(rsp + 16) + 8       hand-written assembly
 *     breg6 0                         =>  rbp + 0               where the old rbp was pushed
 */
#ifndef PLIMSOLL_SYMBOL_CFI_EXPRESSION_H
#define PLIMSOLL_SYMBOL_CFI_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cfi_base {
	BASE_NUMBER,   /* offset */
	BASE_REGISTER, /* register + offset */
	BASE_MEMORY,   /* *(register + at) + offset */
	BASE_CFA,      /* CFA + offset */
	BASE_PLT,      /* CFA_PLT of bpf/unwind.h, `at` being its cfa_at */
};

struct cfi_value {
	uint8_t base; /* enum cfi_base */
	uint8_t reg;  /* DWARF number */
	int32_t at;
	int64_t offset;
};

/*
 * Evaluates `size` bytes; `pushed` is what lies on the stack at the beginning (the CFA where a
 * register is asked for) or NULL. False for what is no such formula, malformed ones included.
 */
bool cfi_evaluate(const uint8_t *expression, size_t size, const struct cfi_value *pushed,
		  struct cfi_value *out);

#endif
