/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where debug files are, by the rules of gdb ("Debugging Information in Separate Files"):
 *
 *     ROOT/usr/lib/debug/.build-id/ab/cdef.debug      by build ID
 *     DIR/NAME, DIR/.debug/NAME, ROOT/usr/lib/debug/DIR/NAME      by .gnu_debuglink
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

#define CONTAINER_DEBUG_ROOT "/usr/lib/debug"
/* Reading and summing up a file takes a second a gigabyte. */
#define CRC_FILE_MAX (256ULL << 20)

enum verdict { NOT_IT, IS_IT, ASK_CRC };

static enum verdict judge(const struct debugfile_search *search, int fd, bool by_link)
{
	const struct elf *elf = search->elf;
	enum verdict verdict = NOT_IT;
	struct image image;
	struct elf debug;

	if (image_of_file(fd, &image) || elf_open(&image, &debug))
		return NOT_IT;
	if (elf_section_of_type(&debug, SHT_SYMTAB)) {
		if (elf->id_size && debug.id_size)
			verdict = elf->id_size == debug.id_size &&
						  memcmp(elf->id, debug.id, elf->id_size) == 0
					  ? IS_IT
					  : NOT_IT;
		else if (by_link && image.size <= CRC_FILE_MAX)
			verdict = ASK_CRC;
	}
	elf_close(&debug);
	return verdict;
}

/* One place to look at: below the container's root, or, for the host's, as the path says. */
static int try_path(const struct debugfile_search *search, int root, const char *path, bool by_link,
		    bool *needs_crc)
{
	_cleanup_close_ int fd = root >= 0 ? open_in_root(root, path, NULL)
					   : open_regular(path, NULL);
	enum verdict verdict;

	if (fd < 0)
		return -ENOENT;
	verdict = judge(search, fd, by_link);
	if (verdict == NOT_IT)
		return -ENOENT;
	*needs_crc = verdict == ASK_CRC;
	return TAKE_FD(fd);
}

static int try_build_id(const struct debugfile_search *search, int root, const char *debug_root,
			bool *needs_crc)
{
	char hex[ELF_ID_HEX], path[PATH_MAX];

	if (search->elf->id_size < 2)
		return -ENOENT;
	elf_id_hex(search->elf->id, search->elf->id_size, hex);
	snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", debug_root, hex, hex + 2);
	return try_path(search, root, path, false, needs_crc);
}

static int try_link(const struct debugfile_search *search, int root, const char *before,
		    const char *between, const char *name, bool *needs_crc)
{
	const char *slash = strrchr(search->path, '/');
	char path[PATH_MAX];
	int n;

	if (!slash || search->path[0] != '/')
		return -ENOENT;
	n = snprintf(path, sizeof(path), "%s%.*s%s%s", before, (int)(slash - search->path),
		     search->path, between, name);
	if (n >= (int)sizeof(path))
		return -ENOENT;
	return try_path(search, root, path, true, needs_crc);
}

int debugfile_open(const struct debugfile_search *search, bool *needs_crc, uint32_t *crc)
{
	char name[NAME_MAX + 1];
	int fd;

	fd = try_build_id(search, -1, search->host, needs_crc);
	if (fd < 0 && search->root >= 0)
		fd = try_build_id(search, search->root, CONTAINER_DEBUG_ROOT, needs_crc);
	if (fd >= 0 || !elf_debuglink(search->elf, name, crc))
		return fd;
	fd = try_link(search, -1, search->host, "/", name, needs_crc);
	if (fd < 0 && search->root >= 0)
		fd = try_link(search, search->root, "", "/", name, needs_crc);
	if (fd < 0 && search->root >= 0)
		fd = try_link(search, search->root, "", "/.debug/", name, needs_crc);
	if (fd < 0 && search->root >= 0)
		fd = try_link(search, search->root, CONTAINER_DEBUG_ROOT, "/", name, needs_crc);
	return fd;
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
