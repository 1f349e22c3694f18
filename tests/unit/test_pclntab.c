/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's table of functions, made here by hand in each of its versions: one small program
 *
 *     0x401000 main.main        main.go: line 10, from 0x401020 on line 12
 *     0x401040 main.leaf        util.go: line 30; 0x401048 to 0x401050 is main.twice (line 20),
 *                               inlined at line 31, and in it main.once (line 15), at line 21
 *     0x401080 the end
 *
 * main.main has a frame of 24 bytes from 0x401004 to 0x40103c, main.leaf has none.
 *
 * What real compilers write is tested by tests/system/test_runtimes.py.
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbol/pclntab.h"
#include "symbol/unwind_table.h"

#define TEXT	 0x401000
#define TABLE	 0x500000
#define MODULE	 0x600000
#define INLINES	 0x700000
#define BUILD	 0x800000
#define END	 0x401080
#define CAPACITY 8192

enum version { GO_1_2, GO_1_16, GO_1_18, GO_1_20, GO_1_26, GO_1_27, VERSIONS };
static const uint32_t magics[VERSIONS] = { 0xfffffffb, 0xfffffffa, 0xfffffff0,
					   0xfffffff1, 0xfffffff1, 0xfffffff1 };

/* How a test's program differs from what Go's own linker makes. */
struct oddity {
	bool anonymous;			   /* the table is in no section of its own */
	bool no_build;			   /* and nothing says that this is Go */
	bool relocated;			   /* the start of the text stands in a relocation alone */
	bool circle;			   /* the inlined call was inlined into itself */
	bool everywhere;		   /* every function's row covers everything */
	const char *main_name, *leaf_name; /* instead of "main.main", "main.leaf" */
	uint8_t main_flags, leaf_flags;
};

/* --- writing --- */

struct bytes {
	uint8_t data[CAPACITY];
	size_t n;
};

static void put(struct bytes *b, uint64_t value, size_t size)
{
	value = htole64(value);
	assert_true(b->n + size <= CAPACITY);
	memcpy(b->data + b->n, &value, size);
	b->n += size;
}

static void patch(struct bytes *b, size_t at, uint64_t value, size_t size)
{
	value = htole64(value);
	memcpy(b->data + at, &value, size);
}

static size_t put_string(struct bytes *b, const char *s)
{
	size_t at = b->n;

	assert_true(b->n + strlen(s) + 1 <= CAPACITY);
	memcpy(b->data + b->n, s, strlen(s) + 1);
	b->n += strlen(s) + 1;
	return at;
}

static void align(struct bytes *b, size_t to)
{
	while (b->n % to)
		put(b, 0, 1);
}

static void put_leb(struct bytes *b, uint32_t value)
{
	for (; value >= 0x80; value >>= 7)
		put(b, value | 0x80, 1);
	put(b, value, 1);
}

/* A table of pctab: `value` for so many bytes of code, n times; both relative to `base`. */
static size_t put_values(struct bytes *b, size_t n, const int32_t (*pairs)[2])
{
	size_t at = b->n;
	int32_t last = -1;

	for (size_t i = 0; i < n; i++) {
		int32_t delta = pairs[i][0] - last;

		put_leb(b, (uint32_t)delta << 1 ^ (uint32_t)(delta >> 31));
		put_leb(b, (uint32_t)pairs[i][1]);
		last = pairs[i][0];
	}
	put(b, 0, 1);
	return at;
}

/* --- the table --- */

/* Offsets in the table. */
struct parts {
	size_t names, units, files, values, functions;
	size_t main_name, leaf_name, twice_name, once_name;
	size_t main_lines, leaf_lines, main_files, leaf_files, main_sp, leaf_sp, inlined;
};

static bool is_new(enum version v)
{
	return v >= GO_1_18;
}

static size_t header_size(enum version v)
{
	return v == GO_1_2 ? 16 : is_new(v) ? 72 : 64;
}

static void put_strings(struct bytes *b, enum version v, const struct oddity *odd, struct parts *p)
{
	const char *const names[] = { odd->main_name ? odd->main_name : "main.main",
				      odd->leaf_name ? odd->leaf_name : "main.leaf", "main.twice",
				      "main.once" };
	size_t *const at[] = { &p->main_name, &p->leaf_name, &p->twice_name, &p->once_name };

	/* In the oldest version everything counts from the beginning of the table. */
	p->names = v == GO_1_2 ? 0 : b->n;
	put(b, 0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		*at[i] = put_string(b, names[i]) - p->names;
	align(b, 8);
	p->units = b->n;
	if (v != GO_1_2) {
		put(b, UINT32_MAX, 4); /* a file that is not used */
		put(b, 0, 4);
		put(b, strlen("/src/main.go") + 1, 4);
		align(b, 8);
	}
	p->files = b->n;
	put_string(b, "/src/main.go");
	put_string(b, "/src/util.go");
	if (v == GO_1_2) {
		size_t strings = p->files;

		align(b, 4);
		p->files = b->n;
		put(b, 3, 4);
		put(b, strings, 4);
		put(b, strings + strlen("/src/main.go") + 1, 4);
	}
	align(b, 8);
}

static void put_value_tables(struct bytes *b, enum version v, struct parts *p)
{
	/* Files count from 1 here: number 0 of the newer versions is the unused one. */
	static const int32_t main_lines[][2] = { { 10, 0x20 }, { 12, 0x20 } };
	static const int32_t leaf_lines[][2] = {
		{ 30, 8 }, { 15, 8 }, { 31, 4 }, { 21, 4 }, { 30, 0x28 }
	};
	static const int32_t main_files[][2] = { { 1, 0x40 } }, leaf_files[][2] = { { 2, 0x40 } };
	static const int32_t main_sp[][2] = { { 0, 4 }, { 24, 0x38 }, { 0, 4 } };
	static const int32_t leaf_sp[][2] = { { 0, 0x40 } };
	static const int32_t inlined[][2] = {
		{ -1, 8 }, { 1, 8 }, { -1, 4 }, { 0, 4 }, { -1, 0x28 }
	};

	p->values = v == GO_1_2 ? 0 : b->n;
	put(b, 0, 1);
	p->main_lines = put_values(b, ARRAY_SIZE(main_lines), main_lines) - p->values;
	p->leaf_lines = put_values(b, ARRAY_SIZE(leaf_lines), leaf_lines) - p->values;
	p->main_files = put_values(b, ARRAY_SIZE(main_files), main_files) - p->values;
	p->leaf_files = put_values(b, ARRAY_SIZE(leaf_files), leaf_files) - p->values;
	p->main_sp = put_values(b, ARRAY_SIZE(main_sp), main_sp) - p->values;
	p->leaf_sp = put_values(b, ARRAY_SIZE(leaf_sp), leaf_sp) - p->values;
	p->inlined = put_values(b, ARRAY_SIZE(inlined), inlined) - p->values;
	align(b, 8);
}

static size_t put_func(struct bytes *b, enum version v, const struct parts *p, bool is_leaf,
		       uint8_t flags)
{
	size_t at;

	align(b, 8);
	at = b->n;
	put(b, (is_leaf ? 0x40 : 0) + (is_new(v) ? 0 : TEXT), is_new(v) ? 4 : 8);
	put(b, is_leaf ? p->leaf_name : p->main_name, 4);
	put(b, 0, 4); /* args */
	put(b, 0, 4); /* deferreturn */
	put(b, is_leaf ? p->leaf_sp : p->main_sp, 4);
	put(b, is_leaf ? p->leaf_files : p->main_files, 4);
	put(b, is_leaf ? p->leaf_lines : p->main_lines, 4);
	put(b, is_leaf ? 3 : 0, 4); /* npcdata */
	if (v != GO_1_2)
		put(b, 0, 4); /* cuOffset */
	if (v >= GO_1_20)
		put(b, is_leaf ? 29 : 9, 4);		  /* startLine */
	put(b, (is_leaf ? 4u << 24 : 0) | flags << 8, 4); /* funcID, flag, pad, nfuncdata */
	for (int i = 0; is_leaf && i < 3; i++)
		put(b, i == 2 ? p->inlined : 0, 4);
	for (int i = 0; is_leaf && i < 4; i++)
		put(b, i == 3 ? 0 : UINT32_MAX, is_new(v) ? 4 : 8);
	return at;
}

static void put_functions(struct bytes *b, enum version v, struct parts *p,
			  const struct oddity *odd)
{
	size_t field = is_new(v) ? 4 : 8, base = is_new(v) ? 0 : TEXT, rows, record;
	size_t from = v == GO_1_2 ? 0 : b->n;

	/* Where the functab of the oldest version stands behind its header. */
	rows = p->functions = v == GO_1_2 ? header_size(v) : b->n;
	if (v != GO_1_2)
		b->n += 5 * field;
	for (int i = 0; i < 2; i++) {
		record = put_func(b, v, p, i, i ? odd->leaf_flags : odd->main_flags);
		patch(b, rows + 2 * i * field, base + (i && !odd->everywhere ? 0x40 : 0), field);
		patch(b, rows + (2 * i + 1) * field, record - from, field);
	}
	patch(b, rows + 4 * field, base + (odd->everywhere ? UINT32_MAX : END - TEXT), field);
	if (v == GO_1_2)
		patch(b, rows + 5 * field, p->files, 4);
}

static void put_table(struct bytes *b, enum version v, const struct oddity *odd, struct parts *p)
{
	*b = (struct bytes){ .n = header_size(v) + (v == GO_1_2 ? 5 * 8 + 4 : 0) };
	align(b, 8);
	put_strings(b, v, odd, p);
	put_value_tables(b, v, p);
	put_functions(b, v, p, odd);

	const uint64_t words[] = {
		2,	   2,		v < GO_1_26 && !odd->relocated ? TEXT : 0,
		p->names,  p->units,	p->files,
		p->values, p->functions
	};
	size_t at = 8;

	patch(b, 0, magics[v], 4);
	patch(b, 6, 1, 1);
	patch(b, 7, 8, 1);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (v == GO_1_2 ? i > 0 : i == 2 && !is_new(v))
			continue;
		patch(b, at, words[i], 8);
		at += 8;
	}
}

static void put_module(struct bytes *b, enum version v, const struct parts *p)
{
	uint64_t words[48] = { TABLE, TABLE + p->names };

	words[22] = TEXT;
	words[37] = 0x400000;
	words[38] = v == GO_1_27 ? 0x100 : 0x500000;
	words[v == GO_1_18 ? 38 : v == GO_1_27 ? 43 : 40] = INLINES;
	*b = (struct bytes){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		put(b, words[i], 8);
}

/* Two calls: 0 is main.twice in main.leaf, 1 is main.once in main.twice. */
static void put_inlines(struct bytes *b, enum version v, const struct oddity *odd,
			const struct parts *p)
{
	const uint32_t parents[] = { 0x10, odd->circle ? 8 : 0x14 };

	*b = (struct bytes){ 0 };
	for (int i = 0; i < 2; i++) {
		put(b, 0, 4);
		if (v == GO_1_18) { /* file and line of the call */
			put(b, 2, 4);
			put(b, 31, 4);
		}
		put(b, i ? p->once_name : p->twice_name, 4);
		put(b, parents[i], 4);
		if (v >= GO_1_20)
			put(b, i ? 14 : 19, 4);
	}
}

/* --- the file --- */

struct program {
	struct bytes file;
	struct elf elf;
};

static void put_section(struct bytes *b, size_t *header, size_t name, uint32_t type, uint64_t flags,
			uint64_t address, const struct bytes *content)
{
	Elf64_Shdr s = { .sh_name = (uint32_t)name,
			 .sh_type = type,
			 .sh_flags = flags,
			 .sh_addr = address,
			 .sh_offset = b->n,
			 .sh_size = content->n };

	assert_true(b->n + content->n <= CAPACITY);
	memcpy(b->data + b->n, content->data, content->n);
	b->n += content->n;
	align(b, 8);
	memcpy(b->data + *header, &s, sizeof(s));
	*header += sizeof(s);
}

static void make_program(struct program *p, enum version v, const struct oddity *odd)
{
	static struct bytes table, module, inlines, build, rela, names;
	struct bytes *b = &p->file;
	struct parts parts;
	Elf64_Ehdr head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phoff = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 1,
			    .e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			    .e_shentsize = sizeof(Elf64_Shdr),
			    .e_shnum = 7,
			    .e_shstrndx = 6 };
	const Elf64_Phdr code = { .p_type = PT_LOAD,
				  .p_flags = PF_R | PF_X,
				  .p_vaddr = TEXT,
				  .p_filesz = END - TEXT,
				  .p_memsz = END - TEXT };
	size_t header = sizeof(head) + sizeof(code) + sizeof(Elf64_Shdr);

	put_table(&table, v, odd, &parts);
	put_module(&module, v, &parts);
	if (odd->relocated)
		patch(&module, 22 * 8, 0, 8);
	put_inlines(&inlines, v, odd, &parts);
	build = names = rela = (struct bytes){ 0 };
	put(&build, 0, 8);
	put(&names, 0, 1);
	if (odd->relocated) {
		put(&rela, TABLE + 24, 8); /* textStart of the header */
		put(&rela, ELF64_R_INFO(0, R_X86_64_RELATIVE), 8);
		put(&rela, TEXT, 8);
	}
	*b = (struct bytes){ .n = sizeof(head) + sizeof(code) + 7 * sizeof(Elf64_Shdr) };
	memcpy(b->data, &head, sizeof(head));
	memcpy(b->data + sizeof(head), &code, sizeof(code));
	put_section(b, &header, put_string(&names, odd->anonymous ? ".data.rel.ro" : ".gopclntab"),
		    SHT_PROGBITS, SHF_ALLOC, TABLE, &table);
	put_section(b, &header, put_string(&names, v >= GO_1_26 ? ".go.module" : ".noptrdata"),
		    SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, MODULE, &module);
	put_section(b, &header, put_string(&names, ".rodata"), SHT_PROGBITS, SHF_ALLOC, INLINES,
		    &inlines);
	put_section(b, &header, put_string(&names, odd->no_build ? ".data" : ".go.buildinfo"),
		    SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, BUILD, &build);
	put_section(b, &header, put_string(&names, ".rela"), SHT_RELA, SHF_ALLOC, 0, &rela);
	put_string(&names, ".shstrtab");
	put_section(b, &header, names.n - sizeof(".shstrtab"), SHT_STRTAB, 0, 0, &names);

	const struct image image = { .data = b->data, .size = b->n, .fd = -1 };

	assert_int_equal(elf_open(&image, &p->elf), 0);
}

/* --- asking --- */

struct asked {
	struct arena arena;
	uint64_t work;
	const char *names[2];
	struct lookup lookup;
};

static struct lookup *ask(struct asked *a, const uint64_t *addresses, size_t n)
{
	*a = (struct asked){ .work = LOOKUP_WORK_SOURCE };
	a->lookup = (struct lookup){ .addresses = addresses,
				     .n = n,
				     .names = a->names,
				     .arena = &a->arena,
				     .work = &a->work };
	return &a->lookup;
}

/* Of one address; the caller frees the arena. */
static struct source_answer source_of(struct program *p, uint64_t address, struct asked *a)
{
	struct source_answer answer = { 0 };

	ask(a, &address, 1);
	pclntab_source(&p->elf, &address, 1, &a->work, &a->arena, &answer);
	return answer;
}

static void assert_scope(const struct source_scope *scope, const char *function,
			 uint32_t start_line, unsigned depth)
{
	assert_non_null(scope);
	assert_string_equal(scope->function->name, function);
	assert_int_equal(scope->function->start_line, start_line);
	assert_int_equal(scope->depth, depth);
}

static const struct oddity plain;

static void assert_name(struct program *p, uint64_t address, const char *name)
{
	struct asked a;

	pclntab_lookup(&p->elf, ask(&a, &address, 1));
	if (name)
		assert_string_equal(a.names[0], name);
	else
		assert_null(a.names[0]);
	arena_free(&a.arena);
}

/* --- tests --- */

static void every_version_names_its_functions(void **state)
{
	static struct program p;

	(void)state;
	for (int v = 0; v < VERSIONS; v++) {
		make_program(&p, (enum version)v, &plain);
		assert_name(&p, TEXT, "main.main");
		assert_name(&p, TEXT + 0x3f, "main.main");
		assert_name(&p, TEXT + 0x40, "main.leaf");
		assert_name(&p, END - 1, "main.leaf");
		assert_name(&p, END, NULL);
		assert_name(&p, TEXT - 1, NULL);
		elf_close(&p.elf);
	}
}

static void every_version_knows_files_and_lines(void **state)
{
	static struct program p;
	struct asked a;

	(void)state;
	for (int v = 0; v < VERSIONS; v++) {
		make_program(&p, (enum version)v, &plain);
		struct source_answer answer = source_of(&p, TEXT + 0x20, &a);

		assert_scope(answer.scope, "main.main", v >= GO_1_20 ? 9 : 0, 1);
		assert_null(answer.scope->outer);
		assert_string_equal(answer.file, "/src/main.go");
		assert_int_equal(answer.line, 12);
		arena_free(&a.arena);
		elf_close(&p.elf);
	}
}

static void inlined_calls_are_scopes_in_their_callers(void **state)
{
	static struct program p;
	struct asked a;

	(void)state;
	for (int v = GO_1_18; v < VERSIONS; v++) {
		bool starts = v >= GO_1_20;

		make_program(&p, (enum version)v, &plain);
		const struct source_answer answer = source_of(&p, TEXT + 0x48, &a);
		const struct source_scope *once = answer.scope;

		assert_scope(once, "main.once", starts ? 14 : 0, 3);
		assert_string_equal(answer.file, "/src/util.go");
		assert_int_equal(answer.line, 15);
		assert_scope(once->outer, "main.twice", starts ? 19 : 0, 2);
		assert_string_equal(once->call_file, "/src/util.go");
		assert_int_equal(once->call_line, 21);
		assert_scope(once->outer->outer, "main.leaf", starts ? 29 : 0, 1);
		assert_int_equal(once->outer->call_line, 31);
		assert_null(once->outer->outer->outer);
		arena_free(&a.arena);
		assert_name(&p, TEXT + 0x48, "main.leaf");
		elf_close(&p.elf);
	}
}

static void names_that_were_found_before_stay(void **state)
{
	static const uint64_t addresses[] = { TEXT, TEXT + 0x40 };
	static struct program p;
	struct asked a;

	(void)state;
	make_program(&p, GO_1_20, &plain);
	ask(&a, addresses, 2);
	a.names[0] = "known";
	pclntab_lookup(&p.elf, &a.lookup);
	assert_string_equal(a.names[0], "known");
	assert_string_equal(a.names[1], "main.leaf");
	arena_free(&a.arena);
	elf_close(&p.elf);
}

static void a_table_in_no_section_is_found_in_go_programs_only(void **state)
{
	static const struct oddity anonymous = { .anonymous = true };
	static const struct oddity unknown = { .anonymous = true, .no_build = true };
	static struct program p;

	(void)state;
	for (int v = 0; v < VERSIONS; v++) {
		make_program(&p, (enum version)v, &anonymous);
		assert_name(&p, TEXT, "main.main");
		elf_close(&p.elf);
		make_program(&p, (enum version)v, &unknown);
		assert_name(&p, TEXT, NULL);
		elf_close(&p.elf);
	}
}

static void the_text_may_stand_in_a_relocation(void **state)
{
	static const struct oddity relocated = { .relocated = true };
	static struct program p;

	(void)state;
	for (int v = GO_1_18; v <= GO_1_20; v++) {
		make_program(&p, (enum version)v, &relocated);
		assert_name(&p, TEXT + 0x40, "main.leaf");
		elf_close(&p.elf);
	}
}

static void calls_inlined_in_circles_end(void **state)
{
	static const struct oddity circle = { .circle = true };
	static struct program p;
	struct asked a;

	(void)state;
	make_program(&p, GO_1_20, &circle);
	assert_scope(source_of(&p, TEXT + 0x48, &a).scope, "main.once", 14, PCLNTAB_SCOPES_MAX);
	arena_free(&a.arena);
	elf_close(&p.elf);
}

static void functions_that_cover_everything_run_out_of_allowance(void **state)
{
	static const struct oddity everywhere = { .everywhere = true };
	static const uint64_t addresses[] = { TEXT, TEXT + 1 };
	static struct program p;
	struct asked a;

	(void)state;
	make_program(&p, GO_1_20, &everywhere);
	ask(&a, addresses, 2);
	a.work = 4; /* three rows, one of two addresses */
	pclntab_lookup(&p.elf, &a.lookup);
	assert_int_equal(a.work, 0);
	assert_null(a.names[1]);
	arena_free(&a.arena);
	elf_close(&p.elf);
}

/* Every shorter table, and every byte of it replaced: nothing but bounds is asked. */
static void broken_tables_are_read_within_bounds(void **state)
{
	static const uint64_t addresses[] = { TEXT + 0x20, TEXT + 0x48 };
	static struct program p;
	struct asked a;

	(void)state;
	for (int v = 0; v < VERSIONS; v++) {
		make_program(&p, (enum version)v, &plain);
		uint64_t size = p.elf.sections[1].size;

		for (uint64_t cut = 0; cut < size; cut++) {
			p.elf.sections[1].size = cut;
			source_of(&p, TEXT + 0x48, &a);
			arena_free(&a.arena);
		}
		p.elf.sections[1].size = size;
		for (size_t i = 0; i < size; i++) {
			uint8_t *byte = p.file.data + p.elf.sections[1].offset + i, was = *byte;

			for (int k = 0; k < 3; k++) {
				struct unwind_built built;

				*byte = (const uint8_t[]){ 0, 0x80, 0xff }[k];
				if (unwind_build(&p.elf, NULL, &built) == 0) {
					assert_int_equal(unwind_built_check(&built), 0);
					unwind_built_free(&built);
				}
				pclntab_lookup(&p.elf, ask(&a, addresses, 2));
				arena_free(&a.arena);
				source_of(&p, TEXT + 0x48, &a);
				arena_free(&a.arena);
			}
			*byte = was;
		}
		assert_name(&p, TEXT, "main.main");
		elf_close(&p.elf);
	}
}

/* --- frames --- */

static void assert_rule(const struct unwind_built *built, uint64_t address, uint8_t cfa_kind,
			int32_t cfa, uint8_t fp_kind)
{
	const struct unwind_rule *rule = unwind_built_find(built, address);

	assert_int_equal(rule->cfa_kind, cfa_kind);
	if (cfa_kind != CFA_SP)
		return;
	assert_int_equal(rule->cfa, cfa);
	assert_int_equal(rule->ra_kind, PLACE_CFA);
	assert_int_equal(rule->ra_offset, -8);
	assert_int_equal(rule->fp_kind, fp_kind);
	if (fp_kind == PLACE_CFA)
		assert_int_equal(rule->fp_offset, -16);
}

static void build(struct program *p, const struct oddity *odd, struct unwind_built *out)
{
	make_program(p, GO_1_20, odd);
	assert_int_equal(unwind_build(&p->elf, NULL, out), 0);
	assert_int_equal(unwind_built_check(out), 0);
	elf_close(&p->elf);
}

static void frames_are_walked_by_what_the_table_says(void **state)
{
	static struct program p;
	struct unwind_built built;

	(void)state;
	build(&p, &plain, &built);
	assert_rule(&built, TEXT, CFA_SP, 8, PLACE_SAME);
	assert_rule(&built, TEXT + 3, CFA_SP, 8, PLACE_SAME);
	assert_rule(&built, TEXT + 4, CFA_SP, 32, PLACE_CFA);
	assert_rule(&built, TEXT + 0x3b, CFA_SP, 32, PLACE_CFA);
	assert_rule(&built, TEXT + 0x3c, CFA_SP, 8, PLACE_SAME);
	assert_rule(&built, TEXT + 0x40, CFA_SP, 8, PLACE_SAME);
	assert_rule(&built, END - 1, CFA_SP, 8, PLACE_SAME);
	unwind_built_free(&built);
}

static void functions_that_leave_their_stack_are_walked_by_frame_pointer(void **state)
{
	static const struct oddity systemstack = { .main_name = "runtime.systemstack",
						   .main_flags = 6 };
	static struct program p;
	struct unwind_built built;

	(void)state;
	build(&p, &systemstack, &built);
	assert_rule(&built, TEXT + 0x20, CFA_NONE, 0, 0);
	assert_rule(&built, TEXT + 0x40, CFA_SP, 8, PLACE_SAME);
	unwind_built_free(&built);
}

static void stacks_end_at_their_bottom(void **state)
{
	static const struct oddity goexit = { .main_name = "runtime.goexit", .main_flags = 5 };
	static const struct oddity sigtramp = { .main_name = "runtime.sigtramp", .main_flags = 5 };
	static struct program p;
	struct unwind_built built;

	(void)state;
	build(&p, &goexit, &built);
	assert_rule(&built, TEXT + 0x20, CFA_END, 0, 0);
	unwind_built_free(&built);
	build(&p, &sigtramp, &built);
	assert_rule(&built, TEXT + 0x20, CFA_SP, 32, PLACE_CFA);
	unwind_built_free(&built);
}

static void a_handlers_return_address_is_left_to_the_walker(void **state)
{
	static const struct oddity sigreturn = { .leaf_name = "runtime.sigreturn__sigaction",
						 .leaf_flags = 4 };
	static struct program p;
	struct unwind_built built;

	(void)state;
	build(&p, &sigreturn, &built);
	assert_rule(&built, TEXT + 0x3e, CFA_SP, 8, PLACE_SAME);
	assert_rule(&built, TEXT + 0x3f, CFA_NONE, 0, 0);
	assert_rule(&built, TEXT + 0x40, CFA_NONE, 0, 0);
	unwind_built_free(&built);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_names_its_functions),
		cmocka_unit_test(every_version_knows_files_and_lines),
		cmocka_unit_test(inlined_calls_are_scopes_in_their_callers),
		cmocka_unit_test(names_that_were_found_before_stay),
		cmocka_unit_test(a_table_in_no_section_is_found_in_go_programs_only),
		cmocka_unit_test(the_text_may_stand_in_a_relocation),
		cmocka_unit_test(calls_inlined_in_circles_end),
		cmocka_unit_test(functions_that_cover_everything_run_out_of_allowance),
		cmocka_unit_test(broken_tables_are_read_within_bounds),
		cmocka_unit_test(frames_are_walked_by_what_the_table_says),
		cmocka_unit_test(functions_that_leave_their_stack_are_walked_by_frame_pointer),
		cmocka_unit_test(stacks_end_at_their_bottom),
		cmocka_unit_test(a_handlers_return_address_is_left_to_the_walker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
