/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for the time, again and again: the code that answers is in the vDSO.
 *
 *     clock [SECONDS]
 */
#include <stdlib.h>

#include "cpu_clock.h"

static __attribute__((noinline, noclone)) void ask(void)
{
	struct timespec t;

	for (int i = 0; i < 100000; i++)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

int main(int argc, char **argv)
{
	int64_t end = end_after(argc > 1 ? argv[1] : NULL);

	while (monotonic_ns() < end)
		ask();
	return 0;
}
