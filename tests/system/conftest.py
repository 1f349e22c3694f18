# SPDX-License-Identifier: Apache-2.0
"""
What the system tests share: the workloads, built once; the runtimes, started once; and the stage, a
container of each runtime in which `weights` burns CPU, stopped while nobody looks.

A test that cannot run on this host fails, or skips with a reason; in CI (environment variable CI)
only what SKIPS_ALLOWED names may be skipped.

What is tested is time, on machines that are not run for a while now and then: in CI a test that
fails is run a second time, at its own place. RERUNS_ALLOWED of them may need it, and all are listed.
"""

import fcntl
import os
import signal
import subprocess

import pytest

import leftovers
import plimsoll
from images import make_image
from rootfs import make_root
from runtimes.containerd import Containerd
from runtimes.docker import Docker
from runtimes.podman import Podman
from runtimes.runc import Runc

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGE = "localhost/plimsoll/weights:1"
POD_UID = "0f1e2d3c-1111-2222-3333-444455556666"
MEMORY_LIMIT = 64 << 20

# Hosts that cannot do it are common, and nothing else depends on it.
SKIPS_ALLOWED = ("test_hotplug.py",)
RERUNS_ALLOWED = 3
IN_CI = bool(os.environ.get("CI"))


def pytest_report_header():
    return "plimsoll: " + plimsoll.BINARY


def pytest_configure(config):
    if IN_CI:
        config.option.reruns = 1


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("%d skipped" % len(skipped))
        for report in skipped:
            terminalreporter.line("%s: %s" % (report.nodeid, report.longrepr[2]))
    rerun = terminalreporter.stats.get("rerun", [])
    if rerun:
        terminalreporter.section("%d failed and were run again (%d may)" %
                                 (len(rerun), RERUNS_ALLOWED))
        for report in rerun:
            terminalreporter.line("%s:\n%s" % (report.nodeid, report.longreprtext))


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    forbidden = [r for r in stats.get("skipped", [])
                 if not r.nodeid.split("::")[0].endswith(SKIPS_ALLOWED)]
    too_many = len(stats.get("rerun", [])) > RERUNS_ALLOWED
    if IN_CI and (forbidden or too_many) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def workloads():
    """The folder with the programs of tests/workloads."""
    out = os.path.join(os.path.dirname(plimsoll.BINARY), "workloads")
    built = subprocess.run(["make", "-j2", "-C", os.path.join(HERE, "..", "workloads"),
                            "OUT=" + out], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


@pytest.fixture(scope="session")
def base():
    """The folder that all runtimes live in. One run at a time: containers have fixed names."""
    assert os.geteuid() == 0, "containers need root"
    # What runs outside of containers gets its share of a busy host too.
    os.setpriority(os.PRIO_PROCESS, 0, -7)
    with open(leftovers.BASE + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        leftovers.sweep()
        os.makedirs(leftovers.BASE)
        yield leftovers.BASE
        leftovers.sweep()


@pytest.fixture(scope="session")
def new_root(base, workloads):
    """new_root(NAME, PROGRAM...): a container's root with these workloads."""
    return lambda name, *programs: make_root(os.path.join(base, "roots", name), workloads, programs)


@pytest.fixture(scope="session")
def weights_root(new_root):
    return new_root("weights", "weights")


@pytest.fixture(scope="session")
def image(base, weights_root):
    return make_image(weights_root, IMAGE, os.path.join(base, "image.tar"))


@pytest.fixture(scope="session")
def runc(base):
    """runc with its own default of a state folder: where plimsoll finds it."""
    return Runc().start()


@pytest.fixture(scope="session")
def docker(base, image):
    runtime = Docker().start()
    runtime.load(image)
    return runtime


@pytest.fixture(scope="session")
def containerd(base, image):
    runtime = Containerd().start()
    runtime.load(image)
    return runtime


@pytest.fixture(scope="session")
def podman(base, image):
    runtime = Podman().start()
    runtime.load(image)
    return runtime


@pytest.fixture(scope="session")
def all_on_stage(runc, docker, containerd, podman, weights_root):
    """name -> Container."""
    limit = str(MEMORY_LIMIT)
    burn = ["/bin/weights"]
    containers = [
        # A path that does not tell the name: runc's state does.
        runc.run("web-runc", burn, weights_root, cgroups_path="/plimsoll-system/a/b",
                 memory_limit=MEMORY_LIMIT),
        docker.run("web-docker", burn, IMAGE, ["--memory", limit]),
        containerd.run("web-containerd", burn, IMAGE, options=["--memory-limit", limit]),
        podman.run("web-podman", burn, IMAGE, ["--memory", limit]),
        containerd.pod("app", burn, IMAGE, "shop-7f9", "prod", POD_UID,
                       ["--memory-limit", limit]),
    ]
    for container in containers:
        os.kill(container.pid, signal.SIGSTOP)
    return {c.name: c for c in containers}


@pytest.fixture
def stage(all_on_stage):
    """The containers, burning for the length of one test."""
    for container in all_on_stage.values():
        os.kill(container.pid, signal.SIGCONT)
    yield all_on_stage
    for container in all_on_stage.values():
        os.kill(container.pid, signal.SIGSTOP)


@pytest.fixture(scope="session")
def recorded(all_on_stage, base):
    """The path of one recording of the whole stage, long enough to be precise."""
    path = os.path.join(base, "stage.pb.gz")
    for container in all_on_stage.values():
        os.kill(container.pid, signal.SIGCONT)
    try:
        plimsoll.run("record", "-F", 999, "-d", 8, "-o", path).succeeded()
    finally:
        for container in all_on_stage.values():
            os.kill(container.pid, signal.SIGSTOP)
    return path


@pytest.fixture(scope="session")
def profile(recorded):
    return plimsoll.Profile.load(recorded)


@pytest.fixture
def burner(workloads):
    """burner(ARGUMENT...): `weights` on the host, ended with the test."""
    started = []

    def start(*arguments, prefix=()):
        process = subprocess.Popen([*prefix, os.path.join(workloads, "weights"), *arguments],
                                   env=leftovers.marked_environment())
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
