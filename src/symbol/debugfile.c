/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where debug files are, by the rules of gdb ("Debugging Information in Separate Files"):
 *
 *     ROOT/usr/lib/debug/.build-id/ab/cdef.debug      by build ID
 *     DIR/NAME, DIR/.debug/NAME, ROOT/usr/lib/debug/DIR/NAME      by .gnu_debuglink
 *
 * and where dwz puts what several of them have in common (dwz(1), -m and -M):
 *
 *     ROOT/usr/lib/debug/.build-id/ab/cdef.debug      by the build ID that .gnu_debugaltlink tells
 *     PATH, or DIR/PATH if that is relative           by the path that it tells
 */
#include "symbol/debugfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "symbol/dwarf_file.h"

#define CONTAINER_DEBUG_ROOT "/usr/lib/debug"
/* Reading and summing up a file takes a second a gigabyte. */
#define CRC_FILE_MAX (256ULL << 20)

enum verdict { NOT_IT, IS_IT, ASK_CRC };

/* A file that may be the one, and where it is: links in it are relative to that. */
struct candidate {
	int fd, root; /* root -1: the host's */
	char path[PATH_MAX];
};

static bool open_elf(int fd, struct elf *elf)
{
	struct image image;

	return image_of_file(fd, &image) == 0 && elf_open(&image, elf) == 0;
}

static bool has_symbols(const struct elf *elf)
{
	return elf_section_of_type(elf, SHT_SYMTAB) != NULL;
}

bool debugfile_is_wanted(const struct elf *elf)
{
	return !has_symbols(elf) || !dwarf_file_present(elf);
}

static bool same_id(const struct elf *elf, const uint8_t *id, size_t size)
{
	return elf->id_size == size && memcmp(elf->id, id, size) == 0;
}

static enum verdict judge(const struct debugfile_search *search, int fd, bool by_link)
{
	const struct elf *elf = search->elf;
	enum verdict verdict = NOT_IT;
	struct elf debug;

	if (!open_elf(fd, &debug))
		return NOT_IT;
	if (has_symbols(&debug) || dwarf_file_present(&debug)) {
		if (elf->id_size && debug.id_size)
			verdict = same_id(&debug, elf->id, elf->id_size) ? IS_IT : NOT_IT;
		else if (by_link && debug.image.size <= CRC_FILE_MAX)
			verdict = ASK_CRC;
	}
	elf_close(&debug);
	return verdict;
}

/* One place to look at: below the container's root, or, for the host's, as the path says. */
static int open_path(int root, const char *path)
{
	return root >= 0 ? open_in_root(root, path, NULL) : open_regular(path, NULL);
}

static bool path_of_id(const uint8_t *id, size_t size, const char *debug_root, char path[PATH_MAX])
{
	char hex[ELF_ID_HEX];

	if (size < 2)
		return false;
	elf_id_hex(id, size, hex);
	return snprintf(path, PATH_MAX, "%s/.build-id/%.2s/%s.debug", debug_root, hex, hex + 2) <
	       PATH_MAX;
}

/* --- debug files --- */

static bool try_path(const struct debugfile_search *search, struct candidate *c, bool by_link,
		     bool *needs_crc)
{
	enum verdict verdict;

	c->fd = open_path(c->root, c->path);
	if (c->fd < 0)
		return false;
	verdict = judge(search, c->fd, by_link);
	*needs_crc = verdict == ASK_CRC;
	if (verdict == NOT_IT) {
		close(c->fd);
		c->fd = -1;
	}
	return verdict != NOT_IT;
}

static bool try_build_id(const struct debugfile_search *search, int root, const char *debug_root,
			 struct candidate *c, bool *needs_crc)
{
	c->root = root;
	return path_of_id(search->elf->id, search->elf->id_size, debug_root, c->path) &&
	       try_path(search, c, false, needs_crc);
}

static bool try_link(const struct debugfile_search *search, int root, const char *before,
		     const char *between, const char *name, struct candidate *c, bool *needs_crc)
{
	const char *slash = strrchr(search->path, '/');
	int n;

	if (!slash || search->path[0] != '/')
		return false;
	c->root = root;
	n = snprintf(c->path, sizeof(c->path), "%s%.*s%s%s", before, (int)(slash - search->path),
		     search->path, between, name);
	return n < (int)sizeof(c->path) && try_path(search, c, true, needs_crc);
}

static bool find_debug(const struct debugfile_search *search, struct candidate *c,
		       struct debugfile *out)
{
	bool in_container = search->root >= 0, *crc = &out->needs_crc;
	char name[NAME_MAX + 1];

	if (try_build_id(search, -1, search->host, c, crc) ||
	    (in_container && try_build_id(search, search->root, CONTAINER_DEBUG_ROOT, c, crc)))
		return true;
	if (!elf_debuglink(search->elf, name, &out->crc))
		return false;
	if (try_link(search, -1, search->host, "/", name, c, crc))
		return true;
	return in_container &&
	       (try_link(search, search->root, "", "/", name, c, crc) ||
		try_link(search, search->root, "", "/.debug/", name, c, crc) ||
		try_link(search, search->root, CONTAINER_DEBUG_ROOT, "/", name, c, crc));
}

/* --- their supplements --- */

struct altlink {
	char path[PATH_MAX];
	uint8_t id[ELF_ID_MAX];
	size_t id_size;
};

/* A path, NUL, and the build ID up to the section's end. */
static bool read_altlink(const struct elf *elf, struct altlink *out)
{
	const struct elf_section *s = elf_section(elf, ELF_DEBUGALTLINK);
	size_t n;

	if (!s || s->type == SHT_NOBITS ||
	    image_string(&elf->image, s->offset, s->offset + s->size, out->path, PATH_MAX))
		return false;
	n = strlen(out->path) + 1;
	if (n >= s->size || s->size - n > ELF_ID_MAX)
		return false;
	out->id_size = s->size - n;
	return image_read(&elf->image, s->offset + n, out->id, out->id_size) == 0;
}

static int try_supplement(int root, const char *path, const struct altlink *link)
{
	_cleanup_close_ int fd = open_path(root, path);
	struct elf elf;
	bool is_it;

	if (fd < 0 || !open_elf(fd, &elf))
		return -1;
	is_it = same_id(&elf, link->id, link->id_size);
	elf_close(&elf);
	return is_it ? TAKE_FD(fd) : -1;
}

/* `from`: the file with the link, whose path may be unknown (""). */
static int find_supplement(const struct debugfile_search *search, const struct elf *elf,
			   const struct candidate *from)
{
	const char *slash = strrchr(from->path, '/');
	struct altlink link;
	char path[PATH_MAX];
	int fd = -1;

	if (!read_altlink(elf, &link))
		return -1;
	if (path_of_id(link.id, link.id_size, search->host, path))
		fd = try_supplement(-1, path, &link);
	if (fd < 0 && search->root >= 0 &&
	    path_of_id(link.id, link.id_size, CONTAINER_DEBUG_ROOT, path))
		fd = try_supplement(search->root, path, &link);
	if (fd >= 0)
		return fd;
	if (link.path[0] == '/')
		snprintf(path, sizeof(path), "%s", link.path);
	else if (!slash || snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - from->path),
				    from->path, link.path) >= (int)sizeof(path))
		return -1;
	return try_supplement(from->root, path, &link);
}

bool debugfile_adopt(const struct debugfile_search *search, int fd, int *supplement)
{
	const struct candidate nowhere = { .fd = fd, .root = -1 };
	struct elf debug;

	if (judge(search, fd, false) != IS_IT || !open_elf(fd, &debug))
		return false;
	*supplement = find_supplement(search, &debug, &nowhere);
	elf_close(&debug);
	return true;
}

void debugfile_find(const struct debugfile_search *search, struct debugfile *out)
{
	struct candidate c = { .fd = -1, .root = search->root };
	struct elf debug;

	*out = (struct debugfile){ .fd = -1, .supplement = -1 };
	if (dwarf_file_present(search->elf)) {
		snprintf(c.path, sizeof(c.path), "%s", search->path);
		out->supplement = find_supplement(search, search->elf, &c);
	}
	if (!debugfile_is_wanted(search->elf) || !find_debug(search, &c, out))
		return;
	out->fd = c.fd;
	if (out->supplement >= 0 || !open_elf(c.fd, &debug))
		return;
	out->supplement = find_supplement(search, &debug, &c);
	elf_close(&debug);
}

/* The CRC is the common one of zlib. */
bool debugfile_matches(int fd, uint32_t crc)
{
	_cleanup_free_ uint8_t *buffer = xmalloc(64 << 10);
	uLong sum = crc32(0, NULL, 0);
	uint64_t at = 0;
	ssize_t n;

	while (at <= CRC_FILE_MAX && (n = pread(fd, buffer, 64 << 10, (off_t)at)) > 0) {
		sum = crc32(sum, buffer, (uInt)n);
		at += (uint64_t)n;
	}
	return sum == crc && at <= CRC_FILE_MAX;
}
