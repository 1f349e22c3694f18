/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load that is profiled: threads that walk down call paths of 8 to 39 functions, 256 different
 * ones, work at the end of each for some microseconds, and now and then ask the kernel for
 * something. That is what the stacks of a busy service look like to a profiler: deep, many, and a
 * few of them hot.
 *
 *     load THREADS [PERCENT]    each thread works PERCENT (100) of every second
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PATHS 256
#define STEPS 8
#define WORK  4000 /* rounds of arithmetic at the end of a path, some 5 us */

static int zeroes;
static double busy_share = 1;

static unsigned long work(unsigned long path)
{
	volatile unsigned long x = path;
	char page[4096];

	for (int i = 0; i < WORK; i++)
		x = x * 6364136223846793005UL + 1442695040888963407UL;
	if (path % 16 == 0 && read(zeroes, page, sizeof(page)) > 0)
		x += (unsigned long)page[0];
	return x;
}

typedef unsigned long (*step_fn)(unsigned long path, unsigned depth);
static const step_fn steps[STEPS];

static inline __attribute__((always_inline)) unsigned long descend(unsigned long path,
								   unsigned depth)
{
	if (!depth)
		return work(path);
	return steps[(path >> depth) % STEPS](path, depth - 1);
}

/* The addition after the call keeps it from becoming a jump, and so the frame on the stack. */
#define STEP(n)                                                                     \
	static __attribute__((noinline)) unsigned long step_##n(unsigned long path, \
								unsigned depth)     \
	{                                                                           \
		return descend(path, depth) + (n);                                  \
	}
STEP(0);
STEP(1);
STEP(2);
STEP(3);
STEP(4);
STEP(5);
STEP(6);
STEP(7);

static const step_fn steps[STEPS] = {
	step_0, step_1, step_2, step_3, step_4, step_5, step_6, step_7
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Squaring the draw makes the first paths hotter than the last. */
static unsigned long draw_path(unsigned *seed)
{
	double draw = rand_r(seed) / (RAND_MAX + 1.0);
	unsigned long number = (unsigned long)(draw * draw * PATHS);

	return number * 0x9e3779b97f4a7c15UL >> 8; /* 2^64 / golden ratio: spreads the bits */
}

/* Each on a CPU of its own, so that none is ever idle: then every tick is a sample. */
static void pin(unsigned long number)
{
	cpu_set_t allowed, one;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	number %= (unsigned long)CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || number--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void *run(void *number)
{
	unsigned seed = (unsigned)(unsigned long)number + 1;
	volatile unsigned long sink = 0;

	if (busy_share >= 1)
		pin((unsigned long)number);
	for (;;) {
		double until = now(CLOCK_MONOTONIC) + busy_share;

		while (now(CLOCK_MONOTONIC) < until) {
			unsigned long path = draw_path(&seed);

			sink += descend(path, 8 + (unsigned)(path % 32));
		}
		if (busy_share < 1)
			usleep((useconds_t)((1 - busy_share) * 1e6));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? atol(argv[1]) : 0;
	pthread_t thread;

	if (threads < 1) {
		fprintf(stderr, "usage: load THREADS [PERCENT]\n");
		return 2;
	}
	if (argc > 2)
		busy_share = atof(argv[2]) / 100;
	zeroes = open("/dev/zero", O_RDONLY);
	for (long i = 1; i < threads;
	     i++) /* before this thread is pinned, which they would inherit */
		if (pthread_create(&thread, NULL, run, (void *)i))
			return 1;
	run(NULL);
	return 0;
}
