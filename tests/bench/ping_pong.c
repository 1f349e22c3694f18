/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a context switch costs: two processes on one CPU that hand a byte to and fro through pipes.
 * Each hand-over is one switch, and nothing else happens there.
 *
 *     ping_pong CPU SECONDS     -> nanoseconds a switch
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 1000 /* round trips between two looks at the clock */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void echo(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1)
		if (write(out, &byte, 1) != 1)
			break;
	_exit(0);
}

static int trips(int in, int out, int number)
{
	char byte = 0;

	while (number--)
		if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
			return -1;
	return 0;
}

/* The least of many batches: whatever else runs on the CPU only adds. */
int main(int argc, char **argv)
{
	double begin, end, least = 0;
	int there[2], back[2];
	cpu_set_t one;
	pid_t pid;

	if (argc != 3 || pipe(there) || pipe(back)) {
		fprintf(stderr, "usage: ping_pong CPU SECONDS\n");
		return 2;
	}
	CPU_ZERO(&one);
	CPU_SET(atoi(argv[1]), &one);
	if (sched_setaffinity(0, sizeof(one), &one)) {
		perror("ping_pong: CPU");
		return 1;
	}
	pid = fork();
	if (!pid)
		echo(there[0], back[1]);
	end = now() + atof(argv[2]) * 1e9;
	for (begin = now(); begin < end;) {
		double after;

		if (pid < 0 || trips(back[0], there[1], BATCH)) {
			perror("ping_pong");
			return 1;
		}
		after = now();
		if (!least || after - begin < least)
			least = after - begin;
		begin = after;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("%.1f\n", least / (2 * BATCH));
	return 0;
}
