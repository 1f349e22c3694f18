/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPython as the kernel half reads it: where in a process, and where in its structures.
 *
 *     _PyRuntime --> interpreter --> interpreter --> ...           linked lists
 *                        |
 *                        thread --> thread --> ...                 ours has our thread pointer
 *                          |
 *     3.8 to 3.10:         frame --back--> frame --> ...           one a call of the eval function
 *     3.11, 3.12:          C frame --> frame --previous--> ...     several in one call of it
 *     3.13:                frame --previous--> ...                 likewise
 *                            |
 *                            code object, instruction
 *
 * Offsets are facts of the process, not of this program: user space finds out the version and hands
 * them over (src/symbol/python_layout.c says where each comes from).
 */
#ifndef PLIMSOLL_BPF_PYTHON_H
#define PLIMSOLL_BPF_PYTHON_H

#include <linux/types.h>

#include "bpf/hash.h"
#include "bpf/interpreter.h"

/* How to tell the frames of one call of the eval function from those of its caller. */
enum python_frames {
	PYTHON_FRAME_OBJECTS, /* each call has one */
	PYTHON_ENTRY_FLAG,    /* the outermost frame of a call says that it is (`entry`) */
	PYTHON_ENTRY_FRAME,   /* beyond the outermost is one that stands on the C stack (`entry`) */
};

/* What `entry` is of a frame on the C stack: FRAME_OWNED_BY_CSTACK in pycore_frame.h. */
#define PYTHON_OWNED_BY_C_STACK 3

/* struct interpreter's facts. Offsets are in bytes; PYTHON_NONE: there is no such member. */
struct python_facts {
	__u64 runtime; /* address of _PyRuntime */
	/* _PyRuntimeState, PyInterpreterState, PyThreadState */
	__u16 interpreters, next_interpreter, threads, next_thread;
	__u16 thread_interpreter, thread_id;
	/* What each call of the eval function has on the C stack, in versions that have it. */
	__u16 thread_c_frame, c_frame_back;
	__u16 frame; /* the innermost: a member of the thread, from 3.11 to 3.12 of its C frame */
	/* PyFrameObject, or _PyInterpreterFrame */
	__u16 frame_size; /* bytes that hold the members below; at most PYTHON_FRAME_MAX */
	__u16 code, back, instruction, entry;
	/* PyCodeObject */
	__u16 identity;	    /* three pointers that tell code objects apart, one after the other */
	__u16 instructions; /* `instruction` is a pointer, this its origin in the code object;
			     * PYTHON_NONE: it is an index */
	__u16 index_unit;   /* bytes that an index counts */
	__u8 frames;	    /* enum python_frames */
	__u8 frame_of_c_frame;
	__u32 reserved;
};
_Static_assert(sizeof(struct python_facts) == 48, "no padding");
_Static_assert(sizeof(struct python_facts) <= INTERPRETER_FACTS * sizeof(__u64), "has to fit");

#define PYTHON_NONE	 0xffff
#define PYTHON_FRAME_MAX 128

/*
 * Of a frame's second word (FRAME_POSITION in stack.h) one half is a hash of the three pointers of
 * its code object, the other the offset of the instruction, in bytes from the function's first.
 */
#define PYTHON_IDENTITY_WORDS 3

/* Of the three pointers. */
static inline __attribute__((always_inline)) __u32 python_identity(const __u64 *pointers)
{
	__u64 hash = 0;

	for (int i = 0; i < PYTHON_IDENTITY_WORDS; i++)
		hash = hash_mix(hash, pointers[i]);
	return (__u32)(hash >> 32);
}

#endif
