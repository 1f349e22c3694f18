/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll report: looks at a recorded profile, ours or any other in pprof's form.
 */
#include "cmd/cmd.h"
#include "cmd/look.h"

static int show(struct look *look)
{
	struct profile *p;
	int err = inputs_load(&look->inputs, look->paths[0], &p);

	if (!err)
		err = inputs_view(&look->inputs, p, look->paths[0], &look->view);
	if (!err)
		err = outputs_write_all(look->outputs, p, &look->view);
	profile_free(p);
	return err;
}

static int run(int argc, char **argv)
{
	static const struct looker report = {
		.verb = "report",
		.operands = "FILE",
		.help = "Shows a profile in pprof's form, from here or elsewhere; - is standard "
			"input.\n"
			"Without -o and --format a table is printed.\n",
		.npaths = 1,
		.show = show,
	};

	return look_run(&report, argc, argv);
}

const struct verb report_verb = {
	.name = "report",
	.summary = "show a recorded profile: table, flame graph, page, other formats",
	.run = run,
};
