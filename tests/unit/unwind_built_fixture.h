/* SPDX-License-Identifier: Apache-2.0 */
/* A small unwind table, as unwind_build() would make it. Include cmocka.h before. */
#ifndef PLIMSOLL_TESTS_UNWIND_BUILT_FIXTURE_H
#define PLIMSOLL_TESTS_UNWIND_BUILT_FIXTURE_H

#include "base/cleanup.h"
#include "symbol/unwind_table.h"

static struct unwind_rule rule_of(int cfa)
{
	return (struct unwind_rule){
		.cfa_kind = CFA_SP, .cfa = cfa, .ra_kind = PLACE_CFA, .ra_offset = -8
	};
}

/* Two pages: a function of CFA sp + `cfa` all over, another in the middle of the second page. */
static struct unwind_built *build_small(int cfa)
{
	static struct unwind_rule rules[4];
	static uint32_t words[3 + 3];
	static struct unwind_built built;

	rules[UNWIND_RULE_NONE] = (struct unwind_rule){ .cfa_kind = CFA_NONE };
	rules[UNWIND_RULE_UNSUPPORTED] = (struct unwind_rule){ .cfa_kind = CFA_UNSUPPORTED };
	rules[UNWIND_RULE_END] = (struct unwind_rule){ .cfa_kind = CFA_END };
	rules[3] = rule_of(cfa);
	words[0] = 3;
	words[1] = 4;
	words[2] = 6;
	words[3] = 3 << UNWIND_PAGE_SHIFT;
	words[4] = 3 << UNWIND_PAGE_SHIFT;
	words[5] = UNWIND_RULE_END << UNWIND_PAGE_SHIFT | 0x80;
	built = (struct unwind_built){
		.base = 0x1000,
		.pages = 2,
		.nwords = ARRAY_SIZE(words),
		.words = words,
		.rules = rules,
		.nrules = ARRAY_SIZE(rules),
		.rows = 3,
	};
	assert_int_equal(unwind_built_check(&built), 0);
	return &built;
}

#endif
