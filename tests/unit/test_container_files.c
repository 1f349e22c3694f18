/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes keep on disk, read with suspicion: mountinfo, TOML, JSON, bbolt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/bolt.h"
#include "container/bounded_json.h"
#include "container/cgroup.h"
#include "container/runtime.h"
#include "container/toml.h"
#include "container_fixture.h"

/* --- mounts --- */

#define HYBRID                                                                               \
	V1_MOUNT("cpu")                                                                      \
	V1_MOUNT("pids")                                                                     \
	V1_MOUNT("memory")                                                                   \
	"37 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n" V2_MOUNT( \
		"/sys/fs/cgroup/unified")
#define HYBRID_NUMBERS                                                                   \
	"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t1\t1\ncpu\t1\t1\t1\n" \
	"memory\t4\t11\t1\npids\t8\t1\t1\n"

static struct cgroups parse(const char *mountinfo, const char *proc_cgroups)
{
	_cleanup_free_ char *mounts = xstrdup(mountinfo), *numbers = xstrdup(proc_cgroups);
	struct cgroups c = { 0 };

	cgroups_parse(&c, "", mounts, numbers);
	return c;
}

static void a_v2_host_has_no_v1_controller(void **state)
{
	struct cgroups c = parse("22 1 8:1 / / rw - ext4 /dev/sda rw\n" V2_MOUNT("/sys/fs/cgroup"),
				 "#subsys_name\thierarchy\ncpu\t0\t9\t1\nmemory\t0\t9\t1\n");

	(void)state;
	assert_int_equal(c.mode, CGROUP_V2);
	assert_null(c.controller);
	assert_string_equal(c.at[HIERARCHY_V2].mount, "/sys/fs/cgroup");
	cgroups_release(&c);
}

static void a_hybrid_host_is_identified_by_memory_and_its_number(void **state)
{
	struct cgroups c = parse(HYBRID, HYBRID_NUMBERS);

	(void)state;
	assert_int_equal(c.mode, CGROUP_HYBRID);
	assert_string_equal(c.controller, "memory");
	assert_int_equal(c.number, 4);
	assert_string_equal(c.at[HIERARCHY_V1].mount, "/sys/fs/cgroup/memory");
	assert_string_equal(c.at[HIERARCHY_V2].mount, "/sys/fs/cgroup/unified");
	cgroups_release(&c);
}

static void a_v1_host_without_memory_takes_the_next_controller(void **state)
{
	struct cgroups c =
		parse("35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
		      "cpu\t3\t1\t1\ncpuacct\t3\t1\t1\nmemory\t0\t1\t0\n");

	(void)state;
	assert_int_equal(c.mode, CGROUP_V1);
	assert_string_equal(c.controller, "cpu");
	assert_int_equal(c.number, 3);
	assert_string_equal(c.use[V1_CPU_TIME], "/sys/fs/cgroup/cpu,cpuacct");
	cgroups_release(&c);
}

static void a_named_v1_hierarchy_beside_v2_is_not_hybrid(void **state)
{
	struct cgroups c = parse(
		V2_MOUNT("/sys/fs/cgroup") "37 31 0:37 / /mnt/x rw - cgroup none rw,name=systemd\n",
		"memory\t0\t1\t1\n");

	(void)state;
	assert_int_equal(c.mode, CGROUP_V2);
	cgroups_release(&c);
}

static void no_mounts_are_no_cgroups(void **state)
{
	struct cgroups c = parse("garbage\n1 2 3\n- - -\n\n", "");

	(void)state;
	assert_int_equal(c.mode, CGROUP_NONE);
	cgroups_release(&c);
}

static void mount_points_are_unescaped_and_the_whole_hierarchy_is_preferred(void **state)
{
	struct cgroups c = parse("1 1 0:1 /docker/x /part rw - cgroup2 cgroup2 rw\n"
				 "1 1 0:1 / /mnt/with\\040blank rw - cgroup2 cgroup2 rw\n"
				 "1 1 0:1 /docker/y /late rw - cgroup2 cgroup2 rw\n",
				 "");

	(void)state;
	assert_string_equal(c.at[HIERARCHY_V2].mount, "/mnt/with blank");
	assert_string_equal(c.at[HIERARCHY_V2].base, "");
	cgroups_release(&c);
}

static void a_mount_of_a_part_knows_what_is_in_front(void **state)
{
	struct cgroups c = parse("1 1 0:1 /docker/x /c rw - cgroup2 cgroup2 rw\n", "");
	_cleanup_free_ char *file = cgroups_file(c.at[0].mount, c.at[0].base, "/docker/x/sub",
						 "cpu.stat");

	(void)state;
	assert_string_equal(c.at[HIERARCHY_V2].base, "/docker/x");
	assert_string_equal(file, "/c/sub/cpu.stat");
	cgroups_release(&c);
}

static void the_front_of_a_cgroup_namespace_is_left_out(void **state)
{
	struct cgroups c = parse("1 1 0:1 /../.. /c rw - cgroup2 cgroup2 rw\n", "");

	(void)state;
	assert_string_equal(c.at[HIERARCHY_V2].base, "");
	cgroups_release(&c);
}

static void a_process_is_in_one_cgroup_of_each_hierarchy(void **state)
{
	static const char text[] = "8:pids:/p\n4:cpu,memory:/m:with:colons\n1:name=systemd:/s\n"
				   "0::/unified\n";
	struct cgroups c = parse(HYBRID, HYBRID_NUMBERS);
	size_t n;
	const char *path;

	(void)state;
	path = cgroups_of_process(&c, HIERARCHY_V2, text, &n);
	assert_int_equal(n, strlen("/unified"));
	assert_memory_equal(path, "/unified", n);
	path = cgroups_of_process(&c, HIERARCHY_V1, text, &n);
	assert_int_equal(n, strlen("/m:with:colons"));
	assert_memory_equal(path, "/m:with:colons", n);
	assert_null(cgroups_of_process(&c, HIERARCHY_V1, "nonsense\n:\n::\n", &n));
	cgroups_release(&c);
}

static void a_runtimes_directory_becomes_a_path_in_its_hierarchy(void **state)
{
	struct cgroups c = parse(HYBRID, HYBRID_NUMBERS);

	(void)state;
	assert_string_equal(cgroups_relative(&c, "memory", "/sys/fs/cgroup/memory/a/b"), "/a/b");
	assert_string_equal(cgroups_relative(&c, "", "/sys/fs/cgroup/unified/a"), "/a");
	assert_null(cgroups_relative(&c, "memory", "/sys/fs/cgroup/memoryless/a"));
	assert_null(cgroups_relative(&c, "pids", "/sys/fs/cgroup/pids/a"));
	assert_null(cgroups_relative(&c, "memory", "relative"));
	cgroups_release(&c);
}

/* --- TOML --- */

static void expect_toml(const char *text, const char *section, const char *key, const char *value)
{
	_cleanup_free_ char *found = toml_string(text, section, key);

	if (value)
		assert_string_equal(found, value);
	else
		assert_null(found);
}

static void toml_gives_a_string_of_its_section_only(void **state)
{
	static const char text[] = "version = 2\n# state = \"/comment\"\nstate = \"/run/c\"\n"
				   "  root='/var/c'\nstateless = \"/no\"\nn = 3\n"
				   "[grpc]\n  address = \"/sock\"\nstate = \"/wrong\"\n"
				   "[ storage ]\ngraphroot = \"/g\"\nbad = \"never ends\n"
				   "escaped = \"a\\\"b\"\n";

	(void)state;
	expect_toml(text, "", "state", "/run/c");
	expect_toml(text, "", "root", "/var/c");
	expect_toml(text, "", "n", NULL);
	expect_toml(text, "", "address", NULL);
	expect_toml(text, "grpc", "state", "/wrong");
	expect_toml(text, "storage", "graphroot", "/g");
	expect_toml(text, "storage", "bad", NULL);
	expect_toml(text, "storage", "escaped", NULL);
	expect_toml("", "", "state", NULL);
	expect_toml("state", "", "state", NULL);
	expect_toml("state =", "", "state", NULL);
	expect_toml("[", "x", "state", NULL);
}

/* --- JSON --- */

static void json_of_too_many_values_is_refused(void **state)
{
	size_t n = 400000;
	_cleanup_free_ char *text = xmalloc(n + 2);
	json_t *json;

	(void)state;
	memset(text, '[', n / 2);
	memset(text + n / 2, ']', n / 2);
	assert_null(json_parse(text, n)); /* nested too deep */
	for (size_t i = 1; i + 1 < n; i++)
		text[i] = i % 2 ? '1' : ',';
	text[0] = '[';
	text[n - 1] = ']';
	assert_null(json_parse(text, n)); /* 200,000 numbers */
	json = json_parse("{\"a\":{\"b\":\"c\"}}", 15);
	assert_string_equal(json_text_at(json, "a", "b", NULL), "c");
	assert_null(json_text_at(json, "a", NULL));
	assert_null(json_text_at(json, "x", "y", NULL));
	assert_non_null(json_object_at(json, "a", NULL));
	assert_null(json_object_at(json, "a", "b", NULL));
	json_decref(json);
	assert_null(json_text_at(NULL, "a", NULL));
}

static void times_are_seconds_since_1970_in_any_zone(void **state)
{
	(void)state;
	assert_int_equal(parse_time("1970-01-01T00:01:40Z"), 100);
	assert_int_equal(parse_time("2001-09-09T01:46:40.123456789Z"), 1000000000);
	assert_int_equal(parse_time("2001-09-09T03:46:40+02:00"), 1000000000);
	assert_int_equal(parse_time("2001-09-08T20:46:40.5-05:00"), 1000000000);
	assert_int_equal(parse_time("0001-01-01T00:00:00Z"), 0);
	assert_int_equal(parse_time("yesterday"), 0);
	assert_int_equal(parse_time(NULL), 0);
}

/* --- bbolt: a database written by hand --- */

#define PAGE 4096

struct database {
	unsigned char bytes[PAGE * 8];
};

static void put(unsigned char *at, uint64_t value, size_t size)
{
	memcpy(at, &value, size);
}

static void put_meta(struct database *d, int page, uint64_t root, uint64_t txid)
{
	unsigned char *p = d->bytes + page * PAGE, *m = p + 16;
	uint64_t h = 0xcbf29ce484222325ULL;

	put(p, (uint64_t)page, 8);
	put(p + 8, 4, 2);
	put(m, 0xED0CDAED, 4);
	put(m + 4, 2, 4);
	put(m + 8, PAGE, 4);
	put(m + 16, root, 8);
	put(m + 48, txid, 8);
	for (int i = 0; i < 56; i++)
		h = (h ^ m[i]) * 0x100000001b3ULL;
	put(m + 56, h, 8);
}

/* One page being written, at `at`: elements from the front, their bytes behind the last. */
struct writer {
	unsigned char *at;
	unsigned int count, of;
	size_t end;
};

static struct writer begin_page(unsigned char *at, uint64_t id, int flags, unsigned int elements)
{
	put(at, id, 8);
	put(at + 8, (uint64_t)flags, 2);
	put(at + 10, elements, 2);
	return (struct writer){ .at = at, .of = elements, .end = 16 + 16 * elements };
}

static void put_leaf(struct writer *w, bool is_bucket, const char *key, const void *value,
		     size_t size)
{
	unsigned char *e = w->at + 16 + 16 * w->count;

	put(e, is_bucket, 4);
	put(e + 4, (uint64_t)(w->at + w->end - e), 4);
	put(e + 8, strlen(key), 4);
	put(e + 12, size, 4);
	memcpy(w->at + w->end, key, strlen(key));
	memcpy(w->at + w->end + strlen(key), value, size);
	w->end += strlen(key) + size;
	w->count++;
}

static void put_branch(struct writer *w, const char *key, uint64_t page)
{
	unsigned char *e = w->at + 16 + 16 * w->count;

	put(e, (uint64_t)(w->at + w->end - e), 4);
	put(e + 4, strlen(key), 4);
	put(e + 8, page, 8);
	memcpy(w->at + w->end, key, strlen(key));
	w->end += strlen(key);
	w->count++;
}

/*
 * v1 (a bucket of its own page, which is a branch over two leaves)
 *    alpha = "1"                  first leaf
 *    web (an inline bucket)       second leaf
 *        image = "nginx:1"
 *        tag = "latest"
 *    zeta = "26"                  second leaf
 */
static void make_database(struct database *d)
{
	unsigned char bucket[16] = { 0 }, inline_bucket[16 + 128] = { 0 };
	struct writer w;

	memset(d, 0, sizeof(*d));
	put_meta(d, 0, 3, 7);
	put_meta(d, 1, 3, 6);
	put(bucket, 4, 8);
	w = begin_page(d->bytes + 3 * PAGE, 3, 2, 1);
	put_leaf(&w, true, "v1", bucket, sizeof(bucket));
	w = begin_page(d->bytes + 4 * PAGE, 4, 1, 2);
	put_branch(&w, "alpha", 5);
	put_branch(&w, "web", 6);
	w = begin_page(d->bytes + 5 * PAGE, 5, 2, 1);
	put_leaf(&w, false, "alpha", "1", 1);
	w = begin_page(inline_bucket + 16, 0, 2, 2);
	put_leaf(&w, false, "image", "nginx:1", 7);
	put_leaf(&w, false, "tag", "latest", 6);
	w = begin_page(d->bytes + 6 * PAGE, 6, 2, 2);
	put_leaf(&w, true, "web", inline_bucket, sizeof(inline_bucket));
	put_leaf(&w, false, "zeta", "26", 2);
}

static int write_database(const struct database *d, size_t size)
{
	char name[] = "/tmp/plimsoll-bolt-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, d, size), size);
	return fd;
}

static void expect_bolt(int fd, const char *const *keys, int err, const char *want)
{
	_cleanup_free_ char *value = NULL;
	size_t size = 0;

	assert_int_equal(bolt_get(fd, keys, 1024, &value, &size), err);
	if (want) {
		assert_int_equal(size, strlen(want));
		assert_string_equal(value, want);
	}
}

static void bolt_finds_values_behind_branches_and_in_inline_buckets(void **state)
{
	const char *const alpha[] = { "v1", "alpha", NULL }, *const zeta[] = { "v1", "zeta", NULL };
	const char *const image[] = { "v1", "web", "image", NULL };
	const char *const none[] = { "v1", "none", NULL }, *const deep[] = { "v1", "x", "y", NULL };
	const char *const bucket[] = { "v1", "web", NULL }, *const no[] = { "v2", "a", NULL };
	const char *const of_value[] = { "v1", "alpha", "x", NULL };
	struct database d;

	(void)state;
	make_database(&d);
	_cleanup_close_ int fd = write_database(&d, sizeof(d));

	expect_bolt(fd, alpha, 0, "1");
	expect_bolt(fd, zeta, 0, "26");
	expect_bolt(fd, image, 0, "nginx:1");
	expect_bolt(fd, none, -ENOENT, NULL);
	expect_bolt(fd, deep, -ENOENT, NULL);
	expect_bolt(fd, bucket, -ENOENT, NULL);
	expect_bolt(fd, no, -ENOENT, NULL);
	expect_bolt(fd, of_value, -ENOENT, NULL);
}

static void collect(const char *key, const char *value, void *context)
{
	char *text = context;

	strcat(text, key);
	strcat(text, "=");
	strcat(text, value);
	strcat(text, " ");
}

static void bolt_lists_the_values_of_a_bucket(void **state)
{
	const char *const web[] = { "v1", "web", NULL }, *const v1[] = { "v1", NULL };
	char text[128] = "";
	struct database d;

	(void)state;
	make_database(&d);
	_cleanup_close_ int fd = write_database(&d, sizeof(d));

	assert_int_equal(bolt_each(fd, web, 10, collect, text), 0);
	assert_string_equal(text, "image=nginx:1 tag=latest ");
	text[0] = '\0';
	assert_int_equal(bolt_each(fd, v1, 10, collect, text), 0);
	assert_string_equal(text, "alpha=1 zeta=26 ");
	text[0] = '\0';
	assert_int_equal(bolt_each(fd, web, 1, collect, text), 0);
	assert_string_equal(text, "image=nginx:1 ");
}

static void bolt_survives_a_torn_meta_and_refuses_two(void **state)
{
	const char *const alpha[] = { "v1", "alpha", NULL };
	struct database d;

	(void)state;
	make_database(&d);
	d.bytes[16 + 20] ^= 1; /* the checksum of the newer one no longer holds */
	_cleanup_close_ int fd = write_database(&d, sizeof(d));

	expect_bolt(fd, alpha, 0, "1");
	d.bytes[PAGE + 16 + 20] ^= 1;
	_cleanup_close_ int both = write_database(&d, sizeof(d));

	expect_bolt(both, alpha, -EBADMSG, NULL);
}

static void bolt_refuses_values_above_the_limit(void **state)
{
	const char *const image[] = { "v1", "web", "image", NULL };
	struct database d;
	char *value;
	size_t size;

	(void)state;
	make_database(&d);
	_cleanup_close_ int fd = write_database(&d, sizeof(d));

	assert_int_equal(bolt_get(fd, image, 6, &value, &size), -EFBIG);
}

static void bolt_ends_on_a_page_that_is_its_own_child(void **state)
{
	const char *const alpha[] = { "v1", "alpha", NULL }, *const v1[] = { "v1", NULL };
	char text[128] = "";
	struct writer w;
	struct database d;

	(void)state;
	make_database(&d);
	w = begin_page(d.bytes + 4 * PAGE, 4, 1, 2);
	put_branch(&w, "a", 4);
	put_branch(&w, "b", 4);
	_cleanup_close_ int fd = write_database(&d, sizeof(d));

	expect_bolt(fd, alpha, -EBADMSG, NULL);
	assert_int_equal(bolt_each(fd, v1, 10, collect, text), -EBADMSG);
}

static void bolt_survives_every_truncation(void **state)
{
	const char *const image[] = { "v1", "web", "image", NULL };
	struct database d;

	(void)state;
	make_database(&d);
	for (size_t size = 0; size < 7 * PAGE; size += 97) {
		_cleanup_close_ int fd = write_database(&d, size);
		_cleanup_free_ char *value = NULL;
		size_t n;

		assert_int_not_equal(bolt_get(fd, image, 1024, &value, &n), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_v2_host_has_no_v1_controller),
		cmocka_unit_test(a_hybrid_host_is_identified_by_memory_and_its_number),
		cmocka_unit_test(a_v1_host_without_memory_takes_the_next_controller),
		cmocka_unit_test(a_named_v1_hierarchy_beside_v2_is_not_hybrid),
		cmocka_unit_test(no_mounts_are_no_cgroups),
		cmocka_unit_test(mount_points_are_unescaped_and_the_whole_hierarchy_is_preferred),
		cmocka_unit_test(a_mount_of_a_part_knows_what_is_in_front),
		cmocka_unit_test(the_front_of_a_cgroup_namespace_is_left_out),
		cmocka_unit_test(a_process_is_in_one_cgroup_of_each_hierarchy),
		cmocka_unit_test(a_runtimes_directory_becomes_a_path_in_its_hierarchy),
		cmocka_unit_test(toml_gives_a_string_of_its_section_only),
		cmocka_unit_test(json_of_too_many_values_is_refused),
		cmocka_unit_test(times_are_seconds_since_1970_in_any_zone),
		cmocka_unit_test(bolt_finds_values_behind_branches_and_in_inline_buckets),
		cmocka_unit_test(bolt_lists_the_values_of_a_bucket),
		cmocka_unit_test(bolt_survives_a_torn_meta_and_refuses_two),
		cmocka_unit_test(bolt_refuses_values_above_the_limit),
		cmocka_unit_test(bolt_ends_on_a_page_that_is_its_own_child),
		cmocka_unit_test(bolt_survives_every_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
