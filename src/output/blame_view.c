/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a window's blame, brought in order; see blame.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "output/blame.h"

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Any order will do, as long as it brings together what is the same. */
static int order_parties(const struct party *a, const struct party *b)
{
	int by_kind = order(a->kind, b->kind);

	return by_kind ? by_kind : order((uintptr_t)a->container, (uintptr_t)b->container);
}

static int order_victims(const struct blame *a, const struct blame *b)
{
	int by_cpu = order(a->cpu, b->cpu);

	return by_cpu ? by_cpu : order_parties(&a->victim, &b->victim);
}

static int order_rows(const void *a, const void *b)
{
	const struct blame *x = a, *y = b;
	int by_victim = order_victims(x, y);

	return by_victim ? by_victim : order_parties(&x->culprit, &y->culprit);
}

/* Most first; what is the same in the order of names, so that two runs look alike. */
static int order_culprits(const void *a, const void *b)
{
	const struct blame_culprit *x = a, *y = b;
	int by_time = order(y->ns, x->ns);

	return by_time ? by_time : strcmp(party_name(&x->party), party_name(&y->party));
}

static int order_by_waited(const void *a, const void *b)
{
	const struct blame_victim *x = a, *y = b;
	int by_cpu = order(x->cpu, y->cpu), by_time = order(y->waited, x->waited);

	if (by_cpu || by_time)
		return by_cpu ? by_cpu : by_time;
	return strcmp(party_name(&x->party), party_name(&y->party));
}

/* A container that was chosen brings those that are nested in it. */
static bool is_shown(const struct party *victim, const struct blame_options *o)
{
	if (!o->npatterns)
		return true;
	for (const struct container *c = victim->container; c; c = c->parent)
		for (size_t i = 0; i < o->npatterns; i++)
			if (container_matches(c, o->patterns[i]))
				return true;
	return false;
}

static struct party party_of(const struct account *a)
{
	if (a->is_kernel)
		return (struct party){ .kind = PARTY_KERNEL };
	return (struct party){ .kind = PARTY_CONTAINER, .container = a->container };
}

static const struct account *account_of(const struct ledger_window *w, const struct party *party)
{
	for (size_t i = 0; i < w->naccounts; i++) {
		struct party other = party_of(&w->accounts[i]);

		if (!order_parties(&other, party))
			return &w->accounts[i];
	}
	return NULL;
}

/*
 * All that is shown, in an order that brings together what belongs together. What nobody is to
 * blame for has no row in the window; here each victim gets one to put it in.
 */
static struct blame *select_rows(const struct ledger_window *w, const struct blame_options *o,
				 size_t *n)
{
	struct blame *rows = xcalloc(w->nblame + w->naccounts + 1, sizeof(*rows));

	*n = 0;
	for (size_t i = 0; i < w->nblame; i++) {
		if (!is_shown(&w->blame[i].victim, o))
			continue;
		rows[*n] = w->blame[i];
		if (!o->by_cpu)
			rows[*n].cpu = 0;
		(*n)++;
	}
	for (size_t i = 0; i < w->naccounts && !o->by_cpu; i++) {
		const struct blame row = { .victim = party_of(&w->accounts[i]),
					   .culprit.kind = PARTY_UNKNOWN };

		if (is_shown(&row.victim, o))
			rows[(*n)++] = row;
	}
	qsort(rows, *n, sizeof(*rows), order_rows);
	return rows;
}

static void add_culprit(struct blame_victim *victim, const struct blame *row)
{
	victim->waited += row->ns;
	if (victim->n && !order_parties(&victim->culprits[victim->n - 1].party, &row->culprit)) {
		victim->culprits[victim->n - 1].ns += row->ns;
		return;
	}
	victim->culprits[victim->n++] = (struct blame_culprit){
		.party = row->culprit,
		.ns = row->ns,
		.is_self = row->culprit.kind != PARTY_UNKNOWN &&
			   !order_parties(&row->culprit, &row->victim),
	};
}

/* What the victim waited besides, for which nobody is to blame. */
static void complete(struct blame_victim *victim, const struct account *account)
{
	uint64_t waited = account->ns[ACCOUNT_RUNNABLE];

	victim->ran = account->ns[ACCOUNT_USER] + account->ns[ACCOUNT_KERNEL];
	if (waited <= victim->waited)
		return;
	for (size_t i = 0; i < victim->n; i++)
		if (victim->culprits[i].party.kind == PARTY_UNKNOWN)
			victim->culprits[i].ns += waited - victim->waited;
	victim->waited = waited;
}

/* Rows from `rows` on that are of one victim; returns how many. */
static size_t take_victim(const struct ledger_window *w, const struct blame_options *o,
			  const struct blame *rows, size_t n, struct blame_victim *victim)
{
	const struct account *account;
	size_t taken = 0;

	victim->party = rows->victim;
	victim->cpu = rows->cpu;
	while (taken < n && !order_victims(&rows[taken], rows))
		add_culprit(victim, &rows[taken++]);
	account = o->by_cpu ? NULL : account_of(w, &victim->party);
	if (account)
		complete(victim, account);
	qsort(victim->culprits, victim->n, sizeof(*victim->culprits), order_culprits);
	while (victim->n && !victim->culprits[victim->n - 1].ns)
		victim->n--;
	return taken;
}

void blame_view_init(struct blame_view *v, const struct ledger_window *w,
		     const struct blame_options *o)
{
	size_t n, taken = 0;
	_cleanup_free_ struct blame *rows = select_rows(w, o, &n);

	v->culprits = xcalloc(n + 1, sizeof(*v->culprits));
	v->victims = xcalloc(n + 1, sizeof(*v->victims));
	v->n = 0;
	while (taken < n) {
		struct blame_victim *victim = &v->victims[v->n];

		*victim = (struct blame_victim){ .culprits = v->culprits + taken };
		taken += take_victim(w, o, rows + taken, n - taken, victim);
		if (victim->n)
			v->n++;
	}
	qsort(v->victims, v->n, sizeof(*v->victims), order_by_waited);
}

void blame_view_free(struct blame_view *v)
{
	free(v->victims);
	free(v->culprits);
	*v = (struct blame_view){ 0 };
}
