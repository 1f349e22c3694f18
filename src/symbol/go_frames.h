/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How to walk Go code, from Go's own table (pclntab_table.h): it says for every instruction how far
 * the stack pointer is below the caller's frame, and stays when everything else is stripped. Go
 * keeps frame pointers, but not in functions without a frame; whoever walks by them alone misses
 * the callers of those.
 */
#ifndef PLIMSOLL_SYMBOL_GO_FRAMES_H
#define PLIMSOLL_SYMBOL_GO_FRAMES_H

#include "symbol/cfi.h"

/* Adds the functions of a Go program (1.18 or newer, x86-64); nothing for any other file. */
void go_frames_add(struct cfi *cfi);

#endif
