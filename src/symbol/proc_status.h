/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc/PID/status says of a process: who it is in its own container. */
#ifndef PLIMSOLL_SYMBOL_PROC_STATUS_H
#define PLIMSOLL_SYMBOL_PROC_STATUS_H

#include <stdint.h>
#include <sys/types.h>

struct proc_status {
	char state;    /* 'R', 'S', 'T': stopped, 't': traced, 'Z': dead, ... */
	pid_t own_pid; /* its number in its own PID namespace */
	uid_t euid;    /* in our user namespace, as the next one */
	gid_t egid;
	uint64_t caught; /* signals that it has handlers for; bit n - 1 is signal n */
};

/* 0 or negative errno: -ENOENT or -ESRCH when it is gone. */
int proc_status_read(const char *proc, pid_t pid, struct proc_status *out);

#endif
