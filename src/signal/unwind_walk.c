/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a stack that the kernel sent along; see unwind_walk.h. */
#include "signal/unwind_walk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bpf/unwind_step.h"
#include "symbol/object.h"

struct unwind_source {
	struct unwind_walker *walker;
	const struct unwind_registers *registers;
	const uint8_t *stack;
	uint64_t size;
};

/* --- what unwind_step.h asks for --- */

/* Code was not sent along, but it is looked at to know where a signal handler returns to. */
static int read_code(const struct space *space, uint64_t address, void *to, size_t size)
{
	const struct map *map = space_find((struct space *)space, address);
	const struct object *object = map && map->object ? object_resolve(map->object) : NULL;

	if (!object || object->state != OBJECT_OPEN || size > map->end - address)
		return -1;
	return pread(object->fd, to, size, (off_t)(map->offset + (address - map->start))) ==
			       (ssize_t)size
		       ? 0
		       : -1;
}

UNWIND_INLINE int source_read(const struct unwind_source *source, __u64 address, void *to,
			      __u32 size)
{
	uint64_t offset = address - source->registers->sp;

	if (address < source->registers->sp || offset > source->size ||
	    size > source->size - offset)
		return read_code(source->walker->space, address, to, size);
	memcpy(to, source->stack + offset, size);
	return 0;
}

UNWIND_INLINE __u32 source_mappings(const struct unwind_source *source)
{
	return (__u32)source->walker->nmappings;
}

UNWIND_INLINE const struct unwind_mapping *source_mapping(const struct unwind_source *source,
							  __u32 i)
{
	return i < source->walker->nmappings ? &source->walker->mappings[i] : NULL;
}

UNWIND_INLINE const struct unwind_table *source_table(const struct unwind_source *source,
						      __u32 number)
{
	return number < UNWIND_TABLES_MAX ? &source->walker->tables->maps->tables[number] : NULL;
}

static void unmap_view(struct unwind_walker *walker, struct walk_view *view)
{
	const struct unwind_maps *maps = walker->tables->maps;
	const struct pool_place *place = &walker->tables->all[view->number].place;

	if (view->number)
		maps->ops->unmap_lines(walker->tables->maps, view->words, place->pool, place->line,
				       place->lines);
	*view = (struct walk_view){ 0 };
}

static struct walk_view *map_view(struct unwind_walker *walker, uint32_t number)
{
	struct unwind_maps *maps = walker->tables->maps;
	const struct table *table = &walker->tables->all[number];
	struct walk_view *view = &walker->views[walker->next_view];

	unmap_view(walker, view);
	if (table->state != TABLE_READY)
		return NULL;
	*view = (struct walk_view){
		.number = number,
		.words = maps->ops->map_lines(maps, table->place.pool, table->place.line,
					      table->place.lines),
		.first = (uint64_t)table->place.line * UNWIND_LINE_WORDS,
		.n = maps->tables[number].words,
	};
	if (!view->words) {
		*view = (struct walk_view){ 0 };
		return NULL;
	}
	walker->next_view = (walker->next_view + 1) % WALK_VIEWS;
	return view;
}

UNWIND_INLINE void *source_pool(const struct unwind_source *source,
				const struct unwind_table *table)
{
	struct unwind_walker *walker = source->walker;
	uint32_t number = (uint32_t)(table - walker->tables->maps->tables);

	for (size_t i = 0; i < WALK_VIEWS; i++)
		if (walker->views[i].number == number)
			return &walker->views[i];
	return map_view(walker, number);
}

UNWIND_INLINE const __u32 *source_word(void *pool, __u64 position)
{
	const struct walk_view *view = pool;

	return position >= view->first && position - view->first < view->n
		       ? &view->words[position - view->first]
		       : NULL;
}

UNWIND_INLINE const struct unwind_rule *source_rule(const struct unwind_source *source,
						    __u32 number)
{
	return number < UNWIND_RULES_MAX ? &source->walker->tables->maps->rules[number] : NULL;
}

UNWIND_INLINE __u64 source_register(const struct unwind_source *source, __u32 number)
{
	return source->registers->general[number];
}

/* --- walking --- */

void walker_init(struct unwind_walker *walker, struct unwind_spaces *spaces,
		 struct unwind_tables *tables)
{
	*walker = (struct unwind_walker){ .spaces = spaces, .tables = tables };
}

void walker_destroy(struct unwind_walker *walker)
{
	walker_rest(walker, 0);
	free(walker->mappings);
	free(walker->numbers);
}

void walker_rest(struct unwind_walker *walker, int64_t now)
{
	for (size_t i = 0; i < WALK_VIEWS; i++)
		unmap_view(walker, &walker->views[i]);
	for (size_t i = 0; i < walker->nmappings; i++)
		tables_release(walker->tables, walker->numbers[i], now);
	walker->nmappings = 0;
	walker->space = NULL;
}

/* Samples of one process come in a row, so its mappings are kept for the next. */
static void describe(struct unwind_walker *walker, const struct space *space, bool final,
		     int64_t now)
{
	bool incomplete;

	if (walker->space == space && walker->final == final)
		return;
	walker_rest(walker, now);
	if (!walker->mappings) {
		walker->mappings = xmalloc(UNWIND_SPACE_MAX * sizeof(*walker->mappings));
		walker->numbers = xmalloc(UNWIND_SPACE_MAX * sizeof(*walker->numbers));
	}
	walker->nmappings = spaces_describe(walker->spaces, space, now, walker->mappings,
					    walker->numbers, &incomplete);
	for (size_t i = 0; i < walker->nmappings; i++) {
		tables_use(walker->tables, walker->numbers[i], now);
		if (final && walker->mappings[i].table == UNWIND_TABLE_PENDING)
			walker->mappings[i].table = UNWIND_TABLE_NONE;
	}
	walker->space = space;
	walker->final = final;
}

static uint32_t table_at(const struct unwind_walker *walker, uint64_t address)
{
	for (size_t i = 0; i < walker->nmappings; i++)
		if (address >= walker->mappings[i].start && address < walker->mappings[i].end)
			return walker->numbers[i];
	return 0;
}

void walker_walk(struct unwind_walker *walker, const struct unwind_registers *registers,
		 const uint8_t *stack, size_t stack_size, const struct space *space, bool final,
		 int64_t now, struct walked *out)
{
	const struct unwind_source source = { walker, registers, stack, stack_size };
	struct unwind_state at = { 0 };
	enum walk_end end = WALK_GOES_ON;
	uint32_t rule = 0;

	describe(walker, space, final, now);
	*out = (struct walked){ .end = WALK_DEPTH };
	unwind_begin(registers, &at);
	while (end == WALK_GOES_ON && out->nwords < STACK_FRAMES_MAX) {
		uint64_t address = unwind_address(&at), word;
		uint32_t reached_by = rule;

		end = unwind_find(&source, &at, &rule);
		word = unwind_word(&at, rule);
		if (end == WALK_DEFERRED)
			out->table = table_at(walker, address);
		if (end == WALK_NO_MAPPING)
			out->lost = address;
		/* An address that nothing is known of is no frame, unless the program is there. */
		if (end == WALK_GOES_ON || !out->nwords)
			out->words[out->nwords++] = word;
		end = end == WALK_GOES_ON ? unwind_apply(&source, &at, rule)
					  : unwind_astray(end, reached_by);
		if (end != WALK_GOES_ON)
			out->end = end;
	}
}
