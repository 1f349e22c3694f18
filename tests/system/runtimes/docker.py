# SPDX-License-Identifier: Apache-2.0
"""Docker Engine with a data root, an exec root and a socket of its own."""

import os
import shutil

from leftovers import BASE
from runtimes import MARK_SETTING, Container, Daemon, call

FOLDER = os.path.join(BASE, "docker")
SOCKET = "unix://" + os.path.join(FOLDER, "docker.sock")
# Debian's client before any other: an older daemon refuses what a newer client asks for.
CLIENT = next((p for p in ("/usr/bin/docker", shutil.which("docker")) if p and os.path.exists(p)),
              "docker")


class Docker:
    name = "docker"

    def start(self):
        os.makedirs(FOLDER)
        self.daemon = Daemon(
            ["dockerd", "--storage-driver=vfs", "--iptables=false", "--ip6tables=false",
             "--bridge=none", "--data-root", os.path.join(FOLDER, "data"),
             "--exec-root", os.path.join(FOLDER, "exec"), "--host", SOCKET,
             "-p", os.path.join(FOLDER, "pid")],
            os.path.join(BASE, "dockerd.log"))
        self.daemon.wait_until(lambda: self.client("version"))
        return self

    def client(self, *argv, **options):
        return call(CLIENT, "--host", SOCKET, *argv, log=self.daemon.log, **options)

    def load(self, archive):
        self.client("load", "--quiet", "--input", archive)

    def run(self, name, argv, image, options=()):
        id = self.client("run", "--detach", "--name", name, "--network", "none",
                         "--env", MARK_SETTING, *options, image, *argv)
        pid = self.client("inspect", "--format", "{{.State.Pid}}", name)
        return Container(self.name, name, id, int(pid), image)

    def remove(self, container):
        self.client("rm", "--force", container.name)
