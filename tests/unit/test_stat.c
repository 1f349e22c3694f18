/* SPDX-License-Identifier: Apache-2.0 */
/* What `plimsoll stat` shows of a record: bar, block, JSON and CSV say the same; and hardware
 * counters, by events that every machine has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "output/stat.h"

/* --- the bar --- */

static void a_bar_is_full_and_each_state_has_its_share(void **state)
{
	const uint64_t ns[ACCOUNT_STATES] = {
		[ACCOUNT_USER] = 50, [ACCOUNT_DISK] = 25, [ACCOUNT_IDLE] = 25
	};
	_cleanup_(buffer_free) struct buffer out = { 0 };

	(void)state;
	ledger_bar(&out, ns, 8, BAR_PLAIN);
	assert_string_equal(out.data, "UUUUDD..");
}

static void a_bar_of_odd_shares_is_never_too_short_or_long(void **state)
{
	uint64_t ns[ACCOUNT_STATES];

	(void)state;
	for (size_t width = 1; width < 40; width++) {
		uint8_t cells[BAR_CELLS_MAX + 1];

		for (size_t i = 0; i < ACCOUNT_STATES; i++)
			ns[i] = (i * 7919 + width * 104729) % 1000;
		memset(cells, 0xee, sizeof(cells));
		ledger_bar_cells(ns, width, cells);
		for (size_t i = 0; i < width; i++) {
			assert_true(cells[i] < ACCOUNT_STATES);
			assert_true(!i || cells[i] >= cells[i - 1]);
		}
		assert_int_equal(cells[width], 0xee);
	}
}

static void a_bar_of_nothing_is_blank(void **state)
{
	const uint64_t ns[ACCOUNT_STATES] = { 0 };
	_cleanup_(buffer_free) struct buffer out = { 0 };

	(void)state;
	ledger_bar(&out, ns, 4, BAR_256);
	assert_string_equal(out.data, "    ");
}

static void a_bar_of_huge_times_does_not_overflow(void **state)
{
	const uint64_t ns[ACCOUNT_STATES] = {
		[ACCOUNT_USER] = UINT64_MAX, [ACCOUNT_IDLE] = UINT64_MAX
	};
	_cleanup_(buffer_free) struct buffer out = { 0 };

	(void)state;
	ledger_bar(&out, ns, 6, BAR_PLAIN);
	assert_string_equal(out.data, "UUU...");
}

static void letters_of_states_differ(void **state)
{
	(void)state;
	for (size_t i = 0; i < ACCOUNT_STATES; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(state_looks[i].letter, state_looks[j].letter);
}

/* --- a record --- */

static struct container web = {
	.kind = OWNER_CONTAINER,
	.name = (char *)"a \"web\",\n<1>",
	.id = (char *)"0123456789abcdef",
	.runtime = (char *)"runc",
	.cgroup = (char *)"/web",
};

/* Two threads for 5 s: 2 s user, 1 s throttled, 3 s network, 4 s idle. */
static struct stat_record example(void)
{
	struct stat_record r = {
		.kind = STAT_CONTAINER,
		.name = web.name,
		.container = &web,
		.interval = 2,
		.time = 1234567890123456789,
		.begin = 5000000000,
		.wall = 5000000000,
		.account = { .container = &web,
			     .threads = 2,
			     .total = 10000000000,
			     .voluntary = 1000,
			     .involuntary = 234 },
		.faults_from = "memory.stat",
		.faults = 110,
		.major_faults = 10,
		.has_quota = true,
		.cpu_limit = 0.5,
		.periods = 50,
		.throttled_periods = 40,
		.throttled_ns = 900000000,
		.has_counters = true,
		.coverage = 0.5,
	};

	r.account.ns[ACCOUNT_USER] = 2000000000;
	r.account.ns[ACCOUNT_THROTTLED] = 1000000000;
	r.account.ns[ACCOUNT_NETWORK] = 3000000000;
	r.account.ns[ACCOUNT_IDLE] = 4000000000;
	r.account.waits[20] = 7;
	r.counts[COUNTER_CYCLES] = r.counts[COUNTER_INSTRUCTIONS] = true;
	r.counters[COUNTER_CYCLES] = 6e9;
	r.counters[COUNTER_INSTRUCTIONS] = 9e9;
	return r;
}

static json_t *as_json(const struct stat_record *r)
{
	_cleanup_(buffer_free) struct buffer out = { 0 };
	json_t *json;

	stat_json(r, &out);
	assert_int_equal(out.data[out.size - 1], '\n');
	assert_ptr_equal(strchr(out.data, '\n'), out.data + out.size - 1);
	json = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	return json;
}

static long long integer(const json_t *json, const char *key)
{
	assert_true(json_is_integer(json_object_get(json, key)));
	return json_integer_value(json_object_get(json, key));
}

static void json_has_every_figure(void **state)
{
	struct stat_record r = example();
	json_t *json = as_json(&r);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json, "name")), web.name);
	assert_int_equal(integer(json, "interval"), 2);
	assert_int_equal(integer(json, "total_ns"), 10000000000);
	assert_int_equal(integer(json, "network_ns"), 3000000000);
	assert_int_equal(integer(json, "lost_ns"), 4000000000);
	assert_int_equal(integer(json, "voluntary_switches"), 1000);
	assert_int_equal(integer(json, "cpu_waits"), 7);
	assert_int_equal(integer(json, "cpu_wait_max_ns"), 1 << 20);
	assert_int_equal(integer(json, "minor_faults"), 100);
	assert_int_equal(integer(json, "major_faults"), 10);
	assert_int_equal(integer(json, "quota_throttled_ns"), 900000000);
	assert_int_equal(integer(json, "instructions"), 9000000000);
	assert_float_equal(json_real_value(json_object_get(json, "cpus_used")), 0.4, 1e-6);
	assert_float_equal(json_real_value(json_object_get(json, "instructions_per_cycle")), 1.5,
			   1e-6);
	json_decref(json);
}

static void what_is_not_known_is_null(void **state)
{
	static const char *const unknown[] = {
		"interval",	"pid",		 "image",	   "pod",
		"minor_faults", "faults_from",	 "cpu_limit_cpus", "quota_periods",
		"branches",	"counted_share", "cpu_wait_p99_ns"
	};
	struct stat_record r = example();
	json_t *json;

	(void)state;
	r.interval = 0;
	r.faults_from = NULL;
	r.cpu_limit = 0;
	r.has_quota = r.has_counters = false;
	memset(r.account.waits, 0, sizeof(r.account.waits));
	json = as_json(&r);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_true(json_is_null(json_object_get(json, unknown[i])));
	json_decref(json);
}

/* Cuts a line of CSV; quotes are taken off. */
static size_t cells_of(char *line, char *cells[], size_t max)
{
	size_t n = 0;

	for (char *s = line; n < max; s++) {
		char *out = s;
		bool is_quoted = *s == '"';

		cells[n++] = out;
		s += is_quoted;
		while (*s && *s != '\n' && (is_quoted || *s != ',')) {
			if (is_quoted && *s == '"' && s[1] != '"') {
				is_quoted = false;
				s++;
				continue;
			}
			s += is_quoted && *s == '"';
			*out++ = *s++;
		}
		bool is_last = *s != ',';

		*out = '\0';
		if (is_last)
			break;
	}
	return n;
}

static void csv_says_what_json_says(void **state)
{
	struct stat_record r = example();
	_cleanup_(buffer_free) struct buffer head = { 0 }, line = { 0 };
	char *keys[128], *values[128];
	json_t *json = as_json(&r);
	size_t n;

	(void)state;
	stat_csv_head(&head);
	stat_csv(&r, &line);
	n = cells_of(head.data, keys, ARRAY_SIZE(keys));
	assert_int_equal(n, json_object_size(json));
	assert_int_equal(n, cells_of(line.data, values, ARRAY_SIZE(values)));
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(json, keys[i]);

		assert_non_null(value);
		if (json_is_null(value))
			assert_string_equal(values[i], "");
		else if (json_is_integer(value))
			assert_int_equal(strtoll(values[i], NULL, 10), json_integer_value(value));
		else if (json_is_real(value))
			assert_float_equal(strtod(values[i], NULL), json_real_value(value), 1e-6);
		else if (strcmp(keys[i], "name") == 0)
			assert_string_equal(values[i], "a \"web\",\\n<1>"); /* stays on a line */
		else
			assert_string_equal(values[i], json_string_value(value));
	}
	json_decref(json);
}

static void assert_has(const struct buffer *out, const char *text)
{
	if (!strstr(out->data, text))
		fail_msg("'%s' is not in:\n%s", text, out->data);
}

static void a_block_says_what_json_says(void **state)
{
	const struct stat_view view = { .width = STAT_WIDTH };
	_cleanup_(buffer_free) struct buffer out = { 0 };
	struct stat_record r = example();

	(void)state;
	stat_block(&r, &view, &out);
	assert_has(&out,
		   "a \"web\",\\n<1> · runc 0123456789ab · from 5.0 to 10.0 s · 2.0 threads\n");
	assert_has(&out, "\nUUUUUUUUUUUUUUUUTTTTTTTTNNNNNNNNNNNNNNNNNNNNNNNN......................."
			 ".........\n");
	assert_has(&out, "  N network        3.00 s  30.0 %");
	assert_has(&out, "1,234  247 a second");
	assert_has(&out, "234  19.0 %");
	assert_has(&out, "100 minor, 10 major");
	assert_has(&out, "0.40  of 0.50 allowed (80 %)");
	assert_has(&out, "40  of 50; 900 ms summed over CPUs");
	assert_has(&out, "9,000,000,000  1.50 a cycle");
	assert_has(&out, "6,000,000,000  3.00 GHz while on a CPU");
	assert_has(&out, "branch misses        not supported\n");
	assert_has(&out, "counted 50 % of the time and scaled");
}

/* A machine with hundreds of CPUs, for a day. */
static void a_block_fits_a_page_however_large_its_figures_are(void **state)
{
	const struct stat_view view = { .width = STAT_WIDTH };
	_cleanup_(buffer_free) struct buffer out = { 0 };
	struct stat_record r = example();

	(void)state;
	r.name = "web";
	r.wall = 86400000000000;
	r.account.threads = 100000;
	r.account.voluntary = r.account.involuntary = 1000000000000;
	r.account.migrations = r.account.wakeups = 1000000000000;
	r.account.began = r.account.ended = 1000000000;
	r.account.astray = 1000000000;
	r.account.waits[20] = 1000000000;
	r.faults = 1000000000000;
	r.major_faults = 100000000;
	r.periods = r.throttled_periods = 864000;
	r.throttled_ns = 86400000000000;
	for (size_t i = 0; i < COUNTERS; i++) {
		r.counts[i] = true;
		r.counters[i] = 1e14;
	}
	stat_block(&r, &view, &out);
	for (char *rest = out.data, *line; (line = strsep(&rest, "\n"));)
		if (text_width(line) > STAT_WIDTH)
			fail_msg("%zu columns: %s", text_width(line), line);
}

static void a_name_cannot_drive_the_terminal(void **state)
{
	const struct stat_view view = { .width = STAT_WIDTH };
	_cleanup_(buffer_free) struct buffer out = { 0 };
	struct stat_record r = example();

	(void)state;
	r.name = "\033]0;mine\a";
	stat_block(&r, &view, &out);
	stat_csv(&r, &out);
	stat_json(&r, &out);
	assert_null(strchr(out.data, '\033'));
	assert_null(strchr(out.data, '\a'));
}

/* --- hardware counters --- */

static void counts_are_scaled_to_the_whole_time(void **state)
{
	const struct counter_reading from = { .count = { 100 },
					      .enabled = { 10 },
					      .running = { 10 } };
	const struct counter_reading to = {
		.count = { 350 }, .enabled = { 110 }, .running = { 60 }, .is_supported = { true }
	};
	double count;

	(void)state;
	/* 250 in a half of the time. */
	assert_true(counters_between(&from, &to, COUNTER_CYCLES, &count));
	assert_float_equal(count, 500, 1e-6);
	assert_float_equal(counters_coverage(&from, &to), 0.5, 1e-6);
	assert_false(counters_between(&from, &to, COUNTER_BRANCHES, &count));
}

static void who_never_ran_counted_nothing_and_who_was_never_on_is_unknown(void **state)
{
	const struct counter_reading from = { 0 };
	struct counter_reading to = { .is_supported = { true } };
	double count = 1;

	(void)state;
	assert_true(counters_between(&from, &to, COUNTER_CYCLES, &count));
	assert_float_equal(count, 0, 0);
	to.enabled[COUNTER_CYCLES] = 1000;
	assert_false(counters_between(&from, &to, COUNTER_CYCLES, &count));
}

/* The kernel's own events go the same way as those of the hardware. */
static const struct counter_event software[COUNTERS] = {
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK },
	{ PERF_TYPE_SOFTWARE, 9999 }, /* there is none */
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS },
};

enum { PAGES = 1000 };

/* A new cgroup in the hierarchy that perf looks at; false: this user cannot make one. */
static bool make_cgroup(char path[PATH_MAX])
{
	static const char *const places[] = { "/sys/fs/cgroup/perf_event", "/sys/fs/cgroup/unified",
					      "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, PATH_MAX, "%s/cgroup.procs", places[i]);
		if (access(path, W_OK) < 0)
			continue;
		snprintf(path, PATH_MAX, "%s/plimsoll-unit-%d", places[i], getpid());
		return mkdir(path, 0755) == 0;
	}
	return false;
}

/* A child goes into the cgroup, and touches so many pages. */
static void touch_pages_in(const char *path)
{
	char procs[PATH_MAX + 16];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
		int fd = open(procs, O_WRONLY);
		volatile char *pages = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (fd < 0 || write(fd, "0", 1) != 1 || pages == MAP_FAILED ||
		    madvise((void *)pages, PAGES * 4096, MADV_NOHUGEPAGE) < 0)
			_exit(1);
		for (size_t i = 0; i < PAGES; i++)
			pages[i * 4096] = 1;
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void events_of_a_cgroup_are_counted_on_all_cpus(void **state)
{
	char path[PATH_MAX];
	struct counter_reading from, to;
	struct counters *counters;
	double faults, minor, clock;
	int cgroup, err;

	(void)state;
	if (geteuid() != 0 || !make_cgroup(path))
		skip();
	cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = counters_open(cgroup, software, &counters);
	close(cgroup);
	if (err) {
		rmdir(path);
		assert_true(err == -EPERM || err == -EACCES);
		skip();
	}
	counters_read(counters, &from);
	touch_pages_in(path);
	counters_read(counters, &to);
	counters_close(counters);
	/* The child is gone when it was waited for; its cgroup notices a moment later. */
	for (int i = 0; rmdir(path) < 0 && i < 100; i++)
		usleep(10000);

	assert_true(counters_between(&from, &to, (enum counter)0, &faults));
	assert_true(counters_between(&from, &to, (enum counter)1, &minor));
	assert_true(counters_between(&from, &to, (enum counter)2, &clock));
	/* What the child's own code and stack take is not that much. */
	assert_true(faults >= PAGES && faults < 1.2 * PAGES);
	assert_true(minor >= PAGES && minor <= faults);
	assert_true(clock > 0 && clock < 5e9);
	assert_false(to.is_supported[3]);
	assert_float_equal(counters_coverage(&from, &to), 1, 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bar_is_full_and_each_state_has_its_share),
		cmocka_unit_test(a_bar_of_odd_shares_is_never_too_short_or_long),
		cmocka_unit_test(a_bar_of_nothing_is_blank),
		cmocka_unit_test(a_bar_of_huge_times_does_not_overflow),
		cmocka_unit_test(letters_of_states_differ),
		cmocka_unit_test(json_has_every_figure),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(csv_says_what_json_says),
		cmocka_unit_test(a_block_says_what_json_says),
		cmocka_unit_test(a_block_fits_a_page_however_large_its_figures_are),
		cmocka_unit_test(a_name_cannot_drive_the_terminal),
		cmocka_unit_test(counts_are_scaled_to_the_whole_time),
		cmocka_unit_test(who_never_ran_counted_nothing_and_who_was_never_on_is_unknown),
		cmocka_unit_test(events_of_a_cgroup_are_counted_on_all_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
