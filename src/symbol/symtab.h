/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names from the symbol tables of ELF files: .symtab, .dynsym, the LZMA-compressed .gnu_debugdata
 * ("MiniDebugInfo") and a separate debug file, of stripped Go programs from their pclntab; last,
 * the stubs of .plt as name@plt.
 */
#ifndef PLIMSOLL_SYMBOL_SYMTAB_H
#define PLIMSOLL_SYMBOL_SYMTAB_H

#include "symbol/elf.h"
#include "symbol/lookup.h"

/*
 * Looks the addresses up in `elf` and, unless NULL, in its separate debug file. Names that were
 * found before are kept. Never fails: a table that is broken or too large is passed over.
 */
void symtab_lookup(const struct elf *elf, const struct elf *debug, struct lookup *lookup);

#endif
