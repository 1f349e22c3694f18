/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is it? Turns the cgroup ids that the kernel side captured into containers with names.
 *
 *     cgroup ids --> cgroup path --> pattern (runtime, id, pod) --> what the runtime keeps on disk
 *
 * The registry is filled ahead of need: a scan at start, then the kernel's own announcements
 * (container/watch.h). A container that is gone keeps its entry, so late samples still find it.
 * Everything a runtime or a container wrote is read with bounds and made valid UTF-8 here.
 */
#ifndef PLIMSOLL_CONTAINER_CONTAINER_H
#define PLIMSOLL_CONTAINER_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum owner_kind {
	OWNER_HOST,	 /* none of the below: label "host" */
	OWNER_UNIT,	 /* a systemd service or scope of the host: label = unit name */
	OWNER_CONTAINER, /* a container: label = its name */
};

struct key_value {
	char *key, *value;
};

/* A container, a unit, or the host. Pointers stay valid until containers_free(). Strings are valid
 * UTF-8 but otherwise as hostile as they come; NULL where unknown. */
struct container {
	enum owner_kind kind;
	char *name; /* never NULL; what the `container` label says */
	char *id;   /* full runtime id (64 hex, or the runtime's name for it); "" for host, unit */
	char *runtime; /* "docker", "containerd", "cri-o", "podman", "lxc", "nspawn", "runc",
			  "crun", "ecs", "systemd", "oci" (known only by its namespaces); never NULL
			*/
	char *image, *pod, *namespace, *pod_uid;
	struct key_value *labels;
	size_t nlabels;
	struct container *parent; /* the container that this one is nested in, or NULL */
	bool is_sandbox;	  /* a pod's pause container */
	bool gone;		  /* its cgroup was removed */
	char *cgroup;		  /* path below the hierarchy's root, starts with "/" */
	pid_t init_pid;		  /* host pid of its first process, 0 unknown */
	int64_t created; /* seconds since the epoch (cgroup directory's birth), 0 unknown */
};

/* How cgroups are mounted on this host. */
enum cgroup_mode { CGROUP_NONE, CGROUP_V2, CGROUP_V1, CGROUP_HYBRID };

struct containers;

struct containers_options {
	const char *root; /* prefix for every path read (/proc, /sys, /run, /var, /home); NULL: "".
			     For tests and for a profiler that itself runs in a container with the
			     host at /host */
};

/* Finds the mounts, walks the hierarchies, reads the runtimes. 0 or negative errno, logged. */
int containers_open(const struct containers_options *options, struct containers **out);
void containers_free(struct containers *c);

enum cgroup_mode containers_mode(const struct containers *c);
/*
 * The v1 controller whose cgroup identifies a task where v1 is mounted ("memory", "pids", ...), the
 * one the kernel side must read as the second half of the identity; NULL in CGROUP_V2 mode.
 */
const char *containers_v1_controller(const struct containers *c);
/* Its hierarchy number as /proc/cgroups and the cgroup tracepoints' `root` say; v2 is 0. */
int containers_v1_hierarchy(const struct containers *c);

/*
 * The owner of a task whose cgroup ids are these (0: not captured): the innermost container that
 * either half tells of, else a unit, else the host. Never NULL. Cheap once seen. An id that is not
 * known yet is looked for on disk once, then again only after an announcement.
 */
const struct container *containers_by_cgroup(struct containers *c, uint64_t v2_id, uint64_t v1_id);
/* Were the cgroups of such a task removed? Then it is no more. False when that cannot be told. One
 * system call or two. */
bool containers_cgroups_are_gone(const struct containers *c, uint64_t v2_id, uint64_t v1_id);
/* The same as far as it was announced; without a system call. */
bool containers_cgroups_were_removed(const struct containers *c, uint64_t v2_id, uint64_t v1_id);
/* Cgroups that were seen, of all hierarchies. */
size_t containers_count_cgroups(const struct containers *c);
const struct container *containers_host(const struct containers *c);
/* By /proc/PID/cgroup. Never NULL: the host if the process is gone. */
const struct container *containers_by_pid(struct containers *c, pid_t pid);

/* --- announcements from the kernel; `hierarchy` 0 is v2, path is below that hierarchy's root ---
 */

void containers_on_mkdir(struct containers *c, int hierarchy, uint64_t id, const char *path);
void containers_on_rmdir(struct containers *c, int hierarchy, uint64_t id);
/*
 * A task entered a cgroup or executed a program: a good moment to learn what could not be known at
 * mkdir (state files are written later). `own_pid_namespace`: it is in another PID namespace than
 * ours, so a cgroup that no runtime claims is a bare container all the same.
 */
void containers_on_task(struct containers *c, pid_t pid, uint64_t v2_id, uint64_t v1_id,
			bool own_pid_namespace);

/* --- listing and choosing --- */

/* Reads runtimes and hierarchies again. */
int containers_rescan(struct containers *c);
typedef int (*container_fn)(const struct container *container, void *context);
/* Every container and unit that is not gone, ordered by runtime and name; stops at non-zero. */
int containers_each(struct containers *c, container_fn fn, void *context);

/*
 * Does -c PATTERN mean this one? Name, id prefix (4 hex digits or more), pod "namespace/name"
 * (all its containers), unit name, or a glob over any of these; "host" is the host.
 */
bool container_matches(const struct container *container, const char *pattern);
/*
 * Names near `pattern` for "did you mean": at most `max`, nearest first; returns how many. The
 * pointers are into the registry.
 */
size_t containers_suggest(struct containers *c, const char *pattern, const char **names,
			  size_t max);

/* Ids of all cgroups of this container, those below it included, in one hierarchy (0: v2, else the
 * v1 controller's). Caller frees *ids. */
int containers_cgroup_ids(struct containers *c, const struct container *container, int hierarchy,
			  uint64_t **ids, size_t *n);

/* --- usage, for ps --- */

struct container_usage {
	uint64_t processes;    /* tasks' thread groups in it and below */
	uint64_t cpu_ns;       /* since start */
	uint64_t memory;       /* bytes, working set: usage less inactive file pages */
	uint64_t memory_limit; /* bytes, UINT64_MAX none */
	double cpu_limit;      /* CPUs by quota, 0 none */
	bool has_cpu, has_memory;
};
void containers_usage(struct containers *c, const struct container *container,
		      struct container_usage *usage);

/* --- counts, for stat: they only grow, so two readings tell what happened between --- */

struct container_counts {
	/* Page faults of what is in it and below, and those of them that had to wait for a device.
	 * From memory.stat (v1, else v2); the host's from /proc/vmstat, which is the whole
	 * machine's. */
	uint64_t faults, major_faults;
	/* Of its own CPU quota, from cpu.stat (v1, else v2). */
	uint64_t periods, throttled_periods, throttled_ns;
	double cpu_limit; /* CPUs by quota, 0 none; the only one that does not grow */
	bool has_faults, has_periods;
};
void containers_counts(struct containers *c, const struct container *container,
		       struct container_counts *counts);

/* --- bytes that it moved, for top: they only grow while it runs --- */

struct container_traffic {
	uint64_t io;  /* read and written, block devices: blkio (v1) or io.stat */
	uint64_t net; /* received and sent, all interfaces of its own network namespace but lo */
	bool has_io, has_net;
};
void containers_traffic(struct containers *c, const struct container *container,
			struct container_traffic *traffic);

/* Its cgroup as perf_event_open() wants it: a directory of v1's perf_event controller where that is
 * mounted, else of v2. The caller closes it. Negative errno. */
int containers_perf_cgroup(struct containers *c, const struct container *container);

#endif
