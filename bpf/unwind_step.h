/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step of a walk: from a frame to its caller. The same code runs in the kernel on a live stack
 * (unwind.bpf.h), in user space on a stack that was sent along, and in tests on made-up memory.
 *
 *     unwind_begin(registers) --> state --unwind_find()--> rule --unwind_apply()--> state of the
 *                                                                                   caller, or the
 *                                                                                   walk's end
 *
 * All that it touches it asks of its source: some small functions, declared below, which the
 * includer defines in its own way.
 *
 * Tables come from files that anybody may have written, and stacks hold anything: whatever they
 * say, a step is bounded, and reads nothing but what the source lets it.
 */
#ifndef PLIMSOLL_BPF_UNWIND_STEP_H
#define PLIMSOLL_BPF_UNWIND_STEP_H

#include "bpf/stack.h"
#include "bpf/unwind.h"

#define UNWIND_INLINE static inline __attribute__((always_inline))

/* What a step says when the walk goes on. */
#define WALK_GOES_ON WALK_ENDS

/* Numbers of rules that are in no array. */
#define RULE_FRAME_RECORD 0x10000 /* *fp is the caller's fp, the return address lies behind it */
#define RULE_SIGNAL_FRAME 0x10001 /* from sp on, the kernel's own layout */
_Static_assert(UNWIND_RULES_MAX <= RULE_FRAME_RECORD, "numbers of their own");

/* Turns of a binary search: one each for UNWIND_SPACE_MAX mappings and 256 rows of a page. */
#define MAPPING_TURNS 12
#define ROW_TURNS     8

/* A walk may go to a lower stack so often: from a signal's stack to that of the thread, from the
 * scheduler's stack of a Go program to that of a goroutine. */
#define STACK_SWITCHES_MAX 2

enum unwind_known {
	KNOWS_FP = 1,	  /* `fp` is its value */
	KNOWS_FP_IN_LEAF, /* likewise, and the walk began with it */
	KNOWS_FP_AT,	  /* it lies at the address `fp`, and is read when it is asked for */
	KNOWS_FP_NOT,	  /* lost */
};

#define RBX	    3 /* its DWARF number */
#define RBX_IN_LEAF 0 /* not saved: the walk began with it */
#define RBX_LOST    1

struct unwind_state {
	__u64 pc, sp;
	__u64 fp; /* see `fp_known` */
	__u64 lr; /* if lr_known */
	/* Where this frame's rbx was saved by those that it called, see unwind.h; or RBX_*. */
	__u64 rbx_at;
	/* Where the kernel saved the registers of this frame when it sent a signal, 0: it did not.
	 */
	__u64 context;
	struct unwind_mapping mapping; /* where the last address was found */
	/* Of a search. In memory, and volatile: so the verifier knows nothing of their values and
	 * takes all turns of the loop for one and the same. */
	volatile __u32 low, count;
	__u8 is_leaf;  /* general registers are those that the walk began with */
	__u8 is_exact; /* pc is where the frame stands, not where a call returns to */
	__u8 lr_known;
	__u8 fp_known; /* enum unwind_known */
	__u8 used_fp;  /* the walk went by the frame pointer that it began with */
	__u32 switches;
};

/* --- what the includer defines --- */

struct unwind_source;
/* 0, or negative: not readable. `size` is a constant. */
UNWIND_INLINE int source_read(const struct unwind_source *source, __u64 address, void *to,
			      __u32 size);
/* How many mappings the process has, and one of them. Here and below, NULL: there is none. */
UNWIND_INLINE __u32 source_mappings(const struct unwind_source *source);
UNWIND_INLINE const struct unwind_mapping *source_mapping(const struct unwind_source *source,
							  __u32 i);
UNWIND_INLINE const struct unwind_table *source_table(const struct unwind_source *source,
						      __u32 number);
/* Where a table's words are, and word `position` there, counted from where the pool begins. */
UNWIND_INLINE void *source_pool(const struct unwind_source *source,
				const struct unwind_table *table);
UNWIND_INLINE const __u32 *source_word(void *pool, __u64 position);
UNWIND_INLINE const struct unwind_rule *source_rule(const struct unwind_source *source,
						    __u32 number);
/* A general register (below UNWIND_GENERAL_REGISTERS) that the walk began with. */
UNWIND_INLINE __u64 source_register(const struct unwind_source *source, __u32 number);

/* --- what the kernel puts on the stack of a signal handler --- */

#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
/* The handler returns to these instructions, the C library's: mov $15, %rax; syscall. */
#define TRAMPOLINE_SIZE 9
#define TRAMPOLINE_CODE                                                    \
	{                                                                  \
		0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, /**/ 0x0f, 0x05, \
	}
/* struct ucontext is at sp, its uc_mcontext 40 bytes in: struct sigcontext_64, r8 first
 * (arch/x86/include/uapi/asm/sigcontext.h). */
#define CONTEXT_AT_SP 40
#define CONTEXT_FP    80
#define CONTEXT_SP    120
#define CONTEXT_PC    128
/* Where the table of glibc's and of the kernel's trampoline says that sp is. */
#define SIGNAL_CFA_AT (CONTEXT_AT_SP + CONTEXT_SP)

/* Offsets by DWARF number: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15. */
UNWIND_INLINE __u32 context_register(__u32 number)
{
	const __u64 first_eight = 0x0f0a08090b0e0c0dULL; /* a byte each, in words */

	return 8 * (number >= 8 ? number - 8 : first_eight >> 8 * number & 0xff);
}
#else
/* mov x8, #139; svc #0 */
#define TRAMPOLINE_SIZE 8
#define TRAMPOLINE_CODE                                              \
	{                                                            \
		0x68, 0x11, 0x80, 0xd2, /**/ 0x01, 0x00, 0x00, 0xd4, \
	}
/* struct rt_sigframe (arch/arm64/kernel/signal.c) is at sp: 128 bytes of siginfo, then struct
 * ucontext whose uc_mcontext is 176 bytes in; behind its fault_address, x0 to x30, sp, pc. */
#define CONTEXT_AT_SP (128 + 176 + 8)
#define CONTEXT_FP    (8 * 29)
#define CONTEXT_LR    (8 * 30)
#define CONTEXT_SP    (8 * 31)
#define CONTEXT_PC    (8 * 32)

UNWIND_INLINE __u32 context_register(__u32 number)
{
	return 8 * number;
}
#endif

/* --- finding the rule of a frame --- */

/* Sets state->mapping to that of the address; 0: in none. */
UNWIND_INLINE int unwind_find_mapping(const struct unwind_source *source,
				      struct unwind_state *state, __u64 address)
{
	const struct unwind_mapping *mapping;

	if (address >= state->mapping.start && address < state->mapping.end)
		return 1;
	state->low = 0;
	state->count = source_mappings(source);
	for (__u32 turn = 0; turn < MAPPING_TURNS; turn++) {
		__u32 half = state->count >> 1;

		if (!half)
			break;
		mapping = source_mapping(source, state->low + half);
		if (!mapping)
			return 0;
		if (mapping->start <= address)
			state->low += half;
		state->count -= half;
	}
	mapping = source_mapping(source, state->low);
	if (!mapping || address < mapping->start || address >= mapping->end)
		return 0;
	state->mapping = *mapping;
	return 1;
}

/* The number of the rule for an address of the file. */
UNWIND_INLINE __u32 unwind_find_row(const struct unwind_source *source, struct unwind_state *state,
				    const struct unwind_table *table, __u64 address)
{
	__u64 page = (address - table->base) >> UNWIND_PAGE_SHIFT;
	__u32 low = address & ((1 << UNWIND_PAGE_SHIFT) - 1);
	__u64 begin = (__u64)table->line * UNWIND_LINE_WORDS;
	const __u32 *first, *next, *row;
	void *pool;

	/* Below the table's base, the page is beyond all. */
	if (page >= table->pages)
		return UNWIND_RULE_NONE;
	pool = source_pool(source, table);
	if (!pool)
		return UNWIND_RULE_NONE;
	first = source_word(pool, begin + page);
	next = source_word(pool, begin + page + 1);
	if (!first || !next || *next <= *first)
		return UNWIND_RULE_NONE;
	state->low = *first;
	state->count = *next - *first;
	for (__u32 turn = 0; turn < ROW_TURNS; turn++) {
		__u32 half = state->count >> 1;

		if (!half)
			break;
		row = source_word(pool, begin + state->low + half);
		if (!row)
			return UNWIND_RULE_NONE;
		if (UNWIND_ROW_LOW(*row) <= low)
			state->low += half;
		state->count -= half;
	}
	row = source_word(pool, begin + state->low);
	return row ? UNWIND_ROW_RULE(*row) : UNWIND_RULE_NONE;
}

/* Does the frame stand at the instructions that a signal handler returns to? */
UNWIND_INLINE int unwind_at_trampoline(const struct unwind_source *source,
				       const struct unwind_state *state)
{
	static const __u8 expected[TRAMPOLINE_SIZE] = TRAMPOLINE_CODE;
	__u8 code[TRAMPOLINE_SIZE];

	if (state->is_exact || source_read(source, state->pc, code, sizeof(code)))
		return 0;
	for (__u32 i = 0; i < TRAMPOLINE_SIZE; i++)
		if (code[i] != expected[i])
			return 0;
	return 1;
}

/* The address that the frame's rule, name and interpreter go by: inside the call that it made. */
UNWIND_INLINE __u64 unwind_address(const struct unwind_state *state)
{
	return state->is_exact ? state->pc : state->pc - 1;
}

/*
 * The word that stands for the frame in a stack, see stack.h; `rule` as unwind_find() found it.
 * What a signal handler returns to made no call either: it begins at that very address.
 */
UNWIND_INLINE __u64 unwind_word(const struct unwind_state *state, __u32 rule)
{
	if (state->is_leaf)
		return state->pc;
	return state->is_exact || rule == RULE_SIGNAL_FRAME ? state->pc + 1 : state->pc;
}

/*
 * Is this frame, of which a table says that a signal is behind it, laid out by the kernel? Then
 * more registers can be had than the table tells of. On arm64 it must be: the kernel's table
 * (arch/arm64/kernel/vdso/sigreturn.S) knows fp and lr of what was interrupted, but not its pc.
 */
UNWIND_INLINE int unwind_is_kernels(const struct unwind_source *source,
				    const struct unwind_state *state,
				    const struct unwind_rule *rule)
{
#ifdef SIGNAL_CFA_AT
	if (rule->cfa_kind == CFA_AT_SP && rule->cfa_at == SIGNAL_CFA_AT)
		return 1;
#else
	(void)rule;
#endif
	return unwind_at_trampoline(source, state);
}

/*
 * WALK_GOES_ON and the number of the frame's rule; WALK_NO_MAPPING, WALK_DEFERRED: its mapping or
 * its table is not known, so neither is whether there is such a frame.
 */
UNWIND_INLINE enum walk_end unwind_find(const struct unwind_source *source,
					struct unwind_state *state, __u32 *number)
{
	__u64 address = unwind_address(state);
	const struct unwind_table *table;
	const struct unwind_rule *rule;

	*number = UNWIND_RULE_NONE;
	if (!unwind_find_mapping(source, state, address))
		return WALK_NO_MAPPING;
	if (state->mapping.table == UNWIND_TABLE_PENDING)
		return WALK_DEFERRED;
	if (state->mapping.table != UNWIND_TABLE_NONE) {
		table = source_table(source, state->mapping.table);
		if (table)
			*number = unwind_find_row(source, state, table,
						  address - state->mapping.bias);
	}
	if (*number == UNWIND_RULE_NONE) {
		*number = unwind_at_trampoline(source, state) ? RULE_SIGNAL_FRAME
							      : RULE_FRAME_RECORD;
		return WALK_GOES_ON;
	}
	rule = source_rule(source, *number);
	if (rule && rule->flags & UNWIND_SIGNAL_FRAME && unwind_is_kernels(source, state, rule))
		*number = RULE_SIGNAL_FRAME;
	if (rule && rule->flags & UNWIND_LEAF_ONLY && !state->is_exact)
		*number = RULE_FRAME_RECORD;
	return WALK_GOES_ON;
}

/* --- applying it --- */

/* The frame pointer's value, which may have to be fetched first. */
UNWIND_INLINE enum walk_end unwind_fetch_fp(const struct unwind_source *source,
					    struct unwind_state *state)
{
	if (state->fp_known == KNOWS_FP)
		return WALK_GOES_ON;
	if (state->fp_known == KNOWS_FP_IN_LEAF) {
		state->used_fp = 1;
		return WALK_GOES_ON;
	}
	if (state->fp_known != KNOWS_FP_AT)
		return WALK_UNSUPPORTED;
	if (source_read(source, state->fp, &state->fp, sizeof(state->fp)))
		return WALK_UNREADABLE;
	state->fp_known = KNOWS_FP;
	return WALK_GOES_ON;
}

/* Pointer authentication (arm64) signs return addresses in their upper bits. Code lies in the
 * lower 48 bits even where there are 52: the kernel maps higher only on request. */
UNWIND_INLINE __u64 unwind_strip(__u64 address)
{
#ifdef CONTEXT_LR
	return address & ((1ULL << 48) - 1);
#else
	return address;
#endif
}

/* Takes the stack pointer to the caller's; a stack grows downwards, so that is above. */
UNWIND_INLINE enum walk_end unwind_raise_sp(struct unwind_state *state, __u64 sp)
{
	if (sp <= state->sp && (sp == state->sp || state->switches++ >= STACK_SWITCHES_MAX))
		return WALK_NO_PROGRESS;
	state->sp = sp;
	return WALK_GOES_ON;
}

UNWIND_INLINE enum walk_end unwind_return_to(struct unwind_state *state, __u64 pc)
{
	state->pc = unwind_strip(pc);
	state->is_leaf = 0;
	state->is_exact = 0;
	state->lr_known = 0;
	state->context = 0;
	return state->pc ? WALK_GOES_ON : WALK_WHOLE;
}

UNWIND_INLINE enum walk_end unwind_apply_record(const struct unwind_source *source,
						struct unwind_state *state)
{
	__u64 record[2], fp;
	enum walk_end end;

	end = unwind_fetch_fp(source, state);
	if (end != WALK_GOES_ON)
		return end;
	fp = state->fp;
	/* At the end of the chain, unless it is the leaf's, which may have none. */
	if (!fp)
		return state->is_leaf ? WALK_FRAME_POINTER : WALK_WHOLE;
	if (fp & 7 || source_read(source, fp, record, sizeof(record)))
		return WALK_FRAME_POINTER;
	end = unwind_raise_sp(state, fp + sizeof(record));
	if (end != WALK_GOES_ON)
		return end;
	state->rbx_at = RBX_LOST;
	state->fp = record[0];
	state->fp_known = KNOWS_FP;
#ifdef CONTEXT_LR
	/* Here the record is at the lower end of its frame: the caller's sp lies somewhere above,
	 * and compilers that go by sp rather than fp have the caller's record there. */
	if (state->fp > state->sp)
		state->sp = state->fp;
#endif
	return unwind_return_to(state, record[1]);
}

UNWIND_INLINE enum walk_end unwind_apply_signal(const struct unwind_source *source,
						struct unwind_state *state)
{
	__u64 context = state->sp + CONTEXT_AT_SP, sp_pc[2];

	/* A signal's stack may be anywhere, so the walk may go up and down; its depth is bounded.
	 */
	if (source_read(source, context + CONTEXT_SP, sp_pc, sizeof(sp_pc)))
		return WALK_UNREADABLE;
	state->sp = sp_pc[0];
	state->pc = sp_pc[1];
	state->fp = context + CONTEXT_FP;
	state->fp_known = KNOWS_FP_AT;
#ifdef CONTEXT_LR
	if (source_read(source, context + CONTEXT_LR, &state->lr, sizeof(state->lr)))
		return WALK_UNREADABLE;
	state->lr_known = 1;
#endif
	state->rbx_at = context + context_register(RBX);
	state->context = context;
	state->is_leaf = 0;
	state->is_exact = 1;
	return WALK_GOES_ON;
}

/* A general register of this frame, as far as it can be told. */
UNWIND_INLINE enum walk_end unwind_fetch_register(const struct unwind_source *source,
						  struct unwind_state *state, __u32 number,
						  __u64 *value)
{
	__u64 at;

	if (number >= UNWIND_GENERAL_REGISTERS)
		return WALK_UNSUPPORTED;
	if (state->is_leaf || (number == RBX && state->rbx_at == RBX_IN_LEAF)) {
		*value = source_register(source, number);
		return WALK_GOES_ON;
	}
	if (state->context)
		at = state->context + context_register(number);
	else if (number == RBX && state->rbx_at != RBX_LOST)
		at = state->rbx_at;
	else
		return WALK_UNSUPPORTED;
	return source_read(source, at, value, sizeof(*value)) ? WALK_UNREADABLE : WALK_GOES_ON;
}

UNWIND_INLINE enum walk_end unwind_find_cfa(const struct unwind_source *source,
					    struct unwind_state *state,
					    const struct unwind_rule *rule, __u64 *cfa)
{
	enum walk_end end;
	__u64 base;

	switch (rule->cfa_kind) {
	case CFA_SP:
		*cfa = state->sp + rule->cfa;
		return WALK_GOES_ON;
	case CFA_FP:
		end = unwind_fetch_fp(source, state);
		*cfa = state->fp + rule->cfa;
		return end;
	case CFA_PLT:
		*cfa = state->sp + 8 + ((state->pc & 15) >= (__u16)rule->cfa_at ? 8 : 0);
		return WALK_GOES_ON;
	case CFA_REGISTER:
		end = unwind_fetch_register(source, state, rule->cfa_register, &base);
		if (end != WALK_GOES_ON)
			return end;
		break;
	case CFA_AT_SP:
		if (source_read(source, state->sp + rule->cfa_at, &base, sizeof(base)))
			return WALK_UNREADABLE;
		break;
	case CFA_AT_FP:
		end = unwind_fetch_fp(source, state);
		if (end != WALK_GOES_ON)
			return end;
		if (source_read(source, state->fp + rule->cfa_at, &base, sizeof(base)))
			return WALK_UNREADABLE;
		break;
	default:
		return WALK_UNSUPPORTED;
	}
	*cfa = base + rule->cfa;
	return WALK_GOES_ON;
}

/* Where a register of the caller was saved; `place` is neither PLACE_SAME nor PLACE_UNKNOWN. */
UNWIND_INLINE enum walk_end unwind_find_saved(const struct unwind_source *source,
					      struct unwind_state *state, __u8 place, __s16 offset,
					      __u64 cfa, __u64 *at)
{
	enum walk_end end = WALK_GOES_ON;

	switch (place) {
	case PLACE_CFA:
		*at = cfa + offset;
		break;
	case PLACE_SP:
		*at = state->sp + offset;
		break;
	case PLACE_FP:
		end = unwind_fetch_fp(source, state);
		*at = state->fp + offset;
		break;
	default:
		end = WALK_UNSUPPORTED;
	}
	return end;
}

UNWIND_INLINE enum walk_end unwind_find_return(const struct unwind_source *source,
					       struct unwind_state *state,
					       const struct unwind_rule *rule, __u64 cfa, __u64 *pc)
{
	enum walk_end end;
	__u64 at = 0;

	if (rule->ra_kind == PLACE_SAME) {
		*pc = state->lr;
		return state->lr_known ? WALK_GOES_ON : WALK_NO_PROGRESS;
	}
	if (rule->ra_kind == PLACE_REGISTER)
		return unwind_fetch_register(source, state, (__u16)rule->ra_offset, pc);
	end = unwind_find_saved(source, state, rule->ra_kind, rule->ra_offset, cfa, &at);
	if (end == WALK_GOES_ON && source_read(source, at, pc, sizeof(*pc)))
		end = WALK_UNREADABLE;
	return end;
}

/* The caller's frame pointer: not its value yet, since most callers do not need it. */
UNWIND_INLINE enum walk_end unwind_find_fp(const struct unwind_source *source,
					   struct unwind_state *state,
					   const struct unwind_rule *rule, __u64 cfa)
{
	enum walk_end end = WALK_GOES_ON;

	if (rule->fp_kind == PLACE_UNKNOWN) {
		state->fp_known = KNOWS_FP_NOT;
	} else if (rule->fp_kind != PLACE_SAME) {
		end = unwind_find_saved(source, state, rule->fp_kind, rule->fp_offset, cfa,
					&state->fp);
		state->fp_known = KNOWS_FP_AT;
	}
	return end;
}

UNWIND_INLINE enum walk_end unwind_apply_rule(const struct unwind_source *source,
					      struct unwind_state *state,
					      const struct unwind_rule *rule)
{
	__u64 cfa = 0, fp_pc[2] = { 0 };
	enum walk_end end;

	if (rule->cfa_kind == CFA_END)
		return WALK_WHOLE;
	end = unwind_find_cfa(source, state, rule, &cfa);
	if (end != WALK_GOES_ON)
		return end;
	if (rule->ra_kind == PLACE_CFA && rule->fp_kind == PLACE_CFA &&
	    rule->fp_offset == rule->ra_offset - 8) {
		/* Next to each other, by the usual prologue of code with frame pointers. */
		if (source_read(source, cfa + rule->fp_offset, fp_pc, sizeof(fp_pc)))
			return WALK_UNREADABLE;
		state->fp = fp_pc[0];
		state->fp_known = KNOWS_FP;
	} else {
		end = unwind_find_return(source, state, rule, cfa, &fp_pc[1]);
		if (end == WALK_GOES_ON)
			end = unwind_find_fp(source, state, rule, cfa);
		if (end != WALK_GOES_ON)
			return end;
	}
	/* A leaf that has nothing on the stack (arm64; x86-64's vfork) is its caller's equal there.
	 */
	if (cfa != state->sp || (rule->ra_kind != PLACE_SAME && rule->ra_kind != PLACE_REGISTER)) {
		end = unwind_raise_sp(state, cfa);
		if (end != WALK_GOES_ON)
			return end;
	}
	if (rule->flags & UNWIND_SAVES_RBX)
		state->rbx_at = cfa + rule->cfa_at;
	else if (!(rule->flags & UNWIND_KEEPS_RBX))
		state->rbx_at = RBX_LOST;
	end = unwind_return_to(state, fp_pc[1]);
	state->is_exact = !!(rule->flags & UNWIND_SIGNAL_FRAME);
	return end;
}

/* To the caller's state; other than WALK_GOES_ON, the frame was the last and `state` is void. */
UNWIND_INLINE enum walk_end unwind_apply(const struct unwind_source *source,
					 struct unwind_state *state, __u32 number)
{
	const struct unwind_rule *rule;

	if (number == RULE_FRAME_RECORD)
		return unwind_apply_record(source, state);
	if (number == RULE_SIGNAL_FRAME)
		return unwind_apply_signal(source, state);
	rule = source_rule(source, number);
	return rule ? unwind_apply_rule(source, state, rule) : WALK_UNSUPPORTED;
}

UNWIND_INLINE void unwind_begin(const struct unwind_registers *registers,
				struct unwind_state *state)
{
	state->pc = registers->pc;
	state->sp = registers->sp;
	state->fp = registers->fp;
	state->lr = registers->lr;
	state->rbx_at = RBX_IN_LEAF;
	state->context = 0;
	state->mapping.start = 0;
	state->mapping.end = 0;
	state->is_leaf = 1;
	state->is_exact = 1;
	state->lr_known = 1;
	state->fp_known = KNOWS_FP_IN_LEAF;
	state->used_fp = 0;
	state->switches = 0;
}

/* What a walk says that ended because unwind_find() said so: where a frame pointer led to a place
 * without code, it was none. `last_rule` is that of the frame before. */
UNWIND_INLINE enum walk_end unwind_astray(enum walk_end end, __u32 last_rule)
{
	return end == WALK_NO_MAPPING && last_rule == RULE_FRAME_RECORD ? WALK_FRAME_POINTER : end;
}

#endif
