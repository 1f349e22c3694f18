/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine code that is written at run time, as a JIT compiler does: a function with a frame that
 * counts its argument down to zero.
 */
#ifndef PLIMSOLL_WORKLOADS_CODE_H
#define PLIMSOLL_WORKLOADS_CODE_H

#include <stddef.h>
#include <string.h>

typedef void (*countdown_fn)(unsigned long rounds);

#if defined(__x86_64__)
static const unsigned char countdown_code[] = {
	0x55,		  /*	push rbp */
	0x48, 0x89, 0xe5, /*	mov rbp, rsp */
	0x48, 0xff, 0xcf, /* 1:	dec rdi */
	0x75, 0xfb,	  /*	jnz 1b */
	0x5d,		  /*	pop rbp */
	0xc3,		  /*	ret */
};
#elif defined(__aarch64__)
static const unsigned int countdown_code[] = {
	0xa9bf7bfd, /*		stp x29, x30, [sp, #-16]! */
	0x910003fd, /*		mov x29, sp */
	0xf1000400, /* 1:	subs x0, x0, #1 */
	0x54ffffe1, /*		b.ne 1b */
	0xa8c17bfd, /*		ldp x29, x30, [sp], #16 */
	0xd65f03c0, /*		ret */
};
#else
#error "x86-64 and arm64 only"
#endif

/* Writes the function to `where` and returns it. */
static inline countdown_fn code_write(void *where)
{
	memcpy(where, countdown_code, sizeof(countdown_code));
	__builtin___clear_cache((char *)where, (char *)where + sizeof(countdown_code));
	return (countdown_fn)where;
}

#endif
