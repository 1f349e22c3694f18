/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over each table, 64 KiB at a time; every asked address keeps two candidates:
 *
 *     containing   the best symbol whose [value, value + size) has the address in it
 *     nearest      the closest symbol at or before the address, of any size
 *
 * The containing one is the answer. Where there is none, hand-written assembly often has symbols
 * without size: then the nearest is, if it is such a one and of the same section.
 */
#include "symbol/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "symbol/minidebug.h"
#include "symbol/pclntab.h"

#define CHUNK (64 << 10)
/* Chrome, the largest binary in common use, has 1.5 million symbols; this is four million. */
#define TABLE_MAX (96ULL << 20)
/* Main file, its minidebuginfo, the debug file. */
#define SOURCES_MAX 3
/* What reading two names to choose between them costs, in steps. */
#define WORK_COMPARE 200
/* What decompressing the largest minidebuginfo costs. */
#define WORK_DECOMPRESS 20000000

struct candidate {
	uint64_t start, end; /* end: of the symbol, or of the section for one without size */
	uint32_t name;	     /* offset in the string table */
	uint8_t rank, source;
	bool set, sized;
};

struct source {
	const struct elf *elf;
	uint64_t bias; /* to add to its addresses to get those of the main file */
	uint64_t strings, strings_end;
};

struct search {
	struct lookup *lookup;
	struct source sources[SOURCES_MAX + 1];
	size_t nsources;
	struct candidate *containing, *nearest;
};

struct symbol {
	uint64_t value, size;
	uint32_t name;
	uint16_t section;
	uint8_t type, binding;
};

static struct symbol symbol_at(const struct elf *elf, const void *table, size_t i)
{
	const Elf32_Sym *s32 = (const Elf32_Sym *)table + i;
	const Elf64_Sym *s64 = (const Elf64_Sym *)table + i;

	if (elf->is64)
		return (struct symbol){ s64->st_value,
					s64->st_size,
					s64->st_name,
					s64->st_shndx,
					ELF64_ST_TYPE(s64->st_info),
					ELF64_ST_BIND(s64->st_info) };
	return (struct symbol){ s32->st_value,
				s32->st_size,
				s32->st_name,
				s32->st_shndx,
				ELF32_ST_TYPE(s32->st_info),
				ELF32_ST_BIND(s32->st_info) };
}

static int name_of(const struct search *search, const struct candidate *c, char *buffer,
		   size_t size)
{
	const struct source *source = &search->sources[c->source];

	return image_string(&source->elf->image, source->strings + c->name, source->strings_end,
			    buffer, size);
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/*
 * Of two symbols at one address. Functions before labels, visible ones before local ones; then what
 * programmers call it: `malloc`, not `__libc_malloc`. Weak and global count the same, because libc
 * makes the common name the weak one (`write`, `__write`).
 */
static bool better(struct search *search, const struct candidate *a, const struct candidate *b)
{
	char name_a[SYMBOL_NAME_MAX / 16], name_b[SYMBOL_NAME_MAX / 16];

	if (!b->set || a->start != b->start)
		return !b->set || a->start > b->start;
	if (a->sized != b->sized)
		return a->sized;
	if (a->rank != b->rank)
		return a->rank > b->rank;
	if (!lookup_spend(search->lookup, WORK_COMPARE) ||
	    name_of(search, a, name_a, sizeof(name_a)))
		return false;
	if (name_of(search, b, name_b, sizeof(name_b)))
		return true;
	if (underscores(name_a) != underscores(name_b))
		return underscores(name_a) < underscores(name_b);
	if (strlen(name_a) != strlen(name_b))
		return strlen(name_a) < strlen(name_b);
	return strcmp(name_a, name_b) < 0;
}

/* ARM's and RISC-V's assemblers mark code and data with $x, $d, $a, $t: not names of anything. */
static bool is_mapping_symbol(const struct search *search, const struct candidate *c)
{
	uint16_t machine = search->sources[c->source].elf->machine;
	char name[4];

	if (machine != EM_AARCH64 && machine != EM_ARM && machine != EM_RISCV)
		return false;
	return name_of(search, c, name, sizeof(name)) == 0 && name[0] == '$';
}

static void consider(struct search *search, struct candidate *slot, const struct candidate *c)
{
	if (better(search, c, slot) && (c->sized || !is_mapping_symbol(search, c)))
		*slot = *c;
}

/* False when the allowance is spent. */
static bool add_symbol(struct search *search, size_t source, const struct symbol *s)
{
	const struct elf *elf = search->sources[source].elf;
	struct lookup *lookup = search->lookup;
	const struct elf_section *section;
	struct candidate c;
	size_t i;

	if (s->type != STT_FUNC && s->type != STT_GNU_IFUNC && s->type != STT_NOTYPE)
		return true;
	if (s->section == SHN_UNDEF || s->section >= elf->nsections)
		return true;
	section = &elf->sections[s->section];
	if (!(section->flags & SHF_EXECINSTR))
		return true;
	c = (struct candidate){
		.start = s->value,
		.name = s->name,
		.rank = (uint8_t)(2 * (s->type != STT_NOTYPE) + (s->binding != STB_LOCAL)),
		.source = (uint8_t)source,
		.set = true,
		.sized = s->size != 0,
	};
	if (elf->machine == EM_ARM && s->type == STT_FUNC)
		c.start &= ~1ULL; /* the Thumb bit */
	if (c.start < section->address || c.start - section->address >= section->size)
		return true;
	/* A symbol ends with its section at the latest, whatever it says. */
	uint64_t room = section->size - (c.start - section->address);

	c.end = c.start + (c.sized ? MIN(s->size, room) : room);
	c.start += search->sources[source].bias;
	c.end += search->sources[source].bias;

	i = lookup_first(lookup->addresses, lookup->n, c.start);
	if (i == lookup->n)
		return true;
	consider(search, &search->nearest[i], &c);
	for (; c.sized && i < lookup->n && lookup->addresses[i] < c.end; i++) {
		consider(search, &search->containing[i], &c);
		if (!lookup_spend(lookup, 1))
			return false;
	}
	return true;
}

static void add_table(struct search *search, const struct elf *elf, uint32_t type, uint64_t bias)
{
	const struct elf_section *table = elf_section_of_type(elf, type);
	size_t entry = elf->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	size_t chunk = CHUNK / entry * entry;
	const struct elf_section *strings;
	_cleanup_free_ void *buffer = NULL;
	uint64_t size;

	if (!table || table->link >= elf->nsections || search->nsources > SOURCES_MAX)
		return;
	strings = &elf->sections[table->link];
	if (strings->type != SHT_STRTAB)
		return;
	search->sources[search->nsources] = (struct source){
		.elf = elf,
		.bias = bias,
		.strings = strings->offset,
		.strings_end = strings->offset + strings->size,
	};
	buffer = xmalloc(chunk);
	size = MIN(table->size, TABLE_MAX) / entry * entry;
	for (uint64_t at = 0; at < size; at += chunk) {
		size_t n = MIN((uint64_t)chunk, size - at);

		if (!lookup_spend(search->lookup, n / entry) ||
		    image_read(&elf->image, table->offset + at, buffer, n) ||
		    !elf_convert(elf, ELF_T_SYM, buffer, n))
			break;
		for (size_t i = 0; i < n / entry; i++) {
			struct symbol symbol = symbol_at(elf, buffer, i);

			if (!add_symbol(search, search->nsources, &symbol))
				goto out;
		}
	}
out:
	search->nsources++;
}

/* Copies what the candidates say into the answer. */
static void answer(struct search *search)
{
	struct lookup *lookup = search->lookup;
	_cleanup_free_ char *buffer = xmalloc(SYMBOL_NAME_MAX);
	const struct candidate *nearest = NULL;

	for (size_t i = 0; i < lookup->n; i++) {
		const struct candidate *c = &search->containing[i];

		/* What is nearest to an address is so to the next one, if nothing lies between. */
		if (search->nearest[i].set)
			nearest = &search->nearest[i];
		if (!c->set)
			c = nearest && !nearest->sized && lookup->addresses[i] < nearest->end
				    ? nearest
				    : NULL;
		if (!c || lookup->names[i] || name_of(search, c, buffer, SYMBOL_NAME_MAX) ||
		    !buffer[0])
			continue;
		utf8_clean(buffer);
		lookup->names[i] = arena_strndup(lookup->arena, buffer, strlen(buffer));
	}
}

/* --- the procedure linkage table: stubs have no symbols, but stand in the order of their
 * relocations --- */

static uint32_t relocation_symbol(const struct elf *elf, const struct elf_section *rela, uint64_t i)
{
	union {
		Elf32_Rela r32;
		Elf64_Rela r64;
	} u;
	size_t entry = elf->is64 ? sizeof(u.r64) : sizeof(u.r32);

	if (i >= rela->size / entry ||
	    image_read(&elf->image, rela->offset + i * entry, &u, entry) ||
	    !elf_convert(elf, ELF_T_RELA, &u, entry))
		return 0;
	return elf->is64 ? (uint32_t)ELF64_R_SYM(u.r64.r_info) : ELF32_R_SYM(u.r32.r_info);
}

static bool symbol_name(const struct elf *elf, const struct elf_section *table, uint32_t number,
			char *buffer, size_t size)
{
	union {
		Elf32_Sym s32;
		Elf64_Sym s64;
	} u;
	size_t entry = elf->is64 ? sizeof(u.s64) : sizeof(u.s32);
	const struct elf_section *strings;

	if (!number || number >= table->size / entry || table->link >= elf->nsections)
		return false;
	strings = &elf->sections[table->link];
	if (strings->type != SHT_STRTAB ||
	    image_read(&elf->image, table->offset + number * entry, &u, entry) ||
	    !elf_convert(elf, ELF_T_SYM, &u, entry))
		return false;
	struct symbol symbol = symbol_at(elf, &u, 0);

	return image_string(&elf->image, strings->offset + symbol.name,
			    strings->offset + strings->size, buffer, size) == 0;
}

/*
 * Sizes by the psABIs: x86-64 has 16 bytes a stub and one stub as header (none in .plt.sec, which
 * holds the stubs where indirect branch tracking is on); AArch64 16 bytes and 32 for the header.
 */
static void name_stubs(const struct elf *elf, struct lookup *lookup)
{
	static const uint64_t stub = 16;
	const struct elf_section *rela = elf_section(elf, ELF_RELA_PLT);
	const struct elf_section *plt = elf_section(elf, ELF_PLT_SEC);
	const struct elf_section *symbols;
	uint64_t header = 0;

	if (!plt) {
		plt = elf_section(elf, ELF_PLT);
		header = elf->machine == EM_AARCH64 ? 32 : 16;
	}
	if (!plt || !rela || rela->type != SHT_RELA || rela->link >= elf->nsections ||
	    (elf->machine != EM_X86_64 && elf->machine != EM_AARCH64))
		return;
	symbols = &elf->sections[rela->link];
	if (symbols->type != SHT_DYNSYM)
		return;
	for (size_t i = lookup_first(lookup->addresses, lookup->n, plt->address);
	     i < lookup->n && lookup->addresses[i] - plt->address < plt->size; i++) {
		char name[SYMBOL_NAME_MAX];
		uint64_t offset = lookup->addresses[i] - plt->address;
		size_t n;

		if (lookup->names[i] || offset < header)
			continue;
		uint32_t number = relocation_symbol(elf, rela, (offset - header) / stub);

		if (!symbol_name(elf, symbols, number, name, sizeof(name) - sizeof("@plt")))
			continue;
		n = strlen(name);
		memcpy(name + n, "@plt", sizeof("@plt"));
		utf8_clean(name);
		lookup->names[i] = arena_strndup(lookup->arena, name, n + strlen("@plt"));
	}
}

void symtab_lookup(const struct elf *elf, const struct elf *debug, struct lookup *lookup)
{
	struct search search = { .lookup = lookup };
	struct elf mini = { 0 };
	struct image mini_image = { 0 };

	if (!lookup->n)
		return;
	/* Exact for Go's functions, of which .dynsym has a few without size. */
	if (!elf_section_of_type(elf, SHT_SYMTAB))
		pclntab_lookup(elf, lookup);
	search.containing = xcalloc(lookup->n, sizeof(*search.containing));
	search.nearest = xcalloc(lookup->n, sizeof(*search.nearest));
	/* .dynsym is a part of .symtab, and minidebuginfo is what .dynsym lacks of it. */
	if (elf_section_of_type(elf, SHT_SYMTAB)) {
		add_table(&search, elf, SHT_SYMTAB, 0);
	} else if (debug) {
		add_table(&search, elf, SHT_DYNSYM, 0);
		add_table(&search, debug, SHT_SYMTAB, elf->base - debug->base);
	} else {
		add_table(&search, elf, SHT_DYNSYM, 0);
		if (elf_section(elf, ELF_DEBUGDATA) && lookup_spend(lookup, WORK_DECOMPRESS))
			minidebug_read(elf, &mini_image);
		if (mini_image.data && elf_open(&mini_image, &mini) == 0)
			add_table(&search, &mini, SHT_SYMTAB, elf->base - mini.base);
	}
	answer(&search);
	name_stubs(elf, lookup);
	elf_close(&mini);
	free((void *)mini_image.data);
	free(search.containing);
	free(search.nearest);
}
