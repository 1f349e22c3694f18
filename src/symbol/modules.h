/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where kernel modules lie, by /proc/modules: a location needs its mapping at once, long before
 * kallsyms is read.
 */
#ifndef PLIMSOLL_SYMBOL_MODULES_H
#define PLIMSOLL_SYMBOL_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The mapping of BPF programs, trampolines and the like. */
#define MODULE_BPF "bpf"

struct module {
	uint64_t start, end;
	char name[64];
};

struct modules {
	struct module *all; /* sorted by address */
	size_t n, capacity;
	int64_t next_read; /* ms */
};

/*
 * The module at a kernel address, NULL for the kernel itself. A pointer is valid until the next
 * call. `now` in ms: an address outside of all that we know makes us look again, but not often.
 */
const struct module *modules_find(struct modules *modules, const char *proc, uint64_t address,
				  int64_t now);
void modules_free(struct modules *modules);

#endif
