/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of comparing two profiles: which values belong together, and by how much BEFORE
 * is scaled so that both total the same. What trees and tables of a diff share.
 */
#ifndef PLIMSOLL_PROFILE_COMPARE_H
#define PLIMSOLL_PROFILE_COMPARE_H

#include <stdint.h>

#include "profile/profile.h"

/* a + b for sums of weights: saturates. */
uint64_t weight_add(uint64_t a, uint64_t b);
/* What a sample weighs in a view: a negative value (of a profile less another) weighs nothing. */
uint64_t weight_of(int64_t value);

/* All samples' weight in one value. */
uint64_t compare_total(const struct profile *p, size_t value);
/* Which value of `before` is of the same type as `value` of `after`. 0 or -EINVAL, logged. */
int compare_value(const struct profile *before, const struct profile *after, size_t value,
		  size_t *base_value);
/* What BEFORE's numbers are multiplied with; 1 where AFTER has nothing to compare with. */
double compare_scale(uint64_t base_total, uint64_t total);

#endif
