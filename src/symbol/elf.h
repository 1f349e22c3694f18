/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The skeleton of an ELF file: what is loaded where, which sections there are, who it is. Nothing
 * is mapped and nothing is read whole: a file that its container truncates or fills while we look
 * gives an error, never a SIGBUS, and a sparse gigabyte costs nothing.
 *
 * elfutils converts each structure from the file's byte order and class (elf32/64_xlatetom); every
 * offset, size and link is checked here first. No libelf descriptor is opened on such a file, so
 * none of the descriptor's own table handling is exposed to it.
 */
#ifndef PLIMSOLL_SYMBOL_ELF_H
#define PLIMSOLL_SYMBOL_ELF_H

#include <libelf.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file, or an image in memory when `data` is set. */
struct image {
	const uint8_t *data;
	uint64_t size;
	int fd;
};

int image_of_file(int fd, struct image *image);
/* Exactly `size` bytes; -EIO if they are not all there. */
int image_read(const struct image *image, uint64_t offset, void *buffer, size_t size);
/* The NUL-terminated string at `offset`, ending at `limit` at the latest and cut to size - 1. */
int image_string(const struct image *image, uint64_t offset, uint64_t limit, char *buffer,
		 size_t size);

#define ELF_LOADS_MAX	 4
#define ELF_SECTIONS_MAX 8192
#define ELF_ID_MAX	 32
#define ELF_ID_HEX	 (2 * ELF_ID_MAX + 1)

/* An executable PT_LOAD. */
struct elf_load {
	uint64_t address, offset, file_size, memory_size;
};

/* Sections that we know by their names. */
enum elf_role {
	ELF_OTHER,
	ELF_BUILD_ID,
	ELF_DEBUGLINK,
	ELF_DEBUGDATA,
	ELF_PLT,
	ELF_PLT_SEC,
	ELF_PLT_GOT,
	ELF_RELA_PLT,
	ELF_EH_FRAME,
	ELF_EH_FRAME_HDR,
	ELF_DEBUG_FRAME,
	ELF_GO_BUILDINFO,    /* what makes it a Go program */
	ELF_GOPCLNTAB,	     /* Go's own table of functions and lines */
	ELF_GOPCLNTAB_RELRO, /* the same in position-independent programs before Go 1.26 */
	ELF_GO_MODULE,	     /* runtime.firstmoduledata, since Go 1.26 */
	ELF_DEBUGALTLINK,
	ELF_DEBUG_INFO,
	ELF_DEBUG_ABBREV,
	ELF_DEBUG_LINE,
	ELF_DEBUG_STR,
	ELF_DEBUG_LINE_STR,
	ELF_DEBUG_RANGES,
	ELF_DEBUG_RNGLISTS,
	ELF_DEBUG_ADDR,
	ELF_DEBUG_STR_OFFSETS,
	ELF_ROLES
};

struct elf_section {
	uint64_t address, offset, size, flags;
	uint32_t type, link;
	enum elf_role role;
};

struct elf {
	struct image image;
	bool is64;
	uint8_t encoding;
	uint16_t machine;
	uint64_t base; /* address of the first PT_LOAD: what prelinking moves */
	struct elf_load loads[ELF_LOADS_MAX];
	size_t nloads;
	struct elf_section *sections;
	size_t nsections;
	uint8_t id[ELF_ID_MAX]; /* the build ID, cut to this */
	size_t id_size;		/* 0: has none */
};

/*
 * 0, -ENOEXEC for what is not an ELF file at all, -EBADMSG for one that lies, -EIO for one that
 * cannot be read. Does not take over image.fd.
 */
int elf_open(const struct image *image, struct elf *elf);
void elf_close(struct elf *elf);

/*
 * Converts n structures of `type`, as they stand in the file, to this machine's form in place;
 * false if they are not whole structures.
 */
bool elf_convert(const struct elf *elf, Elf_Type type, void *data, size_t size);

/* The first section with this role or of this type, NULL if there is none. Its extent lies within
 * the file, unless it is SHT_NOBITS. */
const struct elf_section *elf_section(const struct elf *elf, enum elf_role role);
const struct elf_section *elf_section_of_type(const struct elf *elf, uint32_t type);

/*
 * The whole content of a section, decompressed where it is SHF_COMPRESSED (zlib), and 16 zero bytes
 * behind it for readers that look a little further. *data is freed by the caller. -ENODATA for a
 * section without content, -EFBIG for one of more than `limit` bytes, -EOPNOTSUPP for another
 * compression, -EBADMSG, -EIO.
 */
int elf_section_read(const struct elf *elf, const struct elf_section *section, size_t limit,
		     uint8_t **data, size_t *size);

/* What .gnu_debuglink says: a plain file name, never with a '/', and the CRC of that file. */
bool elf_debuglink(const struct elf *elf, char name[NAME_MAX + 1], uint32_t *crc);

/*
 * An identity for a file without build ID, 8 bytes: a hash of its size, its headers and samples of
 * its code. The same in every run, so that two recordings of one file can be compared.
 */
uint64_t elf_fingerprint(const struct elf *elf);

/* Lower-case hex; returns out. */
char *elf_id_hex(const uint8_t *id, size_t size, char out[ELF_ID_HEX]);

#endif
