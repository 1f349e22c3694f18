/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal `ledger`: wall time of every thread as one profile. Signal `offcpu` tells exactly how long
 * each thread was in which state, running among them; signal `cpu` samples what it ran. So samples
 * weigh what makes those of a thread add up to the time that it ran:
 *
 *     offcpu: thread ran 700 ms          cpu: 30 samples of f, 40 of g --> f 300 ms, g 400 ms
 *             waited 300 ms at h  -------------------------------------> h 300 ms
 *                                                                        = 1 s of wall time
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "base/log.h"
#include "signal/ledger.h"
#include "signal/offcpu.h"
#include "signal/signal.h"
#include "signal/stacks.h"

/* What a thread ran that no tick of the clock happened to see. */
#define FRAME_NOT_SAMPLED "[not sampled]"
#define STATE_RUNNING	  "running"

struct thread {
	uint32_t pid, tid;
	uint32_t labels; /* with STATE_RUNNING */
	uint64_t ran;	 /* ns */
	uint64_t ticks;
};

/* Samples of one thread at one stack. */
struct tick {
	uint32_t stack, labels, thread;
	uint64_t count;
};

struct signal {
	struct profile *profile;
	struct sample_sink sink;
	struct signal *cpu, *offcpu;
	int epoll;
	struct thread *threads;
	size_t nthreads, threads_capacity;
	struct index threads_by_number;
	struct tick *ticks;
	size_t nticks, ticks_capacity;
	struct index ticks_by_stack;
};

/* --- threads --- */

static bool same_thread(const void *key, uint32_t position, const void *context)
{
	const struct thread *a = key, *b = &((const struct signal *)context)->threads[position];

	return a->pid == b->pid && a->tid == b->tid;
}

static uint32_t labels_of(struct signal *s, struct stacks *stacks, const struct meaning *m,
			  const char *state)
{
	struct label labels[STACKS_LABELS_MAX];
	size_t n = stacks_labels(stacks, m, labels);

	labels[n++] = (struct label){ .key = profile_string(s->profile, "state"),
				      .text = profile_string(s->profile, state) };
	return profile_labels(s->profile, labels, n);
}

static uint32_t thread_of(struct signal *s, struct stacks *stacks, const struct meaning *m)
{
	struct thread key = { .pid = m->pid, .tid = m->tid };
	uint64_t hash = hash_combine(m->pid, m->tid);
	uint32_t found = index_find(&s->threads_by_number, hash, &key, same_thread, s);

	if (found != INDEX_NONE)
		return found;
	key.labels = labels_of(s, stacks, m, STATE_RUNNING);
	GROW(s->threads, s->nthreads, s->threads_capacity);
	s->threads[s->nthreads] = key;
	index_insert(&s->threads_by_number, hash, (uint32_t)s->nthreads);
	return (uint32_t)s->nthreads++;
}

/* --- what the two signals tell --- */

static bool same_tick(const void *key, uint32_t position, const void *context)
{
	const struct tick *a = key, *b = &((const struct signal *)context)->ticks[position];

	return a->stack == b->stack && a->labels == b->labels;
}

static void add_running(void *context, struct stacks *stacks, const struct meaning *m,
			uint64_t count)
{
	struct signal *s = context;
	const enum account_state state = m->in_kernel ? ACCOUNT_KERNEL : ACCOUNT_USER;
	const struct tick key = {
		.stack = m->stack,
		.labels = labels_of(s, stacks, m, account_state_name(state)),
		.thread = thread_of(s, stacks, m),
	};
	uint64_t hash = hash_combine(key.stack, key.labels);
	uint32_t found = index_find(&s->ticks_by_stack, hash, &key, same_tick, s);

	s->threads[key.thread].ticks += count;
	if (found == INDEX_NONE) {
		found = (uint32_t)s->nticks;
		GROW(s->ticks, s->nticks, s->ticks_capacity);
		s->ticks[s->nticks++] = key;
		index_insert(&s->ticks_by_stack, hash, found);
	}
	s->ticks[found].count += count;
}

static void add_state(void *context, struct stacks *stacks, const struct meaning *m, unsigned state,
		      uint64_t ns)
{
	const int64_t value = (int64_t)ns;
	struct signal *s = context;
	uint32_t thread;

	if (state == LEDGER_RUNNING) {
		/* Before the array is looked at: a new thread may move it. */
		thread = thread_of(s, stacks, m);
		s->threads[thread].ran += ns;
		return;
	}
	profile_add(s->profile, m->stack,
		    labels_of(s, stacks, m, offcpu_state_name((enum ledger_state)state)), &value);
}

/* --- the end --- */

static void add_ticks(struct signal *s)
{
	for (size_t i = 0; i < s->nticks; i++) {
		const struct tick *tick = &s->ticks[i];
		const struct thread *thread = &s->threads[tick->thread];
		const int64_t value = (int64_t)((double)thread->ran * (double)tick->count /
						(double)thread->ticks);

		if (value)
			profile_add(s->profile, tick->stack, tick->labels, &value);
	}
}

static void add_unsampled(struct signal *s)
{
	const uint32_t location = profile_named_location(s->profile, 0, FRAME_NOT_SAMPLED);
	const uint32_t stack = profile_stack(s->profile, &location, 1);

	for (size_t i = 0; i < s->nthreads; i++) {
		const int64_t value = (int64_t)s->threads[i].ran;

		if (value && !s->threads[i].ticks)
			profile_add(s->profile, stack, s->threads[i].labels, &value);
	}
}

static int ledger_drain(struct signal *s, bool last)
{
	int err = cpu_signal.drain(s->cpu, last);

	if (!err)
		err = offcpu_signal.drain(s->offcpu, last);
	if (!err && last) {
		add_ticks(s);
		add_unsampled(s);
	}
	return err;
}

static void ledger_profile_tick(struct signal *s)
{
	cpu_signal.tick(s->cpu);
}

static void ledger_profile_stop(struct signal *s)
{
	cpu_signal.stop(s->cpu);
	offcpu_signal.stop(s->offcpu);
}

/* --- open and close --- */

static void describe(struct signal *s)
{
	const struct value_type type = { profile_string(s->profile, "wall"),
					 profile_string(s->profile, "nanoseconds") };

	profile_set_types(s->profile, &type, 1);
	profile_head(s->profile)->default_type = type.type;
}

static int watch_fds(struct signal *s)
{
	const int fds[] = { cpu_signal.fd(s->cpu), offcpu_signal.fd(s->offcpu) };
	struct epoll_event event = { .events = EPOLLIN };

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return -errno;
	return 0;
}

static void ledger_profile_close(struct signal *s)
{
	if (!s)
		return;
	if (s->cpu)
		cpu_signal.close(s->cpu);
	if (s->offcpu)
		offcpu_signal.close(s->offcpu);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s->threads);
	index_free(&s->threads_by_number);
	free(s->ticks);
	index_free(&s->ticks_by_stack);
	free(s);
}

static int ledger_profile_open(const struct signal_options *options, struct signal **out)
{
	struct signal *s = xcalloc(1, sizeof(*s));
	struct signal_options part = *options;
	int err;

	s->profile = options->profile;
	s->epoll = -1;
	s->sink = (struct sample_sink){ s, add_running, add_state };
	part.sink = &s->sink;
	part.states = OFFCPU_STATES_ALL | 1U << LEDGER_RUNNING;
	part.threshold = 0;
	part.wakers = false;
	describe(s);
	err = cpu_signal.open(&part, &s->cpu);
	if (!err)
		err = offcpu_signal.open(&part, &s->offcpu);
	if (!err) {
		err = watch_fds(s);
		if (err)
			log_error("cannot wait for the kernel: %s", strerror(-err));
	}
	if (err) {
		ledger_profile_close(s);
		return err;
	}
	*out = s;
	return 0;
}

static int ledger_profile_fd(const struct signal *s)
{
	return s->epoll;
}

static size_t ledger_profile_lost(const struct signal *s, struct lost lost[LOST_MAX])
{
	struct lost more[LOST_MAX];
	size_t n = cpu_signal.lost(s->cpu, lost), nmore = offcpu_signal.lost(s->offcpu, more);

	for (size_t i = 0; i < nmore && n < LOST_MAX; i++)
		lost[n++] = more[i];
	return n;
}

const struct signal_ops ledger_signal = {
	.name = "ledger",
	.summary = "all wall time: what threads ran, and what they waited for",
	.samples = true,
	.open = ledger_profile_open,
	.fd = ledger_profile_fd,
	.drain = ledger_drain,
	.tick = ledger_profile_tick,
	.stop = ledger_profile_stop,
	.lost = ledger_profile_lost,
	.close = ledger_profile_close,
};
