/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One child fetches all files, one after the other, into the cache that other tools use as well
 * (debuginfod_find_debuginfo(3)). libdebuginfod is loaded only there: it brings along a library for
 * HTTP, with twenty more, which nobody needs who does not ask for this.
 *
 *     us                       child
 *     build ID ------------->  debuginfod_find_debuginfo()
 *        <--- bytes so far     ...
 *        <--- fd, or errno
 */
#include "symbol/debuginfod.h"
#include "base/clock.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/confined.h"
#include "base/log.h"

#define FETCH_MS     (5 * 60 * 1000)
#define FETCH_MEMORY (1ULL << 30)
/* Unless the user's $DEBUGINFOD_MAXSIZE says otherwise: Chromium's debug file has 3 GB. */
#define FILE_MAX "4294967296"

struct wish {
	uint32_t id_size;
	uint8_t id[ELF_ID_MAX];
};

enum news_kind { NEWS_PROGRESS, NEWS_FILE, NEWS_NO_LIBRARY };

struct news {
	uint32_t kind;
	int32_t error;
	int64_t bytes, total;
};

/* --- the child --- */

struct library {
	debuginfod_client *(*begin)(void);
	int (*find_debuginfo)(debuginfod_client *, const unsigned char *, int, char **);
	void (*set_progressfn)(debuginfod_client *, debuginfod_progressfn_t);
};

static bool load_library(struct library *library)
{
	void *handle = dlopen(DEBUGINFOD_SONAME, RTLD_NOW);
	const struct {
		const char *name;
		void *to;
	} functions[] = {
		{ "debuginfod_begin", &library->begin },
		{ "debuginfod_find_debuginfo", &library->find_debuginfo },
		{ "debuginfod_set_progressfn", &library->set_progressfn },
	};

	for (size_t i = 0; handle && i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(handle, functions[i].name);

		if (!function)
			return false;
		memcpy(functions[i].to, &function, sizeof(function));
	}
	return handle != NULL;
}

/* The child's; the library's callback can be given nothing without another of its functions. */
static int news_socket;

static int on_progress(debuginfod_client *client, long bytes, long total)
{
	const struct news news = { .kind = NEWS_PROGRESS, .bytes = bytes, .total = total };

	(void)client;
	/* What does not fit into the queue nobody misses. */
	confined_send(news_socket, &news, sizeof(news), NULL, 0);
	return 0;
}

static bool fetch(const struct library *library, debuginfod_client *client, const struct wish *wish)
{
	struct news news = { .kind = NEWS_FILE };
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = library->find_debuginfo(client, wish->id, (int)wish->id_size,
							 &path);

	news.error = fd < 0 ? fd : 0;
	return confined_send(news_socket, &news, sizeof(news), &fd, fd >= 0) == 0;
}

static void fetch_all(int socket, void *context)
{
	const char *cache = context;
	struct news news = { .kind = NEWS_NO_LIBRARY };
	debuginfod_client *client;
	struct library library;
	struct wish wish;

	news_socket = socket;
	setenv(DEBUGINFOD_CACHE_PATH_ENV_VAR, cache, 1);
	setenv(DEBUGINFOD_MAXSIZE_ENV_VAR, FILE_MAX, 0);
	client = load_library(&library) ? library.begin() : NULL;
	if (!client) {
		confined_send(socket, &news, sizeof(news), NULL, 0);
		return;
	}
	library.set_progressfn(client, on_progress);
	while (confined_receive(socket, &wish, sizeof(wish), NULL, NULL) == sizeof(wish))
		if (wish.id_size > sizeof(wish.id) || !fetch(&library, client, &wish))
			return;
}

/* --- we --- */

/* Where the library would keep its files (debuginfod_find_debuginfo(3), CACHE), made if need be. */
static char *make_cache(void)
{
	const char *set = getenv(DEBUGINFOD_CACHE_PATH_ENV_VAR), *base = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char *path;

	if (set && *set)
		path = xstrdup(set);
	else if (base && *base)
		path = xasprintf("%s/debuginfod_client", base);
	else if (home && *home)
		path = xasprintf("%s/.cache/debuginfod_client", home);
	else
		path = xstrdup("/var/cache/plimsoll/debuginfod_client");
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	/* What cannot be made, the library will complain of. */
	mkdir(path, 0700);
	return path;
}

static void show(const struct news *news, const char *file)
{
	const char *slash = strrchr(file, '/');
	double done = (double)news->bytes / 1e6, all = (double)news->total / 1e6;

	file = slash ? slash + 1 : file;
	if (news->total > 0)
		progress("fetching debug files: %s, %.1f of %.1f MB, Ctrl-C ends it", file, done,
			 all);
	else
		progress("fetching debug files: %s, Ctrl-C ends it", file);
}

/* The file, or negative errno; -EPIPE: the child is gone, -ETIME: it took too long. */
static int await_file(const struct confined *child, const char *name, int64_t deadline)
{
	for (;;) {
		struct pollfd wait = { .fd = child->socket, .events = POLLIN };
		int left = (int)MAX(deadline - clock_ms(CLOCK_MONOTONIC), 0), fd = -1;
		struct news news = { 0 };
		size_t nfds = 1;
		ssize_t size;

		if (poll(&wait, 1, left) == 0)
			return -ETIME;
		size = confined_receive(child->socket, &news, sizeof(news), &fd, &nfds);
		if (size != sizeof(news) || news.kind > NEWS_NO_LIBRARY)
			return size == -EINTR ? -EAGAIN : -EPIPE;
		if (news.kind == NEWS_NO_LIBRARY)
			return -ENOSYS;
		if (news.kind == NEWS_FILE)
			return nfds ? fd : news.error < 0 ? news.error : -ENOENT;
		if (nfds)
			close(fd);
		show(&news, name);
	}
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void explain(int err)
{
	switch (err) {
	case -ENOSYS:
		log_warn("--debuginfod needs libdebuginfod (Debian: libdebuginfod1); going on "
			 "without");
		break;
	case -ETIME:
		log_warn("fetching debug files takes longer than %d minutes; going on without the "
			 "rest",
			 FETCH_MS / 60000);
		break;
	default:
		log_warn("fetching debug files was interrupted; going on without the rest");
	}
}

/* Negative errno where it makes no sense to go on. */
static int fetch_for(struct objects *all, struct object *object, const struct confined *child,
		     int64_t deadline, size_t *fetched)
{
	struct wish wish = { .id_size = object->id_size };
	_cleanup_close_ int fd = -1;
	int err;

	memcpy(wish.id, object->id, object->id_size);
	err = confined_send(child->socket, &wish, sizeof(wish), NULL, 0);
	fd = err ? err : await_file(child, object->path, deadline);
	if (fd == -ENOSYS || fd == -ETIME || fd == -EPIPE)
		return fd;
	if (fd < 0) {
		log_debug("%s: no debug file: %s", object->path, strerror(-fd));
		return 0;
	}
	if (!is_regular(fd) || !object_adopt_debug(all, object, fd)) {
		log_debug("%s: what came for it is not its debug file", object->path);
		return 0;
	}
	TAKE_FD(fd);
	++*fetched;
	return 0;
}

size_t debuginfod_fetch(struct objects *all, struct object **objects, size_t n)
{
	const char *servers = getenv(DEBUGINFOD_URLS_ENV_VAR);
	_cleanup_free_ char *cache = NULL;
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + FETCH_MS;
	struct confined child;
	size_t fetched = 0;
	int err;

	if (!n)
		return 0;
	if (!servers || !*servers) {
		log_warn("--debuginfod: no server is named; set " DEBUGINFOD_URLS_ENV_VAR
			 " (sudo -E keeps it)");
		return 0;
	}
	cache = make_cache();
	err = confined_start(&(struct confined_options){ .name = "plimsoll-fetch",
							 .memory = FETCH_MEMORY,
							 .writable = cache },
			     fetch_all, cache, &child);
	for (size_t i = 0; i < n && !err; i++)
		err = fetch_for(all, objects[i], &child, deadline, &fetched);
	progress_clear();
	if (err)
		explain(err);
	confined_stop(&child);
	log_debug("%zu of %zu debug files fetched", fetched, n);
	return fetched;
}
