# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is said in one line, early, and harms nothing that was there."""

import gzip
import os
import random
import shutil
import subprocess
import time

import pytest

import plimsoll
from plimsoll import Profile, Recording, run, total

LONG = ["-d", "30"]  # nobody waits for it: the error comes first


@pytest.mark.parametrize("arguments, words", [
    (["recrod"], ["recrod", "did you mean 'record'?"]),
    (["frobnicate"], ["frobnicate", "--help"]),
    (["record", "-F", "0"], ["-F 0", "20000"]),
    (["record", "-F", "99999"], ["-F 99999", "20000"]),
    (["record", "-F", "fast"], ["-F fast"]),
    (["record", "-d", "abc"], ["-d abc", "seconds"]),
    (["record", "-d", "-1"], ["-d -1"]),
    (["record", "-d", "nan"], ["-d nan"]),
    (["record", "-d"], ["-d"]),
    (["record", "-p", "x"], ["-p x"]),
    (["record", "cpuu", *LONG], ["cpuu", "did you mean 'cpu'?"]),
    (["record", "--frobnicate"], ["--frobnicate"]),
    (["record", "-o", "profile.pdf", *LONG], ["profile.pdf", ".svg"]),
    (["record", "-o", "-", "--format", "pdf", *LONG], ["pdf"]),
    (["report"], ["FILE"]),
    (["report", "a.pb.gz", "b.pb.gz"], ["FILE"]),
    (["diff", "a.pb.gz"], ["BEFORE", "AFTER"]),
    (["ps", "extra"], ["extra"]),
    (["doctor", "extra"], ["extra"]),
], ids=lambda x: " ".join(x))
def test_wrong_usage_is_answered_in_a_line(arguments, words, tmp_path):
    result = run(*arguments, cwd=tmp_path)
    result.failed(2, *words)
    assert result.seconds < 5 and not os.listdir(tmp_path)


@pytest.mark.parametrize("verb", [[], ["record"], ["report"], ["diff"], ["ps"], ["doctor"]],
                         ids=" ".join)
def test_help_fits_a_screen(verb):
    lines = run(*verb, "--help").succeeded().out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100


def test_without_a_verb_the_help_is_shown():
    result = run()
    assert result.status == 2 and "usage:" in result.err


# --- the user ---


@pytest.fixture
def as_nobody(base):
    """A copy of the program where anybody may run it."""
    path = shutil.copy(plimsoll.BINARY, os.path.join(base, "plimsoll"))
    yield ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
           'shift; exec "%s" "$@"' % path, "sh"]


def test_who_is_not_root_is_told_what_is_missing(as_nobody, tmp_path):
    result = run("record", *LONG, "-o", "/dev/null", "--format", "pprof", prefix=as_nobody)
    result.failed(1, "CAP_BPF", "CAP_PERFMON")
    assert result.seconds < 5


def test_doctor_tells_who_is_not_root(as_nobody):
    result = run("doctor", "--json", prefix=as_nobody)
    assert result.status == 1
    assert "fatal" in {probe["state"] for probe in result.json()}


def test_doctor_says_that_root_can_record():
    probes = run("doctor", "--json").succeeded().json()
    assert "fatal" not in {probe["state"] for probe in probes}
    assert "can record" in run("doctor").succeeded().out


# --- outputs ---


def test_a_missing_folder_is_said_before_recording(tmp_path):
    result = run("record", *LONG, "-o", tmp_path / "no" / "p.pb.gz")
    result.failed(1, "p.pb.gz")
    assert result.seconds < 5


def test_one_bad_output_of_several_leaves_the_others_alone(tmp_path):
    good = tmp_path / "good.svg"
    good.write_text("old")
    run("record", *LONG, "-o", good, "-o", tmp_path / "no" / "p.pb.gz").failed(1, "p.pb.gz")
    assert good.read_text() == "old" and os.listdir(tmp_path) == ["good.svg"]


def test_a_full_device_is_said(burner, tmp_path):
    burner()
    run("record", "-d", 0.3, "-o", "/dev/full", "--format", "pprof").failed(
        1, "/dev/full", "No space left")


@pytest.fixture
def full_disk(base):
    """A disk with an old profile on it and no room for another."""
    folder = os.path.join(base, "disk")
    os.makedirs(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], check=True)
    with open(os.path.join(folder, "p.svg"), "w") as f:
        f.write("old")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_keeps_the_old_file(full_disk, burner):
    burner()
    path = os.path.join(full_disk, "p.svg")
    run("record", "-d", 0.5, "-F", 999, "-o", path).failed(1, "p.svg", "No space left")
    with open(path) as f:
        assert f.read() == "old"
    assert os.listdir(full_disk) == ["p.svg"]


def test_an_unfinished_recording_keeps_the_old_file(tmp_path):
    path = tmp_path / "p.pb.gz"
    path.write_text("old")
    process = plimsoll.Process("record", *LONG, "-o", path)
    plimsoll.wait_until(process.perf_events)
    process.popen.kill()
    process.popen.wait()
    assert path.read_text() == "old"


def test_a_finished_recording_replaces_the_old_file(burner, tmp_path):
    path = tmp_path / "p.pb.gz"
    path.write_text("old")
    burner()
    run("record", "-d", 0.3, "-o", path).succeeded()
    assert total(Profile.load(path).samples) > 0
    assert os.listdir(tmp_path) == ["p.pb.gz"]


def test_without_outputs_a_table_is_printed_and_the_profile_kept(burner, tmp_path):
    burner()
    result = run("record", "-d", 2, cwd=tmp_path).succeeded()
    assert "burn_70" in result.out
    assert "plimsoll report plimsoll.pb.gz" in result.err.splitlines()[-1]
    assert total(Profile.load(tmp_path / "plimsoll.pb.gz").samples) > 0


def test_an_interrupted_recording_keeps_what_it_has(burner, tmp_path):
    pid = burner().pid
    with Recording(tmp_path / "p.pb.gz", "-F", 499, "-d", 60) as recording:
        time.sleep(0.5)
    assert recording.result.seconds < 10
    assert total(recording.profile.where(pid=pid)) > 20
    assert 0.5 <= recording.profile.duration < 5


def test_a_pipe_shows_no_progress(tmp_path):
    result = run("record", "-d", 1.5, "-o", tmp_path / "p.pb.gz").succeeded()
    assert result.out == "" and "\r" not in result.err and "\033" not in result.err


# --- profiles that are none ---


@pytest.fixture(scope="module")
def good(workloads, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "p.pb.gz"
    run("record", "-F", 499, "-o", path, "--", os.path.join(workloads, "weights"), 0.5).succeeded()
    return path


def one_line(result):
    """Refused with a line, or read in spite of it; never a crash."""
    assert result.status in (0, 1), result
    if result.status == 1:
        result.failed(1)
    assert result.seconds < 10


@pytest.mark.parametrize("content", [
    b"", b"x", b"\0" * 4096, b"<html>", b"\x1f\x8b", gzip.compress(b""),
    gzip.compress(b"\xff" * 99), gzip.compress(b"\x0a\xff\xff\xff\xff\x7f"),
    gzip.compress(bytes(64 << 20))],
    ids=["empty", "letter", "zeros", "html", "gzip head", "gzip of nothing", "gzip of ones",
         "length of 32 GB", "bomb"])
def test_what_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "bad.pb.gz"
    path.write_bytes(content)
    result = run("report", path)
    result.failed(1, "bad.pb.gz")
    assert result.seconds < 10


@pytest.mark.parametrize("eighths", range(1, 8))
def test_a_profile_that_is_cut_short_is_refused(good, tmp_path, eighths):
    data = good.read_bytes()
    path = tmp_path / "cut.pb.gz"
    path.write_bytes(data[:len(data) * eighths // 8])
    run("report", path).failed(1, "cut.pb.gz")


def test_a_profile_with_flipped_bits_is_refused_or_read(good, tmp_path):
    data = gzip.decompress(good.read_bytes())
    choice = random.Random(1)
    for i in range(60):
        flipped = bytearray(data)
        for _ in range(1 + i % 8):
            flipped[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
        path = tmp_path / "flipped.pb.gz"
        path.write_bytes(bytes(flipped))
        one_line(run("report", path))


@pytest.mark.parametrize("arguments, words", [
    (["report", "missing.pb.gz"], ["missing.pb.gz", "No such file"]),
    (["report", "."], []),
    (["diff", "missing.pb.gz", "missing.pb.gz"], ["missing.pb.gz"]),
], ids=lambda x: " ".join(x))
def test_a_profile_that_cannot_be_read_is_said(tmp_path, arguments, words):
    run(*arguments, cwd=tmp_path).failed(1, *words)


def test_an_unknown_key_is_answered_with_the_known(good):
    result = run("report", good, "--by", "colour")
    assert result.status in (1, 2)
    for word in ("colour", "container", "function"):
        assert word in result.err
