/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Python's frames, in the place of the native function that executes them. A call of the eval
 * function stands for one Python function, since 3.11 for several: those that call each other
 * without C between them. So the native walk calls python_frames() for each of its frames in the
 * eval function, and this hands out the next Python frames, up to the one where that call began.
 *
 *     native          Python's own chain           stack
 *     memcpy                                       memcpy
 *     sort                                         sort
 *     eval     <----  key --> sum_up (entry)       key, sum_up
 *     call                                         call
 *     eval     <----  main --> <module> (entry)    main, <module>
 *     start                                        start
 *
 * All of it is read from memory that the process fills as it likes: what is not readable ends the
 * Python part of the stack, loops have bounds, and the native frames stay.
 */
#ifndef PLIMSOLL_BPF_PYTHON_BPF_H
#define PLIMSOLL_BPF_PYTHON_BPF_H

#include "kernel.h"
#include "python.h"
#include "walk.bpf.h"

/* Steps along the lists of interpreters and threads. */
#define PYTHON_THREADS_MAX 256
/* Frames of one call: as many as there are words for. */
#define PYTHON_FRAMES_MAX (USER_WORDS_MAX / 2)
/* From the thread pointer down to what identifies the thread, see is_this_thread(). */
#define PYTHON_DESCRIPTOR_MAX 4096

/* Stacks that the eval function was in, of which Python frames could not be read. */
__u64 lost_python_frames;

enum python_progress {
	PYTHON_NOT_BEGUN, /* as the walk zeroes it */
	PYTHON_UNDER_WAY,
	PYTHON_OVER, /* no more frames, or none that could be read */
};

/* In walk->interpreter_state. */
struct python_state {
	u64 frame;   /* the next one */
	u64 c_frame; /* of the call that it belongs to, in versions that have it */
	u32 threads; /* that were gone through: a thread of the system may be several of Python's */
	u32 progress;
	/* While they are gone through: */
	u64 interpreter, thread;
	u32 seen; /* that are this one */
	u32 reserved;
};
_Static_assert(sizeof(struct python_state) <= INTERPRETER_STATE_WORDS * sizeof(u64), "has to fit");

struct python_scratch {
	/* Room for a read at any offset below PYTHON_FRAME_MAX. */
	u8 frame[PYTHON_FRAME_MAX + sizeof(u64)];
};

/* Not on the stack: there, older verifiers want to know each offset beforehand. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct python_scratch);
} python_scratches SEC(".maps");

static __always_inline const struct python_facts *python_facts(const struct walk *walk)
{
	return (const struct python_facts *)walk->interpreter.facts;
}

static __always_inline struct python_state *python_state(struct walk *walk)
{
	return (struct python_state *)walk->interpreter_state;
}

/* 0 for what cannot be read. */
static __always_inline u64 python_pointer(u64 address)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (const void *)address);
	return value;
}

/* --- which of Python's threads is this? --- */

/* CO-RE takes the part behind the underscores off. */
#if defined(__TARGET_ARCH_x86)
struct thread_struct___python {
	unsigned long fsbase;
} __attribute__((preserve_access_index));
#else
struct thread_struct___python {
	struct {
		unsigned long tp_value;
	} uw;
} __attribute__((preserve_access_index));
#endif
struct task_struct___python {
	struct thread_struct___python thread;
} __attribute__((preserve_access_index));

static __always_inline u64 thread_pointer(void)
{
	struct task_struct___python *task = (void *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread.fsbase);
#else
	return BPF_CORE_READ(task, thread.uw.tp_value);
#endif
}

/*
 * Python identifies a thread by pthread_self(), the address of the C library's descriptor. On
 * x86-64 the thread pointer points at it; on arm64 it points behind it (the ABI wants the
 * thread-local variables there), by a size that is the library's own affair. Threads are further
 * apart than that, since each has its stack between.
 */
static __always_inline bool is_this_thread(u64 id, u64 pointer)
{
#if defined(__TARGET_ARCH_x86)
	return id == pointer;
#else
	return pointer - id <= PYTHON_DESCRIPTOR_MAX;
#endif
}

/*
 * One step along the lists; 1: it is this thread, one that was not gone through before. What loops
 * do stands in functions of their own here and below: the verifier follows every path of a loop's
 * body in every turn, and that of a function once (80,000 instructions, a tenth of a second).
 */
__noinline int python_next_candidate(void)
{
	struct walk *walk = current_walk();
	const struct python_facts *facts;
	struct python_state *state;
	u64 thread, id;

	if (!walk)
		return 0;
	facts = python_facts(walk);
	state = python_state(walk);
	thread = state->thread;
	if (!thread) {
		state->interpreter = python_pointer(state->interpreter + facts->next_interpreter);
		if (state->interpreter)
			state->thread = python_pointer(state->interpreter + facts->threads);
		return 0;
	}
	state->thread = python_pointer(thread + facts->next_thread);
	id = python_pointer(thread + facts->thread_id);
	if (!is_this_thread(id, thread_pointer()))
		return 0;
	/* A layout that is not the process's would hardly lead back. */
	if (python_pointer(thread + facts->thread_interpreter) != state->interpreter) {
		state->interpreter = 0;
		state->thread = 0;
		return 0;
	}
	if (state->seen++ != state->threads)
		return 0;
	state->thread = thread;
	return 1;
}

/*
 * The thread's state in the interpreter that it is inside of, found by going through all
 * interpreters (the newest first, as Python has them) and their threads; 0: not found.
 */
__noinline u64 python_next_thread(void)
{
	struct walk *walk = current_walk();
	const struct python_facts *facts;
	struct python_state *state;
	u64 found = 0;

	if (!walk || !thread_pointer())
		return 0;
	facts = python_facts(walk);
	state = python_state(walk);
	state->interpreter = python_pointer(facts->runtime + facts->interpreters);
	state->thread = 0;
	if (state->interpreter)
		state->thread = python_pointer(state->interpreter + facts->threads);
	state->seen = 0;
	for (u32 i = 0; i < PYTHON_THREADS_MAX && state->interpreter; i++) {
		if (python_next_candidate()) {
			found = state->thread;
			break;
		}
	}
	state->threads = state->seen;
	return found;
}

/* --- its frames --- */

/* Interpreters that a thread may be inside of at once, one inside the other, or be known to without
 * running them (a web server's, with one interpreter a site). */
#define PYTHON_NESTED_MAX 8

/* To the innermost frame of the thread; of the next interpreter, when those of one are used up. */
static __always_inline bool python_enter(const struct python_facts *facts,
					 struct python_state *state)
{
	u64 holder;

	for (u32 i = 0; i < PYTHON_NESTED_MAX; i++) {
		holder = python_next_thread();
		if (!holder)
			return false;
		state->c_frame = 0;
		if (facts->thread_c_frame != PYTHON_NONE)
			state->c_frame = python_pointer(holder + facts->thread_c_frame);
		if (facts->frame_of_c_frame)
			holder = state->c_frame;
		state->frame = python_pointer(holder + facts->frame);
		if (state->frame)
			return true;
	}
	return false;
}

/* A member of the frame that was read; any offset is safe. */
static __always_inline u64 python_member(const struct python_scratch *scratch, u32 offset)
{
	return *(const u64 *)(scratch->frame + (offset & (PYTHON_FRAME_MAX - 1)));
}

/* Of this stack, nothing more. */
static __always_inline void python_fail(struct python_state *state)
{
	state->progress = PYTHON_OVER;
	__sync_fetch_and_add(&lost_python_frames, 1);
}

/* The two words of the frame that was read; 0: it makes no sense. Its many paths are gone through
 * once, not for each turn of the loop below. */
__noinline int python_put(void)
{
	struct walk *walk = current_walk();
	u64 code, instruction, identity[3];
	const struct python_facts *facts;
	struct python_scratch *scratch;
	u32 zero = 0;
	s64 offset;

	scratch = bpf_map_lookup_elem(&python_scratches, &zero);
	if (!walk || !scratch)
		return 0;
	facts = python_facts(walk);
	code = python_member(scratch, facts->code);
	if (bpf_probe_read_user(identity, sizeof(identity), (const void *)(code + facts->identity)))
		return 0;
	instruction = python_member(scratch, facts->instruction);
	if (facts->instructions == PYTHON_NONE)
		offset = (s64)(s32)instruction * facts->index_unit;
	else
		offset = instruction - (code + facts->instructions);
	if (offset < 0) /* before its first instruction */
		offset = 0;
	put_word(walk, FRAME_INTERPRETED(LANGUAGE_PYTHON, code));
	put_word(walk, FRAME_POSITION(python_identity(identity), offset));
	return 1;
}

enum python_step {
	PYTHON_ONE_MORE, /* frame, and another one follows */
	PYTHON_LAST,	 /* of this call; or it failed */
	PYTHON_NOT_HERE, /* these frames belong to a call further out */
};

/* Puts the next frame; `stack` as below. */
__noinline int python_next_frame(u64 stack)
{
	struct walk *walk = current_walk();
	const struct python_facts *facts;
	struct python_scratch *scratch;
	struct python_state *state;
	u32 zero = 0, size;
	u64 frame;
	u8 entry;

	scratch = bpf_map_lookup_elem(&python_scratches, &zero);
	if (!walk || !scratch)
		return PYTHON_LAST;
	facts = python_facts(walk);
	state = python_state(walk);
	frame = state->frame;
	size = facts->frame_size;
	if (size > PYTHON_FRAME_MAX ||
	    bpf_probe_read_user(scratch->frame, size, (const void *)frame)) {
		python_fail(state);
		return PYTHON_LAST;
	}
	entry = (u8)python_member(scratch, facts->entry);
	if (facts->frames == PYTHON_ENTRY_FRAME && entry == PYTHON_OWNED_BY_C_STACK) {
		if (stack && frame >= stack)
			return PYTHON_NOT_HERE;
		state->frame = python_member(scratch, facts->back);
		return PYTHON_LAST;
	}
	if (!python_put()) {
		python_fail(state);
		return PYTHON_LAST;
	}
	state->frame = python_member(scratch, facts->back);
	return facts->frames == PYTHON_FRAME_OBJECTS ||
			       (facts->frames == PYTHON_ENTRY_FLAG && entry)
		       ? PYTHON_LAST
		       : PYTHON_ONE_MORE;
}

/*
 * The Python frames of one call of the eval function, whose native frame lies below `stack` (the
 * caller's stack pointer; 0: not known). Puts two words for each and returns how many frames it
 * were; 0: there was none to be found, and the native frame has to stand for itself.
 */
__noinline int python_frames(u64 stack)
{
	struct walk *walk = current_walk();
	const struct python_facts *facts;
	struct python_state *state;
	u64 first;
	u32 begin;
	int step;

	if (!walk)
		return 0;
	facts = python_facts(walk);
	state = python_state(walk);
	if (state->progress == PYTHON_OVER)
		return 0;
	if (!state->frame && !python_enter(facts, state)) {
		/* If there were some, this call has only begun, or is just over. */
		if (state->progress == PYTHON_NOT_BEGUN)
			__sync_fetch_and_add(&lost_python_frames, 1);
		state->progress = PYTHON_OVER;
		return 0;
	}
	state->progress = PYTHON_UNDER_WAY;
	/* The call has only begun, or is just over: what is there belongs to another further out.
	 */
	if (state->c_frame && stack && state->c_frame >= stack)
		return 0;
	first = state->frame;
	begin = walk->nwords;
	for (u32 i = 0; i < PYTHON_FRAMES_MAX; i++) {
		if (!state->frame || walk->nwords + 2 > USER_WORDS_MAX)
			break;
		step = python_next_frame(stack);
		if (step == PYTHON_NOT_HERE) {
			state->frame = first;
			walk->nwords = begin;
			return 0;
		}
		if (step != PYTHON_ONE_MORE)
			break;
	}
	if (state->c_frame)
		state->c_frame = python_pointer(state->c_frame + facts->c_frame_back);
	return (walk->nwords - begin) / 2;
}

#endif
