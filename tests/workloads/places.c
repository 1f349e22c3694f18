/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits in places which are hard to tell apart:
 *
 *     places callers             for ever, by turns six naps in nap_left and two in nap_right:
 * alike but for the return address, since both call the same function places LIBRARY LIBRARY     by
 * turns three seconds of naps in nap_north of the first, and in nap_south of the other, which is
 * mapped where the first one was: alike in all that stands on the stack places depths for ever, 60
 * threads that nap at each of 100 depths: more stacks than fit where they are told of
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAP_MS 20
#define TURN   (3000 / NAP_MS) /* naps */
#define DIVERS 60
#define DEPTHS 100
#define APART  __attribute__((noinline, noclone, no_icf))
/* Something is left to do after a call, so that it cannot become a jump. */
#define RETURN_HERE() __asm__ volatile("" ::: "memory")

APART static void nap(void)
{
	const struct timespec t = { .tv_nsec = NAP_MS * 1000000 };

	nanosleep(&t, NULL);
	RETURN_HERE();
}

APART static void nap_left(void)
{
	nap();
	RETURN_HERE();
}

APART static void nap_right(void)
{
	nap();
	RETURN_HERE();
}

static void call_both(void)
{
	for (int i = 0; i < 6; i++)
		nap_left();
	for (int i = 0; i < 2; i++)
		nap_right();
}

/* Where it was; NULL: it cannot be loaded. */
static void *call_in(const char *library, const char *function, int times)
{
	void *handle = dlopen(library, RTLD_NOW), *address;

	if (!handle)
		return NULL;
	address = dlsym(handle, function);
	for (int i = 0; address && i < times; i++)
		((void (*)(void (*)(void)))address)(nap);
	dlclose(handle);
	return address;
}

APART static void descend(int depth)
{
	nap();
	if (depth > 1)
		descend(depth - 1);
	RETURN_HERE();
}

static void *dive(void *unused)
{
	for (;;)
		descend(DEPTHS);
	return unused;
}

static int dive_all(void)
{
	pthread_t thread;

	for (int i = 1; i < DIVERS; i++)
		if (pthread_create(&thread, NULL, dive, NULL))
			return 1;
	dive(NULL);
	return 0;
}

static int take_turns(const char *north, const char *south)
{
	for (;;) {
		void *first = call_in(north, "nap_north", TURN);

		if (!first || call_in(south, "nap_south", TURN) != first) {
			fprintf(stderr, "places: not twice at the same address\n");
			return 1;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return take_turns(argv[1], argv[2]);
	if (argc == 2 && strcmp(argv[1], "depths") == 0)
		return dive_all();
	while (argc == 2 && strcmp(argv[1], "callers") == 0)
		call_both();
	fprintf(stderr, "usage: places callers|depths|(LIBRARY LIBRARY)\n");
	return 2;
}
