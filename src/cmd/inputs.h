/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What report and diff look at: a file, or the part of it that -c and -p choose, by the keys and in
 * the value that --by and --sample-type name.
 */
#ifndef PLIMSOLL_CMD_INPUTS_H
#define PLIMSOLL_CMD_INPUTS_H

#include <stddef.h>
#include <stdint.h>

#include "output/output.h"
#include "profile/profile.h"
#include "profile/rank.h"

struct inputs {
	const char **containers; /* -c */
	size_t ncontainers, containers_capacity;
	int64_t *pids; /* -p */
	size_t npids, pids_capacity;
	const char *sample_type;
	char *by; /* --by, cut into keys */
	const char *keys[RANK_KEYS_MAX + 1], *roots[RANK_KEYS_MAX + 1];
	size_t nkeys;
};

/* Each takes the argument of one option; EXIT_DONE or EXIT_USAGE, logged for `verb`. Arguments
 * must outlive the inputs. */
void inputs_add_container(struct inputs *in, const char *pattern);
int inputs_add_pid(struct inputs *in, const char *verb, const char *text);
int inputs_set_by(struct inputs *in, const char *verb, const char *text);
void inputs_free(struct inputs *in);

/*
 * Reads the file. 0 or negative errno, logged: also when a -c or -p means nothing in it, with the
 * nearest name.
 */
int inputs_load(const struct inputs *in, const char *path, struct profile **out);
/*
 * The same for two files to compare: what is chosen needs to be in one of them only, since a
 * container may have come or gone.
 */
int inputs_load_both(const struct inputs *in, const char *const paths[2],
		     struct profile *profiles[2]);

/* Fills in what --by and --sample-type say of how `p` is shown. 0 or negative errno, logged. */
int inputs_view(const struct inputs *in, const struct profile *p, const char *path,
		struct output_options *view);

#endif
