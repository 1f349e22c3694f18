/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal `cpu`: the user half of bpf/cpu.bpf.c. Opens one perf event a CPU, hears of each stack
 * that takes a slot, and gets the counts as slots change hands and at the end.
 *
 *     ring `stacks`  --> stacks.h: hash -> stack, labels       (what the kernel counts now)
 *                    --> evicted hash, count                   --> profile_add()
 *                    --> deferred sample --> unwinder          --> profile_add()
 *     map `sets`     --> hash, count of each, when it is over  --> profile_add()
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/cpu.h"
#include "cpu.skel.h"
#include "signal/cpus.h"
#include "signal/sideband.h"
#include "signal/signal.h"
#include "signal/stacks.h"
#include "signal/unwinder.h"

struct event {
	int cpu;
	int fd;
	struct bpf_link *link;
};

/* When so many samples were walked here, the older half goes to the profile. */
#define WALKED_MAX 16384

struct signal {
	struct signal_options options;
	struct cpu_bpf *bpf;
	struct ring_buffer *ring;
	struct stacks *stacks;
	uint32_t event_type;
	uint64_t event_config;
	struct event *events;
	size_t nevents, events_capacity;
	const struct slot *slots; /* mapped: the tables of all CPUs, one after the other */
	size_t nslots;
	struct meaning *walked; /* samples that no slot counts */
	size_t nwalked, walked_capacity;
	uint64_t lost_unknown; /* counts whose stack never came */
};

/* --- counts --- */

static void add_samples(struct signal *s, const struct meaning *m, uint64_t count)
{
	struct profile *p = s->options.profile;
	const int64_t values[] = { (int64_t)count, (int64_t)count * profile_head(p)->period };
	struct label labels[STACKS_LABELS_MAX];

	stacks_count(s->stacks, m, count);
	if (s->options.sink) {
		s->options.sink->add_running(s->options.sink->context, s->stacks, m, count);
		return;
	}
	profile_add(p, m->stack, profile_labels(p, labels, stacks_labels(s->stacks, m, labels)),
		    values);
}

/* A slot was taken over, or the recording is over: what it counted goes to the profile. */
static void add_count(struct signal *s, struct slot slot)
{
	const struct meaning *m;

	if (!slot.count)
		return;
	m = stacks_find(s->stacks, slot.hash);
	if (m)
		add_samples(s, m, slot.count);
	else
		s->lost_unknown += slot.count;
}

/* The oldest n of those that were walked here. */
static void add_walked(struct signal *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_samples(s, &s->walked[i], 1);
	s->nwalked -= n;
	memmove(s->walked, s->walked + n, s->nwalked * sizeof(*s->walked));
}

/* A sample that was deferred is one by itself, no slot counts it. A container that has just started
 * may have no name yet, so it waits for a while like those in slots. */
static void on_single(void *context, const struct meaning *meaning)
{
	struct signal *s = context;

	if (s->nwalked >= WALKED_MAX)
		add_walked(s, WALKED_MAX / 2);
	GROW(s->walked, s->nwalked, s->walked_capacity);
	s->walked[s->nwalked++] = *meaning;
}

static int on_record(void *context, void *data, size_t size)
{
	const struct record_head *head = data;
	struct signal *s = context;

	if (size >= sizeof(*head) && head->kind == RECORD_STACK)
		add_count(s, head->evicted);
	stacks_on_record(s->stacks, data, size);
	return 0;
}

/* Forgets what no slot holds any more, when as much is remembered as all slots could hold twice
 * over. */
static void sweep(struct signal *s)
{
	if (!stacks_are_many(s->stacks, 2 * s->nslots))
		return;
	for (size_t i = 0; i < s->nslots; i++)
		stacks_mark(s->stacks, s->slots[i].hash);
	stacks_sweep(s->stacks);
}

static void drain_last(struct signal *s)
{
	stacks_finish(s->stacks);
	for (size_t i = 0; i < s->nslots; i++)
		add_count(s, s->slots[i]);
	add_walked(s, s->nwalked);
	stacks_note(s->stacks);
}

static int cpu_drain(struct signal *s, bool last)
{
	/* Mappings first: the stacks are read in their light. */
	sideband_drain(s->options.sideband);
	ring_buffer__consume(s->ring);
	if (s->options.unwinder)
		unwinder_work(s->options.unwinder);
	if (last)
		drain_last(s);
	else
		sweep(s);
	return 0;
}

/* --- events --- */

static int open_event(const struct signal *s, int cpu)
{
	const unsigned frequency = s->options.frequency;
	struct perf_event_attr attr = {
		.type = s->event_type,
		.size = sizeof(attr),
		.config = s->event_config,
	};

	if (s->event_type == PERF_TYPE_HARDWARE) {
		attr.freq = 1;
		attr.sample_freq = frequency;
	} else {
		/* The clock counts nanoseconds: an exact period rather than a controlled one. */
		attr.sample_period = 1000000000ULL / frequency;
	}
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Virtual machines often have no counters; the clock is always there. */
static void choose_event(struct signal *s)
{
	s->event_type = PERF_TYPE_HARDWARE;
	s->event_config = PERF_COUNT_HW_CPU_CYCLES;
	int fd = open_event(s, 0);

	if (fd >= 0) {
		close(fd);
		return;
	}
	s->event_type = PERF_TYPE_SOFTWARE;
	s->event_config = PERF_COUNT_SW_CPU_CLOCK;
}

static bool has_event(const struct signal *s, int cpu)
{
	for (size_t i = 0; i < s->nevents; i++)
		if (s->events[i].cpu == cpu)
			return true;
	return false;
}

static int attach_cpu(struct signal *s, int cpu)
{
	struct event event = { .cpu = cpu };
	int err;

	event.fd = open_event(s, cpu);
	if (event.fd < 0)
		return event.fd;
	event.link = bpf_program__attach_perf_event(s->bpf->progs.on_sample, event.fd);
	if (!event.link) {
		err = -errno;
		close(event.fd);
		return err;
	}
	GROW(s->events, s->nevents, s->events_capacity);
	s->events[s->nevents++] = event;
	return 0;
}

static int attach_online(struct signal *s, const struct cpus *cpus)
{
	for (int cpu = 0; cpu <= cpus->highest; cpu++) {
		if (!cpus->online[cpu] || has_event(s, cpu))
			continue;
		int err = attach_cpu(s, cpu);

		/* It went offline between our two looks. */
		if (err && err != -ENODEV)
			return err;
	}
	return 0;
}

/* Destroying the link also closes the event. */
static void close_event(struct event *event)
{
	bpf_link__destroy(event->link);
}

static void detach_offline(struct signal *s, const struct cpus *cpus)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nevents; i++) {
		if (cpus->online[s->events[i].cpu])
			s->events[kept++] = s->events[i];
		else
			close_event(&s->events[i]);
	}
	s->nevents = kept;
}

static void cpu_tick(struct signal *s)
{
	struct cpus cpus;
	int err;

	if (cpus_read(&cpus) < 0)
		return;
	detach_offline(s, &cpus);
	err = attach_online(s, &cpus);
	if (err)
		log_warn("a CPU came online and cannot be sampled: %s", strerror(-err));
}

static void cpu_stop(struct signal *s)
{
	for (size_t i = 0; i < s->nevents; i++)
		ioctl(s->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

/* --- open and close --- */

static void describe(struct signal *s)
{
	struct profile *p = s->options.profile;
	const struct value_type types[] = {
		{ profile_string(p, "samples"), profile_string(p, "count") },
		{ profile_string(p, "cpu"), profile_string(p, "nanoseconds") },
	};
	struct profile_head *head = profile_head(p);

	head->period_type = types[1];
	head->period = 1000000000 / s->options.frequency;
	if (s->options.sink)
		return;
	profile_set_types(p, types, ARRAY_SIZE(types));
	head->default_type = types[1].type;
}

static int load(struct signal *s)
{
	int possible_cpus = libbpf_num_possible_cpus(), err;
	struct stacks_settings settings;
	struct stacks_maps maps;

	if (possible_cpus < 0)
		return possible_cpus;
	s->bpf = cpu_bpf__open();
	if (!s->bpf)
		return -errno;
	maps = STACKS_MAPS(s->bpf);
	settings = STACKS_SETTINGS(s->bpf);
	err = stacks_prepare(s->stacks, &maps, &settings, possible_cpus);
	s->nslots = (size_t)possible_cpus * SETS * WAYS;
	bpf_map__set_max_entries(s->bpf->maps.sets, (uint32_t)possible_cpus * SETS);
	if (!err)
		err = cpu_bpf__load(s->bpf);
	if (!err)
		err = stacks_mmap(s->bpf->maps.sets, s->nslots * sizeof(*s->slots), PROT_READ,
				  (void **)&s->slots);
	return err ? err : stacks_map_known(s->stacks, &maps);
}

static void cpu_close(struct signal *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nevents; i++)
		close_event(&s->events[i]);
	free(s->events);
	ring_buffer__free(s->ring);
	if (s->slots)
		munmap((void *)s->slots, s->nslots * sizeof(*s->slots));
	cpu_bpf__destroy(s->bpf);
	stacks_free(s->stacks);
	free(s->walked);
	free(s);
}

static int cpu_open(const struct signal_options *options, struct signal **out)
{
	struct signal *s = xcalloc(1, sizeof(*s));
	const char *what = "load the sampling program";
	struct cpus cpus;
	int err;

	s->options = *options;
	s->stacks = stacks_new(&(struct stacks_options){
		.signal = &s->options,
		.on_single = on_single,
		.context = s,
	});
	describe(s);
	err = cpus_read(&cpus);
	if (!err)
		err = load(s);
	if (!err) {
		what = "map the ring of stacks";
		s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.stacks), on_record, s, NULL);
		err = s->ring ? 0 : -errno;
	}
	if (!err) {
		err = sideband_start(options->sideband);
		if (err) {
			cpu_close(s);
			return err;
		}
	}
	if (!err) {
		what = "sample the CPUs";
		choose_event(s);
		err = attach_online(s, &cpus);
	}
	if (err) {
		log_error("cannot %s: %s ('plimsoll doctor' says what is missing)", what,
			  strerror(-err));
		cpu_close(s);
		return err;
	}
	*out = s;
	return 0;
}

static int cpu_fd(const struct signal *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

static size_t cpu_lost(const struct signal *s, struct lost lost[LOST_MAX])
{
	const struct lost all[] = {
		{ "samples", "the ring of stacks was full", s->bpf->bss->lost_ring_full },
		{ "samples", "their stack did not arrive", s->lost_unknown },
		{ "stacks", "the profile was full", stacks_lost(s->stacks) },
		{ "Python parts of stacks", "the interpreter's data could not be read",
		  s->bpf->bss->lost_python_frames },
	};

	return lost_counted(all, ARRAY_SIZE(all), lost);
}

const struct signal_ops cpu_signal = {
	.name = "cpu",
	.summary = "where CPU time goes, by sampling stacks",
	.samples = true,
	.open = cpu_open,
	.fd = cpu_fd,
	.drain = cpu_drain,
	.tick = cpu_tick,
	.stop = cpu_stop,
	.lost = cpu_lost,
	.close = cpu_close,
};
