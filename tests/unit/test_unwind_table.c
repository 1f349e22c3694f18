/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From call frame information, put together by hand, to a table: what programs mean, what does not
 * fit, what is corrupt. Real files are the matter of test_unwind_truth.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cfi_fixture.h"
#include "symbol/unwind_table.h"

/* --- a file, and its table --- */

static int try_build(const struct made_file *file, const struct made_file *debug_file,
		     struct unwind_built *built)
{
	struct buffer bytes = { 0 }, debug_bytes = { 0 };
	struct elf elf = { 0 }, debug = { 0 };
	int err;

	put_file(&bytes, file);
	err = elf_open(&(struct image){ (uint8_t *)bytes.data, bytes.size, -1 }, &elf);
	assert_int_equal(err, 0);
	if (debug_file) {
		put_file(&debug_bytes, debug_file);
		err = elf_open(&(struct image){ (uint8_t *)debug_bytes.data, debug_bytes.size, -1 },
			       &debug);
		assert_int_equal(err, 0);
	}
	err = unwind_build(&elf, debug_file ? &debug : NULL, built);
	if (!err)
		assert_int_equal(unwind_built_check(built), 0);
	elf_close(&elf);
	elf_close(&debug);
	buffer_free(&bytes);
	buffer_free(&debug_bytes);
	return err;
}

/* Takes the section with it. */
static struct unwind_built build(uint16_t machine, struct buffer *eh_frame)
{
	struct made_file file = { .machine = machine, .eh_frame = eh_frame };
	struct unwind_built built;

	assert_int_equal(try_build(&file, NULL, &built), 0);
	buffer_free(eh_frame);
	return built;
}

static struct unwind_built build_x86_64(struct buffer *eh_frame)
{
	return build(EM_X86_64, eh_frame);
}

static void assert_rule(const struct unwind_built *built, uint64_t address,
			struct unwind_rule expected)
{
	const struct unwind_rule *rule = unwind_built_find(built, address);

	assert_int_equal(rule->cfa_kind, expected.cfa_kind);
	assert_int_equal(rule->cfa_register, expected.cfa_register);
	assert_int_equal(rule->cfa, expected.cfa);
	assert_int_equal(rule->cfa_at, expected.cfa_at);
	assert_int_equal(rule->ra_kind, expected.ra_kind);
	assert_int_equal(rule->ra_offset, expected.ra_offset);
	assert_int_equal(rule->fp_kind, expected.fp_kind);
	assert_int_equal(rule->fp_offset, expected.fp_offset);
	assert_int_equal(rule->flags, expected.flags);
}

static unsigned kind_at(const struct unwind_built *built, uint64_t address)
{
	return unwind_built_find(built, address)->cfa_kind;
}

/* sp + cfa, the return address right below, the frame pointer untouched. */
static struct unwind_rule by_sp(int32_t cfa)
{
	return (struct unwind_rule){
		.cfa_kind = CFA_SP, .cfa = cfa, .ra_kind = PLACE_CFA, .ra_offset = -8
	};
}

/* The same with the frame pointer pushed behind the return address. */
static struct unwind_rule with_fp(struct unwind_rule rule)
{
	rule.fp_kind = PLACE_CFA;
	rule.fp_offset = -16;
	return rule;
}

/* A table of one function of 64 bytes at CODE with this program. */
static struct unwind_built build_one(const uint8_t *program, size_t size)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);

	put_fde(&b, cie, CODE, 64, program, size);
	return build_x86_64(&b);
}

/* --- what programs mean --- */

static void rows_follow_the_program(void **state)
{
	/* push %rbp; mov %rsp, %rbp; ...; leave; ret */
	struct unwind_built built = build_one(
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2,
		      DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6, DW_CFA_advance_loc1, 50,
		      DW_CFA_restore | 6, DW_CFA_def_cfa, 7, 8));
	struct unwind_rule framed = with_fp(by_sp(16));

	(void)state;
	assert_rule(&built, CODE, by_sp(8));
	assert_rule(&built, CODE + 1, framed);
	assert_rule(&built, CODE + 3, framed);
	framed.cfa_kind = CFA_FP;
	assert_rule(&built, CODE + 4, framed);
	assert_rule(&built, CODE + 53, framed);
	assert_rule(&built, CODE + 54, by_sp(8));
	assert_rule(&built, CODE + 63, by_sp(8));
	assert_int_equal(kind_at(&built, CODE - 1), CFA_NONE);
	assert_int_equal(kind_at(&built, CODE + 64), CFA_NONE);
	assert_int_equal(kind_at(&built, 0), CFA_NONE);
	assert_int_equal(kind_at(&built, UINT64_MAX), CFA_NONE);
	/* Four, and the one behind the end. */
	assert_int_equal(built.rows, 5);
	assert_int_equal(built.functions, 1);
	assert_int_equal(built.functions_refused, 0);
	assert_int_equal(built.rows_unsupported, 0);
	unwind_built_free(&built);
}

static void aarch64_frames_are_found(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_aarch64_cie(&b);
	struct unwind_built built;

	(void)state;
	/* paciasp; stp x29, x30, [sp, #-32]!; mov x29, sp */
	put_fde(&b, cie, CODE, 64,
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_AARCH64_negate_ra_state,
		      DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 32, DW_CFA_offset | 30, 3,
		      DW_CFA_offset | 29, 4, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_register, 29));
	/* sub sp, sp, #40000; stp x29, x30, [sp]: too far from the CFA, but not from sp */
	put_fde(&b, cie, CODE + 64, 64,
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 0xc0, 0xb8, 2,
		      DW_CFA_offset | 29, 0x88, 0x27, DW_CFA_offset | 30, 0x87, 0x27));
	built = build(EM_AARCH64, &b);
	assert_rule(&built, CODE, (struct unwind_rule){ .cfa_kind = CFA_SP });
	assert_rule(&built, CODE + 4, (struct unwind_rule){ .cfa_kind = CFA_SP });
	struct unwind_rule framed = { .cfa_kind = CFA_SP,
				      .cfa = 32,
				      .ra_kind = PLACE_CFA,
				      .ra_offset = -24,
				      .fp_kind = PLACE_CFA,
				      .fp_offset = -32 };
	assert_rule(&built, CODE + 8, framed);
	framed.cfa_kind = CFA_FP;
	assert_rule(&built, CODE + 12, framed);
	assert_rule(&built, CODE + 68,
		    (struct unwind_rule){ .cfa_kind = CFA_SP,
					  .cfa = 40000,
					  .ra_kind = PLACE_SP,
					  .ra_offset = 8,
					  .fp_kind = PLACE_SP });
	unwind_built_free(&built);
}

static void remembered_states_come_back_in_their_order(void **state)
{
	struct unwind_built built = build_one(
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_remember_state,
		      DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 24, DW_CFA_remember_state,
		      DW_CFA_advance_loc | 1, DW_CFA_def_cfa, 6, 32, DW_CFA_offset | 6, 2,
		      DW_CFA_advance_loc | 1, DW_CFA_restore_state, DW_CFA_advance_loc | 1,
		      DW_CFA_restore_state));

	(void)state;
	assert_rule(&built, CODE + 1, by_sp(16));
	assert_rule(&built, CODE + 2, by_sp(24));
	assert_int_equal(kind_at(&built, CODE + 3), CFA_FP);
	assert_rule(&built, CODE + 4, by_sp(24));
	assert_rule(&built, CODE + 5, by_sp(16));
	unwind_built_free(&built);
}

static void every_instruction_is_understood(void **state)
{
	/* The same row again and again, said in different words; then one that differs. */
	struct unwind_built built = build_one(BYTES(
		DW_CFA_nop, DW_CFA_def_cfa_offset, 16, DW_CFA_offset_extended, 6, 2,
		DW_CFA_advance_loc | 1, DW_CFA_def_cfa_sf, 7, 0x7e, DW_CFA_offset_extended_sf, 6, 2,
		DW_CFA_advance_loc1, 1, DW_CFA_def_cfa_offset_sf, 0x7e, DW_CFA_restore_extended, 6,
		DW_CFA_GNU_negative_offset_extended, 6, 0x7e - 0x80 + 0x80, DW_CFA_offset | 6, 2,
		DW_CFA_advance_loc2, 1, 0, DW_CFA_GNU_args_size, 32, DW_CFA_val_offset, 7, 0,
		DW_CFA_advance_loc4, 1, 0, 0, 0, DW_CFA_val_offset_sf, 7, 0, DW_CFA_same_value, 3,
		DW_CFA_expression, 3, 2, DW_OP_breg0, 1, DW_CFA_register, 12, 3, DW_CFA_undefined,
		13, DW_CFA_val_expression, 14, 2, DW_OP_breg0, 1, DW_CFA_advance_loc | 1,
		DW_CFA_same_value, 6));

	(void)state;
	for (uint64_t at = CODE; at < CODE + 5; at++)
		assert_rule(&built, at, with_fp(by_sp(16)));
	assert_rule(&built, CODE + 5, by_sp(16));
	assert_int_equal(built.rows, 3);
	unwind_built_free(&built);
}

static void set_loc_goes_where_it_says(void **state)
{
	struct buffer b = { 0 }, program = { 0 };
	size_t cie = put_x86_64_cie(&b), header = 4 + 4 + 4 + 4 + 1;
	struct unwind_built built;

	(void)state;
	put_fixed(&program, DW_CFA_set_loc, 1);
	put_fixed(&program, CODE + 10 - (EH_ADDRESS + b.size + header + 1), 4);
	put_fixed(&program, DW_CFA_def_cfa_offset, 1);
	put_uleb(&program, 48);
	put_fde(&b, cie, CODE, 64, (const uint8_t *)program.data, program.size);
	buffer_free(&program);
	built = build_x86_64(&b);
	assert_rule(&built, CODE + 9, by_sp(8));
	assert_rule(&built, CODE + 10, by_sp(48));
	unwind_built_free(&built);
}

static void the_undefined_return_address_ends_the_stack(void **state)
{
	struct unwind_built built = build_one(BYTES(DW_CFA_undefined, 16));

	(void)state;
	assert_int_equal(kind_at(&built, CODE + 5), CFA_END);
	unwind_built_free(&built);
}

static void a_return_address_may_be_in_a_register(void **state)
{
	/* glibc's vfork: pop %rdi; syscall; push %rdi */
	struct unwind_built built = build_one(
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 0, DW_CFA_register, 16, 5));

	(void)state;
	assert_rule(&built, CODE + 1,
		    (struct unwind_rule){
			    .cfa_kind = CFA_SP, .ra_kind = PLACE_REGISTER, .ra_offset = 5 });
	unwind_built_free(&built);
}

static void stacks_may_be_found_by_expressions(void **state)
{
	static const struct {
		uint8_t size, expression[16];
		struct unwind_rule expected;
	} cases[] = {
		/* realigned: gcc's DRAP */
		{ 3, { DW_OP_breg6, 0x78, DW_OP_deref }, { .cfa_kind = CFA_AT_FP, .cfa_at = -8 } },
		/* OpenSSL's assembly */
		{ 5,
		  { DW_OP_breg7, 40, DW_OP_deref, DW_OP_plus_uconst, 8 },
		  { .cfa_kind = CFA_AT_SP, .cfa_at = 40, .cfa = 8 } },
		{ 5,
		  { DW_OP_breg7, 40, DW_OP_deref, DW_OP_lit8, DW_OP_plus },
		  { .cfa_kind = CFA_AT_SP, .cfa_at = 40, .cfa = 8 } },
		{ 6,
		  { DW_OP_lit8, DW_OP_bregx, 7, 40, DW_OP_deref, DW_OP_plus },
		  { .cfa_kind = CFA_AT_SP, .cfa_at = 40, .cfa = 8 } },
		{ 4,
		  { DW_OP_breg7, 16, DW_OP_lit8, DW_OP_minus },
		  { .cfa_kind = CFA_SP, .cfa = 8 } },
		{ 5,
		  { DW_OP_breg6, 0, DW_OP_const2s, 0xf0, 0xff },
		  { .cfa_kind = CFA_UNSUPPORTED } },
		{ 6,
		  { DW_OP_breg6, 0, DW_OP_const2s, 0xf0, 0xff, DW_OP_plus },
		  { .cfa_kind = CFA_FP, .cfa = -16 } },
		{ 2, { DW_OP_breg10, 0 }, { .cfa_kind = CFA_REGISTER, .cfa_register = 10 } },
		/* as GNU ld has it, and what looks like it */
		{ 11,
		  { DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and, DW_OP_lit11, DW_OP_ge,
		    DW_OP_lit3, DW_OP_shl, DW_OP_plus },
		  { .cfa_kind = CFA_PLT, .cfa_at = 11 } },
		{ 11,
		  { DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and, DW_OP_lit11, DW_OP_ge,
		    DW_OP_lit4, DW_OP_shl, DW_OP_plus },
		  { .cfa_kind = CFA_UNSUPPORTED } },
		/* nothing that rules have words for */
		{ 4,
		  { DW_OP_breg7, 8, DW_OP_deref, DW_OP_deref },
		  { .cfa_kind = CFA_UNSUPPORTED } },
		{ 1, { DW_OP_lit0 }, { .cfa_kind = CFA_UNSUPPORTED } },
		{ 1, { DW_OP_deref }, { .cfa_kind = CFA_UNSUPPORTED } },
		{ 1, { DW_OP_plus }, { .cfa_kind = CFA_UNSUPPORTED } },
		{ 2, { DW_OP_plus_uconst, 1 }, { .cfa_kind = CFA_UNSUPPORTED } },
		{ 1, { DW_OP_breg7 }, { .cfa_kind = CFA_UNSUPPORTED } },
		{ 0, { 0 }, { .cfa_kind = CFA_UNSUPPORTED } },
		{ 6,
		  { DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_breg7, 0 },
		  { .cfa_kind = CFA_UNSUPPORTED } },
		{ 3, { DW_OP_bregx, 33, 0 }, { .cfa_kind = CFA_UNSUPPORTED } },
		/* 40,000 from sp: too far */
		{ 5, { DW_OP_breg7, 0xc0, 0xb8, 2, DW_OP_deref }, { .cfa_kind = CFA_UNSUPPORTED } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t program[32] = { DW_CFA_def_cfa_expression, cases[i].size };
		struct unwind_rule expected = cases[i].expected;
		struct unwind_built built;

		memcpy(program + 2, cases[i].expression, cases[i].size);
		built = build_one(program, 2u + cases[i].size);
		if (expected.cfa_kind == CFA_UNSUPPORTED) {
			assert_int_equal(kind_at(&built, CODE), CFA_UNSUPPORTED);
			assert_int_equal(built.rows_unsupported, 1);
		} else {
			expected.ra_kind = PLACE_CFA;
			expected.ra_offset = -8;
			assert_rule(&built, CODE, expected);
		}
		unwind_built_free(&built);
	}
}

static void a_realigned_frame_keeps_its_frame_pointer(void **state)
{
	struct unwind_built built =
		build_one(BYTES(DW_CFA_def_cfa, 10, 0, DW_CFA_advance_loc | 1, DW_CFA_expression, 6,
				2, DW_OP_breg6, 0, DW_CFA_advance_loc | 1,
				DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref));
	struct unwind_rule rule = {
		.cfa_kind = CFA_REGISTER, .cfa_register = 10, .ra_kind = PLACE_CFA, .ra_offset = -8
	};

	(void)state;
	assert_rule(&built, CODE, rule);
	rule.fp_kind = PLACE_FP;
	assert_rule(&built, CODE + 1, rule);
	rule.cfa_kind = CFA_AT_FP;
	rule.cfa_register = 0;
	rule.cfa_at = -8;
	assert_rule(&built, CODE + 2, rule);
	unwind_built_free(&built);
}

static void a_signal_frame_is_read_from_the_stack(void **state)
{
	struct buffer b = { 0 };
	struct cie_parts parts = {
		0, 1, "zRS", 1, -8, 16, BYTES(DW_EH_PE_pcrel | DW_EH_PE_sdata4), NO_BYTES
	};
	size_t cie = put_cie(&b, &parts);
	struct unwind_built built;

	(void)state;
	/* As glibc's __restore_rt: rsp at 160, rbp at 120, rip at 168. */
	put_fde(&b, cie, CODE, 10,
		BYTES(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref,
		      DW_CFA_expression, 6, 3, DW_OP_breg7, 0xf8, 0, DW_CFA_expression, 7, 3,
		      DW_OP_breg7, 0xa0, 1, DW_CFA_expression, 16, 3, DW_OP_breg7, 0xa8, 1));
	/* An sp that is not the CFA cannot be said. */
	put_fde(&b, cie, CODE + 64, 10,
		BYTES(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref,
		      DW_CFA_expression, 7, 3, DW_OP_breg7, 0xa8, 1, DW_CFA_expression, 16, 3,
		      DW_OP_breg7, 0xa8, 1));
	built = build_x86_64(&b);
	assert_rule(&built, CODE,
		    (struct unwind_rule){ .cfa_kind = CFA_AT_SP,
					  .cfa_at = 160,
					  .ra_kind = PLACE_SP,
					  .ra_offset = 168,
					  .fp_kind = PLACE_SP,
					  .fp_offset = 120,
					  .flags = UNWIND_SIGNAL_FRAME });
	assert_int_equal(kind_at(&built, CODE + 64), CFA_UNSUPPORTED);
	unwind_built_free(&built);
}

static void a_lost_frame_pointer_is_no_obstacle(void **state)
{
	static const struct {
		uint8_t size, program[8];
	} cases[] = {
		{ 2, { DW_CFA_undefined, 6 } },
		{ 3, { DW_CFA_register, 6, 9 } },
		{ 5, { DW_CFA_expression, 6, 2, DW_OP_breg3, 0 } },
		{ 5, { DW_CFA_val_expression, 6, 2, DW_OP_breg7, 0 } },
		{ 3, { DW_CFA_val_offset, 6, 2 } },
		{ 5, { DW_CFA_offset_extended, 6, 0x80, 0x80, 4 } }, /* 512 KiB below */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unwind_built built = build_one(cases[i].program, cases[i].size);
		struct unwind_rule rule = by_sp(8);

		rule.fp_kind = PLACE_UNKNOWN;
		assert_rule(&built, CODE, rule);
		unwind_built_free(&built);
	}
}

static void what_rules_cannot_say_is_counted(void **state)
{
	static const struct {
		uint8_t size, program[12];
	} cases[] = {
		{ 2, { DW_CFA_same_value, 16 } }, /* x86-64 has no link register */
		{ 5, { DW_CFA_val_expression, 16, 2, DW_OP_breg3, 1 } },
		{ 5, { DW_CFA_expression, 16, 2, DW_OP_breg3, 0 } },
		{ 3, { DW_CFA_def_cfa, 17, 0 } }, /* xmm0 */
		{ 3, { DW_CFA_register, 7, 8 } }, /* longjmp */
		{ 3, { DW_CFA_offset_extended, 7, 2 } },
		{ 3, { DW_CFA_val_offset, 7, 1 } },
		{ 7, { DW_CFA_def_cfa_offset, 0x80, 0x80, 0x80, 0x80, 0x10, 0 } },
		{ 5, { DW_CFA_offset_extended, 16, 0x80, 0x80, 4 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unwind_built built = build_one(cases[i].program, cases[i].size);

		assert_int_equal(kind_at(&built, CODE + 63), CFA_UNSUPPORTED);
		assert_int_equal(built.rows_unsupported, 1);
		assert_int_equal(built.functions_refused, 0);
		unwind_built_free(&built);
	}
}

static void frames_by_rbx_make_all_rules_tell_of_it(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;
	struct unwind_rule rule = by_sp(16);

	(void)state;
	/* The resolver, and a function that saves rbx. */
	put_fde(&b, cie, CODE, 64,
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa, 3, 24, DW_CFA_offset | 3, 3));
	put_fde(&b, cie, CODE + 64, 64,
		BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 3, 2,
		      DW_CFA_advance_loc | 1, DW_CFA_undefined, 3));
	built = build_x86_64(&b);
	assert_rule(&built, CODE + 1,
		    (struct unwind_rule){ .cfa_kind = CFA_REGISTER,
					  .cfa_register = 3,
					  .cfa = 24,
					  .ra_kind = PLACE_CFA,
					  .ra_offset = -8,
					  .cfa_at = -24,
					  .flags = UNWIND_SAVES_RBX });
	rule.flags = UNWIND_SAVES_RBX;
	rule.cfa_at = -16;
	assert_rule(&built, CODE + 65, rule);
	assert_rule(&built, CODE + 66, by_sp(16));
	rule = by_sp(8);
	rule.flags = UNWIND_KEEPS_RBX;
	assert_rule(&built, CODE + 64, rule);
	unwind_built_free(&built);
}

/* --- entries --- */

static void every_encoding_of_addresses_is_read(void **state)
{
	static const struct {
		uint8_t encoding, size;
		bool understood;
	} cases[] = {
		{ DW_EH_PE_absptr, 8, true },
		{ DW_EH_PE_udata4, 4, true },
		{ DW_EH_PE_sdata4, 4, true },
		{ DW_EH_PE_udata8, 8, true },
		{ DW_EH_PE_sdata8, 8, true },
		{ DW_EH_PE_uleb128, 0, true },
		{ DW_EH_PE_sleb128, 0, true },
		{ DW_EH_PE_pcrel | DW_EH_PE_absptr, 8, true },
		{ DW_EH_PE_pcrel | DW_EH_PE_sdata4, 4, true },
		{ DW_EH_PE_pcrel | DW_EH_PE_sdata8, 8, true },
		{ DW_EH_PE_datarel | DW_EH_PE_sdata4, 4, false },
		{ DW_EH_PE_textrel | DW_EH_PE_sdata4, 4, false },
		{ DW_EH_PE_funcrel | DW_EH_PE_sdata4, 4, false },
		{ DW_EH_PE_aligned, 8, false },
		{ DW_EH_PE_indirect | DW_EH_PE_pcrel | DW_EH_PE_sdata4, 4, false },
		{ DW_EH_PE_omit, 4, false },
		{ 0x07, 4, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buffer b = { 0 };
		struct cie_parts parts = { 0,
					   1,
					   "zR",
					   1,
					   -8,
					   16,
					   &cases[i].encoding,
					   1,
					   BYTES(DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1) };
		size_t cie = put_cie(&b, &parts), at = begin_entry(&b);
		struct made_file file = { .machine = EM_X86_64, .eh_frame = &b };
		struct unwind_built built;
		uint64_t start = CODE + 0x100;

		put_fixed(&b, b.size - cie, 4);
		if ((cases[i].encoding & 0x70) == DW_EH_PE_pcrel)
			start -= EH_ADDRESS + b.size;
		if (cases[i].size) {
			put_fixed(&b, start, cases[i].size);
			put_fixed(&b, 0x20, cases[i].size);
		} else if (cases[i].encoding & DW_EH_PE_signed) {
			put_sleb(&b, (int64_t)start);
			put_uleb(&b, 0x20);
		} else {
			put_uleb(&b, start);
			put_uleb(&b, 0x20);
		}
		put_uleb(&b, 0);
		end_entry(&b, at);
		if (cases[i].understood) {
			built = build_x86_64(&b);
			assert_int_equal(kind_at(&built, CODE + 0xff), CFA_NONE);
			assert_rule(&built, CODE + 0x100, by_sp(8));
			assert_rule(&built, CODE + 0x11f, by_sp(8));
			assert_int_equal(kind_at(&built, CODE + 0x120), CFA_NONE);
			unwind_built_free(&built);
		} else {
			assert_int_equal(try_build(&file, NULL, &built), -ENODATA);
			buffer_free(&b);
		}
	}
}

static void augmentations_are_read_or_refused(void **state)
{
	static const struct {
		const char *augmentation;
		uint8_t size, data[16];
		bool understood;
	} cases[] = {
		/* C++: personality and language-specific data */
		{ "zPLR", 7, { 0x9b, 1, 2, 3, 4, 0x1b, 0x1b }, true },
		{ "zPLR", 11, { DW_EH_PE_absptr, 1, 2, 3, 4, 5, 6, 7, 8, 0x1b, 0x1b }, true },
		{ "zPLR", 5, { DW_EH_PE_uleb128, 0x81, 1, 0x1b, 0x1b }, true },
		{ "zRB", 1, { 0x1b }, true },
		{ "zR", 3, { 0x1b, 9, 9 }, true },
		{ "zRX", 1, { 0x1b }, false },
		{ "zR", 0, { 0 }, false },
		{ "zPR", 2, { DW_EH_PE_aligned, 0x1b }, false },
		{ "eh", 0, { 0 }, false },
		{ "R", 0, { 0 }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buffer b = { 0 };
		struct cie_parts parts = { 0,
					   1,
					   cases[i].augmentation,
					   1,
					   -8,
					   16,
					   cases[i].data,
					   cases[i].size,
					   BYTES(DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1) };
		size_t cie = put_cie(&b, &parts), good = put_x86_64_cie(&b);
		struct unwind_built built;

		put_fde(&b, cie, CODE + 64, 64, NO_BYTES);
		put_fde(&b, good, CODE, 64, NO_BYTES);
		built = build_x86_64(&b);
		assert_int_equal(kind_at(&built, CODE + 64),
				 cases[i].understood ? CFA_SP : CFA_NONE);
		assert_rule(&built, CODE, by_sp(8));
		unwind_built_free(&built);
	}
}

static size_t put_debug_cie(struct buffer *b, uint8_t version)
{
	struct cie_parts cie = { true,	   version,
				 "",	   1,
				 -8,	   16,
				 NO_BYTES, BYTES(DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1) };

	return put_cie(b, &cie);
}

static void debug_frame_fills_what_eh_frame_leaves_open(void **state)
{
	struct buffer eh = { 0 }, debug = { 0 };
	struct made_file file = { .machine = EM_X86_64, .eh_frame = &eh, .debug_frame = &debug };
	size_t cie = put_x86_64_cie(&eh), debug_cie = put_debug_cie(&debug, 4);
	struct unwind_built built;

	(void)state;
	put_fde(&eh, cie, CODE + 0x100, 0x100, NO_BYTES);
	put_debug_fde(&debug, debug_cie, CODE, 0x100, BYTES(DW_CFA_def_cfa_offset, 24));
	put_debug_fde(&debug, debug_cie, CODE + 0x100, 0x100, BYTES(DW_CFA_def_cfa_offset, 32));
	put_debug_fde(&debug, debug_cie, CODE + 0x1ff, 0x100, BYTES(DW_CFA_def_cfa_offset, 40));
	put_debug_fde(&debug, debug_cie, CODE + 0x200, 0x100, BYTES(DW_CFA_def_cfa_offset, 48));
	assert_int_equal(try_build(&file, NULL, &built), 0);
	assert_rule(&built, CODE, by_sp(24));
	assert_rule(&built, CODE + 0x100, by_sp(8));
	assert_rule(&built, CODE + 0x1ff, by_sp(8));
	assert_rule(&built, CODE + 0x200, by_sp(48));
	assert_int_equal(built.functions, 3);
	unwind_built_free(&built);

	/* It is good for a table by itself, too, and in any version. */
	for (uint8_t version = 1; version <= 4; version += 1 + (version == 1)) {
		debug.size = 0;
		debug_cie = put_debug_cie(&debug, version);
		put_debug_fde(&debug, debug_cie, CODE, 64, NO_BYTES);
		file.eh_frame = NULL;
		assert_int_equal(try_build(&file, NULL, &built), 0);
		assert_rule(&built, CODE, by_sp(8));
		unwind_built_free(&built);
	}
	buffer_free(&eh);
	buffer_free(&debug);
}

static void put_compressed(struct buffer *b, const struct buffer *content, uint64_t size)
{
	uLongf packed = compressBound(content->size);
	_cleanup_free_ Bytef *bytes = xmalloc(packed);
	Elf64_Chdr header = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = size, .ch_addralign = 8 };

	assert_int_equal(compress(bytes, &packed, (const Bytef *)content->data, content->size),
			 Z_OK);
	b->size = 0;
	buffer_add(b, &header, sizeof(header));
	buffer_add(b, bytes, packed);
}

static void a_debug_file_may_be_compressed_and_lie_elsewhere(void **state)
{
	struct buffer eh = { 0 }, debug = { 0 }, packed = { 0 };
	struct made_file file = { .machine = EM_X86_64, .eh_frame = &eh };
	/* As if the file had been prelinked after its debug data were split off. */
	struct made_file debug_file = { .machine = EM_X86_64,
					.code = CODE - 0x4000,
					.debug_frame = &packed,
					.debug_frame_flags = SHF_COMPRESSED };
	size_t debug_cie = put_debug_cie(&debug, 3);
	struct unwind_built built;

	(void)state;
	put_debug_fde(&debug, debug_cie, CODE - 0x4000, 64, BYTES(DW_CFA_def_cfa_offset, 24));
	put_compressed(&packed, &debug, debug.size);
	assert_int_equal(try_build(&file, &debug_file, &built), 0);
	assert_rule(&built, CODE, by_sp(24));
	unwind_built_free(&built);
	/* More or less than it promised, and a bomb. */
	put_compressed(&packed, &debug, debug.size - 1);
	assert_int_equal(try_build(&file, &debug_file, &built), -EBADMSG);
	put_compressed(&packed, &debug, debug.size + 1);
	assert_int_equal(try_build(&file, &debug_file, &built), -EBADMSG);
	put_compressed(&packed, &debug, 1ULL << 60);
	assert_int_equal(try_build(&file, &debug_file, &built), -E2BIG);
	buffer_free(&eh);
	buffer_free(&debug);
	buffer_free(&packed);
}

/* What Go's compiler says is good for code that has no frame (yet); its frames have a frame
 * pointer of which it says nothing. */
static void of_go_only_frameless_code_has_rules(void **state)
{
	struct buffer debug = { 0 };
	struct made_file file = { .machine = EM_X86_64, .is_go = true, .debug_frame = &debug };
	size_t cie = put_debug_cie(&debug, 3);
	struct unwind_rule entered = by_sp(8);
	struct unwind_built built;

	(void)state;
	put_debug_fde(&debug, cie, CODE, 64,
		      BYTES(DW_CFA_advance_loc | 10, DW_CFA_def_cfa_offset, 64,
			    DW_CFA_advance_loc | 40, DW_CFA_def_cfa_offset, 8));
	put_debug_fde(&debug, cie, CODE + 64, 64, BYTES(DW_CFA_undefined, 16));
	/* By a C compiler, which says what it does. */
	put_debug_fde(&debug, cie, CODE + 128, 64,
		      BYTES(DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2));
	assert_int_equal(try_build(&file, NULL, &built), 0);
	entered.flags = UNWIND_LEAF_ONLY;
	assert_rule(&built, CODE, entered);
	assert_int_equal(kind_at(&built, CODE + 10), CFA_NONE);
	assert_int_equal(kind_at(&built, CODE + 49), CFA_NONE);
	assert_rule(&built, CODE + 50, entered);
	assert_int_equal(kind_at(&built, CODE + 64), CFA_END);
	assert_rule(&built, CODE + 128, with_fp(by_sp(16)));
	unwind_built_free(&built);
	buffer_free(&debug);
}

static void of_go_on_aarch64_only_frameless_code_has_rules(void **state)
{
	struct buffer debug = { 0 };
	struct made_file file = { .machine = EM_AARCH64, .is_go = true, .debug_frame = &debug };
	struct cie_parts parts = {
		true,
		3,
		"",
		1,
		-4,
		30,
		NO_BYTES,
		BYTES(DW_CFA_def_cfa, 31, 0, DW_CFA_same_value, 30, DW_CFA_val_offset, 31, 0)
	};
	size_t cie = put_cie(&debug, &parts);
	struct unwind_built built;

	(void)state;
	put_debug_fde(&debug, cie, CODE, 64,
		      BYTES(DW_CFA_advance_loc | 16, DW_CFA_offset_extended_sf, 30, 8,
			    DW_CFA_def_cfa_offset_sf, 0x78));
	assert_int_equal(try_build(&file, NULL, &built), 0);
	assert_rule(&built, CODE,
		    (struct unwind_rule){ .cfa_kind = CFA_SP, .flags = UNWIND_LEAF_ONLY });
	assert_int_equal(kind_at(&built, CODE + 16), CFA_NONE);
	unwind_built_free(&built);
	buffer_free(&debug);
}

/* --- the table as a whole --- */

static void functions_are_sorted_wherever_they_stand(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;
	const uint64_t n = 3000;

	(void)state;
	/* 7 and 3000 have no common divisor: each is met once. */
	for (uint64_t i = 0; i < n; i++) {
		uint64_t k = i * 7 % n;

		put_fde(&b, cie, CODE + k * 0x1234, 0x1234,
			BYTES(DW_CFA_def_cfa_offset, (uint8_t)(8 + 8 * (k % 15))));
	}
	built = build_x86_64(&b);
	for (uint64_t k = 0; k < n; k++) {
		assert_rule(&built, CODE + k * 0x1234, by_sp(8 + 8 * (int32_t)(k % 15)));
		assert_rule(&built, CODE + k * 0x1234 + 0x1233, by_sp(8 + 8 * (int32_t)(k % 15)));
	}
	assert_int_equal(built.functions, n);
	unwind_built_free(&built);
}

/* Rows at the first and last byte of pages, and none in a page at all. */
static void pages_begin_and_end_where_rows_do(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;

	(void)state;
	put_fde(&b, cie, CODE, 0x400,
		BYTES(DW_CFA_advance_loc1, 255, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc | 1,
		      DW_CFA_def_cfa_offset, 24, DW_CFA_advance_loc2, 0xff, 1,
		      DW_CFA_def_cfa_offset, 32));
	put_fde(&b, cie, CODE + 0x1000, 0x100, NO_BYTES);
	built = build_x86_64(&b);
	assert_rule(&built, CODE + 254, by_sp(8));
	assert_rule(&built, CODE + 255, by_sp(16));
	assert_rule(&built, CODE + 256, by_sp(24));
	assert_rule(&built, CODE + 0x1ff, by_sp(24));
	assert_rule(&built, CODE + 0x2fe, by_sp(24));
	assert_rule(&built, CODE + 0x2ff, by_sp(32));
	assert_rule(&built, CODE + 0x3ff, by_sp(32));
	for (uint64_t at = CODE + 0x400; at < CODE + 0x1000; at += 0x40)
		assert_int_equal(kind_at(&built, at), CFA_NONE);
	assert_rule(&built, CODE + 0x1000, by_sp(8));
	assert_rule(&built, CODE + 0x10ff, by_sp(8));
	assert_int_equal(kind_at(&built, CODE + 0x1100), CFA_NONE);
	assert_int_equal(built.base, CODE);
	assert_int_equal(built.pages, 17);
	/* 18 of the index; the rows of five pages with code, one of which begins with a carried
	 * row, and the row of the gap; pages 5 to 15 take nothing. */
	assert_int_equal(built.nwords, 18 + 2 + 1 + 2 + 1 + 1 + 1);
	unwind_built_free(&built);
}

static void padding_between_functions_takes_no_row(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;

	(void)state;
	put_fde(&b, cie, CODE, 0x31, NO_BYTES);
	put_fde(&b, cie, CODE + 0x40, 0x30, NO_BYTES);
	put_fde(&b, cie, CODE + 0x80, 0x10, NO_BYTES);
	built = build_x86_64(&b);
	assert_rule(&built, CODE + 0x3f, by_sp(8));
	assert_int_equal(kind_at(&built, CODE + 0x70), CFA_NONE);
	assert_int_equal(kind_at(&built, CODE + 0x7f), CFA_NONE);
	assert_rule(&built, CODE + 0x80, by_sp(8));
	assert_int_equal(built.rows, 4);
	unwind_built_free(&built);
}

static void of_overlapping_functions_the_next_one_wins(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;

	(void)state;
	/* One that claims all, two at the same address, and one that reaches into the next. */
	put_fde(&b, cie, CODE, CODE_SIZE, BYTES(DW_CFA_def_cfa_offset, 16));
	put_fde(&b, cie, CODE + 0x100, 0x100, BYTES(DW_CFA_def_cfa_offset, 24));
	put_fde(&b, cie, CODE + 0x100, 0x100, BYTES(DW_CFA_def_cfa_offset, 32));
	put_fde(&b, cie, CODE + 0x200, 0x180,
		BYTES(DW_CFA_def_cfa_offset, 40, DW_CFA_advance_loc2, 0x20, 1,
		      DW_CFA_def_cfa_offset, 48));
	put_fde(&b, cie, CODE + 0x300, 0x100, BYTES(DW_CFA_def_cfa_offset, 56));
	built = build_x86_64(&b);
	assert_rule(&built, CODE, by_sp(16));
	assert_rule(&built, CODE + 0xff, by_sp(16));
	assert_rule(&built, CODE + 0x100, by_sp(24));
	assert_rule(&built, CODE + 0x2ff, by_sp(40));
	assert_rule(&built, CODE + 0x300, by_sp(56));
	assert_rule(&built, CODE + 0x3ff, by_sp(56));
	assert_int_equal(kind_at(&built, CODE + 0x400), CFA_NONE);
	assert_int_equal(built.functions, 4);
	assert_int_equal(built.functions_refused, 3);
	unwind_built_free(&built);
}

static void rules_beyond_the_limit_are_unsupported(void **state)
{
	struct buffer b = { 0 }, program = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;

	(void)state;
	for (unsigned i = 1; i <= UNWIND_FILE_RULES_MAX; i++) {
		put_fixed(&program, DW_CFA_advance_loc | 1, 1);
		put_fixed(&program, DW_CFA_def_cfa_offset, 1);
		put_uleb(&program, 8 + 8 * i);
	}
	put_fde(&b, cie, CODE, 0x10000, (const uint8_t *)program.data, program.size);
	buffer_free(&program);
	built = build_x86_64(&b);
	assert_int_equal(built.nrules, UNWIND_FILE_RULES_MAX);
	assert_rule(&built, CODE + 1, by_sp(16));
	assert_int_equal(kind_at(&built, CODE + UNWIND_FILE_RULES_MAX), CFA_UNSUPPORTED);
	/* Those that are the same as the one before make one row. */
	assert_int_equal(built.rows_unsupported, 1);
	unwind_built_free(&built);
}

static void every_damage_to_a_table_is_noticed_or_harmless(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;
	unsigned noticed = 0;

	(void)state;
	put_fde(&b, cie, CODE + 8, 0x400,
		BYTES(DW_CFA_advance_loc | 9, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc2, 0, 1,
		      DW_CFA_def_cfa_offset, 24));
	built = build_x86_64(&b);
	for (uint32_t i = 0; i < built.nwords; i++)
		for (unsigned bit = 0; bit < 32; bit++) {
			built.words[i] ^= 1U << bit;
			if (unwind_built_check(&built))
				noticed++;
			else
				for (uint64_t at = CODE; at < CODE + 0x500; at++)
					assert_true(kind_at(&built, at) <= CFA_PLT);
			built.words[i] ^= 1U << bit;
		}
	assert_true(noticed > 32 * built.pages);

	struct unwind_built changed = built;

	changed.nwords--;
	assert_int_equal(unwind_built_check(&changed), -EBADMSG);
	changed = built;
	changed.pages = 0;
	assert_int_equal(unwind_built_check(&changed), -EBADMSG);
	changed.pages = UINT32_MAX;
	assert_int_equal(unwind_built_check(&changed), -EBADMSG);
	changed = built;
	changed.base += 1;
	assert_int_equal(unwind_built_check(&changed), -EBADMSG);
	changed.base = ~0xffULL;
	assert_int_equal(unwind_built_check(&changed), -EBADMSG);
	changed = built;
	changed.nrules = 2;
	assert_int_equal(unwind_built_check(&changed), -EBADMSG);
	built.rules[3].cfa_register = 99;
	assert_int_equal(unwind_built_check(&built), -EBADMSG);
	unwind_built_free(&built);
}

/* --- what is not walked, what is corrupt --- */

static void other_files_have_no_data(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct made_file files[] = {
		{ .machine = EM_RISCV, .eh_frame = &b },
		{ .machine = EM_X86_64 },
		{ .machine = EM_AARCH64 },
		{ .machine = EM_X86_64, .debug_frame = &b, .debug_frame_flags = SHF_COMPRESSED },
	};
	struct unwind_built built;
	struct elf elf = { .is64 = false, .machine = EM_X86_64, .encoding = ELFDATA2LSB };

	(void)state;
	put_fde(&b, cie, CODE, 64, NO_BYTES);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(try_build(&files[i], NULL, &built), -ENODATA);
	assert_int_equal(try_build(&files[3], NULL, &built), -ENODATA);
	/* x32 and i386 */
	assert_int_equal(unwind_build(&elf, NULL, &built), -ENODATA);
	elf.machine = EM_386;
	assert_int_equal(unwind_build(&elf, NULL, &built), -ENODATA);
	buffer_free(&b);
}

static void a_corrupt_function_breaks_only_itself(void **state)
{
	static const struct {
		const char *what;
		uint64_t start, length;
		uint8_t size, program[40];
	} cases[] = {
		{ "beyond the code", CODE + CODE_SIZE, 64, 0, { 0 } },
		{ "before the code", CODE - 1, 64, 0, { 0 } },
		{ "to beyond the code", CODE + 0x100, CODE_SIZE, 0, { 0 } },
		{ "of four gigabytes", CODE + 0x100, UINT32_MAX, 0, { 0 } },
		{ "an unknown instruction", CODE + 0x100, 64, 1, { 0x3f } },
		{ "SPARC's", CODE + 0x100, 64, 1, { DW_CFA_GNU_window_save } },
		{ "MIPS's", CODE + 0x100, 64, 9, { DW_CFA_MIPS_advance_loc8 } },
		{ "nothing to restore", CODE + 0x100, 64, 1, { DW_CFA_restore_state } },
		{ "an expression cut short",
		  CODE + 0x100,
		  64,
		  3,
		  { DW_CFA_def_cfa_expression, 0xff, 0x7f } },
		{ "an expression's offset",
		  CODE + 0x100,
		  64,
		  5,
		  { DW_CFA_def_cfa_expression, 1, DW_OP_lit1, DW_CFA_def_cfa_offset, 8 } },
		{ "a number without end",
		  CODE + 0x100,
		  64,
		  12,
		  { DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		    0xff, 0xff } },
		{ "an offset beyond 64 bits",
		  CODE + 0x100,
		  64,
		  12,
		  { DW_CFA_offset_extended, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
		    0 } },
		{ "remembered too often",
		  CODE + 0x100,
		  64,
		  17,
		  { 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 } },
		{ "set_loc backwards", CODE + 0x100, 64, 5, { DW_CFA_set_loc, 0, 0, 0, 0xf8 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buffer b = { 0 };
		size_t cie = put_x86_64_cie(&b);
		struct unwind_built built;

		put_fde(&b, cie, CODE, 64, BYTES(DW_CFA_def_cfa_offset, 24));
		put_fde(&b, cie, cases[i].start, cases[i].length, cases[i].program, cases[i].size);
		put_fde(&b, cie, CODE + 0x1000, 64, BYTES(DW_CFA_def_cfa_offset, 32));
		built = build_x86_64(&b);
		assert_rule(&built, CODE, by_sp(24));
		assert_rule(&built, CODE + 0x1000, by_sp(32));
		if (built.functions_refused != 1 || kind_at(&built, CODE + 0x120) != CFA_NONE)
			fail_msg("not refused: %s", cases[i].what);
		unwind_built_free(&built);
	}
}

/* Code advances that overflow do not: they end the function. */
static void an_advance_beyond_the_end_ends_the_function(void **state)
{
	struct buffer b = { 0 };
	struct cie_parts parts = {
		0,  1,	"zR",	     UINT64_MAX,
		-8, 16, BYTES(0x1b), BYTES(DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1)
	};
	size_t cie = put_cie(&b, &parts), other = put_x86_64_cie(&b);
	struct unwind_built built;

	(void)state;
	put_fde(&b, cie, CODE, 64, BYTES(DW_CFA_advance_loc | 2, DW_CFA_def_cfa_offset, 99));
	put_fde(&b, other, CODE + 64, 64,
		BYTES(DW_CFA_advance_loc4, 0xff, 0xff, 0xff, 0xff, DW_CFA_def_cfa_offset, 99));
	built = build_x86_64(&b);
	for (uint64_t at = CODE; at < CODE + 128; at++)
		assert_rule(&built, at, by_sp(8));
	assert_int_equal(built.functions_refused, 0);
	unwind_built_free(&built);
}

static void references_to_what_is_no_cie_are_refused(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b), fde, at;
	struct unwind_built built;

	(void)state;
	fde = put_fde(&b, cie, CODE, 64, NO_BYTES);
	/* To an FDE, into the middle of a CIE, to itself, beyond the section. */
	put_fde(&b, fde, CODE + 0x100, 64, NO_BYTES);
	put_fde(&b, cie + 3, CODE + 0x200, 64, NO_BYTES);
	put_fde(&b, b.size, CODE + 0x300, 64, NO_BYTES);
	at = put_fde(&b, cie, CODE + 0x400, 64, NO_BYTES);
	patch32(&b, at + 4, 0x7fffffff);
	put_fde(&b, cie, CODE + 0x500, 64, NO_BYTES);
	built = build_x86_64(&b);
	assert_rule(&built, CODE, by_sp(8));
	assert_rule(&built, CODE + 0x500, by_sp(8));
	for (uint64_t k = 1; k <= 4; k++)
		assert_int_equal(kind_at(&built, CODE + k * 0x100), CFA_NONE);
	assert_int_equal(built.functions, 2);
	assert_int_equal(built.functions_refused, 4);
	unwind_built_free(&built);
}

/* Whatever is cut off, what stands before is read. */
static void a_section_cut_short_keeps_its_beginning(void **state)
{
	struct buffer whole = { 0 };
	size_t cie = put_x86_64_cie(&whole), first, second;
	struct made_file file = { .machine = EM_X86_64 };

	(void)state;
	put_fde(&whole, cie, CODE, 64, BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16));
	first = whole.size;
	put_fde(&whole, cie, CODE + 64, 64, NO_BYTES);
	second = whole.size;
	put_fixed(&whole, 0, 4);
	for (size_t size = 1; size < whole.size; size++) {
		struct buffer cut = { 0 };
		struct unwind_built built;
		int err;

		buffer_add(&cut, whole.data, size);
		file.eh_frame = &cut;
		err = try_build(&file, NULL, &built);
		assert_int_equal(err, size < first ? -ENODATA : 0);
		if (!err) {
			assert_rule(&built, CODE + 1, by_sp(16));
			assert_int_equal(kind_at(&built, CODE + 64),
					 size < second ? CFA_NONE : CFA_SP);
			unwind_built_free(&built);
		}
		buffer_free(&cut);
	}
	buffer_free(&whole);
}

static void a_terminator_in_the_middle_hides_nothing(void **state)
{
	struct buffer b = { 0 };
	size_t cie = put_x86_64_cie(&b);
	struct unwind_built built;

	(void)state;
	put_fde(&b, cie, CODE, 64, NO_BYTES);
	put_fixed(&b, 0, 8);
	put_fde(&b, cie, CODE + 64, 64, NO_BYTES);
	built = build_x86_64(&b);
	assert_int_equal(built.functions, 2);
	unwind_built_free(&built);
}

/* --- bounds of time --- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Under sanitizers and in a busy machine, too; linear work takes a tenth of it. */
#define TIME_MAX 20.0

static int build_in_time(const struct made_file *file, struct unwind_built *built)
{
	double start = seconds();
	int err = try_build(file, NULL, built);

	assert_true(seconds() - start < TIME_MAX);
	return err;
}

/* One function: `n` times, a byte further, another rule. */
static void put_storm(struct buffer *b, size_t cie, size_t n)
{
	size_t at = begin_entry(b);

	put_fixed(b, b->size - cie, 4);
	put_fixed(b, CODE - (EH_ADDRESS + b->size), 4);
	put_fixed(b, CODE_SIZE, 4);
	put_uleb(b, 0);
	for (size_t i = 0; i < n; i++)
		buffer_add(b, BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset,
				    (uint8_t)(8 + 8 * (i % 3))));
	end_entry(b, at);
}

static void a_function_of_four_million_rows_is_linear(void **state)
{
	struct buffer b = { 0 };
	struct made_file file = { .machine = EM_X86_64, .eh_frame = &b };
	struct unwind_built built;
	const size_t n = 4000000;

	(void)state;
	put_storm(&b, put_x86_64_cie(&b), n);
	assert_int_equal(build_in_time(&file, &built), 0);
	assert_true(built.rows >= n);
	assert_rule(&built, CODE + 1000000, by_sp(8));
	assert_rule(&built, CODE + 1000001, by_sp(16));
	unwind_built_free(&built);
	buffer_free(&b);
}

static void ten_million_rows_are_too_many(void **state)
{
	struct buffer b = { 0 };
	struct made_file file = { .machine = EM_X86_64, .eh_frame = &b };
	struct unwind_built built;

	(void)state;
	put_storm(&b, put_x86_64_cie(&b), 10000000);
	assert_int_equal(build_in_time(&file, &built), -E2BIG);
	buffer_free(&b);
}

/* A program that goes nowhere costs its own length, once for each who refers to it; so a CIE with
 * a long one, referred to by many, is run once. */
static void a_long_cie_is_run_once(void **state)
{
	struct buffer b = { 0 };
	struct made_file file = { .machine = EM_X86_64, .eh_frame = &b };
	_cleanup_free_ uint8_t *program = xmalloc(1 << 20);
	struct cie_parts parts = { 0, 1, "zR", 1, -8, 16, BYTES(0x1b), program, 1 << 20 };
	struct unwind_built built;
	size_t cie;

	(void)state;
	memset(program, DW_CFA_nop, 1 << 20);
	memcpy(program, (uint8_t[]){ DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1 }, 5);
	cie = put_cie(&b, &parts);
	for (uint64_t i = 0; i < 100000; i++)
		put_fde(&b, cie, CODE + 64 * i, 64, NO_BYTES);
	assert_int_equal(build_in_time(&file, &built), 0);
	assert_int_equal(built.functions, 100000);
	assert_rule(&built, CODE + 64 * 99999, by_sp(8));
	unwind_built_free(&built);
	buffer_free(&b);
}

/* CIEs that lie inside each other: each begins with a header of its own, then comes a name that
 * goes on through all headers behind it to the end. None is good, but that takes reading. */
static void cies_inside_each_other_run_out_of_work(void **state)
{
	struct buffer b = { 0 };
	struct made_file file = { .machine = EM_X86_64, .debug_frame = &b };
	const size_t header = 16, ncies = 1000, length = 0x01010101;
	struct unwind_built built;

	(void)state;
	for (size_t i = 0; i < ncies; i++) {
		put_fixed(&b, length, 4);
		put_fixed(&b, UINT32_MAX, 4);
		put_fixed(&b, 1, 1);
		put_fixed(&b, 0x4141414141414141ULL, 7);
	}
	/* They end here and there; the first one right in front of the functions. */
	while (b.size < 4 + length)
		put_fixed(&b, 'A', 1);
	for (size_t i = 0; i < ncies; i++)
		put_debug_fde(&b, header * i, CODE + 64 * i, 64, NO_BYTES);
	assert_int_equal(build_in_time(&file, &built), -E2BIG);
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_follow_the_program),
		cmocka_unit_test(aarch64_frames_are_found),
		cmocka_unit_test(remembered_states_come_back_in_their_order),
		cmocka_unit_test(every_instruction_is_understood),
		cmocka_unit_test(set_loc_goes_where_it_says),
		cmocka_unit_test(the_undefined_return_address_ends_the_stack),
		cmocka_unit_test(a_return_address_may_be_in_a_register),
		cmocka_unit_test(stacks_may_be_found_by_expressions),
		cmocka_unit_test(a_realigned_frame_keeps_its_frame_pointer),
		cmocka_unit_test(a_signal_frame_is_read_from_the_stack),
		cmocka_unit_test(a_lost_frame_pointer_is_no_obstacle),
		cmocka_unit_test(what_rules_cannot_say_is_counted),
		cmocka_unit_test(frames_by_rbx_make_all_rules_tell_of_it),
		cmocka_unit_test(every_encoding_of_addresses_is_read),
		cmocka_unit_test(augmentations_are_read_or_refused),
		cmocka_unit_test(debug_frame_fills_what_eh_frame_leaves_open),
		cmocka_unit_test(a_debug_file_may_be_compressed_and_lie_elsewhere),
		cmocka_unit_test(of_go_only_frameless_code_has_rules),
		cmocka_unit_test(of_go_on_aarch64_only_frameless_code_has_rules),
		cmocka_unit_test(functions_are_sorted_wherever_they_stand),
		cmocka_unit_test(pages_begin_and_end_where_rows_do),
		cmocka_unit_test(padding_between_functions_takes_no_row),
		cmocka_unit_test(of_overlapping_functions_the_next_one_wins),
		cmocka_unit_test(rules_beyond_the_limit_are_unsupported),
		cmocka_unit_test(every_damage_to_a_table_is_noticed_or_harmless),
		cmocka_unit_test(other_files_have_no_data),
		cmocka_unit_test(a_corrupt_function_breaks_only_itself),
		cmocka_unit_test(an_advance_beyond_the_end_ends_the_function),
		cmocka_unit_test(references_to_what_is_no_cie_are_refused),
		cmocka_unit_test(a_section_cut_short_keeps_its_beginning),
		cmocka_unit_test(a_terminator_in_the_middle_hides_nothing),
		cmocka_unit_test(a_function_of_four_million_rows_is_linear),
		cmocka_unit_test(ten_million_rows_are_too_many),
		cmocka_unit_test(a_long_cie_is_run_once),
		cmocka_unit_test(cies_inside_each_other_run_out_of_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
