/* SPDX-License-Identifier: Apache-2.0 */
/* Who is measured, and what of each; see subjects.h. */
#include "cmd/subjects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/loop.h"

/* Events of hardware counters that may be open, of all cgroups together: about 1 KiB each in the
 * kernel, and each cgroup's are switched when the scheduler goes from one to another. */
#define EVENTS_MAX 16384

#define PROC_STAT_MAX 4096

#define NOBODY SIZE_MAX /* as index of a subject */

/* The three moments at which something was read. */
enum moment { BEGIN, MARK, LAST, MOMENTS };

struct subject {
	const struct container *container;
	size_t parent; /* index of the innermost one whose cgroup is around this one's */
	bool is_wanted;
	struct container_counts counts[MOMENTS];
	struct counters *counters; /* NULL: not opened */
	struct counter_reading counted[MOMENTS];
};

struct process {
	pid_t pid;
	char name[16];
	const struct container *container;
	/* Threads come and go, so their time is added up reading by reading. */
	struct account interval, whole;
	struct container_counts counts[MOMENTS]; /* the faults only */
};

struct subjects {
	struct subjects_options options;
	struct subject *all;
	size_t n, capacity;
	struct process *processes;
	struct ledger_reading *readings[MOMENTS]; /* MARK and LAST may be the one before them */
	uint64_t began, elapsed;		  /* CLOCK_MONOTONIC, ns; from there to LAST */
	uint64_t marked, interval; /* ns from the begin to MARK; from there to the records' end */
	int64_t time;		   /* of LAST, since the epoch */
	bool has_counters;	   /* this machine */
	bool is_full;		   /* no room for more counters, said once */
	size_t events;
	bool has_command_faults;
	uint64_t command_minor, command_major;
};

/* --- containers --- */

static bool wants_all(const struct subjects *s)
{
	return !s->options.npatterns && !s->options.npids && !s->options.command;
}

static bool is_wanted(const struct subjects *s, const struct container *container)
{
	if (wants_all(s) || container == s->options.command)
		return true;
	for (const struct container *c = container; c; c = c->parent)
		for (size_t i = 0; i < s->options.npatterns; i++)
			if (container_matches(c, s->options.patterns[i]))
				return true;
	return false;
}

static struct subject *find_subject(const struct subjects *s, const struct container *container)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].container == container)
			return &s->all[i];
	return NULL;
}

/* Does the cgroup of `inner` lie below that of `outer`? */
static bool is_below(const struct container *inner, const struct container *outer)
{
	size_t n = strlen(outer->cgroup);

	if (inner == outer || inner->kind == OWNER_HOST)
		return false;
	return outer->kind == OWNER_HOST ||
	       (strncmp(inner->cgroup, outer->cgroup, n) == 0 && inner->cgroup[n] == '/');
}

/* Finds its place in the tree, and whom it comes between. */
static void set_parents(struct subjects *s, size_t added)
{
	struct subject *all = s->all, *new = &all[added];

	for (size_t i = 0; i < s->n; i++)
		if (is_below(new->container, all[i].container) &&
		    (new->parent == NOBODY ||
		     is_below(all[i].container, all[new->parent].container)))
			new->parent = i;
	for (size_t i = 0; i < s->n; i++)
		if (is_below(all[i].container, new->container) &&
		    (all[i].parent == NOBODY ||
		     is_below(new->container, all[all[i].parent].container)))
			all[i].parent = added;
}

static void open_counters(struct subjects *s, struct subject *subject)
{
	size_t events = COUNTERS * (size_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
	_cleanup_close_ int cgroup = -1;
	int err = -EMFILE;

	/* The host is no cgroup of its own: its counters would be the whole machine's. */
	if (!s->has_counters || !subject->is_wanted || subject->container->kind == OWNER_HOST)
		return;
	cgroup = containers_perf_cgroup(s->options.containers, subject->container);
	if (cgroup < 0)
		return; /* gone, or never in that hierarchy: it has no counters */
	if (s->events + events <= EVENTS_MAX)
		err = counters_open(cgroup, counter_events, &subject->counters);
	if (!err) {
		s->events += events;
	} else if (err == -EMFILE && !s->is_full) {
		s->is_full = true;
		log_warn("hardware counters of the first %zu events only, the others are shown as "
			 "not supported (choose containers with -c)",
			 s->events);
	} else if (err != -EMFILE) {
		log_debug("no counters of %s: %s", subject->container->name, strerror(-err));
	}
}

/* One that was not there at the beginning began at nothing. */
static void read_subject(struct subjects *s, struct subject *subject)
{
	struct container_counts now;

	containers_counts(s->options.containers, subject->container, &now);
	if (now.has_faults || now.has_periods)
		subject->counts[LAST] = now;
	if (subject->counters)
		counters_read(subject->counters, &subject->counted[LAST]);
}

static int add_subject(const struct container *container, void *context)
{
	struct subjects *s = context;
	struct subject *subject = find_subject(s, container);

	if (!subject) {
		GROW(s->all, s->n, s->capacity);
		subject = &s->all[s->n++];
		*subject = (struct subject){ .container = container, .parent = NOBODY };
		set_parents(s, s->n - 1);
	}
	/* A container may get its name some time after its cgroup. */
	if (!subject->is_wanted && is_wanted(s, container)) {
		subject->is_wanted = true;
		open_counters(s, subject);
	}
	read_subject(s, subject);
	return 0;
}

/* --- processes --- */

/* "pid (comm) state ...": minflt is field 10, majflt field 12; proc(5). comm may hold anything. */
static void read_process(struct process *p)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", p->pid), *text = NULL;
	struct container_counts *counts = &p->counts[LAST];
	unsigned long long minor, major;
	char *open, *close;

	if (read_file(path, PROC_STAT_MAX, &text, NULL) < 0)
		return;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open)
		return;
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(close - open - 1), open + 1);
	if (sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu", &minor, &major) != 2)
		return;
	counts->faults = minor + major;
	counts->major_faults = major;
	counts->has_faults = true;
}

static void add_thread(struct account *to, const struct thread_account *t)
{
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		to->ns[i] += t->ns[i];
	to->total += t->total;
}

/* What the threads of the chosen processes did since the reading before. */
static int add_threads(struct subjects *s, const struct ledger_reading *from,
		       const struct ledger_reading *to)
{
	_cleanup_free_ struct thread_account *threads = NULL;
	size_t n = 0;

	if (!s->options.npids)
		return 0;
	errno = 0;
	threads = ledger_threads(s->options.ledger, from, to, &n);
	if (!threads && errno)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < s->options.npids; k++) {
			struct process *p = &s->processes[k];

			if (threads[i].pid != p->pid)
				continue;
			p->container = threads[i].container;
			add_thread(&p->interval, &threads[i]);
			add_thread(&p->whole, &threads[i]);
		}
	}
	return 0;
}

/* --- readings --- */

static void free_reading(struct subjects *s, enum moment moment)
{
	struct ledger_reading *old = s->readings[moment];

	s->readings[moment] = NULL;
	for (int i = 0; i < MOMENTS; i++)
		if (s->readings[i] == old)
			return;
	ledger_reading_free(old);
}

int subjects_read(struct subjects *s)
{
	struct ledger_reading *now = ledger_read(s->options.ledger);
	int err = now ? 0 : -errno;

	if (err) {
		log_error("cannot read the ledger: %s", strerror(-err));
		return err;
	}
	if (s->readings[LAST])
		err = add_threads(s, s->readings[LAST], now);
	free_reading(s, LAST);
	s->readings[LAST] = now;
	s->elapsed = clock_ns(CLOCK_MONOTONIC) - s->began;
	s->time = (int64_t)clock_ns(CLOCK_REALTIME);
	containers_each(s->options.containers, add_subject, s);
	add_subject(containers_host(s->options.containers), s);
	for (size_t i = 0; i < s->options.npids; i++)
		read_process(&s->processes[i]);
	if (err)
		log_error("cannot read the ledger's threads: %s", strerror(-err));
	return err;
}

static void copy_moment(struct subjects *s, enum moment to)
{
	free_reading(s, to);
	s->readings[to] = s->readings[LAST];
	for (size_t i = 0; i < s->n; i++) {
		s->all[i].counts[to] = s->all[i].counts[LAST];
		s->all[i].counted[to] = s->all[i].counted[LAST];
	}
	for (size_t i = 0; i < s->options.npids; i++)
		s->processes[i].counts[to] = s->processes[i].counts[LAST];
}

void subjects_mark(struct subjects *s)
{
	copy_moment(s, MARK);
	s->marked += s->interval;
	s->interval = 0;
	for (size_t i = 0; i < s->options.npids; i++)
		s->processes[i].interval = (struct account){ 0 };
}

/* Hundreds of containers with six events a CPU are more files than the usual 1024. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)EVENTS_MAX + 1024);
	/* Where this is not allowed, the counters that find no room are said to be missing. */
	setrlimit(RLIMIT_NOFILE, &limit);
}

int subjects_begin(const struct subjects_options *options, struct subjects **out)
{
	struct subjects *s = xcalloc(1, sizeof(*s));
	int err;

	s->options = *options;
	s->began = clock_ns(CLOCK_MONOTONIC);
	s->has_counters = counters_exist(counter_events);
	if (s->has_counters)
		allow_many_files();
	s->processes = xcalloc(MAX(options->npids, (size_t)1), sizeof(*s->processes));
	for (size_t i = 0; i < options->npids; i++) {
		s->processes[i].pid = options->pids[i];
		s->processes[i].container = containers_by_pid(options->containers,
							      options->pids[i]);
	}
	err = subjects_read(s);
	if (err) {
		subjects_free(s);
		return err;
	}
	copy_moment(s, BEGIN);
	subjects_mark(s);
	*out = s;
	return 0;
}

void subjects_free(struct subjects *s)
{
	if (!s)
		return;
	for (int i = 0; i < MOMENTS; i++)
		free_reading(s, (enum moment)i);
	for (size_t i = 0; i < s->n; i++)
		counters_close(s->all[i].counters);
	free(s->all);
	free(s->processes);
	free(s);
}

void subjects_add_command_faults(struct subjects *s, uint64_t minor, uint64_t major)
{
	s->has_command_faults = true;
	s->command_minor = minor;
	s->command_major = major;
}

uint64_t subjects_elapsed(const struct subjects *s)
{
	return s->elapsed;
}

void subjects_losses(struct subjects *s, uint64_t *without_slot, uint64_t *astray)
{
	struct ledger_window *w = ledger_window(s->options.ledger, s->readings[BEGIN],
						s->readings[LAST]);

	*without_slot = w ? w->without_slot : 0;
	*astray = w ? w->astray : 0;
	ledger_window_free(w);
}

/* --- records --- */

struct span {
	enum moment from;
	uint64_t begin, wall;
	bool whole;
};

static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/* The subject among whose faults those of this one are, too. */
static const struct subject *counted_in(const struct subjects *s, const struct subject *subject)
{
	while (subject->parent != NOBODY) {
		subject = &s->all[subject->parent];
		if (subject->counts[LAST].has_faults)
			return subject;
	}
	return NULL;
}

/* A cgroup counts the faults of those below it, which have records of their own. */
static void set_faults(const struct subjects *s, const struct subject *subject, enum moment from,
		       struct stat_record *r)
{
	const struct container_counts *a = &subject->counts[from], *b = &subject->counts[LAST];

	if (!b->has_faults)
		return;
	r->faults_from = r->kind == STAT_HOST ? "vmstat" : "memory.stat";
	r->faults = grown(a->faults, b->faults);
	r->major_faults = grown(a->major_faults, b->major_faults);
	for (size_t i = 0; i < s->n; i++) {
		const struct subject *other = &s->all[i];

		a = &other->counts[from];
		b = &other->counts[LAST];
		if (!b->has_faults || counted_in(s, other) != subject)
			continue;
		r->faults -= MIN(r->faults, grown(a->faults, b->faults));
		r->major_faults -= MIN(r->major_faults, grown(a->major_faults, b->major_faults));
	}
}

static void set_counts(const struct subjects *s, const struct subject *subject, enum moment from,
		       struct stat_record *r)
{
	const struct container_counts *a = &subject->counts[from], *b = &subject->counts[LAST];
	const struct counter_reading *c = subject->counted;

	set_faults(s, subject, from, r);
	r->cpu_limit = b->cpu_limit;
	r->has_quota = b->has_periods;
	r->periods = grown(a->periods, b->periods);
	r->throttled_periods = grown(a->throttled_periods, b->throttled_periods);
	r->throttled_ns = grown(a->throttled_ns, b->throttled_ns);
	r->has_counters = r->kind != STAT_HOST;
	if (!subject->counters)
		return;
	r->coverage = counters_coverage(&c[from], &c[LAST]);
	for (size_t i = 0; i < COUNTERS; i++)
		r->counts[i] = counters_between(&c[from], &c[LAST], (enum counter)i,
						&r->counters[i]);
}

static enum stat_kind kind_of(const struct subjects *s, const struct account *a)
{
	if (a->is_kernel)
		return STAT_KERNEL;
	if (a->container == s->options.command)
		return STAT_COMMAND;
	return a->container->kind == OWNER_HOST	  ? STAT_HOST
	       : a->container->kind == OWNER_UNIT ? STAT_UNIT
						  : STAT_CONTAINER;
}

static struct stat_record new_record(const struct subjects *s, const struct span *span)
{
	return (struct stat_record){ .time = s->time, .begin = span->begin, .wall = span->wall };
}

static struct stat_record record_of_account(struct subjects *s, const struct span *span,
					    const struct account *a)
{
	struct stat_record r = new_record(s, span);
	const struct subject *subject = find_subject(s, a->container);

	r.kind = kind_of(s, a);
	r.container = a->container;
	r.name = a->is_kernel ? "[kernel threads]" : a->container->name;
	r.account = *a;
	if (r.kind == STAT_COMMAND)
		r.pid = s->options.command_pid;
	if (subject && !a->is_kernel)
		set_counts(s, subject, span->from, &r);
	/* Known only when it is over, so of the whole. */
	if (r.kind == STAT_COMMAND && !r.faults_from && s->has_command_faults && span->whole) {
		r.faults_from = "getrusage";
		r.faults = s->command_minor + s->command_major;
		r.major_faults = s->command_major;
	}
	return r;
}

static struct stat_record record_of_process(const struct subjects *s, const struct span *span,
					    const struct process *p)
{
	const struct container_counts *a = &p->counts[span->from], *b = &p->counts[LAST];
	struct stat_record r = new_record(s, span);

	r.kind = STAT_PROCESS;
	r.name = *p->name ? p->name : "process";
	r.container = p->container;
	r.pid = p->pid;
	r.account = span->whole ? p->whole : p->interval;
	r.account.threads = span->wall ? (double)r.account.total / (double)span->wall : 0;
	if (b->has_faults) {
		r.faults_from = "/proc/PID/stat";
		r.faults = grown(a->faults, b->faults);
		r.major_faults = grown(a->major_faults, b->major_faults);
	}
	return r;
}

static int by_rank(const void *a, const void *b)
{
	static const int ranks[] = {
		[STAT_COMMAND] = 0, [STAT_PROCESS] = 1, [STAT_CONTAINER] = 2,
		[STAT_UNIT] = 2,    [STAT_KERNEL] = 3,	[STAT_HOST] = 4,
	};
	const struct stat_record *x = a, *y = b;
	uint64_t lost_x = stat_lost(x), lost_y = stat_lost(y);

	if (ranks[x->kind] != ranks[y->kind])
		return ranks[x->kind] - ranks[y->kind];
	if (lost_x != lost_y)
		return lost_x < lost_y ? 1 : -1;
	return strcmp(x->name, y->name);
}

static bool has_account(const struct ledger_window *w, const struct container *container)
{
	for (size_t i = 0; i < w->naccounts; i++)
		if (w->accounts[i].container == container && !w->accounts[i].is_kernel)
			return true;
	return false;
}

struct stat_record *subjects_records(struct subjects *s, bool whole, size_t *n)
{
	const enum moment from = whole ? BEGIN : MARK;
	struct ledger_window *w = ledger_window(s->options.ledger, s->readings[from],
						s->readings[LAST]);
	struct span span = { .from = from, .begin = whole ? 0 : s->marked, .whole = whole };
	struct stat_record *records;

	*n = 0;
	if (!w)
		return NULL;
	span.wall = w->wall;
	if (!whole)
		s->interval = w->wall;
	records = xcalloc(w->naccounts + s->n + s->options.npids + 1, sizeof(*records));
	for (size_t i = 0; i < s->options.npids; i++)
		records[(*n)++] = record_of_process(s, &span, &s->processes[i]);
	for (size_t i = 0; i < w->naccounts; i++) {
		const struct account *a = &w->accounts[i];

		if (a->is_kernel ? wants_all(s) : is_wanted(s, a->container))
			records[(*n)++] = record_of_account(s, &span, a);
	}
	/* Who was asked for is shown also when nobody of it was there. */
	for (size_t i = 0; i < s->n && !wants_all(s); i++) {
		const struct account none = { .container = s->all[i].container };

		if (s->all[i].is_wanted && !has_account(w, none.container))
			records[(*n)++] = record_of_account(s, &span, &none);
	}
	ledger_window_free(w);
	qsort(records, *n, sizeof(*records), by_rank);
	return records;
}
