/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running process hides from a profile, and the option that would show it: run-time
 * compilers that do not say what they compile, code that cannot be walked. A hint is a row in
 * runtime_hints[], and a question to the facts of a process.
 */
#ifndef PLIMSOLL_SYMBOL_RUNTIME_HINT_H
#define PLIMSOLL_SYMBOL_RUNTIME_HINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct runtime_facts;

struct runtime_hint {
	const char *name; /* "node_names", stable, for --json */
	const char *what; /* "Node.js functions" */
	const char *lost, *remedy;
	bool (*applies)(const struct runtime_facts *facts);
};

#define RUNTIME_HINTS 8
extern const struct runtime_hint runtime_hints[RUNTIME_HINTS];

/*
 * The hints that apply to a process, a bit a row. Reads its mappings, its arguments and, once a
 * file for all processes that map it, the programs that it runs. 0 or negative errno: -ESRCH,
 * -ENOENT when it is gone, -EACCES when it may not be looked at; a thread of the kernel has none.
 */
struct runtime_files; /* what is known of files already */
struct runtime_files *runtime_files_new(void);
void runtime_files_free(struct runtime_files *files);
int runtime_hints_of(struct runtime_files *files, const char *proc, pid_t pid, uint32_t *hints);

#endif
