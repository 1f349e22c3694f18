/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as call frame information. The first says as what: .eh_frame or .debug_frame of either
 * machine, in a file made around it, or a whole ELF file. If a table comes out it must hold
 * together, and every address must find a rule in it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "symbol/unwind_table.h"
#include "tests/unit/cfi_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_DEBUG_FRAME = 1, AS_AARCH64 = 2, AS_FILE = 4, KINDS = 8 };

static void look_up(const struct unwind_built *built)
{
	uint64_t end = built->base + ((uint64_t)built->pages << UNWIND_PAGE_SHIFT);
	uint64_t step = 1 + (end - built->base) / 4096;

	for (uint64_t at = built->base - 1; at <= end; at += step)
		if (unwind_built_find(built, at)->cfa_kind > CFA_PLT)
			abort();
}

static void try_file(const uint8_t *data, size_t size)
{
	struct image image = { .data = data, .size = size, .fd = -1 };
	struct unwind_built built;
	struct elf elf;

	if (elf_open(&image, &elf))
		return;
	if (unwind_build(&elf, &elf, &built) == 0) {
		if (unwind_built_check(&built))
			abort();
		look_up(&built);
		unwind_built_free(&built);
	}
	elf_close(&elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer section = { 0 }, bytes = { 0 };
	struct made_file file = { 0 };
	unsigned kind;

	if (!size)
		return 0;
	kind = data[0] % KINDS;
	if (kind & AS_FILE) {
		try_file(data + 1, size - 1);
		return 0;
	}
	put_bytes(&section, data + 1, size - 1);
	file.machine = kind & AS_AARCH64 ? EM_AARCH64 : EM_X86_64;
	if (kind & AS_DEBUG_FRAME)
		file.debug_frame = &section;
	else
		file.eh_frame = &section;
	put_file(&bytes, &file);
	try_file((const uint8_t *)bytes.data, bytes.size);
	buffer_free(&section);
	buffer_free(&bytes);
	return 0;
}
