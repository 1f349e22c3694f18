/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks that are known beforehand, in every way that a stack can be made:
 *
 *     stacks MODE [SECONDS [NAME]]       NAME: what the process is called
 *
 * A mode is a row of `modes`; what is on its stack stands above its functions, outermost first, as
 * "main a b". The time goes by in leaf(), which makes its system calls in line, so that there is
 * never a frame below it. To be built without frame pointers, and with optimizations: then nothing
 * but unwind information tells the callers.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "cpu_clock.h"

/* A function of its own in the binary, that nothing is inlined into or from. */
#define FRAME __attribute__((noinline, noclone))
/* Something is left to do after a call, so that it cannot become a jump. */
#define RETURN_HERE() __asm__ volatile("" ::: "memory")

static int64_t end;
static char **arguments;

FRAME void leaf(void)
{
	burn_until(thread_cpu_ns() + 1000000, 3);
}

static inline __attribute__((always_inline)) bool on_time(void)
{
	return monotonic_ns() < end;
}

static inline __attribute__((always_inline)) void burn(void)
{
	while (on_time())
		leaf();
}

/* main, 40 times descend, leaf; deep: more than any walker follows. */
FRAME void descend(int depth)
{
	if (depth > 1)
		descend(depth - 1);
	else
		burn();
	RETURN_HERE();
}

static void recursion(void)
{
	descend(40);
}

static void deep(void)
{
	descend(300);
}

/* main spoils_frame_pointer leaf: where a frame pointer would be, there is none. */
FRAME void spoils_frame_pointer(void)
{
#if defined(__x86_64__)
	__asm__ volatile("mov $0x1234567, %%ebp" ::: "rbp");
#elif defined(__aarch64__)
	__asm__ volatile("mov x29, #0x1234" ::: "x29");
#endif
	burn();
	RETURN_HERE();
}

/* main allocates leaf: a frame of a size that only the program knows. */
FRAME void allocates(void)
{
	volatile char *room = __builtin_alloca(64 + (size_t)(end & 0xff0));

	room[0] = 1;
	burn();
	room[1] = room[0];
}

/* main realigns leaf: the old stack pointer is kept in a register and then on the stack. */
FRAME void realigns(void)
{
	volatile char aligned[256] __attribute__((aligned(128)));
	volatile char *room = __builtin_alloca(64 + (size_t)(end & 0xff0));

	aligned[0] = room[0] = 1;
	burn();
	room[1] = aligned[0];
}

/* main ends_in_call never_returns: the return address is in the function behind. */
FRAME __attribute__((noreturn)) void never_returns(void)
{
	while (on_time())
		burn_until(thread_cpu_ns() + 1000000, 5);
	_exit(0);
}

FRAME __attribute__((noreturn)) void ends_in_call(void)
{
	never_returns();
}

static void noreturn(void)
{
	ends_in_call();
}

/* main interrupted [adds] <signal frame> on_signal leaf: at whatever instruction the timer hits. */
FRAME unsigned long adds(unsigned long a, unsigned long b)
{
	volatile unsigned long sum[4] = { a, b, a ^ b, 0 };

	for (int i = 0; i < 3; i++)
		sum[3] += sum[i];
	return sum[3];
}

FRAME void interrupted(void)
{
	unsigned long sum = 0;

	while (on_time())
		for (unsigned long i = 0; i < 1000; i++)
			sum = adds(sum, i);
}

FRAME void on_signal(int number)
{
	leaf();
	RETURN_HERE();
	(void)number;
}

static void interrupt(int flags)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	interrupted();
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
}

static void signals(void)
{
	interrupt(0);
}

static void altstack(void)
{
	static char room[65536];
	stack_t other = { .ss_sp = room, .ss_size = sizeof(room) };

	sigaltstack(&other, NULL);
	interrupt(SA_ONSTACK);
}

/* main traps faults <signal frame> on_trap leaf: interrupted at a function's first instruction. */
void faults(void);
#if defined(__x86_64__)
#define TRAP	  "ud2"
#define TRAP_SIZE 2
#define TRAP_PC	  uc_mcontext.gregs[REG_RIP]
#define CALL_END  "ret"
#elif defined(__aarch64__)
#define TRAP	  ".inst 0"
#define TRAP_SIZE 4
#define TRAP_PC	  uc_mcontext.pc
#define CALL_END  "ret"
#endif
__asm__(".text\n"
	".type not_on_the_stack, %function\n"
	"not_on_the_stack:\n"
	"	.cfi_startproc\n"
	"	" CALL_END "\n"
	"	.cfi_endproc\n"
	".size not_on_the_stack, . - not_on_the_stack\n"
	".globl faults\n"
	".type faults, %function\n"
	"faults:\n"
	"	.cfi_startproc\n"
	"	" TRAP "\n"
	"	" CALL_END "\n"
	"	.cfi_endproc\n"
	".size faults, . - faults\n");

FRAME void on_trap(int number, siginfo_t *info, void *context)
{
	leaf();
	((ucontext_t *)context)->TRAP_PC += TRAP_SIZE;
	(void)number, (void)info;
}

FRAME void traps(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGILL, &action, NULL);
	while (on_time())
		faults();
}

/* <thread's entry> run_thread descend descend leaf */
FRAME void *run_thread(void *argument)
{
	descend(2);
	return argument;
}

static void thread(void)
{
	pthread_t other;

	if (!pthread_create(&other, NULL, run_thread, NULL))
		pthread_join(other, NULL);
}

/* <clone> run_cloned leaf: a thread that no library knows of. */
FRAME int run_cloned(void *argument)
{
	burn();
	(void)argument;
	return 0;
}

static void cloned(void)
{
	size_t size = 256 << 10;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pid;

	if (stack == MAP_FAILED)
		return;
	pid = clone(run_cloned, stack + size, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* main vforks forks burns_as_child leaf: on the parent's memory; a parent that waits has no
 * samples. A child burns long enough that to start and to end it is next to nothing. */
FRAME void burns_as_child(void)
{
	for (int i = 0; i < 40 && on_time(); i++)
		leaf();
	RETURN_HERE();
}

FRAME pid_t forks(void)
{
	pid_t pid = vfork();

	if (!pid) {
		burns_as_child();
		_exit(0);
	}
	return pid;
}

static void vforks(void)
{
	while (on_time()) {
		pid_t pid = forks();

		if (pid < 0)
			return;
		waitpid(pid, NULL, 0);
	}
}

/* main, 40 times descend, leaf: of a program that starts again and again. */
static void spawns(void)
{
	char *again[] = { arguments[0], "recursion", "0.3", arguments[3], NULL };
	pid_t pid;

	while (on_time()) {
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, again, NULL))
			return;
		waitpid(pid, NULL, 0);
	}
}

/* main makes_calls read, and the kernel. */
FRAME void makes_calls(void)
{
	static char page[65536];
	int zero = memfd_create("zero", 0);

	if (zero < 0 || ftruncate(zero, sizeof(page)))
		return;
	while (on_time())
		for (int i = 0; i < 100; i++)
			if (pread(zero, page, sizeof(page), 0) < 0)
				return;
}

/* main asks_time clock_gettime <vDSO> */
FRAME void asks_time(void)
{
	struct timespec t;

	while (on_time())
		for (int i = 0; i < 10000; i++)
			clock_gettime(CLOCK_MONOTONIC, &t);
}

/* <context's entry> runs_in_context leaf */
#ifndef NO_CONTEXT
static ucontext_t main_context, other_context;

FRAME void runs_in_context(void)
{
	burn();
	RETURN_HERE();
}

static void context(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	getcontext(&other_context);
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = sizeof(stack);
	other_context.uc_link = &main_context;
	makecontext(&other_context, runs_in_context, 0);
	swapcontext(&main_context, &other_context);
}
#endif

#ifdef LIBRARY
/* main opens library_outer library_inner leaf: mapped while the program runs, then elsewhere. */
FRAME void opens(void)
{
	void (*library_outer)(void (*)(void));
	void *library;

	while (on_time()) {
		library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
		library_outer = library ? (void (*)(void (*)(void)))dlsym(library, "library_outer")
					: NULL;
		if (!library_outer)
			return;
		for (int i = 0; i < 100 && on_time(); i++)
			library_outer(leaf);
		dlclose(library);
	}
}

/* main calls_stub [empty]: samples hit the stub that the linker makes of a call to a library. */
FRAME void calls_stub(void (*calls_empty)(long))
{
	while (on_time())
		calls_empty(100000);
}

/* main calls_stub calls_unbound [the dynamic linker]: each call is the first. */
static void through_library(const char *name)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	void (*function)(long) = library ? (void (*)(long))dlsym(library, name) : NULL;

	if (function)
		calls_stub(function);
}

static void stub(void)
{
	through_library("calls_empty");
}

static void unbound(void)
{
	through_library("calls_unbound");
}
#endif

static const struct mode {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "recursion", recursion }, { "deep", deep },	      { "spoiled", spoils_frame_pointer },
	{ "allocates", allocates }, { "realigns", realigns }, { "noreturn", noreturn },
	{ "signals", signals },	    { "altstack", altstack }, { "traps", traps },
	{ "thread", thread },	    { "cloned", cloned },     { "vforks", vforks },
	{ "spawns", spawns },	    { "calls", makes_calls }, { "time", asks_time },
#ifndef NO_CONTEXT
	{ "context", context },
#endif
#ifdef LIBRARY
	{ "opens", opens },	    { "stub", stub },	      { "unbound", unbound },
#endif
};

int main(int argc, char **argv)
{
	arguments = argv;
	end = end_after(argc > 2 ? argv[2] : NULL);
	if (argc > 3)
		prctl(PR_SET_NAME, argv[3]);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (argc > 1 && !strcmp(modes[i].name, argv[1])) {
			modes[i].run();
			return 0;
		}
	}
	fprintf(stderr, "usage: stacks MODE [SECONDS [NAME]], MODE one of:");
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		fprintf(stderr, " %s", modes[i].name);
	fprintf(stderr, "\n");
	return 2;
}
