/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading clocks without leaving the caller: the system call is made in line, so the innermost user
 * frame of every sample is the function that burns, and never a clock_gettime() of a C library that
 * was built without frame pointers and would hide its caller.
 */
#ifndef PLIMSOLL_WORKLOADS_CPU_CLOCK_H
#define PLIMSOLL_WORKLOADS_CPU_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

static inline __attribute__((always_inline)) int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
#if defined(__x86_64__)
	long number = SYS_clock_gettime;

	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"((long)clock), "S"(&t)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_clock_gettime;
	register long first __asm__("x0") = clock;
	register struct timespec *second __asm__("x1") = &t;

	__asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(second) : "memory");
#else
#error "x86-64 and arm64 only"
#endif
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline __attribute__((always_inline)) int64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline __attribute__((always_inline)) int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* When to end, from an argument in seconds such as "0.07"; NULL: never. */
static inline int64_t end_after(const char *seconds)
{
	return seconds ? monotonic_ns() + (int64_t)(strtod(seconds, NULL) * 1e9) : INT64_MAX;
}

/*
 * Burns until the thread has used CPU time up to `until`. The factor makes functions that only
 * differ by it different for the compiler, which would otherwise make one of them.
 */
static inline __attribute__((always_inline)) void burn_until(int64_t until, uint64_t factor)
{
	uint64_t x = factor;

	do {
		/* Some 10 us, so that reading the clock is 2 % of the work. */
		for (int i = 0; i < 8000; i++) {
			x = x * factor + 1;
			__asm__ volatile("" : "+r"(x));
		}
	} while (thread_cpu_ns() < until);
}

#endif
