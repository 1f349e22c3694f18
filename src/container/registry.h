/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry from inside, for the files that implement container.h.
 *
 *     nodes     (hierarchy, cgroup id) --> owner          every cgroup that was seen
 *     entries   cgroup path            --> container      and units, and the host
 *
 * A container's cgroups in v1 and v2 have one path, so they meet in one entry.
 */
#ifndef PLIMSOLL_CONTAINER_REGISTRY_H
#define PLIMSOLL_CONTAINER_REGISTRY_H

#include "base/arena.h"
#include "base/index.h"
#include "container/cgroup.h"
#include "container/claims.h"
#include "container/container.h"
#include "container/place.h"
#include "container/settings.h"

struct entry {
	struct container c;	   /* first: callers hold pointers to it */
	char *path;		   /* c.cgroup as it really is, valid UTF-8 or not */
	struct entry *newer;	   /* another container that took over this path */
	const char *keeper;	   /* whose files tell of it, NULL: all are asked */
	uid_t uid;		   /* a user's rootless container; 0: not */
	const struct claim *claim; /* that described it */
	bool is_by_form;   /* its path has a runtime's form; else only a claim tells of it */
	bool is_guess;	   /* the runtime's name is what the path suggests, no more */
	bool is_described; /* its metadata was read */
	unsigned int tries;
	uint64_t tried, next_try; /* CLOCK_MONOTONIC ns */
	unsigned int live;	  /* its own cgroups that were seen and are not removed */
};

struct node {
	uint64_t id;
	struct entry *owner;
	char *path; /* while the owner may still turn out to be a container, else NULL */
	uint32_t claims_version;
	uint32_t announcements; /* when an unknown id was looked for last */
	uint8_t hierarchy;
	bool is_own;	 /* the owner's topmost cgroup */
	bool is_gone;	 /* removed */
	bool is_unknown; /* no such cgroup was found */
	bool is_seen;	 /* by the walk that is going on */
};

/* Keeps work that somebody else can cause to a tenth of the time: so long as the last time took,
 * ten times as long nothing is done. */
struct pace {
	uint64_t end, cost;
};

struct containers {
	char *root;
	struct arena arena; /* entries and all their strings: pointers stay valid */
	struct cgroups cgroups;
	struct settings settings, defaults; /* the host's; what is assumed inside a container */
	struct place host;
	struct place *users;
	size_t nusers, users_capacity;

	struct entry *host_entry;
	struct entry **entries;
	size_t nentries, entries_capacity;
	struct index by_path, by_id;

	struct node *nodes;
	size_t nnodes, nodes_capacity, nodes_after_compaction;
	struct index by_node;

	struct claims claims;
	bool is_scanning; /* what is found now was there before */
	uint32_t announcements;
	struct pace walking, claiming, asking_daemons;
};

/* entry.c: who owns a path */

/* entry_describe() gives up after so many tries. */
#define LAST_TRY 13

void entries_init(struct containers *c);
/* The owner of the cgroup at `path`; makes the entries on the way and reads their metadata. */
struct entry *entry_of_path(struct containers *c, const char *path);
/* Reads the metadata if it is missing and it is time to try again. */
void entry_describe(struct containers *c, struct entry *e);
/* Takes from the claims that were read already what is missing. */
void entry_apply_claim(struct containers *c, struct entry *e);
/* Reads what containers only their runtimes' state gives away, within its pace unless `now`. */
void entries_claim(struct containers *c, bool now);
/* Asks the running daemons where they keep their files, within its pace unless `now`. True if that
 * gave new places to look at. */
bool entries_ask_daemons(struct containers *c, bool now);
/* Says that this path is a container that no runtime on this host tells of. */
void entries_claim_bare(struct containers *c, const char *path);
/* Its cgroup was made again. */
void entry_revive(struct containers *c, struct entry *e);
/* Is `e` this container or nested in it? */
bool entry_is_within(const struct entry *e, const struct container *container);

/* The bytes of its cgroup's path. */
static inline const char *path_of(const struct container *container)
{
	return ((const struct entry *)container)->path;
}

/* process.c: what /proc says */

/* First process at or below a cgroup, 0 if there is none. */
pid_t process_of_cgroup(const struct containers *c, const char *path);
/*
 * Whose processes are in this cgroup (not below)? A shell of the host whose browser has a PID
 * namespace of its own does not live in a container, so one process of the host decides.
 */
enum tenants { TENANTS_NONE, TENANTS_OF_HOST, TENANTS_OF_CONTAINER };
enum tenants process_tenants(const struct containers *c, int hierarchy, const char *path);
bool process_has_own_pid_namespace(const struct containers *c, pid_t pid);
bool process_has_own_mount_namespace(const struct containers *c, pid_t pid);
bool process_has_own_network_namespace(const struct containers *c, pid_t pid);
/* Is it the first process of its innermost PID namespace? */
bool process_is_init(const struct containers *c, pid_t pid);
/* Seconds since the epoch, 0 unknown. */
int64_t process_start(const struct containers *c, pid_t pid);

/* registry.c */

bool pace_allows(const struct pace *p, uint64_t now);
void pace_spent(struct pace *p, uint64_t since);

#endif
