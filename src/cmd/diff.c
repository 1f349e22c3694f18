/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll diff: two profiles, and where the second spends more or less of its time. BEFORE is
 * scaled to AFTER's total, so that a longer recording does not look like a slower program.
 */
#include "cmd/cmd.h"
#include "cmd/look.h"

static int show(struct look *look)
{
	struct profile *profiles[2];
	int err = inputs_load_both(&look->inputs, look->paths, profiles);

	if (!err)
		err = inputs_view(&look->inputs, profiles[1], look->paths[1], &look->view);
	if (!err)
		err = outputs_write_diff_all(look->outputs, profiles[0], profiles[1], &look->view);
	profile_free(profiles[0]);
	profile_free(profiles[1]);
	return err;
}

static int run(int argc, char **argv)
{
	static const struct looker diff = {
		.verb = "diff",
		.operands = "BEFORE AFTER",
		.help = "Compares two profiles; BEFORE is scaled to AFTER's total.\n"
			"Without -o and --format a table is printed.\n",
		.npaths = 2,
		.is_diff = true,
		.show = show,
	};

	return look_run(&diff, argc, argv);
}

const struct verb diff_verb = {
	.name = "diff",
	.summary = "compare two profiles: what takes more time now, what less",
	.run = run,
};
