/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own table: vmlinux, modules, BPF programs and trampolines, a line a symbol,
 * "ADDRESS TYPE NAME [MODULE]". It has no sizes: a symbol ends where the next one begins.
 */
#ifndef PLIMSOLL_SYMBOL_KALLSYMS_H
#define PLIMSOLL_SYMBOL_KALLSYMS_H

#include <stdbool.h>

#include "symbol/lookup.h"

/*
 * Reads it once. `modules` is as long as lookup->names and says which module each name belongs to:
 * "ext4", "bpf", or "" for the kernel itself; in lookup->arena. `all_core`: no address lies in a
 * module, so reading may stop early. 0, negative errno, or -EACCES when the kernel shows zeros
 * instead of addresses (kernel.kptr_restrict).
 */
int kallsyms_lookup(int fd, bool all_core, struct lookup *lookup, const char **modules);

#endif
