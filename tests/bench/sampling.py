# SPDX-License-Identifier: Apache-2.0
"""Sampling as such: what it costs next to other tools and to the bare minimum, how soon it starts
and ends, and among how many containers."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import time

from bench import (
    BUILT, CPUS, MB, PLIMSOLL, ROUNDS, SECONDS, NotMeasured, Run, SamplingProgram, bpf_statistics, load, measured,
    plimsoll, progress)

CROWD = 1000


def run_perf(cwd):
    record = measured(["perf", "record", "-q", "-F", "99", "-e", "cpu-clock", "-ag", "-o", "perf.data",
                       "--", "sleep", str(SECONDS)], cwd)
    script = measured(["perf", "script", "-i", "perf.data"], cwd)
    return record.cpu + script.cpu, max(record.peak, script.peak)


def run_bpftrace(cwd):
    script = "profile:hz:99 { @[kstack, ustack] = count(); } interval:s:%d { exit(); }" % SECONDS
    run = measured(["bpftrace", "-e", script], cwd)
    return run.cpu, run.peak


def run_plimsoll(cwd):
    run = measured([PLIMSOLL, "record", "-F", "99", "-d", str(SECONDS)], cwd)
    return run.cpu, run.peak


def tools(table, cwd):
    """CPU and memory of the tool itself, from start to a readable answer."""
    runners = {"plimsoll": run_plimsoll, "perf": run_perf, "bpftrace": run_bpftrace}
    missing = [name for name in ("perf", "bpftrace") if not shutil.which(name)]
    if missing:
        raise NotMeasured(f"{' and '.join(missing)} not installed")
    cpu = {name: [] for name in runners}
    peak = {name: [] for name in runners}
    failures = {}
    with load():
        for number in range(ROUNDS):
            progress(f"tools, round {number + 1} of {ROUNDS}")
            for name, runner in runners.items():
                try:
                    used, memory = runner(cwd)
                except NotMeasured as error:
                    if name == "plimsoll":
                        raise
                    failures[name] = str(error)  # a peer that crashes now and then has other rounds
                    continue
                cpu[name].append(used)
                peak[name].append(memory / MB)
    for name, reason in failures.items():
        progress(f"{name} failed in {ROUNDS - len(cpu[name])} of {ROUNDS} rounds: {reason}")
        if not cpu[name]:
            raise NotMeasured(reason)
    cpu = {name: statistics.median(values) for name, values in cpu.items()}
    peak = {name: statistics.median(values) for name, values in peak.items()}
    what = f"tool's CPU, {SECONDS:g} s at 99 Hz"
    table.add(what, "s", cpu["plimsoll"], 0.5, "perf record + script", cpu["perf"], judge="ratio")
    table.add(what, "s", cpu["plimsoll"], 0.1, "bpftrace", cpu["bpftrace"], judge="ratio")
    table.add("tool's peak memory", "MB", peak["plimsoll"], 25)
    table.add("tool's peak memory", "MB", peak["plimsoll"], 1, "perf", peak["perf"], judge="ratio")
    return cpu["plimsoll"] / SECONDS


def cost_per_sample(command, cwd, seconds):
    """Nanoseconds that one run of the command's sampling program takes, or None if too few ran."""
    run = Run(command, cwd)
    program = SamplingProgram(run.pid)
    program.wait_for_first_run(run)
    time.sleep(seconds)
    count, nanoseconds = program.runs()
    run.stop()
    run.wait()
    if count < 10:
        raise NotMeasured(f"{command[0]}: {count} samples in {seconds} s")
    return nanoseconds / count


def kernel(table, cwd):
    """What a sample costs in the kernel, against walking the same stacks and nothing else."""
    frequencies = (99, 999, 4999)
    ours = {hz: [] for hz in frequencies}
    bare = {hz: [] for hz in frequencies}
    with load(), bpf_statistics():
        for number in range(ROUNDS):
            progress(f"kernel, round {number + 1} of {ROUNDS}")
            for hz in frequencies:
                seconds = 4 if hz < 500 else 2
                ours[hz].append(cost_per_sample(plimsoll("-F", str(hz), "-o", "cost.pb.gz"), cwd, seconds))
                bare[hz].append(cost_per_sample([BUILT / "bare", BUILT / "bare.bpf.o", str(hz)], cwd, seconds))
    for hz in frequencies:
        table.add(f"kernel time per sample, {hz} Hz", "us", statistics.median(ours[hz]) / 1e3, 1.3,
                  "two bpf_get_stack", statistics.median(bare[hz]) / 1e3, judge="ratio")
    return statistics.median(ours[99]) / 1e9 * 99 * CPUS


def count_samples(profile, cwd):
    folded = subprocess.run([PLIMSOLL, "report", profile, "--format", "folded", "-o", "-"], cwd=cwd,
                            capture_output=True, text=True, check=True).stdout
    return sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines())


def record_until_stopped(cwd, hz, seconds):
    """(start to first sample, end to report, samples that the kernel took and the profile lacks)."""
    run = Run(plimsoll("-F", str(hz), "-o", "latency.pb.gz"), cwd)
    program = SamplingProgram(run.pid)
    first = program.wait_for_first_run(run)
    time.sleep(seconds)
    taken, _ = program.runs()
    stopped = time.monotonic()
    run.stop()
    run.wait()
    return first * 1e3, (run.end - stopped) * 1e3, max(0, taken - count_samples("latency.pb.gz", cwd))


def latency(table, cwd):
    rows = {99: [], 4999: []}
    with load(), bpf_statistics():
        for number in range(ROUNDS):
            progress(f"latency, round {number + 1} of {ROUNDS}")
            for hz, results in rows.items():
                results.append(record_until_stopped(cwd, hz, 5))
    for hz, results in rows.items():
        first, end, lost = zip(*results)
        table.add(f"start to first sample, {hz} Hz", "ms", statistics.median(first), 300)
        table.add(f"end to report, {hz} Hz", "ms", statistics.median(end), 500)
        table.add(f"samples lost, {hz} Hz", "", max(lost), 0)


def cgroup_parents():
    """Where a runtime would make a container's cgroup: v2, and v1 controllers if they are mounted."""
    parents = []
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, path, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and {"memory", "cpu", "pids"} & set(options.split(","))):
            parents.append(pathlib.Path(path))
    return parents


@contextlib.contextmanager
def crowd(number, command=lambda i: [BUILT / "load", "1", "0.1"]):
    """So many containers as Docker lays them out, in each the process that `command` gives for its number."""
    parents = [path / f"plimsoll-bench-{os.getpid()}" for path in cgroup_parents()]
    processes, folders = [], []
    try:
        for i in range(number):
            identity = hashlib.sha256(str(i).encode()).hexdigest()
            process = subprocess.Popen(command(i))
            processes.append(process)
            for parent in parents:
                folder = parent / "docker" / identity
                folder.mkdir(parents=True)
                folders.append(folder)
                (folder / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        folders += [path for parent in parents for path in (parent / "docker", parent)]
        for folder in folders:
            remove_cgroup(folder)


def remove_cgroup(folder):
    """A task that has been waited for may hold its cgroup for a moment longer."""
    for _ in range(100):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)


def crowded(table, cwd):
    starts, peaks = [], []
    progress(f"crowd, making {CROWD} cgroups")
    with crowd(CROWD), bpf_statistics():
        time.sleep(1)
        for number in range(ROUNDS):
            progress(f"crowd, round {number + 1} of {ROUNDS}")
            run = Run(plimsoll("-F", "999", "-o", "crowd.pb.gz"), cwd)
            starts.append(SamplingProgram(run.pid).wait_for_first_run(run))
            time.sleep(3)
            run.stop()
            run.wait()
            peaks.append(run.peak / MB)
    table.add(f"start among {CROWD} containers", "s", statistics.median(starts), 2)
    table.add(f"peak memory among {CROWD} containers", "MB", statistics.median(peaks), 60)
