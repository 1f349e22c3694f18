/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing samples by whose they are; see select.h. */
#include "profile/select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define ID_PREFIX_LEAST 4 /* shorter ones are more likely meant as names */

static bool is_id_prefix(const char *pattern, const char *id)
{
	size_t n = strlen(pattern);

	return n >= ID_PREFIX_LEAST && n == strspn(pattern, "0123456789abcdef") &&
	       strncmp(id, pattern, n) == 0;
}

static bool is_or_globs(const char *pattern, const char *s)
{
	return s && (strcmp(pattern, s) == 0 || fnmatch(pattern, s, 0) == 0);
}

bool select_container(const struct profile *p, uint32_t labels, const char *pattern)
{
	const char *id = profile_label_text(p, labels, "container_id");
	const char *pod = profile_label_text(p, labels, "pod");
	const char *namespace = profile_label_text(p, labels, "namespace");

	if (is_or_globs(pattern, profile_label_text(p, labels, "container")))
		return true;
	if (id && (is_id_prefix(pattern, id) || is_or_globs(pattern, id)))
		return true;
	if (!pod || !namespace)
		return false;

	_cleanup_free_ char *full = xasprintf("%s/%s", namespace, pod);
	return is_or_globs(pattern, full);
}

/* Samples count, not label sets: what is left of a filtered profile is what it can be asked for. */
bool select_finds_container(const struct profile *p, const char *pattern)
{
	for (size_t i = 0; i < profile_count_samples(p); i++)
		if (select_container(p, profile_get_sample(p, i).labels, pattern))
			return true;
	return false;
}

static bool has_pid(const struct profile *p, uint32_t labels, int64_t pid)
{
	int64_t number;

	return profile_label_number(p, labels, "pid", &number) && number == pid;
}

bool select_finds_pid(const struct profile *p, int64_t pid)
{
	for (size_t i = 0; i < profile_count_samples(p); i++)
		if (has_pid(p, profile_get_sample(p, i).labels, pid))
			return true;
	return false;
}

/* A label set is judged once, however many samples have it. */
struct judge {
	const struct selection *selection;
	enum { UNJUDGED, IN, OUT } * verdicts;
};

static bool passes(const struct profile *p, uint32_t labels, const struct selection *s)
{
	if (!s->ncontainers && !s->npids)
		return true;
	for (size_t i = 0; i < s->ncontainers; i++)
		if (select_container(p, labels, s->containers[i]))
			return true;
	for (size_t i = 0; i < s->npids; i++)
		if (has_pid(p, labels, s->pids[i]))
			return true;
	return false;
}

static bool keep(const struct profile *p, const struct sample *s, void *context)
{
	struct judge *judge = context;

	if (judge->verdicts[s->labels] == UNJUDGED)
		judge->verdicts[s->labels] = passes(p, s->labels, judge->selection) ? IN : OUT;
	return judge->verdicts[s->labels] == IN;
}

struct profile *select_samples(const struct profile *p, const struct selection *s)
{
	struct judge judge = {
		.selection = s,
		.verdicts = xcalloc(profile_count_labels(p) + 1, sizeof(*judge.verdicts)),
	};
	struct profile *chosen = profile_filter(p, keep, &judge);

	free(judge.verdicts);
	return chosen;
}
