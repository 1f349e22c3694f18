/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's maps for walking stacks; see unwind_maps.h. */
#include "signal/unwind_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

/* --- what the kernel finds by key --- */

static int put_space(struct unwind_maps *maps, uint64_t key, const struct unwind_space *space)
{
	return bpf_map_update_elem(maps->spaces_fd, &key, space, BPF_ANY);
}

static void delete_space(struct unwind_maps *maps, uint64_t key)
{
	bpf_map_delete_elem(maps->spaces_fd, &key);
}

static int put_interpreter(struct unwind_maps *maps, uint64_t key,
			   const struct interpreter *interpreter)
{
	return bpf_map_update_elem(maps->interpreters_fd, &key, interpreter, BPF_ANY);
}

static void delete_interpreter(struct unwind_maps *maps, uint64_t key)
{
	bpf_map_delete_elem(maps->interpreters_fd, &key);
}

/* --- pools --- */

static int add_pool(struct unwind_maps *maps, uint32_t pool, uint32_t lines)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = maps->pool_flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_pool", sizeof(uint32_t),
				sizeof(struct unwind_line), lines, &options);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(maps->pools_fd, &pool, &fd, BPF_ANY);
	if (err) {
		close(fd);
		return err;
	}
	maps->pool_fds[pool] = fd;
	return 0;
}

static void remove_pool(struct unwind_maps *maps, uint32_t pool)
{
	bpf_map_delete_elem(maps->pools_fd, &pool);
	close(TAKE_FD(maps->pool_fds[pool]));
}

/* Whole pages around the lines. */
struct pages {
	size_t offset, size; /* in the pool */
	size_t words;	     /* before the first line */
};

static struct pages pages_of(uint32_t line, uint32_t lines)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t start = (size_t)line * sizeof(struct unwind_line);
	size_t end = start + (size_t)lines * sizeof(struct unwind_line);
	size_t offset = start & ~(page - 1);

	return (struct pages){ offset, end - offset, (start - offset) / sizeof(uint32_t) };
}

static uint32_t *map_lines(struct unwind_maps *maps, uint32_t pool, uint32_t line, uint32_t lines)
{
	const struct pages pages = pages_of(line, lines);
	void *memory = mmap(NULL, pages.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    maps->pool_fds[pool], (off_t)pages.offset);

	return memory == MAP_FAILED ? NULL : (uint32_t *)memory + pages.words;
}

static void unmap_lines(struct unwind_maps *maps, uint32_t *words, uint32_t pool, uint32_t line,
			uint32_t lines)
{
	const struct pages pages = pages_of(line, lines);

	(void)maps;
	(void)pool;
	munmap(words - pages.words, pages.size);
}

static const struct unwind_maps_ops kernel_maps = {
	.put_space = put_space,
	.delete_space = delete_space,
	.put_interpreter = put_interpreter,
	.delete_interpreter = delete_interpreter,
	.add_pool = add_pool,
	.remove_pool = remove_pool,
	.map_lines = map_lines,
	.unmap_lines = unmap_lines,
};

/* --- making them --- */

void unwind_maps_init(struct unwind_maps *maps)
{
	*maps = (struct unwind_maps){
		.ops = &kernel_maps,
		.spaces_fd = -1,
		.mappings_fd = -1,
		.tables_fd = -1,
		.rules_fd = -1,
		.pools_fd = -1,
		.interpreters_fd = -1,
	};
	for (size_t i = 0; i < ARRAY_SIZE(maps->pool_fds); i++)
		maps->pool_fds[i] = -1;
}

/* A map as declared; its descriptor, or negative errno. */
static int create(const struct bpf_map *declared, int inner_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(declared),
		    .inner_map_fd = inner_fd > 0 ? (uint32_t)inner_fd : 0);

	return bpf_map_create(bpf_map__type(declared), bpf_map__name(declared),
			      bpf_map__key_size(declared), bpf_map__value_size(declared),
			      bpf_map__max_entries(declared), &options);
}

static int create_array(const struct bpf_map *declared, size_t size, int *fd, void **memory)
{
	*fd = create(declared, 0);
	if (*fd < 0)
		return *fd;
	*memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (*memory == MAP_FAILED) {
		*memory = NULL;
		return -errno;
	}
	return 0;
}

/* The array of pools takes pools of any size (BPF_F_INNER_MAP), so the smallest shows their form.
 */
static int create_pools(struct unwind_maps *maps, struct bpf_map *declared)
{
	maps->pool_flags = bpf_map__map_flags(bpf_map__inner_map(declared));

	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = maps->pool_flags);
	_cleanup_close_ int form = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_pool",
						  sizeof(uint32_t), sizeof(struct unwind_line), 1,
						  &options);

	if (form < 0)
		return form;
	maps->pools_fd = create(declared, form);
	return maps->pools_fd < 0 ? maps->pools_fd : 0;
}

static int create_all(struct unwind_maps *maps, const struct unwind_map_declarations *declared)
{
	int err;

	maps->spaces_fd = create(declared->spaces, 0);
	if (maps->spaces_fd < 0)
		return maps->spaces_fd;
	maps->interpreters_fd = create(declared->interpreters, 0);
	if (maps->interpreters_fd < 0)
		return maps->interpreters_fd;
	err = create_array(declared->mappings, UNWIND_MAPPINGS_MAX * sizeof(*maps->mappings),
			   &maps->mappings_fd, (void **)&maps->mappings);
	if (!err)
		err = create_array(declared->tables, UNWIND_TABLES_MAX * sizeof(*maps->tables),
				   &maps->tables_fd, (void **)&maps->tables);
	if (!err)
		err = create_array(declared->rules, UNWIND_RULES_MAX * sizeof(*maps->rules),
				   &maps->rules_fd, (void **)&maps->rules);
	return err ? err : create_pools(maps, declared->pools);
}

int unwind_maps_share(struct unwind_maps *maps, const struct unwind_map_declarations *declared)
{
	int err = maps->pools_fd >= 0 ? 0 : create_all(maps, declared);
	const struct {
		struct bpf_map *map;
		int fd;
	} all[] = {
		{ declared->spaces, maps->spaces_fd },
		{ declared->mappings, maps->mappings_fd },
		{ declared->tables, maps->tables_fd },
		{ declared->rules, maps->rules_fd },
		{ declared->pools, maps->pools_fd },
		{ declared->interpreters, maps->interpreters_fd },
	};

	for (size_t i = 0; !err && i < ARRAY_SIZE(all); i++)
		err = bpf_map__reuse_fd(all[i].map, all[i].fd);
	return err;
}

void unwind_maps_close(struct unwind_maps *maps)
{
	const int fds[] = { maps->spaces_fd, maps->mappings_fd, maps->tables_fd,
			    maps->rules_fd,  maps->pools_fd,	maps->interpreters_fd };

	if (maps->mappings)
		munmap(maps->mappings, UNWIND_MAPPINGS_MAX * sizeof(*maps->mappings));
	if (maps->tables)
		munmap(maps->tables, UNWIND_TABLES_MAX * sizeof(*maps->tables));
	if (maps->rules)
		munmap(maps->rules, UNWIND_RULES_MAX * sizeof(*maps->rules));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < ARRAY_SIZE(maps->pool_fds); i++)
		if (maps->pool_fds[i] >= 0)
			close(maps->pool_fds[i]);
}
