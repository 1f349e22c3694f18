/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: where every nanosecond of every thread went, by container; and for those that waited
 * for a CPU, who had it. docs/ledger.md says what the states mean.
 *
 *     ledger_open() --> ledger_read(a) ... ledger_read(b) --> ledger_window(a, b)
 *
 * All sums grow from the moment of ledger_open() on and never shrink. A window is the difference of
 * two readings: its states add up to wall time times threads.
 */
#ifndef PLIMSOLL_SIGNAL_LEDGER_H
#define PLIMSOLL_SIGNAL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/ledger.h"
#include "container/container.h"

struct ledger;
struct watch;

/* What users see: running in two parts, and what could not be accounted for. */
enum account_state {
	ACCOUNT_USER,
	ACCOUNT_KERNEL,
	ACCOUNT_RUNNABLE,
	ACCOUNT_THROTTLED,
	ACCOUNT_DISK,
	ACCOUNT_NETWORK,
	ACCOUNT_LOCK,
	ACCOUNT_PIPE,
	ACCOUNT_MEMORY,
	ACCOUNT_CHILD,
	ACCOUNT_OTHER,
	ACCOUNT_IDLE,
	ACCOUNT_UNACCOUNTED, /* threads lived, but nobody knows how */
	ACCOUNT_STATES
};
/* "user", "kernel", ... as in tables, JSON and metrics; valid for ever. */
const char *account_state_name(enum account_state state);
/* One line for help and tooltips: "waits for a CPU". */
const char *account_state_summary(enum account_state state);
bool account_state_is_blocked(enum account_state state); /* disk to other: waits for something */

struct ledger_options {
	struct watch *watch; /* who is there */
	struct containers *containers;
	bool threads; /* readings keep every thread, for ledger_threads() */
};

/* Loads and attaches. 0 or negative errno, logged with the remedy. */
int ledger_open(const struct ledger_options *options, struct ledger **out);
void ledger_close(struct ledger *ledger);
/* Stops the kernel's side: the next reading is exactly of this moment. */
void ledger_stop(struct ledger *ledger);
/* About once a second: gives slots of cgroups that are gone to others. */
void ledger_tick(struct ledger *ledger);

/* All sums at one moment. */
struct ledger_reading;
/* Owned by the caller. NULL, with errno set: the kernel's maps cannot be read. */
struct ledger_reading *ledger_read(struct ledger *ledger);
void ledger_reading_free(struct ledger_reading *reading);

struct account {
	const struct container
		*container; /* of the registry; kernel threads: host's with `is_kernel` */
	bool is_kernel;
	double threads;		     /* on average over the window */
	uint64_t ns[ACCOUNT_STATES]; /* adds up to `total` */
	uint64_t total;		     /* wall time times threads, ns */
	uint64_t voluntary, involuntary, migrations, wakeups, began, ended, astray;
	uint64_t waits[LEDGER_BUCKETS]; /* histogram of waits for a CPU, see bpf/ledger.h */
	uint64_t blocks[LEDGER_BLOCKED][LEDGER_BUCKETS]; /* by LEDGER_DISK + i */
};

/* Parties of blame that are no container. */
enum party_kind { PARTY_CONTAINER, PARTY_KERNEL, PARTY_INTERRUPTS, PARTY_IDLE, PARTY_UNKNOWN };

struct party {
	enum party_kind kind;
	const struct container *container; /* PARTY_CONTAINER only; the host is one */
};
/* "web"; "[kernel threads]", "[interrupts]", "[wake-up]" (the CPU was idle meanwhile), "[unknown]"
 */
const char *party_name(const struct party *party);

struct blame {
	struct party victim, culprit;
	uint32_t cpu;
	uint64_t ns;
};

struct ledger_window {
	uint64_t wall;		  /* ns */
	struct account *accounts; /* by container; in no order */
	size_t naccounts;
	struct blame *blame; /* in no order */
	size_t nblame;
	uint64_t waited,
		attributed; /* ns of waiting for a CPU: all; for which somebody is to blame */
	/* Of the rest, in ns: began before what its CPU remembers; the kernel's map was full. */
	uint64_t forgotten, no_room;
	uint64_t astray;       /* events that did not fit, hence the unaccounted part */
	uint64_t without_slot; /* cgroups that found no slot */
};
/* `to` was read after `from`, of the same ledger; from NULL: since ledger_open(). */
struct ledger_window *ledger_window(struct ledger *ledger, const struct ledger_reading *from,
				    const struct ledger_reading *to);
void ledger_window_free(struct ledger_window *window);
/* The sum of several windows or accounts, for totals. */
void account_add(struct account *to, const struct account *from);

/* A thread in a window; with options.threads. */
struct thread_account {
	pid_t pid, tid;
	char thread[16], comm[16];
	const struct container *container;
	uint64_t ns[ACCOUNT_STATES]; /* running is all in ACCOUNT_USER + ACCOUNT_KERNEL, as split by
				      * the thread's own times */
	uint64_t total;
};
/* Those that live at `to`; an array of *n, freed by free(). */
struct thread_account *ledger_threads(struct ledger *ledger, const struct ledger_reading *from,
				      const struct ledger_reading *to, size_t *n);

/* The p-th percentile (0..1) of a histogram, ns, interpolated within its bucket; 0 when empty. */
uint64_t ledger_percentile(const uint64_t buckets[LEDGER_BUCKETS], double p);

#endif
