/* SPDX-License-Identifier: Apache-2.0 */
/* Procedure linkage tables by their bytes; see plt.h. */
#include "symbol/plt.h"

#include <string.h>

#include "base/cleanup.h"

static const struct unwind_rule x86_64_entered = {
	.cfa_kind = CFA_SP, .cfa = 8, .ra_kind = PLACE_CFA, .ra_offset = -8
};
static const struct unwind_rule x86_64_pushed_1 = {
	.cfa_kind = CFA_SP, .cfa = 16, .ra_kind = PLACE_CFA, .ra_offset = -8
};
static const struct unwind_rule x86_64_pushed_2 = {
	.cfa_kind = CFA_SP, .cfa = 24, .ra_kind = PLACE_CFA, .ra_offset = -8
};
static const struct unwind_rule aarch64_entered = { .cfa_kind = CFA_SP };
static const struct unwind_rule aarch64_pushed = {
	.cfa_kind = CFA_SP, .cfa = 16, .ra_kind = PLACE_CFA, .ra_offset = -8
};

static bool has_code(const struct cfi *cfi, const struct elf_section *s)
{
	return s && s->type == SHT_PROGBITS && s->size && cfi_is_code(cfi, s->address, s->size);
}

/* Stubs that leave the stack alone from their first to their last instruction. */
static void add_plain(struct cfi *cfi, enum elf_role role)
{
	const struct elf_section *s = elf_section(cfi->elf, role);

	if (!has_code(cfi, s))
		return;
	cfi_add_function(cfi, s->address, s->size);
	cfi_add_row(cfi, s->address,
		    cfi->elf->machine == EM_X86_64 ? &x86_64_entered : &aarch64_entered);
}

/*
 * x86-64 psABI, figure 5.2; the header's `push` takes 6 bytes, and a stub pushes its number before
 * it jumps to the header:
 *
 *     header  pushq GOT+8(%rip); jmpq *GOT+16(%rip); nop
 *     stub    jmpq *GOT+n(%rip); pushq $i; jmpq header         on the stack from byte 11 on
 *             endbr64; pushq $i; jmpq header                   from byte 9 on (IBT)
 */
static void add_x86_64(struct cfi *cfi, const struct elf_section *s)
{
	static const uint8_t push[] = { 0xff, 0x35 }, jump[] = { 0xff, 0x25 };
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	struct unwind_rule stub = { .cfa_kind = CFA_PLT, .ra_kind = PLACE_CFA, .ra_offset = -8 };
	uint8_t code[32];

	if (s->size < sizeof(code) || image_read(&cfi->elf->image, s->offset, code, sizeof(code)) ||
	    memcmp(code, push, sizeof(push)) != 0)
		return;
	if (memcmp(code + 16, jump, sizeof(jump)) == 0)
		stub.cfa_at = 11;
	else if (memcmp(code + 16, endbr64, sizeof(endbr64)) == 0)
		stub.cfa_at = 9;
	else
		return;
	cfi_add_function(cfi, s->address, s->size);
	cfi_add_row(cfi, s->address, &x86_64_pushed_1);
	cfi_add_row(cfi, s->address + 6, &x86_64_pushed_2);
	cfi_add_row(cfi, s->address + 16, &stub);
}

/* "PLT sequences" of the ELF for AArch64: the header of 32 bytes pushes x16 and x30 first, behind a
 * `bti c` if there is one; stubs touch neither stack nor link register. */
static void add_aarch64(struct cfi *cfi, const struct elf_section *s)
{
	static const uint8_t push[] = { 0xf0, 0x7b, 0xbf, 0xa9 };
	uint8_t code[32];
	uint64_t pushed;

	if (s->size < sizeof(code) || image_read(&cfi->elf->image, s->offset, code, sizeof(code)))
		return;
	if (memcmp(code, push, sizeof(push)) == 0)
		pushed = 4;
	else if (memcmp(code + 4, push, sizeof(push)) == 0)
		pushed = 8;
	else
		return;
	cfi_add_function(cfi, s->address, s->size);
	cfi_add_row(cfi, s->address, &aarch64_entered);
	cfi_add_row(cfi, s->address + pushed, &aarch64_pushed);
	if (s->size > sizeof(code))
		cfi_add_row(cfi, s->address + sizeof(code), &aarch64_entered);
}

void plt_add(struct cfi *cfi)
{
	const struct elf *elf = cfi->elf;
	const struct elf_section *plt = elf_section(elf, ELF_PLT);

	if (has_code(cfi, plt)) {
		if (elf->machine == EM_X86_64)
			add_x86_64(cfi, plt);
		else
			add_aarch64(cfi, plt);
	}
	add_plain(cfi, ELF_PLT_SEC);
	add_plain(cfi, ELF_PLT_GOT);
}
