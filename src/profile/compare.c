/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of comparing; see compare.h. */
#include "profile/compare.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

uint64_t weight_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t weight_of(int64_t value)
{
	return value > 0 ? (uint64_t)value : 0;
}

uint64_t compare_total(const struct profile *p, size_t value)
{
	uint64_t total = 0;

	for (size_t i = 0; value < profile_values(p) && i < profile_count_samples(p); i++)
		total = weight_add(total, weight_of(profile_get_sample(p, i).values[value]));
	return total;
}

int compare_value(const struct profile *before, const struct profile *after, size_t value,
		  size_t *base_value)
{
	_cleanup_(buffer_free) struct buffer known = { 0 };
	const char *type = "";
	int found = -1;

	if (value < profile_values(after)) {
		type = profile_str(after, profile_types(after)[value].type);
		found = profile_find_type(before, type);
	}
	if (found >= 0) {
		*base_value = (size_t)found;
		return 0;
	}
	for (size_t i = 0; i < profile_values(before); i++)
		buffer_printf(&known, "%s%s", i ? ", " : "",
			      profile_str(before, profile_types(before)[i].type));
	log_error("the first profile has no sample type '%s' to compare with (it has: %s)", type,
		  known.size ? known.data : "none");
	return -EINVAL;
}

double compare_scale(uint64_t base_total, uint64_t total)
{
	return base_total && total ? (double)total / (double)base_total : 1;
}
