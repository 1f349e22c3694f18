/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules by address; see modules.h. */
#include "symbol/modules.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "symbol/hex.h"

#define FILE_MAX      (4 << 20)
#define READ_AGAIN_MS 1000

/*
 * x86-64 puts modules, BPF programs and trampolines above the gigabyte of the kernel image
 * (Documentation/arch/x86/x86_64/mm.rst), so an address there that is in no module is generated
 * code. Elsewhere the two areas mix, and generated code counts as the kernel's.
 */
#ifdef __x86_64__
#define MODULES_START 0xffffffffc0000000ULL
#define MODULES_END   0xffffffffff000000ULL
#else
#define MODULES_START UINT64_MAX
#define MODULES_END   UINT64_MAX
#endif

static const struct module generated = {
	.start = MODULES_START,
	.end = MODULES_END,
	.name = MODULE_BPF,
};

static int by_start(const void *a, const void *b)
{
	const struct module *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* ext4 1130496 2 - Live 0xffffffffc0a31000 */
static void add_line(struct modules *modules, char *line)
{
	char *rest, *name = strtok_r(line, " ", &rest), *size = strtok_r(NULL, " ", &rest);
	char *field = size;
	struct module module = { 0 };
	const char *p;

	for (int i = 0; i < 4 && field; i++)
		field = strtok_r(NULL, " ", &rest);
	if (!field || !name)
		return;
	p = field;
	if (!parse_hex(&p, field + strlen(field), &module.start) || !module.start)
		return; /* zeros: hidden by kernel.kptr_restrict */
	module.end = module.start + strtoull(size, NULL, 10);
	snprintf(module.name, sizeof(module.name), "%s", name);
	GROW(modules->all, modules->n, modules->capacity);
	modules->all[modules->n++] = module;
}

static void read_modules(struct modules *modules, const char *proc)
{
	_cleanup_free_ char *data = NULL;
	char path[PATH_MAX], *line, *rest;
	size_t size;

	modules->n = 0;
	snprintf(path, sizeof(path), "%s/modules", proc);
	if (read_file(path, FILE_MAX, &data, &size))
		return; /* a kernel without modules */
	for (line = strtok_r(data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		add_line(modules, line);
	if (!modules->n)
		return;
	qsort(modules->all, modules->n, sizeof(*modules->all), by_start);
	/* Since 6.4 the size counts parts that lie elsewhere: end where the next one starts. */
	for (size_t i = 0; i + 1 < modules->n; i++)
		modules->all[i].end = MIN(modules->all[i].end, modules->all[i + 1].start);
}

static const struct module *find(const struct modules *modules, uint64_t address)
{
	size_t low = 0, high = modules->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (modules->all[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < modules->n && modules->all[low].start <= address ? &modules->all[low] : NULL;
}

const struct module *modules_find(struct modules *modules, const char *proc, uint64_t address,
				  int64_t now)
{
	bool may_be_new = address >= generated.start && address < generated.end;
	const struct module *module = find(modules, address);

	if (module)
		return module;
	if (!modules->next_read || (may_be_new && now >= modules->next_read)) {
		modules->next_read = now + READ_AGAIN_MS;
		read_modules(modules, proc);
		module = find(modules, address);
	}
	return module || !may_be_new ? module : &generated;
}

void modules_free(struct modules *modules)
{
	free(modules->all);
}
