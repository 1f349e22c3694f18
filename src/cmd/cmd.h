/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb: one file, one constant of this type, one row in verbs[] (main.c).
 */
#ifndef PLIMSOLL_CMD_CMD_H
#define PLIMSOLL_CMD_CMD_H

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct verb {
	const char *name;
	const char *summary; /* one line for `plimsoll --help` */
	/* argv[0] is the verb's name. Returns the exit code. */
	int (*run)(int argc, char **argv);
};

extern const struct verb ps_verb, record_verb, report_verb, diff_verb, doctor_verb, stat_verb,
	blame_verb, top_verb;

/* For getopt_long() results '?' and ':' and misplaced arguments: logs what is wrong with a pointer
 * to --help (with "did you mean" among `names`, NULL-terminated, where given) and returns
 * EXIT_USAGE. */
int usage_error(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Nearest of `names` (NULL-terminated) if near enough to be meant, else NULL. */
const char *nearest_name(const char *word, const char *const *names);

#endif
