/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .debug_info, DWARF 2 to 5: units, and in each a tree of entries (DIEs), written depth first.
 *
 *     unit | header | root DIE  | DIE | DIE | ... | 0 | ...
 *                     code -> abbreviation: tag, has children?, (attribute, form) ...
 *
 * Reading a DIE is reading its code and stepping over its attributes. Abbreviations whose forms all
 * have a fixed size are stepped over in one addition, which most are; that, and not building
 * anything of what is passed, is what makes a walk fast.
 *
 * Everything here is bounded by `work`: one step a DIE, an abbreviation or a range.
 */
#ifndef PLIMSOLL_SYMBOL_DWARF_INFO_H
#define PLIMSOLL_SYMBOL_DWARF_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/index.h"
#include "symbol/dwarf_file.h"
#include "symbol/reader.h"

struct dwarf_attribute {
	uint16_t name;
	uint16_t form;
	int32_t constant; /* of DW_FORM_implicit_const, 0 where it does not fit */
	int8_t size;	  /* or -1: stands in the DIE */
	bool is_wanted;	  /* one of struct dwarf_facts */
};

struct dwarf_abbreviation {
	uint64_t code;
	uint32_t first; /* its attributes in the table's */
	uint16_t nattributes;
	uint16_t tag;
	int32_t size;	 /* of all its attributes, or -1: depends */
	int16_t sibling; /* number of its DW_AT_sibling, or -1 */
	bool has_children;
	bool has_code; /* says where its code is */
};

struct dwarf_abbreviations {
	uint64_t offset; /* in .debug_abbrev */
	uint8_t version, address_size, offset_size;
	struct dwarf_abbreviation *all; /* by code */
	size_t n;
	struct dwarf_attribute *attributes;
	size_t nattributes;
};

struct dwarf_info;

struct dwarf_unit {
	struct dwarf_info *info;
	uint64_t offset, die, end; /* in .debug_info: header, root DIE, next unit */
	uint64_t abbreviations;	   /* offset in .debug_abbrev */
	uint8_t version, address_size, offset_size, type;
	bool has_bases; /* of what follows, from the root DIE */
	uint64_t str_offsets_base, addr_base, rnglists_base, low_pc;
};

struct dwarf_info {
	struct dwarf_file *file;
	struct dwarf_info *supplement; /* what dwz moved to a file shared by several; or NULL */
	uint64_t *work;
	struct dwarf_unit *units; /* by offset */
	size_t nunits, capacity;
	struct dwarf_abbreviations **tables;
	size_t ntables, tables_capacity;
	struct index by_offset;
	size_t tables_bytes;
};

/* Reads the headers of all units; what comes behind a corrupt one is not found. */
void dwarf_info_open(struct dwarf_info *info, struct dwarf_file *file, uint64_t *work);
void dwarf_info_close(struct dwarf_info *info);
/* Forgets abbreviations if there are many; no pointer to one may be kept over this. */
void dwarf_info_tidy(struct dwarf_info *info);

/* Takes steps from the allowance; false when there are none left. */
static inline bool dwarf_spend(const struct dwarf_info *info, uint64_t steps)
{
	if (*info->work < steps) {
		*info->work = 0;
		return false;
	}
	*info->work -= steps;
	return true;
}

/* --- for the files dwarf_*.c --- */

static inline struct reader dwarf_reader(const struct dwarf_bytes *section, uint64_t offset)
{
	offset = offset < section->size ? offset : section->size;
	return (struct reader){ .at = section->data + offset,
				.end = section->data + section->size };
}

/* Most are of one byte. */
static inline uint64_t dwarf_uleb(struct reader *r)
{
	if (r->at < r->end && !(*r->at & 0x80))
		return *r->at++;
	return reader_uleb(r);
}

/* Tags, attributes and forms: none is larger, and what is becomes one that nobody knows. */
static inline uint16_t dwarf_code(struct reader *r)
{
	uint64_t code = dwarf_uleb(r);

	return code < UINT16_MAX ? (uint16_t)code : UINT16_MAX;
}

/* Bytes of a value, -1 where that stands in the DIE. */
int dwarf_form_size(const struct dwarf_unit *unit, uint16_t form);
void dwarf_forget_abbreviations(struct dwarf_info *info);

/* --- DIEs --- */

/* NULL: corrupt. */
const struct dwarf_abbreviations *dwarf_abbreviations(struct dwarf_unit *unit);

static inline const struct dwarf_attribute *
dwarf_attributes(const struct dwarf_abbreviations *table, const struct dwarf_abbreviation *a)
{
	return a->nattributes ? table->attributes + a->first : NULL;
}

/* Reads a DIE's code. NULL at the end of a list of children, and where there is no such
 * abbreviation: then the reader has failed. */
const struct dwarf_abbreviation *dwarf_next(const struct dwarf_abbreviations *table,
					    struct reader *r);
void dwarf_skip(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		const struct dwarf_abbreviation *a, struct reader *r);
/* The reader is before a DIE's attributes: moves it to the next sibling if the DIE says where that
 * is, forward in the unit. */
bool dwarf_jump(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		const struct dwarf_abbreviation *a, struct reader *r);
/* The reader is behind a DIE's attributes: moves it behind its children. */
void dwarf_skip_children(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
			 struct reader *r);

/* --- values --- */

struct dwarf_value {
	uint16_t form; /* 0: the attribute is not there */
	uint64_t number;
	const char *text; /* DW_FORM_string */
};
void dwarf_read(const struct dwarf_unit *unit, uint16_t form, int32_t constant, struct reader *r,
		struct dwarf_value *out);

/* NULL: none, or it lies outside of the file. */
const char *dwarf_text(const struct dwarf_unit *unit, const struct dwarf_value *value);
bool dwarf_address(const struct dwarf_unit *unit, const struct dwarf_value *value, uint64_t *out);

/* What we want to know of a DIE that is about code. */
struct dwarf_facts {
	struct dwarf_value low_pc, high_pc, ranges;
	struct dwarf_value name, linkage_name, origin, specification;
	uint64_t decl_line, call_file, call_line; /* 0: not said */
};
/* Where an attribute's value goes, NULL for those that are none of them or plain numbers. */
struct dwarf_value *dwarf_fact(struct dwarf_facts *facts, uint16_t name);
/* Reads them, and moves the reader behind the attributes. */
void dwarf_facts(const struct dwarf_unit *unit, const struct dwarf_abbreviations *table,
		 const struct dwarf_abbreviation *a, struct reader *r, struct dwarf_facts *out);

/* The same of the DIE at `offset` of a unit; false: there is none. */
bool dwarf_die(struct dwarf_unit *unit, uint64_t offset, struct dwarf_facts *out);

/* What its root says of a unit. */
struct dwarf_root {
	struct dwarf_facts facts; /* name is the source file's */
	const char *directory;
	uint64_t lines; /* offset in .debug_line */
	uint16_t tag;
	bool has_lines, is_split;
};
/* Sets the unit's bases, too. False: corrupt. */
bool dwarf_root(struct dwarf_unit *unit, struct dwarf_root *out);
/* Sets only those. */
bool dwarf_bases(struct dwarf_unit *unit);

/* The DIE that a reference means: its unit, and *offset in that unit's .debug_info. NULL: none. */
struct dwarf_unit *dwarf_reference(const struct dwarf_unit *unit, const struct dwarf_value *value,
				   uint64_t *offset);

/* Calls back for each stretch of code, [low, high). */
typedef void (*dwarf_range_fn)(uint64_t low, uint64_t high, void *context);
void dwarf_ranges_of(const struct dwarf_unit *unit, const struct dwarf_facts *facts,
		     dwarf_range_fn call, void *context);
static inline bool dwarf_has_ranges(const struct dwarf_facts *facts)
{
	return facts->ranges.form || (facts->low_pc.form && facts->high_pc.form);
}

#endif
