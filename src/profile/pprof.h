/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof's profile.proto, gzipped: the one form a profile has on disk and on the wire. Reads what
 * Go, perf_to_profile, Parca and Pyroscope write (gzipped or plain); what cannot be understood is
 * refused with one sentence, never half-read.
 */
#ifndef PLIMSOLL_PROFILE_PPROF_H
#define PLIMSOLL_PROFILE_PPROF_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "profile/profile.h"

/* Decompressed size above which a profile is refused; a bomb would otherwise eat the memory. */
#define PPROF_SIZE_MAX (1024UL << 20)

/*
 * Appends to `out`. Nothing but the compressed bytes is held on the way: each message is packed,
 * compressed and forgotten. 0 or negative errno.
 */
int pprof_encode(const struct profile *p, struct buffer *out);

/*
 * 0, or negative errno with *why set to a constant sentence without a full stop ("it is cut short
 * in the middle of a sample"). `memory_max` bounds what decoding may allocate (0: a sane default).
 */
int pprof_decode(const void *data, size_t size, size_t memory_max, struct profile **out,
		 const char **why);

/* Opens, reads, decodes; logs one error naming the file. 0 or negative errno. "-" is stdin. */
int pprof_load(const char *path, struct profile **out);

#endif
