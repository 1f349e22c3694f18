/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user half of bpf/blame.bpf.h: from slots to parties. For ledger.c and its files only.
 *
 *     the kernel's sums (slot, slot, CPU) -.
 *     waits that are not over ------------- --> blame_reading --> rows of a struct ledger_window
 *     slots that were given to others ----'
 *
 * A reading holds what every party owes every other one since ledger_blame_open(). What interrupts
 * took of it is split off in a window, by what /proc/stat says of each CPU.
 */
#ifndef PLIMSOLL_SIGNAL_LEDGER_BLAME_H
#define PLIMSOLL_SIGNAL_LEDGER_BLAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/index.h"
#include "bpf/blame.h"
#include "signal/ledger.h"

struct bpf_map;

/* Rows that are kept for containers whose slots others have now; more go to PARTY_UNKNOWN. */
#define BLAME_GONE_MAX LEDGER_BLAME_MAX

/* Whose slot is it? NULL: nobody's that we know. */
typedef const struct container *(*slot_owner_fn)(void *context, uint32_t slot);

struct ledger_blame_options {
	int sums;			     /* descriptor of the map ledger_blame */
	int debts;			     /* of blame_debts */
	int rings;			     /* of blame_rings */
	uint32_t ncpus;			     /* that both have room for */
	const uint64_t *forgotten, *no_room; /* the kernel's counters of these names */
	slot_owner_fn owner;
	void *context;
};

struct ledger_blame;

/* Before load: makes room for `ncpus` CPUs, which may be any of the possible ones. 0 or negative
 * errno. */
int ledger_blame_size(struct bpf_map *rings, struct bpf_map *debts, uint32_t ncpus);
/* 0 or negative errno. */
int ledger_blame_open(const struct ledger_blame_options *options, struct ledger_blame **out);
void ledger_blame_close(struct ledger_blame *b); /* NULL is fine */
/* Slots that are about to be given to others, marked by a byte each: what was charged to them, and
 * by them, goes to their owners now. 0 or negative errno. */
int ledger_blame_retire(struct ledger_blame *b, const uint8_t marks[LEDGER_SLOTS_MAX]);

/* --- readings --- */

struct blame_table {
	struct blame *rows; /* one a victim, culprit and CPU */
	size_t n, capacity;
	struct index index;
};
/* `row->ns` more for its victim, culprit and CPU. */
void blame_table_add(struct blame_table *t, const struct blame *row);
void blame_table_free(struct blame_table *t);

struct blame_reading {
	struct blame_table table;
	uint64_t forgotten, no_room; /* ns, as in struct ledger_window */
	uint64_t taken;		     /* CLOCK_MONOTONIC, ns */
	uint64_t *stolen; /* ns a CPU: interrupts, and other machines on the same hardware */
	uint32_t ncpus;
};

/* Before the threads are gone through: a wait that ends in between is missing until the next
 * reading, rather than counted twice. NULL, with errno set: the map cannot be read. */
struct blame_reading *ledger_blame_read(struct ledger_blame *b);
/* A wait of slot `victim` on `cpu` that began at `since` and is not over `now`. */
void ledger_blame_wait(const struct ledger_blame *b, struct blame_reading *r, uint32_t victim,
		       uint32_t cpu, uint64_t since, uint64_t now);
void blame_reading_free(struct blame_reading *r); /* NULL is fine */

/*
 * Fills blame, waited and attributed of a window whose accounts are there. `from` NULL: since
 * ledger_blame_open().
 */
void ledger_blame_window(const struct ledger_blame *b, const struct blame_reading *from,
			 const struct blame_reading *to, struct ledger_window *window);

/* Parses /proc/stat into ns that were stolen from each CPU, see above; those that are not there
 * stay as they are. */
void blame_parse_stolen(const char *text, uint64_t ns_per_tick, uint64_t *stolen, uint32_t ncpus);

#endif
