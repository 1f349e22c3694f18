/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's maps for walking stacks, as plain memory that a test can look into. */
#ifndef PLIMSOLL_TESTS_UNWINDER_FIXTURE_H
#define PLIMSOLL_TESTS_UNWINDER_FIXTURE_H

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "signal/unwind_maps.h"
#include "signal/unwind_spaces.h"
#include "signal/unwind_tables.h"

struct fake_space {
	uint64_t key; /* 0: free */
	struct unwind_space space;
	bool has_interpreter;
	struct interpreter interpreter;
};

#define FAKE_SPACES_MAX 64

struct fake {
	struct unwind_maps maps; /* first: what the operations are given */
	struct unwind_tables tables;
	struct unwind_spaces spaces;
	struct fake_space told[FAKE_SPACES_MAX];
	size_t nspaces, spaces_max, ninterpreters;
	struct unwind_line *pools[UNWIND_POOLS_MAX];
	size_t npools, mapped; /* mapped: lines that were not unmapped yet */
};

static struct fake_space *fake_slot(struct fake *fake, uint64_t key)
{
	for (size_t i = 0; i < FAKE_SPACES_MAX; i++)
		if (fake->told[i].key == key)
			return &fake->told[i];
	abort();
}

static struct fake_space *fake_find(struct fake *fake, uint64_t key)
{
	for (size_t i = 0; i < FAKE_SPACES_MAX; i++)
		if (fake->told[i].key == key && fake->told[i].space.generation)
			return &fake->told[i];
	return NULL;
}

static int fake_put_space(struct unwind_maps *maps, uint64_t key, const struct unwind_space *space)
{
	struct fake *fake = (struct fake *)maps;
	struct fake_space *slot = fake_find(fake, key);

	if (!slot && fake->nspaces >= fake->spaces_max)
		return -E2BIG;
	if (!slot) {
		/* An interpreter may have been put before. */
		for (size_t i = 0; i < FAKE_SPACES_MAX && !slot; i++)
			if (fake->told[i].key == key)
				slot = &fake->told[i];
		slot = slot ? slot : fake_slot(fake, 0);
		fake->nspaces++;
	}
	slot->key = key;
	slot->space = *space;
	return 0;
}

static void fake_delete_space(struct unwind_maps *maps, uint64_t key)
{
	struct fake *fake = (struct fake *)maps;
	struct fake_space *slot = fake_find(fake, key);

	if (!slot)
		return;
	fake->nspaces--;
	slot->space = (struct unwind_space){ 0 };
	if (!slot->has_interpreter)
		slot->key = 0;
}

static int fake_put_interpreter(struct unwind_maps *maps, uint64_t key,
				const struct interpreter *interpreter)
{
	struct fake *fake = (struct fake *)maps;
	struct fake_space *slot = fake_find(fake, key);

	slot = slot ? slot : fake_slot(fake, 0);
	slot->key = key;
	fake->ninterpreters += !slot->has_interpreter;
	slot->has_interpreter = true;
	slot->interpreter = *interpreter;
	return 0;
}

static void fake_delete_interpreter(struct unwind_maps *maps, uint64_t key)
{
	struct fake *fake = (struct fake *)maps;
	struct fake_space *slot = fake_slot(fake, key);

	fake->ninterpreters -= slot->has_interpreter;
	slot->has_interpreter = false;
	if (!slot->space.generation)
		slot->key = 0;
}

static int fake_add_pool(struct unwind_maps *maps, uint32_t pool, uint32_t lines)
{
	struct fake *fake = (struct fake *)maps;

	fake->pools[pool] = xcalloc(lines, sizeof(struct unwind_line));
	fake->npools++;
	return 0;
}

static void fake_remove_pool(struct unwind_maps *maps, uint32_t pool)
{
	struct fake *fake = (struct fake *)maps;

	free(fake->pools[pool]);
	fake->pools[pool] = NULL;
	fake->npools--;
}

static uint32_t *fake_map_lines(struct unwind_maps *maps, uint32_t pool, uint32_t line,
				uint32_t lines)
{
	struct fake *fake = (struct fake *)maps;

	fake->mapped += lines;
	return fake->pools[pool][line].words;
}

static void fake_unmap_lines(struct unwind_maps *maps, uint32_t *words, uint32_t pool,
			     uint32_t line, uint32_t lines)
{
	struct fake *fake = (struct fake *)maps;

	(void)words;
	(void)pool;
	(void)line;
	fake->mapped -= lines;
}

static const struct unwind_maps_ops fake_ops = {
	.put_space = fake_put_space,
	.delete_space = fake_delete_space,
	.put_interpreter = fake_put_interpreter,
	.delete_interpreter = fake_delete_interpreter,
	.add_pool = fake_add_pool,
	.remove_pool = fake_remove_pool,
	.map_lines = fake_map_lines,
	.unmap_lines = fake_unmap_lines,
};

static void fake_open(struct fake *fake)
{
	*fake = (struct fake){
		.maps.ops = &fake_ops,
		.maps.mappings = xcalloc(UNWIND_MAPPINGS_MAX, sizeof(*fake->maps.mappings)),
		.maps.tables = xcalloc(UNWIND_TABLES_MAX, sizeof(*fake->maps.tables)),
		.maps.rules = xcalloc(UNWIND_RULES_MAX, sizeof(*fake->maps.rules)),
		.spaces_max = FAKE_SPACES_MAX,
	};
	tables_init(&fake->tables, &fake->maps);
	spaces_init(&fake->spaces, &fake->maps, &fake->tables);
}

static void fake_close(struct fake *fake)
{
	spaces_destroy(&fake->spaces);
	tables_destroy(&fake->tables);
	for (size_t i = 0; i < UNWIND_POOLS_MAX; i++)
		free(fake->pools[i]);
	free(fake->maps.mappings);
	free(fake->maps.tables);
	free(fake->maps.rules);
}

#endif
