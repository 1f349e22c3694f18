/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpu.bpf.c tells src/signal/cpu.c.
 *
 *     slots     a table a CPU: hash & mask -> { hash, count }     how often, counted in the kernel
 *     stacks    ring of stack_record (stacks.h)                   what a hash stands for
 *
 * A sample whose hash stands in its slot is an addition of one. Another hash takes the slot over,
 * and counts from one on: the record that tells of it carries out what the slot held. So the tables
 * are never full, and a record is only ever about a hash that was told of before. A sample whose
 * walk is deferred has no slot and counts once.
 */
#ifndef PLIMSOLL_BPF_CPU_H
#define PLIMSOLL_BPF_CPU_H

#include "bpf/stacks.h"

/* One cache line. */
#define WAYS 4
struct slot_set {
	struct slot ways[WAYS];
};

/* Sets of one CPU, a power of two: 128 KiB. Stacks that are hot enough to matter stay in it. */
#define SETS 2048

#endif
