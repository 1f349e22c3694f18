/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a verb's result goes: all the -o FILE of one command line, each with its format. Opened
 * before any work starts, so that a path that cannot be written is said at once; written one after
 * the other, so that only one is in memory; each made visible only when it is whole.
 *
 *     outputs_add()...  outputs_set_format()  ->  outputs_open_all()  ->  outputs_write_all()
 */
#ifndef PLIMSOLL_CMD_OUTPUTS_H
#define PLIMSOLL_CMD_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "output/output.h"
#include "profile/profile.h"

struct outputs;

struct outputs *outputs_new(void);
/* What was opened and not written is taken back. NULL is fine. */
void outputs_free(struct outputs *o);

/*
 * -o PATH ("-" is standard output), in the format called `format`; NULL: the one that the path's
 * suffix tells, else that of outputs_set_format(), else for "-" a table. An unknown name is
 * -EINVAL, logged with what was meant; what a path's suffix tells is judged by outputs_open_all(),
 * because
 * --format may come later on a command line. The strings must outlive `o`.
 */
int outputs_add(struct outputs *o, const char *path, const char *format);
/* --format NAME. 0 or -EINVAL, logged. */
int outputs_set_format(struct outputs *o, const char *format);
size_t outputs_count(const struct outputs *o);

/*
 * Finds each one's format and opens it. With none added, standard output is: in the format set,
 * else as a table. -EINVAL means wrong usage (no format, the same path twice, a diff in a format
 * that has none: `for_diff`); other errors that a file cannot be written. Logged.
 */
int outputs_open(struct outputs *o, bool for_diff);
/* outputs_open() for one profile. */
int outputs_open_all(struct outputs *o);

/*
 * Writes and commits them all. `width`, `color` and the like that depend on where an output goes
 * are filled in here. One that fails does not keep the others from being written: what was recorded
 * is not lost for one bad format. 0 or the first error, logged.
 */
int outputs_write_all(struct outputs *o, const struct profile *p,
		      const struct output_options *options);
int outputs_write_diff_all(struct outputs *o, const struct profile *before,
			   const struct profile *after, const struct output_options *options);

/* Lines of --help: the suffixes that -o knows (".pb.gz .folded ..."), and names of all formats,
 * each to be freed by the caller. */
char *outputs_suffixes(void);
char *outputs_names(void);

#endif
