/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs to namers; see dispatch.h. */
#include "symbol/dispatch.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/confined.h"
#include "base/log.h"
#include "symbol/lookup.h"
#include "symbol/namer.h"

#define NAMERS_MAX 8
/* Starting a namer costs 1 ms: it must have more to do than that. Symbol tables are read at about
 * 500 MB/s, so this is some 2 ms. */
#define BYTES_PER_NAMER (1U << 20)
/* DWARF of a gigabyte, unpacked, and what is made of it. */
#define NAMER_MEMORY (2ULL << 30)
#define NAMER_MAPPED (64ULL << 30)
#define NAMER_CPU_S  300

/* The largest job that we have seen, 10,000 addresses in 300 MB of compressed C++, takes 2 s. */
const struct dispatch_options dispatch_usual = { .run = namer_run, .job_ms = 30000 };

enum { WITHOUT_DWARF = 1, WITHOUT_DEMANGLING, WITHOUT_NAMES };

struct namer {
	struct confined child; /* zeroed: not started */
	struct job *job;       /* NULL: idle */
	int sheet;
	int64_t deadline; /* ms */
};

struct office {
	const struct dispatch_options *options;
	struct namer namers[NAMERS_MAX];
	size_t nnamers;
	struct job **waiting; /* smallest first: taken from the end */
	size_t nwaiting, nbusy;
	uint64_t work; /* left for all together */
	job_done_fn done;
	void *context;
	struct dispatch_stats *stats;
};

static size_t count_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return (size_t)MAX(n, 1);
}

/* --- ends --- */

static void conclude(struct office *office, struct job *job, const struct answer *answer,
		     const struct reply *reply)
{
	static const struct reply none;

	office->stats->unanswered += !answer;
	office->done(job, answer, answer ? reply : &none, office->context);
}

static void give_up(struct office *office, struct job *job, const char *why)
{
	static const char *const less[] = {
		[WITHOUT_DWARF] = "inlined functions and lines are left out",
		[WITHOUT_DEMANGLING] = "names stay mangled",
		[WITHOUT_NAMES] = "it has no names",
	};

	office->stats->failures++;
	job->failures++;
	log_debug("%s: %s: %s", job->name, why, less[MIN(job->failures, WITHOUT_NAMES + 0U)]);
	if (job->failures >= WITHOUT_NAMES)
		conclude(office, job, NULL, NULL);
	else
		office->waiting[office->nwaiting++] = job;
}

static struct job *take_back(struct office *office, struct namer *namer)
{
	struct job *job = namer->job;

	office->work += job->request.work;
	office->nbusy--;
	namer->job = NULL;
	return job;
}

static void lose(struct office *office, struct namer *namer, const char *why)
{
	struct job *job = take_back(office, namer);

	confined_stop(&namer->child);
	close(namer->sheet);
	give_up(office, job, why);
}

/* --- beginnings --- */

static int start(const struct office *office, struct namer *namer)
{
	static const struct confined_options limits = {
		.name = "plimsoll-names",
		.memory = NAMER_MEMORY,
		.mapped = NAMER_MAPPED,
		.cpu_seconds = NAMER_CPU_S,
	};

	return namer->child.pid > 0
		       ? 0
		       : confined_start(&limits, office->options->run, NULL, &namer->child);
}

static int make_sheet(const struct job *job)
{
	_cleanup_close_ int sheet = memfd_create("plimsoll-names", MFD_CLOEXEC);
	size_t size = job->n * sizeof(*job->addresses);

	if (sheet < 0)
		return -errno;
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(sheet, (const char *)job->addresses + done, size - done,
				   (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return TAKE_FD(sheet);
}

static int send_job(struct office *office, struct namer *namer, struct job *job)
{
	int fds[1 + ASK_FILES] = { namer->sheet };
	size_t nfds = 1;

	job->request.n = (uint32_t)job->n;
	job->request.work = MIN(office->work, LOOKUP_WORK_SOURCE);
	if (job->failures >= WITHOUT_DWARF)
		job->request.source_work = 0;
	if (job->failures >= WITHOUT_DEMANGLING)
		job->request.demangles = 0;
	for (size_t i = 0; i < ASK_FILES; i++) {
		job->request.has_file[i] = job->files[i] >= 0;
		if (job->files[i] >= 0)
			fds[nfds++] = job->files[i];
	}
	return confined_send(namer->child.socket, &job->request, sizeof(job->request), fds, nfds);
}

static void hand_out(struct office *office, struct namer *namer)
{
	struct job *job = office->waiting[--office->nwaiting];
	int err = start(office, namer);

	namer->sheet = err ? err : make_sheet(job);
	if (!err && namer->sheet < 0)
		err = namer->sheet;
	if (!err)
		err = send_job(office, namer, job);
	if (err) {
		if (namer->sheet >= 0)
			close(namer->sheet);
		confined_stop(&namer->child);
		give_up(office, job, strerror(-err));
		return;
	}
	office->work -= job->request.work;
	office->nbusy++;
	namer->job = job;
	namer->deadline = clock_ms(CLOCK_MONOTONIC) + office->options->job_ms;
}

/* --- between --- */

static void take_answer(struct office *office, struct namer *namer)
{
	struct reply reply;
	struct answer answer;
	ssize_t size = confined_receive(namer->child.socket, &reply, sizeof(reply), NULL, NULL);
	struct job *job;

	if (size != sizeof(reply)) {
		lose(office, namer, "the process that read it died");
		return;
	}
	if (answer_read(namer->sheet, namer->job->n, &answer)) {
		lose(office, namer, "the answer makes no sense");
		return;
	}
	job = take_back(office, namer);
	office->work -= MIN(reply.work, job->request.work);
	close(namer->sheet);
	conclude(office, job, &answer, &reply);
	answer_free(&answer);
}

static void wait_for_answers(struct office *office)
{
	struct pollfd polls[NAMERS_MAX];
	struct namer *busy[NAMERS_MAX];
	int64_t now = clock_ms(CLOCK_MONOTONIC), first = INT64_MAX;
	nfds_t n = 0;

	for (size_t i = 0; i < office->nnamers; i++) {
		struct namer *namer = &office->namers[i];

		if (!namer->job)
			continue;
		first = MIN(first, namer->deadline);
		busy[n] = namer;
		polls[n++] = (struct pollfd){ .fd = namer->child.socket, .events = POLLIN };
	}
	if (poll(polls, n, (int)MAX(first - now, 0)) < 0)
		return; /* interrupted */
	now = clock_ms(CLOCK_MONOTONIC);
	for (nfds_t i = 0; i < n; i++) {
		if (polls[i].revents)
			take_answer(office, busy[i]);
		else if (now >= busy[i]->deadline)
			lose(office, busy[i], "reading it takes too long");
	}
}

static int by_size(const void *a, const void *b)
{
	const struct job *x = *(struct job *const *)a, *y = *(struct job *const *)b;

	return x->size < y->size ? -1 : x->size > y->size;
}

static size_t count_namers(const struct job *jobs, size_t n)
{
	uint64_t size = 0, most;

	for (size_t i = 0; i < n; i++)
		size += MIN(jobs[i].size, UINT64_MAX - size);
	most = MIN(count_cpus(), (uint64_t)NAMERS_MAX);
	return (size_t)MIN(MIN(most, (uint64_t)n), 1 + size / BYTES_PER_NAMER);
}

void dispatch(const struct dispatch_options *options, struct job *jobs, size_t n, job_done_fn done,
	      void *context, struct dispatch_stats *stats)
{
	struct office office = {
		.options = options,
		.nnamers = count_namers(jobs, n),
		.waiting = xcalloc(n + 1, sizeof(*office.waiting)),
		.nwaiting = n,
		.work = LOOKUP_WORK,
		.done = done,
		.context = context,
		.stats = stats,
	};

	for (size_t i = 0; i < n; i++)
		office.waiting[i] = &jobs[i];
	qsort(office.waiting, n, sizeof(*office.waiting), by_size);
	while (office.nwaiting || office.nbusy) {
		for (size_t i = 0; i < office.nnamers && office.nwaiting; i++)
			if (!office.namers[i].job)
				hand_out(&office, &office.namers[i]);
		if (office.nbusy)
			wait_for_answers(&office);
	}
	for (size_t i = 0; i < office.nnamers; i++)
		confined_stop(&office.namers[i].child);
	free(office.waiting);
}
