/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A make-believe host for the container tests: a folder with proc, sys, run, var, etc, home below
 * it, given to containers_open() as its root.
 */
#ifndef PLIMSOLL_TESTS_CONTAINER_FIXTURE_H
#define PLIMSOLL_TESTS_CONTAINER_FIXTURE_H

#include <assert.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/container.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD  "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
#define POD_ "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0"

#define V2_MOUNT(point) "40 31 0:38 / " point " rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
#define V1_MOUNT(name)	"35 31 0:32 / /sys/fs/cgroup/" name " rw - cgroup cgroup rw," name "\n"

struct host {
	char root[64];
	struct containers *containers;
};

static inline char *host_path(const struct host *h, const char *format, va_list ap)
{
	char *below, *full;
	int n = vasprintf(&below, format, ap);

	assert(n >= 0);
	full = xasprintf("%s%s", h->root, below);
	free(below);
	return full;
}

static inline void make_parents(char *path)
{
	for (char *s = path + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(path, 0755);
		*s = '/';
	}
}

/* Makes a folder, with those above it. */
static inline void host_mkdir(const struct host *h, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	_cleanup_free_ char *path = host_path(h, format, ap);
	va_end(ap);
	make_parents(path);
	mkdir(path, 0755);
}

/* Writes a file, with the folders above it. */
static inline void host_write(const struct host *h, const char *path, const char *text)
{
	_cleanup_free_ char *full = xasprintf("%s%s", h->root, path);
	FILE *f;

	make_parents(full);
	f = fopen(full, "w");
	assert(f);
	fputs(text, f);
	fclose(f);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void host_remove(const struct host *h, const char *below)
{
	_cleanup_free_ char *full = xasprintf("%s%s", h->root, below);

	nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void host_open(struct host *h)
{
	struct containers_options options = { .root = h->root };
	int err = containers_open(&options, &h->containers);

	assert(err == 0);
}

static inline struct host host_new(const char *mountinfo, const char *proc_cgroups)
{
	struct host h = { .root = "/tmp/plimsoll-host-XXXXXX" };
	char *made = mkdtemp(h.root);

	assert(made);
	host_write(&h, "/proc/1/mountinfo", mountinfo);
	host_write(&h, "/proc/cgroups", proc_cgroups);
	return h;
}

static inline struct host host_v2(void)
{
	return host_new(V2_MOUNT("/sys/fs/cgroup"), "#subsys_name\thierarchy\n");
}

static inline void host_free(struct host *h)
{
	containers_free(h->containers);
	host_remove(h, "");
}

/* Makes a v2 cgroup and returns its id. */
static inline uint64_t host_cgroup_at(const struct host *h, const char *mount, const char *path)
{
	_cleanup_free_ char *full = xasprintf("%s%s%s", h->root, mount, path);
	struct stat st;

	make_parents(full);
	mkdir(full, 0755);
	assert(stat(full, &st) == 0);
	return st.st_ino;
}

static inline uint64_t host_cgroup(const struct host *h, const char *path)
{
	return host_cgroup_at(h, "/sys/fs/cgroup", path);
}

/* A process: its command, its user, its command line (arguments separated by '|'), its v2 cgroup
 * and PID namespace. */
static inline void host_process(const struct host *h, int pid, const char *comm, unsigned int uid,
				const char *cmdline, const char *cgroup, int pid_namespace)
{
	_cleanup_free_ char *base = xasprintf("/proc/%d", pid);
	_cleanup_free_ char *status = xasprintf("Name:\t%s\nUid:\t%u\t%u\t%u\t%u\nNSpid:\t%d%s\n",
						comm, uid, uid, uid, uid, pid,
						pid_namespace ? "\t1" : "");
	const struct {
		const char *name;
		char *text;
	} files[] = {
		{ "comm", xasprintf("%s\n", comm) },
		{ "status", xstrdup(status) },
		{ "cmdline", xasprintf("%s|", cmdline) },
		{ "cgroup", xasprintf("0::%s\n", cgroup) },
		{ "stat",
		  xasprintf("%d (a) b) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 500 0\n", pid) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", base, files[i].name);
		_cleanup_free_ char *full = xasprintf("%s%s", h->root, path);
		FILE *f;

		make_parents(full);
		f = fopen(full, "w");
		assert(f);
		for (char *s = files[i].text; *s; s++)
			fputc(*s == '|' ? '\0' : *s, f);
		fclose(f);
		free(files[i].text);
	}
	host_mkdir(h, "/proc/%d/ns", pid);
	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *link = xasprintf("%s%s/ns/%s", h->root, base,
						      i ? "pid" : "mnt");
		_cleanup_free_ char *target = xasprintf("%s:[%d]", i ? "pid" : "mnt",
							pid_namespace);

		unlink(link);
		assert(symlink(target, link) == 0);
	}
}

#endif
