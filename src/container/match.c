/* SPDX-License-Identifier: Apache-2.0 */
/* What -c means, and what it may have meant. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "container/container.h"

/* Shorter ones would hit by accident: "web" is no id, but "fee" might be. */
#define ID_PREFIX_MIN 4

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

static bool is_id_prefix(const char *id, const char *pattern)
{
	size_t n = strlen(pattern);

	return n >= ID_PREFIX_MIN && strspn(pattern, "0123456789abcdefABCDEF") == n &&
	       strncasecmp(id, pattern, n) == 0;
}

/* "namespace/name"; a pod whose namespace is unknown (Podman has none) goes by its name. */
static char *pod_of(const struct container *container)
{
	if (!container->pod)
		return NULL;
	if (!container->namespace)
		return xstrdup(container->pod);
	return xasprintf("%s/%s", container->namespace, container->pod);
}

bool container_matches(const struct container *container, const char *pattern)
{
	_cleanup_free_ char *pod = pod_of(container);
	const char *const words[] = { container->name, container->id, pod };

	if (!*pattern)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!words[i] || !*words[i])
			continue;
		if (strcmp(words[i], pattern) == 0 ||
		    (is_glob(pattern) && fnmatch(pattern, words[i], 0) == 0))
			return true;
	}
	return is_id_prefix(container->id, pattern);
}

/* --- did you mean --- */

struct suggestion {
	const char *name;
	size_t distance;
};

struct suggestions {
	const char *pattern;
	struct suggestion *list;
	size_t n, capacity;
};

/* A third of the letters may be wrong, and one name may be the beginning of the other. */
static size_t distance_of(const char *name, const char *pattern)
{
	size_t length = strlen(pattern), limit = MAX(length / 3, (size_t)1);
	size_t distance = text_distance(name, pattern);

	if (length >= 2 && strncasecmp(name, pattern, length) == 0)
		distance = MIN(distance, limit);
	return distance <= limit ? distance : SIZE_MAX;
}

static int suggest_one(const struct container *container, void *context)
{
	struct suggestions *s = context;
	size_t distance = distance_of(container->name, s->pattern);

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->list[i].name, container->name) == 0)
			return 0;
	if (distance == SIZE_MAX)
		return 0;
	GROW(s->list, s->n, s->capacity);
	s->list[s->n++] = (struct suggestion){ container->name, distance };
	return 0;
}

static int by_distance(const void *a, const void *b)
{
	const struct suggestion *x = a, *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return strcmp(x->name, y->name);
}

size_t containers_suggest(struct containers *c, const char *pattern, const char **names, size_t max)
{
	struct suggestions s = { .pattern = pattern };
	size_t n;

	containers_each(c, suggest_one, &s);
	if (s.n)
		qsort(s.list, s.n, sizeof(*s.list), by_distance);
	n = MIN(s.n, max);
	for (size_t i = 0; i < n; i++)
		names[i] = s.list[i].name;
	free(s.list);
	return n;
}
