/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the kernel's unwind tables in step with what processes do; see unwinder.h. */
#include "signal/unwinder.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "signal/unwind_builder.h"
#include "signal/unwind_deferred.h"
#include "signal/unwind_spaces.h"
#include "signal/unwind_tables.h"
#include "signal/unwind_walk.h"
#include "symbol/object.h"
#include "symbol/vdso.h"

/* When so many children in a row die without an answer, it is not the files. */
#define FAILURES_MAX 5

struct unwinder {
	struct symbols *symbols;
	struct unwind_maps maps;
	struct unwind_tables tables;
	struct unwind_spaces spaces;
	struct unwind_builder builder;
	struct unwind_walker walker;
	struct deferred_queue deferred;
	bool is_set_up; /* the maps are made */
	bool warned;	/* that no child can be had */
	unsigned failures;
	int epoll;
	uint64_t watched; /* which child the epoll has, counted from 1 */
	uint64_t build_ns, build_ns_max;
	uint64_t n_deferred, n_full, n_late;
};

/* --- open and close --- */

/* Each child has a socket of its own; a closed one leaves the epoll by itself. */
static void watch_builder(struct unwinder *u)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = builder_fd(&u->builder);

	if (fd >= 0 && u->watched != u->builder.children &&
	    epoll_ctl(u->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		u->watched = u->builder.children;
}

int unwinder_open(struct symbols *symbols, struct unwinder **out)
{
	struct unwinder *u = xcalloc(1, sizeof(*u));
	int err;

	u->symbols = symbols;
	unwind_maps_init(&u->maps);
	deferred_init(&u->deferred);
	u->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = u->epoll < 0 ? -errno : builder_open(&u->builder, NULL);
	if (err) {
		log_error("cannot start a process that builds unwind tables: %s", strerror(-err));
		unwinder_close(u);
		return err;
	}
	watch_builder(u);
	*out = u;
	return 0;
}

int unwinder_share(struct unwinder *u, const struct unwind_map_declarations *declared)
{
	int err = unwind_maps_share(&u->maps, declared);

	if (err || u->is_set_up)
		return err;
	tables_init(&u->tables, &u->maps);
	spaces_init(&u->spaces, &u->maps, &u->tables);
	walker_init(&u->walker, &u->spaces, &u->tables);
	u->is_set_up = true;
	return 0;
}

void unwinder_close(struct unwinder *u)
{
	if (!u)
		return;
	while (u->deferred.first) {
		struct waiting *waiting = deferred_remove(&u->deferred, &u->deferred.first);

		symbols_release_space(u->symbols, waiting->space);
		waiting_free(waiting);
	}
	if (u->is_set_up) {
		walker_destroy(&u->walker);
		spaces_destroy(&u->spaces);
		tables_destroy(&u->tables);
	}
	builder_close(&u->builder);
	unwind_maps_close(&u->maps);
	if (u->epoll >= 0)
		close(u->epoll);
	free(u);
}

int unwinder_fd(const struct unwinder *u)
{
	return u->epoll;
}

/* --- building --- */

static bool is_vdso(const struct table *table)
{
	return table->id_size == sizeof(VDSO_ID) - 1 &&
	       memcmp(table->id, VDSO_ID, sizeof(VDSO_ID) - 1) == 0;
}

static int start_build(struct unwinder *u, uint32_t number, int64_t now)
{
	const struct table *table = &u->tables.all[number];
	const struct object *object;

	if (is_vdso(table)) {
		_cleanup_close_ int fd = vdso_file();

		return fd < 0 ? fd : builder_start(&u->builder, number, fd, -1, now);
	}
	object = symbols_find_object(u->symbols, table->id, table->id_size);
	if (!object)
		return -ENOENT;
	if (!object_is_unchanged(object))
		return -ESTALE;
	/* A debug file that only a checksum tells to be the right one is not worth the reading. */
	return builder_start(&u->builder, number, object->fd,
			     object->debug_needs_crc ? -1 : object->debug_fd, now);
}

/* For messages. */
static const char *name_of(struct unwinder *u, uint32_t number)
{
	const struct table *table = &u->tables.all[number];
	const struct object *object;

	if (is_vdso(table))
		return VDSO_ID;
	object = symbols_find_object(u->symbols, table->id, table->id_size);
	return object ? object->path : "a file that is gone";
}

static void settle(struct unwinder *u, uint32_t number, int err)
{
	if (err)
		tables_give_up(&u->tables, number, err == -ENODATA ? TABLE_NONE : TABLE_REFUSED);
	if (err && err != -ENODATA)
		log_debug("no unwind table for %s: %s", name_of(u, number), strerror(-err));
	spaces_on_table(&u->spaces, number);
}

static void start_next(struct unwinder *u, int64_t now)
{
	uint32_t number;

	while (!builder_is_busy(&u->builder) && (number = tables_next_wanted(&u->tables)) != 0) {
		int err = u->failures < FAILURES_MAX ? start_build(u, number, now) : -ECHILD;

		if (err)
			settle(u, number, err);
	}
	watch_builder(u);
}

/* Files that kill the child are rare; a child that cannot live at all answers nothing. */
static void count_failures(struct unwinder *u, int err)
{
	u->failures = err == -ECONNRESET ? u->failures + 1 : 0;
	if (u->failures < FAILURES_MAX || u->warned)
		return;
	u->warned = true;
	log_warn("the process that builds unwind tables dies at once: stacks of code that is not "
		 "known yet are walked by frame pointers");
}

static void take_answer(struct unwinder *u, const struct build_answer *answer, int64_t now)
{
	char bytes[TEXT_SHORT], time[TEXT_SHORT];

	count_failures(u, answer->error);
	if (!answer->error) {
		tables_install(&u->tables, answer->number, &answer->built, now);
		u->build_ns += answer->nanoseconds;
		u->build_ns_max = MAX(u->build_ns_max, answer->nanoseconds);
		log_debug("unwind table of %s: %u rows, %s, %s", name_of(u, answer->number),
			  answer->built.rows,
			  text_bytes(answer->built.nwords * sizeof(uint32_t), bytes),
			  text_duration(answer->nanoseconds, time));
	}
	settle(u, answer->number, answer->error);
}

/* --- walking what was deferred --- */

static void hand_back(const struct waiting *waiting, const struct walked *walked)
{
	const struct walked_sample sample = {
		.head = &waiting->record->head,
		.who = waiting->who,
		.kernel = (const uint64_t *)waiting->record->kernel,
		.words = walked->words,
		.nwords = walked->nwords,
		.end = walked->end,
		.space = waiting->space,
	};

	waiting->walked(waiting->context, &sample);
}

/* As far as is known by now what its process has mapped. */
static void refresh_space(struct unwinder *u, struct waiting *waiting)
{
	struct space *space = symbols_hold_space(u->symbols, waiting->record->head.space);

	if (!space)
		return;
	symbols_release_space(u->symbols, waiting->space);
	waiting->space = space;
}

/* False: it has to wait for a table. */
static bool walk(struct unwinder *u, struct waiting *waiting, bool final, int64_t now)
{
	const struct deferred_record *record = waiting->record;
	struct walked walked = {
		.end = WALK_NO_MAPPING,
		.nwords = 1,
		.words = { record->registers.pc },
	};

	refresh_space(u, waiting);
	if (waiting->space)
		walker_walk(&u->walker, &record->registers, record->stack, record->stack_size,
			    waiting->space, final, now, &walked);
	if (walked.lost && symbols_look_again(u->symbols, record->head.space, walked.lost)) {
		walker_rest(&u->walker, now);
		return walk(u, waiting, final, now);
	}
	if (walked.end == WALK_DEFERRED) {
		/* A file that was never opened, of a program that is gone. */
		if (walked.table < UNWIND_TABLE_FIRST)
			return walk(u, waiting, true, now);
		waiting->table = walked.table;
		tables_want(&u->tables, walked.table);
		return false;
	}
	hand_back(waiting, &walked);
	return true;
}

static bool is_awaited(const struct unwinder *u, uint32_t number)
{
	uint8_t state = u->tables.all[number].state;

	return number && (state == TABLE_WANTED || state == TABLE_BUILDING);
}

static void walk_waiting(struct unwinder *u, bool final, int64_t now)
{
	struct waiting **link = &u->deferred.first;

	while (*link) {
		struct waiting *waiting = *link;

		if ((!final && is_awaited(u, waiting->table)) || !walk(u, waiting, final, now)) {
			link = &waiting->next;
			continue;
		}
		deferred_remove(&u->deferred, link);
		symbols_release_space(u->symbols, waiting->space);
		waiting_free(waiting);
	}
	walker_rest(&u->walker, now);
}

void unwinder_defer(struct unwinder *u, const struct deferred_record *record, size_t size,
		    struct identity who, walked_fn walked, void *context)
{
	struct waiting waiting = {
		.who = who,
		.walked = walked,
		.context = context,
		.size = size,
		.record = record,
	};

	if (!deferred_is_sound(record, size))
		return;
	u->n_deferred++;
	waiting.space = symbols_hold_space(u->symbols, record->head.space);
	if (deferred_add(&u->deferred, &waiting))
		return;
	u->n_full++;
	walk(u, &waiting, true, clock_ms(CLOCK_MONOTONIC));
	walker_rest(&u->walker, clock_ms(CLOCK_MONOTONIC));
	symbols_release_space(u->symbols, waiting.space);
}

/* --- all of it --- */

void unwinder_work(struct unwinder *u)
{
	struct space_change change;
	struct build_answer answer;
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	while (builder_take(&u->builder, now, &answer)) {
		take_answer(u, &answer, now);
		build_answer_release(&answer);
		start_next(u, now);
	}
	while (symbols_next_change(u->symbols, &change))
		spaces_on_change(&u->spaces, &change, now);
	walk_waiting(u, false, now);
	start_next(u, now);
}

void unwinder_tick(struct unwinder *u)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	spaces_tick(&u->spaces, u->symbols, now);
	tables_tick(&u->tables, now);
}

void unwinder_finish(struct unwinder *u, int wait_ms)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC), end = now + wait_ms;

	unwinder_work(u);
	while (u->deferred.first && builder_is_busy(&u->builder) && now < end) {
		struct pollfd p = { .fd = u->epoll, .events = POLLIN };

		progress("building unwind tables: %u left", u->tables.wanted + 1);
		poll(&p, 1, (int)(end - now));
		unwinder_work(u);
		now = clock_ms(CLOCK_MONOTONIC);
	}
	u->n_late += u->deferred.n;
	walk_waiting(u, true, now);
}

struct unwinder_stats unwinder_stats(const struct unwinder *u)
{
	return (struct unwinder_stats){
		.tables = u->tables.stats.built,
		.without_table = u->tables.stats.none,
		.refused = u->tables.stats.refused,
		.no_room = u->tables.stats.no_room + u->spaces.stats.no_room,
		.rows = u->tables.stats.rows,
		.bytes = u->tables.stats.bytes,
		.functions_refused = u->tables.stats.functions_refused,
		.rows_unsupported = u->tables.stats.rows_unsupported,
		.build_ns = u->build_ns,
		.build_ns_max = u->build_ns_max,
		.children = u->builder.children,
		.spaces = u->spaces.stats.published,
		.deferred = u->n_deferred,
		.deferred_full = u->n_full,
		.deferred_late = u->n_late,
		.deferred_bytes_max = u->deferred.bytes_max,
	};
}
