/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an ELF file, looked into as an executable, as its own debug file, and for the
 * addresses that its segments claim. Bounds and time are what is tested: libFuzzer's limits.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "symbol/symtab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Some in each segment and section, sorted and distinct. */
static size_t choose_addresses(const struct elf *elf, uint64_t addresses[64])
{
	size_t n = 0, distinct = 0;

	for (size_t i = 0; i < elf->nloads; i++)
		for (uint64_t k = 0; k < 4; k++)
			addresses[n++] = elf->loads[i].address + elf->loads[i].memory_size / 4 * k;
	for (size_t i = 0; i < elf->nsections && n < 64; i++)
		if (elf->sections[i].flags & SHF_EXECINSTR)
			addresses[n++] = elf->sections[i].address + 17;
	qsort(addresses, n, sizeof(*addresses), by_value);
	for (size_t i = 0; i < n; i++)
		if (!i || addresses[i] != addresses[i - 1])
			addresses[distinct++] = addresses[i];
	return distinct;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image image = { .fd = -1, .data = data, .size = size };
	uint64_t addresses[64], work = LOOKUP_WORK_SOURCE;
	const char *names[64] = { NULL }, *debug_names[64] = { NULL };
	char link[NAME_MAX + 1], hex[ELF_ID_HEX];
	struct arena arena = { 0 };
	struct elf elf;
	uint32_t crc;

	if (elf_open(&image, &elf))
		return 0;
	struct lookup lookup = {
		.addresses = addresses,
		.n = choose_addresses(&elf, addresses),
		.names = names,
		.arena = &arena,
		.work = &work,
	};

	symtab_lookup(&elf, NULL, &lookup);
	lookup.names = debug_names;
	symtab_lookup(&elf, &elf, &lookup);
	elf_debuglink(&elf, link, &crc);
	elf_id_hex(elf.id, elf.id_size, hex);
	elf_fingerprint(&elf);
	elf_close(&elf);
	arena_free(&arena);
	return 0;
}
