/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack of known depth: main, DEPTH times descend(), and bottom(), where the time goes.
 *
 *     deep DEPTH [SECONDS]
 */
#include <stdlib.h>

#include "cpu_clock.h"

static int64_t end;

static __attribute__((noinline, noclone)) void bottom(void)
{
	while (monotonic_ns() < end)
		burn_until(thread_cpu_ns() + 1000000, 3);
}

static __attribute__((noinline, noclone)) void descend(long depth)
{
	if (depth > 1)
		descend(depth - 1);
	else
		bottom();
	/* Something is left to do, so the calls cannot become jumps. */
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	end = end_after(argc > 2 ? argv[2] : NULL);
	descend(atol(argv[1]));
	return 0;
}
