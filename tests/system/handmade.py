# SPDX-License-Identifier: Apache-2.0
"""Processes in cgroups that no runtime made."""

import os
import subprocess
import time

import leftovers


# The most that a cgroup may have, in v1 and in v2.
WEIGHTS = (("cpu.shares", "262144"), ("cpu.weight", "10000"))


def give_weight(path):
    """A cgroup whose members get the CPU that they ask for, and so the samples that tests count,
    also on a host that is busy with something else."""
    for root in leftovers.cgroup_roots():
        os.makedirs(root + path, exist_ok=True)
        for name, value in WEIGHTS:
            if os.path.exists(os.path.join(root + path, name)):
                with open(os.path.join(root + path, name), "w") as f:
                    f.write(value)


def _pid_namespaces(pid):
    try:
        with open("/proc/%s/status" % pid) as f:
            return next(len(line.split()) - 1 for line in f if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return 0


class HandMade:
    """A command in a cgroup at this path in the given hierarchies:

        with HandMade("/plimsoll-system/x", [...], own_pid_namespace=True):
    """

    def __init__(self, path, argv, own_pid_namespace=False, v1=True, v2=True):
        roots = leftovers.cgroup_roots()
        is_v2 = {r: os.path.exists(os.path.join(r, "cgroup.controllers")) for r in roots}
        if not any(not two for two in is_v2.values()):
            v2 = True  # the host has nothing else
        self.folders = [r + path for r in roots if (v2 if is_v2[r] else v1)]
        self.argv = [str(a) for a in argv]
        self.own_pid_namespace = own_pid_namespace
        if own_pid_namespace:
            self.argv = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", *self.argv]

    def _enter(self):
        for folder in self.folders:
            with open(os.path.join(folder, "cgroup.procs"), "w") as f:
                f.write("0")

    def _prepare(self):
        for folder in self.folders:
            os.makedirs(folder, exist_ok=True)
            if os.path.exists(os.path.join(folder, "cpuset.cpus")):
                self._inherit_cpuset(folder)

    @staticmethod
    def _inherit_cpuset(folder):
        """A new cpuset is empty, and refuses processes."""
        parent = os.path.dirname(folder)
        for name in ("cpuset.cpus", "cpuset.mems"):
            with open(os.path.join(folder, name)) as f:
                if f.read().strip():
                    continue
            if not os.path.exists(os.path.join(parent, name)):
                continue
            HandMade._inherit_cpuset(parent)
            with open(os.path.join(parent, name)) as f, \
                    open(os.path.join(folder, name), "w") as g:
                g.write(f.read())

    def __enter__(self):
        self._prepare()
        self.process = subprocess.Popen(self.argv, preexec_fn=self._enter,
                                        env=leftovers.marked_environment(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while self.own_pid_namespace and not self._is_contained():
            assert self.process.poll() is None, "%s has ended" % self.argv
            time.sleep(0.01)
        return self

    def _is_contained(self):
        with open(os.path.join(self.folders[0], "cgroup.procs")) as f:
            own = _pid_namespaces("self")
            return any(_pid_namespaces(pid) > own for pid in f.read().split())

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for folder in self.folders:
            leftovers.remove_cgroup(folder)
