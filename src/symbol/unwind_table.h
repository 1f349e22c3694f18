/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From .eh_frame to the table that the kernel's walker reads (layout: bpf/unwind.h).
 *
 *     .eh_frame, .debug_frame --cfi.c--> rows (address, rule) --sorted, merged, packed--> words
 *
 * Works on files that containers control: every read is checked, work and memory are bounded.
 */
#ifndef PLIMSOLL_SYMBOL_UNWIND_TABLE_H
#define PLIMSOLL_SYMBOL_UNWIND_TABLE_H

#include <stdint.h>

#include "bpf/unwind.h"
#include "symbol/elf.h"

/* More rows are refused: libLLVM, with 102 MB of code, has 0.8 million. */
#define UNWIND_ROWS_MAX 8000000
/* Code further away from the file's first than this is left out (Chromium: 236 MB). */
#define UNWIND_SPAN_MAX	 (512UL << 20)
#define UNWIND_PAGES_MAX (UNWIND_SPAN_MAX >> UNWIND_PAGE_SHIFT)
/* Distinct rules of one file; rows beyond are UNWIND_RULE_UNSUPPORTED. */
#define UNWIND_FILE_RULES_MAX 2048

struct unwind_built {
	uint64_t base; /* as in struct unwind_table */
	uint32_t pages;
	uint32_t nwords;
	uint32_t *words;	   /* index[pages + 1], rows; rule numbers are those of `rules` */
	struct unwind_rule *rules; /* begins with UNWIND_RULE_NONE, _UNSUPPORTED, _END */
	uint32_t nrules;
	/* For doctor, tests and the curious. */
	uint32_t rows, functions;
	uint32_t
		functions_refused; /* corrupt, or overlapping: left out, or cut short by the next */
	uint32_t rows_unsupported; /* expressions and registers that the rules have no words for */
};

/*
 * The table of an open file, .eh_frame first, .debug_frame for what that does not cover; `debug` is
 * its separate debug file or NULL. 0; -ENODATA: it has neither (frame pointers are all there is);
 * -EBADMSG, -E2BIG, -EIO. unwind_built_free() afterwards only on success.
 */
int unwind_build(const struct elf *elf, const struct elf *debug, struct unwind_built *out);
void unwind_built_free(struct unwind_built *built);

/* Does it hold together: index ascending and within `nwords`, every page empty or beginning with
 * low 0, rules known? 0 or -EBADMSG. For those who were handed one by somebody else. */
int unwind_built_check(const struct unwind_built *built);

/* The rule for an address in the file; UNWIND_RULE_NONE outside. As the kernel looks it up. */
const struct unwind_rule *unwind_built_find(const struct unwind_built *built, uint64_t address);

#endif
