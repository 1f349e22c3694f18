/* SPDX-License-Identifier: Apache-2.0 */
/* A profile by the name of its file; see pprof.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "profile/pprof.h"

static int read_path(const char *path, char **data, size_t *size)
{
	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, PPROF_SIZE_MAX, data, size);
	/* Whoever runs us named it: it may well be a pipe, and we wait for its writer. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : read_all(fd, PPROF_SIZE_MAX, data, size);
}

int pprof_load(const char *path, struct profile **out)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	_cleanup_free_ char *data = NULL;
	const char *why = NULL;
	size_t size;
	int err;

	err = read_path(path, &data, &size);
	if (err) {
		log_error("cannot read %s: %s", name,
			  err == -EFBIG ? "it is too large for a profile" : strerror(-err));
		return err;
	}
	err = pprof_decode(data, size, 0, out, &why);
	if (err)
		log_error("cannot read %s: %s", name, why);
	return err;
}
