/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is the thread about to wait at the very stack at which it waited before? Most are, and walking a
 * stack to find out takes microseconds. What is read here instead are the words by which the walk
 * went the last time:
 *
 *     context                                                         saved registers
 *     |  low words, counted from the context   |  gap  |  top words  |
 *     +----------------------------------------+-------+-------------+  the kernel's stack
 *
 * Low. The context of a tracepoint's program lies on the kernel stack of the task, right below the
 * frames that called it. A walk is a function of where it begins and of the words that it reads:
 * return addresses, and pointers into the stack where those lie that a frame has no constant
 * distance to. If these words are the same at the same places, so is the stack. Which words they
 * are, the kernel does not say; but in two waits with the same stack all of them are the same, and
 * all look like code or like such a pointer. So the words that do and are equal in both are
 * checked: all that a walk reads, and some more, of which those that change are sorted out as they
 * do.
 *
 * Gap. With CONFIG_RANDOMIZE_KSTACK_OFFSET a system call leaves some room, another each time, so
 * the few words above it are counted from the registers, and pointers into the stack are compared
 * by their distance to the one or to the other.
 *
 * User. The walk by tables notes which words of the stack it read. With the same registers, in the
 * same generation of the address space (unwind.h), the same words make the same walk. One that read
 * anything else than its stack, or did not come to its end, is not remembered.
 */
#ifndef PLIMSOLL_BPF_SAME_WAIT_BPF_H
#define PLIMSOLL_BPF_SAME_WAIT_BPF_H

#include "hash.h"
#include "kernel.h"
#include "offcpu.h"
#include "registers.bpf.h"
#include "stacks.bpf.h"

_Static_assert(WAIT_USER_SLOTS <= WALK_READS_MAX && WAIT_USER_SPAN == WALK_READS_SPAN,
	       "what a walk notes is what is remembered");

/* A word of a kernel stack, and what is taken off it before it is compared. */
#define SLOT_AT_MASK	511
#define SLOT_BASE_SHIFT 9
enum slot_base { BASE_NONE, BASE_CONTEXT, BASE_REGISTERS, SLOT_BASES };

/* Words of one kernel stack. Top words are those that belong to callers of the function that leaves
 * the gap: do_syscall_64() or invoke_syscall(). */
#define LOW_WORDS 448
#if defined(__TARGET_ARCH_x86)
#define TOP_WORDS 16
#else
#define TOP_WORDS 48
#endif
#define STACK_WORDS (SLOT_AT_MASK + 1)
_Static_assert(LOW_WORDS + TOP_WORDS <= STACK_WORDS, "an index fits");

struct stack_words {
	u64 bases[SLOT_BASES + 1]; /* context and registers, as numbers; a power of two of them */
	u64 depth;		   /* bytes from the one to the other */
	u64 words[STACK_WORDS];	   /* low ones, from LOW_WORDS on top ones */
};

/* What is learned of a stack, and where the user's is read into; one a CPU. */
struct wait_scratch {
	struct stack_words now;
	u64 user[WAIT_USER_SPAN / sizeof(u64)];
	u32 nslots;  /* WAIT_KERNEL_SLOTS + 1: there were more */
	u32 covered; /* kernel frames whose return address is in one */
	u32 low;     /* low words up to the last slot */
	u32 sample;  /* key of the one that it is compared to */
	u16 slots[WAIT_KERNEL_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct wait_scratch);
} wait_scratches SEC(".maps");

/* The first of two waits with the same stack, until the second comes. */
struct wait_sample {
	u64 hash;
	struct stack_words words;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WAIT_SAMPLES); /* times the number of possible CPUs, set before load */
	__type(key, u32);
	__type(value, struct wait_sample);
} wait_samples SEC(".maps");

/* --- the user's registers --- */

#if defined(__TARGET_ARCH_x86)
struct pt_regs___walked {
	unsigned long bp, ip, sp;
} __attribute__((preserve_access_index));

#define WALKED_PC(registers) ((registers)->ip)
#define WALKED_FP(registers) ((registers)->bp)
#define WALKED_LR(registers) 0
#else
struct pt_regs___walked {
	u64 regs[31], sp, pc;
} __attribute__((preserve_access_index));

#define WALKED_PC(registers) ((registers)->pc)
#define WALKED_FP(registers) ((registers)->regs[29])
#define WALKED_LR(registers) ((registers)->regs[30])
#endif

/* --- words of kernel stacks --- */

/*
 * May it be an address of the kernel's code? On x86-64 the image, modules and BPF programs are in
 * the uppermost 2 GiB. On arm64 they are in the upper half of the kernel's; a signed return address
 * has its bits 0 to 47 and 55 left (Documentation/arch/arm64/pointer-authentication.rst).
 */
static __always_inline bool may_be_code(u64 word)
{
#if defined(__TARGET_ARCH_x86)
	return word >= 0xffffffff80000000ULL;
#else
	return word & 1ULL << 55 && word & 1ULL << 47;
#endif
}

static __always_inline bool is_return_to(u64 word, u64 frame)
{
#if defined(__TARGET_ARCH_x86)
	return word == frame;
#else
	return !((word ^ frame) << 16);
#endif
}

/* May it point into the kernel stack, or to the registers at its top? */
static __always_inline bool is_on_stack(const struct stack_words *stack, u64 word)
{
	return word - (stack->bases[BASE_REGISTERS] - kernel_stack_size) < kernel_stack_size + 512;
}

/* Fills in all but the words; false: the context is not on the task's stack, or too far below. */
static __always_inline bool find_stack(struct task_struct *task, void *ctx,
				       struct stack_words *stack)
{
	/* Through memory, pointers become numbers. */
	volatile u64 *bases = stack->bases;

	bases[BASE_NONE] = 0;
	bases[BASE_CONTEXT] = (u64)ctx;
	bases[BASE_REGISTERS] = (u64)bpf_task_pt_regs(task);
	stack->depth = bases[BASE_REGISTERS] - bases[BASE_CONTEXT];
	return stack->depth - TOP_WORDS * sizeof(u64) <= kernel_stack_size && !(stack->depth & 7);
}

/* `low`: bytes of low words, at most LOW_WORDS of them. */
static __always_inline bool read_words(struct stack_words *stack, u32 low)
{
	const void *registers = (const void *)stack->bases[BASE_REGISTERS];

	return low <= LOW_WORDS * sizeof(u64) &&
	       !bpf_probe_read_kernel(stack->words, low,
				      (const void *)stack->bases[BASE_CONTEXT]) &&
	       !bpf_probe_read_kernel(stack->words + LOW_WORDS, TOP_WORDS * sizeof(u64),
				      registers - TOP_WORDS * sizeof(u64));
}

/* --- knowing a wait again --- */

static __always_inline bool waits_can_be_known(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs);
}

static __always_inline struct wait_scratch *current_scratch(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&wait_scratches, &zero);
}

/* One number for all words that the wait is known by; the stack's place is found already. 0: they
 * cannot be read. Not inlined, for its loops. */
static __noinline u64 hash_words(const struct known_wait *known, struct wait_scratch *scratch,
				 u64 hash)
{
	struct stack_words *stack = &scratch->now;
	u64 size = known->user_size;

	if (!read_words(stack, known->low_size))
		return 0;
	for (u32 i = 0; i < WAIT_KERNEL_SLOTS && i < known->nkernel; i++) {
		u32 slot = known->kernel[i];

		hash = hash_mix(hash, stack->words[slot & SLOT_AT_MASK] -
					      stack->bases[slot >> SLOT_BASE_SHIFT & SLOT_BASES]);
	}
	if (!size)
		return hash;
	/* Never changes it; before Linux 6.3 the verifier forgets a bound that is not the last
	 * step. */
	asm volatile("%0 &= %1" : "+r"(size) : "i"(WAIT_USER_SPAN - 1));
	if (bpf_probe_read_user(scratch->user, size, (void *)known->sp))
		return 0;
	for (u32 i = 0; i < WAIT_USER_SLOTS && i < known->nuser; i++)
		hash = hash_mix(hash,
				scratch->user[known->user[i] % (WAIT_USER_SPAN / sizeof(u64))]);
	return hash;
}

/* Of the thread in the record and, if it has been in user space, its registers that matter. */
static __always_inline u64 hash_thread(struct task_struct *task, const struct stack_record *record,
				       const struct known_wait *known)
{
	const struct pt_regs___walked *registers = (void *)bpf_task_pt_regs(task);
	u64 hash = hash_mix(record->head.process ^ record->head.tid, known->generation);

	hash = hash_mix(hash, ((const u64 *)record->head.thread)[0]);
	hash = hash_mix(hash, ((const u64 *)record->head.thread)[1]);
	if (!known->generation)
		return hash;
	hash = hash_mix(hash, WALKED_LR(registers));
	return known->uses_fp ? hash_mix(hash, WALKED_FP(registers)) : hash;
}

/* Where among those known of its thread a wait would be: by the user's registers, which differ
 * where the thread waits for different things; else by the depth of the kernel's stack. */
static __always_inline u32 place_of_wait(struct task_struct *task, const struct stack_words *stack)
{
	const struct pt_regs___walked *registers = (void *)bpf_task_pt_regs(task);
	u64 hash = task->flags & PF_KTHREAD ? hash_mix(0, stack->depth)
					    : hash_mix(WALKED_PC(registers), registers->sp);

	return hash >> 32 & (WAITS_KNOWN - 1);
}

/* Of the task's address space; 0: it has none that could be walked by tables. */
static __always_inline u32 space_generation(struct task_struct *task)
{
	u64 key = (u64)READ_TASK(task, self_exec_id) << 32 | (u32)READ_TASK(task, tgid);
	struct unwind_space *space = find_space(task, &key);

	return space ? space->generation : 0;
}

/* Does the current task wait where it waited before? Its record was begun, its stack found. */
static __always_inline bool is_same_wait(struct task_struct *task, struct wait_scratch *scratch,
					 const struct stack_record *record,
					 const struct known_wait *known)
{
	const struct pt_regs___walked *registers = (void *)bpf_task_pt_regs(task);

	if (!known->hash)
		return false;
	if (known->generation && (WALKED_PC(registers) != known->pc || registers->sp != known->sp))
		return false;
	if (known->depth && scratch->now.depth != known->depth)
		return false;
	if (known->generation && space_generation(task) != known->generation)
		return false;
	return hash_words(known, scratch, hash_thread(task, record, known)) == known->check;
}

/* --- learning --- */

/* One word of the scratch. A function of its own, which the verifier goes through once rather than
 * for each word. */
__noinline int learn_word(u32 at)
{
	struct wait_scratch *scratch = current_scratch();
	struct stack_record *record = current_record();
	struct wait_sample *sample;
	struct stack_words *now, *before;
	enum slot_base base = BASE_NONE;
	u32 n, frame, key;
	u64 word, old, bounded;

	if (!scratch || !record)
		return 0;
	key = scratch->sample;
	sample = bpf_map_lookup_elem(&wait_samples, &key);
	if (!sample)
		return 0;
	now = &scratch->now;
	before = &sample->words;
	word = now->words[at & SLOT_AT_MASK];
	old = before->words[at & SLOT_AT_MASK];
	n = scratch->nslots;
	frame = scratch->covered;
	if (is_on_stack(now, word)) {
		base = word - now->bases[BASE_CONTEXT] == old - before->bases[BASE_CONTEXT]
			       ? BASE_CONTEXT
			       : BASE_REGISTERS;
		word -= now->bases[base];
		old -= before->bases[base];
	} else if (!may_be_code(word)) {
		return 0;
	}
	if (word != old) {
		/* Never again: a slot that changed is none. */
		before->words[at & SLOT_AT_MASK] = 0;
		return 0;
	}
	if (n >= WAIT_KERNEL_SLOTS) {
		scratch->nslots = WAIT_KERNEL_SLOTS + 1;
		return 0;
	}
	scratch->slots[n] = at | base << SLOT_BASE_SHIFT;
	scratch->nslots = n + 1;
	if (at < LOW_WORDS)
		scratch->low = at + 1;
	if (frame >= record->head.kernel_frames || frame >= STACK_FRAMES_MAX)
		return 0;
	/* Never changes it, but the verifier sees it: as in hash_words(). */
	bounded = frame;
	asm volatile("%0 &= %1" : "+r"(bounded) : "i"(STACK_FRAMES_MAX));
	if (is_return_to(word, record->frames[bounded]))
		scratch->covered = frame + 1;
	return 0;
}

/* Into the scratch's slots. True: each frame of the stack, which is in this CPU's record, has one.
 * It would not if the walk had read something else, such as the return address that a kretprobe
 * replaced, or if a frame had no constant size. */
__noinline int learn_slots(void)
{
	struct wait_scratch *scratch = current_scratch();
	struct stack_record *record = current_record();
	struct wait_sample *sample;
	u32 key, low;

	if (!scratch || !record)
		return 0;
	key = scratch->sample;
	sample = bpf_map_lookup_elem(&wait_samples, &key);
	if (!sample)
		return 0;
	scratch->nslots = 0;
	scratch->covered = 0;
	scratch->low = 0;
	low = scratch->now.depth < sample->words.depth ? scratch->now.depth : sample->words.depth;
	low /= sizeof(u64);
	for (u32 i = 0; i < LOW_WORDS && i < low; i++)
		learn_word(i);
	for (u32 i = LOW_WORDS; i < LOW_WORDS + TOP_WORDS; i++)
		learn_word(i);
	return scratch->nslots <= WAIT_KERNEL_SLOTS &&
	       scratch->covered == record->head.kernel_frames;
}

/* The first of two; or else the scratch is filled for learn_slots(). */
static __always_inline bool is_first(struct wait_scratch *scratch, u64 hash)
{
	u32 key = bpf_get_smp_processor_id() * WAIT_SAMPLES + (u32)(hash >> 32) % WAIT_SAMPLES;
	struct wait_sample *sample = bpf_map_lookup_elem(&wait_samples, &key);

	if (!sample)
		return true;
	scratch->sample = key;
	if (sample->hash == hash)
		return false;
	bpf_probe_read_kernel(&sample->words, sizeof(sample->words), &scratch->now);
	sample->hash = hash;
	return true;
}

/*
 * The current task waits at the stack in this CPU's record and walk, of which user space knows by
 * this hash.
 */
static __always_inline void learn_wait(struct task_struct *task, struct wait_scratch *scratch,
				       const struct stack_record *record, const struct walk *walk,
				       struct known_wait *known, u64 hash)
{
	const struct pt_regs___walked *registers = (void *)bpf_task_pt_regs(task);
	bool is_user = record->head.walk_end == WALK_WHOLE;
	struct wait_sample *sample;
	u32 low;

	/* Twice in a row first: who is never at the same place would learn in vain. */
	if (known->seen != hash) {
		known->seen = hash;
		return;
	}
	if (is_user ? walk->reads_elsewhere || walk->nreads > WAIT_USER_SLOTS ||
			      walk->reads_end >= WAIT_USER_SPAN
		    : !(task->flags & PF_KTHREAD) || record->head.walk_end != WALK_NO_USER)
		return;
	low = scratch->now.depth > LOW_WORDS * sizeof(u64) ? LOW_WORDS * sizeof(u64)
							   : scratch->now.depth;
	if (!read_words(&scratch->now, low) || is_first(scratch, hash) || !learn_slots())
		return;
	sample = bpf_map_lookup_elem(&wait_samples, &scratch->sample);
	if (!sample)
		return;
	known->hash = 0;
	known->pc = is_user ? WALKED_PC(registers) : 0;
	known->sp = is_user ? registers->sp : 0;
	known->generation = is_user ? walk->space.generation : 0;
	known->uses_fp = is_user && walk->at.used_fp;
	/* The same twice: there is no gap, or it was the same by chance. */
	known->depth = scratch->now.depth == sample->words.depth ? scratch->now.depth : 0;
	known->low_size = scratch->low * sizeof(u64);
	known->nkernel = scratch->nslots;
	bpf_probe_read_kernel(known->kernel, sizeof(known->kernel), scratch->slots);
	known->nuser = is_user ? walk->nreads : 0;
	known->user_size = is_user ? walk->reads_end : 0;
	bpf_probe_read_kernel(known->user, sizeof(known->user), walk->reads);
	known->check = hash_words(known, scratch, hash_thread(task, record, known));
	known->hash = known->check ? hash : 0;
}

#endif
