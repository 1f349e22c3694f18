# SPDX-License-Identifier: Apache-2.0
"""Podman with a storage of its own; runc below, because crun refuses hybrid cgroups."""

import os

from leftovers import BASE
from runtimes import MARK_SETTING, Container, call, call_detached, tail

FOLDER = os.path.join(BASE, "podman")


class Podman:
    name = "podman"

    def start(self):
        os.makedirs(FOLDER)
        self.client("info")
        return self

    def _argv(self, *argv):
        return ["podman", "--root", os.path.join(FOLDER, "root"),
                "--runroot", os.path.join(FOLDER, "run"), "--tmpdir", os.path.join(FOLDER, "tmp"),
                "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs",
                "--events-backend", "file", *argv]

    def client(self, *argv):
        return call(*self._argv(*argv))

    def load(self, archive):
        self.client("load", "--quiet", "--input", archive)

    def run(self, name, argv, image, options=()):
        log = os.path.join(FOLDER, name + ".log")
        # Podman's own defaults for the limits are above what a host without CAP_SYS_RESOURCE has.
        call_detached(*self._argv(
            "run", "--detach", "--pull", "never", "--name", name, "--network", "host",
            "--env", MARK_SETTING,
            "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096",
            *options, image, *argv),
            log=log)
        id, pid = self.client("inspect", "--format", "{{.Id}} {{.State.Pid}}", name).split()
        assert int(pid), "%s has ended%s" % (name, tail(log))
        return Container(self.name, name, id, int(pid), image)

    def remove(self, container):
        self.client("rm", "--force", "--time", "0", container.name)
