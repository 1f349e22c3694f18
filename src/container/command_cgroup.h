/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup for a command that is measured, so that it can be told from everything else with all
 * that it starts, also what ended long ago: to the registry it is a container.
 *
 * It is a child of our own cgroup, where that is the same path in every hierarchy that matters
 * (v2, memory and what else identifies tasks, perf_event); elsewhere the command stays where it
 * would have been. The cpu controller is left alone: a group of its own there would change which
 * share of the CPU the command gets.
 */
#ifndef PLIMSOLL_CONTAINER_COMMAND_CGROUP_H
#define PLIMSOLL_CONTAINER_COMMAND_CGROUP_H

#include <sys/types.h>

#include "container/container.h"

struct command_cgroup;

/*
 * Makes it, puts process `pid` in and tells the registry, in which it is called `name`. Do this
 * before the process is let go. 0 or negative errno, logged with what cannot be made.
 */
int command_cgroup_make(struct containers *c, pid_t pid, const char *name,
			struct command_cgroup **out);
/* Removes it; what still runs in it goes back to our own cgroup. NULL is fine. */
void command_cgroup_remove(struct command_cgroup *cgroup);

const struct container *command_cgroup_container(const struct command_cgroup *cgroup);

#endif
