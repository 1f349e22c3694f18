/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that all tables share. Equal rules have one number; a number is free again when the
 * last table that uses it is gone.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_RULES_H
#define PLIMSOLL_SIGNAL_UNWIND_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "bpf/unwind.h"
#include "signal/unwind_room.h"

struct unwind_rules {
	struct unwind_rule *array; /* the kernel's, UNWIND_RULES_MAX of them */
	uint32_t *references;	   /* tables; by number */
	struct room room;
	struct index index; /* of what was ever inserted since it was made anew */
};

/* Writes those that every array of rules begins with. The array is kept. */
void rules_init(struct unwind_rules *rules, struct unwind_rule *array);
void rules_destroy(struct unwind_rules *rules);

/* The number of the rule, with one more reference. UNWIND_RULE_UNSUPPORTED when there are too many.
 */
uint32_t rules_take(struct unwind_rules *rules, const struct unwind_rule *rule, int64_t now);
void rules_give(struct unwind_rules *rules, uint32_t number, int64_t now);

#endif
