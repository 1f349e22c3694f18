/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who had a CPU lately: written by blame.bpf.h, read by src/signal/ledger_blame.c for the waits
 * that are not over yet.
 *
 *     runs:  ... | web 100 | db 130 | web 190 |   now: idle 200
 *                          '-- until 190 --'           '-- until somebody else is put on
 *
 * A run is one slot's time on the CPU, however many of its threads shared it; it ends where the
 * next one begins.
 */
#ifndef PLIMSOLL_BPF_BLAME_H
#define PLIMSOLL_BPF_BLAME_H

#include <linux/types.h>

/* That a CPU remembers; a power of two. Who has waited for longer than these took gets to know
 * whom to blame for the end of the wait only. */
#define BLAME_RUNS 1024

struct blame_run {
	__u64 since; /* CLOCK_MONOTONIC, ns */
	__u32 slot;
	__u32 reserved;
};

/* One a CPU; only that CPU writes it. */
struct blame_ring {
	__u64 closed;	      /* runs that ever ended; number i is in runs[i % BLAME_RUNS] */
	struct blame_run now; /* `since` 0: nothing was seen of this CPU */
	__u64 reserved[5];    /* up to a cache line: all that a short wait has to look at */
	struct blame_run runs[BLAME_RUNS];
};
_Static_assert(sizeof(struct blame_ring) == 64 + 16 * BLAME_RUNS, "shared with user space");

/*
 * What a slot owes another one for a CPU. Most switches are between few parties, so each CPU has
 * sums of its own at hand: sets of four, one cache line, found by the two slots. Who comes to a
 * full set is summed up in the map ledger_blame. An entry stays whose it is until user space
 * empties it, which it does when one of the slots is nobody's any more.
 */
struct blame_debt {
	__u64 pair; /* BLAME_PAIR; 0: empty */
	__u64 ns;
};
#define BLAME_WAYS 4
struct blame_debts {
	struct blame_debt ways[BLAME_WAYS];
};
/* Sets of one CPU, a power of two: 64 KiB. */
#define BLAME_SETS 1024

#define BLAME_PAIR(victim, culprit) (1ULL << 63 | (__u64)(victim) << 32 | (culprit))
#define BLAME_VICTIM(pair)	    ((__u32)((pair) >> 32) & 0x7fffffff)
#define BLAME_CULPRIT(pair)	    ((__u32)(pair))

#endif
