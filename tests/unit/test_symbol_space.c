/* SPDX-License-Identifier: Apache-2.0 */
/* What a process has mapped where: lines of /proc/PID/maps, and mappings that replace each other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbol/maps.h"
#include "symbol/space.h"

/* --- /proc/PID/maps --- */

static bool parse(const char *text, struct maps_line *line)
{
	static char copy[8192];

	snprintf(copy, sizeof(copy), "%s", text);
	return maps_parse(copy, line);
}

static void an_executable_line_is_taken_apart(void **state)
{
	struct maps_line line;

	(void)state;
	assert_true(parse("7f1c2a026000-7f1c2a17b000 r-xp 00026000 fd:01 1057       "
			  "            /usr/lib/with blank/libc.so.6 (deleted)",
			  &line));
	assert_int_equal(line.start, 0x7f1c2a026000);
	assert_int_equal(line.end, 0x7f1c2a17b000);
	assert_int_equal(line.offset, 0x26000);
	assert_int_equal(line.device, 0xfd << 20 | 1);
	assert_int_equal(line.inode, 1057);
	assert_string_equal(line.path, "/usr/lib/with blank/libc.so.6 (deleted)");

	assert_true(parse("7f00-8f00 --xp 0 00:00 0 ", &line));
	assert_string_equal(line.path, "");
}

static void other_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"x",
		"7f1c2a026000",
		"7f1c2a026000-",
		"7f1c2a026000-7f1c2a17b000",
		"7f1c2a026000-7f1c2a17b000 r--p 00026000 fd:01 1057 /not/executable",
		"7f1c2a17b000-7f1c2a026000 r-xp 00026000 fd:01 1057 /backwards",
		"7f1c2a026000-7f1c2a026000 r-xp 00026000 fd:01 1057 /empty",
		"11112222333344445-7f1c2a17b000 r-xp 00026000 fd:01 1057 /too/long",
		"7f1c2a026000-7f1c2a17b000 r-xp",
		"7f1c2a026000-7f1c2a17b000 r-xp 0 fd",
		"7f1c2a026000-7f1c2a17b000 r-xp 0 fd:",
		"7f1c2a026000 7f1c2a17b000 r-xp 0 fd:01 1 /no/dash",
	};
	struct maps_line line;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_false(parse(lines[i], &line));
}

static void find_main(const struct maps_line *line, void *context)
{
	uint64_t address = (uintptr_t)an_executable_line_is_taken_apart;

	if (line->start <= address && address < line->end) {
		assert_int_equal(line->path[0], '/');
		assert_true(line->inode != 0);
		++*(int *)context;
	}
}

static void our_own_maps_have_our_own_code(void **state)
{
	int found = 0;

	(void)state;
	assert_int_equal(maps_read("/proc", getpid(), find_main, &found), 0);
	assert_int_equal(found, 1);
	assert_int_equal(maps_read("/proc", 0x7fffffff, find_main, &found), -ENOENT);
}

static void paths_tell_the_kind_of_memory(void **state)
{
	(void)state;
	assert_int_equal(map_kind_of_path("/usr/bin/true"), MAP_FILE_BACKED);
	assert_int_equal(map_kind_of_path("/memfd:jit (deleted)"), MAP_FILE_BACKED);
	assert_int_equal(map_kind_of_path(""), MAP_ANONYMOUS);
	assert_int_equal(map_kind_of_path("//anon"), MAP_ANONYMOUS);
	assert_int_equal(map_kind_of_path("[heap]"), MAP_ANONYMOUS);
	assert_int_equal(map_kind_of_path("[anon:v8]"), MAP_ANONYMOUS);
	assert_int_equal(map_kind_of_path("/dev/zero (deleted)"), MAP_ANONYMOUS);
	assert_int_equal(map_kind_of_path("[vdso]"), MAP_VDSO);
	assert_int_equal(map_kind_of_path("[uprobes]"), MAP_UPROBES);
}

/* --- spaces: each byte of a small one is checked against an array --- */

enum { SIZE = 64 };

struct model {
	int owner[SIZE]; /* which mapping, 0: none */
	uint64_t start[SIZE];
};

static void map_both(struct space **space, struct model *model, int number, uint64_t start,
		     uint64_t end)
{
	/* The number stands in the offset, far above what moving a start adds. */
	const struct map map = { .start = start, .end = end, .offset = (uint64_t)number << 32 };

	space_add(space, &map);
	for (uint64_t i = start; i < end; i++) {
		model->owner[i] = number;
		model->start[i] = start;
	}
}

static void assert_same(struct space *space, const struct model *model)
{
	for (uint64_t i = 0; i < SIZE; i++) {
		const struct map *map = space_find(space, i);

		if (!model->owner[i]) {
			assert_null(map);
			continue;
		}
		assert_non_null(map);
		assert_true(map->start <= i && i < map->end);
		assert_int_equal(map->offset + (i - map->start),
				 ((uint64_t)model->owner[i] << 32) + (i - model->start[i]));
	}
	for (size_t i = 1; i < space->n; i++)
		assert_true(space->maps[i - 1].end <= space->maps[i].start);
}

static void a_new_mapping_replaces_what_it_covers(void **state)
{
	struct space *space = space_new();
	struct model model = { 0 };

	(void)state;
	map_both(&space, &model, 1, 10, 50);
	map_both(&space, &model, 2, 20, 30); /* cuts it in two */
	assert_int_equal(space->n, 3);
	assert_same(space, &model);
	map_both(&space, &model, 3, 5, 25); /* over the left part and into the middle */
	map_both(&space, &model, 4, 0, 64); /* over all */
	assert_int_equal(space->n, 1);
	assert_same(space, &model);
	space_drop(space);
}

static void a_thousand_random_mappings_agree_with_the_model(void **state)
{
	struct space *space = space_new();
	struct model model = { 0 };

	(void)state;
	srand(1);
	for (int i = 1; i < 1000; i++) {
		uint64_t start = (uint64_t)rand() % SIZE;
		uint64_t end = start + 1 + (uint64_t)rand() % (SIZE - start);

		map_both(&space, &model, i, start, end);
		assert_same(space, &model);
	}
	space_drop(space);
}

static void a_shared_space_is_copied_before_it_changes(void **state)
{
	const struct map first = { .start = 0, .end = 10 }, second = { .start = 10, .end = 20 };
	struct space *parent = space_new(), *child;

	(void)state;
	space_add(&parent, &first);
	child = space_share(parent);
	space_add(&child, &second);
	assert_ptr_not_equal(parent, child);
	assert_int_equal(parent->n, 1);
	assert_int_equal(child->n, 2);
	space_drop(parent);
	space_drop(child);
}

static void a_process_cannot_map_without_end(void **state)
{
	struct space *space = space_new();

	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		space_add(&space, &(struct map){ .start = 2 * i, .end = 2 * i + 1 });
	assert_true(space->n <= 8192);
	space_drop(space);
}

static void dead_processes_go_first_when_there_are_too_many(void **state)
{
	struct processes processes = { 0 };

	(void)state;
	processes_get(&processes, 1);
	for (pid_t pid = 2; pid < 100000; pid++) {
		struct process *process = processes_get(&processes, pid);

		process->dead = true;
		assert_true(processes.n <= 8192);
	}
	assert_non_null(processes_find(&processes, 1));
	assert_non_null(processes_find(&processes, 99999));
	assert_null(processes_find(&processes, 2));
	processes_free(&processes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_executable_line_is_taken_apart),
		cmocka_unit_test(other_lines_are_refused),
		cmocka_unit_test(our_own_maps_have_our_own_code),
		cmocka_unit_test(paths_tell_the_kind_of_memory),
		cmocka_unit_test(a_new_mapping_replaces_what_it_covers),
		cmocka_unit_test(a_thousand_random_mappings_agree_with_the_model),
		cmocka_unit_test(a_shared_space_is_copied_before_it_changes),
		cmocka_unit_test(a_process_cannot_map_without_end),
		cmocka_unit_test(dead_processes_go_first_when_there_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
