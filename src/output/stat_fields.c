/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of `plimsoll stat` for programs. One function names every figure once; JSON and CSV are
 * two ways to write down what it tells.
 */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "output/stat.h"

/* Who is told. `value` is ready to be written: a number, or text that is escaped; NULL: unknown. */
struct sink {
	struct buffer *out;
	bool is_first;
	void (*escape)(struct buffer *out, const char *text);
	void (*put)(struct sink *sink, const char *key, const char *value);
};

static void put_text(struct sink *s, const char *key, const char *text)
{
	_cleanup_(buffer_free) struct buffer escaped = { 0 };

	if (text && *text)
		s->escape(&escaped, text);
	s->put(s, key, escaped.data);
}

static void put_number(struct sink *s, const char *key, bool is_known, uint64_t number)
{
	char text[TEXT_SHORT];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	s->put(s, key, is_known ? text : NULL);
}

/* Six digits behind the point: what is a time is in ns anyway. */
static void put_real(struct sink *s, const char *key, bool is_known, double number)
{
	char text[64];

	snprintf(text, sizeof(text), "%.6f", number);
	s->put(s, key, is_known ? text : NULL);
}

/* --- the fields --- */

static void put_who(struct sink *s, const struct stat_record *r)
{
	const struct container *c = r->container;
	bool is_container = c->kind == OWNER_CONTAINER && r->kind != STAT_COMMAND;

	put_real(s, "time_s", true, (double)r->time / 1e9);
	put_number(s, "interval", r->interval, r->interval);
	put_number(s, "begin_ns", true, r->begin);
	put_number(s, "wall_ns", true, r->wall);
	put_text(s, "kind", stat_kind_name(r->kind));
	put_text(s, "name", r->name);
	put_number(s, "pid", r->pid, (uint64_t)r->pid);
	put_text(s, "container_id", is_container ? c->id : NULL);
	put_text(s, "runtime", is_container ? c->runtime : NULL);
	put_text(s, "image", c->image);
	put_text(s, "namespace", c->namespace);
	put_text(s, "pod", c->pod);
}

static void put_ledger(struct sink *s, const struct stat_record *r)
{
	const struct account *a = &r->account;
	char key[64];

	put_real(s, "threads", true, a->threads);
	put_number(s, "total_ns", true, a->total);
	for (size_t i = 0; i < ACCOUNT_STATES; i++) {
		snprintf(key, sizeof(key), "%s_ns", account_state_name((enum account_state)i));
		put_number(s, key, true, a->ns[i]);
	}
	put_number(s, "lost_ns", true, stat_lost(r));
}

static void put_events(struct sink *s, const struct stat_record *r)
{
	const struct account *a = &r->account;
	bool is_known = r->kind != STAT_PROCESS;
	uint64_t waits = 0;

	for (size_t i = 0; i < LEDGER_BUCKETS; i++)
		waits += a->waits[i];
	put_number(s, "threads_began", is_known, a->began);
	put_number(s, "threads_ended", is_known, a->ended);
	put_number(s, "voluntary_switches", is_known, a->voluntary);
	put_number(s, "involuntary_switches", is_known, a->involuntary);
	put_number(s, "migrations", is_known, a->migrations);
	put_number(s, "wakeups", is_known, a->wakeups);
	put_number(s, "astray_events", is_known, a->astray);
	put_number(s, "cpu_waits", is_known, waits);
	put_number(s, "cpu_wait_p50_ns", is_known && waits, ledger_percentile(a->waits, 0.5));
	put_number(s, "cpu_wait_p90_ns", is_known && waits, ledger_percentile(a->waits, 0.9));
	put_number(s, "cpu_wait_p99_ns", is_known && waits, ledger_percentile(a->waits, 0.99));
	put_number(s, "cpu_wait_max_ns", is_known && waits, stat_longest_wait(r));
	put_number(s, "minor_faults", r->faults_from, r->faults - MIN(r->faults, r->major_faults));
	put_number(s, "major_faults", r->faults_from, r->major_faults);
	put_text(s, "faults_from", r->faults_from);
}

static void put_limits(struct sink *s, const struct stat_record *r)
{
	put_real(s, "cpus_used", r->wall, r->wall ? (double)stat_ran(r) / (double)r->wall : 0);
	put_real(s, "cpu_limit_cpus", r->cpu_limit > 0, r->cpu_limit);
	put_number(s, "quota_periods", r->has_quota, r->periods);
	put_number(s, "quota_throttled_periods", r->has_quota, r->throttled_periods);
	put_number(s, "quota_throttled_ns", r->has_quota, r->throttled_ns);
}

static void put_counters(struct sink *s, const struct stat_record *r)
{
	static const char *const keys[COUNTERS] = {
		[COUNTER_CYCLES] = "cycles",
		[COUNTER_INSTRUCTIONS] = "instructions",
		[COUNTER_CACHE_REFERENCES] = "cache_references",
		[COUNTER_CACHE_MISSES] = "cache_misses",
		[COUNTER_BRANCHES] = "branches",
		[COUNTER_BRANCH_MISSES] = "branch_misses",
	};
	double cycles = r->counters[COUNTER_CYCLES];
	bool any = false;

	for (size_t i = 0; i < COUNTERS; i++) {
		put_number(s, keys[i], r->has_counters && r->counts[i], (uint64_t)r->counters[i]);
		any |= r->counts[i];
	}
	put_real(s, "instructions_per_cycle",
		 r->has_counters && r->counts[COUNTER_CYCLES] && r->counts[COUNTER_INSTRUCTIONS] &&
			 cycles > 0,
		 cycles > 0 ? r->counters[COUNTER_INSTRUCTIONS] / cycles : 0);
	put_real(s, "counted_share", r->has_counters && any, r->coverage);
}

static void put_all(struct sink *s, const struct stat_record *r)
{
	put_who(s, r);
	put_ledger(s, r);
	put_events(s, r);
	put_limits(s, r);
	put_counters(s, r);
}

/* --- JSON --- */

static void json_put(struct sink *s, const char *key, const char *value)
{
	buffer_printf(s->out, "%s\"%s\":%s", s->is_first ? "{" : ",", key, value ? value : "null");
	s->is_first = false;
}

void stat_json(const struct stat_record *r, struct buffer *out)
{
	struct sink s = { .out = out, .is_first = true, .escape = escape_json, .put = json_put };

	put_all(&s, r);
	buffer_puts(out, "}\n");
}

/* --- CSV, RFC 4180 --- */

static void csv_escape(struct buffer *out, const char *text)
{
	_cleanup_(buffer_free) struct buffer clean = { 0 };

	/* No line breaks within a field: a line is a record for grep and awk, too. */
	escape_terminal(&clean, text);
	if (!clean.data || !strpbrk(clean.data, ",\" ")) {
		buffer_puts(out, clean.data ? clean.data : "");
		return;
	}
	buffer_puts(out, "\"");
	for (const char *c = clean.data; *c; c++)
		buffer_puts(out, *c == '"' ? "\"\"" : (char[]){ *c, '\0' });
	buffer_puts(out, "\"");
}

static void csv_put(struct sink *s, const char *key, const char *value)
{
	(void)key;
	buffer_printf(s->out, "%s%s", s->is_first ? "" : ",", value ? value : "");
	s->is_first = false;
}

static void csv_put_head(struct sink *s, const char *key, const char *value)
{
	(void)value;
	buffer_printf(s->out, "%s%s", s->is_first ? "" : ",", key);
	s->is_first = false;
}

void stat_csv(const struct stat_record *r, struct buffer *out)
{
	struct sink s = { .out = out, .is_first = true, .escape = csv_escape, .put = csv_put };

	put_all(&s, r);
	buffer_puts(out, "\n");
}

void stat_csv_head(struct buffer *out)
{
	struct sink s = { .out = out, .is_first = true, .escape = csv_escape, .put = csv_put_head };
	const struct container nobody = { .kind = OWNER_HOST };
	const struct stat_record empty = { .kind = STAT_HOST, .container = &nobody };

	put_all(&s, &empty);
	buffer_puts(out, "\n");
}
