/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip, piece by piece on the way out so that only the compressed bytes are held, and bounded on
 * the way in so that a few kilobytes cannot become gigabytes.
 */
#ifndef PLIMSOLL_PROFILE_GZIP_H
#define PLIMSOLL_PROFILE_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

#include "base/text.h"

struct gzip {
	z_stream stream;
	struct buffer *out;
};

/* Appends to `out`. 0 or -ENOMEM. */
int gzip_begin(struct gzip *g, struct buffer *out);
void gzip_add(struct gzip *g, const void *data, size_t size);
/* Completes the file and frees what it took; out is what remains. */
void gzip_end(struct gzip *g);

bool is_gzip(const void *data, size_t size);
/*
 * *out is freed by the caller, also on error. 0; -EFBIG: more than `limit` bytes; -EBADMSG: not
 * gzip, damaged or cut short, which *why says.
 */
int gunzip(const void *data, size_t size, size_t limit, char **out, size_t *out_size,
	   const char **why);

#endif
