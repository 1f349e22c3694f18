/* SPDX-License-Identifier: Apache-2.0 */
/* Names with all that is around them; see dwarf_name.h. The way down from the root is found by
 * DW_AT_sibling: what we look for is between a DIE and its sibling, or it is not below that DIE. */
#include "symbol/dwarf_name.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* Namespaces, classes and functions around one function. */
#define PARENTS_MAX    16
#define NAME_MAX_BYTES 4096
/* From a concrete function over its abstract one to its declaration. */
#define REFERENCES_MAX 4

struct parent {
	uint16_t tag;
	const char *name; /* NULL: has none */
};

struct way {
	struct parent parents[PARENTS_MAX];
	size_t n;
};

static bool is_type(uint16_t tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

static bool is_named(uint16_t tag)
{
	return is_type(tag) || tag == DW_TAG_namespace || tag == DW_TAG_subprogram;
}

/* A function that was declared elsewhere has its name there. */
static const char *name_at(const struct dwarf_unit *unit, struct dwarf_facts facts)
{
	for (int i = 0; i < REFERENCES_MAX; i++) {
		const char *name = dwarf_text(unit, &facts.name);
		uint64_t offset;

		if (name)
			return name;
		unit = dwarf_reference(
			unit, facts.origin.form ? &facts.origin : &facts.specification, &offset);
		if (!unit || !dwarf_die((struct dwarf_unit *)unit, offset, &facts))
			return NULL;
	}
	return NULL;
}

/* Goes down to the DIE at `target`. The reader is behind the root's attributes. */
static bool find_way(struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		     struct reader r, uint64_t target, struct way *way)
{
	const uint8_t *start = unit->info->file->sections[DWARF_INFO].data;

	while (r.at < r.end && dwarf_spend(unit->info, 1)) {
		uint64_t offset = (uint64_t)(r.at - start);
		const struct dwarf_abbreviation *a;
		struct dwarf_facts facts;
		struct reader next;

		if (offset >= target)
			return offset == target;
		a = dwarf_next(table, &r);
		if (!a)
			return false;
		next = r;
		if (a->has_children && dwarf_jump(unit, table, a, &next) &&
		    (uint64_t)(next.at - start) <= target) {
			r = next;
			continue;
		}
		if (!a->has_children) {
			dwarf_skip(unit, table, a, &r);
			continue;
		}
		/* It is below, or this is the last one of its parent and it is nowhere. */
		dwarf_facts(unit, table, a, &r, &facts);
		if (!is_named(a->tag))
			continue;
		if (way->n == PARENTS_MAX)
			return false;
		way->parents[way->n++] = (struct parent){ a->tag, name_at(unit, facts) };
	}
	return false;
}

static const char *name_of(const struct parent *parent, const char *written)
{
	if (parent->name)
		return parent->name;
	if (parent->tag == DW_TAG_namespace)
		return "(anonymous namespace)";
	return strncmp(written, "operator()", strlen("operator()")) == 0 ||
			       strstr(written, "<lambda")
		       ? "{lambda}"
		       : "{anonymous}";
}

const char *dwarf_qualified_name(struct dwarf_unit *unit, uint64_t offset, const char *written,
				 struct arena *arena)
{
	const struct dwarf_abbreviations *table = dwarf_abbreviations(unit);
	const struct dwarf_bytes *section = &unit->info->file->sections[DWARF_INFO];
	struct reader r = { .at = section->data + unit->die, .end = section->data + unit->end };
	const struct dwarf_abbreviation *root = table ? dwarf_next(table, &r) : NULL;
	char name[NAME_MAX_BYTES];
	struct way way = { 0 };
	size_t size = 0;

	if (!root)
		return NULL;
	dwarf_skip(unit, table, root, &r);
	/* A function in a function, without a type between, is called by its own name in C. */
	if (!find_way(unit, table, r, offset, &way) || !way.n ||
	    way.parents[way.n - 1].tag == DW_TAG_subprogram)
		return NULL;
	for (size_t i = 0; i <= way.n && size < sizeof(name); i++)
		size += (size_t)snprintf(name + size, sizeof(name) - size, "%s%s", i ? "::" : "",
					 i < way.n ? name_of(&way.parents[i], written) : written);
	return arena_strndup(arena, name, MIN(size, sizeof(name) - 1));
}
