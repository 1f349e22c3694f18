/* SPDX-License-Identifier: Apache-2.0 */
/* Units of .debug_info, their roots, and references from one to another; see dwarf_info.h. Section
 * numbers here and in dwarf_die.c and dwarf_value.c are those of the DWARF 5 standard; names that
 * begin with GNU are gcc's and dwz's. */
#include "symbol/dwarf_info.h"

#include <dwarf.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Chrome has 40,000 units, and dwz makes as many partial ones again. */
#define UNITS_MAX 1000000
/* Version, abbreviations, size of an address; what is shorter, such as a hole in a file, is none.
 */
#define HEADER_MIN 7
/* A root DIE's bases lie behind the header of their section if it does not say where: 7.26 ff. */
#define BASE_DEFAULT 8

/* --- units --- */

/* 7.5.1. False: corrupt; 0 in out->version: of a kind that we pass over. */
static bool read_header(const struct dwarf_file *file, uint64_t offset, struct dwarf_unit *out)
{
	struct reader r = dwarf_reader(&file->sections[DWARF_INFO], offset);
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

void dwarf_info_close(struct dwarf_info *info)
{
	dwarf_forget_abbreviations(info);
	free(info->tables);
	index_free(&info->by_offset);
	free(info->units);
	*info = (struct dwarf_info){ 0 };
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

/* --- references --- */

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
	r = dwarf_reader(&unit->info->file->sections[DWARF_INFO], unit->die);
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
					      : dwarf_fact(&out->facts, name);
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
