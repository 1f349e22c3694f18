/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll: which verb is meant. Everything else is in the file of the verb.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/cmd.h"

static const struct verb *const verbs[] = {
	&record_verb, &report_verb, &diff_verb, &stat_verb,
	&blame_verb,  &top_verb,    &ps_verb,	&doctor_verb,
};

static void print_help(FILE *out)
{
	fputs("plimsoll: where does the time of this host's containers go?\n"
	      "\n"
	      "usage: plimsoll VERB [OPTION]...\n"
	      "\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n"
	      "first steps (as root):\n"
	      "  plimsoll record -d 10                     the whole host, for ten seconds\n"
	      "  plimsoll record -c web -o web.svg         one container, until Ctrl-C\n"
	      "  plimsoll report plimsoll.pb.gz -o a.html  another view of the last recording\n"
	      "  plimsoll top                              what all containers do, live\n"
	      "  plimsoll stat -c web -d 10                where a container's time goes\n"
	      "\n"
	      "'plimsoll VERB --help' tells the options; 'man plimsoll' tells all.\n",
	      out);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[ARRAY_SIZE(verbs) + 1] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i]->name;
	const char *near = nearest_name(name, names);

	if (near)
		log_error("unknown verb '%s' (did you mean '%s'?)", name, near);
	else
		log_error("unknown verb '%s' ('plimsoll --help' lists them)", name);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	/* For the width of characters; numbers keep their point whatever the locale says. */
	if (!setlocale(LC_CTYPE, "") || strcmp(setlocale(LC_CTYPE, NULL), "C") == 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		if (argc > 2 && (verb = find_verb(argv[2]))) {
			char *help[] = { argv[2], (char[]){ "--help" }, NULL };

			return verb->run(2, help);
		}
		print_help(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("plimsoll " PLIMSOLL_VERSION);
		return EXIT_DONE;
	}
	verb = find_verb(argv[1]);
	return verb ? verb->run(argc - 1, argv + 1) : unknown_verb(argv[1]);
}
