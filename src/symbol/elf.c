/* SPDX-License-Identifier: Apache-2.0 */
/* The skeleton of an ELF file; see elf.h. The layouts are those of the System V ABI, as in <elf.h>.
 */
#include "symbol/elf.h"
#include "base/index.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Linkers write about ten program headers; Go and Chrome not more than twenty. */
#define PROGRAM_HEADERS_MAX 512
/* Notes of real files take some hundred bytes. */
#define NOTE_MAX	  4096
#define SECTION_NAMES_MAX (256 << 10)
/* Section headers read at a time. */
#define SECTIONS_AT_ONCE 64

static const char *const role_names[ELF_ROLES] = {
	[ELF_BUILD_ID] = ".note.gnu.build-id",
	[ELF_DEBUGLINK] = ".gnu_debuglink",
	[ELF_DEBUGDATA] = ".gnu_debugdata",
	[ELF_PLT] = ".plt",
	[ELF_PLT_SEC] = ".plt.sec",
	[ELF_PLT_GOT] = ".plt.got",
	[ELF_RELA_PLT] = ".rela.plt",
	[ELF_GO_BUILDINFO] = ".go.buildinfo",
	[ELF_GOPCLNTAB] = ".gopclntab",
	[ELF_GOPCLNTAB_RELRO] = ".data.rel.ro.gopclntab",
	[ELF_GO_MODULE] = ".go.module",
	[ELF_EH_FRAME] = ".eh_frame",
	[ELF_EH_FRAME_HDR] = ".eh_frame_hdr",
	[ELF_DEBUG_FRAME] = ".debug_frame",
	[ELF_DEBUGALTLINK] = ".gnu_debugaltlink",
	[ELF_DEBUG_INFO] = ".debug_info",
	[ELF_DEBUG_ABBREV] = ".debug_abbrev",
	[ELF_DEBUG_LINE] = ".debug_line",
	[ELF_DEBUG_STR] = ".debug_str",
	[ELF_DEBUG_LINE_STR] = ".debug_line_str",
	[ELF_DEBUG_RANGES] = ".debug_ranges",
	[ELF_DEBUG_RNGLISTS] = ".debug_rnglists",
	[ELF_DEBUG_ADDR] = ".debug_addr",
	[ELF_DEBUG_STR_OFFSETS] = ".debug_str_offsets",
};

int image_of_file(int fd, struct image *image)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*image = (struct image){ .fd = fd, .size = (uint64_t)st.st_size };
	return 0;
}

static bool within(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

int image_read(const struct image *image, uint64_t offset, void *buffer, size_t size)
{
	if (!within(image, offset, size))
		return -EIO;
	if (image->data) {
		memcpy(buffer, image->data + offset, size);
		return 0;
	}
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(image->fd, (char *)buffer + done, size - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

int image_string(const struct image *image, uint64_t offset, uint64_t limit, char *buffer,
		 size_t size)
{
	/* Most names are short: a long one costs a second read. */
	size_t steps[] = { 128, size - 1 };

	limit = MIN(limit, image->size);
	if (offset >= limit)
		return -EIO;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		size_t n = MIN(MIN(steps[i], size - 1), limit - offset);
		int err = image_read(image, offset, buffer, n);

		if (err)
			return err;
		buffer[n] = '\0';
		if (memchr(buffer, '\0', n))
			break;
	}
	return 0;
}

bool elf_convert(const struct elf *elf, Elf_Type type, void *data, size_t size)
{
	Elf_Data d = { .d_buf = data, .d_type = type, .d_version = EV_CURRENT, .d_size = size };

	return elf->is64 ? elf64_xlatetom(&d, &d, elf->encoding) != NULL
			 : elf32_xlatetom(&d, &d, elf->encoding) != NULL;
}

/* --- headers of either class, as the fields that we use --- */

struct header {
	uint64_t phoff, shoff;
	uint32_t phentsize, phnum, shentsize, shnum, shstrndx;
};

static int read_header(struct elf *elf, struct header *h)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
	} u;

	if (image_read(&elf->image, 0, u.ident, sizeof(u.ident)) ||
	    memcmp(u.ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if ((u.ident[EI_CLASS] != ELFCLASS32 && u.ident[EI_CLASS] != ELFCLASS64) ||
	    (u.ident[EI_DATA] != ELFDATA2LSB && u.ident[EI_DATA] != ELFDATA2MSB))
		return -EBADMSG;
	elf->is64 = u.ident[EI_CLASS] == ELFCLASS64;
	elf->encoding = u.ident[EI_DATA];

	size_t size = elf->is64 ? sizeof(u.e64) : sizeof(u.e32);

	if (image_read(&elf->image, 0, &u, size) || !elf_convert(elf, ELF_T_EHDR, &u, size))
		return -EBADMSG;
#define FIELDS(e)                                                                    \
	(struct header){ (e).e_phoff,	  (e).e_shoff, (e).e_phentsize, (e).e_phnum, \
			 (e).e_shentsize, (e).e_shnum, (e).e_shstrndx }
	*h = elf->is64 ? FIELDS(u.e64) : FIELDS(u.e32);
#undef FIELDS
	elf->machine = elf->is64 ? u.e64.e_machine : u.e32.e_machine;
	return 0;
}

/* The build ID among the notes in these bytes of the file. */
static void find_build_id(struct elf *elf, uint64_t offset, uint64_t size)
{
	uint8_t notes[NOTE_MAX];
	size_t at = 0;

	size = MIN(size, sizeof(notes));
	if (elf->id_size || image_read(&elf->image, offset, notes, size))
		return;
	while (size - at >= sizeof(Elf32_Nhdr)) {
		Elf32_Nhdr note; /* the same in both classes */
		size_t name = at + sizeof(note);

		memcpy(&note, notes + at, sizeof(note));
		if (!elf_convert(elf, ELF_T_WORD, &note, sizeof(note)))
			return;

		uint64_t description = name + (((uint64_t)note.n_namesz + 3) & ~3ULL);
		uint64_t next = description + (((uint64_t)note.n_descsz + 3) & ~3ULL);

		if (description + note.n_descsz > size)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz) {
			elf->id_size = MIN(note.n_descsz, (uint32_t)ELF_ID_MAX);
			memcpy(elf->id, notes + description, elf->id_size);
			return;
		}
		if (next > size)
			return;
		at = next;
	}
}

static int read_loads(struct elf *elf, const struct header *h)
{
	size_t entry = elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	bool based = false;

	if (!h->phnum)
		return 0;
	if (h->phentsize != entry || h->phnum > PROGRAM_HEADERS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < h->phnum; i++) {
		union {
			Elf32_Phdr p32;
			Elf64_Phdr p64;
		} u;
		struct elf_load load;
		uint32_t type, flags;

		if (image_read(&elf->image, h->phoff + i * entry, &u, entry) ||
		    !elf_convert(elf, ELF_T_PHDR, &u, entry))
			return -EBADMSG;
#define FIELDS(p) (struct elf_load){ (p).p_vaddr, (p).p_offset, (p).p_filesz, (p).p_memsz }
		load = elf->is64 ? FIELDS(u.p64) : FIELDS(u.p32);
#undef FIELDS
		type = elf->is64 ? u.p64.p_type : u.p32.p_type;
		flags = elf->is64 ? u.p64.p_flags : u.p32.p_flags;
		if (type == PT_NOTE)
			find_build_id(elf, load.offset, load.file_size);
		if (type != PT_LOAD)
			continue;
		if (!based)
			elf->base = load.address;
		based = true;
		if (flags & PF_X && elf->nloads < ELF_LOADS_MAX)
			elf->loads[elf->nloads++] = load;
	}
	return 0;
}

static void convert_section(const struct elf *elf, const void *data, size_t i,
			    struct elf_section *section, uint32_t *name)
{
	const Elf32_Shdr *s32 = (const Elf32_Shdr *)data + i;
	const Elf64_Shdr *s64 = (const Elf64_Shdr *)data + i;

#define FIELDS(s)                                       \
	(struct elf_section){ .address = (s)->sh_addr,  \
			      .offset = (s)->sh_offset, \
			      .size = (s)->sh_size,     \
			      .flags = (s)->sh_flags,   \
			      .type = (s)->sh_type,     \
			      .link = (s)->sh_link }
	*section = elf->is64 ? FIELDS(s64) : FIELDS(s32);
#undef FIELDS
	*name = elf->is64 ? s64->sh_name : s32->sh_name;
	/* A section beyond the end of the file is treated as if it were not there. */
	if (section->type != SHT_NOBITS && !within(&elf->image, section->offset, section->size))
		section->type = SHT_NULL;
}

static void name_sections(struct elf *elf, const uint32_t *names, uint32_t shstrndx)
{
	_cleanup_free_ char *strings = NULL;
	const struct elf_section *table;
	size_t size;

	if (shstrndx >= elf->nsections)
		return;
	table = &elf->sections[shstrndx];
	size = MIN(table->size, (uint64_t)SECTION_NAMES_MAX);
	if (table->type != SHT_STRTAB || !size)
		return;
	strings = xmalloc(size + 1);
	if (image_read(&elf->image, table->offset, strings, size))
		return;
	strings[size] = '\0';
	for (size_t i = 0; i < elf->nsections; i++) {
		if (names[i] >= size)
			continue;
		for (int role = ELF_OTHER + 1; role < ELF_ROLES; role++)
			if (strcmp(strings + names[i], role_names[role]) == 0)
				elf->sections[i].role = role;
	}
}

/* Without (or with too many, or broken) section headers there are no symbols, but the addresses are
 * right all the same; so this does not fail. */
static void read_sections(struct elf *elf, const struct header *h)
{
	size_t entry = elf->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	union {
		Elf32_Shdr s32[SECTIONS_AT_ONCE];
		Elf64_Shdr s64[SECTIONS_AT_ONCE];
	} u;
	_cleanup_free_ uint32_t *names = NULL;

	if (h->shentsize != entry || !h->shnum || h->shnum > ELF_SECTIONS_MAX ||
	    !within(&elf->image, h->shoff, h->shnum * entry))
		return;
	elf->sections = xcalloc(h->shnum, sizeof(*elf->sections));
	names = xcalloc(h->shnum, sizeof(*names));
	for (uint32_t i = 0; i < h->shnum; i += SECTIONS_AT_ONCE) {
		uint32_t n = MIN(h->shnum - i, (uint32_t)SECTIONS_AT_ONCE);

		if (image_read(&elf->image, h->shoff + i * entry, &u, n * entry) ||
		    !elf_convert(elf, ELF_T_SHDR, &u, n * entry))
			return;
		for (uint32_t k = 0; k < n; k++)
			convert_section(elf, &u, k, &elf->sections[i + k], &names[i + k]);
		elf->nsections = i + n;
	}
	name_sections(elf, names, h->shstrndx);
}

int elf_open(const struct image *image, struct elf *elf)
{
	struct header h;
	int err;

	*elf = (struct elf){ .image = *image };
	elf_version(EV_CURRENT);
	err = read_header(elf, &h);
	if (!err)
		err = read_loads(elf, &h);
	if (err)
		return err;
	read_sections(elf, &h);
	/* In a separate debug file the program headers point at what was left out. */
	const struct elf_section *note = elf_section(elf, ELF_BUILD_ID);

	if (note && note->type == SHT_NOTE) {
		elf->id_size = 0;
		find_build_id(elf, note->offset, note->size);
	}
	return 0;
}

void elf_close(struct elf *elf)
{
	free(elf->sections);
	elf->sections = NULL;
	elf->nsections = 0;
}

const struct elf_section *elf_section(const struct elf *elf, enum elf_role role)
{
	for (size_t i = 0; i < elf->nsections; i++)
		if (elf->sections[i].role == role && elf->sections[i].type != SHT_NULL)
			return &elf->sections[i];
	return NULL;
}

const struct elf_section *elf_section_of_type(const struct elf *elf, uint32_t type)
{
	for (size_t i = 0; i < elf->nsections; i++)
		if (elf->sections[i].type == type)
			return &elf->sections[i];
	return NULL;
}

#define CONTENT_PADDING 16

/* Exactly `size` bytes must come out: it is what the header promised. */
static int decompress(const struct elf *elf, uint64_t offset, uint64_t packed, uint8_t *out,
		      size_t size)
{
	z_stream z = { .next_out = out, .avail_out = (uInt)size };
	uint8_t input[16 << 10];
	int ret = Z_OK;

	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	while (ret == Z_OK && packed) {
		size_t n = MIN(packed, (uint64_t)sizeof(input));

		if (image_read(&elf->image, offset, input, n)) {
			inflateEnd(&z);
			return -EIO;
		}
		offset += n;
		packed -= n;
		z.next_in = input;
		z.avail_in = (uInt)n;
		ret = inflate(&z, Z_NO_FLUSH);
	}
	inflateEnd(&z);
	return ret == Z_STREAM_END && !z.avail_out ? 0 : -EBADMSG;
}

int elf_section_read(const struct elf *elf, const struct elf_section *section, size_t limit,
		     uint8_t **data, size_t *size)
{
	_cleanup_free_ uint8_t *content = NULL;
	union {
		Elf32_Chdr c32;
		Elf64_Chdr c64;
	} u;
	size_t header = elf->is64 ? sizeof(u.c64) : sizeof(u.c32);
	bool packed = section->flags & SHF_COMPRESSED;
	uint64_t n = section->size;
	int err;

	if (section->type == SHT_NULL || section->type == SHT_NOBITS)
		return -ENODATA;
	if (packed) {
		if (section->size < header ||
		    image_read(&elf->image, section->offset, &u, header) ||
		    !elf_convert(elf, ELF_T_CHDR, &u, header))
			return -EBADMSG;
		if ((elf->is64 ? u.c64.ch_type : u.c32.ch_type) != ELFCOMPRESS_ZLIB)
			return -EOPNOTSUPP;
		n = elf->is64 ? u.c64.ch_size : u.c32.ch_size;
	}
	if (n > MIN(limit, (size_t)UINT32_MAX))
		return -EFBIG;
	content = xmalloc(n + CONTENT_PADDING);
	memset(content + n, 0, CONTENT_PADDING);
	err = packed ? decompress(elf, section->offset + header, section->size - header, content, n)
		     : image_read(&elf->image, section->offset, content, n);
	if (err)
		return err;
	*data = TAKE_PTR(content);
	*size = n;
	return 0;
}

/* The name, NUL, padding to 4 bytes, the CRC in the file's byte order (GDB manual, "Separate Debug
 * Files"). */
bool elf_debuglink(const struct elf *elf, char name[NAME_MAX + 1], uint32_t *crc)
{
	const struct elf_section *s = elf_section(elf, ELF_DEBUGLINK);
	uint64_t at;

	if (!s || s->type == SHT_NOBITS ||
	    image_string(&elf->image, s->offset, s->offset + s->size, name, NAME_MAX + 1))
		return false;
	at = (strlen(name) + 1 + 3) & ~3ULL;
	if (at + sizeof(*crc) > s->size ||
	    image_read(&elf->image, s->offset + at, crc, sizeof(*crc)) ||
	    !elf_convert(elf, ELF_T_WORD, crc, sizeof(*crc)))
		return false;
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

uint64_t elf_fingerprint(const struct elf *elf)
{
	uint64_t hash = HASH_FNV1A;
	uint8_t page[4096];

	hash = hash_fnv1a(hash, &elf->image.size, sizeof(elf->image.size));
	for (size_t i = 0; i < elf->nsections; i++) {
		const struct elf_section *s = &elf->sections[i];
		uint64_t fields[] = { s->address, s->offset, s->size, s->flags, s->type };

		hash = hash_fnv1a(hash, fields, sizeof(fields));
	}
	/* Beginning, middle and end of the code, and the head of the symbol names. */
	for (size_t i = 0; i < elf->nloads; i++) {
		const struct elf_load *load = &elf->loads[i];

		for (uint64_t part = 0; part <= 2; part++) {
			uint64_t offset = load->offset + load->file_size / 2 * part;

			offset = part == 2 ? offset - MIN(load->file_size, sizeof(page)) : offset;
			if (image_read(&elf->image, offset, page, sizeof(page)) == 0)
				hash = hash_fnv1a(hash, page, sizeof(page));
		}
	}
	const struct elf_section *symbols = elf_section_of_type(elf, SHT_SYMTAB);

	if (symbols) {
		size_t size = MIN(symbols->size, (uint64_t)sizeof(page));

		if (image_read(&elf->image, symbols->offset, page, size) == 0)
			hash = hash_fnv1a(hash, page, size);
	}
	return hash;
}

char *elf_id_hex(const uint8_t *id, size_t size, char out[ELF_ID_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
	out[2 * size] = '\0';
	return out;
}
