# SPDX-License-Identifier: Apache-2.0
"""
containerd with folders and a socket of its own; `pod` runs a container as the kubelet does: in the
namespace k8s.io, below a pod's cgroup, with the labels and annotations of the CRI plugin.
"""

import hashlib
import os

from leftovers import BASE
from runtimes import MARK_SETTING, Container, Daemon, call

FOLDER = os.path.join(BASE, "containerd")
SOCKET = os.path.join(FOLDER, "containerd.sock")

CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
[grpc]
  address = "{1}"
[plugins."io.containerd.grpc.v1.cri"]
  disable_apparmor = true
  stream_server_port = "0"
[plugins."io.containerd.internal.v1.opt"]
  path = "{0}/opt"
"""


class Containerd:
    name = "containerd"

    def start(self):
        os.makedirs(FOLDER)
        with open(os.path.join(FOLDER, "config.toml"), "w") as f:
            f.write(CONFIG.format(FOLDER, SOCKET))
        self.daemon = Daemon(["containerd", "-c", os.path.join(FOLDER, "config.toml")],
                             os.path.join(BASE, "containerd.log"))
        self.daemon.wait_until(lambda: self.client("default", "version"))
        return self

    def client(self, namespace, *argv, **options):
        return call("ctr", "--address", SOCKET, "--namespace", namespace, *argv,
                    log=self.daemon.log, **options)

    def load(self, archive, namespaces=("default", "k8s.io")):
        for namespace in namespaces:
            self.client(namespace, "images", "import", "--snapshotter", "native", archive)

    def run(self, name, argv, image, namespace="default", options=()):
        pid_file = os.path.join(FOLDER, name + ".pid")
        self.client(namespace, "run", "--detach", "--null-io", "--snapshotter", "native", "--env",
                    MARK_SETTING, "--pid-file", pid_file, *options, image, name, *argv)
        with open(pid_file) as f:
            return Container(self.name, name, name, int(f.read()), image)

    def pod(self, name, argv, image, pod, namespace, uid, options=()):
        id = hashlib.sha256(("%s/%s/%s" % (namespace, pod, name)).encode()).hexdigest()
        labels = {
            "io.kubernetes.container.name": name,
            "io.kubernetes.pod.name": pod,
            "io.kubernetes.pod.namespace": namespace,
            "io.kubernetes.pod.uid": uid,
            "io.cri-containerd.kind": "container",
        }
        annotations = {
            "io.kubernetes.cri.container-name": name,
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.sandbox-name": pod,
            "io.kubernetes.cri.sandbox-namespace": namespace,
            "io.kubernetes.cri.sandbox-uid": uid,
            "io.kubernetes.cri.image-name": image,
        }
        settings = [x for key, value in labels.items() for x in ("--label", key + "=" + value)]
        settings += [x for key, value in annotations.items()
                     for x in ("--annotation", key + "=" + value)]
        container = self.run(id, argv, image, "k8s.io", [
            "--cgroup", "/kubepods/burstable/pod%s/%s" % (uid, id), *settings, *options])
        container.name = name
        return container
