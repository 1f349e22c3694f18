# SPDX-License-Identifier: Apache-2.0
"""Processes in cgroups that no runtime made."""

import os
import subprocess
import time

import leftovers

# Four times the usual, in v1 and in v2. Much more would starve the threads of the kernel that a
# recording waits for when it starts.
WEIGHTS = (("cpu.shares", "4096"), ("cpu.weight", "400"))


def give_weight(path):
    """A cgroup whose members get the CPU that they ask for, and so the samples that tests count,
    also on a host that is busy with something else."""
    for root in leftovers.cgroup_roots():
        os.makedirs(root + path, exist_ok=True)
        for name, value in WEIGHTS:
            if os.path.exists(os.path.join(root + path, name)):
                with open(os.path.join(root + path, name), "w") as f:
                    f.write(value)


def _comm(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().rstrip("\n")
    except OSError:
        return None


# Enters the cgroups named before "--", then runs what comes behind it.
ENTER = """
while [ "$1" != -- ]; do
	echo 0 >"$1/cgroup.procs" || exit 1
	shift
done
shift
exec "$@"
"""


class HandMade:
    """A command in a cgroup at this path, in every hierarchy or in v1's alone; if it has a PID
    namespace of its own, nobody from outside of that is in the cgroup:

        with HandMade("/plimsoll-system/x", [...], own_pid_namespace=True):
    """

    def __init__(self, path, argv, own_pid_namespace=False, v2=True):
        roots = leftovers.cgroup_roots()
        is_v2 = {r: os.path.exists(os.path.join(r, "cgroup.controllers")) for r in roots}
        if all(is_v2.values()):
            v2 = True  # the host has nothing else
        self.folders = [r + path for r in roots if v2 or not is_v2[r]]
        namespace = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]
        self.argv = [*(namespace if own_pid_namespace else []),
                     "sh", "-c", ENTER, "sh", *self.folders, "--", *map(str, argv)]
        self.program = os.path.basename(str(argv[0]))

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
        self.process = subprocess.Popen(self.argv, env=leftovers.marked_environment(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while not self._pid():
            assert self.process.poll() is None, "%s has ended" % self.argv
            time.sleep(0.01)
        self.pid = self._pid()
        return self

    def _pid(self):
        """The command's, as soon as it runs."""
        with open(os.path.join(self.folders[0], "cgroup.procs")) as f:
            pids = [int(pid) for pid in f.read().split()]
        return next((pid for pid in pids if _comm(pid) == self.program), None)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for folder in self.folders:
            leftovers.remove_cgroup(folder)
