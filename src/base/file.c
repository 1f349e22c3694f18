/* SPDX-License-Identifier: Apache-2.0 */
/* Files, opened with suspicion; see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/*
 * O_PATH touches nothing: no FIFO blocks, no device is opened. What it found is opened for reading
 * through /proc/self/fd, which leads to that very inode, so it cannot be swapped in between.
 */
static int open_looked_at(int path_fd, struct stat *st)
{
	char link[sizeof("/proc/self/fd/") + 11];
	struct stat local;

	if (!st)
		st = &local;
	if (fstat(path_fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	int fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int open_in_root(int root, const char *path, struct stat *st)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int fd = -1;

	/* -EAGAIN: something was renamed below us while ".." was resolved; once more is enough
	 * for the honest, and a container that keeps renaming gets no symbols. */
	for (int tries = 0; tries < 2 && fd < 0; tries++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	if (fd < 0)
		return -errno;
	return open_looked_at(fd, st);
}

int open_regular(const char *path, struct stat *st)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return open_looked_at(fd, st);
}

int open_root(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int read_all(int fd, size_t limit, char **data, size_t *size)
{
	_cleanup_free_ char *buffer = NULL;
	size_t capacity = 0, used = 0;
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		if ((uint64_t)st.st_size > limit)
			return -EFBIG;
		capacity = (size_t)st.st_size + 2;
	}
	capacity = capacity ? capacity : 4096;
	buffer = xmalloc(capacity);
	for (;;) {
		if (capacity - used < 2) {
			capacity *= 2;
			buffer = xreallocarray(buffer, capacity, 1);
		}
		ssize_t n = read(fd, buffer + used, capacity - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > limit)
			return -EFBIG;
	}
	buffer[used] = '\0';
	*data = TAKE_PTR(buffer);
	if (size)
		*size = used;
	return 0;
}

int read_file_at(int dir, const char *path, size_t limit, char **data, size_t *size)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return read_all(fd, limit, data, size);
}

int write_at(int fd, const void *data, size_t size, off_t *at)
{
	const char *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, *at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
		*at += n;
	}
	return 0;
}

int read_file(const char *path, size_t limit, char **data, size_t *size)
{
	return read_file_at(AT_FDCWD, path, limit, data, size);
}

/* --- output --- */

struct output_file {
	int fd;
	char *path;
	char *temporary; /* NULL: written in place */
};

int output_open(const char *path, struct output_file **out)
{
	struct output_file *o = xcalloc(1, sizeof(*o));
	struct stat st;
	int err;

	o->path = xstrdup(path);
	if (strcmp(path, "-") == 0) {
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		o->fd = -1;
	} else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	} else {
		/* Through a link, replace what it points at, not the link. */
		char *target = realpath(path, NULL);

		if (target) {
			free(o->path);
			o->path = target;
		}
		if (target && access(target, W_OK) < 0) {
			o->fd = -1;
		} else {
			o->temporary = xasprintf("%s.XXXXXX", o->path);
			o->fd = mkostemp(o->temporary, O_CLOEXEC);
			if (o->fd >= 0) {
				/* mkstemp gives 0600; a profile is like any other output. */
				mode_t mask = umask(0);

				umask(mask);
				if (fchmod(o->fd, target ? st.st_mode & 0777 : 0666 & ~mask) < 0) {
					err = -errno;
					output_abort(o);
					return err;
				}
			}
		}
	}
	if (o->fd < 0) {
		err = -errno;
		free(o->temporary);
		free(o->path);
		free(o);
		return err;
	}
	*out = o;
	return 0;
}

int output_fd(const struct output_file *out)
{
	return out->fd;
}

const char *output_path(const struct output_file *out)
{
	return out->path;
}

int output_write(struct output_file *out, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(out->fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int output_commit(struct output_file *out)
{
	int err = 0;

	/* A network file system may say only here that the disk is full. No fsync(): a crash of the
	 * machine may take a profile along, and waiting for the disk would cost more than that. */
	if (close(out->fd) < 0)
		err = -errno;
	out->fd = -1;
	if (!err && out->temporary && rename(out->temporary, out->path) < 0)
		err = -errno;
	if (!err) {
		free(out->temporary);
		out->temporary = NULL;
	}
	output_abort(out);
	return err;
}

void output_abort(struct output_file *out)
{
	if (!out)
		return;
	if (out->fd >= 0)
		close(out->fd);
	if (out->temporary)
		unlink(out->temporary);
	free(out->temporary);
	free(out->path);
	free(out);
}
