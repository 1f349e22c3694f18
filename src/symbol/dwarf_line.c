/* SPDX-License-Identifier: Apache-2.0 */
/* .debug_line; see dwarf_line.h. Section numbers are those of the DWARF 5 standard, chapter 6.2. */
#include "symbol/dwarf_line.h"

#include <dwarf.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/lookup.h"

/* LLVM's link-time optimisation puts some 20,000 files into one table. */
#define ENTRIES_MAX 500000
/* Content types and forms of an entry; DWARF 5 defines five. */
#define FORMATS_MAX 16
/* Up to the lengths of opcodes; what is shorter, such as a hole in a file, is no table. */
#define HEADER_MIN 11
/* Operations for a step of the allowance, which is meant for DIEs. */
#define OPERATIONS_PER_STEP 4

/* Numbers of files and directories: none is larger. */
static uint32_t number32(uint64_t number)
{
	return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

/* --- header --- */

static bool add_entry(struct dwarf_entry **entries, size_t *n, size_t *capacity,
		      const struct dwarf_entry *entry)
{
	if (*n >= ENTRIES_MAX)
		return false;
	GROW(*entries, *n, *capacity);
	(*entries)[(*n)++] = *entry;
	return true;
}

static const char *read_name(struct reader *r)
{
	struct dwarf_unit none = { 0 };
	struct dwarf_value value;

	dwarf_read(&none, DW_FORM_string, 0, r, &value);
	return value.text;
}

/* Up to DWARF 4: names one behind the other, an empty one ends the list. Numbers begin with 1, and
 * directory 0 is where the compiler ran. */
static bool read_old_entries(struct dwarf_lines *lines, struct reader *r)
{
	struct dwarf_entry entry = { .name = lines->directory };
	size_t directories = 0, files = 0;

	add_entry(&lines->directories, &lines->ndirectories, &directories, &entry);
	while ((entry.name = read_name(r)) && *entry.name)
		if (!add_entry(&lines->directories, &lines->ndirectories, &directories, &entry))
			return false;
	entry.name = NULL;
	add_entry(&lines->files, &lines->nfiles, &files, &entry);
	while ((entry.name = read_name(r)) && *entry.name) {
		entry.directory = number32(reader_uleb(r));
		reader_uleb(r); /* time */
		reader_uleb(r); /* size */
		if (!add_entry(&lines->files, &lines->nfiles, &files, &entry))
			return false;
	}
	return !r->failed;
}

/* DWARF 5: the list says first what an entry consists of. Numbers begin with 0. */
static bool read_entries(const struct dwarf_lines *lines, struct reader *r,
			 struct dwarf_entry **entries, size_t *n)
{
	struct {
		uint64_t type;
		uint16_t form;
	} formats[FORMATS_MAX];
	size_t nformats = (size_t)reader_fixed(r, 1), capacity = 0;
	uint64_t count;

	if (nformats > FORMATS_MAX)
		return false;
	for (size_t i = 0; i < nformats; i++) {
		formats[i].type = reader_uleb(r);
		formats[i].form = (uint16_t)number32(reader_uleb(r));
	}
	count = reader_uleb(r);
	for (uint64_t i = 0; i < count && nformats; i++) {
		struct dwarf_entry entry = { 0 };
		struct dwarf_value value;

		for (size_t k = 0; k < nformats; k++) {
			dwarf_read(&lines->unit, formats[k].form, 0, r, &value);
			if (formats[k].type == DW_LNCT_path)
				entry.name = dwarf_text(&lines->unit, &value);
			else if (formats[k].type == DW_LNCT_directory_index)
				entry.directory = number32(value.number);
		}
		if (r->failed || !dwarf_spend(lines->unit.info, 1) ||
		    !add_entry(entries, n, &capacity, &entry))
			return false;
	}
	return !r->failed;
}

/* 6.2.4. */
bool dwarf_lines_open(struct dwarf_info *info, uint64_t offset, const char *directory,
		      uint8_t address_size, struct dwarf_lines *out)
{
	const struct dwarf_bytes *section = &info->file->sections[DWARF_LINE];
	struct reader r = { 0 }, header;
	uint64_t length, header_length, version;
	const uint8_t *lengths;

	*out = (struct dwarf_lines){
		.directory = directory,
		.unit = { .info = info, .offset_size = 4, .address_size = address_size },
	};
	if (offset >= section->size)
		return false;
	r.at = section->data + offset;
	r.end = section->data + section->size;
	length = reader_fixed(&r, 4);
	if (length == 0xffffffff) {
		out->unit.offset_size = 8;
		length = reader_fixed(&r, 8);
	}
	if (r.failed || length < HEADER_MIN || length > reader_left(&r))
		return false;
	r.end = r.at + length;
	out->next = (uint64_t)(r.end - section->data);
	version = reader_fixed(&r, 2);
	if (version < 2 || version > 5)
		return false;
	out->unit.version = (uint8_t)version;
	if (out->unit.version >= 5) {
		out->unit.address_size = (uint8_t)reader_fixed(&r, 1);
		reader_take(&r, 1); /* size of a segment selector */
	}
	header_length = reader_fixed(&r, out->unit.offset_size);
	if (r.failed || header_length > reader_left(&r))
		return false;
	header = (struct reader){ .at = r.at, .end = r.at + header_length };
	out->program = (struct reader){ .at = header.end, .end = r.end };
	out->min_length = (uint8_t)reader_fixed(&header, 1);
	out->max_operations = out->unit.version >= 4 ? (uint8_t)reader_fixed(&header, 1) : 1;
	reader_take(&header, 1); /* default of is_stmt */
	out->line_base = (int8_t)reader_fixed(&header, 1);
	out->line_range = (uint8_t)reader_fixed(&header, 1);
	out->opcode_base = (uint8_t)reader_fixed(&header, 1);
	if (!out->line_range || !out->opcode_base)
		return false;
	lengths = reader_take(&header, out->opcode_base - 1U);
	if (header.failed)
		return false;
	out->lengths = lengths;
	if (out->unit.version < 5)
		return read_old_entries(out, &header);
	return read_entries(out, &header, &out->directories, &out->ndirectories) &&
	       read_entries(out, &header, &out->files, &out->nfiles);
}

void dwarf_lines_close(struct dwarf_lines *lines)
{
	free(lines->directories);
	free(lines->files);
	lines->directories = lines->files = NULL;
	lines->ndirectories = lines->nfiles = 0;
}

/* --- program --- */

struct row {
	uint64_t address;
	uint32_t file, line;
};

struct run {
	const struct dwarf_lines *lines;
	const uint64_t *addresses;
	size_t n, next; /* addresses[next] is the first that the last row may still contain */
	struct dwarf_place *places;
	struct row row, last;
	uint32_t operation; /* within an instruction bundle, of VLIW machines */
	bool in_sequence;   /* `last` is valid */
	bool is_dead;	    /* a sequence of a function that was thrown away */
};

static void begin_sequence(struct run *run)
{
	run->row = (struct row){ .file = 1, .line = 1 };
	run->operation = 0;
	run->in_sequence = run->is_dead = false;
}

/* What lies in [last, row) belongs to the last row. Of rows at one address, the last one counts. */
static void hold_against(struct run *run)
{
	uint64_t low = run->last.address, high = run->row.address;

	if (low >= high || high <= run->addresses[0] || low > run->addresses[run->n - 1])
		return;
	if (run->next >= run->n || run->addresses[run->next] < low ||
	    (run->next && run->addresses[run->next - 1] >= low))
		run->next = lookup_first(run->addresses, run->n, low);
	for (; run->next < run->n && run->addresses[run->next] < high; run->next++) {
		struct dwarf_place *place = &run->places[run->next];

		if (!place->found)
			*place = (struct dwarf_place){ run->last.file, run->last.line, true };
	}
}

static void emit(struct run *run)
{
	if (!run->in_sequence)
		run->is_dead = !dwarf_is_code(run->lines->unit.info->file, run->row.address);
	else if (!run->is_dead)
		hold_against(run);
	run->last = run->row;
	run->in_sequence = true;
}

/* 6.2.5.1. */
static void advance(struct run *run, uint64_t operations)
{
	const struct dwarf_lines *lines = run->lines;

	if (lines->max_operations <= 1) {
		run->row.address += lines->min_length * operations;
		return;
	}
	operations += run->operation;
	run->row.address += lines->min_length * (operations / lines->max_operations);
	run->operation = (uint32_t)(operations % lines->max_operations);
}

static void run_special(struct run *run, uint8_t opcode)
{
	const struct dwarf_lines *lines = run->lines;
	uint8_t adjusted = (uint8_t)(opcode - lines->opcode_base);

	advance(run, adjusted / lines->line_range);
	run->row.line += (uint32_t)(lines->line_base + adjusted % lines->line_range);
	emit(run);
}

static void run_extended(struct run *run, struct reader *r)
{
	uint64_t length = reader_uleb(r);
	const uint8_t *start = reader_take(r, length);
	struct reader operands;

	if (!start || !length)
		return;
	operands = (struct reader){ .at = start + 1, .end = start + length };
	switch (*start) {
	case DW_LNE_end_sequence:
		emit(run);
		begin_sequence(run);
		break;
	case DW_LNE_set_address:
		if (length - 1 == 4 || length - 1 == 8)
			run->row.address = reader_fixed(&operands, length - 1);
		run->operation = 0;
		break;
	default: /* discriminators, and what others may have thought of */
		break;
	}
}

static void run_standard(struct run *run, struct reader *r, uint8_t opcode)
{
	switch (opcode) {
	case DW_LNS_copy:
		emit(run);
		break;
	case DW_LNS_advance_pc:
		advance(run, reader_uleb(r));
		break;
	case DW_LNS_advance_line:
		run->row.line += (uint32_t)reader_sleb(r);
		break;
	case DW_LNS_set_file:
		run->row.file = number32(reader_uleb(r));
		break;
	case DW_LNS_const_add_pc:
		advance(run, (255U - run->lines->opcode_base) / run->lines->line_range);
		break;
	case DW_LNS_fixed_advance_pc:
		run->row.address += reader_fixed(r, 2);
		run->operation = 0;
		break;
	default:
		for (uint8_t i = 0; i < run->lines->lengths[opcode - 1]; i++)
			reader_uleb(r);
	}
}

void dwarf_lines_find(struct dwarf_lines *lines, const uint64_t *addresses, size_t n,
		      struct dwarf_place *places)
{
	struct run run = { .lines = lines, .addresses = addresses, .n = n, .places = places };
	struct reader r = lines->program;
	uint64_t operations = 0;

	if (!n)
		return;
	begin_sequence(&run);
	while (r.at < r.end) {
		uint8_t opcode = *r.at++;

		if (opcode >= lines->opcode_base)
			run_special(&run, opcode);
		else if (opcode)
			run_standard(&run, &r, opcode);
		else
			run_extended(&run, &r);
		if (!(++operations % OPERATIONS_PER_STEP) && !dwarf_spend(lines->unit.info, 1))
			break;
	}
}

/* --- names --- */

static const char *join(const char *a, const char *b, struct arena *arena)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", a, b);

	return arena_strndup(arena, path, MIN((size_t)n, sizeof(path) - 1));
}

/* Unlike a file system we take the paths as they are written: "a/../b" stays, as in other tools. */
const char *dwarf_lines_file(struct dwarf_lines *lines, uint64_t number, struct arena *arena)
{
	const char *directory = NULL, *root = lines->directory;
	struct dwarf_entry *file;

	if (number >= lines->nfiles || !lines->files[number].name)
		return NULL;
	file = &lines->files[number];
	if (file->path)
		return file->path;
	if (file->directory < lines->ndirectories)
		directory = lines->directories[file->directory].name;
	if (lines->unit.version >= 5 && lines->ndirectories && lines->directories[0].name)
		root = lines->directories[0].name;
	file->path = arena_strndup(arena, file->name, strnlen(file->name, PATH_MAX - 1));
	if (file->path[0] == '/')
		return file->path;
	if (directory && directory[0])
		file->path = join(directory, file->path, arena);
	if (file->path[0] != '/' && root && root != directory)
		file->path = join(root, file->path, arena);
	return file->path;
}
