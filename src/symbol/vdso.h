/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO: an ELF image that the kernel maps into every process. It is in no file, but ours is the
 * same as everybody's, except that 32-bit processes have another one.
 */
#ifndef PLIMSOLL_SYMBOL_VDSO_H
#define PLIMSOLL_SYMBOL_VDSO_H

#include "symbol/elf.h"

/* False where this process has none. The image needs no release. */
bool vdso_image(struct image *image);

/* The image as a file, for somebody who reads files; the caller closes it. Negative errno. */
int vdso_file(void);

#endif
