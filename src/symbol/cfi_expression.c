/* SPDX-License-Identifier: Apache-2.0 */
/* A stack machine whose numbers are formulas; see cfi_expression.h. Operations: DWARF 5, 2.5.1. */
#include "symbol/cfi_expression.h"

#include <dwarf.h>

#include "base/cleanup.h"
#include "symbol/reader.h"

/* The deepest that means something to us takes two. */
#define STACK_MAX 4

struct machine {
	struct cfi_value stack[STACK_MAX];
	size_t depth;
};

static bool push(struct machine *m, struct cfi_value value)
{
	if (m->depth == STACK_MAX)
		return false;
	m->stack[m->depth++] = value;
	return true;
}

static bool push_number(struct machine *m, int64_t number)
{
	return push(m, (struct cfi_value){ .base = BASE_NUMBER, .offset = number });
}

static bool push_register(struct machine *m, uint64_t reg, int64_t offset)
{
	return reg <= UINT8_MAX &&
	       push(m, (struct cfi_value){
			       .base = BASE_REGISTER, .reg = (uint8_t)reg, .offset = offset });
}

static bool add_number(struct machine *m, int64_t number)
{
	struct cfi_value *top;

	if (!m->depth)
		return false;
	top = &m->stack[m->depth - 1];
	return !__builtin_add_overflow(top->offset, number, &top->offset);
}

/* The sum of two is a formula where one of them is a number, the difference where the second is. */
static bool add_or_subtract(struct machine *m, bool subtract)
{
	struct cfi_value *first, second;

	if (m->depth < 2)
		return false;
	second = m->stack[--m->depth];
	first = &m->stack[m->depth - 1];
	if (!subtract && first->base == BASE_NUMBER) {
		struct cfi_value number = *first;

		*first = second;
		second = number;
	}
	if (second.base != BASE_NUMBER)
		return false;
	if (subtract)
		return !__builtin_sub_overflow(first->offset, second.offset, &first->offset);
	return add_number(m, second.offset);
}

static bool dereference(struct machine *m)
{
	struct cfi_value *top;

	if (!m->depth)
		return false;
	top = &m->stack[m->depth - 1];
	if (top->base != BASE_REGISTER || top->offset != (int32_t)top->offset)
		return false;
	top->base = BASE_MEMORY;
	top->at = (int32_t)top->offset;
	top->offset = 0;
	return true;
}

static bool operate(struct machine *m, uint8_t operation, struct reader *r)
{
	uint64_t reg;

	if (operation >= DW_OP_breg0 && operation <= DW_OP_breg31)
		return push_register(m, operation - DW_OP_breg0, reader_sleb(r));
	if (operation >= DW_OP_lit0 && operation <= DW_OP_lit31)
		return push_number(m, operation - DW_OP_lit0);
	switch (operation) {
	case DW_OP_nop:
		return true;
	case DW_OP_bregx:
		reg = reader_uleb(r);
		return push_register(m, reg, reader_sleb(r));
	case DW_OP_const1u:
		return push_number(m, (int64_t)reader_fixed(r, 1));
	case DW_OP_const1s:
		return push_number(m, reader_signed(r, 1));
	case DW_OP_const2u:
		return push_number(m, (int64_t)reader_fixed(r, 2));
	case DW_OP_const2s:
		return push_number(m, reader_signed(r, 2));
	case DW_OP_const4u:
		return push_number(m, (int64_t)reader_fixed(r, 4));
	case DW_OP_const4s:
		return push_number(m, reader_signed(r, 4));
	case DW_OP_const8u:
	case DW_OP_const8s:
		return push_number(m, reader_signed(r, 8));
	case DW_OP_constu:
		return push_number(m, (int64_t)reader_uleb(r));
	case DW_OP_consts:
		return push_number(m, reader_sleb(r));
	case DW_OP_plus_uconst:
		return add_number(m, (int64_t)reader_uleb(r));
	case DW_OP_plus:
		return add_or_subtract(m, false);
	case DW_OP_minus:
		return add_or_subtract(m, true);
	case DW_OP_deref:
		return dereference(m);
	default:
		return false;
	}
}

/*
 * What GNU ld writes for x86-64's lazy PLT (bfd, elf_x86_64_eh_frame_lazy_plt): a stub pushes its
 * number at its byte 6, so from some byte of every 16 on there is a word more on the stack:
 *
 *     rsp + 8 + ((rip & 15) >= N) * 8
 */
static bool is_plt(const uint8_t *expression, size_t size, struct cfi_value *out)
{
	static const uint8_t before[] = { DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and };
	static const uint8_t after[] = { DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus };

	if (size != sizeof(before) + 1 + sizeof(after) ||
	    memcmp(expression, before, sizeof(before)) != 0 ||
	    memcmp(expression + sizeof(before) + 1, after, sizeof(after)) != 0 ||
	    expression[sizeof(before)] < DW_OP_lit0 || expression[sizeof(before)] > DW_OP_lit15)
		return false;
	*out = (struct cfi_value){ .base = BASE_PLT,
				   .at = expression[sizeof(before)] - DW_OP_lit0 };
	return true;
}

bool cfi_evaluate(const uint8_t *expression, size_t size, const struct cfi_value *pushed,
		  struct cfi_value *out)
{
	struct machine m = { .depth = 0 };
	struct reader r = { expression, expression + size, false };

	if (is_plt(expression, size, out))
		return true;
	if (pushed)
		push(&m, *pushed);
	while (reader_left(&r))
		if (!operate(&m, *r.at++, &r) || r.failed)
			return false;
	if (!m.depth)
		return false;
	*out = m.stack[m.depth - 1];
	return true;
}
