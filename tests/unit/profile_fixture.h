/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small profiles for tests. A sample stands for 10 ns, so that sums can be redone in the head.
 */
#ifndef PLIMSOLL_TESTS_PROFILE_FIXTURE_H
#define PLIMSOLL_TESTS_PROFILE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "profile/profile.h"

#define FIXTURE_PERIOD 10

static inline struct profile *fixture_new(void)
{
	struct profile *p = profile_new();
	const struct value_type types[] = {
		{ profile_string(p, "samples"), profile_string(p, "count") },
		{ profile_string(p, "cpu"), profile_string(p, "nanoseconds") },
	};

	profile_set_types(p, types, 2);
	return p;
}

/* "a b,c d": frames root first, those after a ',' inlined into the one before it. All of one
 * mapping, all with their address. */
static inline uint32_t fixture_stack(struct profile *p, const char *frames)
{
	const struct mapping m = { .start = 0x1000,
				   .limit = 0x9000,
				   .file = profile_string(p, "/bin/app"),
				   .build_id = profile_string(p, "c0ffee") };
	uint32_t mapping = profile_mapping(p, &m), locations[64];
	size_t n = 0, at = 64;

	while (*frames) {
		struct line lines[8];
		size_t nlines = 8;
		uint64_t address = 0;

		while (*frames && *frames != ' ') {
			size_t length = strcspn(frames, " ,");
			struct function f = { .name = profile_string_n(p, frames, length) };

			f.system_name = f.name;
			lines[--nlines] = (struct line){ .function = profile_function(p, &f) };
			for (size_t i = 0; i < length; i++)
				address = address * 31 + (unsigned char)frames[i];
			frames += length + (frames[length] == ',');
		}
		frames += *frames == ' ';
		locations[--at] = profile_location_with_lines(p, mapping, address, lines + nlines,
							      8 - nlines);
		n++;
	}
	return profile_stack(p, locations + at, n);
}

static inline uint32_t fixture_labels(struct profile *p, const char *container, const char *thread,
				      int64_t pid)
{
	struct label labels[3] = { { .key = profile_string(p, "pid"), .number = pid } };
	size_t n = 1;

	if (container)
		labels[n++] = (struct label){ .key = profile_string(p, "container"),
					      .text = profile_string(p, container) };
	if (thread)
		labels[n++] = (struct label){ .key = profile_string(p, "thread"),
					      .text = profile_string(p, thread) };
	return profile_labels(p, labels, n);
}

static inline void fixture_add(struct profile *p, const char *container, const char *thread,
			       const char *frames, int64_t samples)
{
	const int64_t values[] = { samples, samples * FIXTURE_PERIOD };

	profile_add(p, fixture_stack(p, frames), fixture_labels(p, container, thread, 7), values);
}

/* The sum of one value over all samples. */
static inline int64_t fixture_sum(const struct profile *p, size_t value)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile_count_samples(p); i++)
		sum += profile_get_sample(p, i).values[value];
	return sum;
}

#endif
