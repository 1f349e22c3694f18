# SPDX-License-Identifier: Apache-2.0
"""A container of each runtime at once: who is it, and where does its time go?"""

import os
import re

import pytest

import plimsoll
from conftest import IMAGE, MEMORY_LIMIT, POD_UID
from plimsoll import Recording, assert_weights, total, wait_for_end

ON_STAGE = ["web-runc", "web-docker", "web-containerd", "web-podman", "app"]


def seconds_of_cpu(cgroup):
    """What the kernel has accounted to a cgroup."""
    try:
        with open("/sys/fs/cgroup/cpuacct%s/cpuacct.usage" % cgroup) as f:
            return int(f.read()) / 1e9
    except FileNotFoundError:
        with open("/sys/fs/cgroup%s/cpu.stat" % cgroup) as f:
            return int(re.search(r"usage_usec (\d+)", f.read())[1]) / 1e6


@pytest.mark.parametrize("name", ON_STAGE)
def test_shares_are_those_of_the_workload(profile, name):
    samples = profile.where(container=name)
    assert total(samples) > 500, profile.label("container")
    assert_weights(samples, points=2)


@pytest.mark.parametrize("name", ON_STAGE)
def test_every_sample_of_a_container_has_its_name(profile, all_on_stage, name):
    of_process = profile.where(pid=all_on_stage[name].pid)
    assert {s.labels["container"] for s in of_process} == {name}


@pytest.mark.parametrize("name, runtime", [
    ("web-runc", "runc"), ("web-docker", "docker"), ("web-containerd", "containerd"),
    ("web-podman", "podman"), ("app", "containerd")])
def test_labels_tell_runtime_id_image_and_process(profile, all_on_stage, name, runtime):
    container = all_on_stage[name]
    for labels in (s.labels for s in profile.where(container=name, comm="weights")):
        assert labels["runtime"] == runtime
        assert labels["container_id"] == container.id
        assert labels["pid"] == labels["tid"] == container.pid
        assert labels["thread"] == "weights"
        if container.image:
            assert labels["image"] == IMAGE


def test_a_pod_is_known_by_name_and_namespace(profile):
    labels = profile.where(container="app")[0].labels
    assert (labels["namespace"], labels["pod"]) == ("prod", "shop-7f9")


def test_nothing_of_a_container_is_under_host(profile, all_on_stage):
    pids = {c.pid for c in all_on_stage.values()}
    assert not [s for s in profile.where(container="host") if s.labels["pid"] in pids]


def test_types_and_units_are_those_of_the_design(profile):
    assert profile.types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert 8 <= profile.duration < 9
    assert abs(profile.period - 1e9 / 999) < 2000


def test_the_idle_cpu_is_not_counted(profile):
    assert not [s for s in profile.samples if s.labels["pid"] == 0]
    busy = plimsoll.cpu_seconds(profile.samples)
    assert busy <= profile.duration * os.cpu_count() * 1.01


def test_nothing_is_lost(profile):
    assert profile.lost == []


def test_paths_are_those_inside_the_container(profile):
    mappings = {f.mapping for s in profile.where(container="web-docker", comm="weights")
                for f in s.stack if f.function.startswith("burn_")}
    assert mappings == {"/bin/weights"}


def test_one_binary_is_one_mapping_whichever_container_runs_it(profile):
    builds = {f.build_id for s in profile.samples if s.labels.get("container") in ON_STAGE
              for f in s.stack if f.function.startswith("burn_")}
    assert len(builds) == 1 and re.fullmatch("[0-9a-f]{40}", builds.pop())


def test_the_sum_of_a_container_is_what_the_kernel_accounts(runc, weights_root, tmp_path):
    with Recording(tmp_path / "p.pb.gz", "-F", 999) as recording:
        container = runc.run("accounted", ["/bin/weights", 3], weights_root)
        cgroup = container.cgroup()
        wait_for_end(container.pid)
        accounted = seconds_of_cpu(cgroup)
    runc.remove(container)
    measured = plimsoll.cpu_seconds(recording.profile.where(container="accounted"))
    # A virtual machine has no ticks while it is not run, though the kernel may account that time.
    assert 0.85 * accounted < measured < 1.05 * accounted


# --- ps ---


@pytest.fixture(scope="module")
def listed(all_on_stage):
    """name -> what `ps --json` says."""
    containers = plimsoll.run("ps", "--json").succeeded().json()
    return {c["name"]: c for c in containers}


@pytest.mark.parametrize("name", ON_STAGE)
def test_ps_lists_it(listed, all_on_stage, name):
    container, said = all_on_stage[name], listed[name]
    assert said["id"] == container.id
    assert said["runtime"] == container.runtime
    assert said["processes"] == 1
    assert said["memory_limit_bytes"] == MEMORY_LIMIT
    assert 0 < said["memory_bytes"] < MEMORY_LIMIT
    assert said["cpu_ns"] > 0
    assert said["init_pid"] == container.pid
    if container.image:
        assert said["image"] == IMAGE


def test_ps_lists_the_pod(listed):
    said = listed["app"]
    assert (said["namespace"], said["pod"]) == ("prod", "shop-7f9")
    assert said["pod_uid"] == POD_UID


def test_ps_prints_a_line_a_container(all_on_stage):
    lines = plimsoll.run("ps").succeeded().out.splitlines()
    for container in all_on_stage.values():
        line, = [x for x in lines if re.match(re.escape(container.name) + r"\s", x)]
        assert container.runtime in line and container.id[:12] in line
