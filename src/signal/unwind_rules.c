/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that all tables share; see unwind_rules.h. */
#include "signal/unwind_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST_OWN (UNWIND_RULE_END + 1)

void rules_init(struct unwind_rules *rules, struct unwind_rule *array)
{
	*rules = (struct unwind_rules){
		.array = array,
		.references = xcalloc(UNWIND_RULES_MAX, sizeof(*rules->references)),
	};
	room_init(&rules->room, FIRST_OWN, UNWIND_RULES_MAX - FIRST_OWN);
	array[UNWIND_RULE_NONE] = (struct unwind_rule){ .cfa_kind = CFA_NONE };
	array[UNWIND_RULE_UNSUPPORTED] = (struct unwind_rule){ .cfa_kind = CFA_UNSUPPORTED };
	array[UNWIND_RULE_END] = (struct unwind_rule){ .cfa_kind = CFA_END };
}

void rules_destroy(struct unwind_rules *rules)
{
	free(rules->references);
	room_destroy(&rules->room);
	index_free(&rules->index);
}

static bool equal_rule(const void *key, uint32_t position, const void *context)
{
	const struct unwind_rules *rules = context;

	return rules->references[position] &&
	       memcmp(&rules->array[position], key, sizeof(struct unwind_rule)) == 0;
}

static uint64_t hash_rule(const struct unwind_rule *rule)
{
	return hash_bytes(rule, sizeof(*rule));
}

/* Without those that are not used any more: nothing is ever deleted from an index singly. */
static void index_again(struct unwind_rules *rules)
{
	index_clear(&rules->index);
	for (uint32_t i = FIRST_OWN; i < UNWIND_RULES_MAX; i++)
		if (rules->references[i])
			index_insert(&rules->index, hash_rule(&rules->array[i]), i);
}

/* The kinds that need no number of their own. */
static bool is_fixed(const struct unwind_rule *rule, uint32_t *number)
{
	switch (rule->cfa_kind) {
	case CFA_NONE:
		*number = UNWIND_RULE_NONE;
		return true;
	case CFA_UNSUPPORTED:
		*number = UNWIND_RULE_UNSUPPORTED;
		return true;
	case CFA_END:
		*number = UNWIND_RULE_END;
		return true;
	default:
		return false;
	}
}

uint32_t rules_take(struct unwind_rules *rules, const struct unwind_rule *rule, int64_t now)
{
	uint32_t number;

	if (is_fixed(rule, &number))
		return number;
	number = index_find(&rules->index, hash_rule(rule), rule, equal_rule, rules);
	if (number == INDEX_NONE) {
		if (!room_take(&rules->room, 1, now, &number))
			return UNWIND_RULE_UNSUPPORTED;
		if (rules->index.count >= 2 * UNWIND_RULES_MAX)
			index_again(rules);
		rules->array[number] = *rule;
		index_insert(&rules->index, hash_rule(rule), number);
	}
	rules->references[number]++;
	return number;
}

void rules_give(struct unwind_rules *rules, uint32_t number, int64_t now)
{
	if (number >= FIRST_OWN && !--rules->references[number])
		room_give(&rules->room, number, 1, now);
}
