/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, opened with suspicion. A path below a container's root is resolved as the container would
 * resolve it and never leaves that root; only regular files are opened, so a FIFO cannot block us
 * and a device is not touched; every read is bounded. And our own output appears whole or not at
 * all.
 */
#ifndef PLIMSOLL_BASE_FILE_H
#define PLIMSOLL_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Opens `path` for reading as seen from directory fd `root` (openat2 with RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS): links, also absolute ones and "..", stay below it. The file is looked at
 * through O_PATH first and opened only if it is regular. `st` may be NULL. Returns an fd
 * (O_CLOEXEC, the caller closes it) or negative errno: -EINVAL for what is not a regular file.
 */
int open_in_root(int root, const char *path, struct stat *st);

/* The same guard without a root: follows links as usual, refuses all but regular files. */
int open_regular(const char *path, struct stat *st);

/* Directory fd on `path` (O_PATH), to be used as root above; negative errno. */
int open_root(const char *path);

/*
 * Reads all of fd, at most `limit` bytes; *data is NUL-terminated behind *size and freed by the
 * caller. -EFBIG when there is more. Works for /proc and /sys files, whose st_size is 0.
 */
int read_all(int fd, size_t limit, char **data, size_t *size);
/* Opens (plain open, for our own /proc, /sys and cgroup files) and reads. */
int read_file(const char *path, size_t limit, char **data, size_t *size);
int read_file_at(int dir, const char *path, size_t limit, char **data, size_t *size);

/* Writes all of it at *at, which moves behind it. 0 or negative errno. */
int write_at(int fd, const void *data, size_t size, off_t *at);

/*
 * A file that replaces an older one only when it is complete: written to a temporary in the same
 * directory, renamed by output_commit(). Opening it early proves that it can be written.
 * "-" is standard output. A target that exists and is not a regular file (a terminal, /dev/null, a
 * pipe) is written in place.
 */
struct output_file;
/* 0 or negative errno (nothing logged). */
int output_open(const char *path, struct output_file **out);
int output_fd(const struct output_file *out);
const char *output_path(const struct output_file *out);
int output_write(struct output_file *out, const void *data, size_t size);
/* Makes the file visible and frees `out`, also on error. 0 or negative errno. */
int output_commit(struct output_file *out);
/* Removes the temporary and frees `out`; NULL is fine. */
void output_abort(struct output_file *out);

#endif
