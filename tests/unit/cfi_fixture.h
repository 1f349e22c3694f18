/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information put together by hand, and an ELF file around it: no more than a segment of
 * code that is not there, .eh_frame and .debug_frame.
 */
#ifndef PLIMSOLL_TESTS_CFI_FIXTURE_H
#define PLIMSOLL_TESTS_CFI_FIXTURE_H

#include <dwarf.h>
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define CODE	   0x10000ULL
#define CODE_SIZE  0x4000000ULL
#define EH_ADDRESS 0x8000000ULL

/* A CFA program, or any bytes, as arguments: pointer and size. */
#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })
#define NO_BYTES   NULL, 0

static inline void put_bytes(struct buffer *b, const void *bytes, size_t size)
{
	if (size)
		buffer_add(b, bytes, size);
}

static inline void put_fixed(struct buffer *b, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	put_bytes(b, bytes, size);
}

static inline void put_uleb(struct buffer *b, uint64_t value)
{
	do {
		put_fixed(b, (value & 0x7f) | (value > 0x7f ? 0x80 : 0), 1);
		value >>= 7;
	} while (value);
}

static inline void put_sleb(struct buffer *b, int64_t value)
{
	bool last;

	do {
		uint8_t byte = value & 0x7f;

		value >>= 7;
		last = (value == 0 && !(byte & 0x40)) || (value == -1 && byte & 0x40);
		put_fixed(b, byte | (last ? 0 : 0x80), 1);
	} while (!last);
}

static inline void patch32(struct buffer *b, size_t at, uint64_t value)
{
	for (size_t i = 0; i < 4; i++)
		b->data[at + i] = (char)(value >> (8 * i));
}

/* An entry's length is known when it has ended; it is padded with DW_CFA_nop to 8 bytes. */
static inline size_t begin_entry(struct buffer *b)
{
	size_t at = b->size;

	put_fixed(b, 0, 4);
	return at;
}

static inline void end_entry(struct buffer *b, size_t at)
{
	while (b->size % 8)
		put_fixed(b, DW_CFA_nop, 1);
	patch32(b, at, b->size - at - 4);
}

struct cie_parts {
	bool debug_frame;
	uint8_t version; /* 0: 1, as compilers write */
	const char *augmentation;
	uint64_t code_factor;
	int64_t data_factor;
	uint8_t ra;
	const uint8_t *data; /* of the augmentation */
	size_t data_size;
	const uint8_t *program;
	size_t program_size;
};

/* Returns its offset. */
static inline size_t put_cie(struct buffer *b, const struct cie_parts *cie)
{
	size_t at = begin_entry(b);

	put_fixed(b, cie->debug_frame ? UINT32_MAX : 0, 4);
	put_fixed(b, cie->version ? cie->version : 1, 1);
	put_bytes(b, cie->augmentation, strlen(cie->augmentation) + 1);
	if (cie->version == 4)
		put_fixed(b, 8, 2); /* size of an address, none of a segment */
	put_uleb(b, cie->code_factor);
	put_sleb(b, cie->data_factor);
	put_fixed(b, cie->ra, 1);
	if (cie->augmentation[0] == 'z') {
		put_uleb(b, cie->data_size);
		put_bytes(b, cie->data, cie->data_size);
	}
	put_bytes(b, cie->program, cie->program_size);
	end_entry(b, at);
	return at;
}

/* As gcc writes them: "zR", pcrel sdata4. */
static inline size_t put_x86_64_cie(struct buffer *b)
{
	struct cie_parts cie = { 0,
				 1,
				 "zR",
				 1,
				 -8,
				 16,
				 BYTES(DW_EH_PE_pcrel | DW_EH_PE_sdata4),
				 BYTES(DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1) };

	return put_cie(b, &cie);
}

static inline size_t put_aarch64_cie(struct buffer *b)
{
	struct cie_parts cie = { 0,
				 1,
				 "zR",
				 4,
				 -8,
				 30,
				 BYTES(DW_EH_PE_pcrel | DW_EH_PE_sdata4),
				 BYTES(DW_CFA_def_cfa, 31, 0) };

	return put_cie(b, &cie);
}

/* For a CIE with "zR" as above, in .eh_frame; returns its offset. */
static inline size_t put_fde(struct buffer *b, size_t cie, uint64_t start, uint64_t length,
			     const uint8_t *program, size_t size)
{
	size_t at = begin_entry(b);

	put_fixed(b, b->size - cie, 4);
	put_fixed(b, start - (EH_ADDRESS + b->size), 4);
	put_fixed(b, length, 4);
	put_uleb(b, 0);
	put_bytes(b, program, size);
	end_entry(b, at);
	return at;
}

/* For .debug_frame: absolute addresses, no augmentation. */
static inline size_t put_debug_fde(struct buffer *b, size_t cie, uint64_t start, uint64_t length,
				   const uint8_t *program, size_t size)
{
	size_t at = begin_entry(b);

	put_fixed(b, cie, 4);
	put_fixed(b, start, 8);
	put_fixed(b, length, 8);
	put_bytes(b, program, size);
	end_entry(b, at);
	return at;
}

struct made_file {
	uint16_t machine;
	bool is_go;
	uint64_t code; /* 0: CODE */
	const struct buffer *eh_frame, *debug_frame;
	uint64_t debug_frame_flags;
};

static inline void put_section(struct buffer *b, uint32_t name, uint32_t type, uint64_t flags,
			       uint64_t address, uint64_t offset, uint64_t size)
{
	Elf64_Shdr s = { .sh_name = name,
			 .sh_type = type,
			 .sh_flags = flags,
			 .sh_addr = address,
			 .sh_offset = offset,
			 .sh_size = size,
			 .sh_addralign = 8 };

	put_bytes(b, &s, sizeof(s));
}

/* Header, program header, contents, names, section headers. */
static inline void put_file(struct buffer *b, const struct made_file *file)
{
	static const char names[] = "\0.eh_frame\0.debug_frame\0.shstrtab\0.go.buildinfo";
	static const struct buffer empty;
	const struct buffer *eh = file->eh_frame ? file->eh_frame : &empty;
	const struct buffer *debug = file->debug_frame ? file->debug_frame : &empty;
	uint64_t eh_at = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
	uint64_t debug_at = eh_at + eh->size, names_at = debug_at + debug->size;
	Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					   ELFDATA2LSB, EV_CURRENT },
			      .e_type = ET_DYN,
			      .e_machine = file->machine,
			      .e_version = EV_CURRENT,
			      .e_phoff = sizeof(Elf64_Ehdr),
			      .e_shoff = names_at + sizeof(names),
			      .e_ehsize = sizeof(Elf64_Ehdr),
			      .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = 1,
			      .e_shentsize = sizeof(Elf64_Shdr),
			      .e_shnum = file->is_go ? 5 : 4,
			      .e_shstrndx = 3 };
	Elf64_Phdr load = { .p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_vaddr = file->code ? file->code : CODE,
			    .p_memsz = CODE_SIZE };

	put_bytes(b, &header, sizeof(header));
	put_bytes(b, &load, sizeof(load));
	put_bytes(b, eh->data, eh->size);
	put_bytes(b, debug->data, debug->size);
	put_bytes(b, names, sizeof(names));
	put_section(b, 0, SHT_NULL, 0, 0, 0, 0);
	put_section(b, 1, eh->size ? SHT_PROGBITS : SHT_NOBITS, SHF_ALLOC, EH_ADDRESS, eh_at,
		    eh->size);
	put_section(b, 11, debug->size ? SHT_PROGBITS : SHT_NOBITS, file->debug_frame_flags, 0,
		    debug_at, debug->size);
	put_section(b, 24, SHT_STRTAB, 0, 0, names_at, sizeof(names));
	if (file->is_go)
		put_section(b, 34, SHT_PROGBITS, 0, 0, names_at, 1);
}

#endif
