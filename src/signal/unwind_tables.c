/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that the kernel has; see unwind_tables.h. */
#include "signal/unwind_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void tables_init(struct unwind_tables *tables, struct unwind_maps *maps)
{
	*tables = (struct unwind_tables){
		.maps = maps,
		.all = xcalloc(UNWIND_TABLES_MAX, sizeof(*tables->all)),
		.highest = UNWIND_TABLE_FIRST,
	};
	pools_init(&tables->pools, maps);
	rules_init(&tables->rules, maps->rules);
	room_init(&tables->numbers, UNWIND_TABLE_FIRST, UNWIND_TABLES_MAX - UNWIND_TABLE_FIRST);
}

void tables_destroy(struct unwind_tables *tables)
{
	for (uint32_t i = UNWIND_TABLE_FIRST; i <= tables->highest; i++)
		free(tables->all[i].rules);
	free(tables->all);
	pools_destroy(&tables->pools);
	rules_destroy(&tables->rules);
	room_destroy(&tables->numbers);
	index_free(&tables->by_id);
}

/* --- finding --- */

struct table_id {
	const uint8_t *id;
	size_t size;
};

static bool equal_id(const void *key, uint32_t position, const void *context)
{
	const struct unwind_tables *tables = context;
	const struct table *table = &tables->all[position];
	const struct table_id *k = key;

	return table->state != TABLE_FREE && table->id_size == k->size &&
	       memcmp(table->id, k->id, k->size) == 0;
}

/* Without those that are gone: nothing is ever deleted from an index singly. */
static void index_again(struct unwind_tables *tables)
{
	index_clear(&tables->by_id);
	for (uint32_t i = UNWIND_TABLE_FIRST; i <= tables->highest; i++) {
		const struct table *table = &tables->all[i];

		if (table->state != TABLE_FREE)
			index_insert(&tables->by_id, hash_bytes(table->id, table->id_size), i);
	}
}

/* --- going --- */

/* Readers that still have its number find no pages; what they found before rests for a while. */
static void drop(struct unwind_tables *tables, uint32_t number, int64_t now)
{
	struct table *table = &tables->all[number];

	if (table->state == TABLE_READY) {
		__atomic_store_n(&tables->maps->tables[number].pages, 0, __ATOMIC_RELEASE);
		pools_give(&tables->pools, &table->place, now);
		for (uint32_t i = 0; i < table->nrules; i++)
			rules_give(&tables->rules, table->rules[i], now);
	}
	tables->wanted -= table->state == TABLE_WANTED;
	free(table->rules);
	*table = (struct table){ .state = TABLE_FREE };
	room_give(&tables->numbers, number, 1, now);
}

static bool is_droppable(const struct table *table)
{
	return table->state != TABLE_FREE && table->state != TABLE_BUILDING && !table->users;
}

/* The one unused for longest; with `ready`, of those that take room in a pool. */
static bool drop_oldest(struct unwind_tables *tables, bool ready, int64_t now)
{
	uint32_t oldest = 0;

	for (uint32_t i = UNWIND_TABLE_FIRST; i <= tables->highest; i++) {
		const struct table *table = &tables->all[i];

		if (is_droppable(table) && (!ready || table->state == TABLE_READY) &&
		    (!oldest || table->used < tables->all[oldest].used))
			oldest = i;
	}
	if (oldest)
		drop(tables, oldest, now);
	return oldest != 0;
}

void tables_tick(struct unwind_tables *tables, int64_t now)
{
	for (uint32_t i = UNWIND_TABLE_FIRST; i <= tables->highest; i++)
		if (is_droppable(&tables->all[i]) && now - tables->all[i].used >= TABLE_UNUSED_MS)
			drop(tables, i, now);
	pools_tidy(&tables->pools, now);
}

/* --- coming --- */

uint32_t tables_get(struct unwind_tables *tables, const uint8_t *id, size_t id_size, int64_t now)
{
	const struct table_id key = { id, id_size };
	uint64_t hash = hash_bytes(id, id_size);
	uint32_t number = index_find(&tables->by_id, hash, &key, equal_id, tables);

	if (number != INDEX_NONE)
		return number;
	if (!room_take(&tables->numbers, 1, now, &number)) {
		/* Its number must rest; the next to ask will have it. */
		drop_oldest(tables, false, now);
		tables->stats.no_room++;
		return UNWIND_TABLE_NONE;
	}
	if (tables->by_id.count >= 2 * UNWIND_TABLES_MAX)
		index_again(tables);
	tables->highest = MAX(tables->highest, number);
	tables->all[number] = (struct table){
		.state = TABLE_SEEN,
		.id_size = (uint8_t)MIN(id_size, (size_t)ELF_ID_MAX),
		.used = now,
	};
	memcpy(tables->all[number].id, id, tables->all[number].id_size);
	index_insert(&tables->by_id, hash, number);
	return number;
}

static bool is_own(uint32_t number)
{
	return number >= UNWIND_TABLE_FIRST;
}

void tables_use(struct unwind_tables *tables, uint32_t number, int64_t now)
{
	if (!is_own(number))
		return;
	tables->all[number].users++;
	tables->all[number].used = now;
}

void tables_release(struct unwind_tables *tables, uint32_t number, int64_t now)
{
	if (!is_own(number))
		return;
	tables->all[number].users--;
	tables->all[number].used = now;
}

uint32_t tables_word(const struct unwind_tables *tables, uint32_t number)
{
	if (!is_own(number))
		return number;
	switch (tables->all[number].state) {
	case TABLE_READY:
		return number;
	case TABLE_NONE:
	case TABLE_REFUSED:
		return UNWIND_TABLE_NONE;
	default:
		return UNWIND_TABLE_PENDING;
	}
}

void tables_want(struct unwind_tables *tables, uint32_t number)
{
	struct table *table = &tables->all[number];

	table->need++;
	if (table->state != TABLE_SEEN)
		return;
	table->state = TABLE_WANTED;
	tables->wanted++;
}

uint32_t tables_next_wanted(struct unwind_tables *tables)
{
	uint32_t best = 0;

	if (!tables->wanted)
		return 0;
	for (uint32_t i = UNWIND_TABLE_FIRST; i <= tables->highest; i++)
		if (tables->all[i].state == TABLE_WANTED &&
		    (!best || tables->all[i].need > tables->all[best].need))
			best = i;
	tables->all[best].state = TABLE_BUILDING;
	tables->wanted--;
	return best;
}

/* --- ready --- */

static uint32_t lines_of(uint32_t words)
{
	return (words + UNWIND_LINE_WORDS - 1) / UNWIND_LINE_WORDS;
}

static bool take_place(struct unwind_tables *tables, struct table *table, uint32_t words,
		       int64_t now)
{
	if (pools_take(&tables->pools, lines_of(words), now, &table->place))
		return true;
	/* What goes now must rest first: it helps whoever comes next. */
	drop_oldest(tables, true, now);
	return false;
}

/* The file's own numbers of rules become those that all share. */
static void write_words(const struct unwind_built *built, const uint16_t *rules, uint32_t *out)
{
	uint32_t index = built->pages + 1;

	memcpy(out, built->words, index * sizeof(*out));
	for (uint32_t i = index; i < built->nwords; i++) {
		uint32_t row = built->words[i];

		out[i] = (uint32_t)rules[UNWIND_ROW_RULE(row)] << UNWIND_PAGE_SHIFT |
			 UNWIND_ROW_LOW(row);
	}
}

void tables_install(struct unwind_tables *tables, uint32_t number, const struct unwind_built *built,
		    int64_t now)
{
	struct table *table = &tables->all[number];
	uint32_t *words = NULL;

	if (take_place(tables, table, built->nwords, now)) {
		words = tables->maps->ops->map_lines(tables->maps, table->place.pool,
						     table->place.line, table->place.lines);
		if (!words)
			pools_give(&tables->pools, &table->place, now);
	}
	if (!words) {
		tables->stats.no_room++;
		table->state = TABLE_REFUSED;
		return;
	}
	table->nrules = built->nrules;
	table->rules = xmalloc(built->nrules * sizeof(*table->rules));
	for (uint32_t i = 0; i < built->nrules; i++)
		table->rules[i] = (uint16_t)rules_take(&tables->rules, &built->rules[i], now);
	write_words(built, table->rules, words);
	tables->maps->ops->unmap_lines(tables->maps, words, table->place.pool, table->place.line,
				       table->place.lines);

	struct unwind_table *out = &tables->maps->tables[number];

	out->base = built->base;
	out->pool = table->place.pool;
	out->line = table->place.line;
	out->words = built->nwords;
	__atomic_store_n(&out->pages, built->pages, __ATOMIC_RELEASE);
	table->state = TABLE_READY;
	tables->stats.built++;
	tables->stats.rows += built->rows;
	tables->stats.bytes += built->nwords * sizeof(uint32_t);
	tables->stats.functions_refused += built->functions_refused;
	tables->stats.rows_unsupported += built->rows_unsupported;
}

void tables_give_up(struct unwind_tables *tables, uint32_t number, enum table_state state)
{
	tables->all[number].state = state;
	if (state == TABLE_NONE)
		tables->stats.none++;
	else
		tables->stats.refused++;
}
