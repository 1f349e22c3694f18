/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a profile: read or refused with a sentence. What was read can be written and is then
 * read as the same again, and every view can be made of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "profile/pprof.h"
#include "profile/rank.h"
#include "profile/tree.h"

#define MEMORY_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void look(const struct profile *p)
{
	static const char *const keys[] = { "function", "file", "mapping" };
	const struct tree_options options = { .value = profile_default_value(p) };
	struct tree *t = tree_new(p, &options);
	struct rank *r = NULL;

	check(rank_new(p, options.value, keys, 3, &r) == 0);
	check(t->root->total == r->total);
	rank_free(r);
	tree_free(t);
	check(tree_diff(p, p, &options, &t) == 0);
	tree_free(t);
}

static void write_and_read(const struct profile *p)
{
	struct buffer out = { 0 };
	struct profile *again = NULL;
	const char *why = NULL;

	check(pprof_encode(p, &out) == 0);
	check(pprof_decode(out.data, out.size, 2 * MEMORY_MAX, &again, &why) == 0);
	check(profile_count_samples(again) == profile_count_samples(p));
	check(profile_count_stacks(again) == profile_count_stacks(p));
	check(profile_notes(again) == profile_notes(p));
	profile_free(again);
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *p = NULL;
	const char *why = NULL;

	log_set_level(LOG_QUIET);
	if (pprof_decode(data, size, MEMORY_MAX, &p, &why) < 0) {
		check(why != NULL && *why);
		check(p == NULL);
		return 0;
	}
	write_and_read(p);
	look(p);
	profile_free(p);
	return 0;
}
