# SPDX-License-Identifier: Apache-2.0
"""runc by hand: a bundle with a busybox root, at any cgroup path."""

import json
import os

from handmade import give_weight
from leftovers import BASE
from runtimes import MARK_SETTING, Container, call, call_detached

CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_MKNOD", "CAP_KILL", "CAP_SETUID",
                "CAP_SETGID", "CAP_SYS_CHROOT"]


class Runc:
    name = "runc"

    def __init__(self, folder=os.path.join(BASE, "runc"), state=None):
        """`state`: runc's --root; None is its default, where plimsoll looks."""
        self.folder = folder
        self.options = ["--root", state] if state else []

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        give_weight("/plimsoll-system")
        return self

    def bundle(self, name, argv, root, cgroups_path, annotations=None, env=(), cwd="/",
               memory_limit=None, resources=None, mounts=()):
        """`resources` and `mounts` are further entries of the bundle's own."""
        limits = {"memory": {"limit": memory_limit}} if memory_limit else {}
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        config = {
            "ociVersion": "1.0.2",
            "process": {
                "args": list(map(str, argv)),
                "cwd": cwd,
                "env": ["PATH=/bin", MARK_SETTING, *env],
                "user": {"uid": 0, "gid": 0},
                "capabilities": {s: CAPABILITIES for s in ("bounding", "effective", "permitted")},
            },
            "root": {"path": root},
            "hostname": "plimsoll",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                 "options": ["mode=755"]},
                *mounts,
            ],
            "annotations": annotations or {},
            "linux": {
                "cgroupsPath": cgroups_path,
                "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts")],
                "resources": {**limits, **(resources or {})},
            },
        }
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f)
        return folder

    def run(self, name, argv, root, cgroups_path=None, **bundle):
        folder = self.bundle(name, argv, root, cgroups_path or "/plimsoll-system/" + name, **bundle)
        pid_file = os.path.join(folder, "pid")
        call_detached("runc", *self.options, "run", "--detach", "--pid-file", pid_file, "--bundle",
                      folder, name, log=os.path.join(folder, "log"))
        with open(pid_file) as f:
            return Container(self.name, name, name, int(f.read()), root=root)

    def run_to_end(self, name, argv, root, cgroups_path=None, **bundle):
        folder = self.bundle(name, argv, root, cgroups_path or "/plimsoll-system/" + name, **bundle)
        call_detached("runc", *self.options, "run", "--bundle", folder, name,
                      log=os.path.join(folder, "log"))

    def remove(self, container):
        call("runc", *self.options, "delete", "--force", container.name)
