/* SPDX-License-Identifier: Apache-2.0 */
/* The part of `plimsoll doctor` that looks at what runs: hints for processes, grouped so that two
 * hundred containers of one image are one line. */
#ifndef PLIMSOLL_CMD_DOCTOR_PROCESSES_H
#define PLIMSOLL_CMD_DOCTOR_PROCESSES_H

#include <stddef.h>
#include <sys/types.h>

#include "symbol/runtime_hint.h"

/* So many of a group are named. */
#define FINDING_PIDS_MAX 20

/* The processes that one hint applies to. */
struct finding {
	const struct runtime_hint *hint;
	size_t nprocesses;
	pid_t pids[FINDING_PIDS_MAX];	      /* the first of them */
	const char *places[FINDING_PIDS_MAX]; /* the container, unit or "host" of each */
	const char **containers;	      /* of all of them, each once */
	size_t ncontainers, capacity;
};

struct findings {
	struct finding all[RUNTIME_HINTS];
	size_t looked_at, not_allowed; /* processes */
	struct containers *containers; /* owns the names */
};

/* Looks at every process. 0 or negative errno. findings_free() afterwards in any case. */
int findings_gather(struct findings *out);
void findings_free(struct findings *findings);

/* "200 processes in 200 places: 4711 in web-1, 4712 in web-2, 4713 in web-3, ..." */
const char *finding_found(const struct finding *finding, char *buffer, size_t size);

#endif
