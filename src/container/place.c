/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a runtime's files below a root, as somebody's word; see place.h. */
#include "container/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "container/bounded_json.h"
#include "container/storage.h"

int place_open(struct place *p, const char *root, uid_t uid, const struct settings *settings)
{
	*p = (struct place){ .uid = uid, .settings = settings };
	p->root = open_root(*root ? root : "/");
	return p->root < 0 ? p->root : 0;
}

void place_close(struct place *p)
{
	if (p->root >= 0)
		close(p->root);
	p->root = -1;
	storage_free(p);
}

const char *place_root(const struct place *p, enum root_kind kind, size_t i)
{
	for (size_t k = 0; k < p->settings->nroots; k++) {
		const struct runtime_root *r = &p->settings->roots[k];

		if (r->kind == kind && r->owner == p->uid && i-- == 0)
			return r->path;
	}
	return NULL;
}

int place_open_file(const struct place *p, const char *path, struct stat *st)
{
	struct stat local;
	int fd = open_in_root(p->root, path, st ? st : &local);

	/* A user's link may lead to a file of root or of somebody else. */
	if (fd >= 0 && p->uid && (st ? st : &local)->st_uid != p->uid) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

int place_read(const struct place *p, const char *path, size_t limit, char **data, size_t *size)
{
	_cleanup_close_ int fd = place_open_file(p, path, NULL);

	return fd < 0 ? fd : read_all(fd, limit, data, size);
}

json_t *place_read_json(const struct place *p, const char *path, size_t limit)
{
	_cleanup_free_ char *text = NULL;
	size_t size;

	return place_read(p, path, limit, &text, &size) < 0 ? NULL : json_parse(text, size);
}

void place_list(const struct place *p, const char *path, place_fn fn, void *context)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, p->root, path, &how, sizeof(how));
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (fd >= 0 && !dir)
		close(fd);
	if (!dir || (p->uid && (fstat(fd, &st) < 0 || st.st_uid != p->uid)))
		return;
	for (int i = 0; i < PLACE_ENTRIES_MAX && (entry = readdir(dir)); i++)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fn(fd, entry->d_name, context);
}
