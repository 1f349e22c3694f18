/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a Go program, asked for the names, lines and inlined calls of addresses around those
 * that the seeds have, and for its frames. Bounds and time are what is tested: libFuzzer's limits.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "symbol/pclntab.h"
#include "symbol/unwind_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct source_answer *answer)
{
	unsigned depth = answer->scope ? answer->scope->depth : 0;

	if (depth > PCLNTAB_SCOPES_MAX)
		abort();
	for (const struct source_scope *s = answer->scope; s; s = s->outer, depth--)
		if (s->depth != depth || !s->function || !s->function->name)
			abort();
	if (depth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = { 0,	0x1000,	  0x401000, 0x401020,
					      0x401048, 0x401050, 0x40107f, UINT64_MAX - 1 };
	const struct image image = { .fd = -1, .data = data, .size = size };
	struct source_answer answers[ARRAY_SIZE(addresses)] = { 0 };
	const char *names[ARRAY_SIZE(addresses)] = { NULL };
	uint64_t work = LOOKUP_WORK_SOURCE / 50;
	struct unwind_built built;
	struct arena arena = { 0 };
	struct elf elf;

	if (elf_open(&image, &elf))
		return 0;
	struct lookup lookup = {
		.addresses = addresses,
		.n = ARRAY_SIZE(addresses),
		.names = names,
		.arena = &arena,
		.work = &work,
	};

	pclntab_lookup(&elf, &lookup);
	pclntab_source(&elf, addresses, lookup.n, &work, &arena, answers);
	for (size_t i = 0; i < lookup.n; i++)
		check(&answers[i]);
	if (unwind_build(&elf, NULL, &built) == 0) {
		if (unwind_built_check(&built))
			abort();
		unwind_built_free(&built);
	}
	elf_close(&elf);
	arena_free(&arena);
	return 0;
}
