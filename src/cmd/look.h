/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of the verbs that look at recorded profiles: the same for one profile (report) and
 * for two (diff).
 */
#ifndef PLIMSOLL_CMD_LOOK_H
#define PLIMSOLL_CMD_LOOK_H

#include "cmd/inputs.h"
#include "cmd/outputs.h"

#define LOOK_PATHS_MAX 2

struct look {
	const char *paths[LOOK_PATHS_MAX];
	struct inputs inputs;
	struct outputs *outputs;
	struct output_options view;
};

/* A verb, and what it does with its `npaths` files. */
struct looker {
	const char *verb;
	const char *operands; /* "BEFORE AFTER" */
	const char *help;     /* what stands above the options */
	size_t npaths;
	bool is_diff;
	/* Inputs to outputs; the latter are open. 0 or negative errno, logged. */
	int (*show)(struct look *look);
};

/* The whole verb: options, outputs, show(). Returns the exit code. */
int look_run(const struct looker *looker, int argc, char **argv);

#endif
