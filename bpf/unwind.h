/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unwind tables as the kernel half reads them: how to step from a function to its caller, for every
 * address of a file, in four bytes a row. One table a build ID, shared by all processes.
 *
 *     address space          mappings            table                     pool (64-byte lines)
 *     (exec, tgid) --> [first, n) --> start..end --> base, pages, place --> | index | rows |
 *                                                                              |
 *     address in the file - base = page << 8 | low                             v
 *     index[page] .. index[page + 1] = the page's rows, sorted by low;  row = rule << 8 | low
 *     rules[rule] = where the caller's frame, frame pointer and return address are
 *
 * A page is 256 bytes of code: some ten rows, so a search takes four steps where one over the whole
 * table would take seventeen. The first row of a page has low 0 (the rule of the row before it is
 * carried over), so a search always finds; a page without rows has no rules at all. Cost: 4 bytes a
 * row and 8 a page. Debian's libc (1.4 MB of code) needs 136 KB.
 *
 * Rules are few (some hundred a file, mostly the same), so all tables share one array of them.
 *
 * User space writes all of this and the kernel only reads. What is published is never changed in
 * place: a new range is filled first, then the number that leads to it is stored, and what nobody
 * is led to any more is filled again a second later at the earliest. The worst that a reader can
 * meet is a wrong caller, never a wrong access: every read is bounded.
 */
#ifndef PLIMSOLL_BPF_UNWIND_H
#define PLIMSOLL_BPF_UNWIND_H

#include <linux/types.h>

/* --- rules --- */

/* Where the canonical frame address is (DWARF 5, 6.4: the stack pointer before the call). */
enum unwind_cfa {
	CFA_NONE,	 /* no row covers the address: code without tables, walk by frame pointer */
	CFA_UNSUPPORTED, /* the table says something that has no place here; counted when built */
	CFA_END,	 /* the return address is undefined: the entry of a process or thread */
	CFA_SP,		 /* sp + cfa */
	CFA_FP,		 /* fp + cfa */
	CFA_REGISTER, /* register number `cfa_register` + cfa: known in the leaf frame; see below */
	CFA_AT_SP,    /* *(sp + cfa_at) + cfa: signal frames */
	CFA_AT_FP,    /* *(fp + cfa_at) + cfa: realigned stacks */
	CFA_PLT,      /* sp + 8 + ((pc & 15) >= cfa_at ? 8 : 0): x86-64's lazy PLT */
};

/* Where a register of the caller is. */
enum unwind_place {
	PLACE_SAME,    /* not changed; for the return address: still in the link register (arm64) */
	PLACE_CFA,     /* *(CFA + offset) */
	PLACE_SP,      /* *(sp + offset), sp being this frame's, as signal frames have it */
	PLACE_FP,      /* *(fp + offset) */
	PLACE_UNKNOWN, /* lost: the walk goes on for as long as nobody needs it */
	PLACE_REGISTER, /* of a return address: in register `offset`, in the leaf frame (vfork) */
};

/*
 * Flags. x86-64's lazy binding (_dl_runtime_resolve) makes calls from frames whose CFA is rbx +
 * cfa. So that rbx is known there, the rules of a file with such frames, and only these, say where
 * it is: in the caller's frame the same, or saved at *(CFA + cfa_at), never with a kind of CFA that
 * uses cfa_at. Without either flag it is lost.
 */
#define UNWIND_SIGNAL_FRAME 1 /* the caller was interrupted, its pc is exact */
#define UNWIND_LEAF_ONLY    2 /* else, where pc is not exact, the frame is walked by frame pointer */
#define UNWIND_KEEPS_RBX    4
#define UNWIND_SAVES_RBX    8

struct unwind_rule {
	__u8 cfa_kind;	   /* enum unwind_cfa */
	__u8 cfa_register; /* DWARF number */
	__u8 ra_kind;	   /* enum unwind_place */
	__u8 fp_kind;	   /* enum unwind_place */
	__s16 cfa_at;
	__u16 flags;
	__s32 cfa;
	__s16 ra_offset;
	__s16 fp_offset;
};
_Static_assert(sizeof(struct unwind_rule) == 16, "shared with user space");

#define UNWIND_RULES_MAX 16384
/* Rules that every array of rules begins with. */
#define UNWIND_RULE_NONE	0
#define UNWIND_RULE_UNSUPPORTED 1
#define UNWIND_RULE_END		2

/* --- tables --- */

#define UNWIND_PAGE_SHIFT    8
#define UNWIND_ROW_RULE(row) ((row) >> UNWIND_PAGE_SHIFT)
#define UNWIND_ROW_LOW(row)  ((row) & ((1 << UNWIND_PAGE_SHIFT) - 1))

/* What pools consist of: a cache line, since the kernel rounds array elements up to 8 bytes. */
#define UNWIND_LINE_WORDS 16
struct unwind_line {
	__u32 words[UNWIND_LINE_WORDS];
};
_Static_assert(sizeof(struct unwind_line) == 64, "a cache line");

struct unwind_table {
	__u64 base;  /* address in the file where page 0 begins, a multiple of 256 */
	__u32 pages; /* 0: no table by this number */
	__u32 pool;
	__u32 line;  /* where in the pool it begins: index[pages + 1], then the rows, which are
		      * numbered from the first word of the table */
	__u32 words; /* all together */
};
_Static_assert(sizeof(struct unwind_table) == 24, "shared with user space");

#define UNWIND_TABLES_MAX 8192
/* Pools are made as they are needed; one is as large as the table that it is made for, but no
 * smaller than this. */
#define UNWIND_POOLS_MAX  256
#define UNWIND_POOL_LINES (4 << 20 >> 6)

/* --- address spaces --- */

/* Number of a mapping's table, or why there is none. */
#define UNWIND_TABLE_PENDING 0 /* not built yet: the stack is sent along, to be walked later */
#define UNWIND_TABLE_NONE    1 /* code of a JIT compiler, a file without tables: frame pointers */
#define UNWIND_TABLE_FIRST   2

struct unwind_mapping {
	__u64 start, end; /* in the process; sorted, disjoint, executable */
	__u64 bias;	  /* address in the process - bias = address in the file */
	__u32 table;
	__u32 reserved;
};
_Static_assert(sizeof(struct unwind_mapping) == 32, "shared with user space");

#define UNWIND_MAPPINGS_MAX 65536
/* Of one process; what lies beyond is walked by frame pointer. */
#define UNWIND_SPACE_MAX 4096

/*
 * Key of an address space: task->self_exec_id << 32 | tgid. The number of execs tells the program
 * before an exec from the one after it; both halves are known without asking user space.
 */
struct unwind_space {
	__u32 first, n; /* in the array of mappings */
	__u32 language; /* enum interpreter_language (stack.h), 0: none; else see interpreter.h */
	/* Of all entries that were ever stored, this one alone has it: what the kernel half
	 * remembers of addresses holds for as long as the entry does. Never 0. */
	__u32 generation;
};
#define UNWIND_SPACES_MAX 16384

/* --- how a walk ended --- */

enum walk_end {
	WALK_WHOLE,	    /* at the entry of the process or thread */
	WALK_NO_USER,	    /* kernel thread: there is nothing to walk */
	WALK_DEPTH,	    /* STACK_FRAMES_MAX frames */
	WALK_NO_MAPPING,    /* a return address where nothing executable is */
	WALK_UNSUPPORTED,   /* CFA_UNSUPPORTED, or a register that is not known any more */
	WALK_UNREADABLE,    /* the stack could not be read */
	WALK_NO_PROGRESS,   /* the caller's frame is not above: a cycle, or garbage */
	WALK_FRAME_POINTER, /* code without table whose frame pointer leads nowhere */
	WALK_NO_REGISTERS,  /* the user's registers could not be found */
	WALK_DEFERRED,	    /* something is not known yet: registers and stack are sent along */
	WALK_TOO_EARLY,	    /* likewise, but too many stacks are sent along already */
	WALK_UNCHECKED,	    /* by the kernel's own walk, which follows frame pointers blindly */
	WALK_ENDS
};

/* --- what a walk begins with --- */

/* DWARF numbers 0 to 15: x86-64's general registers (System V ABI, figure 3.36); x0 to x15. */
#define UNWIND_GENERAL_REGISTERS 16
struct unwind_registers {
	__u64 pc, sp, fp;
	__u64 lr; /* arm64's link register */
	__u64 general[UNWIND_GENERAL_REGISTERS];
};
_Static_assert(sizeof(struct unwind_registers) == 160, "shared with user space");

/* Bytes of a stack that are sent along with a deferred walk: from sp upwards, whole pages. */
#define DEFERRED_STACK_MAX 32768

#endif
