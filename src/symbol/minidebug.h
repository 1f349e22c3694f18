/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MiniDebugInfo: Fedora and its kin keep the symbols that .dynsym lacks as a small ELF file,
 * compressed by xz, in the section .gnu_debugdata (GDB manual, "MiniDebugInfo").
 */
#ifndef PLIMSOLL_SYMBOL_MINIDEBUG_H
#define PLIMSOLL_SYMBOL_MINIDEBUG_H

#include "symbol/elf.h"

/* Decompresses it into memory: free image->data afterwards. 0 or negative errno: -ENOENT where
 * there is none, -EFBIG for a bomb. */
int minidebug_read(const struct elf *elf, struct image *image);

#endif
