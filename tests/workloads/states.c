/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that spend known shares of their time in known states, and keep their own account of it:
 *
 *     states [-n WORKERS] [-d SECONDS] [-f FILE] PHASE=MILLISECONDS...
 *     states -d 5 sleep=30 burn=20 pipe=25 futex=25
 *
 * Every worker goes through its phases again and again. Each phase ends at a deadline that is
 * reckoned from the program's start, so what comes late does not add up. Who waits for somebody
 * waits for the main thread, which notes the time and then wakes him: a wait has ended at that
 * note, and whatever passes until the thread goes on is waiting for a CPU. So the account is right
 * on a busy host too:
 *
 *     blocked    from before the system call to the note, or to the deadline of a timer, but for
 * what it waited for a CPU until then waiting    for a CPU, as the kernel counts it in schedstat
 *     running    the thread's CPU time
 *     late       all the rest, which nobody here can tell: timers that fired late, interrupts while
 *                it ran, time that a hypervisor took
 *
 * After each round a thread writes a line: NOW is CLOCK_MONOTONIC, all others are nanoseconds since
 * the thread began:
 *
 *     THREAD NOW TOTAL late=N running=N waiting=N idle=N disk=N network=N lock=N pipe=N child=N
 *
 * THREAD counts from 0, the main thread. A child's time is in the account of its parent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_clock.h"

/* A function of its own in the binary, which stacks show. */
#define PHASE __attribute__((noinline, noclone)) static
/* Something is left to do after a call, so that it cannot become a jump. */
#define RETURN_HERE() __asm__ volatile("" ::: "memory")

#define WORKERS_MAX 64
#define PHASES_MAX  16
#define MS	    INT64_C(1000000)
#define BLOCK	    (64 << 10) /* of a read from the disk */

enum state { IDLE, DISK, NETWORK, LOCK, PIPE, CHILD, STATES };
static const char *const state_names[STATES] = {
	"idle", "disk", "network", "lock", "pipe", "child"
};

struct account {
	int64_t total, running, waiting, ns[STATES];
};

/* What a worker waits for in one phase. */
struct wait {
	int in, out; /* one byte (eventfd: 8) is written to `out` for who waits at `in` */
	int epoll;
	uint32_t woken; /* how often; the futex */
	int64_t note;	/* when last */
};

struct worker {
	int number;
	int64_t born, begin; /* the thread; its first round */
	uint32_t round;	     /* the present one, from 1 */
	struct wait waits[PHASES_MAX];
	struct account account;
};

struct phase {
	const struct kind *kind;
	int64_t end; /* ns after the round's begin */
};

struct kind {
	const char *name;
	enum state state;
	/* Until the deadline. */
	void (*pass)(struct worker *worker, struct wait *wait, int64_t until);
	/* For those that are woken: */
	int (*open)(struct wait *wait);
	void (*wake)(struct wait *wait);
	void (*block)(struct wait *wait, uint32_t seen);
};

static struct worker workers[1 + WORKERS_MAX];
static int nworkers = 1;
static struct phase phases[PHASES_MAX];
static int nphases;
static int64_t round_length, end = INT64_MAX;
static const char *file;

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

/* How long this thread has waited for a CPU since it began: the second number of schedstat, see
 * Documentation/scheduler/sched-stats.rst. `fd` keeps the file open. */
static int64_t waited(int *fd)
{
	char text[128] = "";
	long long ran, delay;

	if (*fd < 0)
		*fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	if (pread(*fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%lld %lld", &ran, &delay) != 2)
		fail("schedstat");
	return delay;
}

/* Before a system call that blocks. */
struct start {
	int64_t now, waited;
};
static __thread int schedstat = -1;

static struct start start_now(void)
{
	return (struct start){ monotonic_ns(), waited(&schedstat) };
}

/* For how long it blocked, which ended at `end`. It has waited for a CPU since then, all that the
 * kernel counts besides was before: it was taken off its CPU when it was about to block. */
static int64_t blocked_until(const struct start *start, int64_t end)
{
	int64_t before = waited(&schedstat) - start->waited - (monotonic_ns() - end);

	return end - start->now - (before > 0 ? before : 0);
}

/* --- phases without another thread --- */

static void sleep_until(int64_t until)
{
	struct timespec t = { until / 1000000000, until % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

PHASE void sleeps(struct worker *worker, struct wait *wait, int64_t until)
{
	const struct start start = start_now();

	if (start.now < until) {
		sleep_until(until);
		worker->account.ns[IDLE] += blocked_until(&start, until);
	}
	(void)wait;
}

PHASE void burns(struct worker *worker, struct wait *wait, int64_t until)
{
	while (monotonic_ns() < until)
		burn_until(thread_cpu_ns() + 20000, 3);
	(void)worker, (void)wait;
}

/* The child's notes. */
struct child {
	int64_t end, ran, waited, slept;
};

PHASE void is_child(volatile struct child *child, int64_t until)
{
	struct start start;

	schedstat = -1; /* that is its parent's */
	start = start_now();
	if (start.now < until) {
		sleep_until(until);
		child->slept = blocked_until(&start, until);
	}
	child->ran = thread_cpu_ns();
	child->waited = waited(&schedstat);
	child->end = monotonic_ns();
	_exit(0);
}

PHASE void waits_for_child(struct worker *worker, struct wait *wait, int64_t until)
{
	static __thread volatile struct child *child;
	struct account *account = &worker->account;
	struct start start;
	int64_t born;
	pid_t pid;

	if (!child)
		child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child == MAP_FAILED)
		fail("mmap");
	if (monotonic_ns() >= until)
		return;
	*child = (struct child){ 0 };
	born = monotonic_ns();
	pid = fork();
	if (!pid)
		is_child(child, until);
	start = start_now();
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		fail("child");
	if (child->end > start.now)
		account->ns[CHILD] += blocked_until(&start, child->end);
	account->ns[IDLE] += child->slept;
	account->running += child->ran;
	account->waiting += child->waited;
	account->total += child->end - born;
	(void)wait;
}

/* All of a read is the disk's but the CPU time, and what the thread waited for a CPU. */
PHASE void reads_disk(struct worker *worker, struct wait *wait, int64_t until)
{
	static __thread char *block;
	static __thread int fd;
	static __thread off_t at, size;

	if (!block) {
		block = aligned_alloc(4096, BLOCK);
		fd = open(file ? file : "", O_RDONLY | O_DIRECT | O_CLOEXEC);
		size = lseek(fd, 0, SEEK_END) / BLOCK * BLOCK;
		if (!block || size < BLOCK)
			fail("disk");
	}
	for (int64_t now = monotonic_ns(); now < until;) {
		int64_t from = now, cpu = thread_cpu_ns() + waited(&schedstat);

		if (pread(fd, block, BLOCK, at % size) != BLOCK)
			fail("disk");
		at += BLOCK;
		cpu = thread_cpu_ns() + waited(&schedstat) - cpu;
		now = monotonic_ns();
		worker->account.ns[DISK] += now - from - cpu;
	}
	(void)wait;
}

/* --- phases that the main thread ends --- */

static void await(struct worker *worker, struct wait *wait, const struct kind *kind)
{
	const struct start start = start_now();
	bool blocked = false;
	uint32_t seen;

	/* What earlier rounds left, because they came too late to wait, is taken away in passing.
	 */
	while ((int32_t)((seen = __atomic_load_n(&wait->woken, __ATOMIC_ACQUIRE)) - worker->round) <
	       0) {
		kind->block(wait, seen);
		blocked = true;
	}
	if (blocked && wait->note > start.now)
		worker->account.ns[kind->state] += blocked_until(&start, wait->note);
}

static void write_event(struct wait *wait)
{
	uint64_t one = 1;

	if (write(wait->out, &one, sizeof(one)) != sizeof(one))
		fail("wake");
}

static void read_event(struct wait *wait)
{
	uint64_t event;

	if (read(wait->in, &event, sizeof(event)) != sizeof(event))
		fail("read");
}

static int open_pipe(struct wait *wait)
{
	int ends[2];

	if (pipe(ends))
		return -1;
	wait->in = ends[0];
	wait->out = ends[1];
	return 0;
}

static int open_eventfd(struct wait *wait)
{
	wait->in = wait->out = eventfd(0, EFD_CLOEXEC);
	return wait->in;
}

static int open_epoll(struct wait *wait)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (open_eventfd(wait) < 0)
		return -1;
	wait->epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(wait->epoll, EPOLL_CTL_ADD, wait->in, &event);
}

/* A connection over the loopback device. */
static int open_connection(struct wait *wait)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	wait->in = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server, (struct sockaddr *)&address, length) || listen(server, 1) ||
	    getsockname(server, (struct sockaddr *)&address, &length) ||
	    connect(wait->in, (struct sockaddr *)&address, length))
		return -1;
	wait->out = accept(server, NULL, NULL);
	close(server);
	return setsockopt(wait->out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int open_nothing(struct wait *wait)
{
	(void)wait;
	return 0;
}

static void wake_futex(struct wait *wait)
{
	syscall(SYS_futex, &wait->woken, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

PHASE void waits_on_pipe(struct wait *wait, uint32_t seen)
{
	read_event(wait);
	RETURN_HERE();
	(void)seen;
}

PHASE void waits_on_futex(struct wait *wait, uint32_t seen)
{
	syscall(SYS_futex, &wait->woken, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	RETURN_HERE();
}

PHASE void waits_for_server(struct wait *wait, uint32_t seen)
{
	read_event(wait);
	RETURN_HERE();
	(void)seen;
}

PHASE void waits_for_event(struct wait *wait, uint32_t seen)
{
	read_event(wait);
	RETURN_HERE();
	(void)seen;
}

PHASE void polls(struct wait *wait, uint32_t seen)
{
	struct pollfd poll_for = { .fd = wait->in, .events = POLLIN };

	poll(&poll_for, 1, -1);
	read_event(wait);
	(void)seen;
}

PHASE void epolls(struct wait *wait, uint32_t seen)
{
	struct epoll_event event;

	epoll_wait(wait->epoll, &event, 1, -1);
	read_event(wait);
	(void)seen;
}

static const struct kind kinds[] = {
	{ "sleep", IDLE, sleeps, NULL, NULL, NULL },
	{ "burn", STATES, burns, NULL, NULL, NULL },
	{ "child", CHILD, waits_for_child, NULL, NULL, NULL },
	{ "disk", DISK, reads_disk, NULL, NULL, NULL },
	{ "pipe", PIPE, NULL, open_pipe, write_event, waits_on_pipe },
	{ "futex", LOCK, NULL, open_nothing, wake_futex, waits_on_futex },
	{ "network", NETWORK, NULL, open_connection, write_event, waits_for_server },
	{ "event", IDLE, NULL, open_eventfd, write_event, waits_for_event },
	{ "poll", IDLE, NULL, open_pipe, write_event, polls },
	{ "epoll", IDLE, NULL, open_epoll, write_event, epolls },
};

/* --- threads --- */

static void tell(const struct worker *worker, int64_t now)
{
	const struct account *account = &worker->account;
	int64_t waiting = account->waiting + waited(&schedstat);
	int64_t running = account->running + thread_cpu_ns();
	int64_t total = account->total + now - worker->born;
	int64_t late = total - running - waiting;
	char line[512];
	int length;

	for (int i = 0; i < STATES; i++)
		late -= account->ns[i];
	length = snprintf(line, sizeof(line), "%d %lld %lld late=%lld running=%lld waiting=%lld",
			  worker->number, (long long)now, (long long)total, (long long)late,
			  (long long)running, (long long)waiting);
	for (int i = 0; i < STATES; i++)
		length += snprintf(line + length, sizeof(line) - (size_t)length, " %s=%lld",
				   state_names[i], (long long)account->ns[i]);
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(0); /* nobody listens any more */
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	worker->born = monotonic_ns();
	for (int64_t begin = worker->begin; begin < end; begin += round_length) {
		worker->round++;
		for (int i = 0; i < nphases; i++) {
			const struct kind *kind = phases[i].kind;

			if (kind->pass)
				kind->pass(worker, &worker->waits[i], begin + phases[i].end);
			else
				await(worker, &worker->waits[i], kind);
		}
		tell(worker, monotonic_ns());
	}
	return NULL;
}

/* The workers begin one after the other, so that they are not all in the same phase. */
static int64_t wake_time(int64_t begin, int worker, int phase)
{
	return begin + round_length * worker / nworkers + phases[phase].end;
}

static void wake(struct wait *wait, const struct kind *kind)
{
	wait->note = monotonic_ns();
	__atomic_add_fetch(&wait->woken, 1, __ATOMIC_RELEASE);
	kind->wake(wait);
}

/* When the next worker wants to be woken, all of them considered, and then does it. */
static int64_t wake_those_due(int64_t begin, int64_t now)
{
	static uint32_t done[1 + WORKERS_MAX][PHASES_MAX];
	int64_t next = INT64_MAX;

	for (int w = 0; w < nworkers; w++) {
		for (int i = 0; i < nphases; i++) {
			uint32_t *round = &done[w][i];
			int64_t at = wake_time(begin + *round * round_length, w, i);

			if (phases[i].kind->pass)
				continue;
			if (at <= now) {
				wake(&workers[1 + w].waits[i], phases[i].kind);
				++*round;
				at += round_length;
			}
			if (at < next)
				next = at;
		}
	}
	return next;
}

static void wake_all_until_the_end(int64_t begin)
{
	struct worker *self = &workers[0];
	int64_t last = end < INT64_MAX ? end + 2 * round_length : INT64_MAX;
	int64_t told = self->born;

	for (;;) {
		int64_t now = monotonic_ns(), next = wake_those_due(begin, now);

		if (next > told + round_length)
			next = told + round_length;
		if (now >= last)
			break;
		sleeps(self, NULL, next);
		if (next == told + round_length) {
			told = next;
			tell(self, monotonic_ns());
		}
	}
}

static int start(struct worker *worker, int64_t begin)
{
	pthread_t thread;

	worker->begin = begin;
	for (int i = 0; i < nphases; i++)
		if (phases[i].kind->open && phases[i].kind->open(&worker->waits[i]) < 0)
			fail(phases[i].kind->name);
	errno = pthread_create(&thread, NULL, work, worker);
	if (errno)
		fail("thread");
	return 0;
}

static const struct kind *find_kind(const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strlen(kinds[i].name) == length && !memcmp(kinds[i].name, word, length))
			return &kinds[i];
	return NULL;
}

static bool read_phase(const char *word)
{
	size_t name = strcspn(word, "=");
	const struct kind *kind = find_kind(word, name);
	double length = word[name] ? strtod(word + name + 1, NULL) : 0;

	if (!kind || length <= 0 || nphases == PHASES_MAX)
		return false;
	round_length += (int64_t)(length * (double)MS);
	phases[nphases++] = (struct phase){ kind, round_length };
	return true;
}

static bool read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:d:f:")) != -1) {
		if (option == 'n')
			nworkers = atoi(optarg);
		else if (option == 'd')
			end = end_after(optarg);
		else if (option == 'f')
			file = optarg;
		else
			return false;
	}
	for (; optind < argc; optind++)
		if (!read_phase(argv[optind]))
			return false;
	return nphases && nworkers > 0 && nworkers <= WORKERS_MAX;
}

int main(int argc, char **argv)
{
	int64_t begin;

	if (!read_options(argc, argv)) {
		fprintf(stderr, "usage: states [-n WORKERS] [-d SECONDS] [-f FILE] "
				"PHASE=MILLISECONDS...\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1L); /* a sleep ends at its deadline */
	workers[0].born = monotonic_ns();
	begin = workers[0].born + 10 * MS;
	for (int i = 0; i < nworkers; i++) {
		workers[1 + i].number = 1 + i;
		start(&workers[1 + i], begin + round_length * i / nworkers);
	}
	wake_all_until_the_end(begin);
	return 0;
}
