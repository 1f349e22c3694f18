/* SPDX-License-Identifier: Apache-2.0 */
/* Abbreviations, and stepping from DIE to DIE with them; see dwarf_info.h. */
#include "symbol/dwarf_info.h"

#include <dwarf.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* gcc needs some 1,000 abbreviations for the largest units. */
#define ABBREVIATIONS_MAX 100000
#define ATTRIBUTES_MAX	  1000000
/* Real ones have up to twenty. */
#define ATTRIBUTES_OF_ONE_MAX 200
#define TABLES_BYTES_MAX      (64 << 20)

/* --- facts --- */

struct dwarf_value *dwarf_fact(struct dwarf_facts *facts, uint16_t name)
{
	switch (name) {
	case DW_AT_low_pc:
		return &facts->low_pc;
	case DW_AT_high_pc:
		return &facts->high_pc;
	case DW_AT_ranges:
		return &facts->ranges;
	case DW_AT_name:
		return &facts->name;
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		return &facts->linkage_name;
	case DW_AT_abstract_origin:
		return &facts->origin;
	case DW_AT_specification:
		return &facts->specification;
	default:
		return NULL;
	}
}

static uint64_t *number_fact(struct dwarf_facts *facts, uint16_t name)
{
	switch (name) {
	case DW_AT_decl_line:
		return &facts->decl_line;
	case DW_AT_call_file:
		return &facts->call_file;
	case DW_AT_call_line:
		return &facts->call_line;
	default:
		return NULL;
	}
}

/* --- abbreviations --- */

/* 7.5.3. The table ends with code 0. */
static bool read_abbreviation(const struct dwarf_unit *unit, struct reader *r,
			      struct dwarf_abbreviations *table, size_t *capacity,
			      size_t *attributes_capacity)
{
	struct dwarf_abbreviation a = { .code = dwarf_uleb(r), .sibling = -1 };
	struct dwarf_facts none;

	if (!a.code || r->failed || table->n >= ABBREVIATIONS_MAX || !dwarf_spend(unit->info, 1))
		return false;
	a.first = (uint32_t)table->nattributes;
	a.tag = dwarf_code(r);
	a.has_children = reader_fixed(r, 1) != 0;
	for (;;) {
		struct dwarf_attribute attribute = { .name = dwarf_code(r) };
		int64_t constant;
		int size;

		attribute.form = dwarf_code(r);
		if (attribute.form == DW_FORM_implicit_const) {
			constant = reader_sleb(r);
			if (constant == (int32_t)constant)
				attribute.constant = (int32_t)constant;
		}
		if (r->failed || (!attribute.name && !attribute.form))
			break;
		if (a.nattributes >= ATTRIBUTES_OF_ONE_MAX || table->nattributes >= ATTRIBUTES_MAX)
			return false;
		if (attribute.name == DW_AT_sibling)
			a.sibling = (int16_t)a.nattributes;
		size = dwarf_form_size(unit, attribute.form);
		a.size = size < 0 || a.size < 0 ? -1 : a.size + size;
		attribute.size = (int8_t)size;
		attribute.is_wanted = dwarf_fact(&none, attribute.name) ||
				      number_fact(&none, attribute.name);
		a.has_code |= attribute.name == DW_AT_low_pc || attribute.name == DW_AT_ranges;
		GROW(table->attributes, table->nattributes, *attributes_capacity);
		table->attributes[table->nattributes++] = attribute;
		a.nattributes++;
	}
	GROW(table->all, table->n, *capacity);
	table->all[table->n++] = a;
	return !r->failed;
}

static int by_code(const void *a, const void *b)
{
	const struct dwarf_abbreviation *x = a, *y = b;

	return x->code < y->code ? -1 : x->code > y->code;
}

static struct dwarf_abbreviations *read_table(const struct dwarf_unit *unit)
{
	struct dwarf_abbreviations *table = xcalloc(1, sizeof(*table));
	struct reader r = dwarf_reader(&unit->info->file->sections[DWARF_ABBREV],
				       unit->abbreviations);
	size_t capacity = 0, attributes_capacity = 0;

	*table = (struct dwarf_abbreviations){
		.offset = unit->abbreviations,
		.version = unit->version,
		.address_size = unit->address_size,
		.offset_size = unit->offset_size,
	};
	while (read_abbreviation(unit, &r, table, &capacity, &attributes_capacity))
		;
	/* They are numbered from 1 in order, as a rule. */
	for (size_t i = 1; i < table->n; i++) {
		if (table->all[i - 1].code < table->all[i].code)
			continue;
		qsort(table->all, table->n, sizeof(*table->all), by_code);
		break;
	}
	unit->info->tables_bytes += capacity * sizeof(*table->all) +
				    attributes_capacity * sizeof(*table->attributes);
	return table;
}

static bool same_table(const void *key, uint32_t position, const void *context)
{
	const struct dwarf_abbreviations *table =
		((const struct dwarf_info *)context)->tables[position];
	const struct dwarf_unit *unit = key;

	return table->offset == unit->abbreviations && table->version == unit->version &&
	       table->address_size == unit->address_size && table->offset_size == unit->offset_size;
}

const struct dwarf_abbreviations *dwarf_abbreviations(struct dwarf_unit *unit)
{
	struct dwarf_info *info = unit->info;
	uint64_t hash = hash_combine(unit->abbreviations, unit->version);
	uint32_t found = index_find(&info->by_offset, hash, unit, same_table, info);

	if (found == INDEX_NONE) {
		GROW(info->tables, info->ntables, info->tables_capacity);
		info->tables[info->ntables] = read_table(unit);
		found = (uint32_t)info->ntables++;
		index_insert(&info->by_offset, hash, found);
	}
	return info->tables[found]->n ? info->tables[found] : NULL;
}

void dwarf_forget_abbreviations(struct dwarf_info *info)
{
	for (size_t i = 0; i < info->ntables; i++) {
		free(info->tables[i]->all);
		free(info->tables[i]->attributes);
		free(info->tables[i]);
	}
	info->ntables = 0;
	info->tables_bytes = 0;
	index_clear(&info->by_offset);
}

void dwarf_info_tidy(struct dwarf_info *info)
{
	if (info->tables_bytes > TABLES_BYTES_MAX)
		dwarf_forget_abbreviations(info);
}

const struct dwarf_abbreviation *dwarf_next(const struct dwarf_abbreviations *table,
					    struct reader *r)
{
	uint64_t code = dwarf_uleb(r);
	size_t low = 0, high = table->n;

	if (!code)
		return NULL;
	if (code <= table->n && table->all[code - 1].code == code)
		return &table->all[code - 1];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->all[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < table->n && table->all[low].code == code)
		return &table->all[low];
	r->failed = true;
	r->at = r->end;
	return NULL;
}

/* Over the first n attributes. */
static void skip_attributes(const struct dwarf_unit *unit, const struct dwarf_attribute *attributes,
			    size_t n, struct reader *r)
{
	struct dwarf_value value;

	for (size_t i = 0; i < n && !r->failed; i++) {
		if (attributes[i].size >= 0)
			reader_take(r, (uint64_t)attributes[i].size);
		else
			dwarf_read(unit, attributes[i].form, attributes[i].constant, r, &value);
	}
}

void dwarf_skip(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		const struct dwarf_abbreviation *a, struct reader *r)
{
	if (a->size >= 0)
		reader_take(r, (uint64_t)a->size);
	else
		skip_attributes(unit, dwarf_attributes(table, a), a->nattributes, r);
}

bool dwarf_jump(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		const struct dwarf_abbreviation *a, struct reader *r)
{
	const struct dwarf_attribute *attributes = dwarf_attributes(table, a);
	const uint8_t *start = unit->info->file->sections[DWARF_INFO].data + unit->offset;
	struct dwarf_value value;
	struct reader at = *r;

	if (a->sibling < 0)
		return false;
	skip_attributes(unit, attributes, (size_t)a->sibling, &at);
	dwarf_read(unit, attributes[a->sibling].form, 0, &at, &value);
	switch (value.form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		break;
	default:
		return false;
	}
	if (at.failed || value.number <= (uint64_t)(at.at - start) ||
	    value.number > (uint64_t)(r->end - start))
		return false;
	r->at = start + value.number;
	return true;
}

void dwarf_skip_children(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
			 struct reader *r)
{
	for (uint64_t depth = 1; depth && r->at < r->end;) {
		const struct dwarf_abbreviation *a = dwarf_next(table, r);

		if (!dwarf_spend(unit->info, 1)) {
			r->failed = true;
			r->at = r->end;
		}
		if (!a) {
			depth--;
			continue;
		}
		if (a->has_children && dwarf_jump(unit, table, a, r))
			continue;
		dwarf_skip(unit, table, a, r);
		depth += a->has_children;
	}
}

void dwarf_facts(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		 const struct dwarf_abbreviation *a, struct reader *r, struct dwarf_facts *out)
{
	const struct dwarf_attribute *attributes = dwarf_attributes(table, a);

	*out = (struct dwarf_facts){ 0 };
	for (size_t i = 0; i < a->nattributes && !r->failed; i++) {
		const struct dwarf_attribute *attribute = &attributes[i];
		struct dwarf_value value, *to;
		uint64_t *number;

		if (!attribute->is_wanted && attribute->size >= 0) {
			reader_take(r, (uint64_t)attribute->size);
			continue;
		}
		to = dwarf_fact(out, attribute->name);
		number = to ? NULL : number_fact(out, attribute->name);
		dwarf_read(unit, attribute->form, attribute->constant, r, to ? to : &value);
		if (number)
			*number = value.number;
	}
}

bool dwarf_die(struct dwarf_unit *unit, uint64_t offset, struct dwarf_facts *out)
{
	const struct dwarf_abbreviations *table = dwarf_abbreviations(unit);
	const struct dwarf_bytes *section = &unit->info->file->sections[DWARF_INFO];
	struct reader r = { .at = section->data + offset, .end = section->data + unit->end };
	const struct dwarf_abbreviation *a = table ? dwarf_next(table, &r) : NULL;

	if (!a || !dwarf_spend(unit->info, 1))
		return false;
	dwarf_facts(unit, table, a, &r, out);
	return true;
}
