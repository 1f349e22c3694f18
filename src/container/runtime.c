/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of runtimes and what their files have in common: Kubernetes writes the same facts
 * under other keys for each of them. See runtime.h.
 */
#include "container/runtime.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"

const struct runtime *const runtimes[] = {
	&runtime_docker, &runtime_containerd, &runtime_crio,
	&runtime_podman, &runtime_runc,	      &runtime_crun,
	&runtime_lxc,	 &runtime_nspawn,     NULL,
};

/* Facts under well-known keys: kubelet's labels (pkg/kubelet/types/labels.go), containerd's CRI
 * plugin (annotations.go), CRI-O (pkg/annotations), nerdctl, Amazon ECS. */
static const struct {
	const char *key;
	size_t field;
	bool of_label; /* counts as a label, in a pod, and as an annotation; else the latter only */
} facts[] = {
#define FACT(key, field, of_label)                             \
	{                                                      \
		key, offsetof(struct details, field), of_label \
	}
	FACT("io.kubernetes.container.name", name, true),
	FACT("io.kubernetes.pod.name", pod, true),
	FACT("io.kubernetes.pod.namespace", namespace, true),
	FACT("io.kubernetes.pod.uid", pod_uid, true),
	FACT("io.kubernetes.cri.container-name", name, false),
	FACT("io.kubernetes.cri.sandbox-name", pod, false),
	FACT("io.kubernetes.cri.sandbox-namespace", namespace, false),
	FACT("io.kubernetes.cri.sandbox-uid", pod_uid, false),
	FACT("io.kubernetes.cri.image-name", image, false),
	FACT("io.kubernetes.cri-o.Image", image, false),
	FACT("io.kubernetes.cri-o.ImageName", image, false),
	FACT("nerdctl/name", name, false),
#undef FACT
};

/* A pod's pause container. */
static const struct {
	const char *key, *value;
} sandboxes[] = {
	{ "io.kubernetes.cri.container-type", "sandbox" },
	{ "io.kubernetes.cri-o.ContainerType", "sandbox" },
	{ "io.kubernetes.docker.type", "podsandbox" },
	{ "io.cri-containerd.kind", "sandbox" },
};

const struct runtime *runtimes_describe(struct place *place, const char *keeper, const char *id,
					struct details *d)
{
	for (const struct runtime *const *r = runtimes; *r; r++) {
		if (keeper && strcmp((*r)->name, keeper) != 0)
			continue;
		if ((*r)->describe(place, id, d) == 0) {
			details_done(d);
			return *r;
		}
	}
	return NULL;
}

/* Cuts before a character, not inside it. */
static size_t cut(const char *s, size_t limit)
{
	size_t n = strnlen(s, limit + 1);

	if (n <= limit)
		return n;
	n = limit;
	while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static char *copy(struct details *d, const char *s)
{
	return utf8_clean(arena_strndup(d->arena, s, cut(s, TEXT_VALUE_MAX)));
}

void details_set(struct details *d, char **field, const char *value)
{
	if (value && *value)
		*field = copy(d, value);
}

static void add_label(struct details *d, const char *key, const char *value)
{
	if (d->nlabels == LABELS_MAX)
		return;
	if (d->nlabels == d->labels_capacity) {
		size_t more = d->labels_capacity ? d->labels_capacity * 2 : 8;
		struct key_value *moved = arena_alloc(d->arena, more * sizeof(*moved));

		if (d->nlabels)
			memcpy(moved, d->labels, d->nlabels * sizeof(*moved));
		d->labels = moved;
		d->labels_capacity = more;
	}
	d->labels[d->nlabels++] = (struct key_value){ .key = copy(d, key),
						      .value = copy(d, value) };
}

void details_label(struct details *d, const char *key, const char *value, enum word_of word)
{
	add_label(d, key, value);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (strcmp(key, facts[i].key) == 0 &&
		    (word == WORD_OF_RUNTIME || (facts[i].of_label && d->in_pod)))
			details_set(d, (char **)((char *)d + facts[i].field), value);
	for (size_t i = 0; i < ARRAY_SIZE(sandboxes); i++)
		if (strcmp(key, sandboxes[i].key) == 0 && strcmp(value, sandboxes[i].value) == 0 &&
		    (word == WORD_OF_RUNTIME || d->in_pod))
			d->is_sandbox = true;
}

void details_labels(struct details *d, const json_t *object, enum word_of word)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) if (json_is_string(value))
		details_label(d, key, json_string_value(value), word);
}

void details_done(struct details *d)
{
	/* "POD" for one runtime, nothing for another: one word for all. */
	if (d->is_sandbox)
		details_set(d, &d->name, "pause");
}

int64_t parse_time(const char *text)
{
	int sign = 0, hours = 0, minutes = 0;
	struct tm tm = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest)
		return 0;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (*rest == '+' || *rest == '-') {
		sign = *rest == '+' ? 1 : -1;
		if (sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2)
			return 0;
	}
	int64_t seconds = timegm(&tm) - (int64_t)sign * (hours * 3600 + minutes * 60);

	return seconds > 0 ? seconds : 0;
}

pid_t json_pid(const json_t *value)
{
	json_int_t pid = json_integer_value(value);

	return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}
