/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads an object and runs its programs until it is told to stop: with HZ on every CPU's clock,
 * else where each program's section says.
 *
 *     bare OBJECT [HZ]
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int attach_to_clock(struct bpf_program *program, int cpu, unsigned long hz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = hz,
		.freq = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == ENODEV) /* possible, but not online */
		return 0;
	if (fd < 0) {
		perror("bare: perf_event_open");
		return -1;
	}
	if (!bpf_program__attach_perf_event(program, fd)) {
		perror("bare: attach");
		return -1;
	}
	return 0;
}

static int attach(struct bpf_program *program, const char *hz)
{
	if (!hz && !bpf_program__attach(program)) {
		perror("bare: attach");
		return -1;
	}
	for (int cpu = 0; hz && cpu < libbpf_num_possible_cpus(); cpu++)
		if (attach_to_clock(program, cpu, strtoul(hz, NULL, 10)) < 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct bpf_object *object;
	sigset_t stop;
	int signal;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: bare OBJECT [HZ]\n");
		return 2;
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object)) {
		perror("bare: load");
		return 1;
	}
	bpf_object__for_each_program (program, object)
		if (attach(program, argc > 2 ? argv[2] : NULL))
			return 1;
	sigwait(&stop, &signal);
	return 0;
}
