/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command and tells what it cost, on file descriptor FD:
 *
 *     measure FD COMMAND...
 *     -> "PID START\n" at once, "END USER SYSTEM PEAK STATUS\n" when it has ended
 *
 * START and END are CLOCK_MONOTONIC seconds, USER and SYSTEM CPU seconds (children that it waited
 * for included), PEAK the largest resident set of any of them in bytes, STATUS as wait() gives it.
 *
 * A program of its own because Linux counts the memory of whoever forked to the peak of the child,
 * and a Python interpreter is larger than what is measured.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	double start;
	int status, fd;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: measure FD COMMAND...\n");
		return 2;
	}
	fd = atoi(argv[1]);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	start = now();
	pid = fork();
	if (pid < 0) {
		perror("measure: fork");
		return 1;
	}
	if (!pid) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	dprintf(fd, "%d %.6f\n", pid, start);
	signal(SIGINT, SIG_IGN);
	if (wait4(pid, &status, 0, &usage) < 0) {
		perror("measure: wait4");
		return 1;
	}
	dprintf(fd, "%.6f %.6f %.6f %ld %d\n", now(), seconds(usage.ru_utime),
		seconds(usage.ru_stime), usage.ru_maxrss * 1024, status);
	return 0;
}
