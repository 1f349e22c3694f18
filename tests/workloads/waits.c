/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wait in functions named after what they wait for, for known shares of their time:
 *
 *     waits [SECONDS]        for ever, or so long
 *
 *     main        50 ms asleep in nap_50, 30 ms for the writer at a pipe in pipe_30, 20 ms asleep
 *                 in nap_20; again and again
 *     holder      holds a lock for 40 ms, asleep in hold, then leaves it for 10 ms
 *     waiter (3)  want the same lock, one after the other, in queue_up, and give it away at once
 *
 * Deadlines are reckoned from the program's start, so what comes late does not add up.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define WAITERS 3
#define MS	INT64_C(1000000)
#define PERIOD	(100 * MS)
#define APART	__attribute__((noinline, noclone)) static
/* Something is left to do after a call, so that it cannot become a jump. */
#define RETURN_HERE() __asm__ volatile("" ::: "memory")

static int64_t begin;
static int writes, reads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void sleep_until(int64_t at)
{
	const struct timespec t = { at / (1000 * MS), at % (1000 * MS) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

APART void nap_50(int64_t until)
{
	sleep_until(until);
	RETURN_HERE();
}

APART void nap_20(int64_t until)
{
	sleep_until(until);
	RETURN_HERE();
}

APART void pipe_30(void)
{
	char byte;

	if (read(reads, &byte, 1) != 1)
		exit(1);
	RETURN_HERE();
}

/* Ends what main waits for in pipe_30. */
APART void feed(void)
{
	if (write(writes, "x", 1) != 1)
		exit(1);
	RETURN_HERE();
}

APART void hold(int64_t until)
{
	pthread_mutex_lock(&lock);
	sleep_until(until);
	pthread_mutex_unlock(&lock);
	RETURN_HERE();
}

APART void queue_up(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	RETURN_HERE();
}

static void *writer(void *unused)
{
	prctl(PR_SET_NAME, "writer");
	for (int64_t at = begin;; at += PERIOD) {
		sleep_until(at + 80 * MS);
		feed();
	}
	return unused;
}

static void *holder(void *unused)
{
	prctl(PR_SET_NAME, "holder");
	for (int64_t at = begin;; at += 50 * MS) {
		sleep_until(at);
		hold(at + 40 * MS);
	}
	return unused;
}

static void *waiter(void *unused)
{
	prctl(PR_SET_NAME, "waiter");
	for (int64_t at = begin;; at += 50 * MS) {
		sleep_until(at + 10 * MS);
		queue_up();
	}
	return unused;
}

static void start(void *(*function)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, NULL))
		exit(1);
}

int main(int argc, char **argv)
{
	int64_t end = argc > 1 ? now() + (int64_t)(atof(argv[1]) * 1e9) : INT64_MAX;
	int fds[2];

	if (pipe(fds))
		return 1;
	reads = fds[0];
	writes = fds[1];
	begin = now();
	start(writer);
	start(holder);
	for (int i = 0; i < WAITERS; i++)
		start(waiter);
	for (int64_t at = begin; at < end; at += PERIOD) {
		nap_50(at + 50 * MS);
		pipe_30();
		nap_20(at + 100 * MS);
	}
	return 0;
}
