/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams /proc/kallsyms past the asked addresses; see kallsyms.h. For each gap between two asked
 * addresses only the highest symbol in it can matter:
 *
 *     asked        A1            A2      A3
 *     symbols  s1 s2  s3 s4 s5        s6
 *     kept        s2         s5       s6     (the best below A1, in (A1,A2], in (A2,A3])
 *
 * The kernel lists vmlinux in the order of addresses, so the best of the gap we are in is mostly
 * replaced by the next line; it is copied only when a line falls into another gap.
 */
#include "symbol/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "symbol/hex.h"

#define CHUNK (64 << 10)
/* 300,000 symbols of 40 bytes, with room for the future. */
#define FILE_MAX_READ (256LL << 20)
/* KSYM_NAME_LEN is 512 since 6.1. */
#define NAME_MAX_KEPT 512
/* MODULE_NAME_LEN is 64 less a pointer. */
#define MODULE_MAX_KEPT 64
/* No function is larger: beyond it, the next symbol was hidden from us. */
#define FUNCTION_MAX (1ULL << 20)

struct entry {
	uint64_t address;
	char type;
	char name[NAME_MAX_KEPT], module[MODULE_MAX_KEPT];
};

/* The best symbol of a gap. */
struct kept {
	uint64_t address;
	const char *name, *module;
	char type;
};

struct scan {
	struct lookup *lookup;
	struct kept *kept;
	struct entry current; /* best of gap number `gap`, not copied yet */
	size_t gap;
	bool has_current;
	bool all_core, sorted;
	bool seen_address;
	uint64_t previous;
};

static bool is_text(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* Of aliases at one address the global one, then the one with fewer underscores. */
static bool better(char type_a, const char *a, char type_b, const char *b)
{
	if (is_text(type_a) != is_text(type_b))
		return is_text(type_a);
	if ((type_a == 'T') != (type_b == 'T'))
		return type_a == 'T';
	return strspn(a, "_") < strspn(b, "_");
}

static void keep_current(struct scan *scan)
{
	const struct entry *c = &scan->current;
	struct kept *kept = &scan->kept[scan->gap];

	if (!scan->has_current)
		return;
	scan->has_current = false;
	if (kept->name &&
	    (c->address < kept->address ||
	     (c->address == kept->address && !better(c->type, c->name, kept->type, kept->name))))
		return;
	*kept = (struct kept){
		.address = c->address,
		.type = c->type,
		.name = arena_strndup(scan->lookup->arena, c->name, strlen(c->name)),
		.module = arena_strndup(scan->lookup->arena, c->module, strlen(c->module)),
	};
}

static void copy_cut(char *to, size_t size, const char *from, const char *end)
{
	size_t n = MIN((size_t)(end - from), size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static bool replaces_current(const struct scan *scan, char type, const char *name, const char *end)
{
	char copy[NAME_MAX_KEPT];

	copy_cut(copy, sizeof(copy), name, end);
	return better(type, copy, scan->current.type, scan->current.name);
}

/* One line. False: nothing that follows can matter. */
static bool add_line(struct scan *scan, const char *line, const char *end)
{
	const struct lookup *lookup = scan->lookup;
	const uint64_t *addresses = lookup->addresses;
	const char *p = line, *name, *module;
	uint64_t address;
	char type;
	size_t gap;

	if (!parse_hex(&p, end, &address) || end - p < 4 || p[0] != ' ' || p[2] != ' ')
		return true;
	type = p[1];
	/* Absolute symbols are offsets into per-CPU areas, not addresses. */
	if (type == 'a' || type == 'A')
		return true;
	scan->seen_address |= address != 0;
	name = p + 3;
	module = memchr(name, '\t', (size_t)(end - name));
	scan->sorted &= module || address >= scan->previous;
	scan->previous = address;
	if (address > addresses[lookup->n - 1]) {
		/* Past the last one; only modules, which come later, could be nearer. */
		bool all_found = scan->kept[0].name || (scan->has_current && scan->gap == 0);

		return !(scan->all_core && scan->sorted && !module && all_found);
	}
	if (scan->has_current && address <= addresses[scan->gap] &&
	    (scan->gap == 0 || address > addresses[scan->gap - 1]))
		gap = scan->gap;
	else
		gap = lookup_first(addresses, lookup->n, address);
	if (scan->has_current && gap == scan->gap) {
		if (address < scan->current.address ||
		    (address == scan->current.address &&
		     !replaces_current(scan, type, name, module ? module : end)))
			return true;
	} else {
		keep_current(scan);
	}
	scan->gap = gap;
	scan->has_current = true;
	scan->current.address = address;
	scan->current.type = type;
	copy_cut(scan->current.name, sizeof(scan->current.name), name, module ? module : end);
	scan->current.module[0] = '\0';
	if (module && end - module > 3) /* "\t[ext4]" */
		copy_cut(scan->current.module, sizeof(scan->current.module), module + 2, end - 1);
	return true;
}

static int read_lines(int fd, struct scan *scan)
{
	_cleanup_free_ char *buffer = xmalloc(CHUNK);
	long long left = FILE_MAX_READ;
	size_t kept = 0;
	ssize_t n;

	while ((n = read(fd, buffer + kept, CHUNK - kept)) > 0 || (n < 0 && errno == EINTR)) {
		const char *line = buffer, *newline;
		const char *end = buffer + kept + MAX(n, 0);

		if ((left -= n) < 0)
			return -EFBIG;
		while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
			if (!add_line(scan, line, newline))
				return 0;
			line = newline + 1;
		}
		kept = (size_t)(end - line);
		if (kept == CHUNK)
			kept = 0; /* no symbol is that long: whatever it is, pass over it */
		memmove(buffer, line, kept);
	}
	return n < 0 ? -errno : 0;
}

int kallsyms_lookup(int fd, bool all_core, struct lookup *lookup, const char **modules)
{
	struct scan scan = { .lookup = lookup, .all_core = all_core, .sorted = true };
	const struct kept *best = NULL;
	int err;

	if (!lookup->n)
		return 0;
	scan.kept = xcalloc(lookup->n, sizeof(*scan.kept));
	err = read_lines(fd, &scan);
	keep_current(&scan);
	for (size_t i = 0; i < lookup->n; i++) {
		char *name;

		if (scan.kept[i].name)
			best = &scan.kept[i];
		if (!best || !is_text(best->type) ||
		    lookup->addresses[i] - best->address > FUNCTION_MAX)
			continue;
		name = arena_strndup(lookup->arena, best->name, strlen(best->name));
		lookup->names[i] = utf8_clean(name);
		modules[i] = best->module;
	}
	free(scan.kept);
	if (!err && !scan.seen_address)
		return -EACCES;
	return err;
}
