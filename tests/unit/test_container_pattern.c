/* SPDX-License-Identifier: Apache-2.0 */
/* What a cgroup's path says by its form: every row of the table of runtimes, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/pattern.h"
#include "container_fixture.h"

static const struct row {
	const char *path, *runtime, *id, *pod;
	const char *own; /* the container's own cgroup, if not the whole path */
} rows[] = {
	{ "/docker/" ID_A, "docker", ID_A, "" },
	{ "/system.slice/docker-" ID_A ".scope", "docker", ID_A, "" },
	{ "/docker/" ID_A "/init.scope", "docker", ID_A, "", "/docker/" ID_A },
	{ "/docker/" ID_A "/system.slice/cron.service", "docker", ID_A, "", "/docker/" ID_A },
	{ "/system.slice/nerdctl-" ID_A ".scope", "containerd", ID_A, "" },
	{ "/system.slice/cri-containerd-" ID_A ".scope", "containerd", ID_A, "" },
	{ "/kubepods/pod" POD "/" ID_A, "containerd", ID_A, POD },
	{ "/kubepods/burstable/pod" POD "/" ID_A, "containerd", ID_A, POD },
	{ "/kubepods/besteffort/pod" POD "/" ID_A, "containerd", ID_A, POD },
	{ "/kubepods/besteffort/pod" POD "/crio-" ID_A, "cri-o", ID_A, POD },
	{ "/kubelet/kubepods/burstable/pod" POD "/" ID_A, "containerd", ID_A, POD },
	{ "/kubepods/burstable/poda1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4/" ID_A, "containerd", ID_A,
	  "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4" },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/cri-containerd-" ID_A ".scope", "containerd",
	  ID_A, POD },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
	  ".slice/cri-containerd-" ID_A ".scope",
	  "containerd", ID_A, POD },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_
	  ".slice/crio-" ID_A ".scope",
	  "cri-o", ID_A, POD },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
	  ".slice/docker-" ID_A ".scope",
	  "docker", ID_A, POD },
	{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	  "kubelet-kubepods-burstable-pod" POD_ ".slice/cri-containerd-" ID_A ".scope",
	  "containerd", ID_A, POD },
	{ "/libpod_parent/libpod-" ID_A, "podman", ID_A, "" },
	{ "/machine.slice/libpod-" ID_A ".scope", "podman", ID_A, "" },
	{ "/machine.slice/libpod-" ID_A ".scope/container", "podman", ID_A, "",
	  "/machine.slice/libpod-" ID_A ".scope" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID_A ".scope",
	  "podman", ID_A, "" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/libpod-" ID_A ".scope", "podman",
	  ID_A, "" },
	{ "/lxc/web", "lxc", "web", "" },
	{ "/lxc/web/system.slice/ssh.service", "lxc", "web", "", "/lxc/web" },
	{ "/lxc.payload.web", "lxc", "web", "" },
	{ "/lxc.payload/web", "lxc", "web", "" },
	{ "/machine.slice/machine-debian.scope", "nspawn", "debian", "" },
	{ "/machine.slice/machine-debian.scope/payload", "nspawn", "debian", "",
	  "/machine.slice/machine-debian.scope" },
	{ "/machine.slice/machine-a\\x2db.scope", "nspawn", "a-b", "" },
	{ "/machine.slice/systemd-nspawn@debian.service/payload", "nspawn", "debian", "" },
	{ "/ecs/0123456789abcdef0123456789abcdef/" ID_A, "ecs", ID_A, "" },
	{ "/ecstasks.slice/ecstasks-0123456789abcdef.slice/docker-" ID_A ".scope", "ecs", ID_A,
	  "" },
	{ "/my.slice/anything/" ID_A, "oci", ID_A, "" },
};

static void every_form_of_a_path_tells_runtime_id_and_pod(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct cgroup_match m[NESTING_MAX];
		size_t n = cgroup_matches(r->path, m);

		if (n != 1)
			fail_msg("%s: %zu matches", r->path, n);
		assert_string_equal(m[0].runtime, r->runtime);
		assert_string_equal(m[0].id, r->id);
		assert_string_equal(m[0].pod_uid, r->pod);
		assert_int_equal(m[0].length, strlen(r->own ? r->own : r->path));
	}
}

static void what_only_looks_like_a_container_is_none(void **state)
{
	static const char *const paths[] = {
		"/",
		"",
		"/docker",
		"/docker/" ID_A "a",		  /* 65 digits */
		"/docker/0123456789abcdef",	  /* too short */
		"/system.slice/docker-xyz.scope", /* not hexadecimal */
		"/system.slice/docker-" ID_A ".mount",
		"/system.slice/docker.service",
		"/kubepods.slice/crio-conmon-" ID_A ".scope",
		"/machine.slice/libpod-conmon-" ID_A ".scope",
		"/lxc.monitor.web",
		"/lxc",
		"/lxc/",
		"/kubepods/burstable/pod" POD,
		"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
		"/machine.slice/machine-debian.scope/supervisor",
		"/machine.slice/systemd-nspawn@debian.service/supervisor",
		"/machine.slice/machine-\\x2e\\x2e.scope", /* ".." */
		"/machine.slice/machine-a\\x2fb.scope",	   /* "a/b" */
		"/user.slice/user-1000.slice/session-2.scope",
		"/default/plain",
	};
	struct cgroup_match m[NESTING_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (cgroup_matches(paths[i], m) != 0)
			fail_msg("%s is taken for %s %s", paths[i], m[0].runtime, m[0].id);
}

static void the_innermost_container_comes_last(void **state)
{
	/* A pod in a kind node, which is a Docker container. */
	const char *path = "/docker/" ID_A "/kubelet.slice/kubelet-kubepods.slice/"
			   "kubelet-kubepods-pod" POD_ ".slice/cri-containerd-" ID_B ".scope/sub";
	struct cgroup_match m[NESTING_MAX];

	(void)state;
	assert_int_equal(cgroup_matches(path, m), 2);
	assert_string_equal(m[0].runtime, "docker");
	assert_string_equal(m[0].id, ID_A);
	assert_string_equal(m[0].pod_uid, "");
	assert_int_equal(m[0].length, strlen("/docker/" ID_A));
	assert_string_equal(m[1].runtime, "containerd");
	assert_string_equal(m[1].id, ID_B);
	assert_string_equal(m[1].pod_uid, POD);
	assert_int_equal(m[1].length, strlen(path) - strlen("/sub"));
}

static void a_container_in_a_pods_container_is_in_no_pod(void **state)
{
	struct cgroup_match m[NESTING_MAX];

	(void)state;
	assert_int_equal(cgroup_matches("/kubepods/pod" POD "/" ID_A "/docker/" ID_B, m), 2);
	assert_string_equal(m[0].pod_uid, POD);
	assert_string_equal(m[1].pod_uid, "");
}

static void endless_nesting_ends(void **state)
{
	static const char one[] = "/lxc/web";
	char path[64 * (sizeof(one) - 1) + 1] = "";
	struct cgroup_match m[NESTING_MAX];

	(void)state;
	for (int i = 0; i < 64; i++)
		strcat(path, one);
	assert_int_equal(cgroup_matches(path, m), NESTING_MAX);
}

static void expect_unit(const char *path, const char *own)
{
	size_t length;

	if (!own) {
		assert_false(cgroup_unit(path, &length));
		return;
	}
	assert_true(cgroup_unit(path, &length));
	assert_int_equal(length, strlen(own));
	assert_memory_equal(path, own, length);
}

static void a_unit_is_the_innermost_service_or_scope(void **state)
{
	(void)state;
	expect_unit("/system.slice/ssh.service", "/system.slice/ssh.service");
	expect_unit("/system.slice/ssh.service/child/deep", "/system.slice/ssh.service");
	expect_unit("/user.slice/user-1000.slice/session-2.scope",
		    "/user.slice/user-1000.slice/session-2.scope");
	expect_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope",
		    "/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope");
	expect_unit("/user.slice/user-1000.slice/user@1000.service/init.scope",
		    "/user.slice/user-1000.slice/user@1000.service");
	expect_unit("/init.scope", "/init.scope");
	expect_unit("/system.slice", NULL);
	expect_unit("/", NULL);
}

static void a_users_slice_names_the_user_and_roots_does_not(void **state)
{
	uid_t uid = 0;

	(void)state;
	assert_true(cgroup_user("/user.slice/user-1000.slice/user@1000.service/a.scope", &uid));
	assert_int_equal(uid, 1000);
	assert_false(cgroup_user("/user.slice/user-0.slice/session-1.scope", &uid));
	assert_false(cgroup_user("/system.slice/user-runtime-dir@1000.service", &uid));
	assert_false(cgroup_user("/user.slice/user-99999999999999999999999.slice", &uid));
	assert_false(cgroup_user("/user.slice/user-.slice", &uid));
}

static void expect_expanded(const char *written, const char *path)
{
	_cleanup_free_ char *expanded = cgroups_path_expand(written);

	if (path)
		assert_string_equal(expanded, path);
	else
		assert_null(expanded);
}

static void a_bundles_cgroups_path_becomes_a_path(void **state)
{
	(void)state;
	expect_expanded("/any/path", "/any/path");
	expect_expanded("system.slice:docker:" ID_A, "/system.slice/docker-" ID_A ".scope");
	expect_expanded(":runc:web", "/system.slice/runc-web.scope");
	expect_expanded("system.slice::web", "/system.slice/web.scope");
	expect_expanded("-.slice:a:b", "/a-b.scope");
	expect_expanded("kubepods-burstable-pod1.slice:cri-containerd:x",
			"/kubepods.slice/kubepods-burstable.slice/"
			"kubepods-burstable-pod1.slice/cri-containerd-x.scope");
	expect_expanded("relative/path", NULL);
	expect_expanded("a:b", NULL);
	expect_expanded("../a:b:c", NULL);
	expect_expanded("", NULL);
}

static void only_plain_names_are_safe_in_a_path(void **state)
{
	char longest[CONTAINER_ID_SIZE + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[CONTAINER_ID_SIZE] = '\0';
	assert_true(is_safe_name("web-1"));
	assert_true(is_safe_name("..."));
	assert_false(is_safe_name(""));
	assert_false(is_safe_name("."));
	assert_false(is_safe_name(".."));
	assert_false(is_safe_name("a/b"));
	assert_false(is_safe_name(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_a_path_tells_runtime_id_and_pod),
		cmocka_unit_test(what_only_looks_like_a_container_is_none),
		cmocka_unit_test(the_innermost_container_comes_last),
		cmocka_unit_test(a_container_in_a_pods_container_is_in_no_pod),
		cmocka_unit_test(endless_nesting_ends),
		cmocka_unit_test(a_unit_is_the_innermost_service_or_scope),
		cmocka_unit_test(a_users_slice_names_the_user_and_roots_does_not),
		cmocka_unit_test(a_bundles_cgroups_path_becomes_a_path),
		cmocka_unit_test(only_plain_names_are_safe_in_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
