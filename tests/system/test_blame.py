# SPDX-License-Identifier: Apache-2.0
"""
Who had the CPU that whom was waiting for.

The truth is arithmetic: of threads that want one CPU all the time, each waits exactly as long as the
others have it, and the kernel says how long that is (/proc/PID/schedstat). They run only while
plimsoll watches, so both have seen the same.
"""

import collections
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

import leftovers
import plimsoll
from plimsoll import wait_until

CPU = max(os.sched_getaffinity(0))
SECONDS = 4
# Enough for others on the same CPU to have next to nothing, as on a host of one's own.
WEIGHT = 65536


class Watched:
    """plimsoll blame around something that happens meanwhile; `rows` are those of --json."""

    def __init__(self, *args):
        self.args = args

    def __enter__(self):
        self.process = plimsoll.Process("blame", "--json", "--verbose", *self.args)
        wait_until(self.has_begun)
        return self

    def has_begun(self):
        assert self.process.popen.poll() is None, repr(self.process.wait(0.1))
        self.process.err.seek(0)
        return b"plimsoll: watching\n" in self.process.err.read()

    def __exit__(self, kind, *_):
        self.process.interrupt()
        result = self.process.wait(plimsoll.GRACE)
        if kind is None:
            self.json = result.succeeded().json()
            self.victims = {v["name"]: v for v in self.json["victims"]}

    def waited(self, victim):
        return self.victims[victim]["waited_ns"]

    def matrix(self, victim):
        """culprit -> ns; what a container waits for itself is under "itself"."""
        sums = collections.Counter()
        for culprit in self.victims[victim]["culprits"]:
            sums["itself" if culprit["self"] else culprit["name"]] += culprit["ns"]
        return sums


def schedstat(pid):
    """ns on a CPU, and waiting for one."""
    with open("/proc/%d/schedstat" % pid) as f:
        ran, waited, _ = map(int, f.read().split())
    return ran, waited


def stolen():
    """ns that interrupts, and the hypervisor, have had of the CPU; see proc(5). A thread that they
    stop holds its CPU all the same, but many kernels do not count that as its own time."""
    with open("/proc/stat") as f:
        words = next(line.split() for line in f if line.startswith("cpu%d " % CPU))
    return sum(map(int, words[6:9])) * 10**9 // os.sysconf("SC_CLK_TCK")


def assert_held(found, ran, lost):
    """For so long it had the CPU: at least while it ran, at most with all that was stolen."""
    assert 0.97 * ran <= found <= 1.03 * (ran + lost), (found, ran, lost)


@contextlib.contextmanager
def weight_of_tests(weight):
    files = [os.path.join(root, "plimsoll-system/cpu.shares") for root in leftovers.cgroup_roots()]
    files = {f: open(f).read() for f in files if os.path.exists(f)}
    for path in files:
        with open(path, "w") as f:
            f.write(str(weight))
    yield
    for path, before in files.items():
        with open(path, "w") as f:
            f.write(before)


def processes_of(container):
    for folder in leftovers.cgroups_of(container.pid):
        with open(os.path.join(folder, "cgroup.procs")) as f:
            return [int(pid) for pid in f]


@contextlib.contextmanager
def away_from_cpu():
    """Who is continued first must not keep us from continuing the others."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus - {CPU} or cpus)
    yield
    os.sched_setaffinity(0, cpus)


def is_stopped(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


class Stage:
    """Containers that want the same CPU all the time, stopped until they run."""

    def __init__(self, runc, root):
        self.runc, self.root, self.containers = runc, root, {}

    def add(self, name, shares=1024, command=("/bin/weights",), processes=1):
        container = self.runc.run(name, command, self.root,
                                  resources={"cpu": {"shares": shares}})
        wait_until(lambda: len(processes_of(container)) == processes)
        self.containers[name] = container
        for pid in processes_of(container):
            os.kill(pid, signal.SIGSTOP)
            os.sched_setaffinity(pid, {CPU})
        return container

    @contextlib.contextmanager
    def running(self):
        """Yields a dictionary: name -> (ns on a CPU, ns waiting) by the kernel's account, filled in
        when they have stopped again. self.stolen is how much was, at most."""
        pids = {pid: name for name, c in self.containers.items() for pid in processes_of(c)}
        wait_until(lambda: all(map(is_stopped, pids)))
        before = {pid: schedstat(pid) for pid in pids}
        stolen_before = stolen()
        sums = {name: (0, 0) for name in self.containers}
        with away_from_cpu():
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            yield sums
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        # To stop they need the CPU once more, and only then has the kernel counted what they waited.
        wait_until(lambda: all(map(is_stopped, pids)))
        for pid, name in pids.items():
            after = schedstat(pid)
            sums[name] = tuple(s + a - b for s, a, b in zip(sums[name], after, before[pid]))
        self.stolen = stolen() - stolen_before

    def remove(self):
        for container in self.containers.values():
            self.runc.remove(container)


@pytest.fixture(scope="module")
def stage_of(runc, weights_root):
    @contextlib.contextmanager
    def of():
        stage = Stage(runc, weights_root)
        try:
            with weight_of_tests(WEIGHT):
                yield stage
        finally:
            stage.remove()
    return of


@pytest.fixture(scope="module")
def two(stage_of):
    """"light" and "heavy" have shares of the CPU as 1 to 3."""
    with stage_of() as stage:
        stage.add("blame-light", 1024)
        stage.add("blame-heavy", 3072)
        yield stage


OTHER = {"blame-light": "blame-heavy", "blame-heavy": "blame-light"}


def part_of_other(blame, victim):
    """Of what the victim did not wait for itself."""
    culprits = blame.matrix(victim)
    return culprits[OTHER[victim]] / (blame.waited(victim) - culprits["itself"])


def possible_part_of_other(kernel, victim):
    """The same by the kernel's account: who waited while neither of them ran, waited for others."""
    return kernel[OTHER[victim]][0] / kernel[victim][1]


@pytest.fixture(scope="module")
def measured(two):
    """One measurement, and the kernel's account of the same time. What others have of the CPU
    meanwhile, or of the hardware below it, is no mistake of ours: a second look may be without."""
    for _ in range(4):
        with Watched("-c", "blame-*") as blame:
            with two.running() as kernel:
                time.sleep(SECONDS)
        if all(part_of_other(blame, victim) >= 0.95 for victim in OTHER):
            break
    return blame, kernel, two.stolen


def without_interrupts(blame, victim, culprit):
    """What the culprit is to blame for, before interrupts are split off it in the same proportion
    as of all others."""
    culprits = blame.matrix(victim)
    waited = blame.waited(victim)
    return culprits[culprit] * waited / (waited - culprits["[interrupts]"])


def has_run_delay():
    return schedstat(os.getpid())[1] > 0


@pytest.mark.parametrize("victim", OTHER)
def test_two_containers_on_one_cpu_blame_each_other(measured, victim):
    """Nearly all, or, where others had the CPU too, what is left."""
    blame, kernel, _ = measured
    least = min(0.95, 0.97 * possible_part_of_other(kernel, victim))
    assert part_of_other(blame, victim) >= least, (blame.matrix(victim), kernel, blame.json)


@pytest.mark.parametrize("victim", OTHER)
def test_waiting_is_what_the_kernel_says(measured, victim):
    if not has_run_delay():
        pytest.skip("this kernel keeps no run delay (CONFIG_SCHED_INFO)")
    blame, kernel, _ = measured
    assert blame.waited(victim) == pytest.approx(kernel[victim][1], rel=0.02)


@pytest.mark.parametrize("victim", OTHER)
def test_who_is_to_blame_had_the_cpu_for_so_long(measured, victim):
    blame, kernel, lost = measured
    culprit = OTHER[victim]
    assert_held(without_interrupts(blame, victim, culprit), kernel[culprit][0], lost)


def test_shares_of_one_to_three_are_seen(measured):
    blame, kernel, lost = measured
    ran = {name: blame.victims[name]["ran_ns"] for name in OTHER}
    for name in OTHER:
        assert_held(ran[name], kernel[name][0], lost)
    # However much of the CPU is left for both.
    assert 2.4 < ran["blame-heavy"] / ran["blame-light"] < 3.6, blame.json


def test_nearly_all_of_the_waiting_is_attributed(measured):
    json = measured[0].json
    assert json["attributed_ns"] <= json["waited_ns"]
    assert json["attributed_ns"] >= 0.95 * json["waited_ns"], json
    assert json["no_room_ns"] == 0


def test_rows_add_up_to_the_waiting(measured):
    for victim in measured[0].victims.values():
        assert sum(c["ns"] for c in victim["culprits"]) == victim["waited_ns"], victim


def test_only_chosen_victims_are_shown(two):
    with Watched("-c", "blame-light") as blame:
        with two.running():
            time.sleep(1)
    assert set(blame.victims) == {"blame-light"}
    assert blame.matrix("blame-light")["blame-heavy"] > 0


def test_cpus_are_told_apart(two):
    with Watched("-c", "blame-*", "--cpu") as blame:
        with two.running() as kernel:
            time.sleep(2)
    # Where it was stopped, a thread may have been on another CPU's queue before it was pinned.
    on_it = {v["name"]: v for v in blame.json["victims"] if v["cpu"] == CPU}
    assert set(on_it) == set(OTHER)
    for name, victim in on_it.items():
        assert "ran_ns" not in victim
        assert victim["waited_ns"] == pytest.approx(kernel[name][1], rel=0.05)


def test_three_containers_and_the_host_blame_each_other(stage_of, burner):
    with stage_of() as stage, weight_of_tests(3072):
        names = ["blame-%s" % word for word in ("red", "green", "blue")]
        for name in names:
            stage.add(name)
        host = burner(prefix=["taskset", "--cpu-list", str(CPU)])
        with Watched() as blame:
            with stage.running() as kernel:
                host_before = schedstat(host.pid)[0]
                time.sleep(SECONDS)
                host_ran = schedstat(host.pid)[0] - host_before
    assert host_ran > 0
    for victim in names:
        culprits = blame.matrix(victim)
        for culprit in set(names) - {victim}:
            # Less what it ran on after this one was stopped.
            assert_held(without_interrupts(blame, victim, culprit), kernel[culprit][0],
                        stage.stolen)
        # The burner, and whatever else the host did there.
        assert without_interrupts(blame, victim, "host") >= 0.95 * host_ran, (host_ran, blame.json)
        assert blame.waited(victim) == pytest.approx(kernel[victim][1], rel=0.03)
        assert culprits["itself"] < 0.01 * blame.waited(victim)


def test_waiting_for_oneself_is_told_apart(stage_of):
    with stage_of() as stage:
        stage.add("blame-crowd", command=["/bin/sh", "-c", "weights & weights & wait"],
                  processes=3)
        with Watched("-c", "blame-crowd") as blame:
            with stage.running() as kernel:
                time.sleep(2)
    # Two that take turns: as long as one of them runs the other one waits.
    assert_held(without_interrupts(blame, "blame-crowd", "itself"), kernel["blame-crowd"][0],
                stage.stolen)


# --- the table ---


def on_terminal(columns, *args):
    """What plimsoll writes to a terminal so wide, without colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([plimsoll.BINARY, *args], stdin=subprocess.DEVNULL, stdout=its,
                          stderr=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}) as p:
        os.close(its)
        data = b""
        with contextlib.suppress(OSError):  # that is how its end is told
            while chunk := os.read(ours, 65536):
                data += chunk
        os.close(ours)
        assert p.wait() == 0
    return data.decode().replace("\r\n", "\n")


def test_the_table_fits_eighty_columns(two):
    with two.running():
        text = on_terminal(80, "blame", "-d", "1.5", "-c", "blame-*", "-c", "host")
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert re.search(r"^blame-light +\d.*? +blame-heavy +\d.*%$", text, re.M), text
    assert re.search(r"^blame-heavy +\d.*? +blame-light +\d.*%$", text, re.M), text
    assert re.search(r"waited · \d+\.\d % of it attributed$", text, re.M), text


def test_time_ends_it():
    result = plimsoll.run("blame", "-d", 0.5).succeeded()
    assert "Waiting for a CPU" in result.out
    plimsoll.assert_clean_text(result.out_bytes)
    assert not result.err


def test_an_interrupt_ends_it_early():
    with Watched("-d", 600) as blame:
        pass
    assert blame.process.popen.returncode == 0
    assert blame.json["duration_ns"] < 60e9


# --- bad input ---


@pytest.mark.parametrize("args, words", [
    (["--no-such-option"], ["unknown option '--no-such-option'"]),
    (["-d"], ["needs a value"]),
    (["-d", "soon"], ["'-d soon'", "seconds"]),
    (["-d", "0"], ["'-d 0'"]),
    (["-d", "-1"], ["'-d -1'"]),
    (["web"], ["unexpected argument 'web'"]),
], ids=" ".join)
def test_wrong_usage_is_explained(args, words):
    plimsoll.run("blame", *args).failed(2, *words, "'plimsoll blame --help'")


def test_a_mistyped_container_is_guessed(two):
    plimsoll.run("blame", "-d", 1, "-c", "blame-lihgt").failed(
        1, "no container matches 'blame-lihgt'", "did you mean 'blame-light'")


def test_help_fits_a_screen():
    lines = plimsoll.run("blame", "--help").succeeded().out.splitlines()
    assert lines[0].startswith("usage: plimsoll blame")
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
