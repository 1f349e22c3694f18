/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions, each with its rows, become one table; see unwind_table.h and, for the layout,
 * bpf/unwind.h. Everything here is linear in the number of functions and rows: sorting is by digits
 * and packing a single walk.
 */
#include "symbol/unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/cfi.h"
#include "symbol/go_frames.h"
#include "symbol/plt.h"

#define PAGE (1u << UNWIND_PAGE_SHIFT)
/* What lies between two functions and is shorter than this is padding (functions are aligned to 16
 * bytes): nothing runs there, so it needs no row. */
#define GAP_MIN 16

/* --- functions: sorted, disjoint --- */

/* Digits of 11 bits: three passes over 32, and counters that stay in the first-level cache. */
#define DIGIT_BITS 11
#define DIGITS	   (1u << DIGIT_BITS)

static bool is_sorted(const struct cfi_function *functions, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (functions[i - 1].start > functions[i].start)
			return false;
	return true;
}

/* Radix sort by `start`, stable: of those that begin at one address the first read stays first. */
static void sort_functions(struct cfi_function *functions, size_t n)
{
	_cleanup_free_ struct cfi_function *other = NULL;
	struct cfi_function *from = functions, *to;

	if (is_sorted(functions, n))
		return;
	to = other = xmalloc(n * sizeof(*other));
	for (unsigned shift = 0; shift < 32; shift += DIGIT_BITS) {
		struct cfi_function *emptied = from;
		uint32_t places[DIGITS + 1] = { 0 };

		for (size_t i = 0; i < n; i++)
			places[(from[i].start >> shift) % DIGITS + 1]++;
		for (uint32_t d = 1; d < DIGITS; d++)
			places[d] += places[d - 1];
		for (size_t i = 0; i < n; i++)
			to[places[(from[i].start >> shift) % DIGITS]++] = from[i];
		from = to;
		to = emptied;
	}
	if (from != functions)
		memcpy(functions, from, n * sizeof(*functions));
}

/*
 * Of two that begin at one address the first read stays. Otherwise the one that begins earlier ends
 * where the next begins: so says the binary search of .eh_frame_hdr, which exceptions are thrown
 * by, and so an entry that claims all of the file covers nobody else. Returns how many are left.
 */
static size_t separate(struct cfi_function *functions, size_t n, uint32_t *refused)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct cfi_function *last = kept ? &functions[kept - 1] : NULL;

		if (last && last->start == functions[i].start) {
			(*refused)++;
			continue;
		}
		if (last && last->end > functions[i].start) {
			last->end = functions[i].start;
			(*refused)++;
		}
		functions[kept++] = functions[i];
	}
	return kept;
}

/* Adds those of `more` that do not touch any of `functions`; both sorted and disjoint. */
static struct cfi_function *merge(const struct cfi_function *functions, size_t n,
				  const struct cfi_function *more, size_t nmore, size_t *nmerged)
{
	struct cfi_function *merged = xmalloc((n + nmore) * sizeof(*merged));
	size_t i = 0, out = 0;

	for (size_t k = 0; k < nmore; k++) {
		while (i < n && functions[i].end <= more[k].start)
			merged[out++] = functions[i++];
		if (i == n || more[k].end <= functions[i].start)
			merged[out++] = more[k];
	}
	while (i < n)
		merged[out++] = functions[i++];
	*nmerged = out;
	return merged;
}

/* Those read since `first` are of another source: they fill what the sources before left open. */
static void settle(struct cfi *cfi, size_t first)
{
	size_t n = cfi->nfunctions - first;
	struct cfi_function *more, *merged;

	if (!n)
		return;
	more = cfi->functions + first;
	sort_functions(more, n);
	n = separate(more, n, &cfi->refused);
	if (!first) {
		cfi->nfunctions = n;
		return;
	}
	merged = merge(cfi->functions, first, more, n, &cfi->nfunctions);
	free(cfi->functions);
	cfi->functions = merged;
	cfi->functions_capacity = first + n;
}

/* --- packing --- */

struct packer {
	struct unwind_built *out;
	uint32_t begun;	  /* pages */
	uint32_t rule;	  /* of the last row */
	uint32_t at_word; /* where the next row goes */
};

static void put(struct packer *p, uint32_t rule, uint32_t low)
{
	p->out->words[p->at_word++] = rule << UNWIND_PAGE_SHIFT | low;
}

/*
 * Begins the first n pages. What holds at the end of one holds at the beginning of the next, unless
 * a row begins right there. A page before the last of them gets nothing else: if that would be one
 * row that says that there is none, it stays empty.
 */
static void begin_pages(struct packer *p, uint32_t n, bool row_at_begin)
{
	while (p->begun < n) {
		p->out->words[p->begun++] = p->at_word;
		if (p->begun < n ? p->rule != UNWIND_RULE_NONE : !row_at_begin)
			put(p, p->rule, 0);
	}
}

/* From `at` (counted from the first page's begin) on this rule holds. */
static void emit(struct packer *p, uint32_t at, uint32_t rule)
{
	if (rule == p->rule)
		return;
	begin_pages(p, (at >> UNWIND_PAGE_SHIFT) + 1, at % PAGE == 0);
	put(p, rule, at % PAGE);
	p->rule = rule;
	p->out->rows++;
	p->out->rows_unsupported += rule == UNWIND_RULE_UNSUPPORTED;
}

static void pack(const struct cfi *cfi, struct unwind_built *out)
{
	const struct cfi_function *functions = cfi->functions;
	size_t n = cfi->nfunctions, nrows = 0;
	uint32_t first = functions[0].start & ~(PAGE - 1);
	uint32_t length = functions[n - 1].end - first;
	struct packer p = { .out = out, .rule = UINT32_MAX };

	for (size_t i = 0; i < n; i++)
		nrows += functions[i].nrows;
	out->base = cfi->base + first;
	out->pages = (length + PAGE - 1) >> UNWIND_PAGE_SHIFT;
	/* At most: the index, a row to begin each page, the rows, the gap behind each function. */
	out->words = xmalloc((2 * (size_t)out->pages + 2 + nrows + n) * sizeof(*out->words));
	p.at_word = out->pages + 1;
	if (functions[0].start > first)
		emit(&p, 0, UNWIND_RULE_NONE);
	for (size_t i = 0; i < n; i++) {
		const struct cfi_function *f = &functions[i];
		bool last = i + 1 == n;

		for (uint32_t k = 0; k < f->nrows; k++) {
			const struct cfi_row *row = &cfi->rows[f->row + k];

			if (row->at >= f->end) /* cut short by a later one */
				break;
			emit(&p, row->at - first, row->rule);
		}
		if (last ? length % PAGE : functions[i + 1].start - f->end >= GAP_MIN)
			emit(&p, f->end - first, UNWIND_RULE_NONE);
	}
	begin_pages(&p, out->pages, false);
	out->words[out->pages] = p.at_word;
	out->nwords = p.at_word;
	out->words = xreallocarray(out->words, out->nwords, sizeof(*out->words));
}

/* --- what others call --- */

/* One source's troubles do not keep the others from being read; running out of bounds does. */
static int read_source(struct cfi *cfi, const struct elf *elf, bool eh_frame, int *first_error)
{
	size_t first = cfi->nfunctions;
	int err = cfi_read(cfi, elf, eh_frame);

	if (err == -E2BIG)
		return err;
	if (err && err != -ENODATA && !*first_error)
		*first_error = err;
	settle(cfi, first);
	return 0;
}

/* All sources, the best first. */
static int read_all(struct cfi *cfi, const struct elf *elf, const struct elf *debug)
{
	int first_error = 0, err;
	size_t first;

	/* Before .debug_frame, which Go writes for functions that leave their stack, too. */
	go_frames_add(cfi);
	settle(cfi, 0);
	err = read_source(cfi, elf, true, &first_error);
	if (!err)
		err = read_source(cfi, elf, false, &first_error);
	if (!err && debug)
		err = read_source(cfi, debug, false, &first_error);
	if (err)
		return err;
	first = cfi->nfunctions;
	plt_add(cfi);
	settle(cfi, first);
	if (!cfi->nfunctions)
		return first_error ? first_error : -ENODATA;
	return 0;
}

int unwind_build(const struct elf *elf, const struct elf *debug, struct unwind_built *out)
{
	struct cfi cfi;
	int err = cfi_open(elf, &cfi);

	if (err)
		return err;
	err = read_all(&cfi, elf, debug);
	/* It takes more rules, and few files need it: the dynamic linker, which is small. */
	if (!err && cfi_needs_rbx(&cfi)) {
		cfi_close(&cfi);
		cfi_open(elf, &cfi);
		cfi.tracks_rbx = true;
		err = read_all(&cfi, elf, debug);
	}
	if (!err) {
		*out = (struct unwind_built){ .functions = (uint32_t)cfi.nfunctions,
					      .functions_refused = cfi.refused };
		pack(&cfi, out);
		out->nrules = cfi.nrules;
		out->rules = TAKE_PTR(cfi.rules);
	}
	cfi_close(&cfi);
	return err;
}

void unwind_built_free(struct unwind_built *built)
{
	free(built->words);
	free(built->rules);
	*built = (struct unwind_built){ 0 };
}

/* --- reading one --- */

static bool is_return_address(uint8_t kind, int16_t offset)
{
	if (kind == PLACE_REGISTER)
		return offset >= 0 && offset < UNWIND_GENERAL_REGISTERS;
	return kind < PLACE_REGISTER;
}

static bool is_rule(const struct unwind_rule *rule)
{
	static const uint16_t flags = UNWIND_SIGNAL_FRAME | UNWIND_LEAF_ONLY | UNWIND_KEEPS_RBX |
				      UNWIND_SAVES_RBX;

	return rule->cfa_kind <= CFA_PLT && rule->cfa_register < UNWIND_GENERAL_REGISTERS &&
	       is_return_address(rule->ra_kind, rule->ra_offset) &&
	       rule->fp_kind <= PLACE_UNKNOWN && !(rule->flags & ~flags);
}

static bool are_rules(const struct unwind_built *built)
{
	if (built->nrules <= UNWIND_RULE_END || built->nrules > UNWIND_FILE_RULES_MAX ||
	    built->rules[UNWIND_RULE_NONE].cfa_kind != CFA_NONE ||
	    built->rules[UNWIND_RULE_UNSUPPORTED].cfa_kind != CFA_UNSUPPORTED ||
	    built->rules[UNWIND_RULE_END].cfa_kind != CFA_END)
		return false;
	for (uint32_t i = 0; i < built->nrules; i++)
		if (!is_rule(&built->rules[i]))
			return false;
	return true;
}

/* Rows [from, to) of a page. */
static bool is_page(const struct unwind_built *built, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		uint32_t row = built->words[i];

		if (UNWIND_ROW_RULE(row) >= built->nrules)
			return false;
		if (i == from ? UNWIND_ROW_LOW(row) != 0
			      : UNWIND_ROW_LOW(row) <= UNWIND_ROW_LOW(built->words[i - 1]))
			return false;
	}
	return true;
}

int unwind_built_check(const struct unwind_built *built)
{
	const uint32_t *words = built->words;

	if (!built->pages || built->pages > UNWIND_PAGES_MAX || built->nwords <= built->pages ||
	    built->base % PAGE || built->base > UINT64_MAX - (uint64_t)built->pages * PAGE)
		return -EBADMSG;
	if (!are_rules(built) || words[0] != built->pages + 1 ||
	    words[built->pages] != built->nwords)
		return -EBADMSG;
	for (uint32_t page = 0; page < built->pages; page++)
		if (words[page] > words[page + 1] || words[page + 1] > built->nwords ||
		    !is_page(built, words[page], words[page + 1]))
			return -EBADMSG;
	return 0;
}

const struct unwind_rule *unwind_built_find(const struct unwind_built *built, uint64_t address)
{
	uint64_t offset = address - built->base;
	uint64_t page = offset >> UNWIND_PAGE_SHIFT;
	uint32_t low, high;

	if (address < built->base || page >= built->pages)
		return &built->rules[UNWIND_RULE_NONE];
	/* The last row that is not above; the page's first never is. */
	low = built->words[page];
	high = built->words[page + 1];
	if (low == high)
		return &built->rules[UNWIND_RULE_NONE];
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (UNWIND_ROW_LOW(built->words[middle]) <= offset % PAGE)
			low = middle;
		else
			high = middle;
	}
	return &built->rules[UNWIND_ROW_RULE(built->words[low])];
}
