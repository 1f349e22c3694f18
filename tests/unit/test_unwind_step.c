/* SPDX-License-Identifier: Apache-2.0 */
/* From a frame to its caller (bpf/unwind_step.h), on made-up code, tables and stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "bpf/unwind_step.h"

/*
 * One file mapped at CODE, with a table of its own; code without table at JIT; a mapping whose
 * table is still to come at PENDING. One stack, and one for signals below it.
 */
#define CODE	       0x400000ULL
#define CODE_SIZE      0x10000
#define JIT	       0x700000ULL
#define PENDING	       0x900000ULL
#define STACK	       0x7ffe0000ULL
#define STACK_SIZE     0x4000
#define LOW_STACK      0x10000000ULL
#define LOW_STACK_SIZE 0x2000
#define BIAS	       0x3ff000ULL /* addresses of the file begin with 0x1000 */

#define ROWS_MAX  4096
#define RULES_MAX 64
#define POOL_LINE 3 /* where in the pool the table begins */

struct row {
	uint64_t address; /* in the file */
	uint32_t rule;
};

struct unwind_source {
	uint8_t stack[STACK_SIZE], low_stack[LOW_STACK_SIZE], code[CODE_SIZE], jit[4096];
	struct unwind_mapping mappings[UNWIND_SPACE_MAX];
	uint32_t nmappings;
	struct unwind_table table;
	uint32_t *pool; /* as large as what is used of it, so that sanitizers see what is not */
	uint32_t pool_words;
	struct unwind_rule rules[RULES_MAX];
	uint32_t nrules;
	struct row rows[ROWS_MAX];
	uint32_t nrows;
	struct unwind_registers registers;
	/* What the walk found. */
	uint64_t words[STACK_FRAMES_MAX];
	uint32_t nwords;
	uint32_t reads;
};

/* --- the source --- */

static uint8_t *memory(const struct unwind_source *s, uint64_t address, uint64_t size)
{
	const struct {
		uint64_t start, size;
		const uint8_t *bytes;
	} regions[] = {
		{ STACK, STACK_SIZE, s->stack },
		{ LOW_STACK, LOW_STACK_SIZE, s->low_stack },
		{ CODE, CODE_SIZE, s->code },
		{ JIT, sizeof(s->jit), s->jit },
	};

	for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
		if (address >= regions[i].start &&
		    address - regions[i].start + size <= regions[i].size)
			return (uint8_t *)regions[i].bytes + (address - regions[i].start);
	return NULL;
}

static inline int source_read(const struct unwind_source *s, __u64 address, void *to, __u32 size)
{
	const uint8_t *from = memory(s, address, size);

	((struct unwind_source *)s)->reads++;
	if (!from)
		return -1;
	memcpy(to, from, size);
	return 0;
}

static inline __u32 source_mappings(const struct unwind_source *s)
{
	return s->nmappings;
}

static inline const struct unwind_mapping *source_mapping(const struct unwind_source *s, __u32 i)
{
	return i < s->nmappings ? &s->mappings[i] : NULL;
}

static inline const struct unwind_table *source_table(const struct unwind_source *s, __u32 number)
{
	return number == UNWIND_TABLE_FIRST ? &s->table : NULL;
}

static inline void *source_pool(const struct unwind_source *s, const struct unwind_table *table)
{
	(void)table;
	return (void *)s;
}

static inline const __u32 *source_word(void *pool, __u64 position)
{
	const struct unwind_source *s = pool;

	return position < s->pool_words ? &s->pool[position] : NULL;
}

static inline const struct unwind_rule *source_rule(const struct unwind_source *s, __u32 number)
{
	return number < s->nrules ? &s->rules[number] : NULL;
}

static inline __u64 source_register(const struct unwind_source *s, __u32 number)
{
	return s->registers.general[number];
}

/* --- building one --- */

static void add_mapping(struct unwind_source *s, uint64_t start, uint64_t size, uint32_t table)
{
	s->mappings[s->nmappings++] = (struct unwind_mapping){
		.start = start, .end = start + size, .bias = BIAS, .table = table
	};
}

static struct unwind_source *new_source(void)
{
	struct unwind_source *s = xcalloc(1, sizeof(*s));

	add_mapping(s, CODE, CODE_SIZE, UNWIND_TABLE_FIRST);
	add_mapping(s, JIT, 0x1000, UNWIND_TABLE_NONE);
	add_mapping(s, PENDING, 0x1000, UNWIND_TABLE_PENDING);
	s->rules[UNWIND_RULE_NONE].cfa_kind = CFA_NONE;
	s->rules[UNWIND_RULE_UNSUPPORTED].cfa_kind = CFA_UNSUPPORTED;
	s->rules[UNWIND_RULE_END].cfa_kind = CFA_END;
	s->nrules = UNWIND_RULE_END + 1;
	s->registers.sp = STACK;
	return s;
}

static void free_source(struct unwind_source *s)
{
	free(s->pool);
	free(s);
}

static uint32_t add_rule(struct unwind_source *s, struct unwind_rule rule)
{
	s->rules[s->nrules] = rule;
	return s->nrules++;
}

/* From here on in the file; ascending. */
static void add_row(struct unwind_source *s, uint64_t process_address, uint32_t rule)
{
	s->rows[s->nrows++] = (struct row){ process_address - BIAS, rule };
}

/* A function of 16 bytes at `address` with one rule, and nothing behind. */
static void add_function(struct unwind_source *s, uint64_t address, struct unwind_rule rule)
{
	add_row(s, address, add_rule(s, rule));
	add_row(s, address + 16, UNWIND_RULE_NONE);
}

static void add_entry(struct unwind_source *s, uint64_t address)
{
	add_row(s, address, UNWIND_RULE_END);
	add_row(s, address + 16, UNWIND_RULE_NONE);
}

/* The table, as bpf/unwind.h lays it out. */
static void pack(struct unwind_source *s)
{
	const uint64_t base = CODE - BIAS;
	const uint32_t pages = CODE_SIZE >> UNWIND_PAGE_SHIFT;
	uint32_t *words = xcalloc(pages + 1 + ROWS_MAX + pages, sizeof(*words));
	uint32_t n = pages + 1, row = 0, last = UNWIND_RULE_NONE;

	for (uint32_t page = 0; page < pages; page++) {
		uint64_t start = base + ((uint64_t)page << UNWIND_PAGE_SHIFT);
		uint64_t end = start + (1 << UNWIND_PAGE_SHIFT);
		uint64_t first = row < s->nrows ? s->rows[row].address : end;

		words[page] = n;
		/* A page that no rule covers has no rows. */
		if (first != start && (first < end || last != UNWIND_RULE_NONE))
			words[n++] = last << UNWIND_PAGE_SHIFT;
		for (; row < s->nrows && s->rows[row].address < end; row++) {
			last = s->rows[row].rule;
			words[n++] = last << UNWIND_PAGE_SHIFT | (s->rows[row].address & 0xff);
		}
	}
	words[pages] = n;
	s->pool_words = POOL_LINE * UNWIND_LINE_WORDS + n;
	s->pool = xcalloc(s->pool_words, sizeof(*s->pool));
	memcpy(s->pool + POOL_LINE * UNWIND_LINE_WORDS, words, n * sizeof(*words));
	free(words);
	s->table = (struct unwind_table){
		.base = base, .pages = pages, .line = POOL_LINE, .words = n
	};
}

static void put(struct unwind_source *s, uint64_t address, uint64_t word)
{
	memcpy(memory(s, address, sizeof(word)), &word, sizeof(word));
}

/* As the kernel half does it: walk_frame() in bpf/unwind.bpf.h. */
static enum walk_end walk(struct unwind_source *s)
{
	__u32 rule = UNWIND_RULE_NONE, last_rule;
	struct unwind_state at;
	enum walk_end end;

	if (!s->pool)
		pack(s);
	unwind_begin(&s->registers, &at);
	for (s->nwords = 0; s->nwords < STACK_FRAMES_MAX;) {
		last_rule = rule;
		end = unwind_find(s, &at, &rule);
		if (end != WALK_GOES_ON && s->nwords)
			return unwind_astray(end, last_rule);
		s->words[s->nwords++] = unwind_word(&at, rule);
		if (end == WALK_GOES_ON)
			end = unwind_apply(s, &at, rule);
		if (end != WALK_GOES_ON)
			return end;
	}
	return WALK_DEPTH;
}

#define expect_words(s, ...)                                              \
	do {                                                              \
		const uint64_t expected[] = { __VA_ARGS__ };              \
		assert_int_equal((s)->nwords, ARRAY_SIZE(expected));      \
		for (size_t nth = 0; nth < ARRAY_SIZE(expected); nth++)   \
			assert_int_equal((s)->words[nth], expected[nth]); \
	} while (0)

/* --- functions that are at home everywhere in these tests --- */

#define LEAF   (CODE + 0x100)
#define MIDDLE (CODE + 0x340)
#define MAIN   (CODE + 0x1230)
#define ENTRY  (CODE + 0x2000)

/* After `pushes` words on the stack. */
static struct unwind_rule pushed(unsigned pushes)
{
	return (struct unwind_rule){ .cfa_kind = CFA_SP,
				     .cfa = 8 * (int)pushes + 8,
				     .ra_kind = PLACE_CFA,
				     .ra_offset = -8 };
}

/* push %rbp; mov %rsp, %rbp */
static const struct unwind_rule with_frame_pointer = {
	.cfa_kind = CFA_FP,
	.cfa = 16,
	.ra_kind = PLACE_CFA,
	.ra_offset = -8,
	.fp_kind = PLACE_CFA,
	.fp_offset = -16,
};

/* A program of two functions: MAIN pushed one word and called the leaf, whose rule is given. Its
 * return address into MAIN is to be found where the test puts it. */
static struct unwind_source *program(struct unwind_rule leaf)
{
	struct unwind_source *s = new_source();

	add_function(s, LEAF, leaf);
	add_function(s, MAIN, pushed(1));
	add_entry(s, ENTRY);
	s->registers.pc = LEAF + 4;
	return s;
}

/* MAIN's frame, when its sp is `sp` again: a pushed word, and the return to the entry. */
static void put_main(struct unwind_source *s, uint64_t sp)
{
	put(s, sp, 0x1111);
	put(s, sp + 8, ENTRY + 9);
}

static void expect_program(struct unwind_source *s)
{
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF + 4, MAIN + 7, ENTRY + 9);
	free_source(s);
}

/* --- where the frame is --- */

static void a_frame_is_found_from_the_stack_pointer(void **state)
{
	struct unwind_source *s = program(pushed(3));

	(void)state;
	put(s, STACK + 24, MAIN + 7);
	put_main(s, STACK + 32);
	expect_program(s);
}

static void a_frame_is_found_from_the_frame_pointer(void **state)
{
	struct unwind_source *s = program(with_frame_pointer);

	(void)state;
	s->registers.fp = STACK + 0x80;
	put(s, STACK + 0x88, MAIN + 7);
	put_main(s, STACK + 0x90);
	expect_program(s);
}

static void a_frame_is_found_from_another_register_in_the_leaf(void **state)
{
	struct unwind_source *s = program((struct unwind_rule){ .cfa_kind = CFA_REGISTER,
								.cfa_register = 10,
								.cfa = 16,
								.ra_kind = PLACE_CFA,
								.ra_offset = -8 });

	(void)state;
	s->registers.general[10] = STACK + 0x40;
	put(s, STACK + 0x48, MAIN + 7);
	put_main(s, STACK + 0x50);
	expect_program(s);
}

static void other_registers_are_not_known_beyond_the_leaf(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	s->rules[s->nrules - 1] = (struct unwind_rule){
		.cfa_kind = CFA_REGISTER, .cfa_register = 10, .ra_kind = PLACE_CFA, .ra_offset = -8
	};
	s->registers.general[10] = STACK + 0x40;
	put(s, STACK, MAIN + 7);
	put(s, STACK + 0x38, ENTRY + 9);
	assert_int_equal(walk(s), WALK_UNSUPPORTED);
	expect_words(s, LEAF + 4, MAIN + 7);
	free_source(s);
}

static void a_return_address_may_be_in_a_register_of_the_leaf(void **state)
{
	/* vfork: pop %rdi; syscall */
	struct unwind_source *s = program((struct unwind_rule){
		.cfa_kind = CFA_SP, .ra_kind = PLACE_REGISTER, .ra_offset = 5 });

	(void)state;
	s->registers.general[5] = MAIN + 7;
	put_main(s, STACK);
	expect_program(s);
}

/* MAIN's frame is found by rbx, as that of the dynamic linker's resolver: the leaf's rule has these
 * flags, and saved rbx at CFA - 16. */
static struct unwind_source *program_by_rbx(uint16_t flags)
{
	struct unwind_rule leaf = pushed(1);
	struct unwind_source *s;

	leaf.flags = flags;
	leaf.cfa_at = flags & UNWIND_SAVES_RBX ? -16 : 0;
	s = program(leaf);
	s->rules[s->nrules - 1] = (struct unwind_rule){ .cfa_kind = CFA_REGISTER,
							.cfa_register = 3,
							.cfa = 16,
							.ra_kind = PLACE_CFA,
							.ra_offset = -8 };
	put(s, STACK, STACK + 0x40);
	put(s, STACK + 8, MAIN + 7);
	put(s, STACK + 0x48, ENTRY + 9);
	return s;
}

static void rbx_is_known_where_the_leaf_saved_it(void **state)
{
	(void)state;
	expect_program(program_by_rbx(UNWIND_SAVES_RBX));
}

static void rbx_is_known_where_the_leaf_kept_it(void **state)
{
	struct unwind_source *s = program_by_rbx(UNWIND_KEEPS_RBX);

	(void)state;
	s->registers.general[3] = STACK + 0x40;
	put(s, STACK, 0x1111);
	expect_program(s);
}

static void rbx_is_lost_where_a_rule_says_nothing_of_it(void **state)
{
	struct unwind_source *s = program_by_rbx(0);

	(void)state;
	s->registers.general[3] = STACK + 0x40;
	assert_int_equal(walk(s), WALK_UNSUPPORTED);
	expect_words(s, LEAF + 4, MAIN + 7);
	free_source(s);
}

/* Go: its tables are good where a frame stands, its frame pointers where it made a call. */
static void a_rule_for_leaves_alone_gives_way_to_the_frame_pointer(void **state)
{
	struct unwind_rule leaf = pushed(0), wrong = pushed(5);
	struct unwind_source *s;

	(void)state;
	leaf.flags = UNWIND_LEAF_ONLY;
	wrong.flags = UNWIND_LEAF_ONLY;
	s = program(leaf);
	s->rules[s->nrules - 1] = wrong;
	put(s, STACK, MAIN + 7);
	s->registers.fp = STACK + 0x40;
	put(s, STACK + 0x48, ENTRY + 9);
	expect_program(s);
}

static void registers_beyond_the_general_ones_are_refused(void **state)
{
	struct unwind_source *s = program((struct unwind_rule){
		.cfa_kind = CFA_REGISTER, .cfa_register = 255, .ra_kind = PLACE_CFA });

	(void)state;
	assert_int_equal(walk(s), WALK_UNSUPPORTED);
	expect_words(s, LEAF + 4);
	free_source(s);
}

static void a_frame_is_found_through_a_word_at_the_stack_pointer(void **state)
{
	struct unwind_source *s = program((struct unwind_rule){ .cfa_kind = CFA_AT_SP,
								.cfa_at = 24,
								.cfa = 8,
								.ra_kind = PLACE_CFA,
								.ra_offset = -8 });

	(void)state;
	put(s, STACK + 24, STACK + 0x100);
	put(s, STACK + 0x100, MAIN + 7);
	put_main(s, STACK + 0x108);
	expect_program(s);
}

static void a_frame_is_found_through_a_word_at_the_frame_pointer(void **state)
{
	/* lea 8(%rsp), %r10; and $-32, %rsp; push -8(%r10); push %rbp; mov %rsp, %rbp; push %r10 */
	struct unwind_source *s = program((struct unwind_rule){ .cfa_kind = CFA_AT_FP,
								.cfa_at = -8,
								.ra_kind = PLACE_CFA,
								.ra_offset = -8,
								.fp_kind = PLACE_FP });

	(void)state;
	s->registers.fp = STACK + 0x40;
	put(s, STACK + 0x38, STACK + 0x60);
	put(s, STACK + 0x58, MAIN + 7);
	put_main(s, STACK + 0x60);
	expect_program(s);
}

static void a_plt_stub_has_pushed_or_not(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 16; at++) {
		struct unwind_source *s = program((struct unwind_rule){
			.cfa_kind = CFA_PLT, .cfa_at = 11, .ra_kind = PLACE_CFA, .ra_offset = -8 });
		uint64_t sp = at >= 11 ? STACK + 8 : STACK;

		s->registers.pc = LEAF + at;
		put(s, sp, MAIN + 7);
		put_main(s, sp + 8);
		assert_int_equal(walk(s), WALK_WHOLE);
		expect_words(s, LEAF + at, MAIN + 7, ENTRY + 9);
		free_source(s);
	}
}

static void code_that_tables_have_no_words_for_ends_the_walk(void **state)
{
	struct unwind_source *s = new_source();

	(void)state;
	add_row(s, LEAF, UNWIND_RULE_UNSUPPORTED);
	s->registers.pc = LEAF + 1;
	assert_int_equal(walk(s), WALK_UNSUPPORTED);
	expect_words(s, LEAF + 1);
	free_source(s);
}

/* --- where the return address and the frame pointer are --- */

static void a_return_address_is_found_from_any_place(void **state)
{
	static const struct unwind_rule rules[] = {
		{ .cfa_kind = CFA_SP, .cfa = 32, .ra_kind = PLACE_CFA, .ra_offset = -24 },
		{ .cfa_kind = CFA_SP, .cfa = 32, .ra_kind = PLACE_SP, .ra_offset = 8 },
		{ .cfa_kind = CFA_SP, .cfa = 32, .ra_kind = PLACE_FP, .ra_offset = -56 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct unwind_source *s = program(rules[i]);

		s->registers.fp = STACK + 64;
		put(s, STACK + 8, MAIN + 7);
		put_main(s, STACK + 32);
		expect_program(s);
	}
}

static void a_leaf_may_hold_its_return_address_in_the_link_register(void **state)
{
	struct unwind_source *s = program((struct unwind_rule){ .cfa_kind = CFA_SP });

	(void)state;
	s->registers.lr = MAIN + 7;
	put_main(s, STACK);
	expect_program(s);
}

static void the_link_register_is_not_known_beyond_the_leaf(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	s->rules[s->nrules - 1] = (struct unwind_rule){ .cfa_kind = CFA_SP, .cfa = 16 };
	s->registers.lr = ENTRY + 9;
	put(s, STACK, MAIN + 7);
	assert_int_equal(walk(s), WALK_NO_PROGRESS);
	expect_words(s, LEAF + 4, MAIN + 7);
	free_source(s);
}

/* LEAF saves the frame pointer somewhere, MIDDLE leaves it alone, MAIN's frame hangs on it. */
static void a_frame_pointer_is_found_from_any_place(void **state)
{
	static const struct unwind_rule rules[] = {
		{ .cfa_kind = CFA_SP,
		  .cfa = 32,
		  .ra_kind = PLACE_CFA,
		  .ra_offset = -8,
		  .fp_kind = PLACE_CFA,
		  .fp_offset = -24 },
		{ .cfa_kind = CFA_SP,
		  .cfa = 32,
		  .ra_kind = PLACE_CFA,
		  .ra_offset = -8,
		  .fp_kind = PLACE_SP,
		  .fp_offset = 8 },
		{ .cfa_kind = CFA_SP,
		  .cfa = 32,
		  .ra_kind = PLACE_CFA,
		  .ra_offset = -8,
		  .fp_kind = PLACE_FP,
		  .fp_offset = -0x78 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct unwind_source *s = new_source();

		add_function(s, LEAF, rules[i]);
		add_function(s, MIDDLE, pushed(0));
		add_function(s, MAIN, with_frame_pointer);
		add_entry(s, ENTRY);
		s->registers.pc = LEAF;
		s->registers.fp = STACK + 0x80;
		put(s, STACK + 8, STACK + 0x200);
		put(s, STACK + 24, MIDDLE + 5);
		put(s, STACK + 32, MAIN + 5);
		put(s, STACK + 0x208, ENTRY + 5);
		assert_int_equal(walk(s), WALK_WHOLE);
		expect_words(s, LEAF, MIDDLE + 5, MAIN + 5, ENTRY + 5);
		free_source(s);
	}
}

static void a_lost_frame_pointer_ends_the_walk_only_where_it_is_needed(void **state)
{
	struct unwind_source *s = new_source();
	struct unwind_rule loses = pushed(0);

	(void)state;
	loses.fp_kind = PLACE_UNKNOWN;
	add_function(s, LEAF, loses);
	add_function(s, MIDDLE, pushed(0));
	add_function(s, MAIN, with_frame_pointer);
	s->registers.pc = LEAF;
	s->registers.fp = STACK + 0x200;
	put(s, STACK, MIDDLE + 5);
	put(s, STACK + 8, MAIN + 5);
	put(s, STACK + 0x208, ENTRY + 5);
	assert_int_equal(walk(s), WALK_UNSUPPORTED);
	expect_words(s, LEAF, MIDDLE + 5, MAIN + 5);
	free_source(s);
}

static void a_frame_pointer_that_nobody_needs_is_not_read(void **state)
{
	struct unwind_rule leaf = pushed(2);
	struct unwind_source *s;

	(void)state;
	leaf.fp_kind = PLACE_CFA;
	leaf.fp_offset = -24;
	s = program(leaf);
	put(s, STACK + 16, MAIN + 7);
	put_main(s, STACK + 24);
	assert_int_equal(walk(s), WALK_WHOLE);
	assert_int_equal(s->reads, 2); /* the return addresses */
	free_source(s);
}

static void frames_with_frame_pointers_are_read_once(void **state)
{
	struct unwind_source *s = new_source();

	(void)state;
	add_function(s, LEAF, with_frame_pointer);
	add_function(s, MIDDLE, with_frame_pointer);
	add_function(s, MAIN, with_frame_pointer);
	add_entry(s, ENTRY);
	s->registers.pc = LEAF + 4;
	s->registers.fp = STACK + 0x10;
	put(s, STACK + 0x10, STACK + 0x40);
	put(s, STACK + 0x18, MIDDLE + 7);
	put(s, STACK + 0x40, STACK + 0x80);
	put(s, STACK + 0x48, MAIN + 7);
	put(s, STACK + 0x88, ENTRY + 9);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF + 4, MIDDLE + 7, MAIN + 7, ENTRY + 9);
	assert_int_equal(s->reads, 3);
	free_source(s);
}

/* --- which row --- */

static void a_return_address_belongs_to_the_call_before_it(void **state)
{
	/* MAIN calls a function that does not return, as its last instruction; what follows is
	 * another function, whose rule would lead elsewhere. */
	struct unwind_source *s = new_source();

	(void)state;
	add_row(s, LEAF, add_rule(s, pushed(0)));
	add_row(s, MAIN, add_rule(s, pushed(1)));
	add_row(s, MAIN + 16, add_rule(s, pushed(200)));
	add_row(s, MAIN + 32, UNWIND_RULE_END);
	s->registers.pc = LEAF;
	put(s, STACK, MAIN + 16);
	put(s, STACK + 16, MAIN + 40);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF, MAIN + 16, MAIN + 40);
	free_source(s);
}

static void a_leaf_belongs_to_its_own_instruction(void **state)
{
	struct unwind_source *s = new_source();

	(void)state;
	add_row(s, LEAF, UNWIND_RULE_UNSUPPORTED);
	add_row(s, LEAF + 16, UNWIND_RULE_END);
	s->registers.pc = LEAF + 16;
	assert_int_equal(walk(s), WALK_WHOLE);
	free_source(s);
}

static void every_address_has_the_row_at_or_before_it(void **state)
{
	struct unwind_source *s = new_source();
	struct unwind_state at = { 0 };
	uint32_t row = 0, expected = UNWIND_RULE_NONE;

	(void)state;
	/* Pages of no row, of one, of some, and of one for every byte. */
	for (uint64_t address = CODE; address < CODE + CODE_SIZE && s->nrows < ROWS_MAX - 256;) {
		static const unsigned steps[] = { 1, 7, 900, 3, 16, 256, 2 };
		uint32_t page = (address - CODE) >> UNWIND_PAGE_SHIFT;

		add_row(s, address, 3 + s->nrows);
		address += page == 17 ? 1 : steps[s->nrows % ARRAY_SIZE(steps)];
	}
	pack(s);
	for (uint64_t address = CODE; address < CODE + CODE_SIZE; address++) {
		while (row < s->nrows && s->rows[row].address == address - BIAS)
			expected = s->rows[row++].rule;
		assert_int_equal(unwind_find_row(s, &at, &s->table, address - BIAS), expected);
	}
	assert_int_equal(row, s->nrows);
	free_source(s);
}

static void addresses_outside_of_a_table_have_no_row(void **state)
{
	struct unwind_source *s = new_source();
	struct unwind_state at = { 0 };

	(void)state;
	/* Index and rows go on beyond it. */
	add_row(s, CODE, UNWIND_RULE_END);
	pack(s);
	s->table.pages -= 2;
	assert_int_equal(unwind_find_row(s, &at, &s->table, s->table.base - 1), UNWIND_RULE_NONE);
	assert_int_equal(
		unwind_find_row(s, &at, &s->table, s->table.base + 256ULL * s->table.pages),
		UNWIND_RULE_NONE);
	assert_int_equal(
		unwind_find_row(s, &at, &s->table, s->table.base + 256ULL * s->table.pages - 1),
		UNWIND_RULE_END);
	assert_int_equal(unwind_find_row(s, &at, &s->table, 0), UNWIND_RULE_NONE);
	assert_int_equal(unwind_find_row(s, &at, &s->table, UINT64_MAX), UNWIND_RULE_NONE);
	free_source(s);
}

static void pages_without_rows_have_no_rule(void **state)
{
	struct unwind_source *s = new_source();
	struct unwind_state at = { 0 };

	(void)state;
	add_row(s, CODE + 0x500, UNWIND_RULE_END);
	pack(s);
	assert_int_equal(unwind_find_row(s, &at, &s->table, CODE + 0x400 - BIAS), UNWIND_RULE_NONE);
	assert_int_equal(unwind_find_row(s, &at, &s->table, CODE + 0x500 - BIAS), UNWIND_RULE_END);
	free_source(s);
}

static void every_address_is_found_in_its_mapping(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 3, 31, 1000, UNWIND_SPACE_MAX };
	struct unwind_source *s = new_source();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		s->nmappings = 0;
		for (uint32_t n = 0; n < counts[i]; n++)
			add_mapping(s, CODE + n * 0x3000, 0x1000, n);
		for (uint32_t n = 0; n < counts[i]; n++) {
			struct unwind_state at = { 0 };
			uint64_t start = CODE + n * 0x3000;

			assert_false(unwind_find_mapping(s, &at, start - 1));
			assert_true(unwind_find_mapping(s, &at, start));
			assert_int_equal(at.mapping.table, n);
			assert_true(unwind_find_mapping(s, &at, start + 0xfff));
			assert_int_equal(at.mapping.table, n);
			assert_false(unwind_find_mapping(s, &at, start + 0x1000));
			/* Having looked elsewhere does no harm. */
			assert_true(unwind_find_mapping(s, &at, CODE));
			assert_true(unwind_find_mapping(s, &at, start));
			assert_int_equal(at.mapping.table, n);
		}
	}
	free_source(s);
}

/* --- code without table --- */

#define RECORD (STACK + 0x100) /* of a frame */

static struct unwind_source *jit_program(void)
{
	struct unwind_source *s = new_source();

	s->registers.pc = JIT + 0x10;
	s->registers.fp = RECORD;
	put(s, RECORD, RECORD + 0x40);
	put(s, RECORD + 8, JIT + 0x20);
	put(s, RECORD + 0x40, 0);
	put(s, RECORD + 0x48, JIT + 0x30);
	return s;
}

static void code_without_table_is_walked_by_frame_pointers(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	assert_int_equal(walk(s), WALK_WHOLE); /* frame pointer 0: clone() of musl, Go */
	expect_words(s, JIT + 0x10, JIT + 0x20, JIT + 0x30);
	free_source(s);
}

static void so_is_code_that_a_table_leaves_out(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	add_function(s, LEAF, pushed(0));
	s->registers.pc = LEAF + 0x40;
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF + 0x40, JIT + 0x20, JIT + 0x30);
	free_source(s);
}

static void a_return_address_of_zero_is_the_end(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	put(s, RECORD + 8, 0);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, JIT + 0x10);
	free_source(s);
}

static void tables_and_frame_pointers_take_turns(void **state)
{
	struct unwind_source *s = new_source();
	struct unwind_rule saves = pushed(2);

	(void)state;
	/* LEAF, called by generated code, called by MAIN, which keeps no frame pointer itself. */
	saves.fp_kind = PLACE_CFA;
	saves.fp_offset = -16;
	add_function(s, LEAF, saves);
	add_function(s, MAIN, pushed(1));
	add_entry(s, ENTRY);
	s->registers.pc = LEAF + 4;
	s->registers.fp = 0xdead; /* in use for something else */
	put(s, STACK + 8, RECORD);
	put(s, STACK + 16, JIT + 0x20);
	put(s, RECORD, 0xbeef);
	put(s, RECORD + 8, MAIN + 3);
	put_main(s, RECORD + 16);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF + 4, JIT + 0x20, MAIN + 3, ENTRY + 9);
	free_source(s);
}

static void a_leaf_without_frame_pointer_is_not_the_end(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	s->registers.fp = 0;
	assert_int_equal(walk(s), WALK_FRAME_POINTER);
	expect_words(s, JIT + 0x10);
	free_source(s);
}

static void a_frame_pointer_that_is_none_adds_no_frames(void **state)
{
	static const uint64_t garbage[] = { 1,		 RECORD + 4,	 0xdeadbeef,
					    UINT64_MAX,	 UINT64_MAX - 7, STACK + STACK_SIZE - 8,
					    STACK + 0x40 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		struct unwind_source *s = jit_program();

		put(s, STACK + 0x40, 0x1234);
		put(s, STACK + 0x48, 0x5678); /* nothing is mapped there */
		s->registers.fp = garbage[i];
		assert_int_equal(walk(s), WALK_FRAME_POINTER);
		expect_words(s, JIT + 0x10);
		free_source(s);
	}
}

/* --- signals --- */

#define CONTEXT(sp) ((sp) + CONTEXT_AT_SP)

/* A handler at LEAF; `trampoline` is what it returns to. MIDDLE was interrupted. */
static struct unwind_source *interrupted_program(uint64_t trampoline, uint64_t signal_stack,
						 uint64_t stack)
{
	struct unwind_source *s = program(pushed(0));
	uint64_t context = CONTEXT(signal_stack + 8);

	s->registers.sp = signal_stack;
	put(s, signal_stack, trampoline);
	put(s, context + CONTEXT_PC, MIDDLE);
	put(s, context + CONTEXT_SP, stack);
	put(s, context + CONTEXT_FP, stack + 0x40);
#ifdef CONTEXT_LR
	put(s, context + CONTEXT_LR, MAIN + 7);
#endif
	put_main(s, stack + 8);
	put(s, stack, MAIN + 7);
	return s;
}

/* Rows are ascending, so MIDDLE's comes from here rather than from program(). */
static void with_middle(struct unwind_source *s, struct unwind_rule rule)
{
	const uint32_t number = add_rule(s, rule);

	for (uint32_t i = s->nrows; i-- > 2;)
		s->rows[i + 3] = s->rows[i];
	/* The byte before it would lead elsewhere. */
	s->rows[2] = (struct row){ MIDDLE - 16 - BIAS, UNWIND_RULE_UNSUPPORTED };
	s->rows[3] = (struct row){ MIDDLE - BIAS, number };
	s->rows[4] = (struct row){ MIDDLE + 16 - BIAS, UNWIND_RULE_NONE };
	s->nrows += 3;
}

static void write_trampoline(struct unwind_source *s, uint64_t address)
{
	static const uint8_t code[] = TRAMPOLINE_CODE;

	memcpy(memory(s, address, sizeof(code)), code, sizeof(code));
}

static void the_kernels_signal_frame_is_known_by_the_code_it_returns_to(void **state)
{
	struct unwind_source *s = interrupted_program(JIT + 0x800, STACK, STACK + 0x1000);

	(void)state;
	with_middle(s, pushed(0));
	write_trampoline(s, JIT + 0x800);
	assert_int_equal(walk(s), WALK_WHOLE);
	/* Where nobody made a call, the address is stored plus one. */
	expect_words(s, LEAF + 4, JIT + 0x801, MIDDLE + 1, MAIN + 7, ENTRY + 9);
	free_source(s);
}

static void code_like_a_trampoline_is_a_trampoline_only_when_returned_to(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	write_trampoline(s, JIT + 0x10);
	write_trampoline(s, JIT + 0x1f);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, JIT + 0x10, JIT + 0x20, JIT + 0x30);
	free_source(s);
}

static void a_handler_may_run_on_a_stack_of_its_own(void **state)
{
	/* Below the thread's, so that the walk goes up, and above, so that it goes down. */
	static const uint64_t stacks[][2] = { { LOW_STACK, STACK }, { STACK, LOW_STACK } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		struct unwind_source *s = interrupted_program(JIT + 0x800, stacks[i][0],
							      stacks[i][1]);

		with_middle(s, pushed(0));
		write_trampoline(s, JIT + 0x800);
		assert_int_equal(walk(s), WALK_WHOLE);
		expect_words(s, LEAF + 4, JIT + 0x801, MIDDLE + 1, MAIN + 7, ENTRY + 9);
		free_source(s);
	}
}

static void general_registers_are_known_again_where_a_signal_interrupted(void **state)
{
	(void)state;
	for (uint8_t number = 0; number < UNWIND_GENERAL_REGISTERS; number++) {
		struct unwind_source *s = interrupted_program(JIT + 0x800, STACK, STACK + 0x1000);

		with_middle(s, (struct unwind_rule){ .cfa_kind = CFA_REGISTER,
						     .cfa_register = number,
						     .cfa = 8,
						     .ra_kind = PLACE_CFA,
						     .ra_offset = -8 });
		write_trampoline(s, JIT + 0x800);
		/* In all other registers is something else. */
		for (unsigned word = 0; word < 16; word++)
			if (8 * word != CONTEXT_SP)
				put(s, CONTEXT(STACK + 8) + 8 * word, 0xdead);
		put(s, CONTEXT(STACK + 8) + context_register(number), STACK + 0x1000);
		assert_int_equal(walk(s), WALK_WHOLE);
		expect_words(s, LEAF + 4, JIT + 0x801, MIDDLE + 1, MAIN + 7, ENTRY + 9);
		free_source(s);
	}
}

static void every_register_has_a_place_of_its_own_in_the_signal_frame(void **state)
{
	uint32_t seen = 0;

	(void)state;
	for (uint32_t number = 0; number < UNWIND_GENERAL_REGISTERS; number++) {
		assert_int_equal(context_register(number) % 8, 0);
		seen |= 1u << context_register(number) / 8;
	}
	assert_int_equal(seen, 0xffff);
#ifdef __x86_64__
	assert_int_equal(context_register(6), CONTEXT_FP); /* rbp */
	assert_int_equal(context_register(7), CONTEXT_SP);
#endif
}

#ifdef SIGNAL_CFA_AT
static void a_table_may_describe_the_signal_frame(void **state)
{
	/* As glibc's does: __restore_rt. The row begins a byte before it, at a nop. */
	struct unwind_source *s = interrupted_program(ENTRY + 0x100, STACK, STACK + 0x1000);

	(void)state;
	with_middle(s, (struct unwind_rule){ .cfa_kind = CFA_REGISTER,
					     .cfa_register = 10,
					     .cfa = 8,
					     .ra_kind = PLACE_CFA,
					     .ra_offset = -8 });
	add_function(s, ENTRY + 0xff,
		     (struct unwind_rule){ .cfa_kind = CFA_AT_SP,
					   .cfa_at = 160,
					   .ra_kind = PLACE_SP,
					   .ra_offset = 168,
					   .fp_kind = PLACE_SP,
					   .fp_offset = 120,
					   .flags = UNWIND_SIGNAL_FRAME });
	put(s, CONTEXT(STACK + 8) + context_register(10), STACK + 0x1000);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF + 4, ENTRY + 0x101, MIDDLE + 1, MAIN + 7, ENTRY + 9);
	free_source(s);
}
#endif

static void a_signal_frame_of_another_layout_goes_by_its_table(void **state)
{
	struct unwind_source *s = interrupted_program(ENTRY + 0x100, STACK, STACK + 0x1000);

	(void)state;
	with_middle(s, pushed(0));
	add_function(s, ENTRY + 0xff,
		     (struct unwind_rule){ .cfa_kind = CFA_AT_SP,
					   .cfa_at = 0x800,
					   .ra_kind = PLACE_SP,
					   .ra_offset = 0x808,
					   .fp_kind = PLACE_SP,
					   .fp_offset = 0x810,
					   .flags = UNWIND_SIGNAL_FRAME });
	put(s, STACK + 8 + 0x800, STACK + 0x1000);
	put(s, STACK + 8 + 0x808, MIDDLE);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, LEAF + 4, ENTRY + 0x100, MIDDLE + 1, MAIN + 7, ENTRY + 9);
	free_source(s);
}

static void a_signal_frame_that_cannot_be_read_ends_the_walk(void **state)
{
	struct unwind_source *s = interrupted_program(JIT + 0x800, STACK, STACK + 0x1000);

	(void)state;
	write_trampoline(s, JIT + 0x800);
	s->registers.sp = STACK + STACK_SIZE - 8;
	put(s, s->registers.sp, JIT + 0x800);
	assert_int_equal(walk(s), WALK_UNREADABLE);
	expect_words(s, LEAF + 4, JIT + 0x801);
	free_source(s);
}

/* --- how walks end --- */

static void a_stack_of_full_depth_is_cut(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		put(s, STACK + 8 * i, LEAF + 4);
	assert_int_equal(walk(s), WALK_DEPTH);
	assert_int_equal(s->nwords, STACK_FRAMES_MAX);
	free_source(s);
}

static void a_stack_that_just_fits_is_whole(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	for (unsigned i = 0; i < STACK_FRAMES_MAX - 2; i++)
		put(s, STACK + 8 * i, LEAF + 4);
	put(s, STACK + 8 * (STACK_FRAMES_MAX - 2), ENTRY + 9);
	assert_int_equal(walk(s), WALK_WHOLE);
	assert_int_equal(s->nwords, STACK_FRAMES_MAX);
	free_source(s);
}

static void the_end_of_readable_memory_ends_the_walk(void **state)
{
	struct unwind_source *s = program(pushed(STACK_SIZE / 8));

	(void)state;
	assert_int_equal(walk(s), WALK_UNREADABLE);
	expect_words(s, LEAF + 4);
	free_source(s);
}

static void a_return_to_nowhere_ends_the_walk(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	put(s, STACK, 0x123456);
	assert_int_equal(walk(s), WALK_NO_MAPPING);
	expect_words(s, LEAF + 4);
	free_source(s);
}

static void a_leaf_outside_of_all_mappings_is_kept(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	s->registers.pc = 0x123456;
	assert_int_equal(walk(s), WALK_NO_MAPPING);
	expect_words(s, 0x123456);
	free_source(s);
}

static void a_table_that_is_still_to_come_defers_the_walk(void **state)
{
	struct unwind_source *s = program(pushed(0));

	(void)state;
	put(s, STACK, PENDING + 8);
	assert_int_equal(walk(s), WALK_DEFERRED);
	free_source(s);
}

static void frames_that_do_not_rise_end_the_walk(void **state)
{
	static const int32_t offsets[] = { 0, -8, -0x100, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		struct unwind_source *s = program((struct unwind_rule){ .cfa_kind = CFA_SP,
									.cfa = offsets[i],
									.ra_kind = PLACE_SP,
									.ra_offset = 0 });

		s->registers.sp = STACK + 0x800;
		for (unsigned at = 0; at < STACK_SIZE; at += 8)
			put(s, STACK + at, LEAF + 4);
		assert_true(walk(s) == WALK_NO_PROGRESS || offsets[i] == INT32_MIN);
		assert_in_range(s->nwords, 1, 1 + STACK_SWITCHES_MAX);
		free_source(s);
	}
}

static void a_cycle_of_frame_pointers_ends_the_walk(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	put(s, RECORD + 0x40, RECORD);
	assert_int_equal(walk(s), WALK_NO_PROGRESS);
	assert_in_range(s->nwords, 3, 3 + 2 * STACK_SWITCHES_MAX);
	put(s, RECORD, RECORD);
	assert_int_equal(walk(s), WALK_NO_PROGRESS);
	expect_words(s, JIT + 0x10, JIT + 0x20);
	free_source(s);
}

static void a_program_may_go_on_on_a_lower_stack(void **state)
{
	struct unwind_source *s = jit_program();

	(void)state;
	add_function(s, MAIN, pushed(1));
	add_entry(s, ENTRY);
	put(s, RECORD + 0x40, LOW_STACK + 0x40);
	put(s, LOW_STACK + 0x40, 0);
	put(s, LOW_STACK + 0x48, MAIN + 7);
	put_main(s, LOW_STACK + 0x50);
	assert_int_equal(walk(s), WALK_WHOLE);
	expect_words(s, JIT + 0x10, JIT + 0x20, JIT + 0x30, MAIN + 7, ENTRY + 9);
	free_source(s);
}

/* --- tables and rules that lie --- */

static void a_damaged_table_is_read_within_its_bounds(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned turn = 0; turn < 2000; turn++) {
		struct unwind_source *s = program(pushed(0));

		pack(s);
		for (unsigned i = 0; i < 40; i++) {
			uint32_t position = rand_r(&seed) % s->pool_words;

			s->pool[position] = (uint32_t)rand_r(&seed) << (rand_r(&seed) % 32);
		}
		if (turn % 4 == 0)
			s->table.pages = rand_r(&seed);
		if (turn % 8 == 0)
			s->table.line = rand_r(&seed);
		for (unsigned at = 0; at < STACK_SIZE; at += 8)
			put(s, STACK + at, CODE + rand_r(&seed) % CODE_SIZE);
		assert_in_range(walk(s), WALK_WHOLE, WALK_ENDS - 1);
		assert_in_range(s->nwords, 1, STACK_FRAMES_MAX);
		free_source(s);
	}
}

static void rules_of_random_bytes_do_no_harm(void **state)
{
	unsigned seed = 2;

	(void)state;
	for (unsigned turn = 0; turn < 20000; turn++) {
		struct unwind_rule rule;
		struct unwind_source *s;

		for (size_t i = 0; i < sizeof(rule); i++)
			((uint8_t *)&rule)[i] = rand_r(&seed);
		/* Mostly kinds that there are, so that more than the first check is reached. */
		rule.cfa_kind %= CFA_PLT + 2;
		rule.ra_kind %= PLACE_UNKNOWN + 2;
		rule.fp_kind %= PLACE_UNKNOWN + 2;
		rule.cfa %= 4096;
		rule.flags &= turn & 1;
		s = program(rule);
		s->registers.sp = STACK + 0x1000;
		s->registers.fp = STACK + 0x2000;
		s->registers.lr = LEAF + 4;
		for (unsigned at = 0; at < STACK_SIZE; at += 8)
			put(s, STACK + at, at & 8 ? LEAF + 4 : STACK + rand_r(&seed) % STACK_SIZE);
		assert_in_range(walk(s), WALK_WHOLE, WALK_ENDS - 1);
		assert_in_range(s->nwords, 1, STACK_FRAMES_MAX);
		free_source(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_found_from_the_stack_pointer),
		cmocka_unit_test(a_frame_is_found_from_the_frame_pointer),
		cmocka_unit_test(a_frame_is_found_from_another_register_in_the_leaf),
		cmocka_unit_test(other_registers_are_not_known_beyond_the_leaf),
		cmocka_unit_test(a_return_address_may_be_in_a_register_of_the_leaf),
		cmocka_unit_test(rbx_is_known_where_the_leaf_saved_it),
		cmocka_unit_test(rbx_is_known_where_the_leaf_kept_it),
		cmocka_unit_test(rbx_is_lost_where_a_rule_says_nothing_of_it),
		cmocka_unit_test(a_rule_for_leaves_alone_gives_way_to_the_frame_pointer),
		cmocka_unit_test(registers_beyond_the_general_ones_are_refused),
		cmocka_unit_test(a_frame_is_found_through_a_word_at_the_stack_pointer),
		cmocka_unit_test(a_frame_is_found_through_a_word_at_the_frame_pointer),
		cmocka_unit_test(a_plt_stub_has_pushed_or_not),
		cmocka_unit_test(code_that_tables_have_no_words_for_ends_the_walk),
		cmocka_unit_test(a_return_address_is_found_from_any_place),
		cmocka_unit_test(a_leaf_may_hold_its_return_address_in_the_link_register),
		cmocka_unit_test(the_link_register_is_not_known_beyond_the_leaf),
		cmocka_unit_test(a_frame_pointer_is_found_from_any_place),
		cmocka_unit_test(a_lost_frame_pointer_ends_the_walk_only_where_it_is_needed),
		cmocka_unit_test(a_frame_pointer_that_nobody_needs_is_not_read),
		cmocka_unit_test(frames_with_frame_pointers_are_read_once),
		cmocka_unit_test(a_return_address_belongs_to_the_call_before_it),
		cmocka_unit_test(a_leaf_belongs_to_its_own_instruction),
		cmocka_unit_test(every_address_has_the_row_at_or_before_it),
		cmocka_unit_test(addresses_outside_of_a_table_have_no_row),
		cmocka_unit_test(pages_without_rows_have_no_rule),
		cmocka_unit_test(every_address_is_found_in_its_mapping),
		cmocka_unit_test(code_without_table_is_walked_by_frame_pointers),
		cmocka_unit_test(so_is_code_that_a_table_leaves_out),
		cmocka_unit_test(a_return_address_of_zero_is_the_end),
		cmocka_unit_test(tables_and_frame_pointers_take_turns),
		cmocka_unit_test(a_leaf_without_frame_pointer_is_not_the_end),
		cmocka_unit_test(a_frame_pointer_that_is_none_adds_no_frames),
		cmocka_unit_test(the_kernels_signal_frame_is_known_by_the_code_it_returns_to),
		cmocka_unit_test(code_like_a_trampoline_is_a_trampoline_only_when_returned_to),
		cmocka_unit_test(a_handler_may_run_on_a_stack_of_its_own),
		cmocka_unit_test(general_registers_are_known_again_where_a_signal_interrupted),
		cmocka_unit_test(every_register_has_a_place_of_its_own_in_the_signal_frame),
#ifdef SIGNAL_CFA_AT
		cmocka_unit_test(a_table_may_describe_the_signal_frame),
#endif
		cmocka_unit_test(a_signal_frame_of_another_layout_goes_by_its_table),
		cmocka_unit_test(a_signal_frame_that_cannot_be_read_ends_the_walk),
		cmocka_unit_test(a_stack_of_full_depth_is_cut),
		cmocka_unit_test(a_stack_that_just_fits_is_whole),
		cmocka_unit_test(the_end_of_readable_memory_ends_the_walk),
		cmocka_unit_test(a_return_to_nowhere_ends_the_walk),
		cmocka_unit_test(a_leaf_outside_of_all_mappings_is_kept),
		cmocka_unit_test(a_table_that_is_still_to_come_defers_the_walk),
		cmocka_unit_test(frames_that_do_not_rise_end_the_walk),
		cmocka_unit_test(a_cycle_of_frame_pointers_ends_the_walk),
		cmocka_unit_test(a_program_may_go_on_on_a_lower_stack),
		cmocka_unit_test(a_damaged_table_is_read_within_its_bounds),
		cmocka_unit_test(rules_of_random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
