/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for Go functions; see go_frames.h.
 *
 *     pcsp 0    on entry, in leaf functions        CFA = sp + 8,      fp is the caller's
 *     pcsp n    a frame of n bytes, at the top of  CFA = sp + n + 8,  fp at CFA - 16
 *               which the caller's fp is saved
 *
 * (cmd/internal/obj/x86/obj6.go, preprocess). Some functions of the runtime put the stack pointer
 * onto another stack: systemstack, asmcgocall and their kin. No pcsp can say how to get back, but
 * the frame pointer, which they leave alone, leads there. And at some a stack ends.
 *
 * AArch64's frames would do as well, but its frame pointer points below the frame, and the step
 * across another stack would lose the stack pointer: walked by frame pointers.
 */
#include "symbol/go_frames.h"

#include <string.h>

#include "base/cleanup.h"
#include "symbol/pclntab_table.h"
#include "symbol/unwind_table.h"

/* Some 200 for a function. */
#define WORK_MAX 200000000UL
/* Rules that are left to others: a program has a rule for each size of a frame. */
#define RULES_LEFT 256

static const struct unwind_rule by_frame_pointer = { .cfa_kind = CFA_NONE };
static const struct unwind_rule bottom = { .cfa_kind = CFA_END };

struct filling {
	struct cfi *cfi;
	const struct pclntab *table;
};

/*
 * Where a stack ends: that of a goroutine, of a thread, or of the scheduler, which runs on the
 * thread's stack without being called by what it interrupts. sigtramp, called by nobody either, is
 * not one: the kernel's frame is behind it.
 */
static bool is_bottom(const struct pclntab *t, const struct pclntab_func *f)
{
	static const char *const names[] = { "runtime.goexit", "runtime.mstart", "runtime.rt0_go",
					     "runtime.mcall", "runtime.morestack" };
	char name[32];

	if (!(f->flags & (PCLNTAB_TOPFRAME | PCLNTAB_SPWRITE)) ||
	    !pclntab_string(t, t->names + f->name, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/*
 * Signal handlers return to it: the address that the walker looks up, one before, belongs to what
 * stands in front of it, and has to have no rule, so that the kernel's frame is looked for.
 */
static bool is_sigreturn(const struct pclntab *t, const struct pclntab_func *f)
{
	static const char expected[] = "runtime.sigreturn";
	char name[32];

	return f->flags & PCLNTAB_ASM &&
	       pclntab_string(t, t->names + f->name, name, sizeof(name)) &&
	       strncmp(name, expected, sizeof(expected) - 1) == 0;
}

static void end_row_before(struct cfi *cfi, uint64_t address)
{
	const struct cfi_function *last = cfi->nfunctions ? &cfi->functions[cfi->nfunctions - 1]
							  : NULL;
	uint64_t at = address - cfi->base;

	if (last && last->end == at && cfi->rows[cfi->nrows - 1].at < at - 1)
		cfi_add_row(cfi, address - 1, &by_frame_pointer);
}

static struct unwind_rule rule_of(const struct cfi *cfi, int32_t size)
{
	if (size < 0 || size > INT32_MAX - 8 || cfi->nrules + RULES_LEFT > UNWIND_FILE_RULES_MAX)
		return by_frame_pointer;
	return (struct unwind_rule){
		.cfa_kind = CFA_SP,
		.cfa = size + 8,
		.ra_kind = PLACE_CFA,
		.ra_offset = -8,
		.fp_kind = size ? PLACE_CFA : PLACE_SAME,
		.fp_offset = size ? -16 : 0,
	};
}

/* The same all over. */
static void add_plain(struct cfi *cfi, const struct pclntab_row *row,
		      const struct unwind_rule *rule)
{
	cfi_add_function(cfi, row->entry, row->end - row->entry);
	cfi_add_row(cfi, row->entry, rule);
}

static void add_rows(const struct filling *filling, const struct pclntab_func *f)
{
	struct cfi *cfi = filling->cfi;
	uint64_t at = f->row.entry;
	struct pclntab_values v;
	int32_t last = -1;

	pclntab_values(&v, filling->table, f, f->pcsp);
	while (at < f->row.end && pclntab_next_value(&v)) {
		struct unwind_rule rule = rule_of(cfi, v.value);

		if (v.to <= at) /* would go backwards, or not at all */
			break;
		if (at == f->row.entry)
			cfi_add_function(cfi, at, f->row.end - at);
		if (at == f->row.entry || v.value != last)
			cfi_add_row(cfi, at, &rule);
		last = v.value;
		at = v.to;
	}
}

static bool add_function(const struct pclntab_row *row, void *context)
{
	const struct filling *filling = context;
	struct cfi *cfi = filling->cfi;
	struct pclntab_func f;

	if (cfi->nrows >= UNWIND_ROWS_MAX / 2)
		return false;
	if (!cfi_is_code(cfi, row->entry, row->end - row->entry) ||
	    !pclntab_read_func(filling->table, row, &f))
		return true;
	if (is_sigreturn(filling->table, &f))
		end_row_before(cfi, row->entry);
	else if (is_bottom(filling->table, &f))
		add_plain(cfi, row, &bottom);
	else if (f.flags & PCLNTAB_SPWRITE)
		add_plain(cfi, row, &by_frame_pointer);
	else
		add_rows(filling, &f);
	return true;
}

void go_frames_add(struct cfi *cfi)
{
	uint64_t work = WORK_MAX;
	struct pclntab table;
	struct filling filling = { cfi, &table };

	if (cfi->elf->machine == EM_X86_64 && pclntab_open(cfi->elf, &work, &table) &&
	    table.version >= GO_1_18)
		pclntab_each(&table, add_function, &filling);
}
