/* SPDX-License-Identifier: Apache-2.0 */
/* From the state that a program has reached to a rule for the walker; see cfi_rule.h. */
#include "symbol/cfi_rule.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "symbol/unwind_table.h"

_Static_assert(CFI_RULE_SLOTS >= 2 * UNWIND_FILE_RULES_MAX, "else probing is slow");

#define NO_REGISTER 0xff
/* x86-64 psABI, figure 3.36; "DWARF for the Arm 64-bit Architecture", 4.1. */
static const struct cfi_machine machines[] = {
	{ EM_X86_64, 6, 7, 16, 3, false },
	{ EM_AARCH64, 29, 31, 30, NO_REGISTER, true },
};

const struct cfi_machine *cfi_machine_of(uint16_t machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].machine == machine)
			return &machines[i];
	return NULL;
}

uint32_t cfi_intern_rule(struct cfi *cfi, const struct unwind_rule *rule)
{
	uint32_t slot = (uint32_t)hash_bytes(rule, sizeof(*rule)) % CFI_RULE_SLOTS;

	for (; cfi->rule_slots[slot]; slot = (slot + 1) % CFI_RULE_SLOTS) {
		uint32_t known = cfi->rule_slots[slot] - 1u;

		if (memcmp(&cfi->rules[known], rule, sizeof(*rule)) == 0)
			return known;
	}
	if (cfi->nrules == UNWIND_FILE_RULES_MAX)
		return UNWIND_RULE_UNSUPPORTED;
	GROW(cfi->rules, cfi->nrules, cfi->rules_capacity);
	cfi->rules[cfi->nrules] = *rule;
	cfi->rule_slots[slot] = (uint16_t)++cfi->nrules;
	return cfi->nrules - 1;
}

/* Formulas of a saved register's place that rules have words for. */
static bool is_place(const struct cfi *cfi, const struct cfi_value *v, uint8_t *kind)
{
	if (v->base == BASE_CFA)
		*kind = PLACE_CFA;
	else if (v->base == BASE_REGISTER && v->reg == cfi->machine->sp)
		*kind = PLACE_SP;
	else if (v->base == BASE_REGISTER && v->reg == cfi->machine->fp)
		*kind = PLACE_FP;
	else
		return false;
	return true;
}

static void place(const struct cfi *cfi, const struct cfi_state *state,
		  const struct cfi_saved *saved, uint8_t *kind, int16_t *offset)
{
	struct cfi_value at = saved->value;

	*kind = PLACE_UNKNOWN;
	*offset = 0;
	if (saved->how == SAVED_UNSAID || saved->how == SAVED_SAME) {
		*kind = PLACE_SAME;
		return;
	}
	if (saved->how == SAVED_IS && at.base == BASE_REGISTER && !at.offset &&
	    at.reg < UNWIND_GENERAL_REGISTERS) {
		*kind = PLACE_REGISTER;
		*offset = at.reg;
	}
	if (saved->how != SAVED_AT)
		return;
	/* Frames beyond 32 KiB: AArch64 saves at the frame's lower end, near to sp. */
	if (at.base == BASE_CFA && at.offset != (int16_t)at.offset &&
	    state->cfa.base == BASE_REGISTER &&
	    !__builtin_add_overflow(at.offset, state->cfa.offset, &at.offset)) {
		at.base = BASE_REGISTER;
		at.reg = state->cfa.reg;
	}
	if (at.offset == (int16_t)at.offset && is_place(cfi, &at, kind))
		*offset = (int16_t)at.offset;
}

/* The caller's stack pointer is the CFA, by definition of the latter; a program may say so once
 * more, in other words. */
static bool sp_is_cfa(const struct cfi_state *state)
{
	const struct cfi_saved *sp = &state->saved[CFI_SP];
	const struct cfi_value *cfa = &state->cfa;

	if (sp->how == SAVED_UNSAID)
		return true;
	if (sp->how == SAVED_IS)
		return sp->value.base == BASE_CFA && !sp->value.offset;
	return sp->how == SAVED_AT && sp->value.base == BASE_REGISTER && cfa->base == BASE_MEMORY &&
	       !cfa->offset && sp->value.reg == cfa->reg && sp->value.offset == cfa->at;
}

static bool cfa_rule(const struct cfi *cfi, const struct cfi_value *cfa, struct unwind_rule *rule)
{
	bool sp = cfa->reg == cfi->machine->sp, fp = cfa->reg == cfi->machine->fp;

	if (cfa->offset != (int32_t)cfa->offset || cfa->at != (int16_t)cfa->at)
		return false;
	rule->cfa = (int32_t)cfa->offset;
	rule->cfa_at = (int16_t)cfa->at;
	switch (cfa->base) {
	case BASE_REGISTER:
		rule->cfa_kind = sp ? CFA_SP : fp ? CFA_FP : CFA_REGISTER;
		if (rule->cfa_kind == CFA_REGISTER)
			rule->cfa_register = cfa->reg;
		return sp || fp || cfa->reg < UNWIND_GENERAL_REGISTERS;
	case BASE_MEMORY:
		rule->cfa_kind = sp ? CFA_AT_SP : CFA_AT_FP;
		return sp || fp;
	case BASE_PLT:
		rule->cfa_kind = CFA_PLT;
		return cfi->machine->machine == EM_X86_64;
	default:
		return false;
	}
}

static void add_rbx(const struct cfi_state *state, struct unwind_rule *rule)
{
	const struct cfi_saved *rbx = &state->saved[CFI_RBX];
	const struct cfi_value *at = &rbx->value;

	if (rbx->how == SAVED_UNSAID || rbx->how == SAVED_SAME) {
		rule->flags |= UNWIND_KEEPS_RBX;
	} else if (rbx->how == SAVED_AT && at->base == BASE_CFA &&
		   at->offset == (int16_t)at->offset && state->cfa.base == BASE_REGISTER) {
		rule->flags |= UNWIND_SAVES_RBX;
		rule->cfa_at = (int16_t)at->offset;
	}
}

/*
 * Go says nothing of the frame pointer, though its frames have one. And its scheduler changes
 * stacks in functions without frame, where the CFA is not what the description says, but frame
 * pointers lead back. So descriptions are good where no call was made from: in functions, and
 * beginnings of functions, that have no frame (yet).
 */
static uint32_t go_rule(struct cfi *cfi, struct unwind_rule *rule)
{
	bool no_frame = cfi->machine->links ? rule->ra_kind == PLACE_SAME : rule->cfa == 8;

	if (rule->cfa_kind != CFA_SP || !no_frame)
		return UNWIND_RULE_NONE;
	rule->flags |= UNWIND_LEAF_ONLY;
	return cfi_intern_rule(cfi, rule);
}

uint32_t cfi_rule_of(struct cfi *cfi, const struct cfi_meaning *meaning,
		     const struct cfi_state *state)
{
	const struct cfi_saved *ra = &state->saved[CFI_RA];
	struct unwind_rule rule;

	memset(&rule, 0, sizeof(rule));
	if (ra->how == SAVED_NOWHERE)
		return UNWIND_RULE_END;
	if (!state->has_cfa || !sp_is_cfa(state) || !cfa_rule(cfi, &state->cfa, &rule))
		return UNWIND_RULE_UNSUPPORTED;
	place(cfi, state, ra, &rule.ra_kind, &rule.ra_offset);
	place(cfi, state, &state->saved[CFI_FP], &rule.fp_kind, &rule.fp_offset);
	if (rule.fp_kind == PLACE_REGISTER) {
		rule.fp_kind = PLACE_UNKNOWN;
		rule.fp_offset = 0;
	}
	if (rule.ra_kind == PLACE_UNKNOWN ||
	    (rule.ra_kind == PLACE_SAME &&
	     !(cfi->machine->links && meaning->registers[CFI_RA] == cfi->machine->ra)))
		return UNWIND_RULE_UNSUPPORTED;
	rule.flags = meaning->is_signal ? UNWIND_SIGNAL_FRAME : 0;
	if (meaning->is_go && state->saved[CFI_FP].how == SAVED_UNSAID)
		return go_rule(cfi, &rule);
	if (cfi->tracks_rbx)
		add_rbx(state, &rule);
	return cfi_intern_rule(cfi, &rule);
}
