/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Separate debug files: what `strip` took away, kept elsewhere, and what dwz took away from several
 * of those, kept once. Looked for when an object is first seen, because its container's root may be
 * gone at the end of a recording, and held open.
 */
#ifndef PLIMSOLL_SYMBOL_DEBUGFILE_H
#define PLIMSOLL_SYMBOL_DEBUGFILE_H

#include <stdbool.h>

#include "symbol/elf.h"

struct debugfile_search {
	const struct elf *elf; /* whose symbols and lines are wanted */
	const char *path;      /* where that file is, inside its root */
	const char *host;      /* the host's debug files: /usr/lib/debug */
	int root;	       /* of the container, or -1 */
};

struct debugfile {
	int fd;		/* -1: none was found, or the file itself has all that there is */
	int supplement; /* .gnu_debugaltlink's, of the debug file or the file itself; -1: none */
	/* Only a checksum ties the file to the object: debugfile_matches() has to be asked before
	 * its symbols are used; it reads the whole file, so it is not done when it is found. */
	bool needs_crc;
	uint32_t crc;
};

/*
 * By build ID, then by .gnu_debuglink; the host's before the container's own, which is the one that
 * could lie to others who share the build ID. The caller closes what is found.
 */
void debugfile_find(const struct debugfile_search *search, struct debugfile *out);
bool debugfile_matches(int fd, uint32_t crc);

/* Would a debug file add something: symbols, or lines? */
bool debugfile_is_wanted(const struct elf *elf);
/*
 * A debug file that came from somewhere else: is it the one with this build ID? Then *supplement is
 * what dwz took away from it, as above.
 */
bool debugfile_adopt(const struct debugfile_search *search, int fd, int *supplement);

#endif
