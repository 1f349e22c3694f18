# SPDX-License-Identifier: Apache-2.0
"""Cgroups in which no runtime that we know of put a container, and containers in containers."""

import os

import pytest

import plimsoll
from handmade import HandMade
from plimsoll import assert_weights, record, total
from runtimes.runc import Runc

INNER_ID = "5ca1ab1e" * 8


def weights_on_host(workloads):
    return [os.path.join(workloads, "weights")]


def recorded_processes(tmp_path, *options, comm="weights"):
    profile = record(tmp_path / "p.pb.gz", "-F", 499, *options, seconds=1)
    return [s for s in profile.samples if s.labels["comm"] == comm]


@pytest.mark.parametrize("v2", [True, False], ids=["every hierarchy", "v1 alone"])
def test_a_bare_container_is_known_by_its_cgroup(base, workloads, tmp_path, v2):
    with HandMade("/plimsoll-system/by-hand", weights_on_host(workloads), own_pid_namespace=True,
                  v2=v2):
        samples = recorded_processes(tmp_path, "-c", "by-hand")
    assert {s.labels["container"] for s in samples} == {"by-hand"}
    assert_weights(samples, points=6)


def test_a_service_is_known_by_its_unit(base, workloads, tmp_path):
    with HandMade("/system.slice/plimsoll-test.service", weights_on_host(workloads)):
        samples = recorded_processes(tmp_path, "-c", "plimsoll-test.service")
    assert {s.labels["container"] for s in samples} == {"plimsoll-test.service"}
    assert_weights(samples, points=6)


def test_a_cgroup_without_namespaces_is_the_host(base, workloads, tmp_path):
    with HandMade("/plimsoll-system/just-a-cgroup", weights_on_host(workloads)) as made:
        samples = recorded_processes(tmp_path, "-p", made.pid)
    assert {s.labels["container"] for s in samples} == {"host"}


def test_cgroups_below_a_container_belong_to_it(runc, weights_root, workloads, tmp_path):
    outer = runc.run("outer", ["sleep", 600], weights_root)
    with HandMade(outer.cgroup() + "/of/its/own", weights_on_host(workloads)) as made:
        samples = record(tmp_path / "p.pb.gz", "-F", 499, "-c", "outer", seconds=1).samples
        assert {s.labels["pid"] for s in samples} == {made.pid}
        assert {s.labels["container"] for s in samples} == {"outer"}
    runc.remove(outer)


@pytest.fixture(scope="module")
def nested(docker, image, base, weights_root):
    """A container whose cgroup lies in a Docker container's, as in Docker in Docker; what its
    runtime keeps on disk is out of sight."""
    outer = docker.run("dind", ["sleep", "600"], "localhost/plimsoll/weights:1")
    inside = Runc(os.path.join(base, "inner"), state=os.path.join(base, "inner-state")).start()
    inner = inside.run("inner", ["/bin/weights"], weights_root,
                       cgroups_path="%s/docker/%s" % (outer.cgroup(), INNER_ID))
    yield outer, inner
    inside.remove(inner)
    docker.remove(outer)


def test_the_innermost_container_wins(nested, tmp_path):
    outer, inner = nested
    samples = recorded_processes(tmp_path)
    of_inner = [s for s in samples if s.labels["pid"] == inner.pid]
    assert total(of_inner) > 50
    assert {s.labels["container_id"] for s in of_inner} == {INNER_ID}
    assert "dind" not in {s.labels["container"] for s in of_inner}
    assert {s.labels["runtime"] for s in of_inner} == {"docker"}


def test_the_outer_container_is_its_parent(nested):
    containers = plimsoll.run("ps", "--json").succeeded().json()
    inner, = [c for c in containers if c["id"] == INNER_ID]
    assert inner["parent"]["id"] == nested[0].id
