/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a bbolt database; see bolt.h. Its layout (go.etcd.io/bbolt: page.go, db.go, bucket.go),
 * integers in the byte order of the machine:
 *
 *     file    page 0 meta | page 1 meta | page ...          the meta with the higher txid counts
 *     page    u64 id, u16 flags, u16 count, u32 overflow | elements | keys and values
 *     meta    u32 magic, version, page size, flags; u64 root, sequence, freelist, pgid, txid,
 *             checksum (FNV-1a of what is before it)
 *     leaf element      u32 flags, pos, ksize, vsize         pos counts from the element itself
 *     branch element    u32 pos, ksize; u64 page
 *     bucket value      u64 root, sequence                   root 0: a page follows in the value
 *
 * The owner reuses the pages of older transactions while we read. A meta that is still the same
 * afterwards says that no transaction ended in between; else we read again.
 */
#include "container/bolt.h"
#include "base/index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define MAGIC	       0xED0CDAEDu
#define VERSION	       2
#define PAGE_HEADER    16
#define META_SIZE      64
#define ELEMENT_SIZE   16
#define BUCKET_HEADER  16
#define PAGE_SIZE_MIN  1024
#define PAGE_SIZE_MAX  65536
#define PAGE_BYTES_MAX ((size_t)4 << 20) /* one page with its overflow pages */
#define DEPTH_MAX      16
#define PAGES_MAX      256 /* read for one question */
#define TRIES	       3

enum { BRANCH = 1, LEAF = 2 };
enum { ELEMENT_IS_BUCKET = 1 };

struct bolt {
	int fd;
	size_t page_size;
	uint64_t root, txid;
	unsigned int pages_read;
};

/* A page in memory: one of its own, or one inside a bucket's value. */
struct page {
	const char *data;
	size_t size;
	unsigned int flags, count;
};

struct bytes {
	const char *data;
	size_t size;
};

struct element {
	uint32_t flags;
	uint64_t child; /* of a branch */
	struct bytes key, value;
};

static uint32_t u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* --- pages --- */

static bool read_meta(struct bolt *b, off_t at)
{
	char data[PAGE_HEADER + META_SIZE];
	const char *m = data + PAGE_HEADER;

	if (pread(b->fd, data, sizeof(data), at) != sizeof(data) || u32(m) != MAGIC ||
	    u32(m + 4) != VERSION || u64(m + 56) != hash_fnv1a(HASH_FNV1A, m, 56) ||
	    u32(m + 8) < PAGE_SIZE_MIN || u32(m + 8) > PAGE_SIZE_MAX)
		return false;
	if (b->page_size && u64(m + 48) <= b->txid)
		return true;
	b->page_size = u32(m + 8);
	b->root = u64(m + 16);
	b->txid = u64(m + 48);
	return true;
}

static int read_metas(struct bolt *b)
{
	b->page_size = 0;
	b->txid = 0;
	bool first = read_meta(b, 0);
	/* A torn first one does not tell where the second is; all our machines' pages are 4 KiB. */
	bool second = read_meta(b, (off_t)(b->page_size ? b->page_size : 4096));

	return first || second ? 0 : -EBADMSG;
}

static int view_page(struct page *page, const char *data, size_t size)
{
	if (size < PAGE_HEADER)
		return -EBADMSG;
	page->data = data;
	page->size = size;
	page->flags = u32(data + 8) & 0xffff;
	page->count = u32(data + 8) >> 16;
	if (page->flags != BRANCH && page->flags != LEAF)
		return -EBADMSG;
	if (PAGE_HEADER + (size_t)page->count * ELEMENT_SIZE > size)
		return -EBADMSG;
	return 0;
}

/* *memory holds the page, freed by the caller. */
static int load_page(struct bolt *b, uint64_t id, struct page *page, char **memory)
{
	char header[PAGE_HEADER];
	size_t size;
	off_t at;

	if (++b->pages_read > PAGES_MAX || id < 2 || id > INT64_MAX / PAGE_SIZE_MAX)
		return -EBADMSG;
	at = (off_t)(id * b->page_size);
	if (pread(b->fd, header, sizeof(header), at) != sizeof(header) || u64(header) != id)
		return -EBADMSG;
	size = ((size_t)u32(header + 12) + 1) * b->page_size;
	if (size > PAGE_BYTES_MAX)
		return -EBADMSG;
	*memory = xmalloc(size);
	if (pread(b->fd, *memory, size, at) != (ssize_t)size)
		return -EBADMSG;
	return view_page(page, *memory, size);
}

static bool take(const struct page *page, size_t at, size_t size, struct bytes *out)
{
	if (at > page->size || size > page->size - at)
		return false;
	*out = (struct bytes){ page->data + at, size };
	return true;
}

static bool element_at(const struct page *page, unsigned int i, struct element *e)
{
	size_t at = PAGE_HEADER + (size_t)i * ELEMENT_SIZE;
	const char *p = page->data + at;

	*e = (struct element){ 0 };
	if (page->flags == BRANCH) {
		e->child = u64(p + 8);
		return take(page, at + u32(p), u32(p + 4), &e->key);
	}
	e->flags = u32(p);
	return take(page, at + u32(p + 4), u32(p + 8), &e->key) &&
	       take(page, at + u32(p + 4) + u32(p + 8), u32(p + 12), &e->value);
}

static int compare(struct bytes a, const char *key, size_t n)
{
	int c = memcmp(a.data, key, a.size < n ? a.size : n);

	return c ? c : (a.size > n) - (a.size < n);
}

/* --- buckets --- */

/* A bucket's first page, in memory of its own. */
struct bucket {
	char *memory;
	struct page page;
};

static int open_bucket(struct bolt *b, struct bytes value, struct bucket *out)
{
	if (value.size < BUCKET_HEADER)
		return -EBADMSG;
	if (u64(value.data))
		return load_page(b, u64(value.data), &out->page, &out->memory);
	size_t size = value.size - BUCKET_HEADER;

	out->memory = xmalloc(size + 1);
	memcpy(out->memory, value.data + BUCKET_HEADER, size);
	return view_page(&out->page, out->memory, size);
}

/* Finds `key` at or below page; *holder is the memory that the element points into. */
static int find(struct bolt *b, struct page page, const char *key, struct element *e, char **holder)
{
	size_t n = strlen(key);

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		uint64_t child = 0;

		for (unsigned int i = 0; i < page.count; i++) {
			if (!element_at(&page, i, e))
				return -EBADMSG;
			int c = compare(e->key, key, n);

			if (page.flags == LEAF && c == 0)
				return 0;
			if (c > 0)
				break;
			child = e->child;
		}
		if (page.flags == LEAF || !child)
			return -ENOENT;
		free(TAKE_PTR(*holder));
		int err = load_page(b, child, &page, holder);

		if (err)
			return err;
	}
	return -EBADMSG;
}

/* Opens the bucket that all keys but the last `left_over` name. */
static int descend(struct bolt *b, const char *const *keys, size_t left_over, struct bucket *bucket)
{
	int err = load_page(b, b->root, &bucket->page, &bucket->memory);
	size_t n = 0;

	while (keys[n])
		n++;
	for (size_t i = 0; !err && i + left_over < n; i++) {
		_cleanup_free_ char *holder = NULL;
		struct bucket inner = { 0 };
		struct element e;

		err = find(b, bucket->page, keys[i], &e, &holder);
		if (!err && !(e.flags & ELEMENT_IS_BUCKET))
			err = -ENOENT;
		if (!err)
			err = open_bucket(b, e.value, &inner);
		free(bucket->memory);
		*bucket = inner;
	}
	return err;
}

static bool is_unchanged(const struct bolt *b)
{
	struct bolt now = { .fd = b->fd };

	return read_metas(&now) == 0 && now.txid == b->txid;
}

static int get_once(struct bolt *b, const char *const *keys, size_t limit, char **value,
		    size_t *size)
{
	_cleanup_free_ char *holder = NULL;
	struct bucket bucket = { 0 };
	struct element e;
	int err = descend(b, keys, 1, &bucket);

	while (!err && keys[1])
		keys++;
	if (!err)
		err = find(b, bucket.page, *keys, &e, &holder);
	if (!err && e.flags & ELEMENT_IS_BUCKET)
		err = -ENOENT;
	if (!err && e.value.size > limit)
		err = -EFBIG;
	if (!err) {
		*value = xmalloc(e.value.size + 1);
		memcpy(*value, e.value.data, e.value.size);
		(*value)[e.value.size] = '\0';
		*size = e.value.size;
	}
	free(bucket.memory);
	return err;
}

int bolt_get(int fd, const char *const *keys, size_t limit, char **value, size_t *size)
{
	struct bolt b = { .fd = fd };
	int err = -EBADMSG;

	for (int i = 0; i < TRIES; i++) {
		char *found = NULL;

		b.pages_read = 0;
		err = read_metas(&b);
		if (err)
			continue;
		err = get_once(&b, keys, limit, &found, size);
		if (is_unchanged(&b)) {
			*value = found;
			return err;
		}
		free(found);
		err = -EBADMSG;
	}
	return err;
}

struct each {
	bolt_fn fn;
	void *context;
	size_t left;
};

static int each_of_page(struct bolt *b, struct page page, int depth, struct each *each)
{
	int err = 0;

	for (unsigned int i = 0; !err && each->left && i < page.count; i++) {
		_cleanup_free_ char *memory = NULL;
		struct page child;
		struct element e;

		if (!element_at(&page, i, &e))
			return -EBADMSG;
		if (page.flags == BRANCH) {
			if (depth >= DEPTH_MAX)
				return -EBADMSG;
			err = load_page(b, e.child, &child, &memory);
			if (!err)
				err = each_of_page(b, child, depth + 1, each);
		} else if (!(e.flags & ELEMENT_IS_BUCKET)) {
			_cleanup_free_ char *key = xstrndup(e.key.data, e.key.size);
			_cleanup_free_ char *value = xstrndup(e.value.data, e.value.size);

			each->left--;
			each->fn(key, value, each->context);
		}
	}
	return err;
}

int bolt_each(int fd, const char *const *keys, size_t max, bolt_fn fn, void *context)
{
	struct each each = { .fn = fn, .context = context, .left = max };
	struct bucket bucket = { 0 };
	struct bolt b = { .fd = fd };
	int err = read_metas(&b);

	if (!err)
		err = descend(&b, keys, 0, &bucket);
	if (!err)
		err = each_of_page(&b, bucket.page, 0, &each);
	free(bucket.memory);
	return err;
}
