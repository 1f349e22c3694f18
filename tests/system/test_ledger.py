# SPDX-License-Identifier: Apache-2.0
"""
Where the time of threads went, against programs that keep their own account of it, and against the
kernel's account of throttling: each state within two points, every sum within half a per cent.
"""

import concurrent.futures
import contextlib
import os
import struct
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
    with loop_device(os.path.join(base, "slow-disk"), 8 << 20) as device:
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
    """When a cgroup on one CPU was throttled: the kernel adds up how long, each time that it is over,
    and here it is looked at often."""

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
        time.sleep(0.3)  # until what goes on is over
        self.ended.set()
        self.thread.join()

    def throttled(self, begin, end):
        """Seconds between these moments."""
        spans = [(now - (value - before), now)
                 for (_, before), (now, value) in zip(self.seen, self.seen[1:])]
        return sum(max(0, min(end, until) - max(begin, since)) for since, until in spans)


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
    throttled = ledger.states(name)["throttled"] / 1e9
    assert throttled == pytest.approx(cpu_stat.throttled(ledger.begin, ledger.end), rel=0.03)
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


def test_a_sleeper_that_moves_counts_where_it_is_and_not_where_it_was(runc, root):
    """Nothing wakes it: the cgroup that it left may be gone, and its place be another's."""
    left = runc.run("left", ["sleep", 600], root)
    stays = runc.run("stays", ["sleep", 600], root)

    def move_and_remove():
        time.sleep(0.5)
        move(left.pid, stays.cgroup())
        for folder in leftovers.cgroup_roots():
            leftovers.remove_cgroup(folder + left.cgroup())
        time.sleep(4)  # the slot that it had has been given away by then

    ledger = stat(meanwhile=move_and_remove)
    runc.remove(left)
    runc.remove(stays)
    assert_adds_up(ledger, "stays", 2 * ledger.wall)
    assert "left" not in [r["name"] for r in ledger.records]


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


def telling_roots():
    """Of hierarchies that containers are told by; v1 first."""
    roots = leftovers.cgroup_roots()
    return [r for r in roots if r.endswith("/memory")] + \
        [r for r in roots if os.path.exists(os.path.join(r, "cgroup.controllers"))]


class Brief:
    """A container of one process that sleeps and burns for some milliseconds, and is gone. Who
    moves counts from its last switch on, so its account begins between `forked` and `joined`."""

    def __init__(self, number, begin):
        time.sleep(max(0, begin - time.monotonic()))
        self.id = "%064x" % (0xb41ef << 200 | number)
        folders = ["%s/plimsoll-system/docker-%s.scope" % (root, self.id)
                   for root in telling_roots()]
        for folder in folders:
            os.mkdir(folder)
        said = os.pipe()
        self.forked = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                self._live(folders, said[1])
            finally:
                os._exit(0)
        _, _, usage = os.wait4(pid, 0)
        self.ended = time.monotonic()
        self.ran = usage.ru_utime + usage.ru_stime
        self.joined, self.left = struct.unpack("dd", os.read(said[0], 16))
        for end in said:
            os.close(end)
        for folder in folders:
            leftovers.remove_cgroup(folder)

    @staticmethod
    def _live(folders, said):
        joined = None
        for folder in folders:
            with open(folder + "/cgroup.procs", "w") as f:
                f.write("0")
            joined = joined or time.monotonic()
            time.sleep(0.003)
        until = time.thread_time() + 0.003
        while time.thread_time() < until:
            pass
        os.write(said, struct.pack("dd", joined, time.monotonic()))


def test_containers_that_come_and_go_add_up(runc, root):
    """Fifty a second, more than there are slots. None is missing, none has another one's time."""
    with running_states(runc, "beside", root, "sleep=30", "burn=5", "pipe=30") as states:
        briefs = []

        def come_and_go():
            begin = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                briefs.extend(pool.map(lambda i: Brief(i, begin + i / 50), range(1000)))
            time.sleep(1)  # who is waited for has yet to leave its CPU for the last time

        ledger = stat(meanwhile=come_and_go, watch_memory=True)
        expected = states.account(ledger.begin, ledger.end)
    assert "room" not in ledger.result.err, repr(ledger.result)
    assert_adds_up(ledger, "beside", states.threads * ledger.wall)
    assert_same_shares(ledger.ns("beside"), expected)
    records = {r["container_id"]: r for r in ledger.records if r["container_id"]}
    missing = [vars(brief) for brief in briefs if brief.id not in records]
    assert not missing, (missing, ledger.result.err)
    for brief in briefs:
        record = records[brief.id]
        assert record["threads_ended"] == 1 and record["unaccounted_ns"] == 0, record
        life = record["total_ns"] / 1e9
        assert 0.995 * (brief.left - brief.joined) <= life, (record, vars(brief))
        assert life <= 1.005 * (brief.ended - brief.forked), (record, vars(brief))
        assert 3e6 <= record["user_ns"] + record["kernel_ns"], record
    # Some KiB for each of them.
    assert ledger.result.memory < 64 << 20


@pytest.fixture
def too_many_cgroups(base):
    """Folders of more cgroups than there are slots (LEDGER_SLOTS_MAX is 8192)."""
    top = telling_roots()[0] + "/plimsoll-system/full"
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
        ledger = stat(meanwhile=lambda: hop(too_many_cgroups))
    assert "more than the ledger has room for" in ledger.result.err, repr(ledger.result)
    assert_adds_up(ledger, "early", states.threads * ledger.wall)
