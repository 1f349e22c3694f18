/* SPDX-License-Identifier: Apache-2.0 */
/* Files that code comes from; see object.h. */
#include "symbol/object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/utf8.h"
#include "symbol/debugfile.h"
#include "symbol/language.h"

/* A busy host with 1,000 containers maps some thousand different executable files. */
#define OBJECTS_MAX 16384
/* File descriptors that the rest of the program may need. */
#define FDS_FOR_OTHERS 512
#define PATH_KEPT      1024

void objects_init(struct objects *objects, const char *proc, const char *debug_root)
{
	struct rlimit limit;

	*objects = (struct objects){ .proc = proc, .debug_root = debug_root, .fds_max = 256 };
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t soft = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		/* Where this is not allowed, fewer files stay open: no error. */
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = soft;
	}
	/* Each object takes two, its own and the debug file's; few a third. */
	limit.rlim_cur = MIN(limit.rlim_cur, (rlim_t)2 * OBJECTS_MAX + FDS_FOR_OTHERS);
	objects->fds_max = limit.rlim_cur > 2 * FDS_FOR_OTHERS
				   ? (unsigned)limit.rlim_cur - FDS_FOR_OTHERS
				   : (unsigned)limit.rlim_cur / 2;
}

static void close_fds(struct objects *objects, struct object *object)
{
	int *fds[] = { &object->fd, &object->debug_fd, &object->supplement_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] < 0)
			continue;
		close(*fds[i]);
		*fds[i] = -1;
		objects->fds--;
	}
}

static void object_free(struct objects *objects, struct object *object)
{
	close_fds(objects, object);
	free(object->interpreter);
	free(object->path);
	free(object);
}

void objects_free(struct objects *objects)
{
	for (size_t i = 0; i < objects->n; i++)
		object_free(objects, objects->all[i]);
	free(objects->all);
	index_free(&objects->by_file);
	index_free(&objects->by_id);
}

/* --- finding --- */

static uint64_t hash_file(const struct object_key *key)
{
	uint64_t hash = hash_combine(key->device, key->inode);

	return key->inode ? hash : hash_combine(hash, hash_string(key->path));
}

static bool equal_file(const void *k, uint32_t position, const void *context)
{
	const struct objects *objects = context;
	const struct object *object = objects->all[position];
	const struct object_key *key = k;

	return !object->stale && object->device == key->device && object->inode == key->inode &&
	       (key->inode || strcmp(object->path, key->path) == 0);
}

static bool equal_id(const void *k, uint32_t position, const void *context)
{
	const struct objects *objects = context;
	const struct object *object = objects->all[position];
	const struct object_key *key = k;

	return object->id_size == key->id_size && memcmp(object->id, key->id, key->id_size) == 0;
}

static struct object *find_id(const struct objects *objects, const struct object_key *key)
{
	uint32_t found = index_find(&objects->by_id, hash_bytes(key->id, key->id_size), key,
				    equal_id, objects);

	return found == INDEX_NONE ? NULL : objects->all[found];
}

static uint32_t position_of(const struct objects *objects, const struct object *object)
{
	uint32_t i = (uint32_t)objects->n;

	while (objects->all[--i] != object)
		;
	return i;
}

static struct object *add(struct objects *objects, const struct object_key *key)
{
	static const char deleted[] = " (deleted)";
	size_t size = strlen(key->path), tail = sizeof(deleted) - 1;
	struct object *object;

	if (objects_full(objects)) {
		objects->refused++;
		return NULL;
	}
	if (size > tail && strcmp(key->path + size - tail, deleted) == 0)
		size -= tail;
	object = xcalloc(1, sizeof(*object));
	object->path = utf8_clean(xstrndup(key->path, MIN(size, (size_t)PATH_KEPT)));
	object->device = key->device;
	object->inode = key->inode;
	object->fd = object->debug_fd = object->supplement_fd = -1;
	object->by_id = key->id != NULL;
	if (key->id) {
		object->id_size = (uint8_t)MIN(key->id_size, (size_t)ELF_ID_MAX);
		memcpy(object->id, key->id, object->id_size);
		index_insert(&objects->by_id, hash_bytes(object->id, object->id_size),
			     (uint32_t)objects->n);
	} else {
		index_insert(&objects->by_file, hash_file(key), (uint32_t)objects->n);
	}
	GROW(objects->all, objects->n, objects->capacity);
	objects->all[objects->n++] = object;
	return object;
}

struct object *objects_get(struct objects *objects, const struct object_key *key)
{
	struct object *object;
	uint32_t found;

	if (key->id) {
		object = find_id(objects, key);
		return object ? object : add(objects, key);
	}
	found = index_find(&objects->by_file, hash_file(key), key, equal_file, objects);
	return found == INDEX_NONE ? add(objects, key) : objects->all[found];
}

static void reach_path(const struct objects *objects, const struct object_reach *reach, char *path,
		       size_t size)
{
	snprintf(path, size, "%s/%d/map_files/%llx-%llx", objects->proc, reach->pid,
		 (unsigned long long)reach->start, (unsigned long long)reach->end);
}

struct object *objects_find_open(struct objects *objects, const uint8_t *id, size_t id_size)
{
	const struct object_key key = { .id = id, .id_size = id_size };
	struct object *object = find_id(objects, &key);

	return object && object->state == OBJECT_OPEN ? object : NULL;
}

static bool unchanged(const struct object *object, const struct stat *st)
{
	return object->size == st->st_size && object->mtime.tv_sec == st->st_mtim.tv_sec &&
	       object->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

struct object *objects_get_live(struct objects *objects, const struct object_key *key,
				const struct object_reach *reach)
{
	struct object *object = objects_get(objects, key);
	char path[PATH_MAX];
	struct stat st;

	/* An open fd holds the inode: its number means this file. So does a build ID. */
	if (!object || key->id || object->fd >= 0 || object->state == OBJECT_SEEN)
		return object;
	reach_path(objects, reach, path, sizeof(path));
	if (stat(path, &st) < 0 || unchanged(object, &st))
		return object;
	object->stale = true;
	return objects_get(objects, key);
}

struct object *object_resolve(struct object *object)
{
	return object->state == OBJECT_SAME ? object->same : object;
}

/* --- opening --- */

static bool has_id(const struct object *object, int fd)
{
	struct image image;
	struct elf elf;
	bool same;

	if (image_of_file(fd, &image) || elf_open(&image, &elf))
		return false;
	same = elf.id_size == object->id_size && memcmp(elf.id, object->id, elf.id_size) == 0;
	elf_close(&elf);
	return same;
}

static int open_on_host(const struct object *object, struct stat *st)
{
	_cleanup_close_ int root = open_root("/");
	_cleanup_close_ int fd = root < 0 ? -1 : open_in_root(root, object->path, st);

	return fd >= 0 && has_id(object, fd) ? TAKE_FD(fd) : -ESRCH;
}

/*
 * The exact file of a mapping by map_files; where that is not to be had, the path inside the
 * process's root, provided that the file there is still the one that is mapped. When the process
 * is gone, and its root with it, the host may have the file at that path: the build ID will tell.
 */
static int open_file(const struct objects *objects, const struct object *object,
		     const struct object_reach *reach, int root, struct stat *st)
{
	char path[PATH_MAX];
	int fd;

	reach_path(objects, reach, path, sizeof(path));
	fd = open_regular(path, st);
	if (fd >= 0 || fd == -EINVAL || object->path[0] != '/')
		return fd;
	if (root < 0)
		return object->by_id ? open_on_host(object, st) : fd;
	fd = open_in_root(root, object->path, st);
	if (fd >= 0 && object->inode && st->st_ino != object->inode) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

static void look_for_interpreter(struct object *object, const struct elf *elf)
{
	struct interpreter interpreter;

	if (!language_probe(elf, &interpreter))
		return;
	object->interpreter = xmalloc(sizeof(interpreter));
	*object->interpreter = interpreter;
}

static void take_debug(struct objects *objects, struct object *object,
		       const struct debugfile *debug)
{
	object->debug_fd = debug->fd;
	object->debug_needs_crc = debug->needs_crc;
	object->debug_crc = debug->crc;
	object->supplement_fd = debug->supplement;
	objects->fds += (debug->fd >= 0) + (debug->supplement >= 0);
}

static void take(struct objects *objects, struct object *object, int fd, const struct elf *elf,
		 int root)
{
	struct debugfile debug;
	const struct debugfile_search search = {
		.elf = elf,
		.path = object->path,
		.host = objects->debug_root,
		.root = root,
	};

	object->fd = fd;
	object->state = OBJECT_OPEN;
	object->nloads = (uint8_t)elf->nloads;
	memcpy(object->loads, elf->loads, sizeof(object->loads));
	objects->fds++;
	debugfile_find(&search, &debug);
	take_debug(objects, object, &debug);
	look_for_interpreter(object, elf);
}

/* The file is open and an ELF: who is it? The same as one that we have, or itself. */
static void identify(struct objects *objects, struct object *object, int fd, struct elf *elf,
		     int root)
{
	struct object_key key = { .id = elf->id, .id_size = elf->id_size };
	struct object *other;

	if (!key.id_size) {
		uint64_t fingerprint = elf_fingerprint(elf);

		/* Of a file with an ID that the kernel saw, but we do not, nothing is certain. */
		memcpy(elf->id, &fingerprint, sizeof(fingerprint));
		key.id_size = sizeof(fingerprint);
	}
	if (object->id_size) {
		if (object->id_size != key.id_size || memcmp(object->id, key.id, key.id_size) != 0)
			close(fd); /* replaced: another process may still have the right one */
		else
			take(objects, object, fd, elf, root);
		return;
	}
	other = find_id(objects, &key);
	if (!other) {
		object->id_size = (uint8_t)key.id_size;
		memcpy(object->id, key.id, key.id_size);
		index_insert(&objects->by_id, hash_bytes(key.id, key.id_size),
			     position_of(objects, object));
		take(objects, object, fd, elf, root);
		return;
	}
	object->same = other;
	object->state = OBJECT_SAME;
	if (other->state == OBJECT_SEEN) {
		other->size = object->size;
		other->mtime = object->mtime;
		take(objects, other, fd, elf, root);
	} else {
		close(fd);
	}
}

void object_open(struct objects *objects, struct object *object, const struct object_reach *reach)
{
	_cleanup_close_ int root = -1;
	char path[PATH_MAX];
	struct image image;
	struct elf elf;
	struct stat st;
	int fd, err;

	if (object->state != OBJECT_SEEN)
		return;
	if (objects->fds + 3 > objects->fds_max) {
		if (!objects->warned)
			log_warn("too many executables are in use to keep all of them open; raise "
				 "the "
				 "limit of open files (ulimit -n) above %u to name all functions",
				 objects->fds_max);
		objects->warned = true;
		return;
	}
	snprintf(path, sizeof(path), "%s/%d/root", objects->proc, reach->pid);
	root = open_root(path);
	fd = open_file(objects, object, reach, root, &st);
	if (fd < 0 && fd != -EINVAL)
		return;
	object->size = st.st_size;
	object->mtime = st.st_mtim;
	if (fd == -EINVAL) {
		object->state = OBJECT_NO_ELF;
		objects->refused++;
		return;
	}
	err = image_of_file(fd, &image);
	err = err ? err : elf_open(&image, &elf);
	if (err) {
		close(fd);
		object->state = err == -ENOEXEC ? OBJECT_NO_ELF : OBJECT_REFUSED;
		objects->refused += err != -ENOEXEC;
		log_debug("%s: not looked into: %s", object->path, strerror(-err));
		return;
	}
	identify(objects, object, fd, &elf, root);
	elf_close(&elf);
}

/* --- asking --- */

/* The kernel maps whole pages, so a segment's first and last page may show bytes beyond it. */
bool object_address(const struct object *object, uint64_t offset, uint64_t *address, size_t *load)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (int rounded = 0; rounded < 2; rounded++) {
		for (size_t i = 0; i < object->nloads; i++) {
			const struct elf_load *l = &object->loads[i];
			uint64_t start = rounded ? l->offset & ~(page - 1) : l->offset;
			uint64_t end = l->offset + l->file_size;

			end = rounded ? (end + page - 1) & ~(page - 1) : end;
			if (offset < start || offset >= end)
				continue;
			*address = offset - l->offset + l->address;
			*load = i;
			return true;
		}
	}
	return false;
}

bool object_bias(const struct object *object, uint64_t start, uint64_t end, uint64_t offset,
		 uint64_t *bias)
{
	uint64_t size = end - start, most = 0;

	/* Of several segments that share a page, the one that most of the mapping is of. */
	for (size_t i = 0; i < object->nloads; i++) {
		const struct elf_load *l = &object->loads[i];
		uint64_t from = MAX(l->offset, offset);
		uint64_t to = MIN(l->offset + l->file_size, offset + size);

		if (to <= from || to - from <= most)
			continue;
		most = to - from;
		*bias = start - (offset - l->offset + l->address);
	}
	return most != 0;
}

bool object_is_unchanged(const struct object *object)
{
	struct stat st;

	return fstat(object->fd, &st) == 0 && unchanged(object, &st);
}

bool object_wants_debug(const struct object *object)
{
	struct image image;
	struct elf elf;
	bool wants;

	if (object->fd < 0 || object->debug_fd >= 0 || image_of_file(object->fd, &image) ||
	    elf_open(&image, &elf))
		return false;
	/* A fingerprint is no name that anybody else would know. */
	wants = elf.id_size && debugfile_is_wanted(&elf);
	elf_close(&elf);
	return wants;
}

bool object_adopt_debug(struct objects *objects, struct object *object, int fd)
{
	struct debugfile debug = { .fd = fd, .supplement = -1 };
	struct debugfile_search search = { .path = "", .host = objects->debug_root, .root = -1 };
	struct image image;
	struct elf elf;
	bool adopted;

	if (image_of_file(object->fd, &image) || elf_open(&image, &elf))
		return false;
	search.elf = &elf;
	adopted = objects->fds + 3 <= objects->fds_max &&
		  debugfile_adopt(&search, fd, &debug.supplement);
	elf_close(&elf);
	if (adopted)
		take_debug(objects, object, &debug);
	return adopted;
}

/* --- keeping their number in bounds --- */

bool objects_full(const struct objects *objects)
{
	return objects->n >= OBJECTS_MAX;
}

void objects_sweep(struct objects *objects)
{
	size_t kept = 0;

	/* Whom an object in use stands for is in use. */
	for (size_t i = 0; i < objects->n; i++)
		if (objects->all[i]->marked && objects->all[i]->same)
			objects->all[i]->same->marked = true;
	for (size_t i = 0; i < objects->n; i++) {
		struct object *object = objects->all[i];

		if (object->marked)
			objects->all[kept++] = object;
		else
			object_free(objects, object);
	}
	objects->n = kept;
	index_clear(&objects->by_file);
	index_clear(&objects->by_id);
	for (uint32_t i = 0; i < objects->n; i++) {
		struct object *object = objects->all[i];
		struct object_key key = { .path = object->path,
					  .device = object->device,
					  .inode = object->inode };

		object->marked = false;
		if (object->id_size)
			index_insert(&objects->by_id, hash_bytes(object->id, object->id_size), i);
		if (!object->by_id)
			index_insert(&objects->by_file, hash_file(&key), i);
	}
}
