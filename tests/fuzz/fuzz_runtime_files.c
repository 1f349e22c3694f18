/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runtimes keep on disk, some of it in the hands of users and containers: one input is every
 * file of every runtime at once, for a container that each of them is asked about.
 */
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "container/claims.h"
#include "container/runtime.h"
#include "container/settings.h"
#include "container/toml.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
	"/var/lib/docker/containers/" ID "/config.v2.json",
	"/run/containerd/io.containerd.runtime.v2.task/n/" ID "/config.json",
	"/run/containerd/io.containerd.runtime.v2.task/n/" ID "/init.pid",
	"/run/containers/storage/overlay-containers/" ID "/userdata/config.json",
	"/var/lib/containers/storage/overlay-containers/containers.json",
	"/run/runc/" ID "/state.json",
	"/run/crun/" ID "/status",
	"/run/crun/" ID "/config.json",
	"/var/lib/lxc/" ID "/config",
	("/run/systemd/machines/" ID),
	"/etc/docker/daemon.json",
	"/etc/containerd/config.toml",
	"/etc/containers/storage.conf",
	"/etc/passwd",
};

static char root[] = "/tmp/plimsoll-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_host(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* All names are links to one file: writing that is writing all. */
static void make_host(void)
{
	char *data;
	FILE *f;

	if (!mkdtemp(root))
		abort();
	data = xasprintf("%s/data", root);
	f = fopen(data, "w");
	if (!f || fclose(f))
		abort();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = xasprintf("%s%s", root, files[i]);

		for (char *s = path + 1; (s = strchr(s, '/')); s++) {
			*s = '\0';
			mkdir(path, 0755);
			*s = '/';
		}
		if (link(data, path) < 0)
			abort();
		free(path);
	}
	free(data);
	atexit(remove_host);
}

static void write_all(const uint8_t *data, size_t size)
{
	char *path = xasprintf("%s/data", root);
	FILE *f = fopen(path, "w");

	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
	free(path);
}

static bool nobody(const char *id, void *context)
{
	(void)id, (void)context;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_made;
	struct cgroups cgroups = { 0 };
	struct arena arena = { 0 };
	struct settings settings;
	struct claims claims;
	struct place place;

	if (!is_made)
		make_host();
	is_made = true;
	write_all(data, size);
	settings_init(&settings);
	settings_read_files(&settings, root);
	settings_add_user(&settings, root, 1000);
	claims_init(&claims, &cgroups, nobody, NULL);
	if (place_open(&place, root, 0, &settings) < 0)
		abort();
	for (const struct runtime *const *r = runtimes; *r; r++) {
		struct details d = { .arena = &arena, .in_pod = true };

		(*r)->describe(&place, ID, &d);
		if ((*r)->claim)
			(*r)->claim(&place, &claims);
	}
	place_close(&place);
	claims_free(&claims);
	settings_free(&settings);
	arena_free(&arena);
	return 0;
}
