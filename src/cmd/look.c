/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at recorded profiles; see look.h. */
#include "cmd/look.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"

static void print_help(const struct looker *looker)
{
	_cleanup_free_ char *suffixes = outputs_suffixes(), *names = outputs_names();

	printf("usage: plimsoll %s %s [OPTION]...\n"
	       "\n"
	       "%s"
	       "\n"
	       "  -o FILE             write FILE, - is standard output; several; suffixes:\n"
	       "                      %s\n"
	       "      --format F      format of standard output, or if no suffix tells:\n"
	       "                      %s\n"
	       "      --by KEY,...    rows of tables, roots of flame graphs: container,\n"
	       "                      pod, image, comm, pid, ...; of tables also\n"
	       "                      function, file, mapping\n"
	       "  -c NAME             only this container: name, id prefix, glob, or pod\n"
	       "                      as namespace/name\n"
	       "  -p PID              only this process; of several -c and -p any\n"
	       "      --sample-type T the value to show: samples, cpu, inuse_space, ...\n"
	       "      --flame         flame graphs with the root below (default)\n"
	       "      --icicle        flame graphs with the root on top\n"
	       "  -n ROWS             at most so many rows a table\n"
	       "      --title TEXT    heading of tables and pictures\n"
	       "  -h, --help          this text\n",
	       looker->verb, looker->operands, looker->help, suffixes, names);
}

enum { OPTION_BY = 256, OPTION_FORMAT, OPTION_TYPE, OPTION_FLAME, OPTION_ICICLE, OPTION_TITLE };

static const char short_options[] = ":o:c:p:n:h";
static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "format", required_argument, NULL, OPTION_FORMAT },
	{ "by", required_argument, NULL, OPTION_BY },
	{ "container", required_argument, NULL, 'c' },
	{ "pid", required_argument, NULL, 'p' },
	{ "sample-type", required_argument, NULL, OPTION_TYPE },
	{ "flame", no_argument, NULL, OPTION_FLAME },
	{ "icicle", no_argument, NULL, OPTION_ICICLE },
	{ "rows", required_argument, NULL, 'n' },
	{ "title", required_argument, NULL, OPTION_TITLE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_rows(struct look *look, const char *verb, const char *text)
{
	uint64_t rows;

	if (parse_u64(text, &rows) < 0 || !rows || rows > UINT_MAX)
		return usage_error(verb, "'-n %s': a number of rows is expected", text);
	look->view.rows = (unsigned)rows;
	return EXIT_DONE;
}

static int parse_option(struct look *look, const char *verb, int c, const char *argument)
{
	switch (c) {
	case 'o':
		return outputs_add(look->outputs, argument, NULL) < 0 ? EXIT_USAGE : EXIT_DONE;
	case OPTION_FORMAT:
		return outputs_set_format(look->outputs, argument) < 0 ? EXIT_USAGE : EXIT_DONE;
	case OPTION_BY:
		return inputs_set_by(&look->inputs, verb, argument);
	case 'c':
		inputs_add_container(&look->inputs, argument);
		return EXIT_DONE;
	case 'p':
		return inputs_add_pid(&look->inputs, verb, argument);
	case OPTION_TYPE:
		look->inputs.sample_type = argument;
		return EXIT_DONE;
	case 'n':
		return parse_rows(look, verb, argument);
	case OPTION_TITLE:
		look->view.title = argument;
		return EXIT_DONE;
	default:
		look->view.inverted = c == OPTION_ICICLE;
		return EXIT_DONE;
	}
}

/* -1: help was asked for and given. */
static int parse_arguments(const struct looker *looker, int argc, char **argv, struct look *look)
{
	int c, status = EXIT_DONE;

	opterr = 0;
	while (status == EXIT_DONE &&
	       (c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (c == 'h') {
			print_help(looker);
			return -1;
		}
		if (c == '?' || c == ':')
			return option_error(looker->verb, c, argv, long_options);
		status = parse_option(look, looker->verb, c, optarg);
	}
	if (status != EXIT_DONE)
		return status;
	if ((size_t)(argc - optind) != looker->npaths)
		return usage_error(looker->verb, "%s expected, %d given", looker->operands,
				   argc - optind);
	for (size_t i = 0; i < looker->npaths; i++)
		look->paths[i] = argv[optind + (int)i];
	return EXIT_DONE;
}

static int show(const struct looker *looker, struct look *look)
{
	int err = outputs_open(look->outputs, looker->is_diff);

	if (err)
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	return looker->show(look) ? EXIT_FAILED : EXIT_DONE;
}

int look_run(const struct looker *looker, int argc, char **argv)
{
	struct look look = { .outputs = outputs_new() };
	int status = parse_arguments(looker, argc, argv, &look);

	if (status == EXIT_DONE)
		status = show(looker, &look);
	outputs_free(look.outputs);
	inputs_free(&look.inputs);
	return status < 0 ? EXIT_DONE : status;
}
