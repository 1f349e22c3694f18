/* SPDX-License-Identifier: Apache-2.0 */
/* Hints for what runs; see doctor_processes.h. */
#include "cmd/doctor_processes.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "container/container.h"

/* What fits a line for the eye; --json has all of FINDING_PIDS_MAX. */
#define SHOWN_MAX 3

static void add(struct finding *finding, pid_t pid, const char *place)
{
	if (finding->nprocesses < FINDING_PIDS_MAX) {
		finding->pids[finding->nprocesses] = pid;
		finding->places[finding->nprocesses] = place;
	}
	finding->nprocesses++;
	for (size_t i = 0; i < finding->ncontainers; i++)
		if (strcmp(finding->containers[i], place) == 0)
			return;
	GROW(finding->containers, finding->ncontainers, finding->capacity);
	finding->containers[finding->ncontainers++] = place;
}

static void look_at(struct findings *f, struct runtime_files *files, pid_t pid)
{
	uint32_t hints;
	int err = runtime_hints_of(files, "/proc", pid, &hints);

	f->looked_at += !err;
	f->not_allowed += err == -EACCES || err == -EPERM;
	if (err || !hints)
		return;
	const char *place = containers_by_pid(f->containers, pid)->name;

	for (unsigned i = 0; i < RUNTIME_HINTS; i++)
		if (hints >> i & 1)
			add(&f->all[i], pid, place);
}

int findings_gather(struct findings *out)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct runtime_files *files;
	struct dirent *entry;
	uint64_t pid;
	int err;

	*out = (struct findings){ 0 };
	for (unsigned i = 0; i < RUNTIME_HINTS; i++)
		out->all[i].hint = &runtime_hints[i];
	if (!proc)
		return -errno;
	err = containers_open(NULL, &out->containers);
	if (err)
		return err;
	files = runtime_files_new();
	while ((entry = readdir(proc)))
		if (parse_u64(entry->d_name, &pid) == 0 && pid <= INT_MAX)
			look_at(out, files, (pid_t)pid);
	runtime_files_free(files);
	return 0;
}

void findings_free(struct findings *findings)
{
	for (unsigned i = 0; i < RUNTIME_HINTS; i++)
		free(findings->all[i].containers);
	containers_free(findings->containers);
}

const char *finding_found(const struct finding *finding, char *buffer, size_t size)
{
	size_t shown = MIN(finding->nprocesses, (size_t)SHOWN_MAX);
	struct buffer text = { 0 };

	if (finding->nprocesses > 1)
		buffer_printf(&text, "%zu processes in %zu place%s: ", finding->nprocesses,
			      finding->ncontainers, finding->ncontainers > 1 ? "s" : "");
	else
		buffer_puts(&text, "process ");
	for (size_t i = 0; i < shown; i++)
		buffer_printf(&text, "%s%d in %s", i ? ", " : "", finding->pids[i],
			      finding->places[i]);
	buffer_puts(&text, finding->nprocesses > shown ? ", ..." : "");
	snprintf(buffer, size, "%s", text.data);
	buffer_free(&text);
	return buffer;
}
