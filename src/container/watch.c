/* SPDX-License-Identifier: Apache-2.0 */
/* The user half of bpf/watch.bpf.c; see watch.h. */
#include "container/watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/watch.h"
#include "watch.skel.h"

struct watch {
	struct watch_options options;
	struct watch_bpf *bpf;
	struct ring_buffer *ring;
};

static const struct {
	const char *name;
	enum v1_controller controller;
} v1_controllers[] = {
	{ "memory", V1_MEMORY },   { "pids", V1_PIDS },	      { "cpu", V1_CPU },
	{ "cpuacct", V1_CPUACCT }, { "devices", V1_DEVICES }, { "freezer", V1_FREEZER },
	{ "blkio", V1_BLKIO },	   { "cpuset", V1_CPUSET },
};

uint32_t watch_v1_controller(const struct watch *w)
{
	const char *name = containers_v1_controller(w->options.containers);

	for (size_t i = 0; name && i < ARRAY_SIZE(v1_controllers); i++)
		if (strcmp(name, v1_controllers[i].name) == 0)
			return v1_controllers[i].controller;
	return V1_NONE;
}

uint32_t watch_target_mode(const struct watch *w)
{
	const struct watch_options *o = &w->options;

	return o->npatterns || o->npids || o->expects_pid ? TARGET_CHOSEN : TARGET_ALL;
}

int watch_share_targets(const struct watch *w, struct bpf_map *target_cgroups,
			struct bpf_map *target_pids)
{
	int err = bpf_map__reuse_fd(target_cgroups, bpf_map__fd(w->bpf->maps.target_cgroups));

	return err ? err : bpf_map__reuse_fd(target_pids, bpf_map__fd(w->bpf->maps.target_pids));
}

int watch_add_pid(struct watch *w, pid_t pid)
{
	uint32_t key = (uint32_t)pid;
	uint8_t yes = 1;

	return bpf_map_update_elem(bpf_map__fd(w->bpf->maps.target_pids), &key, &yes, BPF_ANY);
}

/* --- containers as targets --- */

static bool is_wanted(const struct watch *w, const struct container *container)
{
	for (const struct container *c = container; c; c = c->parent)
		for (size_t i = 0; i < w->options.npatterns; i++)
			if (container_matches(c, w->options.patterns[i]))
				return true;
	return false;
}

static int add_cgroup(struct watch *w, uint64_t key)
{
	uint8_t yes = 1;

	return bpf_map_update_elem(bpf_map__fd(w->bpf->maps.target_cgroups), &key, &yes, BPF_ANY);
}

/* All cgroups of the container in one hierarchy; those made later inherit in the kernel. */
static int add_hierarchy(struct watch *w, const struct container *container, int hierarchy)
{
	_cleanup_free_ uint64_t *ids = NULL;
	size_t n = 0;
	int err = containers_cgroup_ids(w->options.containers, container, hierarchy, &ids, &n);

	for (size_t i = 0; !err && i < n; i++)
		err = add_cgroup(w, ids[i] | (hierarchy ? TARGET_V1 : 0));
	return err;
}

static int add_container(const struct container *container, void *context)
{
	struct watch *w = context;
	int err;

	if (!is_wanted(w, container))
		return 0;
	err = add_hierarchy(w, container, 0);
	if (!err && watch_v1_controller(w) != V1_NONE)
		err = add_hierarchy(w, container, containers_v1_hierarchy(w->options.containers));
	if (err == -E2BIG)
		log_error("more than %d cgroups match; choose fewer containers with -c",
			  TARGETS_MAX);
	/* A container that went away in between is no reason to stop. */
	return err == -E2BIG ? err : 0;
}

struct match {
	const char *pattern;
	bool found;
};

static int match_one(const struct container *container, void *context)
{
	struct match *m = context;

	m->found = container_matches(container, m->pattern);
	return m->found;
}

static bool pattern_matches_any(struct watch *w, const char *pattern)
{
	struct match m = { .pattern = pattern };

	containers_each(w->options.containers, match_one, &m);
	return m.found || container_matches(containers_host(w->options.containers), pattern);
}

static int complain(struct watch *w, const char *pattern)
{
	const char *near[3];
	size_t n = containers_suggest(w->options.containers, pattern, near, ARRAY_SIZE(near));

	if (n == 1)
		log_error("no container matches '%s' (did you mean '%s'?)", pattern, near[0]);
	else if (n == 2)
		log_error("no container matches '%s' (did you mean '%s' or '%s'?)", pattern,
			  near[0], near[1]);
	else if (n == 3)
		log_error("no container matches '%s' (did you mean '%s', '%s' or '%s'?)", pattern,
			  near[0], near[1], near[2]);
	else
		log_error("no container matches '%s' ('plimsoll ps --all' lists what there is)",
			  pattern);
	return -ENOENT;
}

static int add_targets(struct watch *w)
{
	const struct watch_options *o = &w->options;
	int err = 0;

	for (size_t i = 0; i < o->npatterns; i++)
		if (!pattern_matches_any(w, o->patterns[i]))
			return complain(w, o->patterns[i]);
	if (o->npatterns)
		err = containers_each(o->containers, add_container, w);
	if (!err && o->npatterns && is_wanted(w, containers_host(o->containers)))
		err = add_container(containers_host(o->containers), w);
	for (size_t i = 0; !err && i < o->npids; i++)
		err = watch_add_pid(w, o->pids[i]);
	return err;
}

/* --- announcements --- */

static void on_task(struct watch *w, const struct watch_record *r)
{
	struct containers *c = w->options.containers;
	const struct container *owner;

	containers_on_task(c, (pid_t)r->pid, r->who.cgroup_v2, r->who.cgroup_v1,
			   r->flags & WATCH_OWN_PID_NAMESPACE);
	if (!w->options.npatterns)
		return;
	/* A container that matches may start in the middle of the recording. */
	owner = containers_by_cgroup(c, r->who.cgroup_v2, r->who.cgroup_v1);
	if (owner->kind != OWNER_HOST)
		add_container(owner, w);
}

static int on_record(void *context, void *data, size_t size)
{
	struct watch *w = context;
	struct containers *c = w->options.containers;
	const struct watch_record *r = data;

	if (size < offsetof(struct watch_record, path))
		return 0;
	switch (r->kind) {
	case WATCH_MKDIR:
		containers_on_mkdir(c, r->hierarchy, r->who.cgroup_v2 + r->who.cgroup_v1, r->path);
		break;
	case WATCH_RMDIR:
		containers_on_rmdir(c, r->hierarchy, r->who.cgroup_v2 + r->who.cgroup_v1);
		break;
	case WATCH_TASK:
		on_task(w, r);
		break;
	}
	return 0;
}

int watch_fd(const struct watch *w)
{
	return ring_buffer__epoll_fd(w->ring);
}

void watch_drain(struct watch *w)
{
	ring_buffer__consume(w->ring);
}

uint64_t watch_lost_events(const struct watch *w)
{
	return w->bpf->bss->lost_ring_full;
}

uint64_t watch_lost_targets(const struct watch *w)
{
	return w->bpf->bss->lost_targets_full;
}

/* --- open and close --- */

/* How deep our own PID namespace is: the number of PIDs in /proc/self/status's NSpid, less one. */
static uint32_t own_pid_level(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint32_t numbers = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		for (char *p = line + 6; *p; p++)
			if (*p == '\t')
				numbers++;
	}
	return numbers ? numbers - 1 : 0;
}

int watch_open(const struct watch_options *options, struct watch **out)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	int err;

	w->options = *options;
	w->bpf = watch_bpf__open();
	if (!w->bpf) {
		err = -errno;
		log_error("cannot open the container watch: %s", strerror(-err));
		goto fail;
	}
	w->bpf->rodata->v1_controller = watch_v1_controller(w);
	w->bpf->rodata->v1_hierarchy = watch_v1_controller(w) == V1_NONE
					       ? -1
					       : containers_v1_hierarchy(options->containers);
	w->bpf->rodata->target_mode = watch_target_mode(w);
	w->bpf->rodata->pid_level = own_pid_level();
	if (watch_target_mode(w) == TARGET_ALL) {
		bpf_map__set_max_entries(w->bpf->maps.target_cgroups, 1);
		bpf_map__set_max_entries(w->bpf->maps.target_pids, 1);
		bpf_program__set_autoload(w->bpf->progs.on_fork, false);
		bpf_program__set_autoload(w->bpf->progs.on_exit, false);
	}
	err = watch_bpf__load(w->bpf);
	if (err) {
		log_error("the kernel refuses the container watch: %s ('plimsoll doctor' says what "
			  "is missing)",
			  strerror(-err));
		goto fail;
	}
	w->ring = ring_buffer__new(bpf_map__fd(w->bpf->maps.events), on_record, w, NULL);
	if (!w->ring) {
		err = -errno;
		log_error("cannot map the container watch's ring: %s", strerror(-err));
		goto fail;
	}
	/* First attach, then look again and choose: what is born in between is seen twice rather
	 * than never. */
	err = watch_bpf__attach(w->bpf);
	if (err) {
		log_error("cannot attach the container watch: %s", strerror(-err));
		goto fail;
	}
	if (options->npatterns)
		containers_rescan(options->containers);
	err = add_targets(w);
	if (err)
		goto fail;
	*out = w;
	return 0;
fail:
	watch_close(w);
	return err;
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	ring_buffer__free(w->ring);
	watch_bpf__destroy(w->bpf);
	free(w);
}
