/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup hierarchies of this host; see cgroup.h.
 *
 * A mount may show only a part of its hierarchy: inside a cgroup namespace, or where a container
 * runtime bound the container's own cgroup over it. `base` is the missing front; the paths that
 * leave this file always start at the hierarchy's root, as the kernel's own do. A namespace says
 * "/../.." for what lies above it; that front is not knowable and left out.
 */
#include "container/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

/* Files of our own kernel; hosts with thousands of mounts exist. */
#define MOUNTINFO_MAX ((size_t)16 << 20)
#define CGROUPS_MAX   ((size_t)64 << 10)

/* Which v1 controller tells best who a task is: those come first that every runtime and systemd
 * make a cgroup for. The same names as v1_controllers[] in container/watch.c. */
static const char *const controllers[] = {
	"memory", "pids", "cpu", "cpuacct", "devices", "freezer", "blkio", "cpuset",
};

static const char *const v1_uses[V1_USES] = {
	[V1_CPU_QUOTA] = "cpu",	  [V1_CPU_TIME] = "cpuacct", [V1_MEMORY_USE] = "memory",
	[V1_PERF] = "perf_event", [V1_BLOCK_IO] = "blkio",
};

/* --- mounts --- */

struct mount {
	char *base, *point, *type, *options;
};

/* mountinfo shows blanks, tabs, newlines and backslashes as \ooo; proc(5). */
static char *unescape_octal(char *s)
{
	char *out = s;

	for (char *in = s; *in; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return s;
}

/* "31 23 0:28 BASE POINT options optional... - TYPE source OPTIONS"; proc(5). */
static bool parse_mount(char *line, struct mount *m)
{
	char *save, *field = strtok_r(line, " ", &save);
	char *tail[3];

	for (int i = 0; field && i < 3; i++)
		field = strtok_r(NULL, " ", &save);
	m->base = field;
	m->point = strtok_r(NULL, " ", &save);
	do
		field = strtok_r(NULL, " ", &save);
	while (field && strcmp(field, "-") != 0);
	for (size_t i = 0; i < ARRAY_SIZE(tail); i++)
		tail[i] = field ? strtok_r(NULL, " ", &save) : NULL;
	if (!tail[2])
		return false;
	m->type = tail[0];
	m->options = tail[2];
	unescape_octal(m->base);
	unescape_octal(m->point);
	return m->base[0] == '/' && m->point[0] == '/';
}

static bool has_option(const char *options, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = options; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
		if (strncmp(s, word, n) == 0 && (s[n] == ',' || !s[n]))
			return true;
	return false;
}

/* What lies above a cgroup namespace's root reads "/.."; see the top of the file. */
static const char *known_part(const char *path)
{
	while (strncmp(path, "/..", 3) == 0 && (path[3] == '/' || !path[3]))
		path += 3;
	return strcmp(path, "/") == 0 ? "" : path;
}

/* The whole hierarchy beats a part of it; of two, the first mounted. */
static void take_mount(struct hierarchy *h, const char *root, const struct mount *m)
{
	if (h->mount && (!*h->base || strcmp(m->base, "/") != 0))
		return;
	free(h->mount);
	free(h->point);
	free(h->base);
	h->mount = xasprintf("%s%s", root, m->point);
	h->point = xstrdup(m->point);
	h->base = xstrdup(known_part(m->base));
}

/* Hierarchy number of a controller; 0: it is not in v1. Lines of "name number cgroups enabled". */
static int hierarchy_number(const char *proc_cgroups, const char *controller)
{
	size_t n = strlen(controller);

	for (const char *s = proc_cgroups; s && *s;
	     s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL)
		if (strncmp(s, controller, n) == 0 && s[n] == '\t')
			return atoi(s + n + 1);
	return 0;
}

static void take_v1(struct cgroups *c, const char *root, const struct mount *m,
		    struct hierarchy *found)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (has_option(m->options, controllers[i]))
			take_mount(&found[i], root, m);
	for (size_t i = 0; i < V1_USES; i++)
		if (!c->use[i] && has_option(m->options, v1_uses[i]))
			c->use[i] = xasprintf("%s%s", root, m->point);
}

static void release_hierarchy(struct hierarchy *h)
{
	free(h->mount);
	free(h->point);
	free(h->base);
	if (h->fd > 0)
		close(h->fd);
}

void cgroups_parse(struct cgroups *c, const char *root, char *mountinfo, char *proc_cgroups)
{
	struct hierarchy found[ARRAY_SIZE(controllers)] = { 0 };
	struct mount m;
	char *save;

	for (char *line = strtok_r(mountinfo, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!parse_mount(line, &m))
			continue;
		if (strcmp(m.type, "cgroup2") == 0)
			take_mount(&c->at[HIERARCHY_V2], root, &m);
		else if (strcmp(m.type, "cgroup") == 0)
			take_v1(c, root, &m, found);
	}
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		int number = hierarchy_number(proc_cgroups, controllers[i]);

		if (!c->controller && found[i].mount && number > 0) {
			c->controller = controllers[i];
			c->number = number;
			c->at[HIERARCHY_V1] = found[i];
		} else {
			release_hierarchy(&found[i]);
		}
	}
	if (c->controller)
		c->mode = c->at[HIERARCHY_V2].mount ? CGROUP_HYBRID : CGROUP_V1;
	else
		c->mode = c->at[HIERARCHY_V2].mount ? CGROUP_V2 : CGROUP_NONE;
}

static int read_below(const char *root, const char *path, size_t limit, char **text)
{
	_cleanup_free_ char *full = xasprintf("%s%s", root, path);

	return read_file(full, limit, text, NULL);
}

int cgroups_find(struct cgroups *c, const char *root)
{
	_cleanup_free_ char *mountinfo = NULL, *proc_cgroups = NULL;
	int err = -ENOENT;

	*c = (struct cgroups){ 0 };
	/* Seen from a container, the host's mounts are those of its first process. */
	if (*root)
		err = read_below(root, "/proc/1/mountinfo", MOUNTINFO_MAX, &mountinfo);
	if (err)
		err = read_below(root, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo);
	if (err)
		return err;
	if (read_below(root, "/proc/cgroups", CGROUPS_MAX, &proc_cgroups) < 0)
		proc_cgroups = xstrdup(""); /* a kernel without v1 */
	cgroups_parse(c, root, mountinfo, proc_cgroups);
	for (int i = 0; i < HIERARCHIES; i++) {
		struct hierarchy *h = &c->at[i];
		struct statfs fs;

		if (!h->mount)
			continue;
		h->fd = open(h->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		h->has_handles = h->fd >= 0 && fstatfs(h->fd, &fs) == 0 &&
				 (fs.f_type == CGROUP_SUPER_MAGIC ||
				  fs.f_type == CGROUP2_SUPER_MAGIC);
	}
	return 0;
}

void cgroups_release(struct cgroups *c)
{
	for (int i = 0; i < HIERARCHIES; i++)
		release_hierarchy(&c->at[i]);
	for (size_t i = 0; i < V1_USES; i++)
		free(c->use[i]);
	*c = (struct cgroups){ 0 };
}

/* --- paths and ids --- */

char *cgroups_file(const char *mount, const char *base, const char *path, const char *name)
{
	size_t n = strlen(base);

	if (strncmp(path, base, n) == 0 && (path[n] == '/' || !path[n]))
		path += n;
	return xasprintf("%s%s%s%s", mount, strcmp(path, "/") == 0 ? "" : path, *name ? "/" : "",
			 name);
}

/* Directories yet to be read. Paths, not descriptors: a user may nest as deep as PATH_MAX. */
struct walk {
	char **paths;
	size_t n, capacity;
};

static void push(struct walk *w, char *path)
{
	GROW(w->paths, w->n, w->capacity);
	w->paths[w->n++] = path;
}

static int walk_children(const struct hierarchy *h, struct walk *w, const char *path, cgroup_fn fn,
			 void *context)
{
	_cleanup_free_ char *directory = cgroups_file(h->mount, h->base, path, "");
	_cleanup_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return 0; /* gone meanwhile */
	while (!err && (entry = readdir(dir))) {
		char *child;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		child = xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
		/* kernfs gives the inode number right here, so no stat() a cgroup. */
		err = strlen(child) < PATH_MAX ? fn(child, entry->d_ino, context) : 0;
		push(w, child);
	}
	return err;
}

int cgroups_walk(const struct cgroups *c, int hierarchy, const char *path, cgroup_fn fn,
		 void *context)
{
	const struct hierarchy *h = &c->at[hierarchy];
	struct walk w = { 0 };
	struct stat st;
	int err;

	if (!h->mount)
		return 0;
	_cleanup_free_ char *top = cgroups_file(h->mount, h->base, path, "");

	if (stat(top, &st) < 0)
		return 0;
	err = fn(path, st.st_ino, context);
	push(&w, xstrdup(path));
	while (w.n) {
		_cleanup_free_ char *next = w.paths[--w.n];

		if (!err)
			err = walk_children(h, &w, next, fn, context);
	}
	free(w.paths);
	return err;
}

/* FILEID_KERNFS of include/linux/exportfs.h: the handle is the 64-bit id. */
#define KERNFS_HANDLE 0xfe

/* Negative errno: -ENOENT if there is no such cgroup. */
static int open_handle(const struct hierarchy *h, struct file_handle *handle)
{
	int fd = open_by_handle_at(h->fd, handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ESTALE ? -ENOENT : -EOPNOTSUPP;
	return fd;
}

int cgroups_path_of(const struct cgroups *c, int hierarchy, uint64_t id, char **path)
{
	const struct hierarchy *h = &c->at[hierarchy];
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(id)];
	} u = { .handle = { .handle_bytes = sizeof(id), .handle_type = KERNFS_HANDLE } };
	char link[sizeof("/proc/self/fd/") + 11], target[PATH_MAX];
	_cleanup_close_ int fd = -1, again = -1;
	ssize_t n;

	if (!h->has_handles)
		return -EOPNOTSUPP;
	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_handle(h, &u.handle);
	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	/* If it was removed in between, " (deleted)" is at its end. */
	again = open_handle(h, &u.handle);
	if (again < 0)
		return again;
	size_t front = strlen(h->mount);

	if (strncmp(target, h->mount, front) != 0)
		return -EOPNOTSUPP;
	*path = xasprintf("%s%s", h->base, target + front);
	if (!**path) {
		free(*path);
		*path = xstrdup("/");
	}
	return 0;
}

const char *cgroups_relative(const struct cgroups *c, const char *controller, const char *directory)
{
	for (int i = 0; i < HIERARCHIES; i++) {
		const char *want = i == HIERARCHY_V2 ? "" : c->controller;
		const char *point = c->at[i].point;
		size_t n = point ? strlen(point) : 0;

		if (point && want && strcmp(controller, want) == 0 &&
		    strncmp(directory, point, n) == 0 && directory[n] == '/')
			return directory + n;
	}
	return NULL;
}

/* Lines of "number:controllers:path", v2's is "0::path"; cgroups(7). */
const char *cgroups_of_process(const struct cgroups *c, int hierarchy, const char *text,
			       size_t *length)
{
	const char *want = hierarchy == HIERARCHY_V2 ? "" : c->controller;

	for (const char *line = text; want && *line;) {
		const char *end = strchrnul(line, '\n');
		const char *list = memchr(line, ':', (size_t)(end - line));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;

		if (path) {
			_cleanup_free_ char *names = xstrndup(list + 1, (size_t)(path - list - 1));

			if (*want ? has_option(names, want) : !*names) {
				path++;
				*length = (size_t)(end - path);
				return path;
			}
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}
