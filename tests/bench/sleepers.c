/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wake up so many times a second and go back to sleep at once: a switch to each, and a
 * switch away.
 *
 *     sleepers THREADS WAKES
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define STACK (64 << 10) /* thousands of them are to fit */

#define SECOND INT64_C(1000000000)

static int64_t period;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* Spread over the period, so that they do not all wake at once. On a host that cannot keep up a
 * thread leaves out what it has missed: it never runs without having slept. */
static void *run(void *number)
{
	unsigned seed = (unsigned)getpid() * 31 + (unsigned)(unsigned long)number;
	int64_t next = now() + rand_r(&seed) % period;

	for (;;) {
		struct timespec t = { next / SECOND, next % SECOND };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		do
			next += period;
		while (next <= now());
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long threads = argc > 2 ? atol(argv[1]) : 0;
	double wakes = argc > 2 ? atof(argv[2]) : 0;
	pthread_attr_t attributes;
	pthread_t thread;

	if (threads < 1 || wakes <= 0) {
		fprintf(stderr, "usage: sleepers THREADS WAKES\n");
		return 2;
	}
	period = (int64_t)((double)SECOND / wakes);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (long i = 1; i < threads; i++)
		if (pthread_create(&thread, &attributes, run, (void *)i))
			return 1;
	run(NULL);
	return 0;
}
