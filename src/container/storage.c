/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers/storage; see storage.h. One containers.json lists every container, so parsing it for
 * each of them would be quadratic: a place keeps what it read until the file is replaced.
 */
#include "container/storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/index.h"
#include "container/bounded_json.h"
#include "container/pattern.h"
#include "container/runtime.h"

#define LIST_MAX    ((size_t)16 << 20)
#define DRIVERS_MAX 16 /* of one root; there are seven */
#define FILES_MAX   64 /* of one place */

/* Two lists a driver: containers of `--rm` and of transient stores are in the second. */
static const char *const lists[] = { "containers.json", "volatile-containers.json" };

struct row {
	char *id, *name, *image;
};

struct storage_index {
	struct storage_index *next;
	char *path;
	struct stat st; /* of the file that was read */
	struct row *rows;
	size_t nrows, capacity;
	struct index by_id;
};

static void forget_rows(struct storage_index *index)
{
	for (size_t i = 0; i < index->nrows; i++) {
		free(index->rows[i].id);
		free(index->rows[i].name);
		free(index->rows[i].image);
	}
	index->nrows = 0;
	index_clear(&index->by_id);
}

void storage_free(struct place *place)
{
	while (place->indexes) {
		struct storage_index *index = place->indexes;

		place->indexes = index->next;
		forget_rows(index);
		free(index->rows);
		index_free(&index->by_id);
		free(index->path);
		free(index);
	}
}

static bool row_has_id(const void *key, uint32_t position, const void *context)
{
	const struct storage_index *index = context;

	return strcmp(index->rows[position].id, key) == 0;
}

static const char *first_name(const json_t *container)
{
	return json_string_value(json_array_get(json_object_get(container, "names"), 0));
}

/* "metadata" is JSON in a string: {"image-name":"docker.io/library/nginx:1",...} */
static char *image_of(const json_t *container)
{
	const char *text = json_text_at(container, "metadata", NULL);
	_cleanup_json_ json_t *metadata = text ? json_parse(text, strlen(text)) : NULL;
	const char *image = json_text_at(metadata, "image-name", NULL);

	return image ? xstrdup(image) : NULL;
}

static void take_rows(struct storage_index *index, const json_t *list)
{
	json_t *container;
	size_t i;

	json_array_foreach(list, i, container)
	{
		const char *id = json_text_at(container, "id", NULL);
		const char *name = first_name(container);

		if (!id || !is_safe_name(id))
			continue;
		GROW(index->rows, index->nrows, index->capacity);
		index->rows[index->nrows] = (struct row){ .id = xstrdup(id),
							  .name = name ? xstrdup(name) : NULL,
							  .image = image_of(container) };
		index_insert(&index->by_id, hash_string(id), (uint32_t)index->nrows++);
	}
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct storage_index *index_of(struct place *place, const char *path)
{
	struct storage_index *index = place->indexes;
	size_t n = 0;

	for (; index && strcmp(index->path, path) != 0; index = index->next)
		n++;
	if (index || n == FILES_MAX)
		return index;
	index = xcalloc(1, sizeof(*index));
	index->path = xstrdup(path);
	index->next = place->indexes;
	place->indexes = index;
	return index;
}

static struct storage_index *read_list(struct place *place, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = place_open_file(place, path, &st);
	struct storage_index *index = fd < 0 ? NULL : index_of(place, path);
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (!index || is_same_file(&st, &index->st))
		return index;
	forget_rows(index);
	index->st = st;
	if (read_all(fd, LIST_MAX, &text, &size) == 0) {
		_cleanup_json_ json_t *json = json_parse(text, size);

		take_rows(index, json);
	}
	return index;
}

/* --- drivers: the folders that are there --- */

struct drivers {
	char *paths[DRIVERS_MAX];
	size_t n;
	const char *root;
};

static void add_driver(int dir, const char *name, void *context)
{
	static const char suffix[] = "-containers";
	struct drivers *d = context;
	size_t n = strlen(name), end = strlen(suffix);

	(void)dir;
	if (n > end && strcmp(name + n - end, suffix) == 0 && d->n < DRIVERS_MAX)
		d->paths[d->n++] = xasprintf("%s/%s", d->root, name);
}

/* Calls fn for each DRIVER-containers of each root until it returns 0. */
typedef int (*driver_fn)(struct place *place, const char *path, const char *id, void *context);

static int each_driver(struct place *place, const char *id, driver_fn fn, void *context)
{
	const char *root;
	int err = -ENOENT;

	for (size_t i = 0; err && (root = place_root(place, ROOT_STORAGE, i)); i++) {
		struct drivers d = { .root = root };

		place_list(place, root, add_driver, &d);
		for (size_t k = 0; k < d.n; k++) {
			if (err)
				err = fn(place, d.paths[k], id, context);
			free(d.paths[k]);
		}
	}
	return err;
}

static int find_in(struct place *place, const char *driver, const char *id, void *context)
{
	struct storage_entry *out = context;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", driver, lists[i]);
		struct storage_index *index = read_list(place, path);
		uint32_t at = index ? index_find(&index->by_id, hash_string(id), id, row_has_id,
						 index)
				    : INDEX_NONE;

		if (at != INDEX_NONE) {
			*out = (struct storage_entry){ index->rows[at].name,
						       index->rows[at].image };
			return 0;
		}
	}
	return -ENOENT;
}

int storage_find(struct place *place, const char *id, struct storage_entry *out)
{
	return each_driver(place, id, find_in, out);
}

static int read_config(struct place *place, const char *driver, const char *id, void *context)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/userdata/config.json", driver, id);
	json_t **config = context;

	*config = place_read_json(place, path, CONFIG_JSON_MAX);
	return *config ? 0 : -ENOENT;
}

json_t *storage_config(struct place *place, const char *id)
{
	json_t *config = NULL;

	each_driver(place, id, read_config, &config);
	return config;
}
