/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of real files against elfutils, which interprets call frame information on its own: for
 * every row, at its first byte, its last and one between, both must find the caller's frame at the
 * same place. "Same place" is compared as numbers: registers and memory are made up, and both
 * answers, rule and DWARF expression, are worked out with them.
 *
 *     test_unwind_truth [FILE...]      compares these files too, and says what their tables hold
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/maps.h"
#include "symbol/unwind_table.h"
#include "symbol/vdso.h"

/* --- a made-up process --- */

struct frame {
	uint64_t registers[256];
	uint64_t pc;
	unsigned fp, sp, ra; /* DWARF numbers */
};

/* What its memory holds. */
static uint64_t word_at(uint64_t address)
{
	uint64_t h = address * 0x9e3779b97f4a7c15ULL;

	return (h ^ h >> 31) * 0xbf58476d1ce4e5b9ULL & 0xffffffffffffULL;
}

static struct frame frame_at(const struct elf *elf, uint64_t pc)
{
	bool x86 = elf->machine == EM_X86_64;
	struct frame f = { .pc = pc, .fp = x86 ? 6 : 29, .sp = x86 ? 7 : 31, .ra = x86 ? 16 : 30 };

	for (unsigned i = 0; i < ARRAY_SIZE(f.registers); i++)
		f.registers[i] = word_at(pc + 0x100000 * (i + 1));
	f.registers[16] = x86 ? pc : f.registers[16];
	return f;
}

/* --- elfutils' answer --- */

struct answer {
	enum { AT, IS, REGISTER, SAME, UNDEFINED, UNKNOWN } how;
	uint64_t value; /* an address, the value itself, or a register's number */
};

/* The operations that occur in call frame information. */
static bool work_out(const struct frame *f, const Dwarf_Op *ops, size_t n, uint64_t cfa,
		     struct answer *answer)
{
	uint64_t stack[16] = { 0 };
	size_t depth = 0;

	if (n == 1 && (ops[0].atom == DW_OP_regx ||
		       (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31))) {
		answer->how = REGISTER;
		answer->value = ops[0].atom == DW_OP_regx ? ops[0].number
							  : ops[0].atom - (unsigned)DW_OP_reg0;
		return true;
	}
	answer->how = AT;
	for (size_t i = 0; i < n; i++) {
		const Dwarf_Op *op = &ops[i];

		if (depth + 1 >= ARRAY_SIZE(stack))
			return false;
		if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
			stack[depth++] = op->atom - DW_OP_lit0;
			continue;
		}
		if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
			stack[depth++] = f->registers[op->atom - DW_OP_breg0] + op->number;
			continue;
		}
		switch (op->atom) {
		case DW_OP_bregx:
			stack[depth++] = f->registers[op->number & 0xff] + op->number2;
			continue;
		case DW_OP_call_frame_cfa:
			stack[depth++] = cfa;
			continue;
		case DW_OP_const1u:
		case DW_OP_const2u:
		case DW_OP_const4u:
		case DW_OP_const8u:
		case DW_OP_const1s:
		case DW_OP_const2s:
		case DW_OP_const4s:
		case DW_OP_const8s:
		case DW_OP_constu:
		case DW_OP_consts:
			stack[depth++] = op->number;
			continue;
		case DW_OP_stack_value:
			answer->how = IS;
			continue;
		}
		if (!depth)
			return false;
		if (op->atom == DW_OP_plus_uconst) {
			stack[depth - 1] += op->number;
			continue;
		}
		if (op->atom == DW_OP_deref) {
			stack[depth - 1] = word_at(stack[depth - 1]);
			continue;
		}
		if (depth < 2)
			return false;
		depth--;
		switch (op->atom) {
		case DW_OP_plus:
			stack[depth - 1] += stack[depth];
			break;
		case DW_OP_minus:
			stack[depth - 1] -= stack[depth];
			break;
		case DW_OP_and:
			stack[depth - 1] &= stack[depth];
			break;
		case DW_OP_shl:
			stack[depth - 1] <<= stack[depth];
			break;
		case DW_OP_ge:
			stack[depth - 1] = stack[depth - 1] >= stack[depth];
			break;
		default:
			return false;
		}
	}
	answer->value = depth ? stack[depth - 1] : 0;
	return depth > 0;
}

static struct answer register_truth(const struct frame *f, Dwarf_Frame *truth, int number,
				    uint64_t cfa)
{
	struct answer answer = { .how = UNKNOWN };
	Dwarf_Op memory[3], *ops;
	size_t n;

	assert_int_equal(dwarf_frame_register(truth, number, memory, &ops, &n), 0);
	if (n == 0)
		answer.how = ops ? UNDEFINED : SAME;
	else if (!work_out(f, ops, n, cfa, &answer))
		answer.how = UNKNOWN;
	return answer;
}

/* --- the table's answer, by bpf/unwind.h --- */

static uint64_t rule_cfa(const struct frame *f, const struct unwind_rule *rule)
{
	uint64_t sp = f->registers[f->sp], fp = f->registers[f->fp];

	switch (rule->cfa_kind) {
	case CFA_SP:
		return sp + (uint64_t)rule->cfa;
	case CFA_FP:
		return fp + (uint64_t)rule->cfa;
	case CFA_REGISTER:
		return f->registers[rule->cfa_register] + (uint64_t)rule->cfa;
	case CFA_AT_SP:
		return word_at(sp + (uint64_t)rule->cfa_at) + (uint64_t)rule->cfa;
	case CFA_AT_FP:
		return word_at(fp + (uint64_t)rule->cfa_at) + (uint64_t)rule->cfa;
	case CFA_PLT:
		return sp + 8 + ((f->pc & 15) >= (uint64_t)rule->cfa_at ? 8 : 0);
	}
	fail_msg("no CFA: kind %u", rule->cfa_kind);
	return 0;
}

static struct answer rule_register(const struct frame *f, uint8_t kind, int16_t offset,
				   uint64_t cfa)
{
	switch (kind) {
	case PLACE_SAME:
		return (struct answer){ SAME, 0 };
	case PLACE_CFA:
		return (struct answer){ AT, cfa + (uint64_t)offset };
	case PLACE_SP:
		return (struct answer){ AT, f->registers[f->sp] + (uint64_t)offset };
	case PLACE_FP:
		return (struct answer){ AT, f->registers[f->fp] + (uint64_t)offset };
	case PLACE_REGISTER:
		return (struct answer){ REGISTER, (uint64_t)offset };
	}
	return (struct answer){ UNKNOWN, 0 };
}

/* --- both, compared --- */

struct comparison {
	const char *path;
	struct elf elf;
	struct unwind_built built;
	Dwarf_CFI *cfi;
	size_t addresses, unsupported;
	size_t stubs; /* in the table though nothing describes them */
	size_t knows_rbx;
	size_t lost_fp; /* rows that do not say where the frame pointer is */
};

#define expect(c, address, what, condition)                                                  \
	do {                                                                                 \
		if (!(condition))                                                            \
			fail_msg("%s at 0x%" PRIx64 ": %s (%s)", (c)->path, (address), what, \
				 #condition);                                                \
	} while (0)

static void compare_rbx(struct comparison *c, const struct frame *f, uint64_t cfa,
			const struct unwind_rule *rule, Dwarf_Frame *truth)
{
	struct answer rbx = register_truth(f, truth, 3, cfa);

	/* elfutils calls undefined what is not said; a function keeps rbx then (psABI, 3.2.1). */
	if (rule->flags & UNWIND_KEEPS_RBX)
		expect(c, f->pc, "rbx", rbx.how == SAME || rbx.how == UNDEFINED);
	else if (rule->flags & UNWIND_SAVES_RBX)
		expect(c, f->pc, "rbx", rbx.how == AT && rbx.value == cfa + (uint64_t)rule->cfa_at);
	c->knows_rbx += !!(rule->flags & (UNWIND_KEEPS_RBX | UNWIND_SAVES_RBX));
}

static void compare_registers(struct comparison *c, uint64_t pc, const struct unwind_rule *rule,
			      Dwarf_Frame *truth)
{
	struct frame f = frame_at(&c->elf, pc);
	struct answer ra_truth, fp_truth, sp_truth, cfa_truth, ra, fp;
	Dwarf_Op *ops;
	size_t n;
	uint64_t cfa;

	ra_truth = register_truth(&f, truth, (int)f.ra, 0);
	if (rule->cfa_kind == CFA_END) {
		expect(c, pc, "no end", ra_truth.how == UNDEFINED);
		return;
	}
	assert_int_equal(dwarf_frame_cfa(truth, &ops, &n), 0);
	expect(c, pc, "strange CFA", work_out(&f, ops, n, 0, &cfa_truth));
	cfa = rule_cfa(&f, rule);
	expect(c, pc, "CFA", cfa == cfa_truth.value);

	ra_truth = register_truth(&f, truth, (int)f.ra, cfa);
	ra = rule_register(&f, rule->ra_kind, rule->ra_offset, cfa);
	expect(c, pc, "return address", ra.how == ra_truth.how && ra.value == ra_truth.value);

	fp_truth = register_truth(&f, truth, (int)f.fp, cfa);
	fp = rule_register(&f, rule->fp_kind, rule->fp_offset, cfa);
	if (fp.how == UNKNOWN) {
		c->lost_fp++;
		expect(c, pc, "frame pointer", fp_truth.how != SAME);
	} else {
		expect(c, pc, "frame pointer",
		       fp.how == fp_truth.how && fp.value == fp_truth.value);
	}

	compare_rbx(c, &f, cfa, rule, truth);

	sp_truth = register_truth(&f, truth, (int)f.sp, cfa);
	expect(c, pc, "stack pointer",
	       (sp_truth.how == IS && sp_truth.value == cfa) ||
		       (sp_truth.how == AT && word_at(sp_truth.value) == cfa) ||
		       (sp_truth.how == UNDEFINED || sp_truth.how == SAME));
}

/* Padding behind a function, which the function's last row covers. */
static bool is_padding(struct comparison *c, uint64_t pc)
{
	for (uint64_t back = 1; back < 16; back++) {
		_cleanup_free_ Dwarf_Frame *truth = NULL;

		if (dwarf_cfi_addrframe(c->cfi, pc - back, &truth) == 0)
			return true;
	}
	return false;
}

static void compare_at(struct comparison *c, uint64_t pc)
{
	const struct unwind_rule *rule = unwind_built_find(&c->built, pc);
	_cleanup_free_ Dwarf_Frame *truth = NULL;
	bool is_signal;

	c->addresses++;
	if (dwarf_cfi_addrframe(c->cfi, pc, &truth) != 0) {
		c->stubs += rule->cfa_kind != CFA_NONE && !is_padding(c, pc);
		return;
	}
	expect(c, pc, "no row", rule->cfa_kind != CFA_NONE);
	if (rule->cfa_kind == CFA_UNSUPPORTED) {
		c->unsupported++;
		return;
	}
	dwarf_frame_info(truth, NULL, NULL, &is_signal);
	if (rule->cfa_kind != CFA_END)
		expect(c, pc, "signal frame", is_signal == !!(rule->flags & UNWIND_SIGNAL_FRAME));
	compare_registers(c, pc, rule, truth);
}

/* Every row, found in the words as they are: [row, next row or end of the page). */
static void compare_rows(struct comparison *c)
{
	const struct unwind_built *b = &c->built;

	for (uint32_t page = 0; page < b->pages; page++) {
		uint64_t address = b->base + ((uint64_t)page << UNWIND_PAGE_SHIFT);

		for (uint32_t i = b->words[page]; i < b->words[page + 1]; i++) {
			uint32_t low = UNWIND_ROW_LOW(b->words[i]);
			uint32_t end = i + 1 < b->words[page + 1] ? UNWIND_ROW_LOW(b->words[i + 1])
								  : 1 << UNWIND_PAGE_SHIFT;

			compare_at(c, address + low);
			if (end - low > 2)
				compare_at(c, address + (low + end) / 2);
			if (end - low > 1)
				compare_at(c, address + end - 1);
		}
	}
}

/* Where elfutils finds functions, in case that the table has none there. */
static void compare_functions(struct comparison *c, Elf *elf)
{
	Elf_Scn *scn = NULL;
	Dwarf_Off offset = 0, next;
	Dwarf_CFI_Entry entry;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr header;
		size_t names;

		gelf_getshdr(scn, &header);
		elf_getshdrstrndx(elf, &names);
		if (strcmp(elf_strptr(elf, names, header.sh_name), ".eh_frame") != 0)
			continue;

		Elf_Data *data = elf_rawdata(scn, NULL);

		for (; dwarf_next_cfi((const unsigned char *)elf_getident(elf, NULL), data, true,
				      offset, &next, &entry) == 0;
		     offset = next) {
			int32_t relative;
			uint32_t length;

			if (dwarf_cfi_cie_p(&entry))
				continue;
			/* pcrel sdata4: what all compilers of these machines write. */
			memcpy(&relative, entry.fde.start, sizeof(relative));
			memcpy(&length, entry.fde.start + 4, sizeof(length));
			uint64_t start = header.sh_addr +
					 (uint64_t)(entry.fde.start - (uint8_t *)data->d_buf) +
					 (uint64_t)(int64_t)relative;

			if (!length)
				continue;
			compare_at(c, start);
			compare_at(c, start + length / 2);
			compare_at(c, start + length - 1);
		}
	}
}

static struct comparison compare_elf(const char *path, const struct image *image, Elf *elf,
				     Dwarf_CFI *cfi)
{
	struct comparison c = { .path = path, .cfi = cfi };

	assert_non_null(elf);
	assert_non_null(cfi);
	assert_int_equal(elf_open(image, &c.elf), 0);
	assert_int_equal(unwind_build(&c.elf, NULL, &c.built), 0);
	assert_int_equal(unwind_built_check(&c.built), 0);
	compare_rows(&c);
	compare_functions(&c, elf);
	print_message("%-48s %8zu addresses, %7u rows, %u unsupported, %zu of stubs\n", path,
		      c.addresses, c.built.rows, c.built.rows_unsupported, c.stubs);
	assert_true(c.addresses > 0);
	free(TAKE_PTR(c.built.words)); /* the numbers are looked at later */
	free(TAKE_PTR(c.built.rules));
	elf_close(&c.elf);
	return c;
}

/* By its .eh_frame, or if it has none by its .debug_frame. */
static struct comparison compare_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf *dwarf = NULL;
	Dwarf_CFI *cfi;
	struct comparison c;
	struct image image;
	Elf *elf;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	assert_int_equal(image_of_file(fd, &image), 0);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	cfi = dwarf_getcfi_elf(elf);
	if (!cfi) {
		dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
		assert_non_null(dwarf);
		cfi = dwarf_getcfi(dwarf);
	}
	c = compare_elf(path, &image, elf, cfi);
	if (!dwarf)
		dwarf_cfi_end(cfi);
	dwarf_end(dwarf);
	elf_end(elf);
	return c;
}

/* --- which files --- */

struct mapped {
	char *paths[64];
	size_t n;
};

static void remember_mapped(const struct maps_line *line, void *context)
{
	struct mapped *mapped = context;

	if (line->path[0] != '/' || mapped->n == ARRAY_SIZE(mapped->paths))
		return;
	for (size_t i = 0; i < mapped->n; i++)
		if (strcmp(mapped->paths[i], line->path) == 0)
			return;
	mapped->paths[mapped->n++] = xstrdup(line->path);
}

static struct mapped all_mapped(void)
{
	struct mapped mapped = { 0 };

	assert_int_equal(maps_read("/proc", getpid(), remember_mapped, &mapped), 0);
	return mapped;
}

/* At most one row in a thousand says what rules have no words for. */
static void assert_nearly_all_supported(const struct comparison *c)
{
	assert_true(c->built.rows_unsupported * 1000ULL <= c->built.rows + 1000ULL);
}

static void all_files_of_this_process_agree_with_elfutils(void **state)
{
	struct mapped mapped = all_mapped();
	bool seen_libc = false;

	(void)state;
	assert_true(mapped.n >= 5);
	for (size_t i = 0; i < mapped.n; i++) {
		struct comparison c = compare_file(mapped.paths[i]);

		seen_libc = seen_libc || strstr(mapped.paths[i], "/libc.so.6");
		assert_nearly_all_supported(&c);
		free(mapped.paths[i]);
	}
	assert_true(seen_libc);
}

static void the_vdso_agrees_with_elfutils(void **state)
{
	struct comparison c;
	struct image image;
	Dwarf_CFI *cfi;
	Elf *elf;

	(void)state;
	if (!vdso_image(&image))
		skip();
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)image.data, image.size);
	cfi = dwarf_getcfi_elf(elf);
	c = compare_elf("[vdso]", &image, elf, cfi);
	assert_nearly_all_supported(&c);
	dwarf_cfi_end(cfi);
	elf_end(elf);
}

/* Lazy binding goes by rbx, so its rows must say where that is. */
static void rbx_is_known_in_the_dynamic_linker_alone(void **state)
{
	struct mapped mapped = all_mapped();

	(void)state;
	for (size_t i = 0; i < mapped.n; i++) {
		bool is_linker = strstr(mapped.paths[i], "/ld-linux-x86-64");
		struct comparison c = compare_file(mapped.paths[i]);

		if (c.elf.machine == EM_X86_64 && (is_linker || strstr(mapped.paths[i], "/libc.")))
			assert_int_equal(c.knows_rbx > c.addresses / 2, is_linker);
		free(mapped.paths[i]);
	}
}

/* Large ones, hand-written assembly, C++ with exceptions. */
static void well_known_files_agree_with_elfutils(void **state)
{
	static const char *const names[] = { "libcrypto.so.3", "libstdc++.so.6",
					     "libsqlite3.so.0" };
	struct mapped mapped = all_mapped();
	_cleanup_free_ char *folder = NULL;

	(void)state;
	for (size_t i = 0; i < mapped.n; i++) {
		if (strstr(mapped.paths[i], "/libc.so.6"))
			folder = xstrndup(mapped.paths[i],
					  strlen(mapped.paths[i]) - strlen("libc.so.6"));
		free(mapped.paths[i]);
	}
	assert_non_null(folder);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", folder, names[i]);
		struct comparison c = compare_file(path);

		assert_nearly_all_supported(&c);
	}
	compare_file("/usr/bin/python3");
}

/* --- files made here --- */

static char folder[] = "/tmp/plimsoll-unwind-XXXXXX";

/* Frames of every kind that compilers make: none, small, huge, of unknown size, realigned, with
 * more registers than can be kept; functions that do not return, and calls through the PLT. */
static const char source[] =
	"typedef __attribute__((aligned(64))) struct { char bytes[64]; } aligned;\n"
	"extern void use(void *), other(int), finish(void) __attribute__((noreturn));\n"
	"int leaf(int a, int b) { return a * b; }\n"
	"int small(int n) { other(n); return n + 1; }\n"
	"int large(int n) { char b[3000]; use(b); return b[n]; }\n"
	"int huge(int n) { char b[300000]; use(b); return b[n]; }\n"
	"int any(int n) { char b[n]; use(b); return b[n / 2]; }\n"
	"int realigned(int n) { aligned a; use(&a); return a.bytes[n]; }\n"
	"int both(int n) { aligned a; char b[n]; use(b); use(&a); return a.bytes[n] + b[1]; }\n"
	"int early(int n) { if (n < 7) return 1; other(n); other(n + 1); return n; }\n"
	"void never(int n) { other(n); finish(); }\n"
	"long many(long *p) {\n"
	"	long a = p[0], b = p[1], c = p[2], d = p[3], e = p[4], f = p[5], g = p[6];\n"
	"	use(p); other(1); use(p + 1);\n"
	"	return a * b + c * d - e * f * g;\n"
	"}\n"
	"int variadic(int n, ...) {\n"
	"	__builtin_va_list l; __builtin_va_start(l, n); use(&l); return n;\n"
	"}\n"
	"int chain(int n) { return small(n) + large(n) + any(n); }\n";

static void run(const char *command)
{
	_cleanup_free_ char *line = xasprintf("cd %s && { %s; }", folder, command);

	assert_int_equal(system(line), 0);
}

static int make_folder(void **state)
{
	_cleanup_free_ char *path = NULL;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = xasprintf("%s/source.c", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(source, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	run("rm -rf \"$PWD\"");
	return 0;
}

static struct comparison compare_made(const char *command)
{
	_cleanup_free_ char *path = xasprintf("%s/made", folder);
	struct comparison c;

	run(command);
	c = compare_file(path);
	assert_int_equal(c.built.rows_unsupported, 0);
	assert_true(c.built.functions >= 13);
	return c;
}

static void every_kind_of_frame_agrees_with_elfutils(void **state)
{
	(void)state;
	compare_made("gcc -shared -nostdlib -fPIC -O2 -o made source.c");
	compare_made("gcc -shared -nostdlib -fPIC -O0 -o made source.c");
	compare_made("gcc -shared -nostdlib -fPIC -O2 -fno-omit-frame-pointer -o made source.c");
	compare_made("clang-14 -shared -nostdlib -fPIC -O2 -o made source.c");
}

static void every_kind_of_frame_agrees_for_aarch64(void **state)
{
#define AARCH64 "clang-14 --target=aarch64-linux-gnu -fuse-ld=lld -shared -nostdlib -fPIC -o made "

	(void)state;
	compare_made(AARCH64 "-O2 source.c");
	compare_made(AARCH64 "-O0 source.c");
	compare_made(AARCH64 "-O2 -mbranch-protection=standard source.c");
	compare_made(AARCH64 "-O2 -fomit-frame-pointer source.c");
}

static void debug_frame_agrees_where_there_is_no_eh_frame(void **state)
{
#define NO_TABLES "gcc -shared -nostdlib -fPIC -g -fno-asynchronous-unwind-tables "

	(void)state;
	compare_made(NO_TABLES "-O2 -o made source.c");
	compare_made(
		NO_TABLES
		"-O2 -gz -o made source.c && readelf -S made | grep -A1 debug_frame | grep -q C");
}

/* lld does not describe them; all of .plt must have rows all the same. */
static void linkage_tables_without_description_have_rows(void **state)
{
	struct comparison c;

	(void)state;
	c = compare_made("clang-14 -shared -nostdlib -fPIC -O2 -fuse-ld=lld -o made source.c");
	assert_true(c.stubs > 0);
	c = compare_made(AARCH64 "-O2 source.c");
	assert_true(c.stubs > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_files_of_this_process_agree_with_elfutils),
		cmocka_unit_test(the_vdso_agrees_with_elfutils),
		cmocka_unit_test(rbx_is_known_in_the_dynamic_linker_alone),
		cmocka_unit_test(well_known_files_agree_with_elfutils),
		cmocka_unit_test(every_kind_of_frame_agrees_with_elfutils),
		cmocka_unit_test(every_kind_of_frame_agrees_for_aarch64),
		cmocka_unit_test(debug_frame_agrees_where_there_is_no_eh_frame),
		cmocka_unit_test(linkage_tables_without_description_have_rows),
	};

	for (int i = 1; i < argc; i++)
		compare_file(argv[i]);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
