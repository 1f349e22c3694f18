/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parts of a pclntab are; see pclntab_table.h. The header says most of it, and
 * runtime.firstmoduledata, which the header does not lead to, the rest: it is known by the address
 * of the header in its first word.
 */
#include "symbol/pclntab_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define CHUNK (64 << 10)
/* A table that no section names is looked for in this much data. */
#define SEARCH_MAX     (256ULL << 20)
#define BYTES_PER_STEP 16
/* What reading a table of values costs, in steps. */
#define WORK_VALUES 100
#define WORK_WINDOW 50
/* Two LEB128 numbers of 32 bits. */
#define PAIR_MAX 10
/* A generated function of a megabyte of code has some 100,000. */
#define VALUES_MAX 1000000

/* Where a function's record, behind its entry, has what all versions have. */
enum {
	FUNC_NAME = 0,
	FUNC_PCSP = 12,
	FUNC_PCFILE = 16,
	FUNC_PCLN = 20,
	FUNC_NPCDATA = 24,
	FUNC_SIZE_MAX = 40
};

const struct pclntab_layout pclntab_layouts[PCLNTAB_VERSIONS] = {
	[GO_1_2] = { .magic = 0xfffffffb },
	[GO_1_16] = { .magic = 0xfffffffa, .unit = 28 },
	[GO_1_18] = { 0xfffffff0, 28, 0, 33, 35, 20, 12, 16, 0 },
	[GO_1_20] = { 0xfffffff1, 28, 32, 37, 39, 16, 4, 8, 12 },
};

/* Words of moduledata, since Go 1.16. */
enum {
	MODULE_TEXT = 22,
	MODULE_TYPES = 37,
	MODULE_GOFUNC_1_18 = 38,
	MODULE_GOFUNC_1_20 = 40,
	MODULE_GOFUNC_1_27 = 43,
};

/* --- reading --- */

static int read_number(const struct elf *elf, uint64_t offset, size_t size, uint64_t *value)
{
	uint64_t raw = 0;
	int err = image_read(&elf->image, offset, &raw, size);

	*value = le64toh(raw);
	return err;
}

/* Within the table only. */
bool pclntab_number(const struct pclntab *t, uint64_t offset, size_t size, uint64_t *value)
{
	return offset >= t->at && offset <= t->end && size <= t->end - offset &&
	       read_number(t->elf, offset, size, value) == 0;
}

bool pclntab_string(const struct pclntab *t, uint64_t offset, char *buffer, size_t size)
{
	return offset >= t->at && offset < t->end &&
	       image_string(&t->elf->image, offset, t->end, buffer, size) == 0;
}

/* --- addresses of the file's data --- */

static bool is_data(const struct elf_section *s)
{
	return s->type != SHT_NULL && s->type != SHT_NOBITS && s->flags & SHF_ALLOC &&
	       !(s->flags & SHF_EXECINSTR);
}

bool pclntab_offset(const struct elf *elf, uint64_t address, size_t size, uint64_t *offset)
{
	for (size_t i = 0; i < elf->nsections; i++) {
		const struct elf_section *s = &elf->sections[i];

		if (!is_data(s) || address < s->address || address - s->address > s->size ||
		    size > s->size - (address - s->address))
			continue;
		*offset = s->offset + (address - s->address);
		return true;
	}
	return false;
}

/* What the dynamic linker stores at `address`, 0 if nothing. */
static uint64_t relocated(const struct pclntab *t, uint64_t address)
{
	_cleanup_free_ Elf64_Rela *buffer =
		xmalloc(CHUNK / sizeof(Elf64_Rela) * sizeof(Elf64_Rela));
	const size_t at_once = CHUNK / sizeof(*buffer);

	for (size_t i = 0; i < t->elf->nsections && t->elf->is64; i++) {
		const struct elf_section *s = &t->elf->sections[i];
		uint64_t count = s->size / sizeof(*buffer);

		if (s->type != SHT_RELA || !(s->flags & SHF_ALLOC))
			continue;
		for (uint64_t k = 0; k < count; k += at_once) {
			size_t n = MIN(count - k, at_once);

			if (!pclntab_spend(t, n) ||
			    image_read(&t->elf->image, s->offset + k * sizeof(*buffer), buffer,
				       n * sizeof(*buffer)))
				return 0;
			for (size_t r = 0; r < n; r++)
				if (le64toh(buffer[r].r_offset) == address)
					return le64toh((uint64_t)buffer[r].r_addend);
		}
	}
	return 0;
}

/* The pointer stored at `address`. Go's linker and GNU's for x86-64 also write it into the file
 * when it has to be relocated, others leave that to the relocation. */
static uint64_t pointer_at(const struct pclntab *t, uint64_t address)
{
	uint64_t offset, value;

	if (!pclntab_offset(t->elf, address, t->word, &offset) ||
	    read_number(t->elf, offset, t->word, &value))
		return 0;
	return value ? value : relocated(t, address);
}

/* --- the header --- */

/* Magic, two zeros, the quantum (1, 2 or 4), the size of a pointer. */
static bool is_header(const struct elf *elf, const uint8_t *p, enum pclntab_version *version)
{
	uint32_t magic;

	memcpy(&magic, p, sizeof(magic));
	for (int i = 0; i < PCLNTAB_VERSIONS; i++) {
		if (le32toh(magic) != pclntab_layouts[i].magic)
			continue;
		*version = (enum pclntab_version)i;
		return !p[4] && !p[5] && (p[6] == 1 || p[6] == 2 || p[6] == 4) &&
		       p[7] == (elf->is64 ? 8 : 4);
	}
	return false;
}

static bool read_header(struct pclntab *t)
{
	/* Places in the file of what the header says where it is, in the header's order. */
	uint64_t *const offsets[] = { &t->names, &t->units, &t->files, &t->values, &t->functions };
	uint64_t at = t->at + 8 + 2 * t->word, value;
	uint8_t head[8];

	if (image_read(&t->elf->image, t->at, head, sizeof(head)) ||
	    !is_header(t->elf, head, &t->version))
		return false;
	t->quantum = head[6];
	t->field = t->version >= GO_1_18 ? 4 : t->word;
	if (!pclntab_number(t, t->at + 8, t->word, &t->nfunctions))
		return false;
	if (t->version == GO_1_2) {
		/* functab follows, then the offset of filetab; names and values count from 0. */
		t->names = t->values = t->at;
		t->functions = t->at + 8 + t->word;
	} else {
		if (!pclntab_number(t, t->at + 8 + t->word, t->word, &t->nfiles))
			return false;
		if (t->version >= GO_1_18) {
			pclntab_number(t, at, t->word, &t->text);
			at += t->word;
		}
		for (size_t i = 0; i < ARRAY_SIZE(offsets); i++, at += t->word) {
			if (!pclntab_number(t, at, t->word, &value) || value >= t->end - t->at)
				return false;
			*offsets[i] = t->at + value;
		}
	}
	if (t->functions > t->end || !t->nfunctions ||
	    t->nfunctions >= (t->end - t->functions) / (2 * t->field))
		return false;
	if (t->version == GO_1_2) {
		at = t->functions + (2 * t->nfunctions + 1) * t->field;
		/* Without files there are names all the same. */
		if (pclntab_number(t, at, 4, &value) &&
		    pclntab_number(t, t->at + value, 4, &t->nfiles))
			t->files = t->at + value;
		else
			t->nfiles = 0;
	}
	return true;
}

static bool try_header(struct pclntab *t, const struct elf_section *section, uint64_t skip)
{
	t->at = section->offset + skip;
	t->end = section->offset + section->size;
	t->address = section->address + skip;
	return read_header(t);
}

/* Other linkers than Go's put it among other read-only data. It is aligned to a pointer. */
static bool search_section(struct pclntab *t, const struct elf_section *s, uint8_t *buffer)
{
	uint64_t first = (8 - s->address % 8) % 8;

	for (uint64_t at = first; at < s->size && s->size - at >= 16;) {
		size_t n = MIN(s->size - at, (uint64_t)CHUNK) & ~7ULL;
		enum pclntab_version version;

		if (!pclntab_spend(t, n / BYTES_PER_STEP) ||
		    image_read(&t->elf->image, s->offset + at, buffer, n))
			return false;
		for (size_t i = 0; i < n; i += 8)
			if (is_header(t->elf, buffer + i, &version) && try_header(t, s, at + i))
				return true;
		at += n;
	}
	return false;
}

static bool find_header(struct pclntab *t)
{
	static const enum elf_role roles[] = { ELF_GOPCLNTAB, ELF_GOPCLNTAB_RELRO };
	_cleanup_free_ uint8_t *buffer = NULL;
	uint64_t left = SEARCH_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		const struct elf_section *s = elf_section(t->elf, roles[i]);

		if (s && s->type != SHT_NOBITS)
			return try_header(t, s, 0);
	}
	if (!elf_section(t->elf, ELF_GO_BUILDINFO))
		return false;
	buffer = xmalloc(CHUNK);
	for (size_t i = 0; i < t->elf->nsections; i++) {
		const struct elf_section *s = &t->elf->sections[i];

		if (!is_data(s) || s->size > left)
			continue;
		left -= s->size;
		if (search_section(t, s, buffer))
			return true;
	}
	return false;
}

/* --- runtime.firstmoduledata, which knows what the header does not --- */

static bool is_module(const struct pclntab *t, uint64_t header, uint64_t names)
{
	return header == t->address && names == t->address + (t->names - t->at);
}

static uint64_t search_module(const struct pclntab *t, const struct elf_section *s, uint8_t *buffer)
{
	uint64_t first = (t->word - s->address % t->word) % t->word;

	for (uint64_t at = first; at < s->size && s->size - at >= 2 * t->word;) {
		size_t n = MIN(s->size - at, (uint64_t)CHUNK) / t->word * t->word;

		if (!pclntab_spend(t, n / BYTES_PER_STEP) ||
		    image_read(&t->elf->image, s->offset + at, buffer, n))
			return 0;
		for (size_t i = 0; i + 2 * t->word <= n; i += t->word) {
			uint64_t pair[2] = { 0 };

			for (int k = 0; k < 2; k++)
				memcpy(&pair[k], buffer + i + k * t->word, t->word);
			if (is_module(t, le64toh(pair[0]), le64toh(pair[1])))
				return s->address + at + i;
		}
		/* The pair may straddle two chunks. */
		at += n < CHUNK ? n : n - t->word;
	}
	return 0;
}

/* Its address, 0 where it cannot be told. */
static uint64_t find_module(const struct pclntab *t)
{
	const struct elf_section *own = elf_section(t->elf, ELF_GO_MODULE);
	_cleanup_free_ uint8_t *buffer = NULL;
	uint64_t left = SEARCH_MAX, found = 0;

	if (own && is_data(own))
		return own->address;
	buffer = xmalloc(CHUNK);
	for (size_t i = 0; i < t->elf->nsections && !found; i++) {
		const struct elf_section *s = &t->elf->sections[i];

		if (!is_data(s) || !(s->flags & SHF_WRITE) || s->size > left)
			continue;
		left -= s->size;
		found = search_module(t, s, buffer);
	}
	return found;
}

static uint64_t module_word(const struct pclntab *t, uint64_t module, unsigned number)
{
	return pointer_at(t, module + (uint64_t)number * t->word);
}

/* Go 1.27 has the length of a part of the types where others have the address of their end. */
static unsigned gofunc_word(const struct pclntab *t, uint64_t module)
{
	if (t->version == GO_1_18)
		return MODULE_GOFUNC_1_18;
	return module_word(t, module, MODULE_TYPES + 1) < module_word(t, module, MODULE_TYPES)
		       ? MODULE_GOFUNC_1_27
		       : MODULE_GOFUNC_1_20;
}

/* Where the text begins: Go 1.18 to 1.25 say it in the header, those after in the module. */
static bool find_text(struct pclntab *t)
{
	uint64_t module;

	if (t->version < GO_1_18 || t->text)
		return true;
	module = find_module(t);
	if (module)
		t->text = module_word(t, module, MODULE_TEXT);
	if (!t->text)
		t->text = relocated(t, t->address + 8 + 2 * t->word);
	return t->text != 0;
}

void pclntab_find_inlines(struct pclntab *t)
{
	uint64_t module = t->version >= GO_1_18 ? find_module(t) : 0;

	if (module)
		t->inlines = module_word(t, module, gofunc_word(t, module));
}

bool pclntab_open(const struct elf *elf, uint64_t *work, struct pclntab *t)
{
	*t = (struct pclntab){ .elf = elf, .work = work, .word = elf->is64 ? 8 : 4 };
	return elf->encoding == ELFDATA2LSB && find_header(t) && find_text(t);
}

/* --- functions --- */

void pclntab_each(const struct pclntab *t, pclntab_row_fn fn, void *context)
{
	/* The oldest layout counts from the table's beginning, the others from functab's. */
	uint64_t base = t->version == GO_1_2 ? t->at : t->functions;
	_cleanup_free_ uint8_t *buffer = xmalloc(CHUNK);
	size_t size = 2 * t->field, at_once = CHUNK / size;
	struct pclntab_row row = { 0 };

	/* A row ends where the next one begins; behind the last stands the end alone. */
	for (uint64_t i = 0; i < t->nfunctions + 1; i += at_once) {
		size_t n = MIN(t->nfunctions + 1 - i, (uint64_t)at_once);
		bool is_last = i + n == t->nfunctions + 1;
		struct reader r = { buffer, buffer + n * size - (is_last ? t->field : 0), false };

		if (!pclntab_spend(t, n) ||
		    image_read(&t->elf->image, t->functions + i * size, buffer, reader_left(&r)))
			return;
		for (size_t k = 0; k < n; k++) {
			uint64_t offset;

			row.end = t->text + reader_fixed(&r, t->field);
			if (i + k && row.end > row.entry && !fn(&row, context))
				return;
			row.entry = row.end;
			offset = reader_fixed(&r, t->field);
			row.record = offset < t->end - base ? base + offset : 0;
		}
	}
}

static uint32_t field_at(const uint8_t *record, size_t offset)
{
	uint32_t value;

	memcpy(&value, record + offset, sizeof(value));
	return le32toh(value);
}

bool pclntab_read_func(const struct pclntab *t, const struct pclntab_row *row,
		       struct pclntab_func *f)
{
	const struct pclntab_layout *layout = pclntab_layout(t);
	uint8_t record[FUNC_SIZE_MAX] = { 0 };
	uint64_t at = row->record + t->field;
	uint64_t size;

	if (!row->record || at < t->at || at >= t->end)
		return false;
	/* The last record of a table may be shorter than the longest layout. */
	size = MIN(t->end - at, (uint64_t)sizeof(record));
	if (size < FUNC_NPCDATA + 4 || image_read(&t->elf->image, at, record, size))
		return false;
	*f = (struct pclntab_func){
		.row = *row,
		.at = at,
		.name = field_at(record, FUNC_NAME),
		.pcsp = field_at(record, FUNC_PCSP),
		.pcfile = field_at(record, FUNC_PCFILE),
		.pcln = field_at(record, FUNC_PCLN),
		.npcdata = field_at(record, FUNC_NPCDATA),
	};
	if (layout->unit)
		f->unit = field_at(record, layout->unit);
	if (layout->start_line)
		f->start_line = (int32_t)field_at(record, layout->start_line);
	if (layout->nfuncdata) {
		f->flags = record[layout->flags];
		f->nfuncdata = record[layout->nfuncdata];
	}
	return true;
}

void pclntab_values(struct pclntab_values *v, const struct pclntab *t, const struct pclntab_func *f,
		    uint32_t table)
{
	v->table = t;
	v->reader = (struct reader){ 0 };
	/* Where there is none, it begins at the end. */
	v->at = table && pclntab_spend(t, WORK_VALUES) ? t->values + table : t->end;
	v->to = f->row.entry;
	v->value = -1;
	v->steps = 0;
}

static bool refill(struct pclntab_values *v)
{
	const struct pclntab *t = v->table;
	size_t size;

	v->at -= reader_left(&v->reader);
	if (v->at >= t->end || !pclntab_spend(t, WORK_WINDOW))
		return false;
	size = MIN(t->end - v->at, (uint64_t)sizeof(v->window));
	if (image_read(&t->elf->image, v->at, v->window, size))
		return false;
	v->reader = (struct reader){ .at = v->window, .end = v->window + size };
	v->at += size;
	return true;
}

bool pclntab_next_value(struct pclntab_values *v)
{
	uint32_t delta;

	if (v->steps >= VALUES_MAX || (reader_left(&v->reader) < PAIR_MAX && !refill(v)))
		return false;
	delta = (uint32_t)reader_uleb(&v->reader);
	if (!delta && v->steps)
		return false;
	v->steps++;
	v->value = (int32_t)((uint32_t)v->value + (delta & 1 ? ~(delta >> 1) : delta >> 1));
	v->to += (uint64_t)(uint32_t)reader_uleb(&v->reader) * v->table->quantum;
	return !v->reader.failed;
}
