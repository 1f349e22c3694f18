/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container moved to and from block devices and the network: its cgroup counts the one, its
 * network namespace the other. Neither exists everywhere.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "container/registry.h"

#define FILE_MAX ((size_t)1 << 20)

static char *read_cgroup_file(const char *mount, const char *base, const char *path,
			      const char *name)
{
	_cleanup_free_ char *file = mount ? cgroups_file(mount, base, path, name) : NULL;
	char *text = NULL;

	return file && read_file(file, FILE_MAX, &text, NULL) == 0 ? text : NULL;
}

/* A device that is made of others (device mapper, md): what it moves, they move, and for the same
 * cgroup. */
static bool is_made_of_others(const struct containers *c, unsigned major, unsigned minor)
{
	_cleanup_free_ char *path = xasprintf("%s/sys/dev/block/%u:%u/slaves", c->root, major,
					      minor);
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.')
			return true;
	return false;
}

/* "8:0 Read 4096" (Documentation/admin-guide/cgroup-v1/blkio-controller.rst), a line each device
 * and kind; "Sync", "Async" and "Total" count the same bytes again. */
static void add_v1_line(const struct containers *c, const char *line, struct container_traffic *t)
{
	unsigned major, minor;
	char kind[16];
	uint64_t bytes;

	if (sscanf(line, "%u:%u %15s %" SCNu64, &major, &minor, kind, &bytes) != 4 ||
	    (strcmp(kind, "Read") != 0 && strcmp(kind, "Write") != 0))
		return;
	t->has_io = true;
	if (!is_made_of_others(c, major, minor))
		t->io += bytes;
}

/* "8:0 rbytes=4096 wbytes=0 ..." (Documentation/admin-guide/cgroup-v2.rst). Some kernels leave out
 * the end of line behind a device with nothing to tell: "8:16 8:0 rbytes=4096 ...". */
static void add_v2_line(const struct containers *c, const char *line, struct container_traffic *t)
{
	const char *figures = strstr(line, "rbytes="), *device = figures;
	uint64_t read, written;
	unsigned major, minor;

	if (!figures || sscanf(figures, "rbytes=%" SCNu64 " wbytes=%" SCNu64, &read, &written) != 2)
		return;
	while (device > line && device[-1] == ' ')
		device--;
	while (device > line && device[-1] != ' ')
		device--;
	t->has_io = true;
	if (sscanf(device, "%u:%u ", &major, &minor) != 2 || !is_made_of_others(c, major, minor))
		t->io += read + written;
}

/* "  eth0: RECEIVED 7 more SENT 7 more" (proc(5)). */
static void add_interface(const struct containers *c, const char *line, struct container_traffic *t)
{
	const char *colon = strchr(line, ':');
	uint64_t received, sent;

	(void)c;
	line += strspn(line, " ");
	if (!colon || strncmp(line, "lo:", 3) == 0 ||
	    sscanf(colon + 1, "%" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &received,
		   &sent) != 2)
		return;
	t->net += received + sent;
	t->has_net = true;
}

typedef void (*add_line)(const struct containers *, const char *, struct container_traffic *);

static void each_line(const struct containers *c, char *text, add_line add,
		      struct container_traffic *t)
{
	char *rest = text, *line;

	while (text && (line = strsep(&rest, "\n")))
		add(c, line, t);
}

static void block_io(const struct containers *c, const struct container *container,
		     struct container_traffic *t)
{
	const struct hierarchy *v1 = &c->cgroups.at[HIERARCHY_V1],
			       *v2 = &c->cgroups.at[HIERARCHY_V2];
	_cleanup_free_ char *old = read_cgroup_file(c->cgroups.use[V1_BLOCK_IO], v1->base,
						    path_of(container),
						    "blkio.throttle.io_service_bytes_recursive");
	_cleanup_free_ char *new =
		old ? NULL : read_cgroup_file(v2->mount, v2->base, path_of(container), "io.stat");

	each_line(c, old, add_v1_line, t);
	each_line(c, new, add_v2_line, t);
}

/* The host's own namespace counts everybody's traffic, so it is nobody's. */
static void network(struct containers *c, const struct container *container,
		    struct container_traffic *t)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	pid_t pid = container->init_pid;

	/* Not every runtime tells it, and the number may be another process's by now. */
	if (pid <= 0 || containers_by_pid(c, pid) != container)
		pid = process_of_cgroup(c, path_of(container));
	if (pid <= 0 || !process_has_own_network_namespace(c, pid))
		return;
	path = xasprintf("%s/proc/%d/net/dev", c->root, pid);
	if (read_file(path, FILE_MAX, &text, NULL) == 0)
		each_line(c, text, add_interface, t);
}

void containers_traffic(struct containers *c, const struct container *container,
			struct container_traffic *traffic)
{
	*traffic = (struct container_traffic){ 0 };
	if (container->kind == OWNER_HOST)
		return;
	block_io(c, container, traffic);
	network(c, container, traffic);
}
