/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user half of bpf/watch.bpf.c: hears the kernel announce containers, feeds the registry, and
 * owns the filter that every signal applies in the kernel.
 */
#ifndef PLIMSOLL_CONTAINER_WATCH_H
#define PLIMSOLL_CONTAINER_WATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/container.h"

struct bpf_map;
struct watch;

struct watch_options {
	struct containers *containers;
	/* Containers to watch (see container_matches()) and processes, with what they start from
	 * now on; none of both: the whole host. The strings must outlive the watch. */
	const char *const *patterns;
	size_t npatterns;
	const pid_t *pids;
	size_t npids;
	bool expects_pid; /* watch_add_pid() follows: chosen processes even if there are none yet */
};

/* Loads and attaches. 0 or negative errno, logged. */
int watch_open(const struct watch_options *options, struct watch **out);
void watch_close(struct watch *w);

/* Adds a process to the targets. 0 or negative errno. */
int watch_add_pid(struct watch *w, pid_t pid);

/* Readable when watch_drain() has work. */
int watch_fd(const struct watch *w);
void watch_drain(struct watch *w);

/* What a signal's skeleton sets before load: the read-only settings of bpf/identity.bpf.h, and the
 * maps that it shares. 0 or negative errno. */
uint32_t watch_v1_controller(const struct watch *w);
uint32_t watch_target_mode(const struct watch *w);
int watch_share_targets(const struct watch *w, struct bpf_map *target_cgroups,
			struct bpf_map *target_pids);

/* Announcements lost because the ring was full, and targets for which there was no room. */
uint64_t watch_lost_events(const struct watch *w);
uint64_t watch_lost_targets(const struct watch *w);

#endif
