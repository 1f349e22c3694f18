/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the DWARF sections of a file that is whole otherwise: what is tested are the bounds
 * of reading, and that the work is bounded. An input is
 *
 *     9 sizes of two bytes | .debug_info | .debug_abbrev | ... in the order of enum dwarf_section
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbol/dwarf_file.h"
#include "symbol/source.h"

#define CODE_START 0x1000
#define CODE_SIZE  0x1000
#define STEP	   16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum elf_role roles[DWARF_SECTIONS] = {
	ELF_DEBUG_INFO,	    ELF_DEBUG_ABBREV,	ELF_DEBUG_LINE,
	ELF_DEBUG_STR,	    ELF_DEBUG_LINE_STR, ELF_DEBUG_RANGES,
	ELF_DEBUG_RNGLISTS, ELF_DEBUG_ADDR,	ELF_DEBUG_STR_OFFSETS,
};

static void check(const struct source_answer *answer)
{
	unsigned depth = 0;

	for (const struct source_scope *s = answer->scope; s; s = s->outer) {
		if (++depth > SOURCE_SCOPES_MAX || (s->function && !s->function->name) ||
		    (s->outer && s->outer->depth >= s->depth))
			abort();
		if (s->function && strlen(s->function->name) >= SOURCE_TEXT_MAX)
			abort();
	}
	if (answer->file && strlen(answer->file) >= SOURCE_TEXT_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_section sections[DWARF_SECTIONS + 1] = { 0 };
	struct source_answer answers[CODE_SIZE / STEP] = { 0 };
	uint64_t addresses[CODE_SIZE / STEP], work = 1000000;
	size_t at = DWARF_SECTIONS * sizeof(uint16_t);
	struct elf elf = {
		.image = { .data = data, .size = size, .fd = -1 },
		.is64 = true,
		.encoding = ELFDATA2LSB,
		.sections = sections,
		.nsections = ARRAY_SIZE(sections),
	};
	struct source_files files = { .elf = &elf, .supplement = &elf };
	struct source_stats stats = { 0 };
	struct arena arena = { 0 };

	if (size < at)
		return 0;
	for (size_t i = 0; i < DWARF_SECTIONS; i++) {
		uint16_t length;

		memcpy(&length, data + i * sizeof(length), sizeof(length));
		sections[i] = (struct elf_section){
			.type = SHT_PROGBITS,
			.role = roles[i],
			.offset = at,
			.size = MIN(length, size - at),
		};
		at += sections[i].size;
	}
	sections[DWARF_SECTIONS] = (struct elf_section){
		.type = SHT_NOBITS,
		.flags = SHF_ALLOC | SHF_EXECINSTR,
		.address = CODE_START,
		.size = CODE_SIZE,
	};
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = CODE_START + i * STEP;
	source_lookup(&files, addresses, ARRAY_SIZE(addresses), &work, &arena, answers, &stats);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		check(&answers[i]);
	arena_free(&arena);
	return 0;
}
