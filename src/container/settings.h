/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the container runtimes of this host keep their files: the defaults, what the configuration
 * files say, and what the command lines of running daemons say. Several daemons of one kind may
 * run, so each kind has a list.
 */
#ifndef PLIMSOLL_CONTAINER_SETTINGS_H
#define PLIMSOLL_CONTAINER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum root_kind {
	ROOT_DOCKER,	       /* dockerd --data-root: containers/ID/config.v2.json */
	ROOT_CONTAINERD_STATE, /* io.containerd.runtime.v2.task/NAMESPACE/ID/config.json */
	ROOT_CONTAINERD_DATA,  /* io.containerd.metadata.v1.bolt/meta.db */
	ROOT_STORAGE,	       /* containers/storage of Podman and CRI-O, graphroot or runroot:
				  DRIVER-containers/ */
	ROOT_RUNC,	       /* NAME/state.json */
	ROOT_CRUN,	       /* NAME/status */
	ROOT_LXC,	       /* NAME/config */
	ROOT_MACHINES,	       /* systemd-machined: NAME */
	ROOT_KINDS,
};

struct runtime_root {
	enum root_kind kind;
	uid_t owner; /* 0: the host's; else this user's rootless runtime */
	char *path;  /* absolute, as the host writes it */
};

struct settings {
	struct runtime_root *roots;
	size_t nroots, capacity;
};

/* The defaults, owner 0. */
void settings_init(struct settings *s);
void settings_free(struct settings *s);

/* Adds one unless it is there; only absolute paths, and not more than a host can mean. */
void settings_add(struct settings *s, enum root_kind kind, uid_t owner, const char *path);

/* Adds the defaults of a user: below the home that `root`/etc/passwd names, and /run/user/UID. */
void settings_add_user(struct settings *s, const char *root, uid_t uid);

/* Adds what the configuration files below `root` say. */
void settings_read_files(struct settings *s, const char *root);

/*
 * Adds what the running daemons say. A process is asked only if is_host() holds: a process in a
 * container may call itself dockerd, too.
 */
typedef bool (*settings_is_host_fn)(pid_t pid, void *context);
void settings_read_daemons(struct settings *s, const char *root, settings_is_host_fn is_host,
			   void *context);

#endif
