# SPDX-License-Identifier: Apache-2.0
"""
The runtimes under which the tests' containers run: one file each, with a class that has start()
and run(). All that a runtime keeps lies below the tests' folder, and whatever it starts carries the
mark that leftovers.py looks for.
"""

import os
import subprocess
import time

from leftovers import MARK, BASE, marked_environment

MARK_SETTING = "%s=%s" % (MARK, BASE)


class Container:
    def __init__(self, runtime, name, id, pid, image=None, root=None):
        self.runtime, self.name, self.id, self.pid = runtime, name, id, pid
        self.image, self.root = image, root

    def cgroup(self, controller="cpuacct"):
        """Its path in the hierarchy of a v1 controller, else in v2's."""
        with open("/proc/%d/cgroup" % self.pid) as f:
            entries = [line.rstrip("\n").split(":", 2) for line in f]
        for _, controllers, path in entries:
            if controller in controllers.split(","):
                return path
        return next(path for number, _, path in entries if number == "0")

    def __repr__(self):
        return "%s container %s" % (self.runtime, self.name)


def call(*argv, log=None, timeout=60, **options):
    """Runs a runtime's client; what it printed. Fails with all that it and the daemon said."""
    result = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                            env=marked_environment(), text=True, **options)
    assert result.returncode == 0, "%s: exit %d\n%s%s%s" % (
        " ".join(map(str, argv)), result.returncode, result.stdout, result.stderr, tail(log))
    return result.stdout.strip()


def call_detached(*argv, log, timeout=60):
    """The same for a client whose container inherits its output: that goes to a file, because a
    pipe would stay open as long as the container lives."""
    with open(log, "w") as out:
        status = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=out, timeout=timeout, env=marked_environment()).returncode
    assert status == 0, "%s: exit %d%s" % (" ".join(map(str, argv)), status, tail(log))


def tail(log):
    if not log or not os.path.exists(log):
        return ""
    with open(log, errors="replace") as f:
        return "\n--- end of %s\n%s" % (log, "".join(f.readlines()[-40:]))


class Daemon:
    """A daemon with a log, up when `is_up` returns without raising."""

    def __init__(self, argv, log):
        self.log = log
        with open(log, "w") as out:
            self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, env=marked_environment(),
                                            start_new_session=True)

    def wait_until(self, is_up, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return is_up()
            except (AssertionError, OSError) as error:
                assert self.process.poll() is None, "%s ended: %s%s" % (
                    self.process.args[0], error, tail(self.log))
                assert time.monotonic() < deadline, "%s does not come up: %s%s" % (
                    self.process.args[0], error, tail(self.log))
            time.sleep(0.1)
