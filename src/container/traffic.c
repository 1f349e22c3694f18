/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container moved to and from block devices and the network: its cgroup counts the one, its
 * network namespace the other. Neither exists everywhere.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* "8:0 Read 4096" (Documentation/admin-guide/cgroup-v1/blkio-controller.rst), a line each device
 * and kind; "Sync", "Async" and "Total" count the same bytes again. */
static void add_v1_line(const char *line, struct container_traffic *t)
{
	char kind[16];
	uint64_t bytes;

	if (sscanf(line, "%*u:%*u %15s %" SCNu64, kind, &bytes) != 2)
		return;
	if (strcmp(kind, "Read") == 0 || strcmp(kind, "Write") == 0) {
		t->io += bytes;
		t->has_io = true;
	}
}

/* "8:0 rbytes=4096 wbytes=0 ..." (Documentation/admin-guide/cgroup-v2.rst). */
static void add_v2_line(const char *line, struct container_traffic *t)
{
	uint64_t read, written;

	if (sscanf(line, "%*u:%*u rbytes=%" SCNu64 " wbytes=%" SCNu64, &read, &written) != 2)
		return;
	t->io += read + written;
	t->has_io = true;
}

/* "  eth0: RECEIVED 7 more SENT 7 more" (proc(5)). */
static void add_interface(const char *line, struct container_traffic *t)
{
	const char *colon = strchr(line, ':');
	uint64_t received, sent;

	line += strspn(line, " ");
	if (!colon || strncmp(line, "lo:", 3) == 0 ||
	    sscanf(colon + 1, "%" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &received,
		   &sent) != 2)
		return;
	t->net += received + sent;
	t->has_net = true;
}

static void each_line(char *text, void (*add)(const char *, struct container_traffic *),
		      struct container_traffic *t)
{
	char *rest = text, *line;

	while (text && (line = strsep(&rest, "\n")))
		add(line, t);
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

	each_line(old, add_v1_line, t);
	each_line(new, add_v2_line, t);
}

/* The host's own namespace counts everybody's traffic, so it is nobody's. */
static bool has_own_network(const struct containers *c, pid_t pid)
{
	_cleanup_free_ char *own = xasprintf("%s/proc/1/ns/net", c->root);
	_cleanup_free_ char *its = xasprintf("%s/proc/%d/ns/net", c->root, pid);
	struct stat a, b;

	return stat(own, &a) == 0 && stat(its, &b) == 0 && a.st_ino != b.st_ino;
}

static void network(struct containers *c, const struct container *container,
		    struct container_traffic *t)
{
	const pid_t pid = container->init_pid;
	_cleanup_free_ char *path = NULL, *text = NULL;

	/* The number may be another process's by now. */
	if (pid <= 0 || containers_by_pid(c, pid) != container || !has_own_network(c, pid))
		return;
	path = xasprintf("%s/proc/%d/net/dev", c->root, pid);
	if (read_file(path, FILE_MAX, &text, NULL) == 0)
		each_line(text, add_interface, t);
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
