/* SPDX-License-Identifier: Apache-2.0 */
/* What top shows; see top_rows.h. */
#include "output/top_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "base/text.h"

const char *const top_key_names[TOP_KEYS + 1] = {
	[TOP_BY_CPU] = "cpu",
	[TOP_BY_LIMIT] = "limit",
	[TOP_BY_LOST] = "lost",
	[TOP_BY_WAIT] = "p99",
	[TOP_BY_THROTTLED] = "throttled",
	[TOP_BY_MEMORY] = "memory",
	[TOP_BY_IO] = "io",
	[TOP_BY_NET] = "net",
	[TOP_BY_THREADS] = "threads",
	[TOP_BY_NAME] = "name",
};

/* What was read of a container the last time: rates are differences. */
struct seen {
	const struct container *container;
	struct top_usage usage;
	uint64_t clock; /* of top_rows */
};

struct top_rows {
	struct top_rows_options options;
	struct top_row *all, *pods;
	size_t nall, all_capacity, npods, pods_capacity;
	struct top_row **shown;
	size_t nshown, shown_capacity;
	uint64_t clock; /* ns: sum of all windows until now */
	uint64_t wall;
	bool has_io, has_net;
	struct seen *seen;
	size_t nseen, seen_capacity;
	struct index by_container;
};

struct top_rows *top_rows_new(const struct top_rows_options *options)
{
	struct top_rows *rows = xcalloc(1, sizeof(*rows));

	rows->options = *options;
	return rows;
}

static void forget(struct top_row *list, size_t *n)
{
	while (*n)
		free(list[--*n].name);
}

void top_rows_free(struct top_rows *rows)
{
	if (!rows)
		return;
	forget(rows->all, &rows->nall);
	forget(rows->pods, &rows->npods);
	free(rows->all);
	free(rows->pods);
	free(rows->shown);
	free(rows->seen);
	index_free(&rows->by_container);
	free(rows);
}

/* --- making rows --- */

static bool is_wanted(const struct top_rows *rows, const struct account *a)
{
	const struct top_rows_options *o = &rows->options;

	if (!a->total)
		return false;
	for (size_t i = 0; i < o->npatterns; i++)
		if (!a->is_kernel && container_matches(a->container, o->patterns[i]))
			return true;
	return !o->npatterns;
}

static uint64_t sum_of(const uint64_t ns[ACCOUNT_STATES], enum account_state from,
		       enum account_state to)
{
	uint64_t sum = 0;

	for (enum account_state s = from; s <= to; s++)
		sum += ns[s];
	return sum;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

/* Everything that follows from the times. */
static void derive(struct top_row *row, uint64_t wall)
{
	uint64_t running = row->ns[ACCOUNT_USER] + row->ns[ACCOUNT_KERNEL];

	row->cpu = share(running, wall);
	row->wait_p99 = ledger_percentile(row->waits, 0.99);
	row->throttled = share(row->ns[ACCOUNT_THROTTLED],
			       running + row->ns[ACCOUNT_RUNNABLE] + row->ns[ACCOUNT_THROTTLED]);
	row->lost = share(sum_of(row->ns, ACCOUNT_RUNNABLE, ACCOUNT_OTHER), row->total);
}

static void add_times(struct top_row *to, double threads, const uint64_t ns[ACCOUNT_STATES],
		      uint64_t total, const uint64_t waits[LEDGER_BUCKETS])
{
	to->threads += threads;
	to->total += total;
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		to->ns[i] += ns[i];
	for (size_t i = 0; i < LEDGER_BUCKETS; i++)
		to->waits[i] += waits[i];
}

static void add_row(struct top_rows *rows, const struct account *a)
{
	struct top_row *row;

	GROW(rows->all, rows->nall, rows->all_capacity);
	row = &rows->all[rows->nall++];
	*row = (struct top_row){
		.container = a->is_kernel ? NULL : a->container,
		.is_kernel = a->is_kernel,
		.name = a->is_kernel
				? xstrdup("[kernel threads]")
				: escaped_terminal(*a->container->name ? a->container->name : "-"),
		.usage.memory_limit = UINT64_MAX,
		.io_rate = -1,
		.net_rate = -1,
	};
	add_times(row, a->threads, a->ns, a->total, a->waits);
	derive(row, rows->wall);
}

void top_rows_update(struct top_rows *rows, const struct ledger_window *window)
{
	forget(rows->all, &rows->nall);
	forget(rows->pods, &rows->npods);
	rows->nshown = 0;
	rows->wall = window->wall;
	rows->clock += window->wall;
	for (size_t i = 0; i < window->naccounts; i++)
		if (is_wanted(rows, &window->accounts[i]))
			add_row(rows, &window->accounts[i]);
}

/* --- usage --- */

static bool is_seen(const void *key, uint32_t position, const void *context)
{
	const struct top_rows *rows = context;

	return rows->seen[position].container == key;
}

/* The entry, made where there is none; `*is_new` then. Containers that are gone stay: the registry
 * keeps them, too. */
static struct seen *seen_of(struct top_rows *rows, const struct container *container, bool *is_new)
{
	uint64_t hash = hash_bytes(&container, sizeof(container));
	uint32_t at = index_find(&rows->by_container, hash, container, is_seen, rows);

	*is_new = at == INDEX_NONE;
	if (*is_new) {
		at = (uint32_t)rows->nseen;
		GROW(rows->seen, rows->nseen, rows->seen_capacity);
		rows->seen[rows->nseen++] = (struct seen){ .container = container };
		index_insert(&rows->by_container, hash, at);
	}
	return &rows->seen[at];
}

static double rate(bool known, uint64_t before, uint64_t now, uint64_t ns)
{
	return known && ns && now >= before ? (double)(now - before) / (double)ns * 1e9 : -1;
}

static void read_usage(struct top_rows *rows, struct top_row *row)
{
	struct top_usage *u = &row->usage;
	struct seen *seen;
	bool is_new;

	if (row->has_usage || !row->container)
		return;
	row->has_usage = true;
	rows->options.usage(rows->options.context, row->container, u);
	seen = seen_of(rows, row->container, &is_new);
	if (!is_new) {
		uint64_t ns = rows->clock - seen->clock;

		row->io_rate = rate(u->has_io && seen->usage.has_io, seen->usage.io, u->io, ns);
		row->net_rate = rate(u->has_net && seen->usage.has_net, seen->usage.net, u->net,
				     ns);
	}
	seen->usage = *u;
	seen->clock = rows->clock;
	rows->has_io |= u->has_io;
	rows->has_net |= u->has_net;
}

static double add_rate(double a, double b)
{
	return b < 0 ? a : a < 0 ? b : a + b;
}

/* A pod has what its containers have together; a limit only if all of them have one. */
static void add_usage(struct top_row *pod, const struct top_row *row, bool is_first)
{
	struct top_usage *sum = &pod->usage;
	const struct top_usage *u = &row->usage;
	bool has_limit = u->memory_limit != UINT64_MAX &&
			 (is_first || sum->memory_limit != UINT64_MAX);
	bool has_quota = u->cpu_limit > 0 && (is_first || sum->cpu_limit > 0);

	sum->has_memory |= u->has_memory;
	sum->memory += u->memory;
	sum->memory_limit = !has_limit ? UINT64_MAX
				       : u->memory_limit + (is_first ? 0 : sum->memory_limit);
	sum->cpu_limit = has_quota ? sum->cpu_limit + u->cpu_limit : 0;
	pod->io_rate = add_rate(pod->io_rate, row->io_rate);
	pod->net_rate = add_rate(pod->net_rate, row->net_rate);
}

double top_row_of_limit(const struct top_row *row)
{
	return row->usage.cpu_limit > 0 ? row->cpu / row->usage.cpu_limit : -1;
}

/* --- choosing and sorting --- */

static bool contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

static bool passes(const struct top_row *row, const struct top_arrangement *how)
{
	const struct container *c = row->container;

	if (how->only_containers && (!c || c->kind != OWNER_CONTAINER))
		return false;
	if (!how->filter || !*how->filter || contains(row->name, how->filter))
		return true;
	return c && (contains(c->pod, how->filter) || contains(c->namespace, how->filter) ||
		     contains(c->image, how->filter));
}

static double figure(const struct top_row *row, enum top_key key)
{
	switch (key) {
	case TOP_BY_CPU:
		return row->cpu;
	case TOP_BY_LIMIT:
		return top_row_of_limit(row);
	case TOP_BY_LOST:
		return row->lost;
	case TOP_BY_WAIT:
		return (double)row->wait_p99;
	case TOP_BY_THROTTLED:
		return row->throttled;
	case TOP_BY_MEMORY:
		return (double)row->usage.memory;
	case TOP_BY_IO:
		return row->io_rate;
	case TOP_BY_NET:
		return row->net_rate;
	case TOP_BY_THREADS:
		return row->threads;
	default:
		return 0;
	}
}

static bool needs_usage(enum top_key key)
{
	return key == TOP_BY_LIMIT || key == TOP_BY_MEMORY || key == TOP_BY_IO || key == TOP_BY_NET;
}

static int by_order(const void *a, const void *b, void *context)
{
	const struct top_row *x = *(struct top_row *const *)a, *y = *(struct top_row *const *)b;
	const struct top_arrangement *how = context;
	double fx = figure(x, how->key), fy = figure(y, how->key);
	int order = (fx < fy) - (fx > fy);

	if (!order)
		order = strcmp(x->name, y->name);
	if (!order && x->container && y->container) /* always the same of two of one name */
		order = strcmp(x->container->cgroup, y->container->cgroup);
	return how->reversed ? -order : order;
}

static void show(struct top_rows *rows, struct top_row *row)
{
	GROW(rows->shown, rows->nshown, rows->shown_capacity);
	rows->shown[rows->nshown++] = row;
}

static char *pod_name(const struct top_row *row)
{
	const struct container *c = row->container;

	if (!c || !c->pod)
		return NULL;
	_cleanup_free_ char *name = xasprintf("%s/%s", c->namespace ? c->namespace : "-", c->pod);

	return escaped_terminal(name);
}

/* A row that sorts by the pod, then as wanted. */
struct member {
	char *pod;
	struct top_row *row;
};

static int by_pod(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->pod, ((const struct member *)b)->pod);
}

static void make_pod(struct top_rows *rows, const struct member *members, size_t n)
{
	struct top_row *pod;

	GROW(rows->pods, rows->npods, rows->pods_capacity);
	pod = &rows->pods[rows->npods++];
	*pod = (struct top_row){
		.is_pod = true,
		.has_usage = true,
		.name = xstrdup(members[0].pod),
		.usage.memory_limit = UINT64_MAX,
		.io_rate = -1,
		.net_rate = -1,
	};
	for (size_t i = 0; i < n; i++) {
		struct top_row *row = members[i].row;

		add_times(pod, row->threads, row->ns, row->total, row->waits);
		read_usage(rows, row);
		add_usage(pod, row, i == 0);
	}
	derive(pod, rows->wall);
}

/* Replaces the pods among what is shown by themselves and their containers. */
static void unfold_pods(struct top_rows *rows, const struct member *members, size_t n,
			const struct top_arrangement *how)
{
	size_t ntop = rows->nshown;
	_cleanup_free_ struct top_row **top = xcalloc(ntop + 1, sizeof(struct top_row *));

	memcpy(top, rows->shown, ntop * sizeof(struct top_row *));
	rows->nshown = 0;
	for (size_t i = 0; i < ntop; i++) {
		size_t first;

		show(rows, top[i]);
		if (!top[i]->is_pod)
			continue;
		first = rows->nshown;
		for (size_t m = 0; m < n; m++)
			if (strcmp(members[m].pod, top[i]->name) == 0)
				show(rows, members[m].row);
		qsort_r(rows->shown + first, rows->nshown - first, sizeof(struct top_row *),
			by_order, (void *)how);
	}
}

static void arrange_tree(struct top_rows *rows, const struct top_arrangement *how)
{
	_cleanup_free_ struct member *members = xcalloc(rows->nshown + 1, sizeof(*members));
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < rows->nshown; i++) {
		struct top_row *row = rows->shown[i];
		char *pod = pod_name(row);

		if (pod) {
			row->depth = 1;
			members[n++] = (struct member){ pod, row };
		} else {
			rows->shown[kept++] = row;
		}
	}
	rows->nshown = kept;
	qsort(members, n, sizeof(*members), by_pod);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && strcmp(members[end].pod, members[i].pod) == 0;)
			end++;
		make_pod(rows, members + i, end - i);
	}
	for (size_t i = 0; i < rows->npods; i++)
		show(rows, &rows->pods[i]);
	qsort_r(rows->shown, rows->nshown, sizeof(struct top_row *), by_order, (void *)how);
	unfold_pods(rows, members, n, how);
	for (size_t i = 0; i < n; i++)
		free(members[i].pod);
}

void top_rows_arrange(struct top_rows *rows, const struct top_arrangement *how)
{
	rows->nshown = 0;
	forget(rows->pods, &rows->npods);
	for (size_t i = 0; i < rows->nall; i++) {
		struct top_row *row = &rows->all[i];

		row->depth = 0;
		if (!passes(row, how))
			continue;
		if (needs_usage(how->key))
			read_usage(rows, row);
		show(rows, row);
	}
	if (how->tree)
		arrange_tree(rows, how);
	else
		qsort_r(rows->shown, rows->nshown, sizeof(struct top_row *), by_order, (void *)how);
}

/* --- asking --- */

size_t top_rows_count(const struct top_rows *rows)
{
	return rows->nshown;
}

const struct top_row *top_rows_get(struct top_rows *rows, size_t i)
{
	read_usage(rows, rows->shown[i]);
	return rows->shown[i];
}

const struct top_row *top_rows_peek(const struct top_rows *rows, size_t i)
{
	return rows->shown[i];
}

uint64_t top_rows_wall(const struct top_rows *rows)
{
	return rows->wall;
}

double top_rows_cpu(const struct top_rows *rows)
{
	double sum = 0;

	for (size_t i = 0; i < rows->nall; i++)
		sum += rows->all[i].cpu;
	return sum;
}

size_t top_rows_containers(const struct top_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->nall; i++)
		n += rows->all[i].container && rows->all[i].container->kind == OWNER_CONTAINER;
	return n;
}

bool top_rows_have_io(const struct top_rows *rows)
{
	return rows->has_io;
}

bool top_rows_have_net(const struct top_rows *rows)
{
	return rows->has_net;
}
