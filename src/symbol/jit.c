/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous code and perf maps; see jit.h. */
#include "symbol/jit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "symbol/proc_status.h"

#define JITS_MAX 4096
/* Compilers create the file with the first function; the one we sampled may come before. */
#define TRY_AGAIN_MS 250

struct jit *jits_new(struct jits *jits, pid_t pid)
{
	struct jit *jit;

	if (jits_full(jits))
		return NULL;
	jit = xcalloc(1, sizeof(*jit));
	jit->pid = pid;
	jit->fd = jit->older_fd = -1;
	jit->number = ++jits->next_number;
	strcpy(jit->file, "[anon]");
	GROW(jits->all, jits->n, jits->capacity);
	jits->all[jits->n++] = jit;
	return jit;
}

void jit_expect(struct jit *jit, pid_t own_pid)
{
	snprintf(jit->file, sizeof(jit->file), "/tmp/perf-%d.map", own_pid);
}

void jit_try_open(struct jits *jits, struct jit *jit, const char *proc, int64_t now)
{
	_cleanup_close_ int root = -1;
	char path[PATH_MAX], file[sizeof(jit->file)];
	struct proc_status status;
	int fd;

	if (jit->fd >= 0 || now < jit->next_try || jits->fds >= jits->fds_max)
		return;
	jit->next_try = now + TRY_AGAIN_MS;
	if (proc_status_read(proc, jit->pid, &status))
		return;
	snprintf(path, sizeof(path), "%s/%d/root", proc, jit->pid);
	root = open_root(path);
	if (root < 0)
		return;
	snprintf(file, sizeof(file), "/tmp/perf-%d.map", status.own_pid);
	fd = open_in_root(root, file, NULL);
	if (fd < 0)
		return;
	jit->fd = fd;
	jits->fds++;
	memcpy(jit->file, file, sizeof(jit->file));
}

static void close_fd(struct jits *jits, int *fd)
{
	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	jits->fds--;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

void jit_take_map(struct jits *jits, struct jit *jit, int fd)
{
	if (jit->fd >= 0 && same_file(jit->fd, fd)) {
		close(fd);
		return;
	}
	close_fd(jits, &jit->older_fd);
	jit->older_fd = jit->fd;
	jit->fd = fd;
	jits->fds++;
	if (jits->fds > jits->fds_max)
		close_fd(jits, &jit->older_fd);
}

bool jits_full(const struct jits *jits)
{
	return jits->n >= JITS_MAX;
}

static void jit_free(struct jits *jits, struct jit *jit)
{
	close_fd(jits, &jit->fd);
	close_fd(jits, &jit->older_fd);
	free(jit);
}

void jits_sweep(struct jits *jits)
{
	size_t kept = 0;

	for (size_t i = 0; i < jits->n; i++) {
		struct jit *jit = jits->all[i];

		if (jit->marked) {
			jit->marked = false;
			jits->all[kept++] = jit;
		} else {
			jit_free(jits, jit);
		}
	}
	jits->n = kept;
}

void jits_free(struct jits *jits)
{
	for (size_t i = 0; i < jits->n; i++)
		jit_free(jits, jits->all[i]);
	free(jits->all);
}
