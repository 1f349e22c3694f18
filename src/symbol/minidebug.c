/* SPDX-License-Identifier: Apache-2.0 */
/* MiniDebugInfo, decompressed with bounds; see minidebug.h. */
#include "symbol/minidebug.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define CHUNK (32 << 10)
/* libLLVM's symbols are 8 MB. What expands beyond this is a bomb. */
#define OUTPUT_MAX (32ULL << 20)
/* The decoder's dictionary: `xz` as Fedora's find-debuginfo runs it takes 9 MB; `xz -7` would fit.
 */
#define MEMORY_MAX (20ULL << 20)

/* `out` grows as it is filled. */
static int decompress(const struct elf *elf, const struct elf_section *section, lzma_stream *xz,
		      uint8_t **out, size_t *size)
{
	uint8_t input[CHUNK];
	size_t capacity = 0;
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
		if (*size == capacity) {
			capacity = 2 * capacity + CHUNK;
			*out = xreallocarray(*out, capacity, 1);
		}
		xz->next_out = *out + *size;
		xz->avail_out = capacity - *size;
		ret = lzma_code(xz, at == section->size ? LZMA_FINISH : LZMA_RUN);
		*size = capacity - xz->avail_out;
		if (*size > OUTPUT_MAX)
			return -EFBIG;
	}
	return ret == LZMA_STREAM_END ? 0 : -EBADMSG;
}

int minidebug_read(const struct elf *elf, struct image *image)
{
	const struct elf_section *section = elf_section(elf, ELF_DEBUGDATA);
	_cleanup_free_ uint8_t *data = NULL;
	lzma_stream xz = LZMA_STREAM_INIT;
	size_t size = 0;
	int err;

	if (!section || section->type != SHT_PROGBITS)
		return -ENOENT;
	if (lzma_stream_decoder(&xz, MEMORY_MAX, 0) != LZMA_OK)
		return -ENOMEM;
	err = decompress(elf, section, &xz, &data, &size);
	lzma_end(&xz);
	if (err)
		return err;
	*image = (struct image){ .fd = -1, .data = TAKE_PTR(data), .size = size };
	return 0;
}
