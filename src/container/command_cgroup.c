/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup for a command; see command_cgroup.h. */
#include "container/command_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "container/registry.h"

#define PROC_CGROUP_MAX ((size_t)64 << 10)
#define PROCS_MAX	((size_t)4 << 20)

/* A process that was killed stays in its cgroup until it is gone: so often, so far apart. */
#define REMOVE_TRIES	20
#define REMOVE_PAUSE_NS 5000000

/* The runtime that a command in a cgroup of its own is said to have. */
#define RUNTIME "command"

struct command_cgroup {
	const struct container *container;
	/* Directories: ours, and the new one below it, by hierarchy. */
	char *own[HIERARCHIES + V1_USES], *made[HIERARCHIES + V1_USES];
	size_t n;
};

const struct container *command_cgroup_container(const struct command_cgroup *cgroup)
{
	return cgroup->container;
}

static int write_pid(const char *directory, pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("%s/cgroup.procs", directory);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || dprintf(fd, "%d\n", pid) < 0 ? -errno : 0;
}

/* Our path in the hierarchy of which `controller` is a part; "": v2. Caller frees; NULL: none.
 * Lines of "number:controllers:path", cgroups(7). */
static char *own_path(const char *proc_cgroup, const char *controller)
{
	for (const char *line = proc_cgroup; *line;) {
		size_t length = strcspn(line, "\n");
		_cleanup_free_ char *copy = xstrndup(line, length);
		char *names = strchr(copy, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (path) {
			*path++ = '\0';
			names++;
			if (!*controller && !*names)
				return xstrdup(path);
			for (char *save, *name = strtok_r(names, ",", &save); name;
			     name = strtok_r(NULL, ",", &save))
				if (*controller && strcmp(name, controller) == 0)
					return xstrdup(path);
		}
		line += length + (line[length] == '\n');
	}
	return NULL;
}

static bool is_made(const struct command_cgroup *g, const char *directory)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->made[i], directory) == 0)
			return true;
	return false;
}

/* One directory; the process is put there. */
static int make_in(struct command_cgroup *g, const char *mount, const char *base, const char *own,
		   const char *path, pid_t pid)
{
	_cleanup_free_ char *parent = cgroups_file(mount, base, own, "");
	_cleanup_free_ char *directory = cgroups_file(mount, base, path, "");
	int err;

	if (is_made(g, directory))
		return 0; /* two controllers of one hierarchy */
	if (mkdir(directory, 0755) < 0) {
		err = -errno;
		log_error("cannot make a cgroup for the command, %s: %s (is the file system "
			  "read-only, or mounted for a container?)",
			  directory, strerror(-err));
		return err;
	}
	g->own[g->n] = TAKE_PTR(parent);
	g->made[g->n++] = TAKE_PTR(directory);
	err = write_pid(g->made[g->n - 1], pid);
	if (err)
		log_error("cannot put the command into its cgroup %s: %s", g->made[g->n - 1],
			  strerror(-err));
	return err;
}

/* Everywhere where our own path is `own`; the hierarchy that identifies tasks is among them. */
static int make_all(struct command_cgroup *g, const struct containers *c, const char *proc_cgroup,
		    const char *own, const char *path, pid_t pid)
{
	const struct cgroups *all = &c->cgroups;
	const struct {
		const char *controller, *mount, *base;
	} places[] = {
		{ "", all->at[HIERARCHY_V2].mount, all->at[HIERARCHY_V2].base },
		{ all->controller, all->at[HIERARCHY_V1].mount, all->at[HIERARCHY_V1].base },
		{ "memory", all->use[V1_MEMORY_USE], all->at[HIERARCHY_V1].base },
		{ "perf_event", all->use[V1_PERF], all->at[HIERARCHY_V1].base },
	};
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *ours = places[i].controller
						    ? own_path(proc_cgroup, places[i].controller)
						    : NULL;

		if (places[i].mount && ours && strcmp(ours, own) == 0)
			err = make_in(g, places[i].mount, places[i].base, own, path, pid);
	}
	return err;
}

static void claim(struct containers *c, const char *path, const char *name,
		  struct command_cgroup *g)
{
	struct details d = { .arena = claims_arena(&c->claims) };

	d.name = utf8_clean(arena_strndup(d.arena, name, strlen(name)));
	claims_add(&c->claims, path, RUNTIME, RUNTIME, &d);
	g->container = &entry_of_path(c, path)->c;
}

int command_cgroup_make(struct containers *c, pid_t pid, const char *name,
			struct command_cgroup **out)
{
	_cleanup_free_ char *proc = NULL, *own = NULL, *path = NULL;
	const char *base_name = strrchr(name, '/');
	struct command_cgroup *g;
	int err = read_file("/proc/self/cgroup", PROC_CGROUP_MAX, &proc, NULL);

	if (!err)
		own = own_path(proc, c->cgroups.controller ? c->cgroups.controller : "");
	if (err || !own) {
		log_error("there are no cgroups to tell the command from others by");
		return err ? err : -ENOENT;
	}
	path = xasprintf("%s/plimsoll-%d", strcmp(own, "/") == 0 ? "" : own, pid);
	g = xcalloc(1, sizeof(*g));
	err = make_all(g, c, proc, own, path, pid);
	if (err) {
		command_cgroup_remove(g);
		return err;
	}
	claim(c, path, base_name && base_name[1] ? base_name + 1 : name, g);
	*out = g;
	return 0;
}

/* What the command left running goes on where it would have been. */
static void move_back(const char *from, const char *to)
{
	_cleanup_free_ char *path = xasprintf("%s/cgroup.procs", from), *pids = NULL;
	char *save;

	if (read_file(path, PROCS_MAX, &pids, NULL) < 0)
		return;
	/* One that has ended meanwhile is none to move. */
	for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
		write_pid(to, (pid_t)atoi(pid));
}

void command_cgroup_remove(struct command_cgroup *g)
{
	const struct timespec pause = { .tv_nsec = REMOVE_PAUSE_NS };

	if (!g)
		return;
	while (g->n--) {
		int tries = REMOVE_TRIES;

		while (rmdir(g->made[g->n]) < 0 && errno == EBUSY && tries--) {
			move_back(g->made[g->n], g->own[g->n]);
			nanosleep(&pause, NULL);
		}
		free(g->made[g->n]);
		free(g->own[g->n]);
	}
	free(g);
}
