/* SPDX-License-Identifier: Apache-2.0 */
/* .debug_info; see dwarf_info.h. Section numbers below are those of the DWARF 5 standard; forms
 * that begin with GNU are gcc's and dwz's. */
#include "symbol/dwarf_info.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Chrome has 40,000 units, and dwz makes as many partial ones again. */
#define UNITS_MAX 1000000
/* gcc needs some 1,000 abbreviations for the largest units. */
#define ABBREVIATIONS_MAX 100000
#define ATTRIBUTES_MAX	  1000000
/* Real ones have up to twenty. */
#define ATTRIBUTES_OF_ONE_MAX 200
#define TABLES_BYTES_MAX      (64 << 20)
/* A root DIE's bases lie behind the header of their section if it does not say where: 7.26 ff. */
#define BASE_DEFAULT 8

/* Version, abbreviations, size of an address; what is shorter, such as a hole in a file, is none.
 */
#define HEADER_MIN 7

static struct reader reader_of(const struct dwarf_bytes *section, uint64_t offset)
{
	offset = MIN(offset, section->size);
	return (struct reader){ .at = section->data + offset,
				.end = section->data + section->size };
}

/* Most are of one byte. */
static inline uint64_t uleb(struct reader *r)
{
	if (r->at < r->end && !(*r->at & 0x80))
		return *r->at++;
	return reader_uleb(r);
}

/* Tags, attributes and forms: none is larger, and what is becomes one that nobody knows. */
static uint16_t code16(struct reader *r)
{
	uint64_t code = uleb(r);

	return code < UINT16_MAX ? (uint16_t)code : UINT16_MAX;
}

/* --- units --- */

/* 7.5.1. False: corrupt; 0 in out->version: of a kind that we pass over. */
static bool read_header(const struct dwarf_file *file, uint64_t offset, struct dwarf_unit *out)
{
	struct reader r = reader_of(&file->sections[DWARF_INFO], offset);
	const uint8_t *start = file->sections[DWARF_INFO].data;
	uint64_t length = reader_fixed(&r, 4), version;

	*out = (struct dwarf_unit){ .offset = offset, .offset_size = 4 };
	if (length == 0xffffffff) {
		out->offset_size = 8;
		length = reader_fixed(&r, 8);
	}
	if (r.failed || length < HEADER_MIN || length > reader_left(&r))
		return false;
	r.end = r.at + length;
	out->end = (uint64_t)(r.end - start);
	version = reader_fixed(&r, 2);
	out->version = (uint8_t)MIN(version, 255ULL);
	out->type = DW_UT_compile;
	if (out->version >= 5) {
		out->type = (uint8_t)reader_fixed(&r, 1);
		out->address_size = (uint8_t)reader_fixed(&r, 1);
		out->abbreviations = reader_fixed(&r, out->offset_size);
		if (out->type == DW_UT_skeleton || out->type == DW_UT_split_compile)
			reader_take(&r, 8);
		if (out->type == DW_UT_type || out->type == DW_UT_split_type)
			reader_take(&r, 8 + (uint64_t)out->offset_size);
	} else {
		out->abbreviations = reader_fixed(&r, out->offset_size);
		out->address_size = (uint8_t)reader_fixed(&r, 1);
	}
	out->die = (uint64_t)(r.at - start);
	if (r.failed || out->version < 2 || out->version > 5 ||
	    (out->address_size != 4 && out->address_size != 8))
		out->version = 0;
	return true;
}

void dwarf_info_open(struct dwarf_info *info, struct dwarf_file *file, uint64_t *work)
{
	uint64_t size = file->sections[DWARF_INFO].size;
	struct dwarf_unit unit;

	*info = (struct dwarf_info){ .file = file, .work = work };
	for (uint64_t at = 0; at < size && info->nunits < UNITS_MAX; at = unit.end) {
		if (!dwarf_spend(info, 1) || !read_header(file, at, &unit))
			break;
		if (!unit.version)
			continue;
		unit.info = info;
		GROW(info->units, info->nunits, info->capacity);
		info->units[info->nunits++] = unit;
	}
}

static void forget_tables(struct dwarf_info *info)
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

void dwarf_info_close(struct dwarf_info *info)
{
	forget_tables(info);
	free(info->tables);
	index_free(&info->by_offset);
	free(info->units);
	*info = (struct dwarf_info){ 0 };
}

void dwarf_info_tidy(struct dwarf_info *info)
{
	if (info->tables_bytes > TABLES_BYTES_MAX)
		forget_tables(info);
}

static struct dwarf_unit *unit_of(const struct dwarf_info *info, uint64_t offset)
{
	size_t low = 0, high = info->nunits;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (info->units[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == info->nunits || offset < info->units[low].die)
		return NULL;
	return &info->units[low];
}

/* --- forms --- */

/* 7.5.6; -1 for those whose size stands in the DIE. */
static int form_size(const struct dwarf_unit *unit, uint16_t form)
{
	switch (form) {
	case DW_FORM_implicit_const:
	case DW_FORM_flag_present:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sup8:
	case DW_FORM_ref_sig8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return unit->address_size;
	case DW_FORM_ref_addr: /* in DWARF 2 it was the size of an address */
		return unit->version == 2 ? unit->address_size : unit->offset_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_strp_sup:
	case DW_FORM_sec_offset:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return unit->offset_size;
	default:
		return -1;
	}
}

static uint64_t fixed3(struct reader *r)
{
	uint64_t low = reader_fixed(r, 2);

	return low | reader_fixed(r, 1) << 16;
}

static void read_fixed(struct reader *r, int size, struct dwarf_value *out)
{
	switch (size) {
	case 0:
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		out->number = reader_fixed(r, (size_t)size);
		break;
	case 3:
		out->number = fixed3(r);
		break;
	default:
		reader_take(r, (uint64_t)size);
	}
}

static const char *read_text(struct reader *r)
{
	const uint8_t *end = memchr(r->at, '\0', reader_left(r));
	const char *text = (const char *)r->at;

	if (!end) {
		r->failed = true;
		r->at = r->end;
		return NULL;
	}
	r->at = end + 1;
	return text;
}

void dwarf_read(const struct dwarf_unit *unit, uint16_t form, int32_t constant, struct reader *r,
		struct dwarf_value *out)
{
	int size;

	if (form == DW_FORM_indirect) {
		form = code16(r);
		constant = 0;
	}
	*out = (struct dwarf_value){ .form = form };
	size = form_size(unit, form);
	if (size >= 0) {
		out->number = form == DW_FORM_implicit_const ? (uint64_t)(int64_t)constant : 0;
		read_fixed(r, size, out);
		return;
	}
	switch (form) {
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		out->number = uleb(r);
		break;
	case DW_FORM_sdata:
		out->number = (uint64_t)reader_sleb(r);
		break;
	case DW_FORM_string:
		out->text = read_text(r);
		break;
	case DW_FORM_block1:
		reader_take(r, reader_fixed(r, 1));
		break;
	case DW_FORM_block2:
		reader_take(r, reader_fixed(r, 2));
		break;
	case DW_FORM_block4:
		reader_take(r, reader_fixed(r, 4));
		break;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		reader_take(r, uleb(r));
		break;
	default: /* what it means to step over it, nobody knows */
		r->failed = true;
		r->at = r->end;
	}
}

/* --- facts --- */

static struct dwarf_value *wanted(struct dwarf_facts *facts, uint16_t name)
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

static uint64_t *wanted_number(struct dwarf_facts *facts, uint16_t name)
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
	struct dwarf_abbreviation a = { .code = uleb(r), .sibling = -1 };
	struct dwarf_facts none;

	if (!a.code || r->failed || table->n >= ABBREVIATIONS_MAX || !dwarf_spend(unit->info, 1))
		return false;
	a.first = (uint32_t)table->nattributes;
	a.tag = code16(r);
	a.has_children = reader_fixed(r, 1) != 0;
	for (;;) {
		struct dwarf_attribute attribute = { .name = code16(r) };
		int64_t constant;
		int size;

		attribute.form = code16(r);
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
		size = form_size(unit, attribute.form);
		a.size = size < 0 || a.size < 0 ? -1 : a.size + size;
		attribute.size = (int8_t)size;
		attribute.is_wanted = wanted(&none, attribute.name) ||
				      wanted_number(&none, attribute.name);
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
	struct reader r = reader_of(&unit->info->file->sections[DWARF_ABBREV], unit->abbreviations);
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

const struct dwarf_abbreviation *dwarf_next(const struct dwarf_abbreviations *table,
					    struct reader *r)
{
	uint64_t code = uleb(r);
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

/* --- values --- */

static bool indexed(const struct dwarf_bytes *section, uint64_t base, uint64_t number, size_t size,
		    uint64_t *out)
{
	struct reader r;

	if (base > section->size || number > (section->size - base) / size)
		return false;
	r = reader_of(section, base + number * size);
	*out = reader_fixed(&r, size);
	return !r.failed;
}

const char *dwarf_text(const struct dwarf_unit *unit, const struct dwarf_value *value)
{
	const struct dwarf_info *info = unit->info;
	const struct dwarf_bytes *sections = info->file->sections;
	uint64_t offset;

	switch (value->form) {
	case DW_FORM_string:
		return value->text;
	case DW_FORM_strp:
		return dwarf_string(&sections[DWARF_STR], value->number);
	case DW_FORM_line_strp:
		return dwarf_string(&sections[DWARF_LINE_STR], value->number);
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		return info->supplement ? dwarf_string(&info->supplement->file->sections[DWARF_STR],
						       value->number)
					: NULL;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		if (!indexed(&sections[DWARF_STR_OFFSETS], unit->str_offsets_base, value->number,
			     unit->offset_size, &offset))
			return NULL;
		return dwarf_string(&sections[DWARF_STR], offset);
	default:
		return NULL;
	}
}

static bool address_at(const struct dwarf_unit *unit, uint64_t number, uint64_t *out)
{
	return indexed(&unit->info->file->sections[DWARF_ADDR], unit->addr_base, number,
		       unit->address_size, out);
}

bool dwarf_address(const struct dwarf_unit *unit, const struct dwarf_value *value, uint64_t *out)
{
	switch (value->form) {
	case DW_FORM_addr:
		*out = value->number;
		return true;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
		return address_at(unit, value->number, out);
	default:
		return false;
	}
}

struct dwarf_unit *dwarf_reference(const struct dwarf_unit *unit, const struct dwarf_value *value,
				   uint64_t *offset)
{
	const struct dwarf_info *info = unit->info;
	struct dwarf_unit *target;

	*offset = value->number;
	switch (value->form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		*offset += unit->offset;
		break;
	case DW_FORM_ref_addr:
		break;
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		info = info->supplement;
		break;
	default:
		return NULL;
	}
	target = info ? unit_of(info, *offset) : NULL;
	return target && dwarf_bases(target) ? target : NULL;
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
		to = wanted(out, attribute->name);
		number = to ? NULL : wanted_number(out, attribute->name);
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

/* --- roots --- */

static void set_base(struct dwarf_unit *unit, uint16_t name, const struct dwarf_value *value)
{
	switch (name) {
	case DW_AT_str_offsets_base:
		unit->str_offsets_base = value->number;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		unit->addr_base = value->number;
		break;
	case DW_AT_rnglists_base:
		unit->rnglists_base = value->number;
		break;
	default:
		break;
	}
}

bool dwarf_root(struct dwarf_unit *unit, struct dwarf_root *out)
{
	const struct dwarf_abbreviations *table = dwarf_abbreviations(unit);
	struct dwarf_value value, lines = { 0 }, directory = { 0 }, *to;
	const struct dwarf_attribute *attributes;
	const struct dwarf_abbreviation *a;
	struct reader r;

	*out = (struct dwarf_root){ 0 };
	if (!table)
		return false;
	r = reader_of(&unit->info->file->sections[DWARF_INFO], unit->die);
	a = dwarf_next(table, &r);
	if (!a)
		return false;
	unit->str_offsets_base = unit->addr_base = unit->rnglists_base = BASE_DEFAULT;
	attributes = dwarf_attributes(table, a);
	for (size_t i = 0; i < a->nattributes && !r.failed; i++) {
		uint16_t name = attributes[i].name;

		dwarf_read(unit, attributes[i].form, attributes[i].constant, &r, &value);
		to = name == DW_AT_stmt_list  ? &lines
		     : name == DW_AT_comp_dir ? &directory
					      : wanted(&out->facts, name);
		if (to)
			*to = value;
		set_base(unit, name, &value);
		out->is_split |= name == DW_AT_dwo_name || name == DW_AT_GNU_dwo_name;
	}
	/* Which strings and addresses these are depends on the bases. */
	out->tag = a->tag;
	out->directory = dwarf_text(unit, &directory);
	out->has_lines = lines.form != 0;
	out->lines = lines.number;
	unit->has_bases = true;
	unit->low_pc = 0;
	dwarf_address(unit, &out->facts.low_pc, &unit->low_pc);
	return !r.failed;
}

bool dwarf_bases(struct dwarf_unit *unit)
{
	struct dwarf_root root;

	return unit->has_bases || dwarf_root(unit, &root);
}

/* --- ranges --- */

/* 2.17.3 of DWARF 4. */
static void old_ranges(const struct dwarf_unit *unit, uint64_t offset, dwarf_range_fn call,
		       void *context)
{
	struct reader r = reader_of(&unit->info->file->sections[DWARF_RANGES], offset);
	uint64_t base = unit->low_pc, last = unit->address_size == 8 ? UINT64_MAX : UINT32_MAX;

	while (dwarf_spend(unit->info, 1)) {
		uint64_t low = reader_fixed(&r, unit->address_size);
		uint64_t high = reader_fixed(&r, unit->address_size);

		if (r.failed || (!low && !high))
			return;
		if (low == last)
			base = high;
		else
			call(base + low, base + high, context);
	}
}

/* 2.17.3. */
static void new_ranges(const struct dwarf_unit *unit, uint64_t offset, dwarf_range_fn call,
		       void *context)
{
	struct reader r = reader_of(&unit->info->file->sections[DWARF_RNGLISTS], offset);
	uint64_t base = unit->low_pc;

	while (dwarf_spend(unit->info, 1)) {
		uint64_t low = 0, high = 0;
		bool known = true;

		switch (reader_fixed(&r, 1)) {
		case DW_RLE_end_of_list: /* also where there is nothing left to read */
			return;
		case DW_RLE_base_addressx:
			known = address_at(unit, uleb(&r), &base);
			break;
		case DW_RLE_startx_endx:
			known = address_at(unit, uleb(&r), &low);
			known = address_at(unit, uleb(&r), &high) && known;
			break;
		case DW_RLE_startx_length:
			known = address_at(unit, uleb(&r), &low);
			high = low + uleb(&r);
			break;
		case DW_RLE_offset_pair:
			low = base + uleb(&r);
			high = base + uleb(&r);
			break;
		case DW_RLE_base_address:
			base = reader_fixed(&r, unit->address_size);
			break;
		case DW_RLE_start_end:
			low = reader_fixed(&r, unit->address_size);
			high = reader_fixed(&r, unit->address_size);
			break;
		case DW_RLE_start_length:
			low = reader_fixed(&r, unit->address_size);
			high = low + uleb(&r);
			break;
		default:
			return;
		}
		if (r.failed)
			return;
		if (known && low < high)
			call(low, high, context);
	}
}

void dwarf_ranges_of(const struct dwarf_unit *unit, const struct dwarf_facts *facts,
		     dwarf_range_fn call, void *context)
{
	uint64_t low, high, offset = facts->ranges.number;

	if (facts->ranges.form) {
		if (unit->version < 5) {
			old_ranges(unit, offset, call, context);
			return;
		}
		if (facts->ranges.form == DW_FORM_rnglistx) {
			if (!indexed(&unit->info->file->sections[DWARF_RNGLISTS],
				     unit->rnglists_base, offset, unit->offset_size, &offset))
				return;
			offset += unit->rnglists_base;
		}
		new_ranges(unit, offset, call, context);
		return;
	}
	if (!dwarf_address(unit, &facts->low_pc, &low))
		return;
	/* An address, or since DWARF 4 the length. */
	if (!dwarf_address(unit, &facts->high_pc, &high))
		high = facts->high_pc.form ? low + facts->high_pc.number : low;
	if (low < high)
		call(low, high, context);
}
