/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground truth: 70, 20 and 10 % of the thread's CPU time in three functions. What a turn
 * overshoots is taken off the next one, so the shares are exact to some microseconds over any time
 * and whatever else runs on the CPU.
 *
 *     weights [SECONDS]    by the clock on the wall, else for ever; says in the end what CPU time
 *                          it had
 */
#include <stdio.h>
#include <stdlib.h>

#include "cpu_clock.h"

/* A part of a round is a random time around weight * ROUND_NS, lest it beat with the sampling. */
#define ROUND_NS 100000 /* times the sum of the weights, 100: a round is 10 ms */

/* A program with the same code under other names is made with another PREFIX. */
#ifndef PREFIX
#define PREFIX burn
#endif
#define JOIN(prefix, weight)	    prefix##_##weight
#define JOIN_VALUES(prefix, weight) JOIN(prefix, weight)
#define NAME(weight)		    JOIN_VALUES(PREFIX, weight)

/* Equal programs have equal build IDs, and the symbols of one would do for all: a program that is
 * to have none but its own is made with another SHAPE. */
#ifdef SHAPE
static const char shape[] __attribute__((used)) = SHAPE;
#endif

#define BURNER(weight)                                                                \
	static __attribute__((noinline, noclone)) int64_t NAME(weight)(int64_t until) \
	{                                                                             \
		burn_until(until, UINT64_C(6364136223846793005) + 2 * (weight));      \
		return thread_cpu_ns();                                               \
	}
BURNER(70)
BURNER(20)
BURNER(10)

int main(int argc, char **argv)
{
	static const struct {
		int64_t (*burn)(int64_t until);
		int64_t weight;
	} parts[] = { { NAME(70), 70 }, { NAME(20), 20 }, { NAME(10), 10 } };
	int64_t end = end_after(argc > 1 ? argv[1] : NULL);
	int64_t owed[3] = { 0 };
	unsigned seed = 1;

	while (monotonic_ns() < end) {
		int64_t unit = ROUND_NS / 2 + rand_r(&seed) % ROUND_NS;

		for (int i = 0; i < 3; i++) {
			int64_t before = thread_cpu_ns();

			owed[i] += unit * parts[i].weight;
			if (owed[i] > 0)
				owed[i] -= parts[i].burn(before + owed[i]) - before;
		}
	}
	printf("%.6f\n", (double)thread_cpu_ns() / 1e9);
	return 0;
}
