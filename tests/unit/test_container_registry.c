/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a cgroup is: scans, announcements, names that come late, and names that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "container/container.h"
#include "container_fixture.h"

#define DOCKER_ROOT "/var/lib/docker"
#define WEB	    "{\"Name\":\"/web\",\"State\":{\"Pid\":42},\"Config\":{\"Image\":\"nginx:1\"}}"

static void write_docker(const struct host *h, const char *root, const char *id, const char *json)
{
	_cleanup_free_ char *path = xasprintf("%s/containers/%s/config.v2.json", root, id);

	host_write(h, path, json);
}

static void give_to(const struct host *h, const char *path, uid_t uid)
{
	_cleanup_free_ char *full = xasprintf("%s%s", h->root, path);

	assert_int_equal(chown(full, uid, uid), 0);
}

/* --- scans --- */

static void a_container_found_at_start_has_its_name(void **state)
{
	struct host h = host_v2();
	uint64_t id = host_cgroup(&h, "/docker/" ID_A), sub = host_cgroup(&h, "/docker/" ID_A "/x");
	const struct container *c;

	(void)state;
	write_docker(&h, DOCKER_ROOT, ID_A, WEB);
	host_open(&h);
	c = containers_by_cgroup(h.containers, id, 0);
	assert_int_equal(c->kind, OWNER_CONTAINER);
	assert_string_equal(c->name, "web");
	assert_string_equal(c->id, ID_A);
	assert_string_equal(c->runtime, "docker");
	assert_string_equal(c->image, "nginx:1");
	assert_string_equal(c->cgroup, "/docker/" ID_A);
	assert_int_equal(c->init_pid, 42);
	assert_ptr_equal(containers_by_cgroup(h.containers, sub, 0), c);
	host_free(&h);
}

static void units_and_the_host_own_the_rest(void **state)
{
	struct host h = host_v2();
	uint64_t unit = host_cgroup(&h, "/system.slice/ssh.service/sub");
	uint64_t slice = host_cgroup(&h, "/system.slice");
	const struct container *c;

	(void)state;
	host_open(&h);
	c = containers_by_cgroup(h.containers, unit, 0);
	assert_int_equal(c->kind, OWNER_UNIT);
	assert_string_equal(c->name, "ssh.service");
	assert_string_equal(c->runtime, "systemd");
	assert_string_equal(c->id, "");
	c = containers_by_cgroup(h.containers, slice, 0);
	assert_ptr_equal(c, containers_host(h.containers));
	assert_string_equal(c->name, "host");
	assert_ptr_equal(containers_by_cgroup(h.containers, 0, 0), c);
	assert_ptr_equal(containers_by_cgroup(h.containers, 999999999, 0), c);
	host_free(&h);
}

static void on_a_hybrid_host_the_half_that_tells_more_counts(void **state)
{
	struct host h = host_new(V1_MOUNT("memory") V2_MOUNT("/sys/fs/cgroup/unified"),
				 "memory\t4\t1\t1\n");
	uint64_t v1 = host_cgroup_at(&h, "/sys/fs/cgroup/memory", "/docker/" ID_A);
	uint64_t v2 = host_cgroup_at(&h, "/sys/fs/cgroup/unified", "/docker/" ID_A);
	uint64_t daemon = host_cgroup_at(&h, "/sys/fs/cgroup/unified", "/s.slice/docker.service");
	uint64_t nested = host_cgroup_at(&h, "/sys/fs/cgroup/unified", "/docker/" ID_A "/lxc/in");
	uint64_t nested_v1 = host_cgroup_at(&h, "/sys/fs/cgroup/memory",
					    "/docker/" ID_A "/lxc/in1");
	const struct container *c;

	(void)state;
	host_open(&h);
	assert_int_equal(containers_mode(h.containers), CGROUP_HYBRID);
	assert_string_equal(containers_v1_controller(h.containers), "memory");
	assert_int_equal(containers_v1_hierarchy(h.containers), 4);
	c = containers_by_cgroup(h.containers, daemon, v1);
	assert_string_equal(c->id, ID_A);
	assert_ptr_equal(containers_by_cgroup(h.containers, v2, v1), c);
	assert_ptr_equal(containers_by_cgroup(h.containers, v2, 0), c);
	assert_ptr_equal(containers_by_cgroup(h.containers, 0, v1), c);
	assert_string_equal(containers_by_cgroup(h.containers, nested, v1)->name, "in");
	assert_ptr_equal(containers_by_cgroup(h.containers, nested, v1)->parent, c);
	assert_string_equal(containers_by_cgroup(h.containers, v2, nested_v1)->name, "in1");
	host_free(&h);
}

static void a_process_is_found_by_its_pid(void **state)
{
	struct host h = host_v2();

	(void)state;
	host_cgroup(&h, "/lxc/web/deep");
	host_process(&h, 77, "nginx", 0, "nginx", "/lxc/web/deep", 0);
	host_open(&h);
	assert_string_equal(containers_by_pid(h.containers, 77)->name, "web");
	assert_ptr_equal(containers_by_pid(h.containers, 78), containers_host(h.containers));
	assert_ptr_equal(containers_by_pid(h.containers, -1), containers_host(h.containers));
	host_free(&h);
}

static void a_host_without_cgroups_is_all_host(void **state)
{
	struct host h = host_new("", "");

	(void)state;
	host_open(&h);
	assert_int_equal(containers_mode(h.containers), CGROUP_NONE);
	assert_ptr_equal(containers_by_cgroup(h.containers, 5, 0), containers_host(h.containers));
	host_free(&h);
}

/* --- runtimes --- */

static const struct container *described(struct host *h, const char *cgroup)
{
	uint64_t id = host_cgroup(h, cgroup);

	host_open(h);
	return containers_by_cgroup(h->containers, id, 0);
}

static const char *label(const struct container *c, const char *key)
{
	for (size_t i = 0; i < c->nlabels; i++)
		if (strcmp(c->labels[i].key, key) == 0)
			return c->labels[i].value;
	return NULL;
}

static void kubernetes_by_docker_tells_pod_and_container(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	write_docker(
		&h, DOCKER_ROOT, ID_A,
		"{\"Name\":\"/k8s_nginx_web-1\",\"Config\":{\"Image\":\"sha256:1\",\"Labels\":{"
		"\"io.kubernetes.container.name\":\"nginx\","
		"\"io.kubernetes.pod.name\":\"web-1\","
		"\"io.kubernetes.pod.namespace\":\"prod\",\"team\":\"a\"}}}");
	c = described(&h, "/kubepods/besteffort/pod" POD "/" ID_A);
	assert_string_equal(c->runtime, "docker");
	assert_string_equal(c->name, "nginx");
	assert_string_equal(c->pod, "web-1");
	assert_string_equal(c->namespace, "prod");
	assert_string_equal(c->pod_uid, POD);
	assert_string_equal(label(c, "team"), "a");
	assert_false(c->is_sandbox);
	host_free(&h);
}

static void an_image_cannot_pretend_to_be_in_a_pod(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	write_docker(&h, DOCKER_ROOT, ID_A,
		     "{\"Name\":\"/evil\",\"Config\":{\"Labels\":{"
		     "\"io.kubernetes.container.name\":\"nginx\","
		     "\"io.kubernetes.pod.name\":\"web-1\","
		     "\"io.kubernetes.docker.type\":\"podsandbox\"}}}");
	c = described(&h, "/docker/" ID_A);
	assert_string_equal(c->name, "evil");
	assert_null(c->pod);
	assert_false(c->is_sandbox);
	host_free(&h);
}

#define TASK "/run/containerd/io.containerd.runtime.v2.task"

static void containerd_tells_by_the_bundles_annotations(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_write(&h, TASK "/k8s.io/" ID_A "/config.json",
		   "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"nginx\","
		   "\"io.kubernetes.cri.sandbox-name\":\"web-1\","
		   "\"io.kubernetes.cri.sandbox-namespace\":\"prod\","
		   "\"io.kubernetes.cri.image-name\":\"docker.io/library/nginx:1\","
		   "\"io.kubernetes.cri.container-type\":\"container\"}}");
	host_write(&h, TASK "/k8s.io/" ID_A "/init.pid", "4711");
	c = described(&h,
		      "/kubepods.slice/kubepods-pod" POD_ ".slice/cri-containerd-" ID_A ".scope");
	assert_string_equal(c->runtime, "containerd");
	assert_string_equal(c->name, "nginx");
	assert_string_equal(c->pod, "web-1");
	assert_string_equal(c->namespace, "prod");
	assert_string_equal(c->pod_uid, POD);
	assert_string_equal(c->image, "docker.io/library/nginx:1");
	assert_int_equal(c->init_pid, 4711);
	host_free(&h);
}

static void a_pause_container_is_a_sandbox(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_write(&h, TASK "/k8s.io/" ID_A "/config.json",
		   "{\"annotations\":{\"io.kubernetes.cri.sandbox-name\":\"web-1\","
		   "\"io.kubernetes.cri.container-type\":\"sandbox\"}}");
	c = described(&h, "/kubepods/pod" POD "/" ID_A);
	assert_true(c->is_sandbox);
	assert_string_equal(c->name, "pause");
	assert_string_equal(c->pod, "web-1");
	host_free(&h);
}

static void containerd_is_known_anywhere_by_its_cgroups_path(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_write(&h, TASK "/default/plain/config.json",
		   "{\"linux\":{\"cgroupsPath\":\"/default/plain\"}}");
	host_write(&h, TASK "/default/scoped/config.json",
		   "{\"linux\":{\"cgroupsPath\":\"my.slice:ctr:scoped\"}}");
	host_write(&h, TASK "/moby/" ID_B "/config.json",
		   "{\"linux\":{\"cgroupsPath\":\"/default/other\"}}");
	uint64_t scoped = host_cgroup(&h, "/my.slice/ctr-scoped.scope");
	uint64_t other = host_cgroup(&h, "/default/other");

	c = described(&h, "/default/plain/inner");
	assert_string_equal(c->runtime, "containerd");
	assert_string_equal(c->name, "plain");
	assert_string_equal(c->cgroup, "/default/plain");
	assert_string_equal(containers_by_cgroup(h.containers, scoped, 0)->name, "scoped");
	assert_int_equal(containers_by_cgroup(h.containers, other, 0)->kind, OWNER_HOST);
	host_free(&h);
}

#define STORAGE "/containers/storage/overlay-containers/"

static void crio_tells_by_annotations(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_write(&h, "/run" STORAGE ID_A "/userdata/config.json",
		   "{\"annotations\":{\"io.kubernetes.container.name\":\"nginx\","
		   "\"io.kubernetes.pod.name\":\"web-1\",\"io.kubernetes.pod.namespace\":\"prod\","
		   "\"io.kubernetes.cri-o.ImageName\":\"quay.io/nginx:1\"}}");
	c = described(&h, "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID_A ".scope");
	assert_string_equal(c->runtime, "cri-o");
	assert_string_equal(c->name, "nginx");
	assert_string_equal(c->pod, "web-1");
	assert_string_equal(c->image, "quay.io/nginx:1");
	host_free(&h);
}

#define PODMAN_LIST(name)                                                                      \
	"[{\"id\":\"" ID_B "\",\"names\":[\"other\"]},{\"id\":\"" ID_A "\",\"names\":[\"" name \
	"\"],\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/redis:7\\\"}\"}]"

static void podman_tells_by_its_list(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_write(&h, "/var/lib" STORAGE "containers.json", PODMAN_LIST("cache"));
	c = described(&h, "/machine.slice/libpod-" ID_A ".scope/container");
	assert_string_equal(c->runtime, "podman");
	assert_string_equal(c->name, "cache");
	assert_string_equal(c->image, "docker.io/library/redis:7");
	host_free(&h);
}

static void lxc_and_nspawn_go_by_their_names(void **state)
{
	struct host h = host_v2();
	uint64_t lxc = host_cgroup(&h, "/lxc.payload.web");
	uint64_t vm = host_cgroup(&h, "/machine.slice/machine-vm.scope");
	const struct container *c;

	(void)state;
	host_write(&h, "/var/lib/lxc/web/config", "lxc.uts.name = web\n");
	host_write(&h, "/run/systemd/machines/debian",
		   "# This is private data. Do not parse.\nNAME=debian\nCLASS=container\n"
		   "LEADER=99\nROOT=\"/var/lib/machines/debian\"\nTIMESTAMP=1700000000000000\n");
	host_write(&h, "/run/systemd/machines/vm", "NAME=vm\nCLASS=vm\n");
	c = described(&h, "/machine.slice/systemd-nspawn@debian.service/payload");
	assert_string_equal(c->runtime, "nspawn");
	assert_string_equal(c->name, "debian");
	assert_string_equal(c->image, "/var/lib/machines/debian");
	assert_int_equal(c->init_pid, 99);
	assert_int_equal(c->created, 1700000000);
	assert_string_equal(containers_by_cgroup(h.containers, lxc, 0)->name, "web");
	c = containers_by_cgroup(h.containers, vm, 0);
	assert_int_equal(c->kind, OWNER_UNIT);
	assert_string_equal(c->name, "machine-vm.scope");
	host_free(&h);
}

static void runc_and_crun_are_known_anywhere_by_their_state(void **state)
{
	struct host h = host_v2();
	uint64_t crun = host_cgroup(&h, "/elsewhere");
	const struct container *c;

	(void)state;
	host_write(&h, "/run/runc/mine/state.json",
		   "{\"id\":\"mine\",\"init_process_pid\":7,\"created\":\"2001-09-09T01:46:40Z\","
		   "\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/any/path/here\"},"
		   "\"config\":{\"labels\":[\"team=a=b\",\"bundle=/b\"]}}");
	host_write(&h, "/run/crun/yours/status",
		   "{\"pid\":8,\"bundle\":\"/c\",\"cgroup-path\":\"/elsewhere\"}");
	host_write(&h, "/run/crun/yours/config.json", "{\"annotations\":{\"x\":\"y\"}}");
	c = described(&h, "/any/path/here");
	assert_string_equal(c->runtime, "runc");
	assert_string_equal(c->name, "mine");
	assert_int_equal(c->init_pid, 7);
	assert_int_equal(c->created, 1000000000);
	assert_string_equal(label(c, "team"), "a=b");
	c = containers_by_cgroup(h.containers, crun, 0);
	assert_string_equal(c->runtime, "crun");
	assert_string_equal(c->name, "yours");
	assert_int_equal(c->init_pid, 8);
	assert_string_equal(label(c, "x"), "y");
	host_free(&h);
}

static void ecs_asks_docker(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	write_docker(&h, DOCKER_ROOT, ID_A, "{\"Name\":\"/ecs-task-web\"}");
	c = described(&h, "/ecs/0123456789abcdef/" ID_A);
	assert_string_equal(c->runtime, "ecs");
	assert_string_equal(c->name, "ecs-task-web");
	host_free(&h);
}

static void a_users_podman_is_read_from_the_users_home(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	if (geteuid() != 0)
		skip();
	host_write(&h, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/x\n");
	host_write(&h, "/home/ann/.local/share" STORAGE "containers.json", PODMAN_LIST("mine"));
	give_to(&h, "/home/ann/.local/share" STORAGE "containers.json", 1000);
	give_to(&h, "/home/ann/.local/share/containers/storage", 1000);
	c = described(&h, "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID_A
			  ".scope");
	assert_string_equal(c->runtime, "podman");
	assert_string_equal(c->name, "mine");
	host_free(&h);
}

/* --- lies --- */

static void a_user_gets_no_names_from_files_of_others(void **state)
{
	struct host h = host_v2();
	_cleanup_free_ char *link = NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	/* Root's containers.json, reached by the user's own link. */
	host_write(&h, "/etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n");
	host_write(&h, "/var/lib" STORAGE "containers.json", PODMAN_LIST("secret"));
	host_mkdir(&h, "/home/ann/.local/share/containers");
	link = xasprintf("%s/home/ann/.local/share/containers/storage", h.root);
	assert_int_equal(symlink("/var/lib/containers/storage", link), 0);
	assert_string_equal(
		described(&h, "/user.slice/user-1000.slice/user@1000.service/libpod-" ID_A ".scope")
			->name,
		"aaaaaaaaaaaa");
	host_free(&h);
}

static void a_users_own_folder_does_not_lead_to_a_file_of_root(void **state)
{
	static const char list[] = "/home/ann/.local/share" STORAGE "containers.json";
	struct host h = host_v2();
	_cleanup_free_ char *link = xasprintf("%s%s", h.root, list);

	(void)state;
	if (geteuid() != 0)
		skip();
	host_write(&h, "/etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n");
	host_write(&h, "/var/lib" STORAGE "containers.json", PODMAN_LIST("secret"));
	host_mkdir(&h, "/home/ann/.local/share" STORAGE);
	give_to(&h, "/home/ann/.local/share/containers/storage", 1000);
	assert_int_equal(symlink("/var/lib" STORAGE "containers.json", link), 0);
	assert_string_equal(
		described(&h, "/user.slice/user-1000.slice/user@1000.service/libpod-" ID_A ".scope")
			->name,
		"aaaaaaaaaaaa");
	host_free(&h);
}

static void a_user_cannot_take_the_name_of_roots_container(void **state)
{
	struct host h = host_v2();

	(void)state;
	/* Any user may make a cgroup with any name in the delegated slice. */
	write_docker(&h, DOCKER_ROOT, ID_A, WEB);
	assert_string_equal(
		described(&h, "/user.slice/user-1000.slice/user@1000.service/docker-" ID_A ".scope")
			->name,
		"aaaaaaaaaaaa");
	host_free(&h);
}

static void a_container_cannot_take_the_name_of_another(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	write_docker(&h, DOCKER_ROOT, ID_A, WEB);
	c = described(&h, "/docker/" ID_B "/docker/" ID_A);
	assert_string_equal(c->name, "aaaaaaaaaaaa");
	assert_string_equal(c->parent->id, ID_B);
	host_free(&h);
}

static void a_nested_container_is_named_by_the_runtime_around_it(void **state)
{
	struct host h = host_v2();
	_cleanup_free_ char *link = xasprintf("%s/proc/50/root", h.root);
	const struct container *c;

	(void)state;
	host_process(&h, 1, "init", 0, "init", "/", 0);
	host_process(&h, 50, "systemd", 0, "systemd", "/docker/" ID_A, 5);
	assert_int_equal(symlink("../../inner", link), 0);
	host_write(&h, "/inner" DOCKER_ROOT "/containers/" ID_B "/config.v2.json",
		   "{\"Name\":\"/inside\"}");
	host_cgroup(&h, "/docker/" ID_A);
	host_write(&h, "/sys/fs/cgroup/docker/" ID_A "/cgroup.procs", "50\n");
	c = described(&h, "/docker/" ID_A "/docker/" ID_B);
	assert_string_equal(c->name, "inside");
	assert_string_equal(c->parent->id, ID_A);
	host_free(&h);
}

static void a_fifo_does_not_block_and_garbage_names_nothing(void **state)
{
	struct host h = host_v2();
	_cleanup_free_ char *fifo =
		xasprintf("%s" DOCKER_ROOT "/containers/" ID_A "/config.v2.json", h.root);
	uint64_t garbage = host_cgroup(&h, "/docker/" ID_B),
		 list = host_cgroup(&h, "/docker/" ID_C);

	(void)state;
	host_mkdir(&h, DOCKER_ROOT "/containers/" ID_A);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	write_docker(&h, DOCKER_ROOT, ID_B, "\x01{\"Name\":");
	write_docker(&h, DOCKER_ROOT, ID_C, "[1,2,{\"Name\":7}]");
	assert_string_equal(described(&h, "/docker/" ID_A)->name, "aaaaaaaaaaaa");
	assert_string_equal(containers_by_cgroup(h.containers, garbage, 0)->name, "bbbbbbbbbbbb");
	assert_string_equal(containers_by_cgroup(h.containers, list, 0)->name, "0123456789ab");
	host_free(&h);
}

static void names_are_bounded_and_valid_utf8(void **state)
{
	struct host h = host_v2();
	char json[4096] = "{\"Name\":\"/";
	uint64_t raw = host_cgroup(&h, "/lxc/\xff\xfe"
				       "x");
	size_t n = strlen(json);
	const struct container *c;

	(void)state;
	memset(json + n, 'a', 1023);
	strcpy(json + n + 1023, "\xc3\xa9 and more\"}"); /* a character across the limit */
	write_docker(&h, DOCKER_ROOT, ID_A, json);
	c = described(&h, "/docker/" ID_A);
	assert_int_equal(strlen(c->name), 1023);
	c = containers_by_cgroup(h.containers, raw, 0);
	assert_string_equal(c->name, "??x");
	assert_string_equal(c->cgroup, "/lxc/??x");
	host_free(&h);
}

/* --- settings --- */

static void data_roots_are_read_from_configuration_and_daemons(void **state)
{
	struct host h = host_v2();
	uint64_t b = host_cgroup(&h, "/docker/" ID_B), plain = host_cgroup(&h, "/default/plain");
	uint64_t c = host_cgroup(&h, "/libpod_parent/libpod-" ID_A);

	(void)state;
	host_write(&h, "/etc/docker/daemon.json", "{\"data-root\":\"/one\"}");
	write_docker(&h, "/one", ID_A, "{\"Name\":\"/first\"}");
	host_process(&h, 10, "dockerd", 0, "dockerd|--data-root=/two|--exec-root|/exec", "/", 0);
	write_docker(&h, "/two", ID_B, "{\"Name\":\"/second\"}");
	host_process(&h, 11, "containerd", 0, "containerd|-c|/etc/my.toml", "/", 0);
	host_write(&h, "/etc/my.toml", "state = \"/three\"\n");
	host_write(&h, "/three/io.containerd.runtime.v2.task/default/plain/config.json",
		   "{\"linux\":{\"cgroupsPath\":\"/default/plain\"}}");
	host_process(&h, 12, "conmon", 0, "conmon|-b|/four/vfs-containers/" ID_A "/userdata", "/",
		     0);
	host_write(&h, "/four/vfs-containers/containers.json", PODMAN_LIST("fourth"));
	assert_string_equal(described(&h, "/docker/" ID_A)->name, "first");
	assert_string_equal(containers_by_cgroup(h.containers, b, 0)->name, "second");
	assert_string_equal(containers_by_cgroup(h.containers, plain, 0)->name, "plain");
	assert_string_equal(containers_by_cgroup(h.containers, c, 0)->name, "fourth");
	host_free(&h);
}

static void a_daemon_in_a_container_or_of_a_user_is_not_asked(void **state)
{
	static const struct {
		unsigned int uid;
		const char *cgroup;
		int pid_namespace;
	} liars[] = { { 1000, "/", 0 }, { 0, "/docker/" ID_B, 0 }, { 0, "/", 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(liars); i++) {
		struct host h = host_v2();

		host_process(&h, 1, "init", 0, "init", "/", 0);
		host_process(&h, 10, "dockerd", liars[i].uid, "dockerd|--data-root|/lie",
			     liars[i].cgroup, liars[i].pid_namespace);
		write_docker(&h, "/lie", ID_A, WEB);
		assert_string_equal(described(&h, "/docker/" ID_A)->name, "aaaaaaaaaaaa");
		host_free(&h);
	}
}

static void a_daemon_that_starts_later_is_asked_then(void **state)
{
	struct host h = host_v2();
	uint64_t id;

	(void)state;
	host_open(&h);
	host_process(&h, 10, "dockerd", 0, "dockerd|--data-root|/late", "/", 0);
	write_docker(&h, "/late", ID_A, WEB);
	id = host_cgroup(&h, "/docker/" ID_A);
	usleep(20000); /* ten times what the first look at this little /proc took */
	containers_on_mkdir(h.containers, 0, id, "/docker/" ID_A);
	assert_string_equal(containers_by_cgroup(h.containers, id, 0)->name, "web");
	host_free(&h);
}

/* --- announcements --- */

static void an_announced_container_is_known_after_it_is_gone(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_open(&h);
	write_docker(&h, DOCKER_ROOT, ID_A, WEB);
	containers_on_mkdir(h.containers, 0, 7001, "/docker/" ID_A);
	containers_on_mkdir(h.containers, 0, 7002, "/docker/" ID_A "/sub");
	host_remove(&h, DOCKER_ROOT);
	containers_on_rmdir(h.containers, 0, 7002);
	c = containers_by_cgroup(h.containers, 7001, 0);
	assert_false(c->gone);
	assert_true(containers_cgroups_were_removed(h.containers, 7002, 0));
	assert_false(containers_cgroups_were_removed(h.containers, 7001, 0));
	assert_false(containers_cgroups_were_removed(h.containers, 7003, 0));
	containers_on_rmdir(h.containers, 0, 7001);
	assert_true(c->gone);
	assert_ptr_equal(containers_by_cgroup(h.containers, 7001, 0), c);
	assert_ptr_equal(containers_by_cgroup(h.containers, 7002, 0), c);
	assert_string_equal(c->name, "web");
	host_free(&h);
}

static void a_name_that_comes_late_replaces_the_id_in_place(void **state)
{
	struct host h = host_v2();
	const struct container *c;
	const char *old;

	(void)state;
	host_open(&h);
	containers_on_mkdir(h.containers, 0, 7001, "/docker/" ID_A);
	c = containers_by_cgroup(h.containers, 7001, 0);
	old = c->name;
	assert_string_equal(old, "aaaaaaaaaaaa");
	write_docker(&h, DOCKER_ROOT, ID_A, WEB);
	usleep(10000);
	containers_on_task(h.containers, 4242, 7001, 0, true);
	assert_ptr_equal(containers_by_cgroup(h.containers, 7001, 0), c);
	assert_string_equal(c->name, "web");
	assert_string_equal(old, "aaaaaaaaaaaa");
	host_free(&h);
}

static void a_state_file_that_comes_late_makes_a_container_of_a_cgroup(void **state)
{
	struct host h = host_v2();

	(void)state;
	host_open(&h);
	containers_on_mkdir(h.containers, 0, 7001, "/some/where");
	containers_on_mkdir(h.containers, 0, 7002, "/some/where/below");
	assert_int_equal(containers_by_cgroup(h.containers, 7001, 0)->kind, OWNER_HOST);
	host_write(&h, "/run/runc/mine/state.json",
		   "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/some/where\"}}");
	usleep(10000);
	containers_on_task(h.containers, 4242, 7001, 0, false);
	assert_string_equal(containers_by_cgroup(h.containers, 7001, 0)->name, "mine");
	assert_string_equal(containers_by_cgroup(h.containers, 7002, 0)->name, "mine");
	host_free(&h);
}

static void a_cgroup_with_a_pid_namespace_is_a_bare_container(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_open(&h);
	containers_on_mkdir(h.containers, 0, 7001, "/some/where");
	containers_on_task(h.containers, 4242, 7001, 0, true);
	c = containers_by_cgroup(h.containers, 7001, 0);
	assert_int_equal(c->kind, OWNER_CONTAINER);
	assert_string_equal(c->runtime, "oci");
	assert_string_equal(c->name, "where");
	/* Its runtime's state, should it come after all, knows better; the pointer stays. */
	host_write(&h, "/run/runc/mine/state.json",
		   "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/some/where\"}}");
	usleep(20000);
	assert_ptr_equal(containers_by_cgroup(h.containers, 7001, 0), c);
	assert_string_equal(c->runtime, "runc");
	assert_string_equal(c->name, "mine");
	assert_string_equal(c->id, "mine");
	host_free(&h);
}

static void a_unit_a_slice_and_the_root_are_no_bare_containers(void **state)
{
	struct host h = host_v2();
	uint64_t root = host_cgroup(&h, "/");

	(void)state;
	host_open(&h);
	containers_on_mkdir(h.containers, 0, 7001, "/system.slice/chrome.service");
	containers_on_mkdir(h.containers, 0, 7002, "/my.slice");
	containers_on_task(h.containers, 1, 7001, 0, true);
	containers_on_task(h.containers, 2, 7002, 0, true);
	containers_on_task(h.containers, 3, root, 0, true);
	assert_int_equal(containers_by_cgroup(h.containers, 7001, 0)->kind, OWNER_UNIT);
	assert_int_equal(containers_by_cgroup(h.containers, 7002, 0)->kind, OWNER_HOST);
	assert_int_equal(containers_by_cgroup(h.containers, root, 0)->kind, OWNER_HOST);
	host_free(&h);
}

static void a_shells_cgroup_is_no_container_because_of_a_sandbox_in_it(void **state)
{
	struct host h = host_v2();
	uint64_t shared = host_cgroup(&h, "/login/shared"), bare = host_cgroup(&h, "/login/bare");

	(void)state;
	host_process(&h, 1, "init", 0, "init", "/", 0);
	host_process(&h, 20, "sh", 0, "sh", "/login/shared", 0);
	host_process(&h, 21, "browser", 0, "browser", "/login/shared", 6);
	host_process(&h, 22, "app", 0, "app", "/login/bare", 8);
	host_write(&h, "/sys/fs/cgroup/login/shared/cgroup.procs", "20\n21\n");
	host_write(&h, "/sys/fs/cgroup/login/bare/cgroup.procs", "22\n");
	host_open(&h);
	containers_on_task(h.containers, 21, shared, 0, true);
	assert_int_equal(containers_by_cgroup(h.containers, shared, 0)->kind, OWNER_HOST);
	assert_string_equal(containers_by_cgroup(h.containers, bare, 0)->name, "bare");
	host_free(&h);
}

static void a_cgroup_nobody_announced_is_looked_for(void **state)
{
	struct host h = host_v2();
	uint64_t id;

	(void)state;
	host_open(&h);
	id = host_cgroup(&h, "/lxc/late");
	usleep(20000);
	assert_string_equal(containers_by_cgroup(h.containers, id, 0)->name, "late");
	host_free(&h);
}

static void a_path_that_was_cut_is_looked_for(void **state)
{
	struct host h = host_v2();
	char cut[1024];
	uint64_t id;

	(void)state;
	host_open(&h);
	id = host_cgroup(&h, "/lxc/web");
	memset(cut, 'a', sizeof(cut) - 1);
	cut[0] = '/';
	cut[sizeof(cut) - 1] = '\0';
	usleep(20000);
	containers_on_mkdir(h.containers, 0, id, cut);
	assert_string_equal(containers_by_cgroup(h.containers, id, 0)->name, "web");
	host_free(&h);
}

static void a_container_that_starts_again_keeps_its_entry(void **state)
{
	struct host h = host_v2();
	const struct container *c;

	(void)state;
	host_open(&h);
	write_docker(&h, DOCKER_ROOT, ID_A, WEB);
	containers_on_mkdir(h.containers, 0, 7001, "/docker/" ID_A);
	c = containers_by_cgroup(h.containers, 7001, 0);
	containers_on_rmdir(h.containers, 0, 7001);
	write_docker(&h, DOCKER_ROOT, ID_A, "{\"Name\":\"/web\",\"State\":{\"Pid\":43}}");
	containers_on_mkdir(h.containers, 0, 7010, "/docker/" ID_A);
	assert_ptr_equal(containers_by_cgroup(h.containers, 7010, 0), c);
	assert_false(c->gone);
	assert_int_equal(c->init_pid, 43);
	host_free(&h);
}

static void other_hierarchies_and_strange_announcements_are_ignored(void **state)
{
	struct host h = host_v2();

	(void)state;
	host_open(&h);
	containers_on_mkdir(h.containers, 3, 7001, "/docker/" ID_A);
	containers_on_mkdir(h.containers, 0, 0, "/docker/" ID_A);
	containers_on_mkdir(h.containers, 0, 7002, NULL);
	containers_on_mkdir(h.containers, 0, 7003, "");
	containers_on_mkdir(h.containers, 0, 7004, "docker/" ID_A);
	containers_on_rmdir(h.containers, 0, 7777);
	containers_on_rmdir(h.containers, -5, 7001);
	containers_on_task(h.containers, 0, 0, 0, true);
	for (uint64_t id = 7001; id < 7005; id++)
		assert_int_equal(containers_by_cgroup(h.containers, id, 0)->kind, OWNER_HOST);
	host_free(&h);
}

static void a_flood_of_removed_cgroups_is_forgotten(void **state)
{
	struct host h = host_v2();
	uint64_t kept = 1;

	(void)state;
	host_open(&h);
	containers_on_mkdir(h.containers, 0, kept, "/lxc/web");
	for (uint64_t id = 100000; id < 300000; id++) {
		containers_on_mkdir(h.containers, 0, id, "/churn/x");
		containers_on_rmdir(h.containers, 0, id);
	}
	assert_string_equal(containers_by_cgroup(h.containers, kept, 0)->name, "web");
	host_free(&h);
}

static void a_thousand_containers_are_scanned_well_within_a_second(void **state)
{
	struct host h = host_v2();
	struct timespec start, end;
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *id = xasprintf("%064x", i);
		_cleanup_free_ char *path = xasprintf("/docker/%s", id);
		_cleanup_free_ char *json = xasprintf("{\"Name\":\"/web-%d\"}", i);

		last = host_cgroup(&h, path);
		write_docker(&h, DOCKER_ROOT, id, json);
	}
	/* Of CPU time: others may have the CPU meanwhile. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	host_open(&h);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	assert_string_equal(containers_by_cgroup(h.containers, last, 0)->name, "web-999");
	assert_true((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 <
		    900);
	host_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_found_at_start_has_its_name),
		cmocka_unit_test(units_and_the_host_own_the_rest),
		cmocka_unit_test(on_a_hybrid_host_the_half_that_tells_more_counts),
		cmocka_unit_test(a_process_is_found_by_its_pid),
		cmocka_unit_test(a_host_without_cgroups_is_all_host),
		cmocka_unit_test(kubernetes_by_docker_tells_pod_and_container),
		cmocka_unit_test(an_image_cannot_pretend_to_be_in_a_pod),
		cmocka_unit_test(containerd_tells_by_the_bundles_annotations),
		cmocka_unit_test(a_pause_container_is_a_sandbox),
		cmocka_unit_test(containerd_is_known_anywhere_by_its_cgroups_path),
		cmocka_unit_test(crio_tells_by_annotations),
		cmocka_unit_test(podman_tells_by_its_list),
		cmocka_unit_test(lxc_and_nspawn_go_by_their_names),
		cmocka_unit_test(runc_and_crun_are_known_anywhere_by_their_state),
		cmocka_unit_test(ecs_asks_docker),
		cmocka_unit_test(a_users_podman_is_read_from_the_users_home),
		cmocka_unit_test(a_user_gets_no_names_from_files_of_others),
		cmocka_unit_test(a_users_own_folder_does_not_lead_to_a_file_of_root),
		cmocka_unit_test(a_user_cannot_take_the_name_of_roots_container),
		cmocka_unit_test(a_container_cannot_take_the_name_of_another),
		cmocka_unit_test(a_nested_container_is_named_by_the_runtime_around_it),
		cmocka_unit_test(a_fifo_does_not_block_and_garbage_names_nothing),
		cmocka_unit_test(names_are_bounded_and_valid_utf8),
		cmocka_unit_test(data_roots_are_read_from_configuration_and_daemons),
		cmocka_unit_test(a_daemon_in_a_container_or_of_a_user_is_not_asked),
		cmocka_unit_test(a_daemon_that_starts_later_is_asked_then),
		cmocka_unit_test(an_announced_container_is_known_after_it_is_gone),
		cmocka_unit_test(a_name_that_comes_late_replaces_the_id_in_place),
		cmocka_unit_test(a_state_file_that_comes_late_makes_a_container_of_a_cgroup),
		cmocka_unit_test(a_cgroup_with_a_pid_namespace_is_a_bare_container),
		cmocka_unit_test(a_unit_a_slice_and_the_root_are_no_bare_containers),
		cmocka_unit_test(a_shells_cgroup_is_no_container_because_of_a_sandbox_in_it),
		cmocka_unit_test(a_cgroup_nobody_announced_is_looked_for),
		cmocka_unit_test(a_path_that_was_cut_is_looked_for),
		cmocka_unit_test(a_container_that_starts_again_keeps_its_entry),
		cmocka_unit_test(other_hierarchies_and_strange_announcements_are_ignored),
		cmocka_unit_test(a_flood_of_removed_cgroups_is_forgotten),
		cmocka_unit_test(a_thousand_containers_are_scanned_well_within_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
