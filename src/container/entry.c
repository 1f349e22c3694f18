/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns a cgroup path: patterns and claims along it, from the outside in, each making an entry
 * whose parent is the one before; then the metadata, which may come later than the cgroup. An
 * entry's strings may be replaced by better ones; the old stay valid, they are in the arena.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "container/pattern.h"
#include "container/registry.h"
#include "container/runtime.h"

/* Who may make cgroups may make many; what is above belongs to what is around it. */
#define ENTRIES_MAX 65536

/* Metadata that is late comes within seconds; after so many tries, each twice as long after the
 * one before, only a rescan asks again. */
#define TRIES_MAX    (LAST_TRY + 1)
#define FIRST_TRY_NS 1000000ULL
/* What was there before us had its time: so many tries only, seconds apart. */
#define LATE_TRIES 3

/* As `docker ps` shows an id: the name until a better one is known. */
#define SHORT_ID 12

#define USERS_MAX 1024

/* The runtime of a container that is known by its PID namespace only. */
#define BARE "oci"

static char *keep(struct containers *c, const char *s, size_t n)
{
	return utf8_clean(arena_strndup(&c->arena, s, n));
}

/* --- entries by path and by id --- */

struct path_key {
	const char *path;
	size_t length;
};

static bool entry_has_path(const void *key, uint32_t position, const void *context)
{
	const struct path_key *want = key;
	const struct containers *c = context;
	const char *path = c->entries[position]->path;

	return strncmp(path, want->path, want->length) == 0 && !path[want->length];
}

static struct entry *entry_at(const struct containers *c, const char *path, size_t length)
{
	struct path_key key = { path, length };
	uint32_t at = index_find(&c->by_path, hash_bytes(path, length), &key, entry_has_path, c);
	struct entry *e = at == INDEX_NONE ? NULL : c->entries[at];

	while (e && e->newer)
		e = e->newer;
	return e;
}

static bool entry_has_id(const void *key, uint32_t position, const void *context)
{
	const struct entry *e = ((const struct containers *)context)->entries[position];

	return !e->is_guess && e->is_described && strcmp(e->c.id, key) == 0;
}

static bool is_known(const char *id, void *context)
{
	struct containers *c = context;

	return index_find(&c->by_id, hash_string(id), id, entry_has_id, c) != INDEX_NONE;
}

static struct entry *add_entry(struct containers *c, const char *path, size_t length)
{
	struct entry *e = arena_alloc(&c->arena, sizeof(*e));
	struct entry *older = entry_at(c, path, length);

	e->path = arena_strndup(&c->arena, path, length);
	e->c.cgroup = keep(c, path, length);
	GROW(c->entries, c->nentries, c->entries_capacity);
	c->entries[c->nentries] = e;
	if (older)
		older->newer = e;
	else
		index_insert(&c->by_path, hash_bytes(path, length), (uint32_t)c->nentries);
	c->nentries++;
	return e;
}

static void set_id(struct containers *c, struct entry *e, const char *id)
{
	size_t n = strlen(id);
	uint32_t position = 0;

	e->c.id = keep(c, id, n);
	e->c.name = strspn(id, "0123456789abcdef") == 64 ? keep(c, id, SHORT_ID) : e->c.id;
	while (c->entries[c->nentries - 1 - position] != e)
		position++;
	index_insert(&c->by_id, hash_string(id), (uint32_t)c->nentries - 1 - position);
}

void entries_init(struct containers *c)
{
	struct entry *host = add_entry(c, "/", 1);

	host->c.kind = OWNER_HOST;
	host->c.name = (char *)"host";
	host->c.id = (char *)"";
	host->c.runtime = (char *)"";
	host->is_described = true;
	c->host_entry = host;
	claims_init(&c->claims, &c->cgroups, is_known, c);
}

bool entry_is_within(const struct entry *e, const struct container *container)
{
	for (const struct container *c = &e->c; c; c = c->parent)
		if (c == container)
			return true;
	return false;
}

/* --- metadata --- */

static void set_if_known(char **field, char *value)
{
	if (value)
		*field = value;
}

static void apply(struct entry *e, const struct details *d)
{
	set_if_known(&e->c.name, d->name);
	set_if_known(&e->c.image, d->image);
	set_if_known(&e->c.pod, d->pod);
	set_if_known(&e->c.namespace, d->namespace);
	set_if_known(&e->c.pod_uid, d->pod_uid);
	if (d->nlabels) {
		e->c.labels = d->labels;
		e->c.nlabels = d->nlabels;
	}
	e->c.is_sandbox = d->is_sandbox;
	if (d->init_pid)
		e->c.init_pid = d->init_pid;
	if (d->created)
		e->c.created = d->created;
	e->is_described = true;
}

/* systemd registers virtual machines like containers; those are units. */
static void demote(struct entry *e)
{
	const char *slash = strrchr(e->c.cgroup, '/');

	e->c.kind = OWNER_UNIT;
	e->c.name = (char *)slash + 1;
	e->c.id = (char *)"";
	e->c.runtime = (char *)"systemd";
	e->is_described = true;
}

static struct place *user_place(struct containers *c, uid_t uid)
{
	for (size_t i = 0; i < c->nusers; i++)
		if (c->users[i].uid == uid)
			return &c->users[i];
	if (c->nusers == USERS_MAX)
		return NULL;
	settings_add_user(&c->settings, c->root, uid);
	GROW(c->users, c->nusers, c->users_capacity);
	if (place_open(&c->users[c->nusers], c->root, uid, &c->settings) < 0)
		return NULL;
	return &c->users[c->nusers++];
}

/*
 * A nested container's runtime is inside the outer one. It is looked at through a process there,
 * and only for the moment: an open root would keep the outer container's mounts alive. A process
 * that still has the host's mounts is one that is just being put into the container.
 */
static int open_inside(struct containers *c, const struct container *outer, struct place *place)
{
	pid_t pid = process_of_cgroup(c, path_of(outer));
	_cleanup_free_ char *root = NULL;

	if (!pid || !process_has_own_mount_namespace(c, pid))
		return -ENOENT;
	root = xasprintf("%s/proc/%d/root", c->root, pid);
	return place_open(place, root, 0, &c->defaults);
}

static const struct runtime *ask(struct containers *c, struct entry *e, struct details *d)
{
	const struct runtime *found = NULL;
	struct place inside, *place = &c->host;

	if (e->c.parent) {
		if (open_inside(c, e->c.parent, &inside) < 0)
			return NULL;
		found = runtimes_describe(&inside, e->keeper, e->c.id, d);
		place_close(&inside);
		return found;
	}
	if (e->uid)
		place = user_place(c, e->uid);
	return place ? runtimes_describe(place, e->keeper, e->c.id, d) : NULL;
}

static bool is_host_process(pid_t pid, void *context)
{
	struct containers *c = context;

	return !process_has_own_pid_namespace(c, pid) &&
	       containers_by_pid(c, pid)->kind != OWNER_CONTAINER;
}

bool entries_ask_daemons(struct containers *c, bool now)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	size_t before = c->settings.nroots;

	if (!now && !pace_allows(&c->asking_daemons, start))
		return false;
	/* Deciding who is a host process may itself ask for metadata, and so for daemons. */
	c->asking_daemons.end = UINT64_MAX;
	settings_read_daemons(&c->settings, c->root, is_host_process, c);
	pace_spent(&c->asking_daemons, start);
	return c->settings.nroots != before;
}

/* A user's claim counts only below that user's slice. */
static const struct claim *claim_on(const struct containers *c, const char *path, size_t length,
				    uid_t uid)
{
	const struct claim *claim = c->claims.n ? claims_find(&c->claims, path, length) : NULL;

	return claim && claim->uid && claim->uid != uid ? NULL : claim;
}

static bool is_bare(const struct claim *claim)
{
	return strcmp(claim->runtime, BARE) == 0;
}

/* A claim that is newer than what the entry has from an older one, or all there is. */
static void apply_claim(struct containers *c, struct entry *e, const struct claim *claim)
{
	if (!claim || is_bare(claim) || claim == e->claim || (e->is_described && !e->claim))
		return;
	if (e->is_guess && strcmp(e->c.runtime, claim->runtime) != 0) {
		e->c.runtime = (char *)claim->runtime;
		set_id(c, e, claim->id);
	}
	apply(e, &claim->details);
	e->claim = claim;
	e->is_guess = false;
}

void entry_apply_claim(struct containers *c, struct entry *e)
{
	apply_claim(c, e, claim_on(c, e->path, strlen(e->path), e->uid));
}

static bool describe_by_id(struct containers *c, struct entry *e)
{
	struct details d = { .arena = &c->arena, .in_pod = e->c.pod_uid != NULL };
	const struct runtime *found;

	if (!e->is_by_form || !is_safe_name(e->c.id))
		return false;
	found = ask(c, e, &d);
	if (!found && !e->c.parent && entries_ask_daemons(c, false))
		found = ask(c, e, &d);
	if (!found)
		return false;
	apply(e, &d);
	if (e->is_guess)
		e->c.runtime = (char *)found->name;
	e->is_guess = false;
	if (d.is_machine)
		demote(e);
	return true;
}

void entry_describe(struct containers *c, struct entry *e)
{
	uint64_t now;

	if (e->is_described || e->c.kind != OWNER_CONTAINER || e->tries >= TRIES_MAX)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	if (now < e->next_try)
		return;
	e->tried = now;
	if (describe_by_id(c, e))
		return;
	/* A scan reads the claims once, when it knows which ones it needs none of. */
	if (!c->is_scanning)
		entries_claim(c, false);
	entry_apply_claim(c, e);
	if (e->is_described)
		return;
	e->next_try = clock_ns(CLOCK_MONOTONIC) + (FIRST_TRY_NS << MIN(e->tries, TRIES_MAX));
	e->tries++;
}

void entry_revive(struct containers *c, struct entry *e)
{
	if (!e->c.gone)
		return;
	/* The same container, started again: its process is another, and so may be the rest. */
	e->c.gone = false;
	e->c.init_pid = 0;
	e->c.created = 0;
	if (e->c.kind == OWNER_CONTAINER) {
		e->is_described = false;
		e->tries = 0;
		e->next_try = 0;
		entry_describe(c, e);
	}
}

/* --- claims --- */

static void claim_in(struct containers *c, struct place *place)
{
	c->claims.uid = place->uid;
	for (const struct runtime *const *r = runtimes; *r; r++)
		if ((*r)->claim)
			(*r)->claim(place, &c->claims);
	c->claims.uid = 0;
}

void entries_claim(struct containers *c, bool now)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	if (!now && !pace_allows(&c->claiming, start))
		return;
	claim_in(c, &c->host);
	for (size_t i = 0; i < c->nusers; i++)
		claim_in(c, &c->users[i]);
	pace_spent(&c->claiming, start);
}

void entries_claim_bare(struct containers *c, const char *path)
{
	struct details d = { .arena = claims_arena(&c->claims) };
	const char *name = strrchr(path, '/');
	size_t n = strlen(path);

	/* Not the root, and not what systemd or a runtime claims. */
	if (!name || !is_safe_name(name + 1) || (n > 6 && strcmp(path + n - 6, ".slice") == 0) ||
	    claims_find(&c->claims, path, n))
		return;
	claims_add(&c->claims, path, BARE, name + 1, &d);
}

/* --- paths --- */

static struct entry *new_container(struct containers *c, const char *path, size_t length,
				   const struct cgroup_match *m, const struct claim *claim,
				   struct entry *outer, uid_t uid)
{
	struct entry *e = add_entry(c, path, length);

	e->c.kind = OWNER_CONTAINER;
	e->c.parent = outer ? &outer->c : NULL;
	e->uid = outer ? 0 : uid;
	e->tries = c->is_scanning ? TRIES_MAX - LATE_TRIES : 0;
	if (m) {
		e->c.runtime = (char *)m->runtime;
		e->keeper = m->keeper;
		e->is_guess = !m->keeper;
		e->is_by_form = true;
		set_id(c, e, m->id);
		if (*m->pod_uid)
			e->c.pod_uid = keep(c, m->pod_uid, strlen(m->pod_uid));
	} else {
		e->c.runtime = (char *)claim->runtime;
		e->is_guess = is_bare(claim);
		set_id(c, e, claim->id);
	}
	return e;
}

/* The container whose own cgroup is path[0..length), told by its form, a claim, or both. */
static struct entry *container_at(struct containers *c, const char *path, size_t length,
				  const struct cgroup_match *m, const struct claim *claim,
				  struct entry *outer, uid_t uid)
{
	struct entry *e = entry_at(c, path, length);

	if (e && e->c.kind == OWNER_UNIT && e->keeper && !claim)
		return e; /* a virtual machine */
	if (e && (e->c.kind != OWNER_CONTAINER ||
		  (!m && !e->is_guess && !is_bare(claim) && strcmp(e->c.id, claim->id) != 0)))
		e = NULL; /* another one has taken its place */
	if (!e) {
		if (c->nentries >= ENTRIES_MAX)
			return outer ? outer : c->host_entry;
		e = new_container(c, path, length, m, claim, outer, uid);
	}
	if (m)
		entry_describe(c, e);
	apply_claim(c, e, claim);
	return e;
}

static struct entry *unit_at(struct containers *c, const char *path, size_t length)
{
	struct entry *e = entry_at(c, path, length);
	size_t start = length;

	if (e || c->nentries >= ENTRIES_MAX)
		return e ? e : c->host_entry;
	while (start && path[start - 1] != '/')
		start--;
	e = add_entry(c, path, length);
	e->c.kind = OWNER_UNIT;
	e->c.name = keep(c, path + start, length - start);
	e->c.id = (char *)"";
	e->c.runtime = (char *)"systemd";
	e->is_described = true;
	return e;
}

struct entry *entry_of_path(struct containers *c, const char *path)
{
	struct cgroup_match matches[NESTING_MAX];
	size_t n = cgroup_matches(path, matches), next = 0, length;
	struct entry *inner = NULL;
	uid_t uid = 0;

	if (!cgroup_user(path, &uid) || !user_place(c, uid))
		uid = 0;
	for (const char *s = path; *s; s += *s == '/') {
		const struct cgroup_match *m = NULL;
		const struct claim *claim;

		s += strcspn(s, "/");
		length = (size_t)(s - path);
		if (!length)
			continue;
		if (next < n && matches[next].length == length)
			m = &matches[next++];
		claim = claim_on(c, path, length, uid);
		if (m || claim)
			inner = container_at(c, path, length, m, claim, inner, uid);
	}
	if (inner)
		return inner;
	return cgroup_unit(path, &length) ? unit_at(c, path, length) : c->host_entry;
}
