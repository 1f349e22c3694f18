/* SPDX-License-Identifier: Apache-2.0 */
/* Options that mean the same in every verb; see arguments.h. */
#include "cmd/arguments.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/cmd.h"

#define SECONDS_MOST (365.0 * 86400)
#define OPTIONS_MOST 32 /* of a verb */

int argument_pid(const char *verb, const char *text, pid_t *pid)
{
	uint64_t number;

	if (parse_u64(text, &number) < 0 || number < 1 || number > INT_MAX)
		return usage_error(verb, "'-p %s': a process number is expected", text);
	if (kill((pid_t)number, 0) < 0 && errno == ESRCH) {
		log_error("no process has number %s", text);
		return EXIT_FAILED;
	}
	*pid = (pid_t)number;
	return EXIT_DONE;
}

int argument_seconds(const char *verb, char option, const char *text, double least, double *seconds)
{
	if (parse_number(text, seconds) < 0 || *seconds <= 0 || *seconds > SECONDS_MOST)
		return usage_error(verb, "'-%c %s': seconds are expected, such as 10 or 0.5",
				   option, text);
	if (*seconds < least)
		return usage_error(verb, "'-%c %s': at least %g s are needed", option, text, least);
	return EXIT_DONE;
}

int option_error(const char *verb, int c, char *const *argv, const struct option *options)
{
	const char *names[OPTIONS_MOST] = { 0 }, *word = argv[optind - 1], *near;

	if (c == ':')
		return usage_error(verb, "option '%s' needs a value", word);
	/* In a bundle of letters getopt() has not gone on to the next word yet. */
	if (optopt && strncmp(word, "--", 2) != 0)
		return usage_error(verb, "unknown option '-%c'", optopt);
	if (optopt)
		return usage_error(verb, "option '%s' takes no value", word);
	for (size_t i = 0; options[i].name && i + 1 < ARRAY_SIZE(names); i++)
		names[i] = options[i].name;
	near = nearest_name(word + 2, names);
	if (near)
		return usage_error(verb, "unknown option '%s' (did you mean '--%s'?)", word, near);
	return usage_error(verb, "unknown option '%s'", word);
}
