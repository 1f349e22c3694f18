/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the programs of .eh_frame and .debug_frame; see cfi.h. Entries are told apart by elfutils
 * (dwarf_next_cfi), which knows their headers; what they say is worked out here, because one pass
 * over a program gives all of its rows where asking for each address would run it again and again.
 */
#include "symbol/cfi.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "symbol/cfi_rule.h"
#include "symbol/reader.h"
#include "symbol/unwind_table.h"

/* libLLVM, with 50 MB of code, has 5 MB of it. */
#define SECTION_MAX (64UL << 20)
/* Linkers merge equal ones, which leaves some ten. */
#define CIES_MAX 16384
/* gcc nests no two. */
#define REMEMBERED_MAX 16
/* A step is an instruction or a byte of a CIE: a nanosecond or two. libLLVM takes 5 million. */
#define WORK_MAX 200000000UL

/* Not in every dwarf.h: "DWARF for the Arm 64-bit Architecture", 2024Q3. */
#define DW_CFA_AARCH64_negate_ra_state_with_pc_ 0x2c

struct cie {
	uint64_t offset;
	bool usable;
	bool sized; /* FDEs have augmentation data ("z") */
	uint8_t encoding;
	struct cfi_meaning meaning;
	uint64_t code_factor;
	int64_t data_factor;
	struct cfi_state initial;
};

struct section {
	const uint8_t *data;
	size_t size;
	uint64_t address;
	uint64_t bias; /* to add to addresses to get those of the file */
	bool eh_frame;
	bool go; /* written by Go's compiler */
	struct cie *cies;
	size_t ncies, cies_capacity;
	struct index by_offset;
};

/* --- programs --- */

struct run {
	struct cfi *cfi;
	const struct section *section;
	const struct cie *cie;
	struct reader r;
	struct cfi_state state;
	struct cfi_state remembered[REMEMBERED_MAX];
	size_t nremembered;
	struct cfi_function *function; /* NULL: a CIE's own program */
	uint32_t at;
	bool changed;  /* since the last row */
	bool finished; /* what follows lies beyond the function's end */
};

static void append_row(struct cfi *cfi, uint32_t at, uint32_t rule)
{
	GROW(cfi->rows, cfi->nrows, cfi->rows_capacity);
	cfi->rows[cfi->nrows++] = (struct cfi_row){ at, rule };
}

static void end_row(struct run *run)
{
	struct cfi *cfi = run->cfi;
	struct cfi_function *f = run->function;
	uint32_t rule;

	if (!f || !run->changed)
		return;
	run->changed = false;
	rule = cfi_rule_of(cfi, &run->cie->meaning, &run->state);
	if (cfi->nrows > f->row && cfi->rows[cfi->nrows - 1].rule == rule)
		return;
	append_row(cfi, run->at, rule);
}

static bool advance(struct run *run, uint64_t delta)
{
	const struct cfi_function *f = run->function;
	uint64_t bytes;

	if (!f)
		return false;
	if (!delta || !run->cie->code_factor)
		return true;
	end_row(run);
	if (__builtin_mul_overflow(delta, run->cie->code_factor, &bytes) ||
	    bytes >= f->end - run->at)
		run->finished = true;
	else
		run->at += (uint32_t)bytes;
	return true;
}

/*
 * The formats are those of DW_EH_PE_*. Relative to the section itself is what compilers write;
 * relative to text or data has no meaning in a file of our machines, and a pointer to the pointer
 * would have to be read from a process. False for all of these.
 */
static bool read_pointer(const struct section *section, uint8_t encoding, struct reader *r,
			 uint64_t *value)
{
	uint64_t here = section->address + (uint64_t)(r->at - section->data);
	static const uint8_t sizes[8] = { 8, 0, 2, 4, 8 };
	uint8_t format = encoding & 0x07;
	bool is_signed = encoding & DW_EH_PE_signed;

	if (format == DW_EH_PE_uleb128)
		*value = is_signed ? (uint64_t)reader_sleb(r) : reader_uleb(r);
	else if (sizes[format])
		*value = is_signed ? (uint64_t)reader_signed(r, sizes[format])
				   : reader_fixed(r, sizes[format]);
	else
		return false;
	if ((encoding & 0xf0) == DW_EH_PE_pcrel)
		*value += here;
	else if (encoding & 0xf0)
		return false;
	return !r->failed;
}

static bool set_location(struct run *run)
{
	uint64_t address;

	if (!run->function || !read_pointer(run->section, run->cie->encoding, &run->r, &address))
		return false;
	address += run->section->bias;
	if (address < run->cfi->base + run->at)
		return false;
	address -= run->cfi->base;
	if (address == run->at)
		return true;
	end_row(run);
	if (address >= run->function->end)
		run->finished = true;
	else
		run->at = (uint32_t)address;
	return true;
}

/* NULL for a register that does not matter. */
static struct cfi_saved *tracked(struct run *run, uint64_t reg)
{
	for (int i = 0; i < CFI_TRACKED; i++)
		if (run->cie->meaning.registers[i] == reg)
			return &run->state.saved[i];
	return NULL;
}

static void save(struct run *run, uint64_t reg, enum saved_how how, struct cfi_value value)
{
	struct cfi_saved *saved = tracked(run, reg);

	if (!saved)
		return;
	*saved = (struct cfi_saved){ (uint8_t)how, value };
	run->changed = true;
}

static bool save_from_cfa(struct run *run, uint64_t reg, enum saved_how how, int64_t factored)
{
	struct cfi_value value = { .base = BASE_CFA };

	if (__builtin_mul_overflow(factored, run->cie->data_factor, &value.offset))
		return false;
	save(run, reg, how, value);
	return true;
}

static bool save_expression(struct run *run, uint64_t reg, enum saved_how how)
{
	static const struct cfi_value cfa = { .base = BASE_CFA };
	uint64_t size = reader_uleb(&run->r);
	const uint8_t *expression = reader_take(&run->r, size);
	struct cfi_value value = { 0 };

	if (!expression)
		return false;
	if (!tracked(run, reg))
		return true;
	if (!cfi_evaluate(expression, size, &cfa, &value))
		how = SAVED_UNKNOWN;
	save(run, reg, how, value);
	return true;
}

static void save_in_register(struct run *run, uint64_t reg, uint64_t other)
{
	struct cfi_value value = { .base = BASE_REGISTER, .reg = (uint8_t)other };

	save(run, reg, other <= UINT8_MAX ? SAVED_IS : SAVED_UNKNOWN, value);
}

static void restore(struct run *run, uint64_t reg)
{
	struct cfi_saved *saved = tracked(run, reg);

	if (!saved)
		return;
	*saved = run->cie->initial.saved[saved - run->state.saved];
	run->changed = true;
}

static bool set_cfa(struct run *run, uint64_t reg, int64_t offset)
{
	run->changed = true;
	run->state.has_cfa = true;
	/* A register that no walk knows of; 255 is as good as any of those. */
	run->state.cfa = (struct cfi_value){ .base = BASE_REGISTER,
					     .reg = (uint8_t)MIN(reg, (uint64_t)UINT8_MAX),
					     .offset = offset };
	return true;
}

static bool set_cfa_factored(struct run *run, uint64_t reg, int64_t factored)
{
	int64_t offset;

	return !__builtin_mul_overflow(factored, run->cie->data_factor, &offset) &&
	       set_cfa(run, reg, offset);
}

static bool set_cfa_expression(struct run *run)
{
	uint64_t size = reader_uleb(&run->r);
	const uint8_t *expression = reader_take(&run->r, size);

	if (!expression)
		return false;
	run->changed = true;
	run->state.has_cfa = cfi_evaluate(expression, size, NULL, &run->state.cfa);
	if (!run->state.has_cfa)
		run->state.cfa = (struct cfi_value){ 0 };
	return true;
}

static bool remember(struct run *run)
{
	if (run->nremembered == REMEMBERED_MAX)
		return false;
	run->remembered[run->nremembered++] = run->state;
	return true;
}

static bool recall(struct run *run)
{
	if (!run->nremembered)
		return false;
	run->state = run->remembered[--run->nremembered];
	run->changed = true;
	return true;
}

/* DWARF 5, 6.4.2, and LSB. False for what is no instruction. Operands are read in this order. */
static bool execute(struct run *run)
{
	struct cfi_value nothing = { 0 };
	struct reader *r = &run->r;
	uint8_t instruction = *r->at++;
	uint64_t reg;

	switch (instruction & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(run, instruction & 0x3f);
	case DW_CFA_offset:
		return save_from_cfa(run, instruction & 0x3f, SAVED_AT, (int64_t)reader_uleb(r));
	case DW_CFA_restore:
		restore(run, instruction & 0x3f);
		return true;
	}
	switch (instruction) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_set_loc:
		return set_location(run);
	case DW_CFA_advance_loc1:
		return advance(run, reader_fixed(r, 1));
	case DW_CFA_advance_loc2:
		return advance(run, reader_fixed(r, 2));
	case DW_CFA_advance_loc4:
		return advance(run, reader_fixed(r, 4));
	case DW_CFA_remember_state:
		return remember(run);
	case DW_CFA_restore_state:
		return recall(run);
	case DW_CFA_def_cfa:
		reg = reader_uleb(r);
		return set_cfa(run, reg, (int64_t)reader_uleb(r));
	case DW_CFA_def_cfa_sf:
		reg = reader_uleb(r);
		return set_cfa_factored(run, reg, reader_sleb(r));
	case DW_CFA_def_cfa_register:
		reg = reader_uleb(r);
		return run->state.cfa.base == BASE_REGISTER &&
		       set_cfa(run, reg, run->state.cfa.offset);
	case DW_CFA_def_cfa_offset:
		return run->state.cfa.base == BASE_REGISTER &&
		       set_cfa(run, run->state.cfa.reg, (int64_t)reader_uleb(r));
	case DW_CFA_def_cfa_offset_sf:
		return run->state.cfa.base == BASE_REGISTER &&
		       set_cfa_factored(run, run->state.cfa.reg, reader_sleb(r));
	case DW_CFA_def_cfa_expression:
		return set_cfa_expression(run);
	case DW_CFA_undefined:
		save(run, reader_uleb(r), SAVED_NOWHERE, nothing);
		return true;
	case DW_CFA_same_value:
		save(run, reader_uleb(r), SAVED_SAME, nothing);
		return true;
	case DW_CFA_offset_extended:
		reg = reader_uleb(r);
		return save_from_cfa(run, reg, SAVED_AT, (int64_t)reader_uleb(r));
	case DW_CFA_offset_extended_sf:
		reg = reader_uleb(r);
		return save_from_cfa(run, reg, SAVED_AT, reader_sleb(r));
	case DW_CFA_GNU_negative_offset_extended:
		reg = reader_uleb(r);
		return save_from_cfa(run, reg, SAVED_AT, (int64_t)(0 - reader_uleb(r)));
	case DW_CFA_val_offset:
		reg = reader_uleb(r);
		return save_from_cfa(run, reg, SAVED_IS, (int64_t)reader_uleb(r));
	case DW_CFA_val_offset_sf:
		reg = reader_uleb(r);
		return save_from_cfa(run, reg, SAVED_IS, reader_sleb(r));
	case DW_CFA_register:
		reg = reader_uleb(r);
		save_in_register(run, reg, reader_uleb(r));
		return true;
	case DW_CFA_expression:
		return save_expression(run, reader_uleb(r), SAVED_AT);
	case DW_CFA_val_expression:
		return save_expression(run, reader_uleb(r), SAVED_IS);
	case DW_CFA_restore_extended:
		restore(run, reader_uleb(r));
		return true;
	case DW_CFA_GNU_args_size:
		reader_uleb(r);
		return true;
	case DW_CFA_AARCH64_negate_ra_state:
	case DW_CFA_AARCH64_negate_ra_state_with_pc_:
		/* Signed return addresses are stripped by whoever reads them, signed or not. */
		return run->cfi->machine->machine == EM_AARCH64;
	default:
		return false;
	}
}

/* 0, -EBADMSG for a program that is not one, -E2BIG. */
static int execute_all(struct run *run)
{
	struct cfi *cfi = run->cfi;

	while (reader_left(&run->r) && !run->finished) {
		if (!cfi->work)
			return -E2BIG;
		cfi->work--;
		if (!execute(run) || run->r.failed)
			return -EBADMSG;
		if (cfi->nrows >= UNWIND_ROWS_MAX)
			return -E2BIG;
	}
	if (!run->finished)
		end_row(run);
	return 0;
}

/* --- entries --- */

static int next_entry(const struct cfi *cfi, const struct section *section, uint64_t offset,
		      uint64_t *next, Dwarf_CFI_Entry *entry)
{
	const unsigned char ident[EI_NIDENT] = {
		[EI_CLASS] = ELFCLASS64, [EI_DATA] = cfi->elf->encoding
	};
	Elf_Data data = { .d_buf = (void *)section->data, .d_size = section->size };

	return dwarf_next_cfi(ident, &data, section->eh_frame, offset, next, entry);
}

/* What the augmentation says and where its data says it; false for one that is not known. */
static bool read_augmentation(const struct section *section, const Dwarf_CIE *entry,
			      struct cie *cie)
{
	const char *letter = entry->augmentation;
	struct reader r = { entry->augmentation_data,
			    entry->augmentation_data + entry->augmentation_data_size, false };
	uint64_t personality;
	uint8_t encoding;

	cie->encoding = DW_EH_PE_absptr;
	if (!*letter)
		return true;
	if (*letter++ != 'z')
		return false;
	cie->sized = true;
	for (; *letter; letter++) {
		switch (*letter) {
		case 'R':
			cie->encoding = (uint8_t)reader_fixed(&r, 1);
			break;
		case 'L':
			reader_fixed(&r, 1);
			break;
		case 'P':
			/* Only to get behind it: whatever it is relative to, or points to. */
			encoding = (uint8_t)reader_fixed(&r, 1);
			if ((encoding & 0x70) == DW_EH_PE_aligned ||
			    !read_pointer(section, encoding & 0x0f, &r, &personality))
				return false;
			break;
		case 'S':
			cie->meaning.is_signal = true;
			break;
		case 'B': /* AArch64: return addresses are signed with the B key */
		case 'G': /* AArch64: the stack is tagged */
			break;
		default:
			return false;
		}
	}
	return !r.failed;
}

static int read_cie(struct cfi *cfi, const struct section *section, struct cie *cie)
{
	const struct cfi_machine *machine = cfi->machine;
	Dwarf_CFI_Entry entry;
	uint64_t next = cie->offset;
	struct run run = { .cfi = cfi, .section = section, .cie = cie };
	int ret, err;

	ret = next_entry(cfi, section, cie->offset, &next, &entry);
	/* Its name may be as long as the section, and those of others may be part of it. */
	if (ret <= 0 && next - cie->offset > cfi->work)
		return -E2BIG;
	if (ret <= 0)
		cfi->work -= next - cie->offset;
	if (ret || !dwarf_cfi_cie_p(&entry) || entry.cie.return_address_register > UINT8_MAX ||
	    entry.cie.return_address_register == machine->fp ||
	    entry.cie.return_address_register == machine->sp)
		return 0;
	if (!read_augmentation(section, &entry.cie, cie))
		return 0;
	cie->meaning.registers[CFI_FP] = machine->fp;
	cie->meaning.registers[CFI_SP] = machine->sp;
	cie->meaning.registers[CFI_RA] = (uint8_t)entry.cie.return_address_register;
	cie->meaning.registers[CFI_RBX] = machine->rbx;
	cie->meaning.is_go = section->go;
	cie->code_factor = entry.cie.code_alignment_factor;
	cie->data_factor = entry.cie.data_alignment_factor;
	run.r = (struct reader){ entry.cie.initial_instructions, entry.cie.initial_instructions_end,
				 false };
	err = execute_all(&run);
	cie->initial = run.state;
	cie->usable = !err;
	return err == -E2BIG ? err : 0;
}

static bool same_offset(const void *key, uint32_t position, const void *context)
{
	const struct section *section = context;

	return section->cies[position].offset == *(const uint64_t *)key;
}

/* Each is read once, broken ones too; *out is NULL for these. */
static int find_cie(struct cfi *cfi, struct section *section, uint64_t offset,
		    const struct cie **out)
{
	uint64_t hash = hash_combine(offset, 0);
	uint32_t found = index_find(&section->by_offset, hash, &offset, same_offset, section);
	struct cie *cie;
	int err;

	*out = NULL;
	if (found == INDEX_NONE) {
		if (section->ncies == CIES_MAX || offset >= section->size)
			return 0;
		GROW(section->cies, section->ncies, section->cies_capacity);
		cie = &section->cies[section->ncies];
		*cie = (struct cie){ .offset = offset };
		err = read_cie(cfi, section, cie);
		if (err)
			return err;
		found = (uint32_t)section->ncies++;
		index_insert(&section->by_offset, hash, found);
	}
	if (section->cies[found].usable)
		*out = &section->cies[found];
	return 0;
}

bool cfi_is_code(const struct cfi *cfi, uint64_t address, uint64_t size)
{
	const struct elf *elf = cfi->elf;

	if (address < cfi->base || size > UNWIND_SPAN_MAX ||
	    address - cfi->base > UNWIND_SPAN_MAX - size)
		return false;
	for (size_t i = 0; i < elf->nloads; i++) {
		const struct elf_load *load = &elf->loads[i];
		uint64_t offset = address - load->address;

		if (address >= load->address && offset <= load->memory_size &&
		    size <= load->memory_size - offset)
			return true;
	}
	return false;
}

/* Start and length of the function; the reader then stands before its program. False for one that
 * is not of this file's code. */
static bool read_extent(struct cfi *cfi, const struct section *section, const struct cie *cie,
			struct reader *r, struct cfi_function *f)
{
	uint64_t address, size;

	if (!read_pointer(section, cie->encoding, r, &address) ||
	    !read_pointer(section, cie->encoding & 0x07, r, &size))
		return false;
	if (cie->sized)
		reader_take(r, reader_uleb(r));
	address += section->bias;
	if (r->failed || !cfi_is_code(cfi, address, size))
		return false;
	f->start = (uint32_t)(address - cfi->base);
	f->end = f->start + (uint32_t)size;
	return true;
}

static int read_function(struct cfi *cfi, struct section *section, const Dwarf_FDE *fde)
{
	struct cfi_function f = { .row = (uint32_t)cfi->nrows };
	struct run run = { .cfi = cfi, .section = section, .function = &f, .changed = true };
	int err = find_cie(cfi, section, fde->CIE_pointer, &run.cie);

	if (err)
		return err;
	run.r = (struct reader){ fde->start, fde->end, false };
	if (!run.cie || !read_extent(cfi, section, run.cie, &run.r, &f)) {
		cfi->refused++;
		return 0;
	}
	if (f.start == f.end) /* left behind by a linker that dropped the function */
		return 0;
	run.at = f.start;
	run.state = run.cie->initial;
	err = execute_all(&run);
	if (err) {
		cfi->nrows = f.row;
		cfi->refused++;
		return err == -E2BIG ? err : 0;
	}
	f.nrows = (uint32_t)cfi->nrows - f.row;
	GROW(cfi->functions, cfi->nfunctions, cfi->functions_capacity);
	cfi->functions[cfi->nfunctions++] = f;
	return 0;
}

static int read_entries(struct cfi *cfi, struct section *section)
{
	uint64_t offset = 0, next;
	int err = 0;

	while (!err && offset < section->size) {
		Dwarf_CFI_Entry entry;
		int ret;

		next = offset;
		ret = next_entry(cfi, section, offset, &next, &entry);
		if (ret < 0) {
			cfi->refused++;
			if (next == offset) /* its length is wrong: nothing can be found behind */
				break;
		} else if (ret > 0) {
			/* A zero: the end, but some linkers leave one in the middle. */
			next = offset + sizeof(uint32_t);
		} else if (!dwarf_cfi_cie_p(&entry)) {
			err = read_function(cfi, section, &entry.fde);
		}
		offset = next;
	}
	return err;
}

int cfi_read(struct cfi *cfi, const struct elf *elf, bool eh_frame)
{
	const struct elf_section *s = elf_section(elf, eh_frame ? ELF_EH_FRAME : ELF_DEBUG_FRAME);
	_cleanup_free_ uint8_t *data = NULL;
	struct section section = { .eh_frame = eh_frame };
	int err;

	if (!s || s->type == SHT_NOBITS || !s->size)
		return -ENODATA;
	err = elf_section_read(elf, s, SECTION_MAX, &data, &section.size);
	if (err)
		return err == -EFBIG ? -E2BIG : err == -EOPNOTSUPP ? -ENODATA : err;
	section.data = data;
	section.address = s->address;
	section.bias = cfi->elf->base - elf->base;
	section.go = !eh_frame && elf_section(elf, ELF_GO_BUILDINFO);
	err = read_entries(cfi, &section);
	free(section.cies);
	index_free(&section.by_offset);
	return err;
}

bool cfi_needs_rbx(const struct cfi *cfi)
{
	for (uint32_t i = 0; i < cfi->nrules; i++)
		if (cfi->rules[i].cfa_kind == CFA_REGISTER &&
		    cfi->rules[i].cfa_register == cfi->machine->rbx)
			return true;
	return false;
}

void cfi_add_function(struct cfi *cfi, uint64_t address, uint64_t size)
{
	uint32_t start = (uint32_t)(address - cfi->base);

	GROW(cfi->functions, cfi->nfunctions, cfi->functions_capacity);
	cfi->functions[cfi->nfunctions++] = (struct cfi_function){ .start = start,
								   .end = start + (uint32_t)size,
								   .row = (uint32_t)cfi->nrows };
}

void cfi_add_row(struct cfi *cfi, uint64_t address, const struct unwind_rule *rule)
{
	append_row(cfi, (uint32_t)(address - cfi->base), cfi_intern_rule(cfi, rule));
	cfi->functions[cfi->nfunctions - 1].nrows++;
}

int cfi_open(const struct elf *elf, struct cfi *cfi)
{
	static const struct unwind_rule fixed[] = {
		[UNWIND_RULE_NONE] = { .cfa_kind = CFA_NONE },
		[UNWIND_RULE_UNSUPPORTED] = { .cfa_kind = CFA_UNSUPPORTED },
		[UNWIND_RULE_END] = { .cfa_kind = CFA_END },
	};
	const struct cfi_machine *machine = cfi_machine_of(elf->machine);

	if (!machine || !elf->is64 || elf->encoding != ELFDATA2LSB || !elf->nloads)
		return -ENODATA;
	*cfi = (struct cfi){ .elf = elf, .machine = machine, .work = WORK_MAX };
	cfi->base = UINT64_MAX;
	for (size_t i = 0; i < elf->nloads; i++)
		cfi->base = MIN(cfi->base, elf->loads[i].address);
	cfi->base &= ~((1ULL << UNWIND_PAGE_SHIFT) - 1);
	cfi->rule_slots = xcalloc(CFI_RULE_SLOTS, sizeof(*cfi->rule_slots));
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		cfi_intern_rule(cfi, &fixed[i]);
	return 0;
}

void cfi_close(struct cfi *cfi)
{
	free(cfi->functions);
	free(cfi->rows);
	free(cfi->rules);
	free(cfi->rule_slots);
}
