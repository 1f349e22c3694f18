/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where runtimes keep their files; see settings.h. Three tables: the defaults, the configuration
 * files, and the daemons' options. A daemon's command line counts for host processes of root, and
 * for a user's own conmon, whose word is good for that user's containers only.
 */
#include "container/settings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "container/bounded_json.h"
#include "container/toml.h"

#define ROOTS_MAX   128
#define CONFIG_MAX  ((size_t)1 << 20)
#define CMDLINE_MAX ((size_t)64 << 10)
#define ARGS_MAX    512

static const struct {
	enum root_kind kind;
	const char *path;
} defaults[] = {
	{ ROOT_DOCKER, "/var/lib/docker" },
	{ ROOT_DOCKER, "/var/snap/docker/common/var-lib-docker" },
	{ ROOT_CONTAINERD_STATE, "/run/containerd" },
	{ ROOT_CONTAINERD_STATE, "/run/docker/containerd/daemon" },
	{ ROOT_CONTAINERD_STATE, "/run/k3s/containerd" },
	{ ROOT_CONTAINERD_DATA, "/var/lib/containerd" },
	{ ROOT_CONTAINERD_DATA, "/var/lib/rancher/k3s/agent/containerd" },
	{ ROOT_STORAGE, "/run/containers/storage" },
	{ ROOT_STORAGE, "/var/lib/containers/storage" },
	{ ROOT_RUNC, "/run/runc" },
	{ ROOT_CRUN, "/run/crun" },
	{ ROOT_LXC, "/var/lib/lxc" },
	{ ROOT_MACHINES, "/run/systemd/machines" },
};

/* A user's, below the home directory or below /run/user/UID. */
static const struct {
	enum root_kind kind;
	bool in_run;
	const char *path;
} user_defaults[] = {
	{ ROOT_STORAGE, true, "containers" },
	{ ROOT_STORAGE, false, ".local/share/containers/storage" },
	{ ROOT_DOCKER, false, ".local/share/docker" },
	{ ROOT_CONTAINERD_STATE, true, "docker/containerd/daemon" },
	{ ROOT_RUNC, true, "runc" },
	{ ROOT_CRUN, true, "crun" },
	{ ROOT_LXC, false, ".local/share/lxc" },
};

static const struct {
	enum root_kind kind;
	const char *file, *section, *key; /* section NULL: JSON */
} files[] = {
	{ ROOT_DOCKER, "/etc/docker/daemon.json", NULL, "data-root" },
	{ ROOT_DOCKER, "/etc/docker/daemon.json", NULL, "graph" },
	{ ROOT_CONTAINERD_STATE, "/etc/containerd/config.toml", "", "state" },
	{ ROOT_CONTAINERD_DATA, "/etc/containerd/config.toml", "", "root" },
	{ ROOT_STORAGE, "/usr/share/containers/storage.conf", "storage", "graphroot" },
	{ ROOT_STORAGE, "/usr/share/containers/storage.conf", "storage", "runroot" },
	{ ROOT_STORAGE, "/etc/containers/storage.conf", "storage", "graphroot" },
	{ ROOT_STORAGE, "/etc/containers/storage.conf", "storage", "runroot" },
	{ ROOT_STORAGE, "/etc/crio/crio.conf", "crio", "root" },
	{ ROOT_STORAGE, "/etc/crio/crio.conf", "crio", "runroot" },
};

void settings_add(struct settings *s, enum root_kind kind, uid_t owner, const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (path[0] != '/' || n < 2 || n >= PATH_MAX || s->nroots == ROOTS_MAX)
		return;
	for (size_t i = 0; i < s->nroots; i++) {
		const struct runtime_root *r = &s->roots[i];

		if (r->kind == kind && r->owner == owner && strncmp(r->path, path, n) == 0 &&
		    !r->path[n])
			return;
	}
	GROW(s->roots, s->nroots, s->capacity);
	s->roots[s->nroots++] =
		(struct runtime_root){ .kind = kind, .owner = owner, .path = xstrndup(path, n) };
}

void settings_init(struct settings *s)
{
	*s = (struct settings){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		settings_add(s, defaults[i].kind, 0, defaults[i].path);
}

void settings_free(struct settings *s)
{
	for (size_t i = 0; i < s->nroots; i++)
		free(s->roots[i].path);
	free(s->roots);
	*s = (struct settings){ 0 };
}

/* --- files --- */

/* Regular files only, however an administrator may have linked them. */
static char *read_config(const char *root, const char *path)
{
	_cleanup_free_ char *full = xasprintf("%s%s", root, path);
	_cleanup_close_ int fd = open_regular(full, NULL);
	char *text = NULL;

	if (fd >= 0)
		read_all(fd, CONFIG_MAX, &text, NULL);
	return text;
}

static void add_from_json(struct settings *s, enum root_kind kind, const char *text,
			  const char *key)
{
	_cleanup_json_ json_t *json = json_parse(text, strlen(text));
	const char *path = json_text_at(json, key, NULL);

	if (path)
		settings_add(s, kind, 0, path);
}

static void add_from_toml(struct settings *s, enum root_kind kind, const char *text,
			  const char *section, const char *key)
{
	_cleanup_free_ char *path = toml_string(text, section, key);

	if (path)
		settings_add(s, kind, 0, path);
}

void settings_read_files(struct settings *s, const char *root)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = read_config(root, files[i].file);

		if (text && files[i].section)
			add_from_toml(s, files[i].kind, text, files[i].section, files[i].key);
		else if (text)
			add_from_json(s, files[i].kind, text, files[i].key);
	}
}

static char *home_of(const char *root, uid_t uid)
{
	_cleanup_free_ char *text = read_config(root, "/etc/passwd");
	char *save, *line = text ? strtok_r(text, "\n", &save) : NULL;

	for (; line; line = strtok_r(NULL, "\n", &save)) {
		char *fields[6] = { 0 };
		uint64_t value;
		size_t n = 0;

		/* name:password:uid:gid:comment:home:shell; passwd(5) */
		while (n < ARRAY_SIZE(fields) && line)
			fields[n++] = strsep(&line, ":");
		if (n == ARRAY_SIZE(fields) && parse_u64(fields[2], &value) == 0 && value == uid)
			return xstrdup(fields[5]);
	}
	return NULL;
}

void settings_add_user(struct settings *s, const char *root, uid_t uid)
{
	_cleanup_free_ char *home = home_of(root, uid);

	for (size_t i = 0; i < ARRAY_SIZE(user_defaults); i++) {
		_cleanup_free_ char *path = NULL;

		if (user_defaults[i].in_run)
			path = xasprintf("/run/user/%u/%s", uid, user_defaults[i].path);
		else if (home)
			path = xasprintf("%s/%s", home, user_defaults[i].path);
		if (path)
			settings_add(s, user_defaults[i].kind, uid, path);
	}
}

/* --- daemons --- */

struct daemon {
	struct settings *settings;
	const char *root;
	pid_t pid;
	uid_t uid;
	char *args[ARGS_MAX + 1];
};

/* A file named on a command line; relative ones start at the daemon's working directory. */
static char *absolute(const struct daemon *d, const char *path)
{
	_cleanup_free_ char *link = NULL;
	char cwd[PATH_MAX];
	ssize_t n;

	if (path[0] == '/')
		return xstrdup(path);
	link = xasprintf("%s/proc/%d/cwd", d->root, d->pid);
	n = readlink(link, cwd, sizeof(cwd) - 1);
	if (n <= 0)
		return NULL;
	return xasprintf("%.*s/%s", (int)n, cwd, path);
}

/* The value of "-x V", "--long V" or "--long=V"; `names` are separated by '|'. */
static const char *option(const struct daemon *d, const char *names)
{
	for (const char *name = names; *name;) {
		size_t n = strcspn(name, "|");

		for (size_t i = 1; i && d->args[i]; i++) {
			const char *arg = d->args[i];

			if (strncmp(arg, name, n) != 0)
				continue;
			if (!arg[n] && d->args[i + 1])
				return d->args[i + 1];
			if (arg[n] == '=')
				return arg + n + 1;
		}
		name += n + (name[n] == '|');
	}
	return NULL;
}

static void add_option(const struct daemon *d, enum root_kind kind, const char *names,
		       const char *below)
{
	const char *value = option(d, names);
	_cleanup_free_ char *path = value ? absolute(d, value) : NULL;

	if (path) {
		_cleanup_free_ char *full = xasprintf("%s%s", path, below);

		settings_add(d->settings, kind, d->uid, full);
	}
}

static char *read_option_file(const struct daemon *d, const char *names)
{
	const char *value = option(d, names);
	_cleanup_free_ char *path = value ? absolute(d, value) : NULL;

	return path ? read_config(d->root, path) : NULL;
}

static void ask_dockerd(const struct daemon *d)
{
	_cleanup_free_ char *config = read_option_file(d, "--config-file");

	add_option(d, ROOT_DOCKER, "--data-root|-g|--graph", "");
	add_option(d, ROOT_CONTAINERD_STATE, "--exec-root", "/containerd/daemon");
	if (config) {
		add_from_json(d->settings, ROOT_DOCKER, config, "data-root");
		add_from_json(d->settings, ROOT_DOCKER, config, "graph");
	}
}

static void ask_containerd(const struct daemon *d)
{
	_cleanup_free_ char *config = read_option_file(d, "-c|--config");

	add_option(d, ROOT_CONTAINERD_STATE, "--state", "");
	add_option(d, ROOT_CONTAINERD_DATA, "--root", "");
	if (config) {
		add_from_toml(d->settings, ROOT_CONTAINERD_STATE, config, "", "state");
		add_from_toml(d->settings, ROOT_CONTAINERD_DATA, config, "", "root");
	}
}

/* Adds what stands before the last `levels` components of path, if "/marker" follows there or ends
 * them: roots are found from the paths below them. */
static void add_above(const struct daemon *d, enum root_kind kind, const char *path,
		      const char *marker)
{
	const char *at = NULL;

	for (const char *s = strstr(path, marker); s; s = strstr(s + 1, marker))
		at = s;
	if (!at)
		return;
	/* The marker may be the end of a component, as in "vfs-containers". */
	while (at > path && *at != '/')
		at--;
	_cleanup_free_ char *root = xstrndup(path, (size_t)(at - path));

	settings_add(d->settings, kind, d->uid, root);
}

/* A shim works in the bundle of the first container that it was started for. */
static void ask_shim(const struct daemon *d)
{
	const char *bundle = option(d, "-bundle|--bundle");
	_cleanup_free_ char *path = absolute(d, bundle ? bundle : ".");

	if (path)
		add_above(d, ROOT_CONTAINERD_STATE, path, "/io.containerd.runtime.");
}

static void ask_conmon(const struct daemon *d)
{
	static const char *const options[] = { "-b|--bundle", "-p|--container-pidfile" };

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const char *value = option(d, options[i]);
		_cleanup_free_ char *path = value ? absolute(d, value) : NULL;

		if (path)
			add_above(d, ROOT_STORAGE, path, "-containers/");
	}
}

static void ask_podman(const struct daemon *d)
{
	add_option(d, ROOT_STORAGE, "--root", "");
	add_option(d, ROOT_STORAGE, "--runroot", "");
}

static void ask_crio(const struct daemon *d)
{
	_cleanup_free_ char *config = read_option_file(d, "-c|--config");

	add_option(d, ROOT_STORAGE, "-r|--root", "");
	add_option(d, ROOT_STORAGE, "--runroot", "");
	if (config) {
		add_from_toml(d->settings, ROOT_STORAGE, config, "crio", "root");
		add_from_toml(d->settings, ROOT_STORAGE, config, "crio", "runroot");
	}
}

static void ask_runc(const struct daemon *d)
{
	add_option(d, ROOT_RUNC, "--root|-root", "");
}

static void ask_crun(const struct daemon *d)
{
	add_option(d, ROOT_CRUN, "--root", "");
}

/* By /proc/PID/comm, which the kernel cuts to 15 characters. */
static const struct {
	const char *comm;
	void (*ask)(const struct daemon *d);
	bool of_users; /* also believed of a user, about that user */
} daemons[] = {
	{ "dockerd", ask_dockerd, false },
	{ "containerd", ask_containerd, false },
	{ "k3s-server", ask_containerd, false },
	{ "containerd-shim", ask_shim, false },
	{ "conmon", ask_conmon, true },
	{ "podman", ask_podman, false },
	{ "crio", ask_crio, false },
	{ "runc", ask_runc, false },
	{ "crun", ask_crun, false },
};

static int read_proc(const struct daemon *d, const char *name, size_t limit, char **text,
		     size_t *size)
{
	_cleanup_free_ char *path = xasprintf("%s/proc/%d/%s", d->root, d->pid, name);

	return read_file(path, limit, text, size);
}

static size_t row_of(const struct daemon *d)
{
	_cleanup_free_ char *comm = NULL;
	size_t i = ARRAY_SIZE(daemons);

	if (read_proc(d, "comm", 4096, &comm, NULL) < 0)
		return i;
	comm[strcspn(comm, "\n")] = '\0';
	for (i = 0; i < ARRAY_SIZE(daemons); i++)
		if (strcmp(comm, daemons[i].comm) == 0)
			break;
	return i;
}

/* The real and the effective user must agree: "Uid:\treal\teffective\t..." */
static bool read_uid(struct daemon *d)
{
	_cleanup_free_ char *status = NULL;
	unsigned int real, effective;
	const char *line;

	if (read_proc(d, "status", CMDLINE_MAX, &status, NULL) < 0)
		return false;
	line = strstr(status, "\nUid:");
	if (!line || sscanf(line, "\nUid: %u %u", &real, &effective) != 2 || real != effective)
		return false;
	d->uid = real;
	return true;
}

static bool split_args(struct daemon *d, char *cmdline, size_t size)
{
	size_t n = 0;

	for (char *arg = cmdline; arg < cmdline + size && n < ARGS_MAX; arg += strlen(arg) + 1)
		d->args[n++] = arg;
	d->args[n] = NULL;
	return n > 0;
}

static void ask(struct daemon *d, settings_is_host_fn is_host, void *context)
{
	_cleanup_free_ char *cmdline = NULL;
	size_t row = row_of(d), size;

	if (row == ARRAY_SIZE(daemons) || !read_uid(d) || (d->uid && !daemons[row].of_users) ||
	    !is_host(d->pid, context))
		return;
	if (read_proc(d, "cmdline", CMDLINE_MAX, &cmdline, &size) == 0 &&
	    split_args(d, cmdline, size))
		daemons[row].ask(d);
}

void settings_read_daemons(struct settings *s, const char *root, settings_is_host_fn is_host,
			   void *context)
{
	_cleanup_free_ char *proc = xasprintf("%s/proc", root);
	_cleanup_closedir_ DIR *dir = opendir(proc);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct daemon d = { .settings = s, .root = root };
		uint64_t pid;

		if (parse_u64(entry->d_name, &pid) < 0 || pid > INT_MAX)
			continue;
		d.pid = (pid_t)pid;
		ask(&d, is_host, context);
	}
}
