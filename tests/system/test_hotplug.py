# SPDX-License-Identifier: Apache-2.0
"""CPUs that come and go while a recording runs."""

import os
import time

import pytest

from accounts import assert_same_shares, running_states, stat
from plimsoll import Recording, total, wait_until

CPU = os.cpu_count() - 1
ONLINE = "/sys/devices/system/cpu/cpu%d/online" % CPU


def switch(on):
    with open(ONLINE, "w") as f:
        f.write("01"[on])


def cpusets():
    """path -> content of every cpuset.cpus, parents first."""
    found = {}
    for folder, _, files in os.walk("/sys/fs/cgroup/cpuset"):
        if "cpuset.cpus" in files:
            path = os.path.join(folder, "cpuset.cpus")
            with open(path) as f:
                found[path] = f.read()
    return found


@pytest.fixture
def hotplug():
    """A v1 cpuset loses a CPU that goes, and does not get it back when it comes: we give it."""
    if CPU == 0 or not os.access(ONLINE, os.W_OK):
        pytest.skip("no CPU of this host can be switched off (%s)" % ONLINE)
    before = cpusets()
    try:
        switch(False)
    except OSError as error:
        pytest.skip("the kernel refuses to switch CPU %d off: %s" % (CPU, error))
    switch(True)
    yield
    switch(True)
    for path, cpus in before.items():
        if os.path.exists(path) and path != "/sys/fs/cgroup/cpuset/cpuset.cpus":
            with open(path, "w") as f:
                f.write(cpus)


def pinned(burner):
    return burner(prefix=["taskset", "--cpu-list", str(CPU)])


def test_a_cpu_that_comes_is_sampled(hotplug, burner, tmp_path):
    switch(False)
    with Recording(tmp_path / "p.pb.gz", "-F", 499) as recording:
        before = recording.process.perf_events()
        switch(True)
        process = pinned(burner)
        wait_until(lambda: recording.process.perf_events() > before)
        time.sleep(2)
    assert total(recording.profile.where(pid=process.pid)) > 100


def test_a_cpu_that_goes_ends_nothing(hotplug, burner, tmp_path):
    with Recording(tmp_path / "p.pb.gz", "-F", 499) as recording:
        process = pinned(burner)
        wait_until(lambda: os.path.exists("/proc/%d" % process.pid))
        time.sleep(0.5)
        switch(False)
        time.sleep(1)
        switch(True)
        time.sleep(1.5)
    # With its CPU gone it ran on another one, and was sampled there.
    assert total(recording.profile.where(pid=process.pid)) > 300


def test_accounts_add_up_when_a_cpu_goes_and_comes(hotplug, runc, new_root):
    def go_and_come():
        for on in (False, True):
            time.sleep(1)
            switch(on)

    rounds = ["-n", "4", "sleep=30", "burn=20", "pipe=25", "futex=25"]
    with running_states(runc, "moved", new_root("hotplug", "states"), *rounds) as states:
        ledger = stat("-c", "moved", seconds=4, meanwhile=go_and_come)
        expected = states.account(ledger.begin, ledger.end)
    assert ledger.total("moved") == pytest.approx(states.threads * ledger.wall, rel=0.005)
    assert_same_shares(ledger.ns("moved"), expected)
