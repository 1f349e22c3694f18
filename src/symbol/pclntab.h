/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Go program knows about itself: the table that its runtime prints stack traces from. It
 * stays when everything else is stripped (-ldflags '-s -w', strip), so every Go function has its
 * name, and every address its file, line and the calls that were inlined there.
 *
 * Reads what Go 1.2 to 1.27 write (four layouts), of 64 and 32 bits, little-endian.
 */
#ifndef PLIMSOLL_SYMBOL_PCLNTAB_H
#define PLIMSOLL_SYMBOL_PCLNTAB_H

#include <stdint.h>

#include "symbol/elf.h"
#include "symbol/lookup.h"
#include "symbol/source.h"

/*
 * Names the addresses that have no name yet: the function that the address lies in, not what was
 * inlined there. Nothing happens for what is not a Go program, or whose table is broken.
 */
void pclntab_lookup(const struct elf *elf, struct lookup *lookup);

/* More calls that were inlined into one another than this are not followed. */
#define PCLNTAB_SCOPES_MAX 32

/*
 * The same in full, as source_lookup() does from DWARF: scopes, files and lines of those addresses
 * whose scope is not known yet. Inlined calls are known for Go 1.18 and newer. `work` as in struct
 * lookup, strings and scopes are in `arena`.
 */
void pclntab_source(const struct elf *elf, const uint64_t *addresses, size_t n, uint64_t *work,
		    struct arena *arena, struct source_answer *answers);

#endif
