/* SPDX-License-Identifier: Apache-2.0 */
/* What -c matches and suggests, what is listed, and what a container uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/container.h"
#include "container_fixture.h"

/* --- matching --- */

static struct container example(void)
{
	return (struct container){ .kind = OWNER_CONTAINER,
				   .name = (char *)"web",
				   .id = (char *)ID_C,
				   .runtime = (char *)"docker",
				   .pod = (char *)"shop-7f9",
				   .namespace = (char *)"prod" };
}

static void a_pattern_means_name_id_prefix_pod_or_glob(void **state)
{
	static const char *const yes[] = { "web",     ID_C,	    "0123",	     "0123456789AB",
					   "w*",      "*",	    "prod/shop-7f9", "prod/*",
					   "w[aeo]b", "*/shop-?f9", "0123*" };
	static const char *const no[] = { "",	       "we",   "webb", "WEB",
					  "012",       "1234", "prod", "shop-7f9",
					  "prod/shop", "host", "[",    "0123456789abcdefg" };
	struct container c = example();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!container_matches(&c, yes[i]))
			fail_msg("'%s' should match", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (container_matches(&c, no[i]))
			fail_msg("'%s' should not match", no[i]);
}

static void units_and_the_host_match_by_name(void **state)
{
	struct container unit = { .kind = OWNER_UNIT,
				  .name = (char *)"ssh.service",
				  .id = (char *)"" };
	struct container host = { .kind = OWNER_HOST, .name = (char *)"host", .id = (char *)"" };
	struct container pod = { .kind = OWNER_CONTAINER,
				 .name = (char *)"a",
				 .id = (char *)"a",
				 .pod = (char *)"podman-pod" };

	(void)state;
	assert_true(container_matches(&unit, "ssh.service"));
	assert_true(container_matches(&unit, "*.service"));
	assert_false(container_matches(&unit, "ssh"));
	assert_true(container_matches(&host, "host"));
	assert_false(container_matches(&host, "abcd"));
	assert_true(container_matches(&pod, "podman-pod"));
}

/* --- listing --- */

static struct host three_containers(void)
{
	struct host h = host_v2();

	host_cgroup(&h, "/lxc/web");
	host_cgroup(&h, "/lxc/web-frontend");
	host_cgroup(&h, "/lxc/db/inner/deep");
	host_cgroup(&h, "/lxc/db/lxc/nested");
	host_cgroup(&h, "/system.slice/ssh.service");
	host_open(&h);
	return h;
}

static int note(const struct container *c, void *context)
{
	strcat(strcat(context, c->name), " ");
	return strcmp(c->name, "stop") == 0;
}

static void each_goes_by_runtime_and_name_and_leaves_out_what_is_gone(void **state)
{
	struct host h = three_containers();
	char names[256] = "";

	(void)state;
	containers_each(h.containers, note, names);
	assert_string_equal(names, "db nested web web-frontend ssh.service ");
	names[0] = '\0';
	host_remove(&h, "/sys/fs/cgroup/lxc/web");
	containers_rescan(h.containers);
	containers_each(h.containers, note, names);
	assert_string_equal(names, "db nested web-frontend ssh.service ");
	host_free(&h);
}

static void each_stops_when_told(void **state)
{
	struct host h = host_v2();
	char names[256] = "";

	(void)state;
	host_cgroup(&h, "/lxc/a");
	host_cgroup(&h, "/lxc/stop");
	host_cgroup(&h, "/lxc/z");
	host_open(&h);
	assert_int_equal(containers_each(h.containers, note, names), 1);
	assert_string_equal(names, "a stop ");
	host_free(&h);
}

static void suggestions_are_near_and_nearest_first(void **state)
{
	struct host h = three_containers();
	const char *names[2];

	(void)state;
	assert_int_equal(containers_suggest(h.containers, "wbe", names, 2), 1);
	assert_string_equal(names[0], "web");
	assert_int_equal(containers_suggest(h.containers, "we", names, 2), 2);
	assert_string_equal(names[0], "web");
	assert_string_equal(names[1], "web-frontend");
	assert_int_equal(containers_suggest(h.containers, "we", names, 1), 1);
	assert_int_equal(containers_suggest(h.containers, "ssh.servcie", names, 2), 1);
	assert_string_equal(names[0], "ssh.service");
	assert_int_equal(containers_suggest(h.containers, "postgres", names, 2), 0);
	assert_int_equal(containers_suggest(h.containers, "", names, 2), 0);
	host_free(&h);
}

static bool has(const uint64_t *ids, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static void a_containers_cgroups_are_its_own_and_those_below(void **state)
{
	struct host h = three_containers();
	uint64_t db = host_cgroup(&h, "/lxc/db"), deep = host_cgroup(&h, "/lxc/db/inner/deep");
	uint64_t nested = host_cgroup(&h, "/lxc/db/lxc/nested"), web = host_cgroup(&h, "/lxc/web");
	uint64_t root = host_cgroup(&h, "/"), unit = host_cgroup(&h, "/system.slice/ssh.service");
	_cleanup_free_ uint64_t *of_host = NULL, *ids = NULL;
	size_t n;

	(void)state;
	containers_cgroup_ids(h.containers, containers_by_cgroup(h.containers, db, 0), 0, &ids, &n);
	assert_int_equal(ids[0], db);
	assert_int_equal(n, 5); /* db, inner, deep, lxc, nested */
	assert_true(has(ids, n, deep));
	assert_true(has(ids, n, nested));
	assert_false(has(ids, n, web));
	containers_cgroup_ids(h.containers, containers_host(h.containers), 0, &of_host, &n);
	assert_true(has(of_host, n, root));
	assert_false(has(of_host, n, web));
	assert_false(has(of_host, n, unit));
	host_free(&h);
}

/* --- usage --- */

static void usage_is_read_from_v2(void **state)
{
	struct host h = host_v2();
	uint64_t id = host_cgroup(&h, "/lxc/web/sub");
	struct container_usage u;

	(void)state;
	host_write(&h, "/sys/fs/cgroup/lxc/web/cpu.stat", "usage_usec 1500\nuser_usec 1000\n");
	host_write(&h, "/sys/fs/cgroup/lxc/web/cpu.max", "150000 100000\n");
	host_write(&h, "/sys/fs/cgroup/lxc/web/memory.current", "1000000\n");
	host_write(&h, "/sys/fs/cgroup/lxc/web/memory.stat",
		   "anon 1\nactive_file 7\ninactive_file 400000\n");
	host_write(&h, "/sys/fs/cgroup/lxc/web/memory.max", "2000000\n");
	host_write(&h, "/sys/fs/cgroup/lxc/web/cgroup.procs", "10\n11\n");
	host_write(&h, "/sys/fs/cgroup/lxc/web/sub/cgroup.procs", "12\n");
	host_open(&h);
	containers_usage(h.containers, containers_by_cgroup(h.containers, id, 0), &u);
	assert_true(u.has_cpu && u.has_memory);
	assert_int_equal(u.cpu_ns, 1500000);
	assert_true(u.cpu_limit > 1.49 && u.cpu_limit < 1.51);
	assert_int_equal(u.memory, 600000);
	assert_int_equal(u.memory_limit, 2000000);
	assert_int_equal(u.processes, 3);
	host_free(&h);
}

static void usage_is_read_from_v1_where_it_is(void **state)
{
	struct host h = host_new(V1_MOUNT("memory") V1_MOUNT("cpu") V1_MOUNT("cpuacct")
					 V2_MOUNT("/sys/fs/cgroup/unified"),
				 "memory\t4\t1\t1\ncpu\t1\t1\t1\ncpuacct\t2\t1\t1\n");
	uint64_t id = host_cgroup_at(&h, "/sys/fs/cgroup/memory", "/lxc/web");
	struct container_usage u;

	(void)state;
	host_cgroup_at(&h, "/sys/fs/cgroup/unified", "/lxc/web");
	host_write(&h, "/sys/fs/cgroup/cpuacct/lxc/web/cpuacct.usage", "123456\n");
	host_write(&h, "/sys/fs/cgroup/cpu/lxc/web/cpu.cfs_quota_us", "-1\n");
	host_write(&h, "/sys/fs/cgroup/cpu/lxc/web/cpu.cfs_period_us", "100000\n");
	host_write(&h, "/sys/fs/cgroup/memory/lxc/web/memory.usage_in_bytes", "5000\n");
	host_write(&h, "/sys/fs/cgroup/memory/lxc/web/memory.stat",
		   "inactive_file 1\ntotal_inactive_file 1000\n");
	host_write(&h, "/sys/fs/cgroup/memory/lxc/web/memory.limit_in_bytes",
		   "9223372036854771712\n");
	host_write(&h, "/sys/fs/cgroup/memory/lxc/web/cgroup.procs", "10\n");
	host_open(&h);
	containers_usage(h.containers, containers_by_cgroup(h.containers, 0, id), &u);
	assert_int_equal(u.cpu_ns, 123456);
	assert_true(u.cpu_limit == 0);
	assert_int_equal(u.memory, 4000);
	assert_true(u.memory_limit == UINT64_MAX);
	assert_int_equal(u.processes, 1);
	host_free(&h);
}

static void what_cannot_be_read_is_not_claimed(void **state)
{
	struct host h = host_v2();
	uint64_t id = host_cgroup(&h, "/lxc/web");
	struct container_usage u;

	(void)state;
	host_write(&h, "/sys/fs/cgroup/lxc/web/memory.max", "max\n");
	host_open(&h);
	containers_usage(h.containers, containers_by_cgroup(h.containers, id, 0), &u);
	assert_false(u.has_cpu || u.has_memory);
	assert_true(u.memory_limit == UINT64_MAX);
	assert_int_equal(u.processes, 0);
	host_free(&h);
}

static int find_web(const struct container *c, void *context)
{
	*(const struct container **)context = c;
	return 1;
}

static void age_is_that_of_the_first_process_if_nobody_tells(void **state)
{
	struct host h = host_v2();
	const struct container *c = NULL;

	(void)state;
	host_cgroup(&h, "/lxc/web");
	host_write(&h, "/sys/fs/cgroup/lxc/web/cgroup.procs", "60\n");
	host_process(&h, 60, "a) b", 0, "x", "/lxc/web", 0);
	host_write(&h, "/proc/stat", "cpu 1 2\nbtime 1700000000\nprocesses 5\n");
	host_open(&h);
	containers_each(h.containers, find_web, &c);
	assert_int_equal(c->init_pid, 60);
	/* Started 500 ticks after boot. */
	assert_int_equal(c->created, 1700000000 + 500 / sysconf(_SC_CLK_TCK));
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_means_name_id_prefix_pod_or_glob),
		cmocka_unit_test(units_and_the_host_match_by_name),
		cmocka_unit_test(each_goes_by_runtime_and_name_and_leaves_out_what_is_gone),
		cmocka_unit_test(each_stops_when_told),
		cmocka_unit_test(suggestions_are_near_and_nearest_first),
		cmocka_unit_test(a_containers_cgroups_are_its_own_and_those_below),
		cmocka_unit_test(usage_is_read_from_v2),
		cmocka_unit_test(usage_is_read_from_v1_where_it_is),
		cmocka_unit_test(what_cannot_be_read_is_not_claimed),
		cmocka_unit_test(age_is_that_of_the_first_process_if_nobody_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
