/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we need to be root for, and giving up the rest.
 */
#ifndef PLIMSOLL_BASE_PRIVILEGES_H
#define PLIMSOLL_BASE_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

struct privilege {
	int capability;	     /* CAP_* of linux/capability.h */
	const char *name;    /* "CAP_BPF" */
	const char *use;     /* what it is needed for */
	const char *without; /* what is lost when it is missing */
	bool is_required;    /* nothing can be recorded without it */
};

/* Ends with a row whose name is NULL. */
extern const struct privilege privileges[];

/* In our effective set? CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as in the kernel. */
bool privilege_held(const struct privilege *p);

/* For a verb that watches. 0, or -EPERM with what is missing and the remedy logged. Warns of what
 * is lost without being required. */
int privileges_check(const char *verb);

/* Keeps only those in the table; from here on a mistake of ours can do less. 0 or negative errno.
 */
int privileges_drop(void);

#endif
