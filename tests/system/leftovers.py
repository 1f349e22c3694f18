# SPDX-License-Identifier: Apache-2.0
"""
Taking down what the tests started, and what a run that crashed left behind: the one and the same.

Every daemon and every container carries MARK in its environment, and so do their children. To
sweep is to kill all processes with the mark, unmount what is mounted below the tests' folder,
remove the cgroups that were used, and delete the folder. No runtime's own stopping is waited for.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import time

MARK = "PLIMSOLL_SYSTEM_TEST"
BASE = "/tmp/plimsoll-system"
# Cgroups below which everything is ours.
OUR_CGROUPS = ("/plimsoll-system", "/hostile-system")


def _environment(pid):
    try:
        with open("/proc/%s/environ" % pid, "rb") as f:
            return f.read().split(b"\0")
    except OSError:
        return []


def _is_our_conmon(pid):
    """Podman starts its monitors with an environment of its own; their arguments tell."""
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as f:
            arguments = f.read().split(b"\0")
    except OSError:
        return False
    return arguments[0].endswith(b"conmon") and any(
        a.startswith(BASE.encode() + b"/") for a in arguments)


def marked_environment():
    return {**os.environ, MARK: BASE}


def marked_processes():
    mark = ("%s=%s" % (MARK, BASE)).encode()
    return [int(pid) for pid in os.listdir("/proc")
            if pid.isdigit() and int(pid) != os.getpid() and
            (mark in _environment(pid) or _is_our_conmon(pid))]


def cgroup_roots():
    """Where the hierarchies are mounted."""
    with open("/proc/self/mountinfo") as f:
        mounts = [line.split() for line in f]
    return [m[4] for m in mounts if m[m.index("-") + 1] in ("cgroup", "cgroup2")]


def cgroups_of(pid):
    """Folders of the cgroups that a process is in, without the roots."""
    try:
        with open("/proc/%d/cgroup" % pid) as f:
            paths = {line.rstrip("\n").split(":", 2)[2] for line in f}
    except OSError:
        return set()
    return {root + path for root in cgroup_roots() for path in paths if path != "/"}


def remove_cgroup(folder):
    """With those below it; parents that are empty then go too. One that is in use stays."""
    for path, _, _ in os.walk(folder, topdown=False):
        _remove_when_empty(path)
    roots = cgroup_roots()
    folder = os.path.dirname(folder)
    while folder not in roots and folder != "/" and _remove_when_empty(folder, tries=1):
        folder = os.path.dirname(folder)


def _remove_when_empty(folder, tries=20):
    """A process that was killed stays in its cgroup for a moment."""
    for i in range(tries):
        try:
            os.rmdir(folder)
            return True
        except FileNotFoundError:
            return True
        except OSError:
            if i + 1 < tries:
                time.sleep(0.02)
    return False


def _kill_all():
    """Kills until none is left, and returns the cgroups they were in."""
    own = cgroups_of(os.getpid())
    cgroups = set()
    deadline = time.monotonic() + 15
    while True:
        pids = marked_processes()
        if not pids:
            return cgroups - own
        assert time.monotonic() < deadline, "will not die: %s" % pids
        for pid in pids:
            cgroups |= cgroups_of(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def _unmount_all():
    with open("/proc/self/mountinfo") as f:
        points = [line.split()[4].encode().decode("unicode_escape") for line in f]
    for point in sorted((p for p in points if p.startswith(BASE + "/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)


def _forget_runc_state():
    """What runc keeps where other users of it do too: only what has our bundles goes."""
    for path in (*glob.glob("/run/runc/*/state.json"),
                 *glob.glob("/run/containerd/runc/*/*/state.json")):
        try:
            with open(path) as f:
                labels = json.load(f)["config"]["labels"]
        except (OSError, ValueError, KeyError):
            continue
        if any(label.startswith("bundle=" + BASE) for label in labels):
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)


def sweep():
    cgroups = _kill_all()
    _unmount_all()
    _forget_runc_state()
    for folder in cgroups:
        remove_cgroup(folder)
    for root in cgroup_roots():
        for ours in OUR_CGROUPS:
            remove_cgroup(root + ours)
    shutil.rmtree(BASE, ignore_errors=True)
