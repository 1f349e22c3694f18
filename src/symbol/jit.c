/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous code and perf maps; see jit.h. */
#include "symbol/jit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define JITS_MAX   4096
#define STATUS_MAX 65536
/* Compilers create the file with the first function; the one we sampled may come before. */
#define TRY_AGAIN_MS 250

struct jit *jits_new(struct jits *jits, pid_t pid)
{
	struct jit *jit;

	if (jits_full(jits))
		return NULL;
	jit = xcalloc(1, sizeof(*jit));
	jit->pid = pid;
	jit->fd = -1;
	jit->number = ++jits->next_number;
	strcpy(jit->file, "[anon]");
	GROW(jits->all, jits->n, jits->capacity);
	jits->all[jits->n++] = jit;
	return jit;
}

/* "NSpid:\t4711\t17\t1": the PID in each namespace from ours to its own; 0 if it is gone. */
static int own_pid(const char *proc, pid_t pid)
{
	_cleanup_free_ char *status = NULL;
	char path[PATH_MAX];
	const char *line;
	size_t size;
	int own = 0;

	snprintf(path, sizeof(path), "%s/%d/status", proc, pid);
	if (read_file(path, STATUS_MAX, &status, &size))
		return 0;
	line = strstr(status, "\nNSpid:");
	if (!line)
		return pid; /* a kernel without PID namespaces */
	for (line += strlen("\nNSpid:"); *line && *line != '\n';) {
		char *end;
		long value = strtol(line, &end, 10);

		if (end == line)
			break;
		own = value > 0 && value <= INT_MAX ? (int)value : 0;
		line = end;
	}
	return own;
}

void jit_try_open(struct jits *jits, struct jit *jit, const char *proc, int64_t now)
{
	_cleanup_close_ int root = -1;
	char path[PATH_MAX], file[sizeof(jit->file)];
	int own, fd;

	if (jit->fd >= 0 || now < jit->next_try || jits->fds >= jits->fds_max)
		return;
	jit->next_try = now + TRY_AGAIN_MS;
	own = own_pid(proc, jit->pid);
	if (!own)
		return;
	snprintf(path, sizeof(path), "%s/%d/root", proc, jit->pid);
	root = open_root(path);
	if (root < 0)
		return;
	snprintf(file, sizeof(file), "/tmp/perf-%d.map", own);
	fd = open_in_root(root, file, NULL);
	if (fd < 0)
		return;
	jit->fd = fd;
	jits->fds++;
	memcpy(jit->file, file, sizeof(jit->file));
}

bool jits_full(const struct jits *jits)
{
	return jits->n >= JITS_MAX;
}

static void jit_free(struct jits *jits, struct jit *jit)
{
	if (jit->fd >= 0) {
		close(jit->fd);
		jits->fds--;
	}
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
