/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blame for a terminal:
 *
 *     Waiting for a CPU on HOST
 *     10.0 s · 2 CPUs · 12.3 s waited · 99.9 % of it attributed
 *
 *     WHO     RAN  WAITED  BECAUSE OF           FOR    SHARE
 *     web  2.49 s  7.51 s  db                7.49 s   99.7 %
 *                          itself             20 ms    0.3 %
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "output/blame.h"
#include "output/grid.h"
#include "output/view.h"

/* Below these shares rows are summed up, in percent: of all waiting; of a victim's. */
#define VICTIM_MINOR  0.5
#define CULPRIT_MINOR 1.0
/* Victims on one screen; culprits that are shown however small they are. */
#define VICTIMS_SHOWN  20
#define CULPRITS_SHOWN 2
/* Terminals at least so wide also get bars. */
#define WIDE_COLUMNS 100
#define BAR_COLUMNS  16
/* In percent: what is said of the rest that nobody is to blame for. */
#define REST_SAID 0.1

struct page {
	const struct blame_options *options;
	const struct ledger_window *window;
	struct grid grid;
	uint64_t waited; /* by all that is shown */
	bool has_bars;
};

static enum grid_style style_of(const struct party *party)
{
	switch (party->kind) {
	case PARTY_CONTAINER:
		return party->container && party->container->kind == OWNER_CONTAINER
			       ? GRID_CONTAINER
			       : GRID_PLAIN;
	case PARTY_KERNEL:
		return GRID_KERNEL;
	default:
		return GRID_FAINT;
	}
}

static void add_duration(struct grid *g, enum grid_style style, uint64_t ns)
{
	char text[TEXT_SHORT];

	grid_add(g, style, text_duration(ns, text));
}

/* --- rows --- */

static void add_columns(struct page *page)
{
	struct grid *g = &page->grid;

	if (page->options->by_cpu)
		grid_column(g, "CPU", true, 0);
	grid_column(g, "WHO", false, 10);
	if (!page->options->by_cpu)
		grid_column(g, "RAN", true, 0);
	grid_column(g, "WAITED", true, 0);
	grid_column(g, "BECAUSE OF", false, 12);
	grid_column(g, "FOR", true, 0);
	grid_column(g, "SHARE", true, 0);
	if (page->has_bars)
		grid_column(g, "", false, 0);
}

/* The columns of the victim; NULL: it stands in a row above. */
static void add_victim(struct page *page, const struct blame_victim *victim)
{
	struct grid *g = &page->grid;
	char cpu[TEXT_SHORT];

	if (!victim) {
		for (unsigned i = 0; i < 3; i++)
			grid_add(g, GRID_PLAIN, "");
		return;
	}
	if (page->options->by_cpu) {
		snprintf(cpu, sizeof(cpu), "%u", victim->cpu);
		grid_add(g, GRID_PLAIN, cpu);
	}
	grid_add(g, style_of(&victim->party), party_name(&victim->party));
	if (!page->options->by_cpu)
		add_duration(g, GRID_PLAIN, victim->ran);
	add_duration(g, GRID_BOLD, victim->waited);
}

static void add_culprit(struct page *page, enum grid_style style, const char *name, uint64_t ns,
			uint64_t waited)
{
	struct grid *g = &page->grid;
	char text[TEXT_SHORT];

	grid_add(g, style, name);
	add_duration(g, GRID_PLAIN, ns);
	grid_add(g, GRID_PLAIN, share_text((double)ns, (double)waited, text));
	if (page->has_bars)
		grid_add_bar(g, GRID_PLAIN, share((double)ns, (double)waited) / 100, BAR_COLUMNS);
}

/* A single small one takes no more room than the sum of it would. */
static size_t culprits_shown(const struct page *page, const struct blame_victim *victim)
{
	size_t n = 0;

	while (n < victim->n &&
	       (page->options->all || n < CULPRITS_SHOWN ||
		share((double)victim->culprits[n].ns, (double)victim->waited) >= CULPRIT_MINOR))
		n++;
	return n + 1 == victim->n ? victim->n : n;
}

static void add_rows(struct page *page, const struct blame_victim *victim)
{
	size_t shown = culprits_shown(page, victim);
	uint64_t rest = 0;
	char text[64];

	for (size_t i = 0; i < shown; i++) {
		const struct blame_culprit *c = &victim->culprits[i];

		add_victim(page, i ? NULL : victim);
		add_culprit(page, c->is_self ? GRID_FAINT : style_of(&c->party),
			    c->is_self ? "itself" : party_name(&c->party), c->ns, victim->waited);
	}
	for (size_t i = shown; i < victim->n; i++)
		rest += victim->culprits[i].ns;
	if (shown == victim->n)
		return;
	snprintf(text, sizeof(text), "%zu others", victim->n - shown);
	add_victim(page, NULL);
	add_culprit(page, GRID_FAINT, text, rest, victim->waited);
}

static size_t victims_shown(const struct page *page, const struct blame_view *v)
{
	size_t n = 0;

	/* By CPU they are not in the order of weight. */
	if (page->options->all || page->options->by_cpu || page->options->npatterns)
		return v->n;
	while (n < v->n && n < VICTIMS_SHOWN &&
	       share((double)v->victims[n].waited, (double)page->waited) >= VICTIM_MINOR)
		n++;
	return n + 1 == v->n ? v->n : n;
}

/* --- what stands around them --- */

static void print_head(const struct page *page, struct buffer *out)
{
	const struct ledger_window *w = page->window;
	char host[HOST_NAME_MAX + 1] = "", wall[TEXT_SHORT], waited[TEXT_SHORT], part[TEXT_SHORT];
	_cleanup_(buffer_free) struct buffer title = { 0 };

	buffer_puts(&title, "Waiting for a CPU");
	if (gethostname(host, sizeof(host) - 1) == 0)
		buffer_printf(&title, " on %s", host);
	grid_text(out, page->options->color, GRID_BOLD, title.data);
	buffer_printf(out, "\n%s · %u CPU%s · %s waited", text_duration(w->wall, wall),
		      page->options->cpus, page->options->cpus == 1 ? "" : "s",
		      text_duration(w->waited, waited));
	if (w->waited)
		buffer_printf(out, " · %s of it attributed",
			      share_text((double)w->attributed, (double)w->waited, part));
	buffer_puts(out, "\n");
}

/* Where nobody is to blame, and why, as far as it is known. */
static void print_rest(const struct page *page, struct buffer *out)
{
	const struct ledger_window *w = page->window;
	uint64_t rest = w->waited - w->attributed;
	char ns[TEXT_SHORT], part[TEXT_SHORT];

	if (share((double)rest, (double)w->waited) < REST_SAID)
		return;
	buffer_printf(out, "\nWho is to blame for %s (%s) is not known.\n", text_duration(rest, ns),
		      share_text((double)rest, (double)w->waited, part));
	if (w->forgotten)
		buffer_printf(out, "  %s  began before what a CPU remembers\n",
			      text_duration(w->forgotten, ns));
	if (w->no_room)
		buffer_printf(out, "  %s  found no room: too many pairs of containers\n",
			      text_duration(w->no_room, ns));
}

static void print_hidden(const struct blame_view *v, size_t shown, struct buffer *out)
{
	char text[TEXT_SHORT];
	uint64_t rest = 0;

	for (size_t i = shown; i < v->n; i++)
		rest += v->victims[i].waited;
	if (shown < v->n)
		buffer_printf(out, "\n%zu others waited %s together ('--all' lists them).\n",
			      v->n - shown, text_duration(rest, text));
}

void blame_write_table(const struct ledger_window *w, const struct blame_options *o,
		       struct buffer *out)
{
	struct page page = {
		.options = o,
		.window = w,
		.has_bars = !o->width || o->width >= WIDE_COLUMNS,
	};
	struct blame_view v;
	size_t shown;

	blame_view_init(&v, w, o);
	for (size_t i = 0; i < v.n; i++)
		page.waited += v.victims[i].waited;
	print_head(&page, out);
	add_columns(&page);
	shown = victims_shown(&page, &v);
	for (size_t i = 0; i < shown; i++)
		add_rows(&page, &v.victims[i]);
	buffer_puts(out, "\n");
	if (v.n)
		grid_print(&page.grid, 0, o->width, o->color, out);
	else
		buffer_puts(out, o->npatterns ? "None of the chosen containers waited.\n"
					      : "Nobody waited.\n");
	print_hidden(&v, shown, out);
	print_rest(&page, out);
	grid_free(&page.grid);
	blame_view_free(&v);
}
