/* SPDX-License-Identifier: Apache-2.0 */
/* The DWARF sections of a file; see dwarf_file.h. */
#include "symbol/dwarf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"

static const enum elf_role roles[DWARF_SECTIONS] = {
	[DWARF_INFO] = ELF_DEBUG_INFO,
	[DWARF_ABBREV] = ELF_DEBUG_ABBREV,
	[DWARF_LINE] = ELF_DEBUG_LINE,
	[DWARF_STR] = ELF_DEBUG_STR,
	[DWARF_LINE_STR] = ELF_DEBUG_LINE_STR,
	[DWARF_RANGES] = ELF_DEBUG_RANGES,
	[DWARF_RNGLISTS] = ELF_DEBUG_RNGLISTS,
	[DWARF_ADDR] = ELF_DEBUG_ADDR,
	[DWARF_STR_OFFSETS] = ELF_DEBUG_STR_OFFSETS,
};

static bool has_content(const struct elf *elf, enum elf_role role)
{
	const struct elf_section *section = elf_section(elf, role);

	return section && section->type != SHT_NOBITS && section->size;
}

bool dwarf_file_present(const struct elf *elf)
{
	return has_content(elf, ELF_DEBUG_INFO) || has_content(elf, ELF_DEBUG_LINE);
}

/* Sections with code; the headers of those remain when a debug file is split off. */
static void find_code(const struct elf *elf, struct dwarf_file *file)
{
	for (size_t i = 0; i < elf->nsections && file->ncode < DWARF_CODE_MAX; i++) {
		const struct elf_section *s = &elf->sections[i];

		if (s->flags & SHF_EXECINSTR && s->flags & SHF_ALLOC)
			file->code[file->ncode++] = (struct dwarf_code){
				s->address,
				s->address + MIN(s->size, UINT64_MAX - s->address),
			};
	}
}

static int open_section(const struct elf *elf, const struct elf_section *section, uint64_t *limit,
			const uint8_t *image, enum dwarf_section which, struct dwarf_file *out)
{
	size_t size;
	int err;

	if (!(section->flags & SHF_COMPRESSED)) {
		out->sections[which] = (struct dwarf_bytes){ image + section->offset,
							     section->size };
		return 0;
	}
	err = elf_section_read(elf, section, *limit, &out->unpacked[which], &size);
	if (err)
		return err;
	*limit -= size;
	out->sections[which] = (struct dwarf_bytes){ out->unpacked[which], size };
	return 0;
}

int dwarf_file_open(const struct elf *elf, uint64_t limit, struct dwarf_file *out)
{
	static const uint8_t nothing[1];
	const uint8_t *image = elf->image.data;
	int err = 0;

	*out = (struct dwarf_file){ 0 };
	/* Of a section that is not there, the beginning is the end. */
	for (size_t i = 0; i < DWARF_SECTIONS; i++)
		out->sections[i].data = nothing;
	if (!dwarf_file_present(elf))
		return -ENODATA;
	if (elf->encoding != ELFDATA2LSB)
		return -EOPNOTSUPP;
	if (!image) {
		out->map = mmap(NULL, elf->image.size, PROT_READ, MAP_PRIVATE, elf->image.fd, 0);
		if (out->map == MAP_FAILED) {
			out->map = NULL;
			return -errno;
		}
		out->map_size = elf->image.size;
		image = out->map;
	}
	find_code(elf, out);
	for (size_t i = 0; i < DWARF_SECTIONS && !err; i++)
		if (has_content(elf, roles[i]))
			err = open_section(elf, elf_section(elf, roles[i]), &limit, image,
					   (enum dwarf_section)i, out);
	if (err)
		dwarf_file_close(out);
	return err;
}

void dwarf_file_close(struct dwarf_file *file)
{
	for (size_t i = 0; i < DWARF_SECTIONS; i++)
		free(file->unpacked[i]);
	if (file->map)
		munmap(file->map, file->map_size);
	*file = (struct dwarf_file){ 0 };
}

const char *dwarf_string(const struct dwarf_bytes *section, uint64_t offset)
{
	if (offset >= section->size ||
	    !memchr(section->data + offset, '\0', section->size - offset))
		return NULL;
	return (const char *)section->data + offset;
}
