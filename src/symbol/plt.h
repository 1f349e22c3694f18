/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that comes without call frame information and is known by its form: procedure linkage tables
 * of linkers that do not describe them (lld, GNU ld for AArch64). The trampolines of signal
 * handlers, often not described either, are the walker's to recognize: it knows the kernel's frame.
 */
#ifndef PLIMSOLL_SYMBOL_PLT_H
#define PLIMSOLL_SYMBOL_PLT_H

#include "symbol/cfi.h"

/* Adds functions for what it finds, whether described or not: the caller prefers descriptions. */
void plt_add(struct cfi *cfi);

#endif
