# SPDX-License-Identifier: Apache-2.0
"""A container's root: busybox and the workloads, nothing else."""

import os
import shutil

APPLETS = ("sh", "sleep", "dd", "cp", "mv", "rm", "ln", "mkdir", "cat", "echo", "env", "true")
# What the runtimes mount something on, in case the root is read-only for them.
FOLDERS = ("bin", "dev", "etc", "proc", "sys", "tmp", "run", "usr/lib/debug", "work")


def make_root(path, workloads, programs=("weights",)):
    """Programs are hard links to those that were built: fifty roots take no more room than one."""
    for folder in FOLDERS:
        os.makedirs(os.path.join(path, folder), exist_ok=True)
    shutil.copy2("/bin/busybox", os.path.join(path, "bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(path, "bin", applet))
    for program in programs:
        add_file(path, os.path.join(workloads, program), os.path.join("bin", program))
    return path


def add_file(root, source, destination):
    target = os.path.join(root, destination.lstrip("/"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
    return target
