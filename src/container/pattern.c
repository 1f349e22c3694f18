/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of cgroup paths and the small matcher for it; see pattern.h.
 *
 * A row's form is the last components of a container's own cgroup path, literal but for
 *     {id}       64 hexadecimal digits
 *     {name}     any name
 *     {machine}  any name, escaped as systemd escapes it ("-" is "\x2d")
 *     *          anything
 * The first row that fits a component decides. What no row fits ("crio-conmon-ID.scope",
 * "lxc.monitor.NAME", "libpod-conmon-ID.scope") is not a container.
 */
#include "container/pattern.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"

#define ID_DIGITS 64

enum meaning {
	IS_CONTAINER,
	IS_OTHER,      /* looks like a row below, but is none */
	IS_SUPERVISOR, /* inside the container's cgroup, but part of the host */
};

static const struct {
	enum meaning meaning;
	const char *runtime, *keeper;
	const char *form;
} forms[] = {
	{ IS_CONTAINER, "ecs", "docker", "ecs/*/{id}" },
	{ IS_CONTAINER, "ecs", "docker", "ecstasks-*.slice/docker-{id}.scope" },
	{ IS_CONTAINER, "docker", "docker", "docker/{id}" },
	{ IS_CONTAINER, "docker", "docker", "docker-{id}.scope" },
	{ IS_CONTAINER, "containerd", "containerd", "cri-containerd-{id}.scope" },
	{ IS_CONTAINER, "containerd", "containerd", "nerdctl-{id}.scope" },
	{ IS_CONTAINER, "cri-o", "cri-o", "crio-{id}.scope" },
	{ IS_CONTAINER, "cri-o", "cri-o", "crio-{id}" },
	{ IS_CONTAINER, "podman", "podman", "libpod-{id}.scope" },
	{ IS_CONTAINER, "podman", "podman", "libpod-{id}" },
	{ IS_CONTAINER, "lxc", "lxc", "lxc.payload.{name}" },
	{ IS_CONTAINER, "lxc", "lxc", "lxc.payload/{name}" },
	{ IS_CONTAINER, "lxc", "lxc", "lxc/{name}" },
	/* libvirt registers its virtual machines under the same prefix. */
	{ IS_OTHER, NULL, NULL, "machine-qemu\\x2d*.scope" },
	{ IS_CONTAINER, "nspawn", "nspawn", "machine.slice/machine-{machine}.scope" },
	{ IS_SUPERVISOR, NULL, NULL, "machine.slice/machine-*.scope/supervisor" },
	{ IS_CONTAINER, "nspawn", "nspawn",
	  "machine.slice/systemd-nspawn@{machine}.service/payload" },
	/* kubelet's cgroupfs driver with Docker or containerd, or a parent cgroup of somebody's
	 * choice: the path does not tell whose it is, the files do. */
	{ IS_CONTAINER, "containerd", NULL, "pod*/{id}" },
	{ IS_CONTAINER, "oci", NULL, "{id}" },
};

/* A piece of a path, not NUL-terminated. */
struct slice {
	const char *s;
	size_t n;
};

bool is_safe_name(const char *name)
{
	size_t n = strnlen(name, CONTAINER_ID_SIZE);

	return n && n < CONTAINER_ID_SIZE && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !strchr(name, '/');
}

static bool is_lower_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static size_t hex_length(struct slice s)
{
	size_t n = 0;

	while (n < s.n && is_lower_hex(s.s[n]))
		n++;
	return n;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* systemd.unit(5), "String escaping for inclusion in unit names". */
static bool unescape(struct slice from, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < from.n; i++) {
		char c = from.s[i];

		if (c == '\\' && from.n - i >= 4 && from.s[i + 1] == 'x' &&
		    hex_value(from.s[i + 2]) >= 0 && hex_value(from.s[i + 3]) >= 0) {
			c = (char)(hex_value(from.s[i + 2]) << 4 | hex_value(from.s[i + 3]));
			i += 3;
		}
		if (!c || n == CONTAINER_ID_SIZE - 1)
			return false;
		to[n++] = c;
	}
	to[n] = '\0';
	return is_safe_name(to);
}

static bool copy_name(struct slice from, char *to)
{
	if (!from.n || from.n >= CONTAINER_ID_SIZE)
		return false;
	memcpy(to, from.s, from.n);
	to[from.n] = '\0';
	return is_safe_name(to);
}

static bool starts_with(struct slice s, const char *prefix, size_t n)
{
	return s.n >= n && memcmp(s.s, prefix, n) == 0;
}

/* One component against one component of a form. At most one placeholder stands in it, and in the
 * whole form at most one that names the container. */
static bool component_fits(struct slice component, struct slice form, char *id)
{
	size_t before = strcspn(form.s, "{*"), after;
	struct slice inner, placeholder;

	if (before >= form.n)
		return component.n == form.n && starts_with(component, form.s, form.n);
	placeholder.s = form.s + before;
	placeholder.n = *placeholder.s == '*' ? 1 : strcspn(placeholder.s, "}") + 1;
	after = form.n - before - placeholder.n;
	if (component.n < before + after || !starts_with(component, form.s, before) ||
	    memcmp(component.s + component.n - after, placeholder.s + placeholder.n, after) != 0)
		return false;
	inner = (struct slice){ component.s + before, component.n - before - after };
	switch (placeholder.s[1]) {
	case 'i':
		return inner.n == ID_DIGITS && hex_length(inner) == ID_DIGITS &&
		       copy_name(inner, id);
	case 'n':
		return copy_name(inner, id);
	case 'm':
		return unescape(inner, id);
	default:
		return true;
	}
}

/* The component before `at`; an empty slice at the start of the path. */
static struct slice previous(const char *path, struct slice at)
{
	const char *end = at.s;

	while (end > path && end[-1] == '/')
		end--;
	const char *start = end;

	while (start > path && start[-1] != '/')
		start--;
	return (struct slice){ start, (size_t)(end - start) };
}

/* Do the path's components up to and including `last` end as the form says? */
static bool form_fits(const char *path, struct slice last, const char *form, char *id)
{
	size_t length = strlen(form);
	struct slice want = { form + length, 0 };
	struct slice have = last;

	for (bool is_last = true;; is_last = false) {
		want = previous(form, want);
		if (!want.n)
			return true;
		if (!is_last)
			have = previous(path, have);
		if (!have.n || !component_fits(have, want, id))
			return false;
	}
}

/* --- pods --- */

/* Kubernetes' UIDs are UUIDs; static pods have 32 digits without dashes. */
static bool copy_pod_uid(struct slice s, char *to)
{
	if (s.n < 8 || s.n >= POD_UID_SIZE)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_lower_hex(s.s[i]) && s.s[i] != '-' && s.s[i] != '_')
			return false;
		to[i] = s.s[i] == '_' ? '-' : s.s[i];
	}
	to[s.n] = '\0';
	return true;
}

static bool contains(struct slice s, const char *word)
{
	return memmem(s.s, s.n, word, strlen(word)) != NULL;
}

static bool ends_with(struct slice s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && memcmp(s.s + s.n - n, suffix, n) == 0;
}

/*
 * "podUID" below a "kubepods", or systemd's "…kubepods…-podUID_.slice" whatever kubelet's
 * --cgroup-root put in front. cm/pod_container_manager_linux.go and cgroup_manager_linux.go of
 * kubelet.
 */
static bool pod_of_component(struct slice s, bool in_kubepods, char *uid)
{
	static const char dash_pod[] = "-pod", suffix[] = ".slice";

	if (ends_with(s, suffix) && contains(s, "kubepods")) {
		s.n -= strlen(suffix);
		for (size_t i = s.n; i-- > 0;) {
			struct slice rest = { s.s + i, s.n - i };

			if (!starts_with(rest, dash_pod, strlen(dash_pod)))
				continue;
			rest.s += strlen(dash_pod);
			rest.n -= strlen(dash_pod);
			return copy_pod_uid(rest, uid);
		}
		return false;
	}
	if (!in_kubepods || !starts_with(s, "pod", 3))
		return false;
	return copy_pod_uid((struct slice){ s.s + 3, s.n - 3 }, uid);
}

/* --- whole paths --- */

/* Steps `at` to the next component; false at the end. Starts from { path, 0 }. */
static bool next_component(struct slice *at)
{
	const char *s = at->s + at->n;

	while (*s == '/')
		s++;
	at->s = s;
	at->n = strcspn(s, "/");
	return at->n > 0;
}

size_t cgroup_matches(const char *path, struct cgroup_match matches[NESTING_MAX])
{
	struct slice at = { path, 0 };
	char pod_uid[POD_UID_SIZE] = "";
	bool in_kubepods = false;
	size_t n = 0;

	while (next_component(&at)) {
		char id[CONTAINER_ID_SIZE];
		size_t row = 0;

		in_kubepods = in_kubepods || (at.n == 8 && starts_with(at, "kubepods", 8));
		if (pod_of_component(at, in_kubepods, pod_uid))
			continue;
		while (row < ARRAY_SIZE(forms) && !form_fits(path, at, forms[row].form, id))
			row++;
		if (row == ARRAY_SIZE(forms) || forms[row].meaning == IS_OTHER)
			continue;
		if (forms[row].meaning == IS_SUPERVISOR)
			return n ? n - 1 : 0;
		if (n == NESTING_MAX)
			break;
		struct cgroup_match *m = &matches[n++];

		m->runtime = forms[row].runtime;
		m->keeper = forms[row].keeper;
		m->length = (size_t)(at.s + at.n - path);
		memcpy(m->id, id, sizeof(id));
		memcpy(m->pod_uid, pod_uid, sizeof(pod_uid));
		/* A pod around a container says nothing of the containers inside that one. */
		pod_uid[0] = '\0';
		in_kubepods = false;
	}
	return n;
}

bool cgroup_unit(const char *path, size_t *length)
{
	struct slice at = { path, 0 };
	bool found = false;

	while (next_component(&at)) {
		if (!ends_with(at, ".service") && !ends_with(at, ".scope"))
			continue;
		/* A user manager's own processes are that manager, not "init.scope" of the host. */
		if (found && at.n == 10 && starts_with(at, "init.scope", 10))
			continue;
		found = true;
		*length = (size_t)(at.s + at.n - path);
	}
	return found;
}

bool cgroup_user(const char *path, uid_t *uid)
{
	struct slice at = { path, 0 };
	char digits[24];
	uint64_t value;

	while (next_component(&at)) {
		if (!starts_with(at, "user-", 5) || !ends_with(at, ".slice") ||
		    at.n - 11 >= sizeof(digits) || at.n <= 11)
			continue;
		memcpy(digits, at.s + 5, at.n - 11);
		digits[at.n - 11] = '\0';
		if (parse_u64(digits, &value) < 0 || value >= UINT_MAX)
			continue;
		*uid = (uid_t)value;
		return value != 0;
	}
	return false;
}

/* "a-b-c.slice" lies in "/a.slice/a-b.slice"; systemd.slice(5). "-.slice" is the root. */
static void add_slices(struct buffer *out, const char *slice, size_t n)
{
	if (n == 7 && memcmp(slice, "-.slice", 7) == 0)
		return;
	for (size_t i = 0; i + 6 < n; i++)
		if (slice[i] == '-')
			buffer_printf(out, "/%.*s.slice", (int)i, slice);
	buffer_printf(out, "/%.*s", (int)n, slice);
}

char *cgroups_path_expand(const char *cgroups_path)
{
	struct buffer out = { 0 };
	const char *prefix, *name;

	if (strlen(cgroups_path) >= PATH_MAX)
		return NULL;
	if (cgroups_path[0] == '/')
		return xstrdup(cgroups_path);
	prefix = strchr(cgroups_path, ':');
	name = prefix ? strchr(prefix + 1, ':') : NULL;
	if (!name || strchr(cgroups_path, '/'))
		return NULL;
	size_t slice = (size_t)(prefix - cgroups_path);

	if (slice > 6 && memcmp(prefix - 6, ".slice", 6) == 0)
		add_slices(&out, cgroups_path, slice);
	else if (!slice)
		buffer_puts(&out, "/system.slice");
	else
		return NULL;
	prefix++;
	if (strlen(name + 1) > 6 &&
	    ends_with((struct slice){ name + 1, strlen(name + 1) }, ".slice"))
		buffer_printf(&out, "/%s", name + 1);
	else if (name > prefix)
		buffer_printf(&out, "/%.*s-%s.scope", (int)(name - prefix), prefix, name + 1);
	else
		buffer_printf(&out, "/%s.scope", name + 1);
	return out.data;
}
