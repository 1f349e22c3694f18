# SPDX-License-Identifier: Apache-2.0
"""What all sections of the bench use: running and measuring commands, what the kernel tells of BPF
programs, and the table of figures."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PLIMSOLL = pathlib.Path(os.environ.get("PLIMSOLL") or HERE.parent.parent / "build/plimsoll").resolve()
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("SECONDS", "10"))
CPUS = os.cpu_count()
MB = 1e6

PERF_EVENT_PROGRAM = 7  # BPF_PROG_TYPE_PERF_EVENT in linux/bpf.h

# Where build() puts the programs that the bench brings along.
BUILT = pathlib.Path(tempfile.mkdtemp())


class NotMeasured(Exception):
    pass


# --- running things ---


def last_line(text):
    return (text.strip().splitlines() or [""])[-1][:200]


class Run:
    """A command under `measure`: its process number at once, what it cost after wait()."""

    def __init__(self, command, cwd, stdout=subprocess.DEVNULL):
        read_end, write_end = os.pipe()
        self.command = [str(word) for word in command]
        self.errors = tempfile.TemporaryFile("w+")
        self.measure = subprocess.Popen(
            [BUILT / "measure", str(write_end), *self.command],
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=self.errors, cwd=cwd,
            pass_fds=[write_end])
        os.close(write_end)
        self.report = os.fdopen(read_end)
        first = self.report.readline().split()
        if len(first) != 2:
            raise NotMeasured(f"{self.command[0]} did not start")
        self.pid, self.start = int(first[0]), float(first[1])

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def wait(self):
        line = self.report.readline().split()
        self.measure.wait()
        self.errors.seek(0)
        self.said = self.errors.read()
        if len(line) != 5:
            raise NotMeasured(f"measure did not report on {self.command[0]}")
        self.end, user, system = map(float, line[:3])
        self.cpu = user + system
        self.peak = int(line[3])
        status = os.waitstatus_to_exitcode(int(line[4]))
        if status != 0:
            raise NotMeasured(f"{' '.join(self.command)}: exit {status}: {last_line(self.said)}")
        return self


def measured(command, cwd, **options):
    return Run(command, cwd, **options).wait()


def plimsoll(*arguments):
    return [PLIMSOLL, "record", "-q", *arguments]


def build():
    """Compiles what the bench runs besides plimsoll."""
    clang = os.environ.get("CLANG", "clang-14")
    architecture = {"x86_64": "x86", "aarch64": "arm64"}[os.uname().machine]
    triple = subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True)
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror"]
    bpf_flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", f"-D__TARGET_ARCH_{architecture}",
                 "-I/usr/include/" + triple.stdout.strip()]
    own_flags = {"load": ["-fno-optimize-sibling-calls", "-pthread"], "sleepers": ["-pthread"], "bare": ["-lbpf"]}
    for name in ("load", "measure", "ping_pong", "sleepers", "bare"):
        subprocess.run(["gcc", *flags, "-o", BUILT / name, HERE / f"{name}.c", *own_flags.get(name, [])], check=True)
    for name in ("bare", "bare_switch", "bare_events"):
        subprocess.run([clang, *bpf_flags, "-c", HERE / f"{name}.bpf.c", "-o", BUILT / f"{name}.bpf.o"], check=True)


@contextlib.contextmanager
def load():
    """Every CPU busy."""
    process = subprocess.Popen([BUILT / "load", str(CPUS)])
    time.sleep(0.5)
    try:
        yield
    finally:
        process.kill()
        process.wait()


# --- what the kernel tells of BPF programs ---


@contextlib.contextmanager
def bpf_statistics():
    """Run counts and times of BPF programs; they cost some 80 ns a run, hence only when needed."""
    switch = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text()
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text(before)


class SamplingProgram:
    """The perf_event program that a process holds, seen from outside through its fdinfo."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}/fdinfo")
        self.file = None

    def find(self):
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                with contextlib.suppress(FileNotFoundError):
                    if f"prog_type:\t{PERF_EVENT_PROGRAM}\n" in (self.folder / name).read_text():
                        return self.folder / name
        return None

    def runs(self):
        """(count, nanoseconds) since load; (0, 0) while there is no such program."""
        self.file = self.file or self.find()
        if not self.file:
            return 0, 0
        try:
            text = self.file.read_text()
        except FileNotFoundError:
            return 0, 0
        return tuple(int(re.search(rf"^{key}:\s*(\d+)", text, re.M)[1]) for key in ("run_cnt", "run_time_ns"))

    def wait_for_first_run(self, run, patience=15):
        """When it ran first, in seconds after the start of `run`."""
        while True:
            if self.runs()[0]:
                return time.monotonic() - run.start
            if time.monotonic() - run.start > patience or run.measure.poll() is not None:
                run.stop()
                run.wait()
                raise NotMeasured(f"{' '.join(run.command)} took no sample in {patience} s: {last_line(run.said)}")
            time.sleep(0.002)


# --- the table ---


class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, unit, value, goal, peer=None, peer_value=None, judge="value"):
        """`goal` is an upper bound: of the value, or with judge="ratio" of value / peer_value."""
        ratio = value / peer_value if peer_value else None
        judged = ratio if judge == "ratio" else value
        self.rows.append({
            "figure": figure, "unit": unit, "value": value, "peer": peer, "peer_value": peer_value,
            "ratio": ratio, "judge": judge, "goal": goal, "ok": judged is not None and judged <= goal,
        })

    def add_failure(self, figure, reason):
        self.rows.append({"figure": figure, "error": reason})

    def print(self):
        lines = [("figure", "plimsoll", "peer", "", "ratio", "goal", "")]
        for row in self.rows:
            if "error" in row:
                lines.append((row["figure"], "not measured: " + row["error"], "", "", "", "", "FAILED"))
                continue
            peer = f"{row['peer_value']:.3g} {row['unit']}" if row["peer_value"] is not None else ""
            ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else ""
            goal = f"<= {row['goal']:g}" + ("" if row["judge"] == "ratio" else f" {row['unit']}")
            lines.append((row["figure"], f"{row['value']:.3g} {row['unit']}", peer, row["peer"] or "", ratio, goal,
                          "ok" if row["ok"] else "MISS"))
        widths = [max(len(line[i]) for line in lines if not line[1].startswith("not")) for i in range(7)]
        for line in lines:
            if line[1].startswith("not"):
                print(f"{line[0]:<{widths[0]}}  {line[1]}")
                continue
            print("  ".join((f"{cell:<{w}}" if i in (0, 3) else f"{cell:>{w}}")
                            for i, (cell, w) in enumerate(zip(line, widths))).rstrip())


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
