/* SPDX-License-Identifier: Apache-2.0 */
/* Which process has what mapped where; see unwind_spaces.h. */
#include "signal/unwind_spaces.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/object.h"
#include "symbol/vdso.h"

/* For whom there is no room: without mappings, hence walked by frame pointers. */
#define RANGE_NONE  1
#define RANGE_FIRST 2
/* Above every address of a program. */
#define USER_END (1ULL << 63)

void spaces_init(struct unwind_spaces *spaces, struct unwind_maps *maps,
		 struct unwind_tables *tables)
{
	struct image image;
	struct elf elf;

	*spaces = (struct unwind_spaces){
		.maps = maps,
		.tables = tables,
		.table_of = xcalloc(UNWIND_MAPPINGS_MAX, sizeof(*spaces->table_of)),
		.nranges = RANGE_FIRST,
	};
	GROW(spaces->ranges, RANGE_FIRST, spaces->ranges_capacity);
	memset(spaces->ranges, 0, RANGE_FIRST * sizeof(*spaces->ranges));
	spaces->ranges[RANGE_NONE].references = 1;
	room_init(&spaces->room, 0, UNWIND_MAPPINGS_MAX);
	if (vdso_image(&image) && elf_open(&image, &elf) == 0) {
		spaces->has_vdso = elf.nloads > 0;
		if (elf.nloads)
			spaces->vdso_base = elf.loads[0].address - elf.loads[0].offset;
		elf_close(&elf);
	}
}

void spaces_destroy(struct unwind_spaces *spaces)
{
	free(spaces->table_of);
	free(spaces->ranges);
	free(spaces->told);
	room_destroy(&spaces->room);
	index_free(&spaces->by_pid);
}

/* --- what a mapping is to the walker --- */

/* The file's table, and what is to be taken off the mapping's addresses to look into it. */
static uint32_t table_of_file(struct unwind_spaces *spaces, const struct map *map, int64_t now,
			      uint64_t *bias, bool *incomplete)
{
	const struct object *object = map->object ? object_resolve(map->object) : NULL;

	if (!object)
		return UNWIND_TABLE_NONE; /* one file too many */
	if (object->state == OBJECT_SEEN && !map->tried) {
		*incomplete = true;
		return UNWIND_TABLE_PENDING;
	}
	if (object->state != OBJECT_OPEN ||
	    !object_bias(object, map->start, map->end, map->offset, bias))
		return UNWIND_TABLE_NONE;
	return tables_get(spaces->tables, object->id, object->id_size, now);
}

static uint32_t table_of_map(struct unwind_spaces *spaces, const struct map *map, int64_t now,
			     uint64_t *bias, bool *incomplete)
{
	switch (map->kind) {
	case MAP_FILE_BACKED:
		return table_of_file(spaces, map, now, bias, incomplete);
	case MAP_VDSO:
		/* 32-bit processes live below 4 GiB and have another vDSO than ours. */
		if (!spaces->has_vdso || !(map->start >> 32))
			return UNWIND_TABLE_NONE;
		*bias = map->start - spaces->vdso_base;
		return tables_get(spaces->tables, (const uint8_t *)VDSO_ID, sizeof(VDSO_ID) - 1,
				  now);
	default:
		return UNWIND_TABLE_NONE;
	}
}

/* Neighbours without tables are one: compilers at run time map their code in many pieces. */
static bool joins(const struct unwind_mapping *last, const struct unwind_mapping *mapping)
{
	return last->table == UNWIND_TABLE_NONE && mapping->table == UNWIND_TABLE_NONE &&
	       last->end == mapping->start;
}

size_t spaces_describe(struct unwind_spaces *spaces, const struct space *space, int64_t now,
		       struct unwind_mapping *mappings, uint32_t *numbers, bool *incomplete)
{
	size_t n = 0;

	for (size_t i = 0; i < space->n; i++) {
		const struct map *map = &space->maps[i];
		struct unwind_mapping mapping = { .start = map->start, .end = map->end };
		uint64_t bias = 0;
		uint32_t number = table_of_map(spaces, map, now, &bias, incomplete);

		mapping.bias = bias;
		mapping.table = tables_word(spaces->tables, number);
		if (n && joins(&mappings[n - 1], &mapping) && number == numbers[n - 1]) {
			mappings[n - 1].end = mapping.end;
			continue;
		}
		if (n == UNWIND_SPACE_MAX) {
			/* What lies beyond: all by frame pointers, code or not. */
			mappings[n - 1].table = numbers[n - 1] = UNWIND_TABLE_NONE;
			mappings[n - 1].end = USER_END;
			break;
		}
		mappings[n] = mapping;
		numbers[n++] = number;
	}
	return n;
}

/* --- ranges --- */

static uint32_t new_range(struct unwind_spaces *spaces)
{
	for (uint32_t i = RANGE_FIRST; spaces->free_ranges && i < spaces->nranges; i++) {
		if (spaces->ranges[i].references)
			continue;
		spaces->free_ranges--;
		return i;
	}
	GROW(spaces->ranges, spaces->nranges, spaces->ranges_capacity);
	return (uint32_t)spaces->nranges++;
}

static void release_range(struct unwind_spaces *spaces, uint32_t number, int64_t now)
{
	struct range *range = &spaces->ranges[number];

	if (--range->references)
		return;
	for (uint32_t i = range->first; i < range->first + range->n; i++)
		tables_release(spaces->tables, spaces->table_of[i], now);
	if (range->n)
		room_give(&spaces->room, range->first, range->n, now);
	*range = (struct range){ 0 };
	spaces->free_ranges++;
}

/* A range filled with what the space maps. */
static uint32_t fill_range(struct unwind_spaces *spaces, struct space *space, int64_t now)
{
	_cleanup_free_ struct unwind_mapping *mappings =
		xmalloc(UNWIND_SPACE_MAX * sizeof(*mappings));
	_cleanup_free_ uint32_t *numbers = xmalloc(UNWIND_SPACE_MAX * sizeof(*numbers));
	bool incomplete = false;
	size_t n = spaces_describe(spaces, space, now, mappings, numbers, &incomplete);
	struct range *range;
	uint32_t number, first = 0;

	if (n && !room_take(&spaces->room, (uint32_t)n, now, &first)) {
		spaces->stats.no_room++;
		spaces->ranges[RANGE_NONE].references++;
		return RANGE_NONE;
	}
	number = new_range(spaces);
	range = &spaces->ranges[number];
	*range = (struct range){
		.space = space,
		.first = first,
		.n = (uint32_t)n,
		.references = 1,
	};
	for (size_t i = 0; i < n; i++) {
		tables_use(spaces->tables, numbers[i], now);
		spaces->table_of[first + i] = numbers[i];
		spaces->maps->mappings[first + i] = mappings[i];
	}
	space_interpreter(space, &range->interpreter);
	space->range = number;
	space->incomplete = incomplete;
	return number;
}

/* With one more reference. */
static uint32_t range_of(struct unwind_spaces *spaces, struct space *space, int64_t now)
{
	uint32_t number = space->range;

	/* A number may be left over from a range that is gone, and be another's by now. */
	if (number < RANGE_FIRST || number >= spaces->nranges ||
	    spaces->ranges[number].space != space)
		return fill_range(spaces, space, now);
	spaces->ranges[number].references++;
	return number;
}

void spaces_on_table(struct unwind_spaces *spaces, uint32_t number)
{
	uint32_t word = tables_word(spaces->tables, number);

	for (size_t r = RANGE_FIRST; r < spaces->nranges; r++) {
		const struct range *range = &spaces->ranges[r];

		for (uint32_t i = range->first; i < range->first + range->n; i++)
			if (spaces->table_of[i] == number)
				__atomic_store_n(&spaces->maps->mappings[i].table, word,
						 __ATOMIC_RELEASE);
	}
}

/* --- processes --- */

static uint32_t pid_of(uint64_t key)
{
	return (uint32_t)key;
}

static bool equal_pid(const void *key, uint32_t position, const void *context)
{
	const struct unwind_spaces *spaces = context;
	const struct told *told = &spaces->told[position];

	return told->key && pid_of(told->key) == *(const uint32_t *)key;
}

/* Without those that are gone: nothing is ever deleted from an index singly. */
static void index_again(struct unwind_spaces *spaces)
{
	size_t kept = 0;

	index_clear(&spaces->by_pid);
	for (size_t i = 0; i < spaces->ntold; i++) {
		if (!spaces->told[i].key)
			continue;
		spaces->told[kept] = spaces->told[i];
		index_insert(&spaces->by_pid, hash_combine(0, pid_of(spaces->told[kept].key)),
			     (uint32_t)kept);
		kept++;
	}
	spaces->ntold = kept;
}

static struct told *find_told(struct unwind_spaces *spaces, uint32_t pid)
{
	uint32_t i = index_find(&spaces->by_pid, hash_combine(0, pid), &pid, equal_pid, spaces);

	return i == INDEX_NONE ? NULL : &spaces->told[i];
}

static struct told *add_told(struct unwind_spaces *spaces, uint32_t pid)
{
	if (spaces->ntold >= 2 * spaces->living + 64)
		index_again(spaces);
	GROW(spaces->told, spaces->ntold, spaces->told_capacity);
	index_insert(&spaces->by_pid, hash_combine(0, pid), (uint32_t)spaces->ntold);
	spaces->told[spaces->ntold] = (struct told){ 0 };
	spaces->living++;
	return &spaces->told[spaces->ntold++];
}

/* The kernel forgets the address space. */
static void retract(struct unwind_spaces *spaces, uint64_t key, uint32_t range, int64_t now)
{
	spaces->maps->ops->delete_space(spaces->maps, key);
	if (spaces->ranges[range].interpreter.language)
		spaces->maps->ops->delete_interpreter(spaces->maps, key);
	release_range(spaces, range, now);
}

static void forget(struct unwind_spaces *spaces, struct told *told, int64_t now)
{
	retract(spaces, told->key, told->range, now);
	*told = (struct told){ 0 };
	spaces->living--;
}

static bool publish(struct unwind_spaces *spaces, uint64_t key, uint32_t number)
{
	const struct range *range = &spaces->ranges[number];
	struct unwind_space space = { .first = range->first, .n = range->n };

	if (range->interpreter.language &&
	    spaces->maps->ops->put_interpreter(spaces->maps, key, &range->interpreter) == 0)
		space.language = range->interpreter.language;
	space.generation = ++spaces->generation ? spaces->generation : ++spaces->generation;
	if (spaces->maps->ops->put_space(spaces->maps, key, &space))
		return false;
	spaces->stats.published++;
	return true;
}

void spaces_on_change(struct unwind_spaces *spaces, const struct space_change *change, int64_t now)
{
	struct told *told = find_told(spaces, (uint32_t)change->pid);
	struct told before = { 0 };
	uint32_t range;

	if (change->is_gone) {
		if (told)
			forget(spaces, told, now);
		return;
	}
	range = range_of(spaces, change->space, now);
	if (told && told->key == change->key && told->range == range) {
		release_range(spaces, range, now);
		return;
	}
	if (!told)
		told = add_told(spaces, (uint32_t)change->pid);
	before = *told;
	*told = (struct told){ .key = change->key, .range = range };
	if (!publish(spaces, change->key, range)) {
		spaces->stats.no_room++;
		forget(spaces, told, now);
	}
	if (before.key && before.key != change->key)
		retract(spaces, before.key, before.range, now);
	else if (before.key)
		release_range(spaces, before.range, now);
}

void spaces_tick(struct unwind_spaces *spaces, struct symbols *symbols, int64_t now)
{
	for (size_t i = 0; i < spaces->ntold; i++)
		if (spaces->told[i].key && !symbols_has_space(symbols, spaces->told[i].key))
			forget(spaces, &spaces->told[i], now);
}
