# SPDX-License-Identifier: Apache-2.0
"""As many samples as asked for, none lost, none too many."""

import json
import math
import os
import pathlib
import subprocess
import time

import pytest

import plimsoll
from plimsoll import cpu_seconds, total


def record_pinned(tmp_path, workloads, frequency, seconds):
    """Records `weights` on one CPU; its samples, the CPU seconds that it had, and the profile."""
    cpu = str(max(os.sched_getaffinity(0)))
    result = plimsoll.run("record", "-F", frequency, "-o", tmp_path / "p.pb.gz", "--", "taskset",
                          "--cpu-list", cpu, os.path.join(workloads, "weights"),
                          seconds).succeeded()
    profile = plimsoll.Profile.load(tmp_path / "p.pb.gz")
    return profile.where(comm="weights"), float(result.out), profile


# Fewer samples need more seconds for the same precision.
@pytest.mark.parametrize("frequency, seconds", [(99, 4), (999, 2), (4999, 2)])
def test_a_second_of_cpu_has_as_many_samples_as_asked_for(workloads, tmp_path, frequency, seconds):
    samples, cpu, profile = record_pinned(tmp_path, workloads, frequency, seconds)
    assert cpu > 0.2
    # Whoever shares the CPU gets some of the ticks by chance: with n of them, sqrt(n) more or less.
    # A virtual machine gets no ticks while it is not run: there may be fewer, never more.
    alone = cpu > 0.95 * seconds
    by_chance = 0 if alone else 3 / math.sqrt(cpu * frequency)
    ticks = cpu * frequency
    assert (0.85 - by_chance) * ticks < total(samples) < (1.05 + by_chance) * ticks
    assert cpu_seconds(samples) == pytest.approx(total(samples) / frequency, rel=0.01)
    assert profile.lost == []


@pytest.fixture
def runs_are_counted():
    """The kernel counts how often each BPF program runs."""
    switch = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text()
    switch.write_text("1")
    yield
    switch.write_text(before)


def sampler_runs():
    """How often the kernel says that the sampler has run."""
    programs = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], check=True,
                                         stdout=subprocess.PIPE).stdout)
    return sum(p["run_cnt"] for p in programs
               if p["type"] == "perf_event" and p["name"] == "on_sample")


def test_none_is_lost_at_4999_hz_on_all_cpus(burner, tmp_path, runs_are_counted):
    for _ in range(2 * os.cpu_count()):
        burner()
    with plimsoll.Recording(tmp_path / "p.pb.gz", "-F", 4999) as recording:
        time.sleep(3)
        runs = sampler_runs()
    profile = recording.profile
    assert profile.lost == []
    # Every CPU was busy all the time: every tick of the clock is a sample of somebody. A virtual
    # machine that is not run gets no ticks, so the kernel's count is what none may be missing of.
    ticks = profile.duration * 4999 * os.cpu_count()
    assert 0.5 * ticks < runs <= total(profile.samples) + 0.001 * ticks
    assert total(profile.samples) < 1.05 * ticks


def test_kernel_threads_are_told_apart(tmp_path):
    """Their stacks have no user part, and are told apart by the kernel's alone."""
    with plimsoll.Recording(tmp_path / "p.pb.gz", "-F", 9999) as recording:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            # What one writes the other's threads carry out.
            with open(tmp_path / "written", "wb") as written:
                written.write(os.urandom(4 << 20))
                written.flush()
                os.fsync(written.fileno())
    threads = {(s.labels["tid"], tuple(s.stack)) for s in recording.profile.samples
               if s.labels["pid"] == s.labels["tid"] and s.stack
               and all(f.mapping.startswith("[kernel") for f in s.stack)}
    assert len({tid for tid, _ in threads}) >= 2, threads
    assert len({stack for _, stack in threads}) >= 4, threads


def test_sleepers_have_no_samples(runc, weights_root, tmp_path):
    container = runc.run("sleeper", ["sleep", 600], weights_root)
    result = plimsoll.run("record", "-F", 999, "-d", 1, "-c", "sleeper", "-o",
                          tmp_path / "p.pb.gz").succeeded()
    runc.remove(container)
    assert plimsoll.Profile.load(tmp_path / "p.pb.gz").samples == []
    assert "no samples" in result.err


def test_recording_starts_and_ends_at_once(tmp_path):
    result = plimsoll.run("record", "-d", 0.2, "-o", tmp_path / "p.pb.gz").succeeded()
    assert result.seconds < 5


def test_a_recording_needs_little_memory(burner, tmp_path):
    burner()
    result = plimsoll.run("record", "-F", 999, "-d", 2, "-o", tmp_path / "p.pb.gz",
                          watch_memory=True).succeeded()
    assert 0 < result.memory < 40 << 20
