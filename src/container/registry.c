/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: every cgroup id that was seen, and whose it is; see container.h and registry.h.
 *
 * An id is learnt from a walk of the hierarchies at the start, from the kernel's announcements, or,
 * met unexpectedly, through a file handle. What belongs to a container stays so for good. What
 * belongs to a unit or the host keeps its path, since a runtime's state file may show later that it
 * was a container all along.
 */
#include "container/registry.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

/* Who may make cgroups may make many. 56 MB at the worst, and only then. */
#define NODES_MAX (1U << 20)
/* Removed cgroups of the host are forgotten when so many more have come. */
#define COMPACT_AFTER 65536

/* What a path in an announcement may take (WATCH_PATH_MAX of bpf/watch.h); a longer one was cut. */
#define ANNOUNCED_PATH_MAX 1023

#define PROC_CGROUP_MAX ((size_t)256 << 10)

/* --- time --- */

bool pace_allows(const struct pace *p, uint64_t now)
{
	return now >= p->end && now - p->end >= p->cost * 10;
}

void pace_spent(struct pace *p, uint64_t since)
{
	p->end = clock_ns(CLOCK_MONOTONIC);
	p->cost = p->end - since;
}

/* --- nodes --- */

struct node_key {
	uint64_t id;
	int hierarchy;
};

static uint64_t node_hash(const struct node_key *key)
{
	return hash_combine(key->id, (uint64_t)key->hierarchy + 1);
}

static bool node_is(const void *key, uint32_t position, const void *context)
{
	const struct node_key *want = key;
	const struct node *n = &((const struct containers *)context)->nodes[position];

	return n->id == want->id && n->hierarchy == want->hierarchy;
}

static struct node *find_node(const struct containers *c, int hierarchy, uint64_t id)
{
	struct node_key key = { id, hierarchy };
	uint32_t at = index_find(&c->by_node, node_hash(&key), &key, node_is, c);

	return at == INDEX_NONE ? NULL : &c->nodes[at];
}

static void add_live(struct node *n, int change)
{
	if (!n->is_own || n->is_gone || !n->owner)
		return;
	n->owner->live += (unsigned int)change;
	if (change < 0 && !n->owner->live)
		n->owner->c.gone = true;
}

/* Decides whose the cgroup is, also again after a new claim. */
static void settle(struct containers *c, struct node *n, const char *path)
{
	struct entry *owner = entry_of_path(c, path);

	if (owner != n->owner) {
		add_live(n, -1);
		n->owner = owner;
		n->is_own = owner->c.kind != OWNER_HOST && strcmp(owner->path, path) == 0;
		add_live(n, 1);
	}
	n->claims_version = c->claims.version;
	n->is_unknown = false;
	if (owner->c.kind == OWNER_CONTAINER) {
		free(n->path);
		n->path = NULL;
	} else if (n->path != path) {
		free(n->path);
		n->path = xstrdup(path);
	}
}

static bool is_dispensable(const struct node *n)
{
	return (n->is_gone || n->is_unknown) && n->owner->c.kind == OWNER_HOST;
}

/* Forgets what is gone and was the host's: asked again, the answer would be the host. */
static void compact(struct containers *c)
{
	size_t kept = 0;

	index_clear(&c->by_node);
	for (size_t i = 0; i < c->nnodes; i++) {
		struct node_key key = { c->nodes[i].id, c->nodes[i].hierarchy };

		if (is_dispensable(&c->nodes[i])) {
			free(c->nodes[i].path);
			continue;
		}
		c->nodes[kept] = c->nodes[i];
		index_insert(&c->by_node, node_hash(&key), (uint32_t)kept++);
	}
	c->nnodes = kept;
	c->nodes_after_compaction = kept;
}

/* A node without an owner yet; NULL if there is no more room. */
static struct node *add_node(struct containers *c, int hierarchy, uint64_t id)
{
	struct node_key key = { id, hierarchy };

	if (c->nnodes >= c->nodes_after_compaction + COMPACT_AFTER)
		compact(c);
	if (c->nnodes >= NODES_MAX)
		return NULL;
	GROW(c->nodes, c->nnodes, c->nodes_capacity);
	c->nodes[c->nnodes] = (struct node){ .id = id, .hierarchy = (uint8_t)hierarchy };
	index_insert(&c->by_node, node_hash(&key), (uint32_t)c->nnodes);
	return &c->nodes[c->nnodes++];
}

/* The node of a cgroup that exists at this path. */
static struct node *node_at(struct containers *c, int hierarchy, uint64_t id, const char *path)
{
	struct node *n = find_node(c, hierarchy, id);

	if (n && !n->is_unknown)
		return n;
	n = n ? n : add_node(c, hierarchy, id);
	if (!n)
		return NULL;
	/* Whose it is may be found by reading /proc, which never adds nodes: n stays where it is.
	 */
	settle(c, n, path);
	if (n->is_own)
		entry_revive(c, n->owner);
	return n;
}

struct scan {
	struct containers *c;
	int hierarchy;
};

static int scan_one(const char *path, uint64_t id, void *context)
{
	struct scan *s = context;
	struct node *n = node_at(s->c, s->hierarchy, id, path);

	if (!n)
		return -ENOSPC;
	n->is_seen = true;
	return 0;
}

static void walk(struct containers *c, int hierarchy)
{
	struct scan s = { c, hierarchy };
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	if (cgroups_walk(&c->cgroups, hierarchy, "/", scan_one, &s) == -ENOSPC)
		log_warn("more than %u cgroups; those beyond are shown as 'host'", NODES_MAX);
	pace_spent(&c->walking, start);
}

/* Looks for an id that nobody announced. */
static struct node *look_for(struct containers *c, int hierarchy, uint64_t id)
{
	_cleanup_free_ char *path = NULL;
	int err = cgroups_path_of(&c->cgroups, hierarchy, id, &path);
	struct node *n;

	if (!err)
		return node_at(c, hierarchy, id, path);
	if (err == -EOPNOTSUPP && pace_allows(&c->walking, clock_ns(CLOCK_MONOTONIC)))
		walk(c, hierarchy);
	n = find_node(c, hierarchy, id);
	if (n && !n->is_unknown)
		return n;
	n = n ? n : add_node(c, hierarchy, id);
	if (!n)
		return NULL;
	n->owner = c->host_entry;
	n->is_unknown = true;
	n->announcements = c->announcements;
	return n;
}

static struct entry *owner_of(struct containers *c, int hierarchy, uint64_t id)
{
	struct node *n = id ? find_node(c, hierarchy, id) : NULL;

	if (!id)
		return c->host_entry;
	if (!n || (n->is_unknown && n->announcements != c->announcements))
		n = look_for(c, hierarchy, id);
	if (!n)
		return c->host_entry;
	if (n->path && n->claims_version != c->claims.version)
		settle(c, n, n->path);
	if (!n->owner->is_described)
		entry_describe(c, n->owner);
	return n->owner;
}

static size_t depth_of(const struct entry *e)
{
	size_t depth = 0;

	for (const struct container *c = e->c.parent; c; c = c->parent)
		depth++;
	return depth;
}

/* Which of two hierarchies tells more of a task. */
static struct entry *better(struct entry *a, struct entry *b)
{
	if (a->c.kind != b->c.kind)
		return a->c.kind > b->c.kind ? a : b;
	return depth_of(b) > depth_of(a) ? b : a;
}

static struct entry *owner_of_pair(struct containers *c, uint64_t v2_id, uint64_t v1_id)
{
	struct entry *v2 = owner_of(c, HIERARCHY_V2, v2_id);

	return v1_id ? better(v2, owner_of(c, HIERARCHY_V1, v1_id)) : v2;
}

const struct container *containers_by_cgroup(struct containers *c, uint64_t v2_id, uint64_t v1_id)
{
	return &owner_of_pair(c, v2_id, v1_id)->c;
}

const struct container *containers_host(const struct containers *c)
{
	return &c->host_entry->c;
}

const struct container *containers_by_pid(struct containers *c, pid_t pid)
{
	_cleanup_free_ char *file = xasprintf("%s/proc/%d/cgroup", c->root, pid), *text = NULL;
	struct entry *owner = c->host_entry;

	if (pid <= 0 || read_file(file, PROC_CGROUP_MAX, &text, NULL) < 0)
		return &owner->c;
	for (int i = 0; i < HIERARCHIES; i++) {
		size_t n;
		const char *at = cgroups_of_process(&c->cgroups, i, text, &n);
		_cleanup_free_ char *path = at ? xstrndup(at, n) : NULL;

		if (path)
			owner = better(owner, entry_of_path(c, path));
	}
	return &owner->c;
}

/* --- announcements --- */

/* Index of a hierarchy by the kernel's number; -1: one that is not followed. */
static int hierarchy_of(const struct containers *c, int number)
{
	if (number == 0)
		return HIERARCHY_V2;
	return c->cgroups.controller && number == c->cgroups.number ? HIERARCHY_V1 : -1;
}

void containers_on_mkdir(struct containers *c, int number, uint64_t id, const char *path)
{
	int hierarchy = hierarchy_of(c, number);
	struct node *n;

	if (hierarchy < 0 || !id)
		return;
	c->announcements++;
	if (path && path[0] == '/' && strlen(path) < ANNOUNCED_PATH_MAX)
		n = node_at(c, hierarchy, id, path);
	else
		n = look_for(c, hierarchy, id);
	if (!n)
		return;
	if (n->is_own && !n->owner->c.created)
		n->owner->c.created = time(NULL);
	/* `ctr` writes its bundle before it makes the cgroup. */
	if (n->owner->c.kind != OWNER_CONTAINER && n->path) {
		entries_claim(c, false);
		settle(c, n, n->path);
	}
}

static bool is_gone(const struct containers *c, int hierarchy, uint64_t id)
{
	_cleanup_free_ char *path = NULL;

	return id && cgroups_path_of(&c->cgroups, hierarchy, id, &path) == -ENOENT;
}

bool containers_cgroups_are_gone(const struct containers *c, uint64_t v2_id, uint64_t v1_id)
{
	return is_gone(c, HIERARCHY_V2, v2_id) || is_gone(c, HIERARCHY_V1, v1_id);
}

static bool was_removed(const struct containers *c, int hierarchy, uint64_t id)
{
	const struct node *n = id ? find_node(c, hierarchy, id) : NULL;

	return n && n->is_gone;
}

bool containers_cgroups_were_removed(const struct containers *c, uint64_t v2_id, uint64_t v1_id)
{
	return was_removed(c, HIERARCHY_V2, v2_id) || was_removed(c, HIERARCHY_V1, v1_id);
}

size_t containers_count_cgroups(const struct containers *c)
{
	return c->nnodes;
}

void containers_on_rmdir(struct containers *c, int number, uint64_t id)
{
	int hierarchy = hierarchy_of(c, number);
	struct node *n = hierarchy < 0 ? NULL : find_node(c, hierarchy, id);

	if (!n || n->is_gone)
		return;
	add_live(n, -1);
	n->is_gone = true;
}

/* A task of another PID namespace ran in a cgroup of nobody: that is a container, unless processes
 * of the host are there, too. It may be gone by now; then the announcement is all there is. */
static void claim_bare(struct containers *c, int hierarchy, uint64_t id)
{
	const struct node *n = id ? find_node(c, hierarchy, id) : NULL;

	if (n && n->path && strcmp(n->path, "/") != 0 && n->owner->c.kind == OWNER_HOST &&
	    process_tenants(c, hierarchy, n->path) != TENANTS_OF_HOST)
		entries_claim_bare(c, n->path);
}

void containers_on_task(struct containers *c, pid_t pid, uint64_t v2_id, uint64_t v1_id,
			bool own_pid_namespace)
{
	struct entry *owner;

	c->announcements++;
	owner = owner_of_pair(c, v2_id, v1_id);
	if (owner->c.kind != OWNER_CONTAINER) {
		entries_claim(c, false);
		owner = owner_of_pair(c, v2_id, v1_id);
	}
	if (owner->c.kind == OWNER_HOST && own_pid_namespace) {
		claim_bare(c, HIERARCHY_V2, v2_id);
		claim_bare(c, HIERARCHY_V1, v1_id);
		owner = owner_of_pair(c, v2_id, v1_id);
	}
	if (owner->c.kind == OWNER_CONTAINER && !owner->c.init_pid && own_pid_namespace &&
	    process_is_init(c, pid))
		owner->c.init_pid = pid;
}

/* --- scans --- */

/* Decides again about every cgroup whose owner may still turn out to be a container. */
static void settle_all(struct containers *c)
{
	for (size_t i = 0; i < c->nnodes; i++)
		if (c->nodes[i].path && c->nodes[i].claims_version != c->claims.version)
			settle(c, &c->nodes[i], c->nodes[i].path);
}

/* Containers that no runtime tells of: their processes have a PID namespace of their own. */
static void find_bare(struct containers *c)
{
	for (size_t i = 0; i < c->nnodes; i++) {
		struct node *n = &c->nodes[i];

		if (n->path && n->claims_version != c->claims.version)
			settle(c, n, n->path);
		if (n->is_gone || n->owner->c.kind != OWNER_HOST || !n->path ||
		    strcmp(n->path, "/") == 0 ||
		    process_tenants(c, n->hierarchy, n->path) != TENANTS_OF_CONTAINER)
			continue;
		entries_claim_bare(c, n->path);
		settle(c, n, n->path);
	}
}

static void drop_unseen(struct containers *c)
{
	for (size_t i = 0; i < c->nnodes; i++) {
		struct node *n = &c->nodes[i];

		if (!n->is_seen && !n->is_unknown && !n->is_gone) {
			add_live(n, -1);
			n->is_gone = true;
		}
		n->is_seen = false;
	}
}

/* Takes what the claims tell, and asks once more for those that were given up. */
static void describe_again(struct containers *c, uint64_t start)
{
	for (size_t i = 0; i < c->nentries; i++) {
		struct entry *e = c->entries[i];

		if (e->c.gone)
			continue;
		entry_apply_claim(c, e);
		if (e->tried >= start)
			continue;
		e->next_try = 0;
		e->tries = MIN(e->tries, LAST_TRY);
		entry_describe(c, e);
	}
}

int containers_rescan(struct containers *c)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	c->announcements++;
	settings_read_files(&c->settings, c->root);
	entries_ask_daemons(c, true);
	c->is_scanning = true;
	for (int i = 0; i < HIERARCHIES; i++)
		walk(c, i);
	c->is_scanning = false;
	drop_unseen(c);
	entries_claim(c, true);
	settle_all(c);
	find_bare(c);
	describe_again(c, start);
	return 0;
}

int containers_open(const struct containers_options *options, struct containers **out)
{
	struct containers *c = xcalloc(1, sizeof(*c));
	int err;

	c->root = xstrdup(options && options->root ? options->root : "");
	c->host.root = -1;
	settings_init(&c->settings);
	settings_init(&c->defaults);
	entries_init(c);
	err = place_open(&c->host, c->root, 0, &c->settings);
	if (err) {
		log_error("cannot open %s: %s", *c->root ? c->root : "/", strerror(-err));
		goto fail;
	}
	err = cgroups_find(&c->cgroups, c->root);
	if (err) {
		log_error("cannot read %s/proc/self/mountinfo: %s (is /proc mounted?)", c->root,
			  strerror(-err));
		goto fail;
	}
	containers_rescan(c);
	*out = c;
	return 0;
fail:
	containers_free(c);
	return err;
}

void containers_free(struct containers *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nnodes; i++)
		free(c->nodes[i].path);
	for (size_t i = 0; i < c->nusers; i++)
		place_close(&c->users[i]);
	place_close(&c->host);
	free(c->nodes);
	free(c->entries);
	free(c->users);
	index_free(&c->by_node);
	index_free(&c->by_path);
	index_free(&c->by_id);
	claims_free(&c->claims);
	cgroups_release(&c->cgroups);
	settings_free(&c->settings);
	settings_free(&c->defaults);
	arena_free(&c->arena);
	free(c->root);
	free(c);
}

enum cgroup_mode containers_mode(const struct containers *c)
{
	return c->cgroups.mode;
}

const char *containers_v1_controller(const struct containers *c)
{
	return c->cgroups.controller;
}

int containers_v1_hierarchy(const struct containers *c)
{
	return c->cgroups.number;
}
