/* SPDX-License-Identifier: Apache-2.0 */
/* All containers and units in order, and the cgroups of one. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/registry.h"

static int by_runtime_and_name(const void *a, const void *b)
{
	const struct container *x = *(const struct container *const *)a;
	const struct container *y = *(const struct container *const *)b;
	int order = strcmp(x->runtime, y->runtime);

	if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : strcmp(x->cgroup, y->cgroup);
}

/* What the runtime did not tell, the processes do; read only for those who look at a listing. */
static void complete(struct containers *c, struct entry *e)
{
	if (e->c.init_pid && e->c.created)
		return;
	if (!e->c.init_pid)
		e->c.init_pid = process_of_cgroup(c, e->path);
	if (e->c.init_pid && !e->c.created)
		e->c.created = process_start(c, e->c.init_pid);
}

int containers_each(struct containers *c, container_fn fn, void *context)
{
	_cleanup_free_ struct container **list = xcalloc(c->nentries, sizeof(*list));
	size_t n = 0;
	int stop = 0;

	for (size_t i = 0; i < c->nentries; i++) {
		struct entry *e = c->entries[i];

		if (e->c.kind == OWNER_HOST || e->c.gone || e->newer)
			continue;
		entry_describe(c, e);
		complete(c, e);
		list[n++] = &e->c;
	}
	qsort(list, n, sizeof(*list), by_runtime_and_name);
	for (size_t i = 0; i < n && !stop; i++)
		stop = fn(list[i], context);
	return stop;
}

struct ids {
	struct containers *c;
	const struct container *container;
	uint64_t *list;
	size_t n, capacity;
};

static int add_id(const char *path, uint64_t id, void *context)
{
	struct ids *ids = context;

	/* Below a unit, and below the host's root, lie others' cgroups, too. */
	if (!entry_is_within(entry_of_path(ids->c, path), ids->container))
		return 0;
	GROW(ids->list, ids->n, ids->capacity);
	ids->list[ids->n++] = id;
	return 0;
}

int containers_cgroup_ids(struct containers *c, const struct container *container, int hierarchy,
			  uint64_t **ids, size_t *n)
{
	struct ids found = { .c = c, .container = container };

	cgroups_walk(&c->cgroups, hierarchy ? HIERARCHY_V1 : HIERARCHY_V2, path_of(container),
		     add_id, &found);
	*ids = found.list;
	*n = found.n;
	return 0;
}
