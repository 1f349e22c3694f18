# SPDX-License-Identifier: Apache-2.0
"""
An image archive as `docker save` writes it, which Docker, containerd and Podman all load: one
layer, one configuration, one manifest.
"""

import hashlib
import io
import json
import platform
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def _layer(root):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(root, arcname=".")
    return buffer.getvalue()


def make_image(root, reference, path):
    layer = _layer(root)
    config = json.dumps({
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Cmd": ["/bin/weights"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + _digest(layer)]},
    }).encode()
    names = _digest(config) + ".json", _digest(layer) + ".tar"
    manifest = json.dumps([{"Config": names[0], "RepoTags": [reference], "Layers": [names[1]]}])
    with tarfile.open(path, "w") as tar:
        for name, data in ((names[0], config), (names[1], layer),
                           ("manifest.json", manifest.encode())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
