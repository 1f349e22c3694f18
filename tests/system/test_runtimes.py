# SPDX-License-Identifier: Apache-2.0
"""
Functions of languages that bring a runtime along have names, files and lines, inside containers:
Go from the table that no stripping removes, Node.js and Java from perf maps. Each workload burns
70, 20 and 10 % of its time in functions that are named so. And doctor says what a process lacks.
"""

import itertools
import json
import os
import signal
import subprocess
import time

import pytest

import plimsoll
from leftovers import marked_environment
from plimsoll import Recording, record, run, share, total, wait_until
from rootfs import add_file
from runtimes.runc import Runc

SECONDS = 4
POINTS = 6  # the shares may be off by this; runtimes compile and collect garbage meanwhile
NOBODY = 12345
NUMBERS = itertools.count()
SHOWN = ["--perf-basic-prof", "--interpreted-frames-native-stack"]
FRAMES = ["-XX:+PreserveFramePointer", "-XX:CompileCommand=dontinline,Weights::burn*"]


class HostRunc(Runc):
    """Containers that see the host's /usr, and nothing else of it but where libraries are listed."""

    def bundle(self, name, argv, root, cgroups_path, user=0, **how):
        folder = super().bundle(name, argv, root, cgroups_path, **how)
        path = os.path.join(folder, "config.json")
        with open(path) as f:
            config = json.load(f)
        config["mounts"] += [{"destination": d, "type": "bind", "source": d,
                              "options": ["bind", "ro"]} for d in ("/usr", "/etc")]
        config["process"]["user"] = {"uid": user, "gid": user}
        config["process"]["env"].insert(0, "PATH=/usr/bin:/bin")
        with open(path, "w") as f:
            json.dump(config, f)
        return folder


@pytest.fixture(scope="session")
def runtimes(runc, base):
    return HostRunc().start()


@pytest.fixture
def new_container(runtimes, base, workloads):
    """new_container(ARGUMENT..., user=UID): a container of this test, with the workloads in it."""
    started = []

    def start(*argv, name=None, user=0):
        name = name or "rt-%d" % next(NUMBERS)
        root = os.path.join(base, "roots", name)
        for folder in ("dev", "etc", "proc", "sys", "usr", "tmp", "work"):
            os.makedirs(os.path.join(root, folder))
        os.chmod(os.path.join(root, "tmp"), 0o1777)
        for link in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + link, os.path.join(root, link))
        for program in ("weights-go", "weights-go-stripped", "weights-go-pie", "Weights.class",
                        "weights.js"):
            add_file(root, os.path.join(workloads, program), os.path.join("work", program))
        container = runtimes.run(name, argv, root, user=user, cwd="/work")
        started.append(container)
        return container

    yield start
    for container in started:
        runtimes.remove(container)


def output_of(runtimes, container):
    with open(os.path.join(runtimes.folder, container.name, "log"), errors="replace") as f:
        return f.read()


def in_tmp(container):
    return sorted(os.listdir(os.path.join(container.root, "tmp")))


def assert_weights(samples, prefix, points=POINTS):
    """Of the samples that are in one of the three."""
    names = [prefix + "burn_%d" % weight for weight in (70, 20, 10)]
    burning = [s for s in samples if {f.function for f in s.stack} & set(names)]
    assert total(burning) > 0.8 * total(samples), \
        "only %d of %d samples: %s" % (total(burning), total(samples),
                                       sorted({f.function for s in samples for f in s.stack})[:60])
    shares = [share(burning, name) for name in names]
    assert all(abs(s - w) <= points for s, w in zip(shares, (70, 20, 10))), shares
    return burning


def whole(samples, *entries):
    """Per cent of the samples whose stack has one of these functions."""
    hit = [s for s in samples if {f.function for f in s.stack} & set(entries)]
    return 100 * total(hit) / total(samples)


def frame_of(samples, function):
    return next(f for s in samples for f in s.stack if f.function == function)


# --- Go ---


@pytest.mark.parametrize("program", ["weights-go", "weights-go-stripped", "weights-go-pie"])
def test_go_functions_have_names_lines_callers_and_inlined_calls(new_container, tmp_path, program):
    container = new_container("/work/" + program, 60)
    profile = record(tmp_path / "p.pb.gz", "-F", 499, "-c", container.name, seconds=SECONDS)
    samples = profile.where(container=container.name)
    burning = assert_weights(samples, "main.")
    assert whole(burning, "runtime.goexit") > 99
    # Its callers have frames of their own, which a leaf without frame must not hide.
    assert whole(burning, "main.round") > 99
    assert whole(burning, "main.main.func1") > 99
    assert frame_of(burning, "main.round").file.endswith("weights.go")
    with open(os.path.join(os.path.dirname(__file__), "..", "workloads", "runtimes",
                           "weights.go")) as f:
        lines = f.read().splitlines()
    for name in ("burn_70", "mix", "spin", "round"):
        frame = frame_of(burning, "main." + name)
        definition = next(i for i, line in enumerate(lines, 1) if line.startswith("func %s(" % name))
        assert definition <= frame.line <= definition + 6, (name, frame)
    assert whole([s for s in burning if s.stack[0].function == "main.mix"], "main.spin") == 100
    assert {f.inlined for s in burning for f in s.stack if f.function == "main.mix"} == {True}
    assert not any(f.inlined for s in burning for f in s.stack if f.function == "main.burn_70")


# --- Node.js ---


def test_javascript_functions_are_named_by_the_perf_map_of_the_container(new_container, tmp_path):
    # V8 does not tell what it inlined.
    container = new_container("node", *SHOWN, "--no-turbo-inlining", "/work/weights.js", 60)
    wait_until(lambda: any(n.startswith("perf-") for n in in_tmp(container)))
    time.sleep(1)
    profile = record(tmp_path / "p.pb.gz", "-F", 499, "-c", container.name, seconds=SECONDS)
    samples = [s for s in profile.where(container=container.name) if s.labels["thread"] == "node"]
    burning = assert_weights(samples, "")
    frame = frame_of(burning, "burn_70")
    assert (frame.file, frame.line) == ("/work/weights.js", 6)
    assert frame.mapping == "/tmp/perf-1.map"
    assert whole(burning, "round") > 90
    assert whole(burning, "(module weights.js)", "_start") > 95


# --- Java ---


def jvm(*options, seconds=60):
    return ["java", *options, "-cp", "/work", "Weights", seconds]


@pytest.mark.parametrize("user", [0, NOBODY])
def test_java_functions_are_named_by_the_jvm_that_is_asked(new_container, runtimes, tmp_path, user):
    container = new_container(*jvm(*FRAMES), user=user)
    time.sleep(2)
    result = run("record", "--jvm-maps", "-F", 499, "-c", container.name, "-d", SECONDS, "-o",
                 tmp_path / "p.pb.gz").succeeded()
    assert "Java" not in result.err, result.err
    profile = plimsoll.Profile.load(tmp_path / "p.pb.gz")
    samples = [s for s in profile.where(container=container.name) if s.labels["thread"] == "java"]
    burning = assert_weights(samples, "Weights.")
    assert frame_of(burning, "Weights.burn_70").mapping == "/tmp/perf-1.map"
    assert whole(burning, "clone3", "start_thread") > 97
    # Nothing of ours is left in the container, and the machine was asked, not shaken.
    assert not [n for n in in_tmp(container) if n.startswith(("perf-", ".attach_pid"))]
    assert "thread dump" not in output_of(runtimes, container)


def test_no_jvm_is_asked_unless_that_is_wanted(new_container, tmp_path):
    container = new_container(*jvm())
    time.sleep(2)
    record(tmp_path / "p.pb.gz", "-c", container.name, seconds=2)
    assert not [n for n in in_tmp(container) if n.startswith((".java_pid", "perf-"))]


def test_a_jvm_that_must_not_be_asked_is_not(new_container, runtimes, tmp_path):
    container = new_container(*jvm("-XX:+DisableAttachMechanism"))
    time.sleep(2)
    result = run("record", "--jvm-maps", "-c", container.name, "-d", 3, "-o",
                 tmp_path / "p.pb.gz").succeeded()
    assert "DisableAttachMechanism" in result.err
    assert "thread dump" not in output_of(runtimes, container)


def test_a_stopped_jvm_holds_nothing_up(new_container, tmp_path):
    container = new_container(*jvm())
    time.sleep(2)
    with Recording(tmp_path / "p.pb.gz", "--jvm-maps", "-c", container.name) as recording:
        time.sleep(2)
        os.kill(container.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    os.kill(container.pid, signal.SIGCONT)
    assert "is stopped" in recording.result.err


def test_a_jvm_that_ends_with_the_recording_has_told_before(workloads, tmp_path):
    run("record", "--jvm-maps", "-F", 499, "-o", tmp_path / "p.pb.gz", "--", "java", *FRAMES, "-cp",
        workloads, "Weights", 5, env=marked_environment()).succeeded()
    profile = plimsoll.Profile.load(tmp_path / "p.pb.gz")
    functions = {f.function for s in profile.samples for f in s.stack}
    assert {"Weights.burn_70", "Weights.burn_20", "Weights.burn_10"} <= functions


# --- doctor ---


def doctor():
    return {row["name"]: row for row in run("doctor", "--json").json()}


def test_doctor_says_which_option_a_process_lacks(new_container):
    silent = new_container("node", "/work/weights.js", 60, name="rt-silent")
    half = new_container("node", "--perf-basic-prof", "/work/weights.js", 60, name="rt-half")
    shown = new_container("node", *SHOWN, "/work/weights.js", 60, name="rt-shown")
    java = new_container(*jvm(), name="rt-java")
    framed = new_container(*jvm(*FRAMES), name="rt-framed")
    wait_until(lambda: any(n.startswith("perf-") for n in in_tmp(shown)))
    rows = doctor()
    assert silent.pid in rows["node_names"]["pids"]
    assert "rt-silent" in rows["node_names"]["containers"]
    assert half.pid in rows["node_interpreted"]["pids"]
    for row in ("node_names", "node_interpreted"):
        assert shown.pid not in rows[row]["pids"]
    assert {java.pid, framed.pid} <= set(rows["java_names"]["pids"])
    assert java.pid in rows["java_frames"]["pids"] and framed.pid not in rows["java_frames"]["pids"]
    said = run("doctor").succeeded().out
    assert "rt-silent" in said and "--perf-basic-prof" in said and "--jvm-maps" in said


def test_doctor_is_readable_with_many_containers_of_a_kind(new_container):
    containers = [new_container("node", "/work/weights.js", 60, name="rt-many-%d" % i)
                  for i in range(8)]
    row = doctor()["node_names"]
    assert row["processes"] >= 8
    assert {c.name for c in containers} <= set(row["containers"])
    said = run("doctor").succeeded().out
    assert said.count("Node.js functions") == 1
    assert max(map(len, said.splitlines())) < 160


def test_doctor_knows_code_that_cannot_be_walked(tmp_path):
    functions = "".join("__attribute__((noinline)) int f%d(int x) { int a[4]; for (int i = 0; i < x;"
                        " i++) a[i & 3] = v += i * %d; return a[x & 3]; }\n" % (i, i)
                        for i in range(400))
    calls = "".join("s += f%d(3);" % i for i in range(400))
    source = tmp_path / "program.c"
    source.write_text("#include <unistd.h>\nvolatile int v;\n%sint main(void) { int s = 0; %s"
                      "sleep(60); return s; }\n" % (functions, calls))
    kinds = {"none": ["-fomit-frame-pointer", "-fno-asynchronous-unwind-tables"],
             "pointers": ["-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables"],
             "tables": ["-fomit-frame-pointer"]}
    running = {}
    try:
        for kind, options in kinds.items():
            program = str(tmp_path / kind)
            subprocess.run(["gcc", "-O1", *options, "-o", program, source], check=True)
            running[kind] = subprocess.Popen([program], env=marked_environment())
        wait_until(lambda: running["none"].pid in doctor().get("no_tables", {}).get("pids", []))
        assert not {running["pointers"].pid, running["tables"].pid} & \
            set(doctor()["no_tables"]["pids"])
    finally:
        for process in running.values():
            process.kill()
            process.wait()
