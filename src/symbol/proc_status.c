/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/status, a line a field; see proc_status.h and proc(5). */
#include "symbol/proc_status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

#define STATUS_MAX 65536

/* The text behind "\nNAME:", NULL if there is no such line. */
static const char *field(const char *status, const char *name)
{
	char key[32];
	const char *line;

	snprintf(key, sizeof(key), "\n%s:", name);
	line = strstr(status, key);
	return line ? line + strlen(key) : NULL;
}

/* "Uid:\tREAL\tEFFECTIVE\tSAVED\tFILES" */
static unsigned long effective(const char *ids)
{
	char *end;

	if (!ids)
		return 0;
	strtoul(ids, &end, 10);
	return strtoul(end, NULL, 10);
}

/* "NSpid:\t4711\t17\t1": the number in each namespace from ours to its own. */
static pid_t last_number(const char *line, pid_t otherwise)
{
	pid_t last = otherwise;

	while (line && *line && *line != '\n') {
		char *end;
		long value = strtol(line, &end, 10);

		if (end == line)
			break;
		last = value > 0 && value <= INT_MAX ? (pid_t)value : 0;
		line = end;
	}
	return last;
}

int proc_status_read(const char *proc, pid_t pid, struct proc_status *out)
{
	_cleanup_free_ char *status = NULL;
	const char *caught, *state;
	char path[PATH_MAX];
	size_t size;
	int err;

	snprintf(path, sizeof(path), "%s/%d/status", proc, pid);
	err = read_file(path, STATUS_MAX, &status, &size);
	if (err)
		return err;
	caught = field(status, "SigCgt");
	state = field(status, "State");
	*out = (struct proc_status){
		.state = state && state[0] == '\t' ? state[1] : '?',
		.own_pid = last_number(field(status, "NSpid"), pid),
		.euid = (uid_t)effective(field(status, "Uid")),
		.egid = (gid_t)effective(field(status, "Gid")),
		.caught = caught ? strtoull(caught, NULL, 16) : 0,
	};
	return 0;
}
