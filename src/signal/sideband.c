/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf's side band. One dummy event a CPU samples nothing; its ring carries only the records that
 * the kernel writes as things happen. A process moves between CPUs, so the rings are read together
 * and their records sorted by time before they are believed.
 *
 *     ring of one CPU (perf_event_open(2), "MMAP layout")
 *     | perf_event_mmap_page | record | record | ... |     data_tail ours, data_head the kernel's
 */
#include "signal/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "signal/cpus.h"

/* Data pages of a ring, a power of two: a mapping record is some 120 bytes, so 64 KiB hold 500. */
#define RING_PAGES 16

struct ring {
	int cpu;
	int fd;
	struct perf_event_mmap_page *page;
};

struct sideband {
	struct symbols *symbols;
	struct ring *rings; /* those that are open */
	size_t nrings, rings_capacity;
	int epoll;
	bool has_build_id;
	uint64_t lost;
};

/* A record copied out of a ring, to be sorted. */
struct entry {
	uint64_t time;
	const struct perf_event_header *record;
};

/* What follows the header in each record; include/uapi/linux/perf_event.h, enum perf_event_type. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t address, length, offset;
	union {
		struct {
			uint32_t major, minor;
			uint64_t inode, inode_generation;
		};
		struct {
			uint8_t build_id_size;
			uint8_t reserved[3];
			uint8_t build_id[20];
		};
	};
	uint32_t protection, flags;
	char path[];
};

struct task_record { /* PERF_RECORD_FORK and PERF_RECORD_EXIT */
	struct perf_event_header header;
	uint32_t pid, parent_pid, tid, parent_tid;
	uint64_t time;
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t ring_bytes(void)
{
	return (RING_PAGES + 1) * page_size();
}

static int open_event(struct sideband *s, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)(RING_PAGES * page_size() / 2),
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.build_id = s->has_build_id,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	/* Build IDs in mapping records came with 5.12. */
	if (fd < 0 && errno == EINVAL && s->has_build_id) {
		s->has_build_id = false;
		return open_event(s, cpu);
	}
	return fd < 0 ? -errno : fd;
}

static int open_ring(struct sideband *s, int cpu)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct ring ring = { .cpu = cpu };
	int err;

	ring.fd = open_event(s, cpu);
	if (ring.fd < 0)
		return ring.fd;
	ring.page = mmap(NULL, ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, 0);
	if (ring.page == MAP_FAILED || epoll_ctl(s->epoll, EPOLL_CTL_ADD, ring.fd, &event) < 0) {
		err = -errno;
		if (ring.page != MAP_FAILED)
			munmap(ring.page, ring_bytes());
		close(ring.fd);
		return err;
	}
	GROW(s->rings, s->nrings, s->rings_capacity);
	s->rings[s->nrings++] = ring;
	return 0;
}

static void close_ring(struct ring *ring)
{
	munmap(ring->page, ring_bytes());
	close(ring->fd);
}

/* --- reading --- */

static void copy_out(const struct ring *ring, uint64_t position, void *to, size_t size)
{
	const char *data = (const char *)ring->page + ring->page->data_offset;
	size_t offset = position & (ring->page->data_size - 1);
	size_t first = MIN(size, ring->page->data_size - offset);

	memcpy(to, data + offset, first);
	memcpy((char *)to + first, data, size - first);
}

/*
 * When it happened: the last two words of the trailer that sample_id_all puts behind every record
 * (TID, then TIME). */
static uint64_t time_of(const struct perf_event_header *record)
{
	uint64_t time = 0;

	if (record->size >= sizeof(*record) + 16)
		memcpy(&time, (const char *)record + record->size - sizeof(time), sizeof(time));
	return time;
}

static void read_ring(const struct ring *ring, struct arena *arena, struct entry **entries,
		      size_t *n, size_t *capacity)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;

	while (tail < head) {
		struct perf_event_header header;
		void *copy;

		copy_out(ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) || header.size > head - tail)
			break;
		copy = arena_alloc(arena, header.size + 1U); /* paths end within, whatever comes */
		copy_out(ring, tail, copy, header.size);
		GROW(*entries, *n, *capacity);
		(*entries)[(*n)++] = (struct entry){ .time = time_of(copy), .record = copy };
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
}

static void on_mmap(struct sideband *s, const struct mmap2_record *r)
{
	struct map_event event = {
		.pid = (pid_t)r->pid,
		.start = r->address,
		.length = r->length,
		.offset = r->offset,
		.path = r->path,
	};

	if (r->header.size < sizeof(*r))
		return;
	if (r->header.misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		event.build_id = r->build_id;
		event.build_id_size = MIN(r->build_id_size, sizeof(r->build_id));
	} else {
		/* As the kernel's makedev: 12 bits of major, 20 of minor. */
		event.device = (uint64_t)r->major << 20 | r->minor;
		event.inode = r->inode;
		event.inode_generation = r->inode_generation;
	}
	symbols_on_map(s->symbols, &event);
}

static void on_record(struct sideband *s, const struct perf_event_header *record)
{
	const struct task_record *task = (const void *)record;

	switch (record->type) {
	case PERF_RECORD_MMAP2:
		on_mmap(s, (const void *)record);
		break;
	case PERF_RECORD_COMM:
		if (record->misc & PERF_RECORD_MISC_COMM_EXEC &&
		    record->size >= sizeof(struct comm_record))
			symbols_on_exec(s->symbols,
					(pid_t)((const struct comm_record *)record)->pid);
		break;
	case PERF_RECORD_FORK:
		if (record->size >= sizeof(*task) && task->pid != task->parent_pid)
			symbols_on_fork(s->symbols, (pid_t)task->parent_pid, (pid_t)task->pid);
		break;
	case PERF_RECORD_EXIT:
		if (record->size >= sizeof(*task) && task->pid == task->tid)
			symbols_on_exit(s->symbols, (pid_t)task->pid);
		break;
	case PERF_RECORD_LOST:
		if (record->size >= sizeof(struct lost_record))
			s->lost += ((const struct lost_record *)record)->lost;
		break;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

void sideband_drain(struct sideband *s)
{
	_cleanup_free_ struct entry *entries = NULL;
	struct arena arena = { 0 };
	size_t n = 0, capacity = 0;

	for (size_t i = 0; i < s->nrings; i++)
		read_ring(&s->rings[i], &arena, &entries, &n, &capacity);
	if (n)
		qsort(entries, n, sizeof(*entries), by_time);
	for (size_t i = 0; i < n; i++)
		on_record(s, entries[i].record);
	arena_free(&arena);
}

/* --- open and close --- */

static bool has_ring(const struct sideband *s, int cpu)
{
	for (size_t i = 0; i < s->nrings; i++)
		if (s->rings[i].cpu == cpu)
			return true;
	return false;
}

/* An offline CPU takes its event along; the ring is read to its end and given back. */
static void close_offline(struct sideband *s, const struct cpus *cpus)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nrings; i++) {
		if (cpus->online[s->rings[i].cpu])
			s->rings[kept++] = s->rings[i];
		else
			close_ring(&s->rings[i]);
	}
	s->nrings = kept;
}

static int open_online(struct sideband *s, const struct cpus *cpus)
{
	for (int cpu = 0; cpu <= cpus->highest; cpu++) {
		if (!cpus->online[cpu] || has_ring(s, cpu))
			continue;
		int err = open_ring(s, cpu);

		/* It went offline between our two looks. */
		if (err && err != -ENODEV)
			return err;
	}
	return 0;
}

void sideband_tick(struct sideband *s)
{
	struct cpus cpus;

	sideband_drain(s);
	if (cpus_read(&cpus) < 0)
		return;
	close_offline(s, &cpus);
	open_online(s, &cpus);
}

int sideband_open(struct symbols *symbols, struct sideband **out)
{
	struct sideband *s = xcalloc(1, sizeof(*s));
	int err;

	s->symbols = symbols;
	s->has_build_id = true;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0) {
		err = -errno;
		log_error("cannot watch mappings: %s", strerror(-err));
		free(s);
		return err;
	}
	*out = s;
	return 0;
}

int sideband_start(struct sideband *s)
{
	struct cpus cpus;
	int err = cpus_read(&cpus);

	if (!err)
		err = open_online(s, &cpus);
	if (err)
		log_error(
			"cannot watch mappings by perf_event_open: %s ('plimsoll doctor' says what "
			"is missing)",
			strerror(-err));
	return err;
}

void sideband_close(struct sideband *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nrings; i++)
		close_ring(&s->rings[i]);
	free(s->rings);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s);
}

int sideband_fd(const struct sideband *s)
{
	return s->epoll;
}

uint64_t sideband_lost(const struct sideband *s)
{
	return s->lost;
}
