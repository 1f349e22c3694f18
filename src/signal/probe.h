/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel and this user allow, found out by trying: each probe does the smallest thing of
 * its kind and says how it went. Nothing is judged by a kernel's version number.
 */
#ifndef PLIMSOLL_SIGNAL_PROBE_H
#define PLIMSOLL_SIGNAL_PROBE_H

#include <stddef.h>

enum probe_state {
	PROBE_OK,
	PROBE_LIMITED, /* works, with something lost */
	PROBE_MISSING, /* does not work, plimsoll does without */
	PROBE_FATAL,   /* does not work, and nothing can be recorded */
};

struct probe_result {
	enum probe_state state;
	char found[256]; /* what was seen, e.g. "6.1.0-18-amd64" or "refused: EPERM" */
};

struct probe {
	const char *name;   /* "btf", stable, for --json */
	const char *what;   /* "kernel type information (BTF)" */
	const char *lost;   /* what is lost without it; NULL: only information */
	const char *remedy; /* how to get it */
	enum probe_state (*try)(char *found, size_t size);
};

/* Ends with a row whose name is NULL. */
extern const struct probe probes[];

#endif
