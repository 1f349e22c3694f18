# SPDX-License-Identifier: Apache-2.0
"""Whole stacks: what they cost in the kernel and in memory, next to frame pointers and to perf, and
how many are whole."""

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from bench import (
    BUILT, HERE, MB, PLIMSOLL, ROUNDS, SECONDS, NotMeasured, Run, bpf_statistics, measured, plimsoll, progress)
from sampling import cost_per_sample, crowd

sys.path.append(str(HERE.parent / "system"))
import programs  # noqa: E402

DEPTHS = (10, 30, 50)
CONTAINERS = 200
AT_WORK = ("sqlite3", "python3", "perl", "xz", "redis")

# Milliseconds and bytes that a table may take, by file.
TABLES = {
    "libc": (("/usr/lib/*-linux-gnu/libc.so.6",), 50, 400e3),
    "node": (("/usr/bin/node",), 1500, None),
    "libLLVM": (("/usr/lib/llvm-*/lib/libLLVM-*.so.1",), 1500, None),
}


@contextlib.contextmanager
def deep(depth):
    """A stack of so many frames that can be walked either way: with frame pointers, and with unwind
    tables, as every C program has them."""
    program = BUILT / "deep"
    if not program.exists():
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fno-omit-frame-pointer",
                        "-fno-optimize-sibling-calls", "-static", "-o", program,
                        HERE.parent / "workloads" / "deep.c"], check=True)
    # Besides the calls there are bottom, main, and three functions of the C library.
    process = subprocess.Popen([program, str(depth - 5)])
    time.sleep(0.2)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def walk(table, cwd):
    """What a sample costs in the kernel by tables and by frame pointers, of one and the same stack."""
    ways = {"tables": (), "fp": ("--stacks", "fp")}
    cost = {(way, depth): [] for way in ways for depth in DEPTHS}
    with bpf_statistics():
        for number in range(ROUNDS):
            progress(f"walk, round {number + 1} of {ROUNDS}")
            for depth in DEPTHS:
                with deep(depth) as pid:
                    for way, options in ways.items():
                        cost[way, depth].append(cost_per_sample(
                            plimsoll("-F", "999", "-p", pid, *options, "-o", "walk.pb.gz"), cwd, 2))
    middle = {key: statistics.median(values) for key, values in cost.items()}
    for depth in DEPTHS:
        table.add(f"kernel time per sample, {depth} frames", "us", middle["tables", depth] / 1e3, 2,
                  "frame pointers", middle["fp", depth] / 1e3, judge="ratio")
    span = DEPTHS[-1] - DEPTHS[0]
    per_frame = {way: (middle[way, DEPTHS[-1]] - middle[way, DEPTHS[0]]) / span for way in ways}
    table.add("kernel time per frame", "ns", per_frame["tables"], 200, "frame pointers", per_frame["fp"])


def tables(table, cwd):
    """How long a table takes to build, and how large it is."""
    program = PLIMSOLL.parent / "tests/bench/tables"
    made = subprocess.run(["make", "-s", "-C", HERE.parent.parent, f"BUILD={PLIMSOLL.parent}", program],
                          capture_output=True, text=True)
    if made.returncode:
        raise NotMeasured(made.stderr.strip()[-200:])
    for name, (patterns, goal_ms, goal_bytes) in TABLES.items():
        found = [path for pattern in patterns for path in sorted(pathlib.Path("/").glob(pattern[1:]))]
        if not found:
            table.add_failure(f"unwind table of {name}", f"{patterns[0]} is not there")
            continue
        path = found[-1].resolve()
        _, ms, size, rows, *_ = subprocess.run([program, path], capture_output=True, text=True,
                                               check=True).stdout.split()
        megabytes = path.stat().st_size / MB
        table.add(f"unwind table of {name} ({megabytes:.0f} MB)", "ms", float(ms), goal_ms)
        if goal_bytes:
            table.add(f"unwind table of {name}", "KB", int(size) / 1e3, goal_bytes / 1e3)
        table.add(f"unwind table of {name}, a row", "bytes", int(size) / int(rows), 8)


def images(table, cwd):
    """Tables built for containers that run one program, each from a file of its own: one."""
    copies = pathlib.Path(cwd) / "images"
    copies.mkdir()
    progress(f"images, {CONTAINERS} containers")
    recorder = Run([PLIMSOLL, "record", "-v", "-F", "199", "-o", "images.pb.gz"], cwd)
    try:
        time.sleep(2)
        with crowd(CONTAINERS, lambda i: [shutil.copy(BUILT / "load", copies / str(i)), "1", "1"]):
            time.sleep(10)
    finally:
        recorder.stop()
        recorder.wait()
    built = [line for line in recorder.said.splitlines() if "unwind table of" in line and "/images/" in line]
    profile = subprocess.run([PLIMSOLL, "report", "images.pb.gz", "--by", "container", "--format", "folded", "-o", "-"],
                             cwd=cwd, capture_output=True, text=True, check=True).stdout
    seen = len({line.split(";")[0] for line in profile.splitlines()})
    if seen < CONTAINERS:
        raise NotMeasured(f"{seen} of {CONTAINERS} containers have samples")
    table.add(f"unwind tables of one image in {CONTAINERS} containers", "", len(built), 1)


def dwarf(table, cwd):
    """A whole host of Debian's own programs, with whole stacks, until they can be read."""
    ours, theirs = [], []
    with contextlib.ExitStack() as running:
        for name in AT_WORK:
            running.enter_context(programs.at_work(name, pathlib.Path(cwd)))
        for number in range(ROUNDS):
            progress(f"dwarf, round {number + 1} of {ROUNDS}")
            run = measured([PLIMSOLL, "record", "-F", "99", "-d", str(SECONDS), "-o", "host.pb.gz"], cwd)
            ours.append((run.cpu, run.peak / MB, os.path.getsize(os.path.join(cwd, "host.pb.gz"))))
            # -B: reading build IDs at the end crashes perf 6.1 now and then.
            record = measured(["perf", "record", "-qB", "-F", "99", "-e", "cpu-clock", "-a", "--call-graph",
                               "dwarf,16384", "-o", "perf.data", "--", "sleep", str(SECONDS)], cwd)
            script = measured(["perf", "script", "-i", "perf.data"], cwd)
            theirs.append((record.cpu + script.cpu, max(record.peak, script.peak) / MB,
                           os.path.getsize(os.path.join(cwd, "perf.data"))))
    cpu, peak, size = (statistics.median(column) for column in zip(*ours))
    perf_cpu, perf_peak, perf_size = (statistics.median(column) for column in zip(*theirs))
    what = f"whole host, {SECONDS:g} s at 99 Hz"
    table.add(f"{what}: CPU", "s", cpu, 0.1, "perf dwarf + script", perf_cpu, judge="ratio")
    table.add(f"{what}: bytes", "KB", size / 1e3, 0.02, "perf.data", perf_size / 1e3, judge="ratio")
    table.add(f"{what}: peak memory", "MB", peak, 60, "perf dwarf", perf_peak)


def symbolize(table, cwd):
    """Naming addresses of a binary with full DWARF: see the program of that name."""
    environment = {**os.environ, "BUILD": str(PLIMSOLL.parent)}
    subprocess.run(["make", "-s", "-C", HERE.parent.parent, f"BUILD={PLIMSOLL.parent}",
                    PLIMSOLL.parent / "tests/bench/names"], check=True)
    done = subprocess.run([HERE / "symbolize", "--json"], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise NotMeasured(done.stderr.strip()[-200:])
    result = json.loads(done.stdout)
    ours = result["seconds"]["plimsoll"]
    for name, seconds in result["seconds"].items():
        if name != "plimsoll":
            table.add(f"naming {result['addresses']} addresses with DWARF: CPU", "s", ours, 1, name, seconds,
                      judge="ratio")


def stacks(table, cwd):
    """Debian's own programs: see the program of that name. What is cut short is what is judged."""
    done = subprocess.run([HERE / "stacks", "--json"], stdout=subprocess.PIPE, text=True, cwd=cwd,
                          env={**os.environ, "PLIMSOLL": str(PLIMSOLL)})
    if done.returncode:
        raise NotMeasured("stacks failed")
    result = json.loads(done.stdout)
    for row in result["programs"]:
        table.add(f"stacks cut short, {row['program']}", "%", 100 - row["tables"]["share"], 1, "perf dwarf",
                  100 - row["perf"]["share"])
    table.add("stacks cut short, all programs", "%", 100 - result["all"]["tables"], 0.5, "perf dwarf",
              100 - result["all"]["perf"])
