/* SPDX-License-Identifier: Apache-2.0 */
/* What report and diff look at; see inputs.h. */
#include "cmd/inputs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "profile/pprof.h"
#include "profile/select.h"

/* --- options --- */

void inputs_add_container(struct inputs *in, const char *pattern)
{
	GROW(in->containers, in->ncontainers, in->containers_capacity);
	in->containers[in->ncontainers++] = pattern;
}

int inputs_add_pid(struct inputs *in, const char *verb, const char *text)
{
	uint64_t pid;

	if (parse_u64(text, &pid) < 0 || pid > INT_MAX)
		return usage_error(verb, "'-p %s': a process number is expected", text);
	GROW(in->pids, in->npids, in->pids_capacity);
	in->pids[in->npids++] = (int64_t)pid;
	return EXIT_DONE;
}

int inputs_set_by(struct inputs *in, const char *verb, const char *text)
{
	size_t nroots = 0;
	char *rest;

	free(in->by);
	in->by = rest = xstrdup(text);
	in->nkeys = 0;
	for (char *key; (key = strsep(&rest, ","));) {
		if (!*key)
			return usage_error(verb, "'--by %s': a key is missing", text);
		if (in->nkeys == RANK_KEYS_MAX)
			return usage_error(verb, "'--by %s': there are more than %d keys", text,
					   RANK_KEYS_MAX);
		in->keys[in->nkeys++] = key;
		if (rank_key_is_label(key))
			in->roots[nroots++] = key;
	}
	in->keys[in->nkeys] = NULL;
	in->roots[nroots] = NULL;
	return EXIT_DONE;
}

void inputs_free(struct inputs *in)
{
	free(in->containers);
	free(in->pids);
	free(in->by);
}

/* --- which samples --- */

/* The distinct containers of some profiles, NULL-terminated; bounded, because a file may have any
 * number. */
struct container_names {
	const char *array[256 + 1];
	size_t n;
};

static void add_container_names(struct container_names *names, const struct profile *p)
{
	for (uint32_t set = 1; set <= profile_count_labels(p); set++) {
		const char *name = profile_label_text(p, set, "container");
		bool known = !name || names->n + 1 == ARRAY_SIZE(names->array);

		for (size_t i = 0; !known && i < names->n; i++)
			known = strcmp(names->array[i], name) == 0;
		if (!known)
			names->array[names->n++] = name;
	}
}

static int no_container(const char *pattern, const char *where, struct profile *const *profiles,
			size_t nprofiles)
{
	enum { SHOWN = 8 };
	struct container_names names = { 0 };
	_cleanup_(buffer_free) struct buffer list = { 0 };
	const char *near;

	for (size_t i = 0; i < nprofiles; i++)
		add_container_names(&names, profiles[i]);
	near = nearest_name(pattern, names.array);
	for (size_t i = 0; i < MIN(names.n, (size_t)SHOWN); i++)
		buffer_printf(&list, "%s%s", i ? ", " : "", names.array[i]);
	if (near)
		log_error("no container matches '%s' in %s (did you mean '%s'?)", pattern, where,
			  near);
	else if (names.n)
		log_error("no container matches '%s' in %s (there are: %s%s)", pattern, where,
			  list.data, names.n > SHOWN ? ", ..." : "");
	else
		log_error("no container matches '%s' in %s: its samples do not say whose they are",
			  pattern, where);
	return -ENOENT;
}

/* Every -c and -p must mean something in some profile. */
static int check_choice(const struct inputs *in, const char *where, struct profile *const *profiles,
			size_t nprofiles)
{
	for (size_t i = 0; i < in->ncontainers; i++) {
		bool found = false;

		for (size_t j = 0; j < nprofiles; j++)
			found |= select_finds_container(profiles[j], in->containers[i]);
		if (!found)
			return no_container(in->containers[i], where, profiles, nprofiles);
	}
	for (size_t i = 0; i < in->npids; i++) {
		bool found = false;

		for (size_t j = 0; j < nprofiles; j++)
			found |= select_finds_pid(profiles[j], in->pids[i]);
		if (!found) {
			log_error("no sample of process %lld in %s ('--by pid,comm' lists them)",
				  (long long)in->pids[i], where);
			return -ENOENT;
		}
	}
	return 0;
}

static void choose(const struct inputs *in, struct profile **p)
{
	const struct selection selection = {
		.containers = in->containers,
		.ncontainers = in->ncontainers,
		.pids = in->pids,
		.npids = in->npids,
	};
	struct profile *chosen;

	if (!in->ncontainers && !in->npids)
		return;
	chosen = select_samples(*p, &selection);
	profile_free(*p);
	*p = chosen;
}

static int load(const struct inputs *in, const char *const *paths, size_t n,
		struct profile **profiles)
{
	_cleanup_(buffer_free) struct buffer where = { 0 };
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		err = pprof_load(paths[i], &profiles[i]);
		buffer_printf(&where, "%s%s", i ? " or " : "", paths[i]);
	}
	if (!err)
		err = check_choice(in, where.data, profiles, n);
	for (size_t i = 0; i < n; i++) {
		if (!err)
			choose(in, &profiles[i]);
		else
			profile_free(TAKE_PTR(profiles[i]));
	}
	return err;
}

int inputs_load(const struct inputs *in, const char *path, struct profile **out)
{
	*out = NULL;
	return load(in, &path, 1, out);
}

int inputs_load_both(const struct inputs *in, const char *const paths[2],
		     struct profile *profiles[2])
{
	profiles[0] = profiles[1] = NULL;
	return load(in, paths, 2, profiles);
}

/* --- how they are shown --- */

static int find_sample_type(const char *wanted, const struct profile *p, const char *path)
{
	const char *names[PROFILE_VALUES_MAX + 1] = { 0 }, *near;
	_cleanup_(buffer_free) struct buffer known = { 0 };
	int found = profile_find_type(p, wanted);

	if (found >= 0)
		return found;
	for (size_t i = 0; i < profile_values(p); i++) {
		names[i] = profile_str(p, profile_types(p)[i].type);
		buffer_printf(&known, "%s%s", i ? ", " : "", names[i]);
	}
	near = nearest_name(wanted, names);
	if (near)
		log_error("%s has no sample type '%s' (did you mean '%s'?)", path, wanted, near);
	else
		log_error("%s has no sample type '%s' (it has: %s)", path, wanted, known.data);
	return -EINVAL;
}

int inputs_view(const struct inputs *in, const struct profile *p, const char *path,
		struct output_options *view)
{
	if (in->nkeys)
		view->by = in->keys;
	if (in->nkeys && in->roots[0])
		view->roots = in->roots;
	view->value = -1;
	if (in->sample_type)
		view->value = find_sample_type(in->sample_type, p, path);
	return in->sample_type && view->value < 0 ? view->value : 0;
}
