/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed out, bounded in; see gzip.h. */
#include "profile/gzip.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* zlib's way to ask for a gzip header around a window of 32 KiB (zlib.h, deflateInit2). */
#define WINDOW_GZIP (15 + 16)
#define PIECE	    16384
/* On a profile of 20,000 stacks 6 takes half as long again as 3 (150 ms, not 105) and saves an
 * eighth. */
#define LEVEL 3

int gzip_begin(struct gzip *g, struct buffer *out)
{
	*g = (struct gzip){ .out = out };
	/* 8 is deflateInit()'s own memory level: 256 KiB in all. */
	if (deflateInit2(&g->stream, LEVEL, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	return 0;
}

static void deflate_all(struct gzip *g, int flush)
{
	unsigned char piece[PIECE];

	/* With input and room for output deflate() cannot fail. */
	do {
		g->stream.next_out = piece;
		g->stream.avail_out = sizeof(piece);
		deflate(&g->stream, flush);
		buffer_add(g->out, piece, sizeof(piece) - g->stream.avail_out);
	} while (!g->stream.avail_out);
}

void gzip_add(struct gzip *g, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size) {
		uInt n = (uInt)MIN(size, (size_t)1 << 30);

		g->stream.next_in = (unsigned char *)p;
		g->stream.avail_in = n;
		deflate_all(g, Z_NO_FLUSH);
		p += n;
		size -= n;
	}
}

void gzip_end(struct gzip *g)
{
	deflate_all(g, Z_FINISH);
	deflateEnd(&g->stream);
}

bool is_gzip(const void *data, size_t size)
{
	const unsigned char *p = data;

	return size >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

/* Makes room behind what has been inflated; false: that would be more than the limit. */
static bool make_room(z_stream *z, char **out, size_t *capacity, size_t limit)
{
	size_t used = *capacity - z->avail_out;

	if (*capacity > limit)
		return false;
	/* One byte past the limit is enough to know. */
	*capacity = MIN(*capacity * 2, limit + 1);
	*out = xreallocarray(*out, *capacity, 1);
	z->next_out = (unsigned char *)*out + used;
	z->avail_out = (uInt)(*capacity - used);
	return true;
}

static int inflate_members(z_stream *z, size_t limit, char **out, size_t *capacity,
			   const char **why)
{
	for (;;) {
		if (!z->avail_out && !make_room(z, out, capacity, limit)) {
			*why = "it is too large when decompressed";
			return -EFBIG;
		}
		int status = inflate(z, Z_NO_FLUSH);

		if (status == Z_STREAM_END) {
			if (!z->avail_in)
				return 0;
			/* Files of gzip may follow one another (RFC 1952, 2.2). */
			if (!is_gzip(z->next_in, z->avail_in)) {
				*why = "something else follows its compressed data";
				return -EBADMSG;
			}
			inflateReset(z);
		} else if (status == Z_BUF_ERROR ||
			   (status == Z_OK && !z->avail_in && z->avail_out)) {
			*why = "it is cut short";
			return -EBADMSG;
		} else if (status != Z_OK) {
			*why = "its compressed data is damaged";
			return -EBADMSG;
		}
	}
}

int gunzip(const void *data, size_t size, size_t limit, char **out, size_t *out_size,
	   const char **why)
{
	z_stream z = { .next_in = (unsigned char *)data, .avail_in = (uInt)size };
	/* avail_in and avail_out are 32 bits wide. */
	size_t most = MIN(limit, (size_t)UINT32_MAX - 1);
	size_t capacity = MIN(MAX(size, (size_t)4096) * 4, most + 1);
	int err;

	*out = NULL;
	*out_size = 0;
	if (size > UINT32_MAX) {
		*why = "it is too large";
		return -EFBIG;
	}
	if (inflateInit2(&z, WINDOW_GZIP) != Z_OK) {
		*why = "there is not enough memory to decompress it";
		return -ENOMEM;
	}
	*out = xmalloc(capacity);
	z.next_out = (unsigned char *)*out;
	z.avail_out = (uInt)capacity;
	err = inflate_members(&z, most, out, &capacity, why);
	*out_size = capacity - z.avail_out;
	inflateEnd(&z);
	if (!err && *out_size > limit) {
		*why = "it is too large when decompressed";
		err = -EFBIG;
	}
	return err;
}
