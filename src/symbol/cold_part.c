/* SPDX-License-Identifier: Apache-2.0 */
/* Cold parts; see cold_part.h. */
#include "symbol/cold_part.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/dynsym.h"

/* Largest function looked at, and most functions of a file. */
#define CODE_MAX      (4 << 20)
#define FUNCTIONS_MAX 262144
/* Places in the cold part that are jumped to. Bytes that only look like a jump lead anywhere,
 * rarely twice into one function. */
#define VOTES_MIN 4

/* .eh_frame_hdr (LSB 5.0 Core, 10.6.2): a head, then the start of each function and where its entry
 * in .eh_frame is, both relative to the section, sorted. In the encodings that all linkers use. */
struct head {
	uint8_t version, pointer_encoding, count_encoding, table_encoding;
	int32_t eh_frame;
	uint32_t count;
};
#define HEAD_VERSION   1
#define ENCODING_COUNT 0x03 /* DW_EH_PE_udata4 */
#define ENCODING_TABLE 0x3b /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */

struct entry {
	int32_t start, fde;
};

struct functions {
	uint64_t base;
	struct entry *entries;
	size_t n;
	uint32_t *votes; /* one for each */
};

static bool read_functions(const struct elf *elf, struct functions *out)
{
	const struct elf_section *section = elf_section(elf, ELF_EH_FRAME_HDR);
	struct head head;

	*out = (struct functions){ 0 };
	if (!section || !elf_read_address(elf, section->address, &head, sizeof(head)) ||
	    head.version != HEAD_VERSION || head.count_encoding != ENCODING_COUNT ||
	    head.table_encoding != ENCODING_TABLE || !head.count || head.count > FUNCTIONS_MAX)
		return false;
	out->base = section->address;
	out->n = head.count;
	out->entries = xcalloc(out->n, sizeof(*out->entries));
	out->votes = xcalloc(out->n, sizeof(*out->votes));
	if (elf_read_address(elf, section->address + sizeof(head), out->entries,
			     out->n * sizeof(*out->entries)))
		return true;
	free(out->entries);
	free(out->votes);
	return false;
}

static uint64_t start_of(const struct functions *functions, size_t i)
{
	return functions->base + (uint64_t)(int64_t)functions->entries[i].start;
}

/* Says for the function that contains the address that it is jumped into. */
static void vote(struct functions *functions, uint64_t address)
{
	size_t low = 0, high = functions->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (start_of(functions, middle) <= address)
			low = middle;
		else
			high = middle;
	}
	/* Whoever jumps to a beginning may just as well call that function, as its last act. */
	if (start_of(functions, low) < address)
		functions->votes[low]++;
}

struct function {
	uint64_t start, end;
	const uint8_t *code;
	size_t size;
	const struct elf_load *load; /* that it is in, and its cold part, too */
};

static void vote_outside(struct functions *functions, const struct function *f, uint64_t target)
{
	if ((target < f->start || target >= f->end) &&
	    target - f->load->address < f->load->memory_size)
		vote(functions, target);
}

static int64_t signed_bits(uint32_t word, unsigned low, unsigned bits)
{
	return (int64_t)((int32_t)(word << (32 - low - bits)) >> (32 - bits));
}

/* jmp rel32: e9; jcc rel32: 0f 80 to 0f 8f (Intel's manual, volume 2). Instructions begin anywhere,
 * so every byte is tried. */
static void vote_x86(struct functions *functions, const struct function *f)
{
	for (size_t i = 1; i + 5 <= f->size; i++) {
		const uint8_t *p = f->code + i;
		int32_t distance;

		if (p[0] != 0xe9 && !(p[-1] == 0x0f && (p[0] & 0xf0) == 0x80))
			continue;
		memcpy(&distance, p + 1, sizeof(distance));
		vote_outside(functions, f, f->start + i + 5 + (uint64_t)(int64_t)distance);
	}
}

/* b, b.cond, cbz and cbnz, tbz and tbnz (Arm Architecture Reference Manual, C4.1). */
static void vote_arm64(struct functions *functions, const struct function *f)
{
	static const struct {
		uint32_t mask, value;
		unsigned low, bits;
	} jumps[] = {
		{ 0xfc000000, 0x14000000, 0, 26 },
		{ 0xff000010, 0x54000000, 5, 19 },
		{ 0x7e000000, 0x34000000, 5, 19 },
		{ 0x7e000000, 0x36000000, 5, 14 },
	};

	for (size_t i = 0; i + 4 <= f->size; i += 4) {
		uint32_t word;

		memcpy(&word, f->code + i, sizeof(word));
		for (size_t k = 0; k < ARRAY_SIZE(jumps); k++)
			if ((word & jumps[k].mask) == jumps[k].value)
				vote_outside(functions, f,
					     f->start + i +
						     4 * (uint64_t)signed_bits(word, jumps[k].low,
									       jumps[k].bits));
	}
}

static const struct elf_load *load_of(const struct elf *elf, uint64_t address)
{
	for (size_t i = 0; i < elf->nloads; i++)
		if (address - elf->loads[i].address < elf->loads[i].memory_size)
			return &elf->loads[i];
	return NULL;
}

/* The function with most votes, if there is no doubt. */
static bool elect(const struct functions *functions, size_t *winner)
{
	uint32_t first = 0, second = 0;

	for (size_t i = 0; i < functions->n; i++) {
		if (functions->votes[i] > first) {
			second = first;
			first = functions->votes[i];
			*winner = i;
		} else if (functions->votes[i] > second) {
			second = functions->votes[i];
		}
	}
	return first >= VOTES_MIN && first >= 2 * second && *winner + 1 < functions->n;
}

bool cold_part_find(const struct elf *elf, uint64_t start, uint64_t end, uint64_t *cold_start,
		    uint64_t *cold_end)
{
	_cleanup_free_ uint8_t *code = NULL;
	struct functions functions;
	struct function f = { .start = start, .end = end, .load = load_of(elf, start) };
	size_t winner = 0;
	bool found;

	if (!f.load || end <= start || end - start > CODE_MAX || !read_functions(elf, &functions))
		return false;
	f.size = end - start;
	code = xmalloc(f.size);
	found = elf_read_address(elf, start, code, f.size);
	f.code = code;
	if (found && elf->machine == EM_X86_64)
		vote_x86(&functions, &f);
	if (found && elf->machine == EM_AARCH64)
		vote_arm64(&functions, &f);
	found = found && elect(&functions, &winner);
	if (found) {
		*cold_start = start_of(&functions, winner);
		*cold_end = start_of(&functions, winner + 1);
		found = *cold_start < *cold_end && *cold_end - *cold_start <= CODE_MAX;
	}
	free(functions.entries);
	free(functions.votes);
	return found;
}
