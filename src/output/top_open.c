/* SPDX-License-Identifier: Apache-2.0 */
/* What top shows of a container that was opened; see top_open.h. */
#include "output/top_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "profile/rank.h"

/* A line of a terminal shows no more of a stack. */
#define STACK_TEXT_MAX 512

static uint64_t running(const struct thread_account *t)
{
	return t->ns[ACCOUNT_USER] + t->ns[ACCOUNT_KERNEL];
}

/* Busiest first, then those that idled least, then by number. */
static int by_work(const void *a, const void *b)
{
	const struct thread_account *x = a, *y = b;
	uint64_t rx = running(x), ry = running(y);
	uint64_t ix = x->ns[ACCOUNT_IDLE], iy = y->ns[ACCOUNT_IDLE];

	if (rx != ry)
		return rx < ry ? 1 : -1;
	if (ix != iy)
		return ix > iy ? 1 : -1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

void top_open_threads(struct top_open *open, const struct container *container,
		      struct thread_account *threads, size_t n)
{
	free(open->threads);
	open->threads = threads;
	open->nthreads = 0;
	for (size_t i = 0; i < n; i++)
		if (threads[i].container == container)
			threads[open->nthreads++] = threads[i];
	if (open->nthreads)
		qsort(threads, open->nthreads, sizeof(*threads), by_work);
}

static void clear_hot(struct top_hot **list, size_t *n)
{
	while (*n)
		free((*list)[--*n].text);
	free(*list);
	*list = NULL;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void set_functions(struct top_open *open, const struct profile *p)
{
	static const char *const keys[] = { "function" };
	struct rank *rank;

	if (rank_new(p, 0, keys, 1, &rank) < 0)
		return;
	open->functions = xcalloc(TOP_HOT_MAX, sizeof(*open->functions));
	for (size_t i = 0; i < rank->n && i < TOP_HOT_MAX && rank->rows[i].self; i++)
		open->functions[open->nfunctions++] = (struct top_hot){
			.share = share(rank->rows[i].self, rank->total),
			.text = escaped_terminal(rank->rows[i].keys[0]),
		};
	rank_free(rank);
}

static char *stack_text(const struct profile *p, uint32_t stack)
{
	size_t n;
	const uint32_t *locations = profile_get_stack(p, stack, &n);
	_cleanup_(buffer_free) struct buffer raw = { 0 };
	char name[STACK_TEXT_MAX];

	for (size_t i = 0; i < n && raw.size < STACK_TEXT_MAX; i++) {
		size_t nlines = profile_get_location(p, locations[i])->nlines;

		for (size_t line = 0; line < MAX(nlines, 1); line++)
			buffer_printf(
				&raw, "%s%s", raw.size ? " < " : "",
				profile_frame_name(p, locations[i], line, name, sizeof(name)));
	}
	return escaped_terminal(raw.data ? raw.data : "");
}

struct weight {
	uint32_t stack;
	uint64_t count;
};

static int by_stack(const void *a, const void *b)
{
	uint32_t x = ((const struct weight *)a)->stack, y = ((const struct weight *)b)->stack;

	return (x > y) - (x < y);
}

static int by_count(const void *a, const void *b)
{
	uint64_t x = ((const struct weight *)a)->count, y = ((const struct weight *)b)->count;

	return x == y ? by_stack(a, b) : x < y ? 1 : -1;
}

/* Samples of one stack differ by their threads: here they are one. */
static void set_stacks(struct top_open *open, const struct profile *p)
{
	size_t n = profile_count_samples(p), kept = 0;
	_cleanup_free_ struct weight *weights = xcalloc(n + 1, sizeof(*weights));

	open->samples = 0;
	for (size_t i = 0; i < n; i++) {
		struct sample sample = profile_get_sample(p, i);

		weights[i] = (struct weight){ sample.stack, (uint64_t)sample.values[0] };
		open->samples += weights[i].count;
	}
	qsort(weights, n, sizeof(*weights), by_stack);
	for (size_t i = 0; i < n; i++) {
		if (kept && weights[kept - 1].stack == weights[i].stack)
			weights[kept - 1].count += weights[i].count;
		else
			weights[kept++] = weights[i];
	}
	qsort(weights, kept, sizeof(*weights), by_count);
	open->stacks = xcalloc(TOP_HOT_MAX, sizeof(*open->stacks));
	for (size_t i = 0; i < kept && i < TOP_HOT_MAX; i++)
		open->stacks[open->nstacks++] = (struct top_hot){
			.share = share(weights[i].count, open->samples),
			.text = stack_text(p, weights[i].stack),
		};
}

void top_open_profile(struct top_open *open, const struct profile *profile)
{
	clear_hot(&open->functions, &open->nfunctions);
	clear_hot(&open->stacks, &open->nstacks);
	set_functions(open, profile);
	set_stacks(open, profile);
}

void top_open_clear(struct top_open *open)
{
	clear_hot(&open->functions, &open->nfunctions);
	clear_hot(&open->stacks, &open->nstacks);
	free(open->threads);
	*open = (struct top_open){ 0 };
}
