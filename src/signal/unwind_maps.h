/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's maps of bpf/unwind.bpf.h, seen from here. They are made once, after the declarations
 * in the first BPF object that wants them, and shared by all that come later. Arrays are mapped
 * and written like memory; tests put plain memory in their place.
 */
#ifndef PLIMSOLL_SIGNAL_UNWIND_MAPS_H
#define PLIMSOLL_SIGNAL_UNWIND_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/interpreter.h"
#include "bpf/unwind.h"

struct bpf_map;
struct unwind_maps;

struct unwind_maps_ops {
	/* Hash maps, by key of the address space. 0 or negative errno. */
	int (*put_space)(struct unwind_maps *maps, uint64_t key, const struct unwind_space *space);
	void (*delete_space)(struct unwind_maps *maps, uint64_t key);
	int (*put_interpreter)(struct unwind_maps *maps, uint64_t key,
			       const struct interpreter *interpreter);
	void (*delete_interpreter)(struct unwind_maps *maps, uint64_t key);
	/* A pool of so many lines under a number. Adding and removing wait for the kernel's readers
	 * (RCU), some ten milliseconds. */
	int (*add_pool)(struct unwind_maps *maps, uint32_t pool, uint32_t lines);
	void (*remove_pool)(struct unwind_maps *maps, uint32_t pool);
	/*
	 * The words of `lines` lines, to read and write until unmap_lines(); NULL where there is no
	 * memory. Mapped only while it is worked on: what is mapped counts as ours.
	 */
	uint32_t *(*map_lines)(struct unwind_maps *maps, uint32_t pool, uint32_t line,
			       uint32_t lines);
	void (*unmap_lines)(struct unwind_maps *maps, uint32_t *words, uint32_t pool, uint32_t line,
			    uint32_t lines);
};

struct unwind_maps {
	const struct unwind_maps_ops *ops;
	/* Written here, read by the kernel. */
	struct unwind_mapping *mappings; /* UNWIND_MAPPINGS_MAX */
	struct unwind_table *tables;	 /* UNWIND_TABLES_MAX */
	struct unwind_rule *rules;	 /* UNWIND_RULES_MAX */
	/* Of the real ones. */
	int spaces_fd, mappings_fd, tables_fd, rules_fd, pools_fd, interpreters_fd;
	int pool_fds[UNWIND_POOLS_MAX];
	uint32_t pool_flags;
};

/* A BPF object's declarations of the maps, before it is loaded. */
struct unwind_map_declarations {
	struct bpf_map *spaces, *mappings, *tables, *rules, *pools, *interpreters;
};

/* Nothing is made yet. */
void unwind_maps_init(struct unwind_maps *maps);
/* Makes the maps unless that was done, and lets the object use them. 0 or negative errno. */
int unwind_maps_share(struct unwind_maps *maps, const struct unwind_map_declarations *declared);
void unwind_maps_close(struct unwind_maps *maps);

#endif
