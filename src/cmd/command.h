/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that is profiled: forked first, so that its number can be made a target, executed only
 * when everything is attached, so that its first instruction is seen.
 */
#ifndef PLIMSOLL_CMD_COMMAND_H
#define PLIMSOLL_CMD_COMMAND_H

#include <sys/types.h>

struct command {
	pid_t pid;
	int pidfd;   /* readable when it has ended */
	int go;	     /* closing it lets the command run */
	int refused; /* carries errno when exec failed */
	const char *name;
};

/* Forks; the child waits. 0 or negative errno, logged. */
int command_start(char *const *argv, struct command *command);
/* Executes. 0, or negative errno, logged, when there is no such program. */
int command_release(struct command *command);
/* Waits for its end, having asked it to terminate if `terminate`; logs how it ended unless that was
 * a plain exit 0. */
void command_wait(struct command *command, int terminate);
/* The command is killed if it still waits; all is closed. Fine on a zeroed struct. */
void command_close(struct command *command);

#endif
