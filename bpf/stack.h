/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How deep a stack is walked, and what its words mean.
 *
 * A word of a user stack is an address, leaf first; all but the leaf are return addresses, one
 * behind the call. An address at which a signal interrupted is not, nor is that to which its
 * handler returns: these are stored plus one, so that whoever takes one off a word that is not the
 * leaf has an address inside the right instruction.
 *
 * An interpreter's frame takes two words and stands where the interpreter's own native frame
 * stood: first FRAME_INTERPRETED(language, address of its code object), then FRAME_POSITION():
 * which code object it is (another one may be at its address later), and where in it, in the
 * language's own terms.
 */
#ifndef PLIMSOLL_BPF_STACK_H
#define PLIMSOLL_BPF_STACK_H

/* PERF_MAX_STACK_DEPTH, the default of kernel.perf_event_max_stack; bpf_get_stack() gives no more.
 */
#define STACK_FRAMES_MAX 127

/* Words of a user stack: native frames, and as many words again for interpreters' frames. */
#define USER_WORDS_MAX 256

/* No address has these upper bits: user space ends below 2^57, the kernel begins above. */
#define FRAME_INTERPRETED(language, code) \
	(0xa500000000000000ULL | (__u64)(language) << 48 | ((code)&0xffffffffffffULL))
#define FRAME_IS_INTERPRETED(word) ((word) >> 56 == 0xa5)
#define FRAME_LANGUAGE(word)	   ((word) >> 48 & 0xff)
#define FRAME_CODE(word)	   ((word)&0xffffffffffffULL)

#define FRAME_POSITION(identity, offset) ((__u64)(identity) << 32 | (__u32)(offset))
#define FRAME_POSITION_CODE(position)	 ((__u32)((position) >> 32))
#define FRAME_POSITION_OFFSET(position)	 ((__u32)(position))

enum interpreter_language { LANGUAGE_NONE, LANGUAGE_PYTHON, LANGUAGES };

#endif
