/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads with names, each in a function of its own; the process keeps its own name and sleeps.
 *
 *     threads [SECONDS]
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "cpu_clock.h"

static int64_t end;

#define THREAD(name, factor)                                                  \
	static __attribute__((noinline, noclone)) void *run_##name(void *arg) \
	{                                                                     \
		prctl(PR_SET_NAME, #name);                                    \
		while (monotonic_ns() < end)                                  \
			burn_until(thread_cpu_ns() + 1000000, factor);        \
		return arg;                                                   \
	}
THREAD(reader, 3)
THREAD(writer, 5)
THREAD(compactor, 7)

int main(int argc, char **argv)
{
	void *(*const runs[])(void *) = { run_reader, run_writer, run_compactor };
	pthread_t threads[3];

	end = end_after(argc > 1 ? argv[1] : NULL);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, runs[i], NULL))
			return 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
