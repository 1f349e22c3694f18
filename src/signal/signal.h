/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one interface of everything that watches: a signal opens its BPF programs, attaches them, and
 * drains what they gathered into the model. A new signal is bpf/NAME.bpf.c, signal/NAME.c, and a
 * row in signals[] (signal.c).
 */
#ifndef PLIMSOLL_SIGNAL_SIGNAL_H
#define PLIMSOLL_SIGNAL_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container/container.h"
#include "profile/profile.h"
#include "symbol/symbol.h"

struct meaning;
struct sideband;
struct signal;
struct stacks;
struct unwinder;
struct watch;

/* What was not seen, by reason; a row a counter, printed and kept in the profile's notes. */
struct lost {
	const char *what;   /* "samples" */
	const char *reason; /* "the sample map was full" */
	uint64_t count;
};
#define LOST_MAX 16
/* Those of `n` rows, at most LOST_MAX, that did happen; returns their number. */
size_t lost_counted(const struct lost *all, size_t n, struct lost lost[LOST_MAX]);

/* Where a signal's samples go when it is a part of another one, instead of the profile. */
struct sample_sink {
	void *context;
	/* So many ticks of the clock found this stack on a CPU. */
	void (*add_running)(void *context, struct stacks *stacks, const struct meaning *meaning,
			    uint64_t count);
	/* A thread was so long in a state (bpf/ledger.h), waiting at this stack. */
	void (*add_state)(void *context, struct stacks *stacks, const struct meaning *meaning,
			  unsigned state, uint64_t ns);
};

struct signal_options {
	unsigned frequency;  /* samples a second and CPU */
	uint32_t states;     /* to be recorded: bits 1 << enum ledger_state */
	uint64_t threshold;  /* ns; shorter waits are left out */
	bool wakers;	     /* join the stacks of those that end a wait */
	struct watch *watch; /* who is there; owns the kernel-side filter */
	struct containers *containers;
	struct symbols *symbols;
	struct sideband *sideband;	/* drained by the signal before its own records */
	struct unwinder *unwinder;	/* NULL: user stacks are walked by frame pointers */
	struct profile *profile;	/* receives the samples */
	const struct sample_sink *sink; /* or this does, if it is not NULL */
};

struct signal_ops {
	const char *name;    /* "cpu", as on the command line */
	const char *summary; /* one line for --help */
	bool samples;	     /* knows of a frequency */
	bool waits;	     /* knows of states, a threshold and wakers */
	/* Loads and attaches; from here on samples are gathered. 0 or negative errno, logged with
	 * the remedy. */
	int (*open)(const struct signal_options *options, struct signal **out);
	/* An epoll-able fd that is readable when drain() has work, or -1. */
	int (*fd)(const struct signal *signal);
	/* Moves what is ready into the model. `last`: everything. 0 or negative errno. */
	int (*drain)(struct signal *signal, bool last);
	/* Called about once a second, or NULL: CPU hotplug, maps that fill up. */
	void (*tick)(struct signal *signal);
	/* Stops gathering; drain(last) follows. */
	void (*stop)(struct signal *signal);
	size_t (*lost)(const struct signal *signal, struct lost lost[LOST_MAX]);
	void (*close)(struct signal *signal);
};

/* The signals, each defined in the file of its name. */
extern const struct signal_ops cpu_signal;
extern const struct signal_ops offcpu_signal;
extern const struct signal_ops ledger_signal;

/* Ends with NULL. */
extern const struct signal_ops *const signals[];
const struct signal_ops *signal_by_name(const char *name);

#endif
