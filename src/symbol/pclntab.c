/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go's own table says of addresses; see pclntab.h, and pclntab_table.h for the table. functab
 * is streamed once for all addresses that are asked for, the rest is read where they lie.
 */
#include "symbol/pclntab.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "symbol/pclntab_table.h"

/* What reading a name costs, in steps. */
#define WORK_READ 100

/* abi.PCDATA_InlTreeIndex, abi.FUNCDATA_InlTree */
enum { PCDATA_INLINE = 2, FUNCDATA_INLINE = 3 };

/* --- functions --- */

struct search {
	const struct pclntab *table;
	const uint64_t *addresses;
	size_t n;
	struct pclntab_row *found; /* a row an address; record 0: none */
};

/* Which addresses lie in the function? False when the allowance is spent. */
static bool take_addresses(const struct pclntab_row *row, void *context)
{
	const struct search *s = context;

	for (size_t i = lookup_first(s->addresses, s->n, row->entry);
	     i < s->n && s->addresses[i] < row->end; i++) {
		if (!pclntab_spend(s->table, 1))
			return false;
		if (!s->found[i].record)
			s->found[i] = *row;
	}
	return true;
}

/* The caller frees it. */
static struct pclntab_row *find_functions(const struct pclntab *t, const uint64_t *addresses,
					  size_t n)
{
	struct search s = { t, addresses, n, xcalloc(n + 1, sizeof(*s.found)) };

	pclntab_each(t, take_addresses, &s);
	return s.found;
}

static const char *keep_string(const struct pclntab *t, uint64_t offset, struct arena *arena)
{
	char buffer[SYMBOL_NAME_MAX];

	if (!pclntab_spend(t, WORK_READ) || !pclntab_string(t, offset, buffer, sizeof(buffer)) ||
	    !buffer[0])
		return NULL;
	utf8_clean(buffer);
	return arena_strndup(arena, buffer, strlen(buffer));
}

void pclntab_lookup(const struct elf *elf, struct lookup *lookup)
{
	_cleanup_free_ struct pclntab_row *found = NULL;
	const char *name = NULL;
	struct pclntab t;

	if (!lookup->n || !pclntab_open(elf, lookup->work, &t))
		return;
	found = find_functions(&t, lookup->addresses, lookup->n);
	for (size_t i = 0; i < lookup->n; i++) {
		struct pclntab_func f;

		/* Neighbours are often in one function and share its name. */
		if (!i || found[i].record != found[i - 1].record)
			name = pclntab_read_func(&t, &found[i], &f)
				       ? keep_string(&t, t.names + f.name, lookup->arena)
				       : NULL;
		if (!lookup->names[i])
			lookup->names[i] = name;
	}
}

/* --- files, lines and inlined calls --- */

/* The value that a table has for `pc`; -1 where there is none. */
static int32_t value_at(const struct pclntab *t, const struct pclntab_func *f, uint32_t table,
			uint64_t pc)
{
	struct pclntab_values v;

	pclntab_values(&v, t, f, table);
	while (pclntab_next_value(&v))
		if (pc < v.to)
			return v.value;
	return -1;
}

/* Padding between functions, and code that the linker made, have no file, or one named "?". */
static const char *known_file(const char *file)
{
	return file && strcmp(file, "?") != 0 ? file : NULL;
}

static const char *file_at(const struct pclntab *t, const struct pclntab_func *f, uint64_t pc,
			   struct arena *arena)
{
	int32_t number = value_at(t, f, f->pcfile, pc);
	uint64_t offset;

	if (t->version == GO_1_2) {
		if (number <= 0 || (uint64_t)number >= t->nfiles ||
		    !pclntab_number(t, t->files + 4 * (uint64_t)number, 4, &offset))
			return NULL;
		return known_file(keep_string(t, t->at + offset, arena));
	}
	if (number < 0 || f->unit == UINT32_MAX ||
	    !pclntab_number(t, t->units + 4 * ((uint64_t)f->unit + (uint32_t)number), 4, &offset) ||
	    offset == UINT32_MAX)
		return NULL;
	return known_file(keep_string(t, t->files + offset, arena));
}

/* The offset in the file of a function's inline tree, 0: it has none. */
static uint64_t inline_tree(const struct pclntab *t, const struct pclntab_func *f)
{
	/* The counts of both arrays stand in bytes and words of the record, which they follow. */
	uint64_t pcdata = f->at + pclntab_layout(t)->nfuncdata + 1;
	uint64_t funcdata = pcdata + 4 * (uint64_t)f->npcdata, value, offset;

	if (!t->inlines || f->npcdata <= PCDATA_INLINE || f->nfuncdata <= FUNCDATA_INLINE ||
	    !pclntab_number(t, funcdata + 4 * FUNCDATA_INLINE, 4, &value) || value == UINT32_MAX ||
	    !pclntab_offset(t->elf, t->inlines + value, pclntab_layout(t)->call_size, &offset))
		return 0;
	return offset;
}

struct call {
	uint32_t name, parent;
	int32_t start_line;
};

static uint32_t number_in(const uint8_t *record, size_t offset)
{
	uint32_t value;

	memcpy(&value, record + offset, sizeof(value));
	return le32toh(value);
}

/*
 * Reads number `index` of an inline tree. A Go that we do not know may keep its trees elsewhere:
 * what we would read then is hardly ever the beginning of a name and an offset into the function.
 */
static bool read_call(const struct pclntab *t, const struct pclntab_func *f, uint64_t tree,
		      int32_t index, struct call *out)
{
	uint64_t at = tree + (uint64_t)index * pclntab_layout(t)->call_size, before;
	uint8_t record[20];
	struct call call = { 0 };

	if (image_read(&t->elf->image, at, record, pclntab_layout(t)->call_size))
		return false;
	call.name = number_in(record, pclntab_layout(t)->call_name);
	call.parent = number_in(record, pclntab_layout(t)->call_parent);
	if (pclntab_layout(t)->call_start_line)
		call.start_line = (int32_t)number_in(record, pclntab_layout(t)->call_start_line);
	if (call.parent >= f->row.end - f->row.entry)
		return false;
	if (call.name && (!pclntab_number(t, t->names + call.name - 1, 1, &before) || before != 0))
		return false;
	*out = call;
	return true;
}

/* One function, inlined or not, at one address. */
struct frame {
	const char *function, *file;
	uint32_t line, start_line; /* 0: not known */
};

static uint32_t known_line(int32_t line)
{
	return line > 0 ? (uint32_t)line : 0;
}

/* Fills `frames`, the innermost first; returns how many. */
static size_t frames_at(const struct pclntab *t, const struct pclntab_func *f, uint64_t pc,
			struct arena *arena, struct frame frames[PCLNTAB_SCOPES_MAX])
{
	uint64_t tree = inline_tree(t, f), pcdata;
	size_t n = 0;
	int depth = 0;

	if (!tree ||
	    !pclntab_number(t, f->at + pclntab_layout(t)->nfuncdata + 1 + 4 * PCDATA_INLINE, 4,
			    &pcdata))
		pcdata = 0;
	for (;;) {
		int32_t index = value_at(t, f, (uint32_t)pcdata, pc);
		struct call call = { .name = f->name, .start_line = f->start_line };
		bool inlined = ++depth < PCLNTAB_SCOPES_MAX && index >= 0 &&
			       read_call(t, f, tree, index, &call);

		frames[n] = (struct frame){
			.function = keep_string(t, t->names + call.name, arena),
			.file = file_at(t, f, pc, arena),
			.line = known_line(value_at(t, f, f->pcln, pc)),
			.start_line = known_line(call.start_line),
		};
		n += frames[n].function != NULL;
		if (!inlined)
			return n;
		/* An instruction of the caller that has the position of the call. */
		pc = f->row.entry + call.parent;
	}
}

/* The outermost scope is made first: the others point to it. */
static void answer(const struct frame *frames, size_t n, struct arena *arena,
		   struct source_answer *out)
{
	const struct source_scope *outer = NULL;

	for (size_t i = n; i-- > 0;) {
		struct source_function *function = arena_alloc(arena, sizeof(*function));
		struct source_scope *scope = arena_alloc(arena, sizeof(*scope));

		*function = (struct source_function){
			.name = frames[i].function,
			.written = frames[i].function,
			.start_line = frames[i].start_line,
		};
		*scope = (struct source_scope){ .outer = outer,
						.function = function,
						.depth = (uint16_t)(n - i) };
		if (outer) {
			scope->call_file = frames[i + 1].file;
			scope->call_line = frames[i + 1].line;
		}
		outer = scope;
	}
	*out = (struct source_answer){
		.scope = outer,
		.file = frames[0].file,
		.line = frames[0].line,
	};
}

void pclntab_source(const struct elf *elf, const uint64_t *addresses, size_t n, uint64_t *work,
		    struct arena *arena, struct source_answer *answers)
{
	_cleanup_free_ struct pclntab_row *found = NULL;
	struct pclntab t;

	if (!n || !pclntab_open(elf, work, &t))
		return;
	pclntab_find_inlines(&t);
	found = find_functions(&t, addresses, n);
	for (size_t i = 0; i < n; i++) {
		struct frame frames[PCLNTAB_SCOPES_MAX];
		struct pclntab_func f;
		size_t depth;

		if (answers[i].scope || !pclntab_read_func(&t, &found[i], &f))
			continue;
		depth = frames_at(&t, &f, addresses[i], arena, frames);
		if (depth)
			answer(frames, depth, arena, &answers[i]);
	}
}
