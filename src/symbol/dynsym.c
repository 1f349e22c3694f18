/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols by name; see dynsym.h. The hash table of .gnu.hash, as `ld --hash-style=gnu` writes it
 * and glibc's elf/dl-lookup.c reads it:
 *
 *     | nbuckets | first | nwords | shift | bloom filter | buckets | chains |
 *
 * The filter answers most questions with "no". A bucket is the number of a symbol, 0: empty; from
 * there on the chain has a hash a symbol (less its lowest bit), up to one with the lowest bit set.
 */
#include "symbol/dynsym.h"

#include <endian.h>
#include <string.h>

/* Symbols in one bucket: linkers keep it below ten. */
#define CHAIN_MAX 4096
#define NAME_SIZE 128

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OUR_ENCODING ELFDATA2LSB
#else
#define OUR_ENCODING ELFDATA2MSB
#endif

/* Symbols and the section with their names. */
struct table {
	const struct elf *elf;
	const struct elf_section *symbols, *strings;
};

static bool open_table(const struct elf *elf, const struct elf_section *symbols,
		       struct table *table)
{
	if (!symbols || !elf->is64 || elf->encoding != OUR_ENCODING ||
	    symbols->link >= elf->nsections)
		return false;
	*table = (struct table){ elf, symbols, &elf->sections[symbols->link] };
	return table->strings->type == SHT_STRTAB;
}

static bool name_at(const struct table *table, uint32_t name, char buffer[NAME_SIZE])
{
	const struct elf_section *strings = table->strings;

	return image_string(&table->elf->image, strings->offset + name,
			    strings->offset + strings->size, buffer, NAME_SIZE) == 0;
}

static bool symbol_is(const struct table *table, uint32_t number, const char *name,
		      struct dynsym *out)
{
	char found[NAME_SIZE];
	Elf64_Sym symbol;

	if (number >= table->symbols->size / sizeof(symbol) ||
	    image_read(&table->elf->image, table->symbols->offset + number * sizeof(symbol),
		       &symbol, sizeof(symbol)) ||
	    symbol.st_shndx == SHN_UNDEF || !name_at(table, symbol.st_name, found) ||
	    strcmp(found, name) != 0)
		return false;
	*out = (struct dynsym){ symbol.st_value, symbol.st_size };
	return true;
}

/* Bernstein's hash, as the gABI's draft for DT_GNU_HASH has it. */
static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

struct gnu_hash_head {
	uint32_t nbuckets, first, nwords, shift;
};

/* Bytes of the section; false beyond its end. */
static bool read_at(const struct elf *elf, const struct elf_section *section, uint64_t offset,
		    void *buffer, size_t size)
{
	return offset <= section->size && size <= section->size - offset &&
	       image_read(&elf->image, section->offset + offset, buffer, size) == 0;
}

bool dynsym_find(const struct elf *elf, const char *name, struct dynsym *out)
{
	const struct elf_section *section = elf_section_of_type(elf, SHT_GNU_HASH);
	struct table table;
	struct gnu_hash_head head;
	uint32_t hash = gnu_hash(name), number, found;
	uint64_t word, buckets, chains;

	if (!section || section->link >= elf->nsections ||
	    !open_table(elf, &elf->sections[section->link], &table) ||
	    !read_at(elf, section, 0, &head, sizeof(head)) || !head.nbuckets || !head.nwords)
		return false;
	if (!read_at(elf, section, sizeof(head) + hash / 64 % head.nwords * sizeof(word), &word,
		     sizeof(word)) ||
	    !(word >> hash % 64 & word >> (hash >> (head.shift & 31)) % 64 & 1))
		return false;

	buckets = sizeof(head) + (uint64_t)head.nwords * sizeof(word);
	chains = buckets + (uint64_t)head.nbuckets * sizeof(number);
	if (!read_at(elf, section, buckets + (uint64_t)(hash % head.nbuckets) * sizeof(number),
		     &number, sizeof(number)) ||
	    number < head.first)
		return false;
	for (int i = 0; i < CHAIN_MAX; i++, number++) {
		uint64_t at = chains + (uint64_t)(number - head.first) * sizeof(found);

		if (!read_at(elf, section, at, &found, sizeof(found)))
			return false;
		if ((found | 1) == (hash | 1) && symbol_is(&table, number, name, out))
			return true;
		if (found & 1)
			return false;
	}
	return false;
}

bool elf_read_address(const struct elf *elf, uint64_t address, void *buffer, size_t size)
{
	for (size_t i = 0; i < elf->nsections; i++) {
		const struct elf_section *s = &elf->sections[i];

		if (!(s->flags & SHF_ALLOC) || s->type == SHT_NOBITS || s->type == SHT_NULL ||
		    address < s->address || address - s->address >= s->size)
			continue;
		return read_at(elf, s, address - s->address, buffer, size);
	}
	return false;
}
