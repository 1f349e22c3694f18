/* SPDX-License-Identifier: Apache-2.0 */
/* What attributes say: numbers, strings, addresses and ranges, in all the forms that they are
 * written in; see dwarf_info.h. */
#include "symbol/dwarf_info.h"

#include <dwarf.h>
#include <string.h>

#include "base/cleanup.h"

/* --- forms --- */

/* 7.5.6; -1 for those whose size stands in the DIE. */
int dwarf_form_size(const struct dwarf_unit *unit, uint16_t form)
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
		form = dwarf_code(r);
		constant = 0;
	}
	*out = (struct dwarf_value){ .form = form };
	size = dwarf_form_size(unit, form);
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
		out->number = dwarf_uleb(r);
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
		reader_take(r, dwarf_uleb(r));
		break;
	default: /* what it means to step over it, nobody knows */
		r->failed = true;
		r->at = r->end;
	}
}

/* --- values --- */

static bool indexed(const struct dwarf_bytes *section, uint64_t base, uint64_t number, size_t size,
		    uint64_t *out)
{
	struct reader r;

	if (base > section->size || number > (section->size - base) / size)
		return false;
	r = dwarf_reader(section, base + number * size);
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

/* --- ranges --- */

/* 2.17.3 of DWARF 4. */
static void old_ranges(const struct dwarf_unit *unit, uint64_t offset, dwarf_range_fn call,
		       void *context)
{
	struct reader r = dwarf_reader(&unit->info->file->sections[DWARF_RANGES], offset);
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
	struct reader r = dwarf_reader(&unit->info->file->sections[DWARF_RNGLISTS], offset);
	uint64_t base = unit->low_pc;

	while (dwarf_spend(unit->info, 1)) {
		uint64_t low = 0, high = 0;
		bool known = true;

		switch (reader_fixed(&r, 1)) {
		case DW_RLE_end_of_list: /* also where there is nothing left to read */
			return;
		case DW_RLE_base_addressx:
			known = address_at(unit, dwarf_uleb(&r), &base);
			break;
		case DW_RLE_startx_endx:
			known = address_at(unit, dwarf_uleb(&r), &low);
			known = address_at(unit, dwarf_uleb(&r), &high) && known;
			break;
		case DW_RLE_startx_length:
			known = address_at(unit, dwarf_uleb(&r), &low);
			high = low + dwarf_uleb(&r);
			break;
		case DW_RLE_offset_pair:
			low = base + dwarf_uleb(&r);
			high = base + dwarf_uleb(&r);
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
			high = low + dwarf_uleb(&r);
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
