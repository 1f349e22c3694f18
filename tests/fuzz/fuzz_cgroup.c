/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup paths, which containers and users choose, and the kernel's tables of mounts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "container/cgroup.h"
#include "container/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_path(const char *text)
{
	struct cgroup_match matches[NESTING_MAX];
	size_t n = cgroup_matches(text, matches), length;
	uid_t uid;

	for (size_t i = 0; i < n; i++)
		if (matches[i].length > strlen(text) || !is_safe_name(matches[i].id))
			abort();
	if (cgroup_unit(text, &length) && length > strlen(text))
		abort();
	cgroup_user(text, &uid);
	free(cgroups_path_expand(text));
}

static void try_mounts(const char *text)
{
	const char *half = strchr(text, '\x01');
	char *mounts = xstrndup(text, half ? (size_t)(half - text) : strlen(text));
	char *numbers = xstrdup(half ? half + 1 : "memory\t1\t1\t1\n");
	struct cgroups c = { 0 };
	size_t length;

	cgroups_parse(&c, "", mounts, numbers);
	for (int i = 0; i < HIERARCHIES; i++)
		cgroups_of_process(&c, i, text, &length);
	cgroups_release(&c);
	free(mounts);
	free(numbers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);

	try_path(text);
	try_mounts(text);
	free(text);
	return 0;
}
