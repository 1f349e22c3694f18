/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interpreters: what the walker must know of a process to put the frames of the interpreted program
 * in the place of the native function that executes them. User space finds it out when the process
 * is first seen, and keeps it under the key of the address space (unwind.h).
 */
#ifndef PLIMSOLL_BPF_INTERPRETER_H
#define PLIMSOLL_BPF_INTERPRETER_H

#include <linux/types.h>

#include "bpf/stack.h"

/* Of the native function that executes the program: its main part, and the one that the compiler
 * split off as rarely executed (0, 0: none). */
struct interpreter_code {
	__u64 start, end; /* in the process */
};

#define INTERPRETER_FACTS 8
struct interpreter {
	struct interpreter_code code[2];
	__u32 language;			/* enum interpreter_language */
	__u32 version;			/* row of the language's own table of layouts */
	__u64 facts[INTERPRETER_FACTS]; /* the language's own, see its header */
};
_Static_assert(sizeof(struct interpreter) == 104, "shared with user space");

#define INTERPRETERS_MAX 1024

#endif
