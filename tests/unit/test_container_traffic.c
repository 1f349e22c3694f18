/* SPDX-License-Identifier: Apache-2.0 */
/* What a container moved to and from devices and the network, as the kernel's files tell it. */
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

#define V2 "/sys/fs/cgroup/lxc/web"
#define V1 "/sys/fs/cgroup/blkio/lxc/web"

/* Linux 6.1: a disk with everything, one with io.cost, and one that has moved nothing yet and, on
 * some kernels, no end of line. */
#define V2_IO_STAT                                                                       \
	"8:16 8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=512 dios=1\n"             \
	"259:0 rbytes=100000 wbytes=20000 rios=3 wios=4 dbytes=0 dios=0 cost.usage=12\n" \
	"7:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n"

#define V1_SERVICE_BYTES                                                                  \
	"8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12000\n8:0 Async 288\n8:0 Discard 512\n" \
	"8:0 Total 12288\n259:0 Read 100000\n259:0 Write 20000\n259:0 Sync 120000\n"      \
	"259:0 Async 0\n259:0 Discard 0\n259:0 Total 120000\nTotal 132288\n"

#define MOVED (4096 + 8192 + 100000 + 20000)

#define NET_DEV                                                                                   \
	"Inter-|   Receive                                                |  Transmit\n"          \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "     \
	"errs drop fifo colls carrier compressed\n"                                               \
	"    lo: 9999999    1000    0    0    0     0          0         0  9999999    1000    "  \
	"0    0    0     0       0          0\n"                                                  \
	"  eth0:  1000000     700    1    2    3     4          5         6   200000     300    " \
	"0    0    0     0       0          0\n"                                                  \
	"net1:30 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n"

static struct host v1_host(void)
{
	return host_new(V1_MOUNT("memory") V1_MOUNT("blkio") V2_MOUNT("/sys/fs/cgroup/unified"),
			"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t3\t1\t1\n"
			"blkio\t4\t1\t1\n");
}

static void join_network(const struct host *h, int pid, const char *namespace)
{
	_cleanup_free_ char *link = xasprintf("%s/proc/%d/ns/net", h->root, pid);

	host_mkdir(h, "/proc/%d/ns", pid);
	unlink(link);
	assert_int_equal(symlink(namespace, link), 0);
}

/* Process 10 is in /lxc/web of a v2 host, whose network namespace is net:[1]. */
static struct host networked(const char *namespace)
{
	struct host h = host_v2();

	host_cgroup(&h, "/lxc/web");
	host_write(&h, "/sys/fs/cgroup/lxc/web/cgroup.procs", "10\n");
	host_process(&h, 10, "web", 0, "web", "/lxc/web", 2);
	host_write(&h, "/proc/10/net/dev", NET_DEV);
	join_network(&h, 1, "net:[1]");
	join_network(&h, 10, namespace);
	return h;
}

static int take(const struct container *c, void *context)
{
	*(const struct container **)context = c;
	return 1;
}

/* Of the host's only container. */
static struct container_traffic traffic_of(struct host *h)
{
	const struct container *c = NULL;
	struct container_traffic t;

	host_open(h);
	containers_each(h->containers, take, &c);
	assert_non_null(c);
	containers_traffic(h->containers, c, &t);
	return t;
}

static void v2_counts_what_was_read_and_written_on_all_devices(void **state)
{
	struct host h = host_v2();
	struct container_traffic t;

	(void)state;
	host_cgroup(&h, "/lxc/web");
	host_write(&h, V2 "/io.stat", V2_IO_STAT);
	t = traffic_of(&h);
	assert_true(t.has_io);
	assert_int_equal(t.io, MOVED);
	assert_false(t.has_net);
	host_free(&h);
}

static void v1_counts_reads_and_writes_and_no_sums_of_them(void **state)
{
	struct host h = v1_host();
	struct container_traffic t;

	(void)state;
	host_cgroup_at(&h, "/sys/fs/cgroup/memory", "/lxc/web");
	host_write(&h, V1 "/blkio.throttle.io_service_bytes_recursive", V1_SERVICE_BYTES);
	t = traffic_of(&h);
	assert_true(t.has_io);
	assert_int_equal(t.io, MOVED);
	host_free(&h);
}

static void what_a_mapped_device_moves_counts_for_the_disk_below_it_only(void **state)
{
	struct host h = host_v2();

	(void)state;
	host_cgroup(&h, "/lxc/web");
	host_mkdir(&h, "/sys/dev/block/253:0/slaves/sda");
	host_mkdir(&h, "/sys/dev/block/8:0/slaves");
	host_write(&h, V2 "/io.stat",
		   "8:0 rbytes=1000 wbytes=200 rios=1 wios=1 dbytes=0 dios=0\n"
		   "253:0 rbytes=1000 wbytes=200 rios=1 wios=1 dbytes=0 dios=0\n");
	assert_int_equal(traffic_of(&h).io, 1200);
	host_free(&h);
}

/* v1 on Linux 6.11 and newer, where no device has a rule; v2 without the io controller. */
static void where_nothing_is_counted_nothing_is_claimed(void **state)
{
	struct host v1 = v1_host(), v2 = host_v2();

	(void)state;
	host_cgroup_at(&v1, "/sys/fs/cgroup/memory", "/lxc/web");
	host_write(&v1, V1 "/blkio.throttle.io_service_bytes_recursive", "Total 0\n");
	assert_false(traffic_of(&v1).has_io);
	host_cgroup(&v2, "/lxc/web");
	assert_false(traffic_of(&v2).has_io);
	host_free(&v1);
	host_free(&v2);
}

static void nonsense_counts_nothing(void **state)
{
	static const char *const texts[] = {
		"",	  "\n\n", "8:0", "8:0 rbytes=", "8:0 rbytes=x wbytes=1\n", "8:0 rbytes=1\n",
		"rbytes",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct host h = host_v2();

		host_cgroup(&h, "/lxc/web");
		host_write(&h, V2 "/io.stat", texts[i]);
		assert_false(traffic_of(&h).has_io);
		host_free(&h);
	}
}

static void all_interfaces_but_the_loopback_are_counted(void **state)
{
	struct host h = networked("net:[2]");
	struct container_traffic t = traffic_of(&h);

	(void)state;
	assert_true(t.has_net);
	assert_int_equal(t.net, 1000000 + 200000 + 30 + 7);
	host_free(&h);
}

static void the_network_of_the_host_is_nobodys(void **state)
{
	struct host h = networked("net:[1]");

	(void)state;
	assert_false(traffic_of(&h).has_net);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_counts_what_was_read_and_written_on_all_devices),
		cmocka_unit_test(v1_counts_reads_and_writes_and_no_sums_of_them),
		cmocka_unit_test(what_a_mapped_device_moves_counts_for_the_disk_below_it_only),
		cmocka_unit_test(where_nothing_is_counted_nothing_is_claimed),
		cmocka_unit_test(nonsense_counts_nothing),
		cmocka_unit_test(all_interfaces_but_the_loopback_are_counted),
		cmocka_unit_test(the_network_of_the_host_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
