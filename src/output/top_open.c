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
	char *text;
	uint64_t count;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct weight *)a)->text, ((const struct weight *)b)->text);
}

static int by_count(const void *a, const void *b)
{
	uint64_t x = ((const struct weight *)a)->count, y = ((const struct weight *)b)->count;

	return x == y ? by_text(a, b) : x < y ? 1 : -1;
}

/* Stacks that differ by their threads, or by where in a function they are, look the same here and
 * are one. Returns how many are left. */
static size_t join_alike(struct weight *weights, size_t n)
{
	size_t kept = 0;

	qsort(weights, n, sizeof(*weights), by_text);
	for (size_t i = 0; i < n; i++) {
		if (kept && !by_text(&weights[kept - 1], &weights[i])) {
			weights[kept - 1].count += weights[i].count;
			free(weights[i].text);
		} else {
			weights[kept++] = weights[i];
		}
	}
	qsort(weights, kept, sizeof(*weights), by_count);
	return kept;
}

static void set_stacks(struct top_open *open, const struct profile *p)
{
	size_t n = profile_count_samples(p);
	_cleanup_free_ struct weight *weights = xcalloc(n + 1, sizeof(*weights));

	open->samples = 0;
	for (size_t i = 0; i < n; i++) {
		struct sample sample = profile_get_sample(p, i);

		weights[i] = (struct weight){
			.text = stack_text(p, sample.stack),
			.count = (uint64_t)sample.values[0],
		};
		open->samples += weights[i].count;
	}
	n = join_alike(weights, n);
	open->stacks = xcalloc(TOP_HOT_MAX, sizeof(*open->stacks));
	for (size_t i = 0; i < n; i++) {
		if (open->nstacks == TOP_HOT_MAX) {
			free(weights[i].text);
			continue;
		}
		open->stacks[open->nstacks++] = (struct top_hot){
			.share = share(weights[i].count, open->samples),
			.text = weights[i].text,
		};
	}
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
