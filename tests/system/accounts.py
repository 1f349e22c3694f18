# SPDX-License-Identifier: Apache-2.0
"""
What the workload `states` says of its own time, and what plimsoll's ledger says of it, in the same
words: running, waiting (for a CPU, throttled or not), idle, disk, network, lock, pipe, child. What
was late is in one of them, and `states` cannot tell in which.
"""

import collections
import contextlib
import json
import os
import time

import plimsoll

# What `states` cannot tell apart, and what it never is.
WORDS = {
    "user": "running", "kernel": "running", "runnable": "waiting", "throttled": "waiting",
    "disk": "disk", "network": "network", "lock": "lock", "pipe": "pipe", "child": "child",
    "idle": "idle", "memory": "memory", "other": "other", "unaccounted": "unaccounted",
}


def shares(ns):
    """Per cent."""
    total = sum(ns.values())
    assert total > 0, "no time at all: %s" % ns
    return {state: 100 * value / total for state, value in ns.items()}


def assert_same_shares(found, expected, points=2, why=""):
    """Of each state in per cent, no further apart than so many points. What was late is found in
    some of the states, nobody knows in which; but once."""
    found, expected = shares(found), shares(expected)
    late = max(0, expected.pop("late"))
    apart = {state: (round(found.get(state, 0), 2), round(expected.get(state, 0), 2))
             for state in {*found, *expected}}
    too_much = sum(max(0, f - e - points) for f, e in apart.values())
    assert all(f - e >= -points for f, e in apart.values()) and too_much <= late, \
        "(found, expected): %s, and %.2f late; %s" % (apart, late, why)


# --- what the workload says ---


class States:
    """`states` in a container of runc; see tests/workloads/states.c for its lines."""

    def __init__(self, runc, name, root, *arguments, **bundle):
        self.container = runc.run(name, ["/bin/states", *arguments], root, **bundle)
        self.log = os.path.join(runc.folder, name, "log")
        self.workers = int(arguments[arguments.index("-n") + 1]) if "-n" in arguments else 1

    @property
    def threads(self):
        return 1 + self.workers

    def lines(self):
        """thread -> [(when, {state: ns since it began})]"""
        found = collections.defaultdict(list)
        with open(self.log) as f:
            for line in f.read().rpartition("\n")[0].splitlines():
                words = line.split()
                states = dict(word.split("=") for word in words[3:])
                found[int(words[0])].append((int(words[1]), {s: int(n) for s, n in states.items()}))
        return found

    def account(self, begin, end):
        """{state: ns} between the rounds whose ends are next to these moments (monotonic seconds);
        of all threads."""
        sums = collections.Counter()
        for lines in self.lines().values():
            first = min(lines, key=lambda line: abs(line[0] - begin * 1e9))[1]
            last = min(lines, key=lambda line: abs(line[0] - end * 1e9))[1]
            for state in last:
                sums[state] += last[state] - first[state]
        return sums


@contextlib.contextmanager
def running_states(runc, name, root, *arguments, **bundle):
    """A container in which they run, and have found their rhythm."""
    states = States(runc, name, root, *arguments, **bundle)
    try:
        plimsoll.wait_until(lambda: len(states.lines()) == states.threads)
        yield states
    finally:
        runc.remove(states.container)


# --- what plimsoll says ---


class Ledger:
    """One window of `plimsoll stat --json`: a record for each container, and when it was, in
    monotonic seconds as in the lines of `states`."""

    def __init__(self, result):
        self.result = result
        self.records = [json.loads(line) for line in result.out.splitlines()]
        assert self.records, repr(result)
        self.wall = self.records[0]["wall_ns"] / 1e9
        self.end = self.records[0]["time_s"] - time.time() + time.monotonic()
        self.begin = self.end - self.wall

    def record(self, name):
        found = [r for r in self.records if r["name"] == name]
        assert len(found) == 1, "%d records of %s, of %s" % (
            len(found), name, [r["name"] for r in self.records])
        return found[0]

    def states(self, name):
        """{state: ns}, as plimsoll calls them."""
        record = self.record(name)
        states = {state: record[state + "_ns"] for state in WORDS}
        assert sum(states.values()) == record["total_ns"], record
        return states

    def ns(self, name):
        """The same in common words."""
        common = collections.Counter()
        for state, value in self.states(name).items():
            common[WORDS[state]] += value
        return common

    def total(self, name):
        """Seconds of all its threads together."""
        return self.record(name)["total_ns"] / 1e9


def stat(*arguments, seconds=None, meanwhile=None, watch_memory=False):
    """Watches for so long, or else until meanwhile() is over, which is called when it has begun."""
    duration = [] if seconds is None else ["-d", seconds]
    process = plimsoll.Process("stat", "--json", *duration, *arguments)
    if meanwhile:
        plimsoll.wait_until(lambda: is_watching(process))
        meanwhile()
    if seconds is None:
        process.interrupt()
    return Ledger(process.wait((seconds or 0) + plimsoll.GRACE, watch_memory).succeeded())


def is_watching(process):
    """It has attached its programs: the watch of containers, then those of the scheduler."""
    folder = "/proc/%d/fd" % process.popen.pid
    assert process.popen.poll() is None, repr(process.wait(1))
    links = 0
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            links += "link" in os.readlink(os.path.join(folder, fd))
    return links >= 8
