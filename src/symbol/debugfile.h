/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Separate debug files: what `strip` took away, kept elsewhere. Looked for when an object is first
 * seen, because its container's root may be gone at the end of a recording, and held open.
 */
#ifndef PLIMSOLL_SYMBOL_DEBUGFILE_H
#define PLIMSOLL_SYMBOL_DEBUGFILE_H

#include <stdbool.h>

#include "symbol/elf.h"

struct debugfile_search {
	const struct elf *elf; /* whose symbols are wanted */
	const char *path;      /* where that file is, inside its root */
	const char *host;      /* the host's debug files: /usr/lib/debug */
	int root;	       /* of the container, or -1 */
};

/*
 * By build ID, then by .gnu_debuglink; the host's before the container's own, which is the one that
 * could lie to others who share the build ID. An fd that the caller closes, or -ENOENT. *needs_crc
 * where only a checksum ties the file to the object: debugfile_matches() has to be asked before
 * its symbols are used; it reads the whole file, so it is not done here.
 */
int debugfile_open(const struct debugfile_search *search, bool *needs_crc, uint32_t *crc);
bool debugfile_matches(int fd, uint32_t crc);

#endif
