/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walker of user stacks in the kernel: by unwind tables (unwind.h), and by frame pointers where
 * code has none. What it does in one frame stands in unwind_step.h; here are the maps that it reads
 * from, and the walk from frame to frame.
 *
 * Filled by user space (src/signal/unwinder.c); this half only reads them:
 *
 *     unwind_spaces    which mappings a process has
 *     unwind_mappings  which table a mapping has
 *     unwind_tables    which pool a table is in, and where there
 *     unwind_pools     the rows of tables
 *     unwind_rules     what rows mean
 *     interpreters     in which processes an interpreter's frames can be read
 */
#ifndef PLIMSOLL_BPF_UNWIND_BPF_H
#define PLIMSOLL_BPF_UNWIND_BPF_H

#include "interpreter.h"
#include "kernel.h"
#include "python.bpf.h"
#include "registers.bpf.h"
#include "unwind.h"
#include "unwind_step.h"
#include "walk.bpf.h"

/* Set before load by who fills the maps below; else the kernel's own walk by frame pointers. */
const volatile bool walk_by_tables = false;
/* Set by the kernel half that wants to know what its walks read. */
const volatile bool notes_reads = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UNWIND_SPACES_MAX);
	__type(key, u64);
	__type(value, struct unwind_space);
} unwind_spaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAPPINGS_MAX);
	__type(key, u32);
	__type(value, struct unwind_mapping);
} unwind_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_TABLES_MAX);
	__type(key, u32);
	__type(value, struct unwind_table);
} unwind_tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_RULES_MAX);
	__type(key, u32);
	__type(value, struct unwind_rule);
} unwind_rules SEC(".maps");

/* What a pool looks like; each has its own number of lines. By sizes, since clang leaves types that
 * only an inner map mentions out of the BTF. */
struct unwind_pool {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct unwind_line));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_POOLS_MAX);
	__type(key, u32);
	__array(values, struct unwind_pool);
} unwind_pools SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INTERPRETERS_MAX);
	__type(key, u64);
	__type(value, struct interpreter);
} interpreters SEC(".maps");

/* --- what unwind_step.h asks for --- */

static __always_inline const struct walk *walk_of(const struct unwind_source *source)
{
	return (const struct walk *)source;
}

/* `size` is a constant. */
static __always_inline void note_read(struct walk *walk, u64 address, u32 size)
{
	u64 offset = address - walk->leaf.sp;
	u32 n = walk->nreads;

	if (offset & 7 || size & 7 || offset + size > WALK_READS_SPAN) {
		walk->reads_elsewhere = 1;
		return;
	}
	if (n + size / sizeof(u64) > WALK_READS_MAX) {
		walk->nreads = WALK_READS_MAX + 1;
		return;
	}
	for (u32 i = 0; i < size / sizeof(u64); i++)
		walk->reads[(n + i) % WALK_READS_MAX] = offset / sizeof(u64) + i;
	walk->nreads = n + size / sizeof(u64);
	if (walk->reads_end < offset + size)
		walk->reads_end = offset + size;
}

UNWIND_INLINE int source_read(const struct unwind_source *source, __u64 address, void *to,
			      __u32 size)
{
	if (notes_reads)
		note_read((struct walk *)source, address, size);
	return (int)bpf_probe_read_user(to, size, (const void *)address);
}

UNWIND_INLINE __u32 source_mappings(const struct unwind_source *source)
{
	return walk_of(source)->space.n;
}

UNWIND_INLINE const struct unwind_mapping *source_mapping(const struct unwind_source *source,
							  __u32 i)
{
	__u32 key = walk_of(source)->space.first + i;

	return bpf_map_lookup_elem(&unwind_mappings, &key);
}

UNWIND_INLINE const struct unwind_table *source_table(const struct unwind_source *source,
						      __u32 number)
{
	const struct remembered_place *place = &walk_of(source)->place;

	if (number == place->mapping.table &&
	    place->generation == walk_of(source)->space.generation)
		return &place->table;
	return bpf_map_lookup_elem(&unwind_tables, &number);
}

UNWIND_INLINE void *source_pool(const struct unwind_source *source,
				const struct unwind_table *table)
{
	__u32 key = table->pool;

	return bpf_map_lookup_elem(&unwind_pools, &key);
}

UNWIND_INLINE const __u32 *source_word(void *pool, __u64 position)
{
	__u32 key = position / UNWIND_LINE_WORDS;
	struct unwind_line *line = bpf_map_lookup_elem(pool, &key);

	return line ? &line->words[position % UNWIND_LINE_WORDS] : 0;
}

UNWIND_INLINE const struct unwind_rule *source_rule(const struct unwind_source *source,
						    __u32 number)
{
	return bpf_map_lookup_elem(&unwind_rules, &number);
}

UNWIND_INLINE __u64 source_register(const struct unwind_source *source, __u32 number)
{
	if (notes_reads)
		((struct walk *)source)->reads_elsewhere = 1;
	return walk_of(source)->leaf.general[number % UNWIND_GENERAL_REGISTERS];
}

/* --- registers that a walk begins with --- */

/* False: of a 32-bit program. */
#if defined(__TARGET_ARCH_x86)
#define USER32_CS 0x23 /* arch/x86/include/asm/segment.h */

static __always_inline bool copy_registers(struct unwind_registers *to,
					   const bpf_user_pt_regs_t *from)
{
	to->pc = from->rip;
	to->sp = from->rsp;
	to->fp = from->rbp;
	to->lr = 0;
	/* By DWARF number: System V ABI for x86-64, figure 3.36. */
	to->general[0] = from->rax;
	to->general[1] = from->rdx;
	to->general[2] = from->rcx;
	to->general[3] = from->rbx;
	to->general[4] = from->rsi;
	to->general[5] = from->rdi;
	to->general[6] = from->rbp;
	to->general[7] = from->rsp;
	to->general[8] = from->r8;
	to->general[9] = from->r9;
	to->general[10] = from->r10;
	to->general[11] = from->r11;
	to->general[12] = from->r12;
	to->general[13] = from->r13;
	to->general[14] = from->r14;
	to->general[15] = from->r15;
	return from->cs != USER32_CS;
}
#else
static __always_inline bool copy_registers(struct unwind_registers *to,
					   const bpf_user_pt_regs_t *from)
{
	to->pc = from->pc;
	to->sp = from->sp;
	to->fp = from->regs[29];
	to->lr = from->regs[30];
#pragma unroll
	for (u32 i = 0; i < UNWIND_GENERAL_REGISTERS; i++)
		to->general[i] = from->regs[i];
	return !(from->pstate & PSR_MODE32_BIT);
}
#endif

/*
 * Both ways to get registers put them into walk->leaf and say WALK_GOES_ON, or else how the walk of
 * such a task ends. WALK_UNCHECKED: of 32 bits, which only the kernel's own walk understands.
 */

/* Of a sample that was taken in user mode. */
static __always_inline enum walk_end registers_of_sample(const struct bpf_perf_event_data *ctx,
							 struct walk *walk)
{
	return copy_registers(&walk->leaf, &ctx->regs) ? WALK_GOES_ON : WALK_UNCHECKED;
}

/*
 * Those that the current task saved when it entered the kernel, by a system call, a fault or an
 * interrupt: they are at the top of its kernel stack. Zeroes are there if it never was elsewhere,
 * as the workers of io_uring and others that the kernel starts on behalf of a process. In the midst
 * of an exec they are those of the program before, whose memory is gone. A function of its own for
 * its use of the stack, of which a chain of calls has 512 bytes.
 */
__noinline int registers_of_task(void)
{
	struct task_struct *task = current_task();
	struct walk *walk = current_walk();
	bpf_user_pt_regs_t saved;

	if (!walk || !READ_TASK(task, mm, start_code))
		return WALK_NO_USER;
	if (bpf_probe_read_kernel(&saved, sizeof(saved), saved_registers(task)))
		return WALK_NO_REGISTERS;
	if (!copy_registers(&walk->leaf, &saved))
		return WALK_UNCHECKED;
	return walk->leaf.pc ? WALK_GOES_ON : WALK_NO_USER;
}

/* --- from frame to frame --- */

/* unwind_find() for a leaf, which is rarely at the same address twice, but mostly in the same file.
 */
static __always_inline enum walk_end find_leaf_rule(struct walk *walk, u32 *number)
{
	struct remembered_place *place = &walk->place;
	bool fits = place->generation == walk->space.generation;
	struct unwind_table *table;
	enum walk_end end;

	if (fits)
		walk->at.mapping = place->mapping;
	end = unwind_find((const struct unwind_source *)walk, &walk->at, number);
	if (end != WALK_GOES_ON || (fits && walk->at.mapping.start == place->mapping.start))
		return end;
	table = bpf_map_lookup_elem(&unwind_tables, &walk->at.mapping.table);
	if (table) {
		place->mapping = walk->at.mapping;
		place->table = *table;
		place->generation = walk->space.generation;
	}
	return end;
}

/* unwind_find() for what was not found before. */
static __always_inline enum walk_end find_rule(struct walk *walk, u32 *number)
{
	u64 address = unwind_address(&walk->at);
	struct remembered_rule *known;
	enum walk_end end;

	if (walk->at.is_leaf)
		return find_leaf_rule(walk, number);
	known = &walk->remembered[address * 0x9e3779b97f4a7c15ULL >> 32 & (REMEMBERED_RULES - 1)];
	if (known->address == address && known->generation == walk->space.generation) {
		*number = known->rule;
		return WALK_GOES_ON;
	}
	end = unwind_find((const struct unwind_source *)walk, &walk->at, number);
	if (end == WALK_GOES_ON) {
		known->address = address;
		known->generation = walk->space.generation;
		known->rule = *number;
	}
	return end;
}

/* Does this frame belong to the function that executes an interpreter's program? */
static __always_inline bool executes_program(const struct walk *walk)
{
	u64 address = unwind_address(&walk->at);

	return walk->space.language && ((address >= walk->interpreter.code[0].start &&
					 address < walk->interpreter.code[0].end) ||
					(address >= walk->interpreter.code[1].start &&
					 address < walk->interpreter.code[1].end));
}

/*
 * Puts the frame that was reached and steps to its caller; 1: the walk has ended. Not inlined and
 * not static, so the verifier checks it once rather than for each frame.
 */
__noinline int walk_frame(void)
{
	struct walk *walk = current_walk();
	enum walk_end end;
	u32 number = 0;
	bool executes;
	u64 word;

	if (!walk)
		return 1;
	/* No room for an interpreter's frame, which would be left out as if it were not there. */
	if (walk->nwords + 2 > USER_WORDS_MAX) {
		walk->end = WALK_DEPTH;
		return 1;
	}
	end = find_rule(walk, &number);
	word = unwind_word(&walk->at, number);
	if (end != WALK_GOES_ON) {
		if (!walk->nframes)
			put_word(walk, word);
		walk->end = unwind_astray(end, walk->rule);
		return 1;
	}
	executes = executes_program(walk);
	walk->nframes++;
	walk->rule = number;
	end = unwind_apply((const struct unwind_source *)walk, &walk->at, number);
	walk->end = end;
	/* The program's frames in the place of the interpreter's. */
	if (!executes || !python_frames(end == WALK_GOES_ON ? walk->at.sp : 0))
		put_word(walk, word);
	return end != WALK_GOES_ON;
}

static __always_inline void begin_walk(struct walk *walk, u64 key, const struct unwind_space *space)
{
	struct interpreter *interpreter;

	walk->space = *space;
	walk->nframes = 0;
	walk->nwords = 0;
	walk->rule = 0;
	walk->nreads = 0;
	walk->reads_end = 0;
	/* An interpreter's frames are everywhere. */
	walk->reads_elsewhere = space->language != LANGUAGE_NONE;
	unwind_begin(&walk->leaf, &walk->at);
	if (!space->language)
		return;
	interpreter = bpf_map_lookup_elem(&interpreters, &key);
	if (!interpreter) {
		walk->space.language = LANGUAGE_NONE;
		return;
	}
	walk->interpreter = *interpreter;
	__builtin_memset(walk->interpreter_state, 0, sizeof(walk->interpreter_state));
}

/* From frame to frame until the walk ends; walk->end then says how. A function of its own: the
 * verifier would follow what comes after the walk from each turn of the loop. */
__noinline int walk_frames(void)
{
	for (u32 i = 0; i < STACK_FRAMES_MAX; i++)
		if (walk_frame())
			break;
	return 0;
}

/* --- whole stacks --- */

/* A CPU sends a stack along no more often than this, in ns of bpf_ktime_get_ns(): copying one
 * takes a few microseconds, walking it in user space some twenty. */
#define DEFERRED_INTERVAL 1000000
/* For an address in no mapping that user space has told of, likewise; and, as long as it has not
 * told anything new, no more often than this: it may stay so. */
#define STALE_INTERVAL 20000000

/* Who includes this defines it: stacks that are sent along are large, and what is sent without
 * them must still find room. */
static __always_inline bool has_room_to_defer(void);

static __always_inline bool may_defer(struct walk *walk, u64 interval)
{
	u64 now = bpf_ktime_get_ns();

	if (now - walk->deferred_at < interval || !has_room_to_defer())
		return false;
	walk->deferred_at = now;
	return true;
}

static __always_inline bool may_defer_stale(struct walk *walk)
{
	bool is_new = walk->stale_generation != walk->space.generation;

	walk->stale_generation = walk->space.generation;
	return may_defer(walk, is_new ? DEFERRED_INTERVAL : STALE_INTERVAL);
}

static __always_inline enum walk_end walk_by_frame_pointers(void *ctx, struct walk *walk)
{
	long size = bpf_get_stack(ctx, walk->words, STACK_FRAMES_MAX * sizeof(u64),
				  BPF_F_USER_STACK);

	if (size <= 0) {
		walk->nwords = 0;
		return WALK_UNREADABLE;
	}
	walk->nwords = size / sizeof(u64);
	return walk->nwords == STACK_FRAMES_MAX ? WALK_DEPTH : WALK_UNCHECKED;
}

/*
 * The address space of the current task; *key leaves as that of the entry. One that was forked a
 * moment ago, and has not executed another program since, has its parent's mappings, or shares them
 * (vfork): what a fork copies and an exec counts up are the same then (kernel/fork.c,
 * begin_new_exec() in fs/exec.c).
 */
static __always_inline struct unwind_space *find_space(struct task_struct *task, u64 *key)
{
	struct unwind_space *space = bpf_map_lookup_elem(&unwind_spaces, key);

	if (space || READ_TASK(task, self_exec_id) != READ_TASK(task, parent_exec_id))
		return space;
	*key = *key >> 32 << 32 | (u32)BPF_CORE_READ(task, real_parent, tgid);
	return bpf_map_lookup_elem(&unwind_spaces, key);
}

/*
 * Walks the current task's user stack from walk->leaf; `registers` is what the function said that
 * put them there. Then walk->nwords words are in walk->words. WALK_DEFERRED: there are none, and it
 * is time to send the stack along instead (copy_stack()).
 */
static __always_inline enum walk_end walk_user_stack(void *ctx, struct task_struct *task,
						     struct walk *walk, enum walk_end registers)
{
	u64 key = (u64)READ_TASK(task, self_exec_id) << 32 | (u32)READ_TASK(task, tgid);
	struct unwind_space *space;
	enum walk_end end;

	walk->space_key = key;
	walk->nwords = 0;
	if (registers == WALK_NO_USER || registers == WALK_NO_REGISTERS)
		return registers;
	if (!walk_by_tables || registers == WALK_UNCHECKED)
		return walk_by_frame_pointers(ctx, walk);
	space = find_space(task, &key);
	if (!space) {
		if (may_defer(walk, DEFERRED_INTERVAL))
			return WALK_DEFERRED;
		return walk_by_frame_pointers(ctx, walk);
	}
	if (!space->n)
		return walk_by_frame_pointers(ctx, walk);

	begin_walk(walk, key, space);
	walk_frames();
	end = walk->end;
	if (end == WALK_GOES_ON)
		return WALK_DEPTH;
	if (end == WALK_DEFERRED && !may_defer(walk, DEFERRED_INTERVAL))
		return WALK_TOO_EARLY;
	if (end == WALK_NO_MAPPING && may_defer_stale(walk))
		return WALK_DEFERRED;
	return end;
}

/* The smallest page there is; larger ones are copied in several turns. */
#define STACK_PAGE 4096

/* Copies the stack from `sp` upwards, page by page until one cannot be read; returns how much. */
static __always_inline u64 copy_stack(u64 sp, u8 to[DEFERRED_STACK_MAX])
{
	u64 copied = 0;

	for (u32 i = 0; i < DEFERRED_STACK_MAX / STACK_PAGE; i++) {
		u64 size = STACK_PAGE - (sp & (STACK_PAGE - 1));

		if (copied > DEFERRED_STACK_MAX - STACK_PAGE ||
		    bpf_probe_read_user(to + copied, size, (const void *)sp))
			break;
		copied += size;
		sp += size;
	}
	return copied;
}

#endif
