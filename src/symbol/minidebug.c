/* SPDX-License-Identifier: Apache-2.0 */
/* MiniDebugInfo, decompressed with bounds; see minidebug.h. */
#include "symbol/minidebug.h"

#include <errno.h>
#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK (32 << 10)
/* libLLVM's symbols are 8 MB. What expands beyond this is a bomb. */
#define OUTPUT_MAX (32ULL << 20)
/* The decoder's dictionary: `xz` as Fedora's find-debuginfo runs it takes 9 MB; `xz -7` would fit.
 */
#define MEMORY_MAX (20ULL << 20)

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int decompress(const struct elf *elf, const struct elf_section *section, lzma_stream *xz,
		      int out)
{
	uint8_t input[CHUNK], output[CHUNK];
	uint64_t at = 0;
	lzma_ret ret = LZMA_OK;

	while (ret == LZMA_OK) {
		if (!xz->avail_in && at < section->size) {
			size_t n = MIN((uint64_t)sizeof(input), section->size - at);

			if (image_read(&elf->image, section->offset + at, input, n))
				return -EIO;
			at += n;
			xz->next_in = input;
			xz->avail_in = n;
		}
		xz->next_out = output;
		xz->avail_out = sizeof(output);
		ret = lzma_code(xz, at == section->size ? LZMA_FINISH : LZMA_RUN);
		if (xz->total_out > OUTPUT_MAX)
			return -EFBIG;
		if (write_all(out, output, sizeof(output) - xz->avail_out))
			return -EIO;
	}
	return ret == LZMA_STREAM_END ? 0 : -EBADMSG;
}

int minidebug_open(const struct elf *elf)
{
	const struct elf_section *section = elf_section(elf, ELF_DEBUGDATA);
	lzma_stream xz = LZMA_STREAM_INIT;
	_cleanup_close_ int fd = -1;
	int err;

	if (!section || section->type != SHT_PROGBITS)
		return -ENOENT;
	fd = memfd_create("minidebuginfo", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (lzma_stream_decoder(&xz, MEMORY_MAX, 0) != LZMA_OK)
		return -ENOMEM;
	err = decompress(elf, section, &xz, fd);
	lzma_end(&xz);
	return err ? err : TAKE_FD(fd);
}
