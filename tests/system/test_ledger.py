# SPDX-License-Identifier: Apache-2.0
"""
Where the time of threads went, against programs that keep their own account of it, and against the
kernel's account of throttling: each state within two points, every sum within half a per cent.
"""

import contextlib
import os
import subprocess
import threading
import time

import pytest

import leftovers
from accounts import assert_same_shares, running_states, shares, stat

WINDOW = 5  # seconds: fifty rounds, so that the part of one at each end does not matter


@pytest.fixture(scope="module")
def root(new_root):
    return new_root("ledger", "states", "weights")


def assert_adds_up(ledger, name, thread_seconds):
    assert ledger.total(name) == pytest.approx(thread_seconds, rel=0.005)


# --- every state ---

ROUNDS = {
    "waits": ["sleep=30", "burn=20", "pipe=25", "futex=25"],
    "asks": ["network=10", "burn=20", "network=30", "child=40"],
    "idles": ["sleep=20", "event=25", "poll=25", "epoll=30"],
    "burns": ["burn=100"],
    "crowd": ["-n", "8", "sleep=30", "burn=5", "pipe=30", "futex=20", "network=15"],
}


@pytest.mark.parametrize("name", ROUNDS)
def test_states_are_what_the_program_says(runc, root, name):
    with running_states(runc, name, root, *ROUNDS[name]) as states:
        ledger = stat("-c", name, seconds=WINDOW)
        expected = states.account(ledger.begin, ledger.end)
    assert_same_shares(ledger.ns(name), expected, why=ledger.record(name))
    if "child=40" not in ROUNDS[name]:  # children come and go
        assert_adds_up(ledger, name, states.threads * ledger.wall)


@contextlib.contextmanager
def loop_device(path, size):
    with open(path, "wb") as f:
        f.truncate(size)
    device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", path], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_reads_of_a_slow_disk_are_disk(runc, root, base):
    """A device that gives 6.4 MB a second: each read of 64 KiB takes some 10 ms."""
    with loop_device(os.path.join(base, "disk"), 8 << 20) as device:
        number = os.stat(device).st_rdev
        slow = {"blockIO": {"throttleReadBpsDevice": [
            {"major": os.major(number), "minor": os.minor(number), "rate": 6400000}]},
            "devices": [{"allow": True, "access": "rwm"}]}
        mount = {"destination": "/disk", "type": "bind", "source": device, "options": ["bind"]}
        with running_states(runc, "reader", root, "-f", "/disk", "disk=60", "sleep=30", "burn=10",
                            resources=slow, mounts=[mount]) as states:
            ledger = stat("-c", "reader", seconds=WINDOW)
            expected = states.account(ledger.begin, ledger.end)
    assert shares(expected)["disk"] > 25  # of two threads; the device was slow indeed
    assert_same_shares(ledger.ns("reader"), expected)
    assert_adds_up(ledger, "reader", 2 * ledger.wall)


# --- throttling ---


class CpuStat:
    """Throttled seconds of a cgroup, looked at often: what a file says that moves once a period."""

    def __init__(self, container):
        with_stat = (root + container.cgroup("cpu") for root in leftovers.cgroup_roots())
        self.path = next(p for p in (os.path.join(f, "cpu.stat") for f in with_stat)
                         if "throttled" in self._read(p))
        self.seen = []
        self.ended = threading.Event()

    @staticmethod
    def _read(path):
        try:
            with open(path) as f:
                return f.read()
        except OSError:
            return ""

    def _throttled(self):
        values = dict(line.split() for line in self._read(self.path).splitlines())
        if "throttled_usec" in values:
            return int(values["throttled_usec"]) / 1e6
        return int(values["throttled_time"]) / 1e9

    def _look(self):
        while not self.ended.wait(0.005):
            now, value = time.monotonic(), self._throttled()
            if not self.seen or value != self.seen[-1][1]:
                self.seen.append((now, value))

    def __enter__(self):
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def share(self, begin, end):
        """Of the time, by whole periods."""
        steps = [step for step in self.seen if begin <= step[0] <= end]
        return (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0])


@pytest.mark.parametrize("percent", [20, 60])
def test_throttled_time_is_what_the_kernel_says(runc, root, percent):
    name = "limited-to-%d" % percent
    quota = {"cpu": {"quota": percent * 1000, "period": 100000,
                     "cpus": str(max(os.sched_getaffinity(0)))}}
    container = runc.run(name, ["/bin/weights"], root, resources=quota)
    with CpuStat(container) as cpu_stat:
        ledger = stat("-c", name, seconds=8)
    runc.remove(container)
    found = shares(ledger.states(name))
    assert found["throttled"] == pytest.approx(100 * cpu_stat.share(ledger.begin, ledger.end),
                                               rel=0.03)
    # With the CPU for itself it would be 100 - percent; who waits for it, is not throttled then.
    assert found["throttled"] <= 100 - percent + 2
    assert found["disk"] + found["lock"] + found["idle"] + found["unaccounted"] < 1
    assert_adds_up(ledger, name, ledger.wall)


def test_who_has_no_quota_is_never_throttled(runc, root):
    with running_states(runc, "free", root, "burn=50", "sleep=50"):
        ledger = stat("-c", "free", seconds=2)
    assert ledger.states("free")["throttled"] == 0


# --- threads that come, go and move ---


def test_threads_that_end_meanwhile_are_accounted_for(runc, root):
    with running_states(runc, "brief", root, "-d", "1000", "sleep=50", "burn=50") as states:
        ended = []

        def end_it():
            time.sleep(1.5)
            os.kill(states.container.pid, 9)
            ended.append(time.monotonic())

        ledger = stat("-c", "brief", seconds=3, meanwhile=end_it)
        expected = states.account(ledger.begin, ended[0])
    assert_same_shares(ledger.ns("brief"), expected)
    # When it began to watch is known to some 0.1 s only.
    assert ledger.total("brief") == pytest.approx(2 * (ended[0] - ledger.begin), abs=0.3)


def move(pid, path):
    """Into the cgroups at this path, in every hierarchy."""
    for folder in leftovers.cgroup_roots():
        procs = os.path.join(folder + path, "cgroup.procs")
        if os.path.exists(procs):
            with open(procs, "w") as f:
                f.write(str(pid))


def test_a_move_to_another_container_splits_the_account(runc, root):
    """From the container in which it began to another: nothing is lost, nothing counts twice."""
    sleeper = runc.run("there", ["sleep", 600], root)
    with running_states(runc, "here", root, "sleep=30", "burn=20", "pipe=25", "futex=25") as states:
        moved = []

        def move_it():
            time.sleep(2)
            move(states.container.pid, sleeper.cgroup())
            moved.append(time.monotonic())

        ledger = stat(seconds=4, meanwhile=move_it)
        expected = states.account(ledger.begin, ledger.end)
    runc.remove(sleeper)
    here, there = ledger.total("here"), ledger.total("there")
    assert here + there == pytest.approx(3 * ledger.wall, rel=0.005)
    assert here == pytest.approx(2 * (moved[0] - ledger.begin), abs=0.3)
    both = ledger.ns("here") + ledger.ns("there")
    both["idle"] -= ledger.wall * 1e9  # the sleeper's own
    assert_same_shares(both, expected)


# --- many of everything ---


def test_children_without_number_add_up(runc, root):
    """A shell that waits for one child after the other: two threads, but for the moments between."""
    loop = "while :; do sleep 0.002; done"
    container = runc.run("forks", ["sh", "-c", loop], root)
    ledger = stat("-c", "forks", seconds=3)
    runc.remove(container)
    record = ledger.record("forks")
    assert record["threads_began"] > 50
    assert abs(record["threads_began"] - record["threads_ended"]) <= 1
    assert record["unaccounted_ns"] <= 0.005 * record["total_ns"]
    # The shell lives all the time, and waits for as long as a child lives, but for its own work.
    shell = ledger.wall
    children = ledger.total("forks") - shell
    assert children == pytest.approx(record["child_ns"] / 1e9, abs=0.1 * shell)


class SameNumbers:
    """New processes of the host get the numbers of those that ended just before."""

    PATH = "/proc/sys/kernel/ns_last_pid"

    def __init__(self):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._rewind)

    def _rewind(self):
        with open(self.PATH) as f:
            last = int(f.read())
        while not self.ended.wait(0.002):
            with open(self.PATH, "w") as f:
                f.write(str(last))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def test_numbers_that_are_used_again_are_other_threads(runc, root):
    container = runc.run("reuse", ["sh", "-c", "while :; do sleep 0.002; done"], root)
    with SameNumbers():
        ledger = stat("-c", "reuse", seconds=3)
    runc.remove(container)
    record = ledger.record("reuse")
    assert record["threads_began"] > 50
    assert record["unaccounted_ns"] <= 0.005 * record["total_ns"]
    assert ledger.wall * 0.995 <= ledger.total("reuse") <= ledger.wall * 2.005


@pytest.fixture
def too_many_cgroups(base):
    """Folders of more cgroups than there are slots (LEDGER_SLOTS_MAX is 8192), in a hierarchy that
    containers are told by."""
    roots = leftovers.cgroup_roots()
    root = next((r for r in roots if r.endswith("/memory")), roots[0])
    top = root + "/plimsoll-system/full"
    folders = ["%s/%d" % (top, i) for i in range(8400)]
    for folder in folders:
        os.makedirs(folder)
    yield folders
    leftovers.remove_cgroup(top)


def hop(folders):
    """A process that goes from cgroup to cgroup, and sleeps for a moment in each."""
    pid = os.fork()
    if pid == 0:
        try:
            for folder in folders:
                with open(os.path.join(folder, "cgroup.procs"), "w") as f:
                    f.write("0")
                time.sleep(0.0001)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_what_finds_no_room_is_counted(runc, root, too_many_cgroups):
    """With all slots taken, who has one keeps it, and those that find none are told by number."""
    with running_states(runc, "early", root, "sleep=50", "burn=50") as states:
        ledger = stat(seconds=8, meanwhile=lambda: hop(too_many_cgroups))
    assert "more than the ledger has room for" in ledger.result.err, repr(ledger.result)
    assert_adds_up(ledger, "early", states.threads * ledger.wall)
