/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of `plimsoll stat` for the eye.
 *
 *     web · docker 3f2a9c1b2d3e · 10.0 s · 4.0 threads
 *
 *     UUUUUURRRRTTTTTTTTTTTTTDDDD.....................................................
 *
 *       U user            2.10 s   5.3 %  ██▏        runs its own code
 *       R runnable        1.20 s   3.0 %  █▎         waits for a CPU
 *       . idle            ...
 *
 *       waits for a CPU    1,234  p50 12 µs · p90 80 µs
 *                                 p99 4.2 ms · max < 8.4 ms
 *       context switches  12,345  1,234 a second
 *         involuntary      1,345  10.9 %
 *
 * Shares are of wall time times threads, and add up to it.
 */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "output/grid.h"
#include "output/stat.h"

#define SHORT_ID	12
#define INDENT		2
#define LABEL_COLUMNS	18
#define NUMBER_COLUMNS	16
#define STATE_COLUMNS	35 /* in front of a state's bar */
#define SUMMARY_COLUMNS 54 /* the longest summary, and a gap: for wide terminals */
#define STATE_BAR_LEAST 20
#define STATE_BAR_MOST	40
#define PERCENT_WARNING 10.0 /* from so much time lost to one state on, its name is marked */

const char *stat_kind_name(enum stat_kind kind)
{
	static const char *const names[] = {
		[STAT_CONTAINER] = "container", [STAT_UNIT] = "unit",
		[STAT_PROCESS] = "process",	[STAT_COMMAND] = "command",
		[STAT_KERNEL] = "kernel",	[STAT_HOST] = "host",
	};

	return names[kind];
}

static bool is_lost(enum account_state state)
{
	return state == ACCOUNT_RUNNABLE || state == ACCOUNT_THROTTLED ||
	       account_state_is_blocked(state);
}

uint64_t stat_lost(const struct stat_record *r)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		if (is_lost((enum account_state)i))
			lost += r->account.ns[i];
	return lost;
}

uint64_t stat_ran(const struct stat_record *r)
{
	return r->account.ns[ACCOUNT_USER] + r->account.ns[ACCOUNT_KERNEL];
}

uint64_t stat_longest_wait(const struct stat_record *r)
{
	for (size_t i = LEDGER_BUCKETS; i-- > 0;)
		if (r->account.waits[i])
			return 1ULL << i;
	return 0;
}

/* --- the head --- */

static void add_head(const struct stat_record *r, const struct stat_view *view, struct buffer *out)
{
	const struct container *c = r->container;
	bool color = view->colours != BAR_PLAIN;
	_cleanup_(buffer_free) struct buffer facts = { 0 };
	char text[TEXT_SHORT];

	if (r->kind == STAT_CONTAINER)
		buffer_printf(&facts, " · %s %.*s", c->runtime, SHORT_ID, c->id);
	else if (r->kind != STAT_HOST && r->kind != STAT_KERNEL)
		buffer_printf(&facts, " · %s", stat_kind_name(r->kind));
	if (r->pid)
		buffer_printf(&facts, " %d", r->pid);
	if (r->kind == STAT_PROCESS && c->kind != OWNER_HOST)
		buffer_printf(&facts, " of %s", c->name);
	if (c->pod && r->kind == STAT_CONTAINER)
		buffer_printf(&facts, " · pod %s%s%s", c->namespace ? c->namespace : "",
			      c->namespace ? "/" : "", c->pod);
	if (r->interval)
		buffer_printf(&facts, " · from %.1f to %.1f s", (double)r->begin / 1e9,
			      (double)(r->begin + r->wall) / 1e9);
	else
		buffer_printf(&facts, " · %s", text_duration(r->wall, text));
	buffer_printf(&facts, " · %.1f threads", r->account.threads);
	buffer_puts(out, "\n");
	grid_text(out, color, GRID_CONTAINER, r->name);
	grid_text(out, color, GRID_PLAIN, facts.data);
	buffer_puts(out, "\n\n");
}

/* --- the ledger --- */

static void add_foreground(struct buffer *out, enum account_state state, enum bar_colours colours)
{
	const struct state_look *look = &state_looks[state];

	if (colours == BAR_256)
		buffer_printf(out, "\033[38;5;%um", look->ansi256);
	/* Black on black is not seen. */
	else if (colours == BAR_8)
		buffer_printf(out, "\033[%um", look->ansi8 ? 30 + look->ansi8 : 37);
}

static void add_state(const struct stat_record *r, enum account_state state,
		      const struct stat_view *view, struct buffer *out)
{
	double share = r->account.total ? (double)r->account.ns[state] / (double)r->account.total
					: 0;
	bool warns = is_lost(state) && share * 100 >= PERCENT_WARNING;
	bool is_wide = view->width >= STATE_COLUMNS + STATE_BAR_LEAST + SUMMARY_COLUMNS;
	size_t taken = STATE_COLUMNS + (is_wide ? SUMMARY_COLUMNS : 0);
	size_t room = view->width > taken ? view->width - taken : 0;
	size_t columns = MIN(MAX(room, (size_t)STATE_BAR_LEAST), (size_t)STATE_BAR_MOST), used;
	_cleanup_(buffer_free) struct buffer bar = { 0 };
	char time[TEXT_SHORT], percent[TEXT_SHORT], name[TEXT_SHORT];

	snprintf(percent, sizeof(percent), share > 0 && share < 0.0005 ? "<0.1 %%" : "%.1f %%",
		 share * 100);
	snprintf(name, sizeof(name), "%-12s", account_state_name(state));
	buffer_printf(out, "%*s", INDENT, "");
	ledger_bar_key(out, state, view->colours);
	buffer_puts(out, " ");
	grid_text(out, view->colours != BAR_PLAIN, warns ? GRID_BOLD : GRID_PLAIN, name);
	/* "µ" takes two bytes and one column. */
	text_fit(out, text_duration(r->account.ns[state], time), 9, true);
	buffer_puts(out, " ");
	text_fit(out, percent, 7, true);
	used = grid_bar(&bar, share, columns);
	if (used || is_wide) {
		buffer_puts(out, "  ");
		add_foreground(out, state, view->colours);
		buffer_puts(out, bar.data);
		if (view->colours != BAR_PLAIN)
			buffer_puts(out, "\033[0m");
	}
	if (is_wide) {
		buffer_printf(out, "%*s  ", (int)(columns - used), "");
		grid_text(out, view->colours != BAR_PLAIN, GRID_FAINT,
			  account_state_summary(state));
	}
	buffer_puts(out, "\n");
}

static void add_ledger(const struct stat_record *r, const struct stat_view *view,
		       struct buffer *out)
{
	ledger_bar(out, r->account.ns, MIN(view->width, (size_t)BAR_CELLS_MAX), view->colours);
	buffer_puts(out, "\n\n");
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		if (r->account.ns[i])
			add_state(r, (enum account_state)i, view, out);
	buffer_puts(out, "\n");
}

/* --- what was counted --- */

static void add_row(struct buffer *out, const char *label, const char *number, const char *format,
		    ...) __attribute__((format(printf, 4, 5)));

/* "  context switches        12,345  11,000 voluntary, 1,345 not" */
static void add_row(struct buffer *out, const char *label, const char *number, const char *format,
		    ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	buffer_printf(out, "%*s", INDENT, "");
	text_fit(out, label, LABEL_COLUMNS, false);
	/* A number is never cut. */
	buffer_printf(out, "%*s", NUMBER_COLUMNS, number);
	if (text && *text)
		buffer_printf(out, "  %s", text);
	buffer_puts(out, "\n");
}

static double per_second(const struct stat_record *r, double count)
{
	return r->wall ? count / ((double)r->wall / 1e9) : 0;
}

static char *rate(const struct stat_record *r, uint64_t count, char text[TEXT_SHORT])
{
	double n = per_second(r, (double)count);

	if (n >= 10)
		return text_count((uint64_t)llround(n), text);
	snprintf(text, TEXT_SHORT, "%.1f", n);
	return text;
}

static void add_rate(const struct stat_record *r, const char *label, uint64_t count,
		     struct buffer *out)
{
	char number[TEXT_SHORT], text[TEXT_SHORT];

	text_count(count, number);
	if (count)
		add_row(out, label, number, "%s a second", rate(r, count, text));
	else
		add_row(out, label, number, "%s", "");
}

static void add_waits(const struct stat_record *r, struct buffer *out)
{
	char count[TEXT_SHORT], p50[TEXT_SHORT], p90[TEXT_SHORT], p99[TEXT_SHORT], max[TEXT_SHORT];
	const uint64_t *waits = r->account.waits;
	uint64_t n = 0;

	for (size_t i = 0; i < LEDGER_BUCKETS; i++)
		n += waits[i];
	text_count(n, count);
	if (n) {
		add_row(out, "waits for a CPU", count, "p50 %s · p90 %s",
			text_duration(ledger_percentile(waits, 0.5), p50),
			text_duration(ledger_percentile(waits, 0.9), p90));
		add_row(out, "", "", "p99 %s · max < %s",
			text_duration(ledger_percentile(waits, 0.99), p99),
			text_duration(stat_longest_wait(r), max));
	} else {
		add_row(out, "waits for a CPU", count, "%s", "");
	}
}

static void add_events(const struct stat_record *r, struct buffer *out)
{
	const struct account *a = &r->account;
	char number[TEXT_SHORT], one[TEXT_SHORT];
	uint64_t switches = a->voluntary + a->involuntary;

	add_waits(r, out);
	add_rate(r, "context switches", switches, out);
	if (switches)
		add_row(out, "  involuntary", text_count(a->involuntary, number), "%.1f %%",
			100 * (double)a->involuntary / (double)switches);
	add_rate(r, "migrations", a->migrations, out);
	add_rate(r, "wake-ups", a->wakeups, out);
	if (a->began || a->ended)
		add_row(out, "threads began", text_count(a->began, number), "%s ended",
			text_count(a->ended, one));
	if (a->astray)
		add_row(out, "astray", text_count(a->astray, number), "%s",
			"did not fit what was known of a thread");
}

static void add_faults(const struct stat_record *r, struct buffer *out)
{
	char number[TEXT_SHORT], minor[TEXT_SHORT], major[TEXT_SHORT];

	if (!r->faults_from)
		return;
	add_row(out, "page faults", text_count(r->faults, number), "%s minor, %s major",
		text_count(r->faults - MIN(r->faults, r->major_faults), minor),
		text_count(r->major_faults, major));
}

static void add_limits(const struct stat_record *r, struct buffer *out)
{
	double used = r->wall ? (double)stat_ran(r) / (double)r->wall : 0;
	char number[TEXT_SHORT], time[TEXT_SHORT], periods[TEXT_SHORT];

	snprintf(number, sizeof(number), "%.2f", used);
	if (r->cpu_limit > 0)
		add_row(out, "CPUs used", number, "of %.2f allowed (%.0f %%)", r->cpu_limit,
			100 * used / r->cpu_limit);
	else
		add_row(out, "CPUs used", number, "%s", "no limit");
	if (r->has_quota && (r->cpu_limit > 0 || r->throttled_periods))
		add_row(out, "throttled periods", text_count(r->throttled_periods, number),
			"of %s; %s summed over CPUs", text_count(r->periods, periods),
			text_duration(r->throttled_ns, time));
}

/* --- hardware counters --- */

static double share_of(const struct stat_record *r, enum counter part, enum counter whole)
{
	return r->counters[whole] > 0 ? r->counters[part] / r->counters[whole] : 0;
}

static char *counted(const struct stat_record *r, enum counter counter, char text[TEXT_SHORT])
{
	if (!r->counts[counter])
		return strcpy(text, "not supported");
	return text_count((uint64_t)r->counters[counter], text);
}

/* "cache references", and its misses as a share of it. */
static void add_misses(const struct stat_record *r, enum counter all, enum counter missed,
		       const char *label, const char *missed_label, struct buffer *out)
{
	char number[TEXT_SHORT], rates[TEXT_SHORT];

	counted(r, all, number);
	if (r->counts[all])
		add_row(out, label, number, "%s a second",
			rate(r, (uint64_t)r->counters[all], rates));
	else
		add_row(out, label, number, "%s", "");
	counted(r, missed, number);
	if (r->counts[missed] && r->counts[all])
		add_row(out, missed_label, number, "%.2f %%", 100 * share_of(r, missed, all));
	else
		add_row(out, missed_label, number, "%s", "");
}

static bool counts_anything(const struct stat_record *r)
{
	for (size_t i = 0; i < COUNTERS; i++)
		if (r->counts[i])
			return true;
	return false;
}

static void add_counters(const struct stat_record *r, struct buffer *out)
{
	char number[TEXT_SHORT];

	if (!r->has_counters)
		return;
	if (!counts_anything(r)) {
		add_row(out, "hardware counters", "not supported", "%s", "");
		return;
	}
	counted(r, COUNTER_CYCLES, number);
	if (r->counts[COUNTER_CYCLES] && stat_ran(r))
		add_row(out, "cycles", number, "%.2f GHz while on a CPU",
			r->counters[COUNTER_CYCLES] / (double)stat_ran(r));
	else
		add_row(out, "cycles", number, "%s", "");
	counted(r, COUNTER_INSTRUCTIONS, number);
	if (r->counts[COUNTER_INSTRUCTIONS] && r->counts[COUNTER_CYCLES])
		add_row(out, "instructions", number, "%.2f a cycle",
			share_of(r, COUNTER_INSTRUCTIONS, COUNTER_CYCLES));
	else
		add_row(out, "instructions", number, "%s", "");
	add_misses(r, COUNTER_CACHE_REFERENCES, COUNTER_CACHE_MISSES, "cache references",
		   "cache misses", out);
	add_misses(r, COUNTER_BRANCHES, COUNTER_BRANCH_MISSES, "branches", "branch misses", out);
	if (r->coverage < 0.995)
		buffer_printf(out,
			      "%*sCounters shared the CPU's few registers: counted %.0f %% of "
			      "the time and scaled.\n",
			      INDENT, "", 100 * r->coverage);
}

void stat_block(const struct stat_record *r, const struct stat_view *view, struct buffer *out)
{
	add_head(r, view, out);
	add_ledger(r, view, out);
	if (r->kind != STAT_PROCESS)
		add_events(r, out);
	add_faults(r, out);
	add_limits(r, out);
	add_counters(r, out);
}
