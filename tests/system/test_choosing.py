# SPDX-License-Identifier: Apache-2.0
"""-c, -p and COMMAND: what is not chosen is not there."""

import os

import pytest

import plimsoll
from plimsoll import record, total, wait_for_end

SHORT = ["-F", 499]


def containers(profile):
    return {s.labels["container"] for s in profile.samples}


@pytest.mark.parametrize("patterns, expected", [
    (["web-docker"], {"web-docker"}),
    (["prod/shop-7f9"], {"app"}),
    (["prod/*"], {"app"}),
    (["web-*"], {"web-runc", "web-docker", "web-containerd", "web-podman"}),
    (["web-p*n", "app"], {"web-podman", "app"}),
], ids=" ".join)
def test_only_the_chosen_containers_are_recorded(stage, tmp_path, patterns, expected):
    options = [x for p in patterns for x in ("-c", p)]
    profile = record(tmp_path / "p.pb.gz", *SHORT, *options, seconds=1)
    assert containers(profile) == expected


@pytest.mark.parametrize("name, digits", [("web-docker", 12), ("web-podman", 8), ("app", 64)])
def test_an_id_may_be_shortened(stage, tmp_path, name, digits):
    profile = record(tmp_path / "p.pb.gz", *SHORT, "-c", stage[name].id[:digits], seconds=0.5)
    assert containers(profile) == {name}


def test_a_process_is_recorded_alone(stage, tmp_path):
    pid = stage["web-runc"].pid
    profile = record(tmp_path / "p.pb.gz", *SHORT, "-p", pid, seconds=1)
    assert {s.labels["pid"] for s in profile.samples} == {pid}
    assert containers(profile) == {"web-runc"}


def test_a_process_of_the_host_is_recorded_alone(stage, burner, tmp_path):
    pid = burner().pid
    profile = record(tmp_path / "p.pb.gz", *SHORT, "-p", pid, seconds=1)
    assert {s.labels["pid"] for s in profile.samples} == {pid}


def test_a_container_may_start_after_the_recording(stage, runc, weights_root, tmp_path):
    with plimsoll.Recording(tmp_path / "p.pb.gz", *SHORT, "-c", "web-r*") as recording:
        late = runc.run("web-run-later", ["/bin/weights", 0.5], weights_root)
        wait_for_end(late.pid)
    runc.remove(late)
    assert containers(recording.profile) == {"web-runc", "web-run-later"}


def test_a_command_is_recorded_with_its_children(stage, workloads, tmp_path):
    weights = os.path.join(workloads, "weights")
    result = plimsoll.run("record", *SHORT, "-o", tmp_path / "p.pb.gz", "--", "sh", "-c",
                          "%s 0.5 & %s 1; wait" % (weights, weights)).succeeded()
    profile = plimsoll.Profile.load(tmp_path / "p.pb.gz")
    processes = {s.labels["pid"] for s in profile.where(comm="weights")}
    assert len(processes) == 2
    assert {s.labels["comm"] for s in profile.samples} <= {"weights", "sh", "plimsoll"}
    assert len(result.out.split()) == 2, "the command's own output"


def test_a_command_ends_the_recording(workloads, tmp_path):
    result = plimsoll.run("record", "-o", tmp_path / "p.pb.gz", "--",
                          os.path.join(workloads, "weights"), 0.5).succeeded()
    assert result.seconds < 20


def test_a_command_that_does_not_exist_is_said_so(tmp_path):
    plimsoll.run("record", "-o", tmp_path / "p.pb.gz", "--", "no-such-command").failed(
        1, "no-such-command")
    assert not os.listdir(tmp_path)


def test_a_command_that_was_forgotten_is_not_the_whole_host(tmp_path):
    plimsoll.run("record", "-o", tmp_path / "p.pb.gz", "-d", 1, "--").failed(
        2, "a command is expected after '--'")
    assert not os.listdir(tmp_path)


def test_a_first_sample_is_of_the_first_instructions(workloads, tmp_path):
    """A command that lives 50 ms is seen from its beginning."""
    plimsoll.run("record", "-F", 999, "-o", tmp_path / "p.pb.gz", "--",
                 os.path.join(workloads, "weights"), 0.05).succeeded()
    samples = plimsoll.Profile.load(tmp_path / "p.pb.gz").where(comm="weights")
    assert total(samples) >= 10
    assert "burn_70" in plimsoll.names(samples)


@pytest.mark.parametrize("wrong, right", [
    ("web-dockr", "web-docker"), ("web-podmann", "web-podman"), ("ap", "app")])
def test_an_unknown_container_is_answered_with_the_nearest(all_on_stage, tmp_path, wrong, right):
    result = plimsoll.run("record", "-c", wrong, "-d", 30, "-o", tmp_path / "p.pb.gz")
    result.failed(1, "'%s'" % wrong, "did you mean", "'%s'" % right)
    assert result.seconds < 5
    assert not os.listdir(tmp_path)


def test_a_pid_that_does_not_exist_is_said_so(tmp_path):
    plimsoll.run("record", "-p", 2 ** 22 + 5, "-d", 30, "-o", tmp_path / "p.pb.gz").failed(
        1, str(2 ** 22 + 5))
