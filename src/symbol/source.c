/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From addresses to scopes; see source.h. The walk through a unit carries the addresses along that
 * may still be found below:
 *
 *     unit                    5 7 9 20 21       from its ranges
 *       subprogram f          5 7 9             each scope takes those in its own ranges
 *         inlined g             7 9
 *           inlined h             9             -> h in g in f
 *       subprogram i                            nobody's: its children are jumped over
 *       subprogram k                20 21
 *
 * gcc puts the code of a lambda into its type, and that into the function around it. So where
 * addresses are left, a second walk looks for them everywhere.
 */
#include "symbol/source.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/dwarf_info.h"
#include "symbol/dwarf_line.h"
#include "symbol/dwarf_name.h"
#include "symbol/lookup.h"

/* Blocks count, too. */
#define LEVELS_MAX 512
/* From a concrete function over its abstract one to its declaration: real ones take three. */
#define REFERENCES_MAX 8

struct known_function {
	const struct dwarf_info *info;
	uint64_t offset;
	const struct source_function *function;
};

/* Addresses on their way down: numbers of the unit's, ascending. */
struct level {
	size_t first, n; /* in `carried` */
	const struct source_scope *scope;
};

struct walk {
	struct dwarf_info main, supplement;
	struct arena *arena;
	struct source_answer *answers;
	struct source_stats *stats;
	const uint64_t *all; /* asked for, as in this file */
	uint32_t *claims;    /* the last unit that claimed each */
	size_t nall;

	struct known_function *functions;
	size_t nfunctions, functions_capacity;
	struct index by_die;

	/* Of one unit. */
	struct dwarf_unit *unit;
	uint64_t die; /* offset of the one that is visited */
	const struct dwarf_abbreviations *table;
	struct dwarf_lines *lines; /* NULL: has none */
	uint32_t *asked;	   /* numbers of its addresses in `all`, ascending */
	uint64_t *addresses;	   /* those */
	uint16_t *depths;	   /* of the scope found so far */
	uint32_t *takers;	   /* number of the last scope or block that took it */
	uint32_t ntakers;
	size_t n;

	bool is_thorough; /* the second walk */
	const struct level *taken_from;
	struct level levels[LEVELS_MAX];
	size_t nlevels;
	uint32_t *carried;
	size_t ncarried, carried_capacity;
};

/* --- names --- */

static const char *keep(struct walk *w, const char *text)
{
	return text && text[0] ? arena_strndup(w->arena, text, strnlen(text, SOURCE_TEXT_MAX - 1))
			       : NULL;
}

/* Takes what is not known yet from a DIE. */
static void complete(const struct dwarf_unit *unit, const struct dwarf_facts *facts,
		     struct source_function *f)
{
	if (!f->name)
		f->name = dwarf_text(unit, &facts->linkage_name);
	if (!f->written)
		f->written = dwarf_text(unit, &facts->name);
	if (!f->start_line)
		f->start_line = (uint32_t)MIN(facts->decl_line, (uint64_t)INT32_MAX);
}

static struct dwarf_unit *origin_of(const struct dwarf_unit *unit, const struct dwarf_facts *facts,
				    uint64_t *offset)
{
	return dwarf_reference(unit, facts->origin.form ? &facts->origin : &facts->specification,
			       offset);
}

static bool same_die(const void *key, uint32_t position, const void *context)
{
	const struct known_function *a = key,
				    *b = &((const struct walk *)context)->functions[position];

	return a->info == b->info && a->offset == b->offset;
}

/* The function whose DIE is at `offset`, and what that does not say of it. */
static const struct source_function *function_at(struct walk *w, struct dwarf_unit *unit,
						 uint64_t offset, struct dwarf_facts facts)
{
	struct source_function f = { 0 }, *kept;
	struct dwarf_unit *named = unit; /* where it is called what is written */
	uint64_t name_offset = offset;

	complete(unit, &facts, &f);
	for (int i = 0; i < REFERENCES_MAX && !(f.name && f.written && f.start_line); i++) {
		unit = origin_of(unit, &facts, &offset);
		if (!unit || !dwarf_die(unit, offset, &facts))
			break;
		if (!f.written) {
			named = unit;
			name_offset = offset;
		}
		complete(unit, &facts, &f);
	}
	f.written = keep(w, f.written);
	f.name = keep(w, f.name);
	if (!f.name && f.written)
		f.name = dwarf_qualified_name(named, name_offset, f.written, w->arena);
	if (!f.name)
		f.name = f.written;
	if (!f.name)
		return NULL;
	kept = arena_alloc(w->arena, sizeof(*kept));
	*kept = f;
	return kept;
}

/* The function that an inlined one is a copy of: asked for once for all copies. */
static const struct source_function *copied_function(struct walk *w,
						     const struct dwarf_facts *facts)
{
	struct known_function known;
	struct dwarf_facts origin;
	struct dwarf_unit *unit = origin_of(w->unit, facts, &known.offset);
	uint64_t hash;
	uint32_t found;

	if (!unit)
		return function_at(w, w->unit, w->die, *facts);
	known.info = unit->info;
	hash = hash_combine(unit->info == &w->main, known.offset);
	found = index_find(&w->by_die, hash, &known, same_die, w);
	if (found != INDEX_NONE)
		return w->functions[found].function;
	known.function = dwarf_die(unit, known.offset, &origin)
				 ? function_at(w, unit, known.offset, origin)
				 : NULL;
	GROW(w->functions, w->nfunctions, w->functions_capacity);
	w->functions[w->nfunctions] = known;
	index_insert(&w->by_die, hash, (uint32_t)w->nfunctions++);
	return known.function;
}

/* --- scopes --- */

enum tag_class { TAG_OTHER, TAG_TYPE, TAG_CONTAINER, TAG_BLOCK, TAG_FUNCTION, TAG_INLINED };

static enum tag_class class_of(uint16_t tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
		return TAG_FUNCTION;
	case DW_TAG_inlined_subroutine:
		return TAG_INLINED;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		return TAG_BLOCK;
	case DW_TAG_namespace:
	case DW_TAG_module:
		return TAG_CONTAINER;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		return TAG_TYPE;
	default:
		return TAG_OTHER;
	}
}

static void carry(struct walk *w, uint32_t number)
{
	GROW(w->carried, w->ncarried, w->carried_capacity);
	w->carried[w->ncarried++] = number;
}

static uint64_t address_of(const struct walk *w, size_t carried)
{
	return w->addresses[w->carried[carried]];
}

/* Position of the first of the level's addresses that is not below this one. */
static size_t first_of(const struct walk *w, const struct level *level, uint64_t address)
{
	size_t low = level->first, high = level->first + level->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_of(w, middle) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Those of the level above that are in a range, but for those that another scope of this depth has
 * already. */
static void carry_range(uint64_t low, uint64_t high, void *context)
{
	struct walk *w = context;
	const struct level *above = w->taken_from;
	uint16_t depth = above->scope ? above->scope->depth : 0;

	if (!depth && !dwarf_is_code(w->main.file, low))
		return;
	for (size_t i = first_of(w, above, low);
	     i < above->first + above->n && address_of(w, i) < high; i++) {
		uint32_t number = w->carried[i];

		if (!dwarf_spend(&w->main, 1))
			return;
		if (w->depths[number] > depth || w->takers[number] == w->ntakers)
			continue;
		w->takers[number] = w->ntakers;
		carry(w, number);
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Ranges may come in any order. */
static void put_in_order(uint32_t *numbers, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (numbers[i - 1] < numbers[i])
			continue;
		qsort(numbers, n, sizeof(*numbers), by_number);
		return;
	}
}

static const struct source_scope *make_scope(struct walk *w, enum tag_class class,
					     const struct dwarf_facts *facts,
					     const struct source_scope *outer)
{
	struct source_scope *scope = arena_alloc(w->arena, sizeof(*scope));
	bool inlined = class == TAG_INLINED;

	/* A function inside of another one is not called by it: it begins anew. */
	*scope = (struct source_scope){
		.outer = inlined ? outer : NULL,
		.depth = (uint16_t)(outer ? outer->depth + 1 : 1),
		.function = inlined ? copied_function(w, facts)
				    : function_at(w, w->unit, w->die, *facts),
	};
	if (inlined && outer) {
		scope->call_line = (uint32_t)MIN(facts->call_line, (uint64_t)INT32_MAX);
		if (w->lines)
			scope->call_file = dwarf_lines_file(w->lines, facts->call_file, w->arena);
	}
	return scope;
}

/* A function, an inlined one or a block: goes down with the addresses that are in it. False: there
 * are none, or it has no code. */
static bool enter_scope(struct walk *w, enum tag_class class, const struct dwarf_facts *facts)
{
	const struct level *above = &w->levels[w->nlevels - 1];
	struct level level = { .first = w->ncarried, .scope = above->scope };

	/* A function is code of its own, wherever it is declared. */
	if (class == TAG_FUNCTION)
		above = &w->levels[0];
	w->taken_from = above;
	w->ntakers++;
	dwarf_ranges_of(w->unit, facts, carry_range, w);
	level.n = w->ncarried - level.first;
	if (!level.n)
		return false;
	put_in_order(w->carried + level.first, level.n);
	if (class != TAG_BLOCK) {
		if (above->scope && above->scope->depth >= SOURCE_SCOPES_MAX) {
			w->stats->scopes_cut++;
			w->ncarried = level.first;
			return false;
		}
		level.scope = make_scope(w, class, facts, above->scope);
		for (size_t i = level.first; i < w->ncarried; i++) {
			w->depths[w->carried[i]] = level.scope->depth;
			w->answers[w->asked[w->carried[i]]].scope = level.scope;
		}
	}
	w->levels[w->nlevels++] = level;
	return true;
}

/* The same addresses go on below, as in a namespace; or none but those of functions in there. */
static void enter_container(struct walk *w, bool is_open)
{
	struct level level = w->levels[w->nlevels - 1];

	if (!is_open)
		level = (struct level){ .first = w->ncarried };
	w->levels[w->nlevels++] = level;
}

static void leave(struct walk *w)
{
	const struct level *gone = &w->levels[--w->nlevels];

	/* A container has its addresses from the level above. */
	if (w->nlevels && gone->first != w->levels[w->nlevels - 1].first)
		w->ncarried = gone->first;
}

static void pass(struct walk *w, const struct dwarf_abbreviation *a, struct reader *r)
{
	if (a->has_children && dwarf_jump(w->unit, w->table, a, r))
		return;
	dwarf_skip(w->unit, w->table, a, r);
	if (a->has_children)
		dwarf_skip_children(w->unit, w->table, r);
}

/* What is done with a DIE that is not a scope with code. */
enum way { WAY_PASS, WAY_OPEN, WAY_CLOSED, WAY_SCOPE };

static enum way way_of(const struct walk *w, const struct dwarf_abbreviation *a)
{
	bool is_empty = !w->levels[w->nlevels - 1].n;

	switch (class_of(a->tag)) {
	case TAG_CONTAINER:
		return WAY_OPEN;
	case TAG_TYPE:
		return w->is_thorough ? WAY_CLOSED : WAY_PASS;
	case TAG_BLOCK:
		return a->has_code && !is_empty ? WAY_SCOPE : WAY_OPEN;
	case TAG_FUNCTION:
		return a->has_code ? WAY_SCOPE : w->is_thorough ? WAY_CLOSED : WAY_PASS;
	case TAG_INLINED:
		return a->has_code && !is_empty ? WAY_SCOPE : WAY_PASS;
	default:
		return WAY_PASS;
	}
}

static void visit_scope(struct walk *w, const struct dwarf_abbreviation *a, struct reader *r)
{
	enum tag_class class = class_of(a->tag);
	struct reader before = *r;
	struct dwarf_facts facts;

	dwarf_facts(w->unit, w->table, a, r, &facts);
	if (r->failed)
		return;
	if (enter_scope(w, class, &facts)) {
		if (!a->has_children)
			leave(w);
	} else if (a->has_children) {
		if (w->is_thorough && class != TAG_INLINED)
			enter_container(w, false);
		else if (dwarf_jump(w->unit, w->table, a, &before))
			*r = before;
		else
			dwarf_skip_children(w->unit, w->table, r);
	}
}

static void visit(struct walk *w, const struct dwarf_abbreviation *a, struct reader *r)
{
	enum way way = w->nlevels < LEVELS_MAX ? way_of(w, a) : WAY_PASS;

	w->stats->scopes_cut += w->nlevels >= LEVELS_MAX;
	if (way == WAY_SCOPE) {
		visit_scope(w, a, r);
	} else if (way == WAY_PASS || !a->has_children) {
		pass(w, a, r);
	} else {
		dwarf_skip(w->unit, w->table, a, r);
		enter_container(w, way == WAY_OPEN);
	}
}

/* Finds the scopes of the addresses that have none. False: all have one. */
static bool walk_tree(struct walk *w, bool is_thorough)
{
	const struct dwarf_bytes *section = &w->main.file->sections[DWARF_INFO];
	struct reader r = { .at = section->data + w->unit->die,
			    .end = section->data + w->unit->end };
	const struct dwarf_abbreviation *a = dwarf_next(w->table, &r);

	w->ncarried = 0;
	for (uint32_t i = 0; i < w->n; i++)
		if (!w->depths[i])
			carry(w, i);
	if (!w->ncarried || !a || !a->has_children)
		return false;
	dwarf_skip(w->unit, w->table, a, &r);
	w->is_thorough = is_thorough;
	w->levels[0] = (struct level){ .n = w->ncarried };
	w->nlevels = 1;
	while (w->nlevels && r.at < r.end && dwarf_spend(&w->main, 1)) {
		w->die = (uint64_t)(r.at - section->data);
		a = dwarf_next(w->table, &r);
		if (a)
			visit(w, a, &r);
		else
			leave(w);
	}
	w->stats->units_broken += r.failed;
	return !r.failed;
}

/* --- units --- */

static void ask_range(uint64_t low, uint64_t high, void *context)
{
	struct walk *w = context;

	if (high <= w->all[0] || low > w->all[w->nall - 1] || !dwarf_is_code(w->main.file, low))
		return;
	for (size_t i = lookup_first(w->all, w->nall, low); i < w->nall && w->all[i] < high; i++) {
		uint32_t unit = (uint32_t)(w->unit - w->main.units) + 1;

		/* Ranges that overlap are read again and again: looking is what counts. */
		if (!dwarf_spend(&w->main, 1))
			return;
		if (w->answers[i].scope || w->claims[i] == unit)
			continue;
		w->claims[i] = unit;
		w->asked[w->n++] = (uint32_t)i;
	}
}

static void find_lines(struct walk *w)
{
	_cleanup_free_ struct dwarf_place *places = xcalloc(w->n, sizeof(*places));

	dwarf_lines_find(w->lines, w->addresses, w->n, places);
	for (size_t i = 0; i < w->n; i++) {
		struct source_answer *answer = &w->answers[w->asked[i]];

		if (!places[i].found || answer->file)
			continue;
		answer->file = dwarf_lines_file(w->lines, places[i].file, w->arena);
		answer->line = answer->file ? MIN(places[i].line, (uint32_t)INT32_MAX) : 0;
	}
}

/* Those of its addresses that nobody has a scope for yet. */
static void claim_addresses(struct walk *w, const struct dwarf_root *root)
{
	w->n = 0;
	dwarf_ranges_of(w->unit, &root->facts, ask_range, w);
	put_in_order(w->asked, w->n);
	for (size_t i = 0; i < w->n; i++) {
		w->addresses[i] = w->all[w->asked[i]];
		w->depths[i] = 0;
		w->takers[i] = 0;
	}
	w->ntakers = 0;
}

static void walk_unit(struct walk *w, struct dwarf_unit *unit)
{
	struct dwarf_lines lines = { 0 };
	struct dwarf_root root;

	if (unit->type == DW_UT_type || unit->type == DW_UT_split_type)
		return;
	dwarf_info_tidy(&w->main);
	if (!dwarf_root(unit, &root)) {
		w->stats->units_broken++;
		return;
	}
	w->unit = unit;
	claim_addresses(w, &root);
	if (!w->n)
		return;
	w->table = dwarf_abbreviations(unit);
	w->stats->units++;
	w->stats->units_split += root.is_split;
	w->lines = NULL;
	if (root.has_lines) {
		if (dwarf_lines_open(&w->main, root.lines, root.directory, unit->address_size,
				     &lines))
			w->lines = &lines;
		else
			w->stats->units_broken++;
	}
	if (w->lines)
		find_lines(w);
	if (walk_tree(w, false))
		walk_tree(w, true);
	dwarf_lines_close(&lines);
}

/* Line tables that no unit led to: all that is left of `strip --keep-section=.debug_line`. */
static void walk_tables(struct walk *w)
{
	struct dwarf_lines lines;

	w->n = w->nall;
	for (uint32_t i = 0; i < w->nall; i++) {
		w->asked[i] = i;
		w->addresses[i] = w->all[i];
	}
	w->lines = &lines;
	for (uint64_t at = 0;; at = lines.next) {
		bool whole = dwarf_lines_open(&w->main, at, NULL, 8, &lines);

		if (whole)
			find_lines(w);
		else if (lines.next)
			w->stats->units_broken++;
		dwarf_lines_close(&lines);
		if (!lines.next || !dwarf_spend(&w->main, 1))
			break;
	}
}

int source_lookup(const struct source_files *files, const uint64_t *addresses, size_t n,
		  uint64_t *work, struct arena *arena, struct source_answer *answers,
		  struct source_stats *stats)
{
	_cleanup_free_ uint64_t *all = xcalloc(n + 1, sizeof(*all));
	struct walk w = {
		.arena = arena, .answers = answers, .stats = stats, .all = all, .nall = n
	};
	struct dwarf_file file, supplement = { 0 };
	int err;

	if (!n)
		return 0;
	/* A bias that wraps around would put them out of order. */
	if (addresses[0] < files->bias && addresses[n - 1] >= files->bias)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		all[i] = addresses[i] - files->bias;
	err = dwarf_file_open(files->elf, SOURCE_MEMORY, &file);
	if (err)
		return err;
	dwarf_info_open(&w.main, &file, work);
	if (files->supplement && !dwarf_file_open(files->supplement, SOURCE_MEMORY, &supplement)) {
		dwarf_info_open(&w.supplement, &supplement, work);
		w.main.supplement = &w.supplement;
	}
	w.asked = xcalloc(n, sizeof(*w.asked));
	w.addresses = xcalloc(n, sizeof(*w.addresses));
	w.depths = xcalloc(n, sizeof(*w.depths));
	w.takers = xcalloc(n, sizeof(*w.takers));
	w.claims = xcalloc(n, sizeof(*w.claims));
	for (size_t i = 0; i < w.main.nunits && *work; i++)
		walk_unit(&w, &w.main.units[i]);
	if (!w.main.nunits)
		walk_tables(&w);
	stats->is_exhausted |= !*work;
	dwarf_info_close(&w.main);
	dwarf_info_close(&w.supplement);
	dwarf_file_close(&file);
	dwarf_file_close(&supplement);
	index_free(&w.by_die);
	free(w.functions);
	free(w.asked);
	free(w.addresses);
	free(w.depths);
	free(w.takers);
	free(w.claims);
	free(w.carried);
	return 0;
}
