# SPDX-License-Identifier: Apache-2.0
"""The ledger: what a context switch costs more, what a whole program does, and how it bears a host that is full of
threads."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from bench import BUILT, CPUS, MB, PLIMSOLL, ROUNDS, NotMeasured, Run, last_line, progress
from sampling import crowd

CPU = CPUS - 1  # where the ping-pong is played
GAME = 1  # seconds of one

CONTAINERS = 1000
THREADS = 10  # in each
SWITCHES = 200_000  # a second, of all; two for each time that a thread wakes up
WINDOW = 10  # seconds

# Time between a thread's switch out and in, by the stacks at its switch out.
OFFCPU_OF_BPFTRACE = """
tracepoint:sched:sched_switch {
    @start[args->prev_pid] = nsecs; @kernel[args->prev_pid] = kstack; @user[args->prev_pid] = ustack;
    if (@start[args->next_pid]) {
        @time[@kernel[args->next_pid], @user[args->next_pid]] = sum(nsecs - @start[args->next_pid]);
        delete(@start[args->next_pid]); delete(@kernel[args->next_pid]); delete(@user[args->next_pid]);
    }
}
"""


def need(programs):
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise NotMeasured(f"{', '.join(missing)} not installed")


# --- watching while something else is measured ---


def is_attached(pid):
    """Whether a process holds what only an attached BPF program needs: a link, or a perf event with a program."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if re.search(r"bpf[-_]link|perf_event|raw-tracepoint", os.readlink(f"{folder}/{name}")):
                    return True
    return False


def wait_until_attached(run, patience=20):
    deadline = time.monotonic() + patience
    while not is_attached(run.pid):
        if time.monotonic() > deadline or run.measure.poll() is not None:
            run.stop()
            run.wait()
            raise NotMeasured(f"{' '.join(run.command)} attached nothing in {patience} s: {last_line(run.said)}")
        time.sleep(0.01)
    time.sleep(1.5)  # the watch of containers attaches first, signals follow one after the other


@contextlib.contextmanager
def watched_by(command, cwd):
    """While the command (None: nothing) looks at the host."""
    if not command:
        yield None
        return
    run = Run(command, cwd)
    try:
        wait_until_attached(run)
        yield run
    finally:
        run.stop()
        run.wait()


def sums_only(seconds=3600):
    return [PLIMSOLL, "stat", "-d", str(seconds)]


# --- a switch ---


def cost_of_switch(command, cwd):
    with watched_by(command, cwd):
        game = subprocess.run([BUILT / "ping_pong", str(CPU), str(GAME)], capture_output=True, text=True, check=True)
    return float(game.stdout)


def switch(table, cwd):
    """Nanoseconds that a pinned switch takes longer than when nobody looks."""
    need(["offcputime", "bpftrace"])
    watchers = {
        "nobody": None,
        "empty program": [BUILT / "bare", BUILT / "bare_switch.bpf.o"],
        "empty programs": [BUILT / "bare", BUILT / "bare_events.bpf.o"],
        "sums": sums_only(),
        "stacks": [PLIMSOLL, "record", "offcpu", "-q", "-o", "offcpu.pb.gz"],
        "offcputime": ["offcputime", "3600"],
        "bpftrace": ["bpftrace", "-e", OFFCPU_OF_BPFTRACE],
    }
    cost = {name: [] for name in watchers}
    for number in range(ROUNDS):
        progress(f"switch, round {number + 1} of {ROUNDS}")
        for name, command in watchers.items():
            cost[name].append(cost_of_switch(command, cwd))
    nobody = statistics.median(cost["nobody"])
    progress(f"switch, when nobody looks: {nobody:.0f} ns")
    added = {name: statistics.median(values) - nobody for name, values in cost.items()}
    for peer, hears in (("empty program", "the switch"), ("empty programs", "switch and wake-up")):
        table.add(f"a switch, sums only: more than what only hears of {hears}", "ns", added["sums"] - added[peer], 250,
                  peer, added[peer])
    for peer in ("offcputime", "bpftrace"):
        table.add("a switch, with stacks", "ns", added["stacks"], 0.6, peer, added[peer], judge="ratio")


# --- programs ---


def hackbench():
    """Seconds that messages between 160 processes take."""
    run = subprocess.run(["hackbench", "--pipe", "--groups", "4", "--loops", "4000"], capture_output=True, text=True,
                         check=True)
    return float(re.search(r"Time: ([\d.]+)", run.stdout)[1])


@contextlib.contextmanager
def redis():
    """A server that keeps nothing; its socket."""
    with tempfile.TemporaryDirectory() as folder:
        socket = pathlib.Path(folder) / "redis"
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
                                  stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise NotMeasured("redis-server does not come up")
                time.sleep(0.05)
            yield socket
        finally:
            server.kill()
            server.wait()


def redis_benchmark(socket):
    """Seconds for a request, of 50 clients."""
    run = subprocess.run(["redis-benchmark", "-s", socket, "-t", "get", "-n", "300000", "--csv"], capture_output=True,
                         text=True, check=True)
    return 1 / float(run.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))


def slowdown(what, program, cwd):
    """Per cent, the median of pairs; who goes first takes turns, lest a drift of the host counts for one side."""
    ratios = []
    program()  # caches are warm after this
    for number in range(ROUNDS):
        progress(f"{what}, round {number + 1} of {ROUNDS}")
        seconds = {}
        for watched in (False, True) if number % 2 else (True, False):
            with watched_by(sums_only() if watched else None, cwd):
                seconds[watched] = program()
        ratios.append(seconds[True] / seconds[False])
    return 100 * (statistics.median(ratios) - 1)


def programs(table, cwd):
    need(["hackbench", "redis-server", "redis-benchmark"])
    table.add("hackbench, longer with sums on", "%", slowdown("hackbench", hackbench, cwd), 2)
    with redis() as socket:
        table.add("redis-benchmark, longer with sums on", "%",
                  slowdown("redis-benchmark", lambda: redis_benchmark(socket), cwd), 2)


# --- a host that is full ---


def switches():
    """Of the host since boot; `ctxt` of proc_stat(5)."""
    return int(re.search(r"^ctxt (\d+)", pathlib.Path("/proc/stat").read_text(), re.M)[1])


def cpu_seconds(pid):
    """utime and stime of proc_pid_stat(5), the 14th and 15th field; the second, in parentheses, may have blanks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bpf_memory(pid):
    """Bytes of all BPF maps that a process holds, by the kernel's own account."""
    maps = {}
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            text = path.read_text()
            found = re.search(r"^map_id:\s*(\d+)", text, re.M)
            if found:
                maps[found[1]] = int(re.search(r"^memlock:\s*(\d+)", text, re.M)[1])
    return sum(maps.values())


def losses(records):
    """Events that did not fit, and per cent of all time that is not accounted for."""
    total = sum(r["total_ns"] for r in records)
    if not total:
        raise NotMeasured("plimsoll stat saw no thread")
    return sum(r["astray_events"] or 0 for r in records), 100 * sum(r["unaccounted_ns"] for r in records) / total


def full(table, cwd):
    """The recorder among so many threads, reading all sums once a second."""
    progress(f"full, making {CONTAINERS * THREADS} threads in {CONTAINERS} cgroups")
    wakes = SWITCHES / 2 / (CONTAINERS * THREADS)
    with crowd(CONTAINERS, lambda i: [BUILT / "sleepers", str(THREADS), str(wakes)]):
        time.sleep(2)
        with open(os.path.join(cwd, "full.json"), "w+") as out:
            run = Run([PLIMSOLL, "stat", "-I", "1000", "--json"], cwd, stdout=out)
            try:
                wait_until_attached(run)
                time.sleep(1)
                progress(f"full, watching for {WINDOW} s")
                begin, before, used = time.monotonic(), switches(), cpu_seconds(run.pid)
                time.sleep(WINDOW)
                seconds = time.monotonic() - begin
                rate, cpu = (switches() - before) / seconds, (cpu_seconds(run.pid) - used) / seconds
                maps = bpf_memory(run.pid)
            finally:
                run.stop()
                run.wait()
            out.seek(0)
            astray, unaccounted = losses([json.loads(line) for line in out])
    what = f"{CONTAINERS * THREADS} threads, {CONTAINERS} containers, {rate / 1000:.0f}k switches/s: "
    table.add(what + "recorder's CPU", "%", 100 * cpu, 3)
    table.add(what + "its peak memory", "MB", run.peak / MB, 100)
    table.add(what + "BPF maps", "MB", maps / MB, 100)
    table.add(what + "events astray", "", astray, 0)
    table.add(what + "time unaccounted", "%", unaccounted, 0)
