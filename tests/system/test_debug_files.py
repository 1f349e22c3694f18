# SPDX-License-Identifier: Apache-2.0
"""
Inlined functions and lines come from debug files wherever these are: in the program, in the
container, on a debuginfod server. And a program whose debug file lies is named as far as it can be.
"""

import os
import random
import re
import shutil
import socket
import subprocess

import pytest

import leftovers
import plimsoll
from plimsoll import Recording, record, share, total, wait_until
from rootfs import add_file, make_root

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.realpath(os.path.join(HERE, "..", "workloads", "inlines.cpp"))
TURN = "geometry::polygon<geometry::point>::turn"


def shell(command, folder):
    subprocess.run(["sh", "-ec", command], cwd=folder, check=True)


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: (\w+)", notes)[1]


@pytest.fixture(scope="module")
def programs(base):
    """The folder with the same program whole, stripped (whole.debug has the rest), and with DWARF
    that makes no sense. Each has a build ID of its own, so that none can borrow from another."""
    folder = os.path.join(base, "debug-files")
    os.makedirs(folder)
    flags = "-O2 -g -D_GNU_SOURCE -static -Wl,--build-id"
    for name in ("whole", "stripped", "served", "liar"):
        shell("g++ %s -DSHAPE='\"%s\"' -Wl,--defsym=shape_%s=1 -o %s %s" % (flags, name, name, name, SOURCE), folder)
    for name in ("stripped", "served"):
        shell("objcopy --only-keep-debug {0} {0}.debug; strip {0}".format(name), folder)
    assert len({build_id(os.path.join(folder, name)) for name in ("whole", "stripped", "served", "liar")}) == 4
    lie(os.path.join(folder, "liar"))
    return folder


def lie(path):
    """Every tenth byte of its DWARF is something else."""
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"\.debug_(?:info|abbrev|line|str|rnglists)\s+PROGBITS\s+\w+ (\w+) (\w+)", sections)
    assert len(found) >= 4
    dice = random.Random(7)
    with open(path, "r+b") as f:
        for offset, size in ((int(o, 16), int(s, 16)) for o, s in found):
            f.seek(offset)
            data = bytearray(f.read(size))
            for i in dice.sample(range(size), size // 10):
                data[i] = dice.randrange(256)
            f.seek(offset)
            f.write(data)


def assert_inlined(samples):
    """turn() is where nearly all of the time goes, and it is inlined into walk() into run()."""
    inside = [s for s in samples if any(f.function == TURN for f in s.stack)]
    assert total(inside) > 0.8 * total(samples)
    for s in inside:
        stack = [f.function for f in s.stack]
        at = stack.index(TURN)
        assert stack[at + 1:at + 4] == ["geometry::polygon<geometry::point>::walk", "run", "main"]
        turn, run = s.stack[at], s.stack[at + 2]
        assert turn.inlined and not run.inlined
        for frame in (turn, run):
            assert frame.file.endswith("inlines.cpp")
        with open(SOURCE) as f:
            lines = f.read().splitlines()
        assert "shape.walk()" in lines[run.line - 1]


def record_program(path, program, *args, **how):
    return record(path, "-F", 499, *args, "-p", program.pid, seconds=1.5, **how).samples


@pytest.fixture
def started():
    """started(PROGRAM): runs on the host until the test ends."""
    running = []

    def start(*argv):
        running.append(subprocess.Popen(argv, env=leftovers.marked_environment()))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_the_program_itself_has_them(programs, started, tmp_path):
    assert_inlined(record_program(tmp_path / "p.pb.gz", started(os.path.join(programs, "whole"))))


def test_the_container_has_them(programs, runc, base, tmp_path):
    root = make_root(os.path.join(base, "roots", "stripped"), programs, ["stripped"])
    number = build_id(os.path.join(programs, "stripped"))
    add_file(root, os.path.join(programs, "stripped.debug"),
             "usr/lib/debug/.build-id/%s/%s.debug" % (number[:2], number[2:]))
    with Recording(tmp_path / "p.pb.gz", "-F", 499) as recording:
        runc.run_to_end("stripped", ["/bin/stripped", "1"], root)
    assert_inlined([s for s in recording.profile.where(container="stripped") if s.labels["comm"] == "stripped"])


def test_a_program_that_lies_keeps_its_functions(programs, started, tmp_path):
    samples = record_program(tmp_path / "p.pb.gz", started(os.path.join(programs, "liar")))
    assert share(samples, "run") > 80
    assert share(samples, "main") > 80


# --- debuginfod ---


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def server(programs, base):
    """The URL of a server that has the debug file of `served`."""
    if not shutil.which("debuginfod"):
        pytest.skip("debuginfod is not installed")
    folder, port = os.path.join(base, "debuginfod"), free_port()
    os.makedirs(os.path.join(folder, "files"))
    shutil.copy2(os.path.join(programs, "served.debug"), os.path.join(folder, "files"))
    with open(os.path.join(folder, "log"), "w") as log:
        process = subprocess.Popen(
            ["debuginfod", "-p", str(port), "-d", os.path.join(folder, "index"), "-F", os.path.join(folder, "files")],
            env={**leftovers.marked_environment(), "DEBUGINFOD_URLS": ""}, stdout=log, stderr=log)

    def has_it():
        with open(os.path.join(folder, "log")) as f:
            return "groomed" in f.read()

    try:
        wait_until(has_it, 60)
        yield "http://127.0.0.1:%d" % port
    finally:
        process.kill()
        process.wait()


def test_a_server_has_them(programs, server, started, tmp_path):
    cache = tmp_path / "cache"
    program = started(os.path.join(programs, "served"))
    environment = {"DEBUGINFOD_URLS": server, "DEBUGINFOD_CACHE_PATH": str(cache)}
    assert_inlined(record_program(tmp_path / "p.pb.gz", program, "--debuginfod", env=environment))
    assert (cache / build_id(os.path.join(programs, "served")) / "debuginfo").exists()


def test_servers_are_not_asked_unless_told_to(programs, server, started, tmp_path):
    cache = tmp_path / "cache"
    program = started(os.path.join(programs, "served"))
    environment = {"DEBUGINFOD_URLS": server, "DEBUGINFOD_CACHE_PATH": str(cache)}
    samples = record_program(tmp_path / "p.pb.gz", program, env=environment)
    assert not any(f.inlined for s in samples for f in s.stack)
    assert not cache.exists()


@pytest.mark.parametrize("url, words", [("", "DEBUGINFOD_URLS"), ("http://127.0.0.1:9", None)])
def test_a_server_that_is_not_there_costs_the_lines_and_no_more(programs, started, tmp_path, url, words):
    program = started(os.path.join(programs, "served"))
    result = plimsoll.run("record", "-F", 499, "-d", 1, "--debuginfod", "-p", program.pid, "-o", tmp_path / "p.pb.gz",
                          env={"DEBUGINFOD_URLS": url, "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")})
    result.succeeded()
    assert not words or words in result.err
    assert plimsoll.Profile.load(tmp_path / "p.pb.gz").samples
