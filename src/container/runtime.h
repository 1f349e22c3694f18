/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container runtime keeps on disk about its containers. One file a runtime
 * (runtime_NAME.c), one row each in runtimes[] (runtime.c).
 */
#ifndef PLIMSOLL_CONTAINER_RUNTIME_H
#define PLIMSOLL_CONTAINER_RUNTIME_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "container/container.h"
#include "container/place.h"

struct claims;

/* Bounds of what is read of somebody else's files. */
#define CONFIG_JSON_MAX ((size_t)1 << 20)
#define STATE_JSON_MAX	((size_t)1 << 20)
#define STATUS_MAX	((size_t)64 << 10)
#define LABELS_MAX	128
#define TEXT_VALUE_MAX	1024 /* longer values are cut */

/* What was learnt; the strings are in the arena. Zero-initialise all but the first two. */
struct details {
	struct arena *arena;
	bool in_pod; /* its cgroup is a Kubernetes pod's */
	char *name, *image, *pod, *namespace, *pod_uid;
	struct key_value *labels;
	size_t nlabels, labels_capacity;
	bool is_sandbox;
	bool is_machine; /* a virtual machine, not a container */
	pid_t init_pid;
	int64_t created; /* seconds since the epoch */
};

struct runtime {
	const char *name;
	/* Reads what is kept about container `id`, a safe name. 0, or negative errno: nothing is
	 * known (yet). */
	int (*describe)(struct place *place, const char *id, struct details *d);
	/* Tells of every container whose cgroup path only its state on disk gives away. May be
	 * NULL. */
	void (*claim)(struct place *place, struct claims *claims);
};

extern const struct runtime runtime_docker, runtime_containerd, runtime_crio, runtime_podman,
	runtime_runc, runtime_crun, runtime_lxc, runtime_nspawn;

/* All of them, in the order in which they are asked about an id that may be anybody's; ends with
 * NULL. */
extern const struct runtime *const runtimes[];

/* Asks one runtime by name, or all if `keeper` is NULL. Returns the one that answered, or NULL. */
const struct runtime *runtimes_describe(struct place *place, const char *keeper, const char *id,
					struct details *d);

/* --- for the runtimes' files --- */

/* Copies a string that may be NULL or empty (then *field stays) into *field: cut to
 * TEXT_VALUE_MAX, made valid UTF-8. */
void details_set(struct details *d, char **field, const char *value);

enum word_of {
	WORD_OF_IMAGE,	 /* labels: who made the image has a say */
	WORD_OF_RUNTIME, /* annotations: the runtime or its caller */
};
/* Keeps a label, and takes from it what Kubernetes and others say by its key. An image may carry
 * labels that pretend to be Kubernetes', so those count only inside a pod's cgroup. */
void details_label(struct details *d, const char *key, const char *value, enum word_of word);
/* All strings of an object that may be NULL. */
void details_labels(struct details *d, const json_t *object, enum word_of word);
void details_done(struct details *d);

/* RFC 3339 to seconds; 0 for what is not, or before 1970. */
int64_t parse_time(const char *text);

/* A process id in JSON; 0 for what cannot be one. */
pid_t json_pid(const json_t *value);

#endif
