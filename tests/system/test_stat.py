# SPDX-License-Identifier: Apache-2.0
"""plimsoll stat: do its figures agree with what programs do by arithmetic, and with each other?"""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import leftovers
import plimsoll
from accounts import assert_same_shares, is_watching, running_states, stat
from plimsoll import Process, assert_clean_text, run, wait_until

STATES = ("user", "kernel", "runnable", "throttled", "disk", "network", "lock", "pipe", "memory",
          "child", "other", "idle", "unaccounted")
LONG = ["-d", "30"]  # nobody waits for it: the error comes first
PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def root(new_root):
    return new_root("stat", "states", "weights")


@pytest.fixture(scope="module")
def rhythm(runc, root):
    """A container with two threads: one sleeps, one burns and sleeps by the clock."""
    with running_states(runc, "rhythm", root, "burn=40", "sleep=60") as states:
        yield states


def records(result):
    return [json.loads(line) for line in result.out.splitlines()]


def assert_adds_up(record):
    assert sum(record[state + "_ns"] for state in STATES) == record["total_ns"], record
    assert record["total_ns"] == pytest.approx(record["threads"] * record["wall_ns"], rel=1e-4)


# --- containers ---


def test_shares_are_those_of_the_program(rhythm):
    ledger = stat("-c", "rhythm", seconds=3)
    expected = rhythm.account(ledger.begin, ledger.end)
    assert_same_shares(ledger.ns("rhythm"), expected)
    record = ledger.record("rhythm")
    assert_adds_up(record)
    assert record["threads"] == pytest.approx(2, rel=0.005)
    # Of two threads' time.
    assert record["cpus_used"] == pytest.approx(
        2 * expected["running"] / sum(expected.values()), abs=0.04)
    assert record["cpu_limit_cpus"] is None
    assert record["kind"] == "container" and record["runtime"] == "runc"


def test_switches_and_wakeups_follow_from_the_rhythm(rhythm):
    """A round of 100 ms: the worker sleeps once, and the main thread rests until it is over."""
    record = stat("-c", "rhythm", seconds=3).record("rhythm")
    rounds = record["wall_ns"] / 1e8
    assert record["voluntary_switches"] > 0.8 * rounds
    assert record["voluntary_switches"] < 20 * rounds
    assert record["wakeups"] == pytest.approx(record["voluntary_switches"], rel=0.1, abs=5)
    # Whoever was taken off or woke up had to wait for a CPU, if only for a moment.
    assert record["cpu_waits"] == pytest.approx(
        record["wakeups"] + record["involuntary_switches"], rel=0.1, abs=5)
    assert 0 < record["cpu_wait_p50_ns"] <= record["cpu_wait_p90_ns"] <= record["cpu_wait_p99_ns"]
    assert record["cpu_wait_p99_ns"] <= record["cpu_wait_max_ns"]


def test_a_quota_is_shown_with_what_it_cost(runc, root):
    quota = {"cpu": {"quota": 20000, "period": 100000}}
    container = runc.run("tight", ["/bin/weights"], root, resources=quota)
    record = stat("-c", "tight", seconds=4).record("tight")
    block = run("stat", "-c", "tight", "-d", 1).succeeded().out
    runc.remove(container)
    assert_adds_up(record)
    assert record["cpu_limit_cpus"] == 0.2
    assert 0.1 < record["cpus_used"] < 0.23  # less, where the machine is busy
    periods = record["wall_ns"] / 1e8
    assert record["quota_periods"] == pytest.approx(periods, abs=3)
    assert 0.5 < record["quota_throttled_periods"] / record["quota_periods"] <= 1
    # One thread: while its CPU is stopped, so is it. The kernel adds up what is over: at each end of
    # the window as much as a period may be missing, or too much.
    assert record["throttled_ns"] == pytest.approx(record["quota_throttled_ns"], rel=0.03,
                                                   abs=1e8)
    assert re.search(r"CPUs used +0\.\d\d  of 0\.20 allowed", block)
    assert re.search(r"throttled periods +\d+  of \d+;", block)
    assert re.search(r"T throttled +[\d.]+ \w+ +[3-8]\d\.\d %", block)


def test_containers_are_sorted_by_what_they_lost_and_the_host_is_last(runc, root, rhythm):
    quota = {"cpu": {"quota": 10000, "period": 100000}}
    # More than whatever else lives on this host can lose.
    crowd = "for i in %s; do weights & done; wait" % " ".join(map(str, range(30)))
    loser = runc.run("loser", ["/bin/sh", "-c", crowd], root, resources=quota)
    block = run("stat", "-d", 2, "-n", 1).succeeded().out
    everything = records(run("stat", "-d", 2, "-n", 1, "--json").succeeded())
    runc.remove(loser)
    heads = re.findall(r"^(\S+).* threads$", block, re.M)
    assert heads == ["loser", "host"]
    assert re.search(r"^Not shown: \d+ more, which lost .*; -n 0 shows all\.$", block, re.M)
    # Programs get all of it.
    names = [r["name"] for r in everything]
    assert names[-1] == "host" and names[-2] == "[kernel threads]"
    assert names[0] == "loser" and "rhythm" in names
    lost = [r["lost_ns"] for r in everything[:-2]]
    assert lost == sorted(lost, reverse=True)
    for record in everything:
        assert_adds_up(record)


def test_who_is_chosen_and_absent_has_an_empty_record(runc, root):
    """Its process ended, the container is still there."""
    container = runc.run("ended", ["/bin/true"], root)
    wait_until(lambda: not os.path.exists("/proc/%d" % container.pid))
    cgroup_is_there = any(os.path.isdir(r + "/plimsoll-system/ended")
                          for r in leftovers.cgroup_roots())
    result = run("stat", "-c", "ended", "-d", 0.5, "--json")
    runc.remove(container)
    assert cgroup_is_there
    [record] = records(result.succeeded())
    assert record["name"] == "ended" and record["total_ns"] == 0 and record["threads"] == 0


# --- processes and commands ---


def test_a_process_is_its_threads(burner):
    process = burner()
    [record] = records(run("stat", "-p", process.pid, "-d", 2, "--json").succeeded())
    assert record["kind"] == "process" and record["pid"] == process.pid
    assert record["name"] == "weights"
    assert record["threads"] == pytest.approx(1, rel=0.01)
    ready = record["user_ns"] + record["kernel_ns"] + record["runnable_ns"]
    assert ready > 0.99 * record["total_ns"]
    assert record["minor_faults"] is not None and record["wakeups"] is None


def command(tmp_path, script, *options):
    """The record of a Python script that is run as COMMAND, and what it left in the file `out`."""
    path, out = tmp_path / "script.py", tmp_path / "out"
    path.write_text(script)
    result = run("stat", "--json", *options, "--", PYTHON, path, out).succeeded()
    [record] = records(result)
    assert record["kind"] == "command" and record["name"] == os.path.basename(PYTHON)
    assert_adds_up(record)
    return record, out.read_text() if out.exists() else ""


def test_a_command_is_measured_with_all_that_it_starts(tmp_path):
    """Two children burn in one go after the other, then end: their time is there all the same."""
    record, said = command(tmp_path, """
import os, resource, sys, time
for i in range(2):
    if os.fork() == 0:
        while time.process_time() < 0.5:
            pass
        os._exit(0)
    os.wait()
usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
open(sys.argv[1], "w").write(str(sum(u.ru_utime + u.ru_stime for u in usage)))
""")
    running = (record["user_ns"] + record["kernel_ns"]) / 1e9
    # It said so before its own end, which takes an interpreter some time.
    assert 1 <= float(said) < running * 1.01
    assert running < float(said) + 0.2
    # The parent did nothing but wait for them: while they ran, or were ready to.
    assert 0.9e9 < record["child_ns"]
    assert record["child_ns"] < 1.1 * (record["user_ns"] + record["kernel_ns"] +
                                       record["runnable_ns"])
    assert record["threads_ended"] == 3 and record["threads_began"] >= 2


def test_page_faults_of_a_command_are_counted(tmp_path):
    pages = 20000
    script = """
import mmap
m = mmap.mmap(-1, %d * 4096)
m.madvise(mmap.MADV_NOHUGEPAGE)
for i in range(%d):
    m[i * 4096] = 1
"""
    few = command(tmp_path, script % (1, 1))[0]
    many = command(tmp_path, script % (pages, pages))[0]
    assert many["faults_from"] in ("memory.stat", "getrusage")
    assert many["minor_faults"] - few["minor_faults"] == pytest.approx(pages, rel=0.1)


def test_sleeps_of_a_command_are_idle_and_voluntary(tmp_path):
    record, _ = command(tmp_path, """
import time
for i in range(300):
    time.sleep(0.002)
""")
    assert 300 <= record["voluntary_switches"] < 450
    assert record["idle_ns"] > 300 * 2e6 * 0.95


def command_cgroups():
    return [os.path.join(folder, name) for root in leftovers.cgroup_roots()
            for folder, names, _ in os.walk(root) for name in names
            if re.fullmatch(r"plimsoll-\d+", name)]


def test_the_cgroup_of_a_command_is_gone_and_what_it_left_goes_on(tmp_path):
    record = run("stat", "--json", "--", "sh", "-c", "sleep 60 & echo $! >%s/pid" % tmp_path)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert command_cgroups() == []
        assert leftovers.cgroups_of(pid) == leftovers.cgroups_of(os.getpid())
    finally:
        os.kill(pid, signal.SIGKILL)
    assert len(records(record.succeeded())) == 1


def test_a_command_can_be_run_beside_a_container(rhythm):
    result = run("stat", "--json", "-c", "rhythm", "--", "sleep", 1).succeeded()
    assert [(r["kind"], r["name"]) for r in records(result)] == [
        ("command", "sleep"), ("container", "rhythm")]


def test_the_duration_ends_a_command():
    result = run("stat", "-d", 1, "--", "sleep", 60, timeout=20).succeeded()
    assert result.seconds < 15 and "sleep · command" in result.out


def test_a_command_that_fails_is_said_and_is_not_our_failure():
    result = run("stat", "--", "sh", "-c", "exit 3").succeeded()
    assert "'sh' ended with status 3" in result.err
    run("stat", "--", "no-such-program").failed(1, "cannot run 'no-such-program'")
    assert command_cgroups() == []


# --- intervals ---


def test_intervals_add_up_to_the_whole(rhythm):
    result = run("stat", "-c", "rhythm", "-d", 2, "-I", 0.5, "--summary", "--json").succeeded()
    *intervals, whole = records(result)
    assert [r["interval"] for r in intervals] == [1, 2, 3, 4] and whole["interval"] is None
    begin = 0
    for record in intervals:
        assert_adds_up(record)
        assert record["begin_ns"] == pytest.approx(begin, abs=1000)
        begin += record["wall_ns"]
    for record in (*intervals, whole):
        record["running_ns"] = record["user_ns"] + record["kernel_ns"]
    for key in ("wall_ns", "total_ns", "voluntary_switches", "involuntary_switches", "wakeups",
                "migrations", "cpu_waits", "minor_faults", "running_ns",
                *(state + "_ns" for state in STATES[2:])):
        assert sum(r[key] for r in intervals) == pytest.approx(whole[key], rel=1e-6, abs=100), key
    # How running divides is known by the kernel's ticks only.
    assert sum(r["user_ns"] for r in intervals) == pytest.approx(
        whole["user_ns"], abs=0.05 * whole["running_ns"])


def test_an_interval_is_shown_when_it_ends(rhythm):
    process = Process("stat", "-c", "rhythm", "-I", 0.3, "--csv")
    wait_until(lambda: len(process.out.read() if not process.out.seek(0) else b"") > 1500)
    process.interrupt()
    result = process.wait(10).succeeded()
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert len(rows) >= 2 and [int(r["interval"]) for r in rows] == list(range(1, len(rows) + 1))


# --- forms ---


def test_csv_has_the_fields_of_json(rhythm):
    [record] = records(run("stat", "-c", "rhythm", "-d", 0.5, "--json").succeeded())
    text = run("stat", "-c", "rhythm", "-d", 0.5, "--csv").succeeded().out
    [row] = csv.DictReader(io.StringIO(text))
    assert list(row) == list(record)
    for key, value in row.items():
        assert (value == "") == (record[key] is None), key


def test_the_block_fits_eighty_columns_and_its_shares_make_a_hundred(rhythm):
    out = run("stat", "-d", 2, "-n", 0).succeeded().out
    assert_clean_text(out.encode())
    assert max(map(len, out.splitlines())) <= 80, out
    blocks = re.split(r"\n(?=\S.* threads\n)", out)[1:]
    shares = {block.split()[0]: [float(s) for s in re.findall(r"^  [A-Z.?] .*? ([\d.]+) %", block,
                                                             re.M)] for block in blocks}
    assert "rhythm" in shares and "host" in shares
    for name, found in shares.items():
        assert sum(found) == pytest.approx(100, abs=0.06 * len(STATES)), (name, found)


@pytest.mark.parametrize("suffix", ["csv", "json", "txt"])
def test_a_file_is_written_in_the_form_that_its_name_says(rhythm, tmp_path, suffix):
    path = tmp_path / ("out." + suffix)
    result = run("stat", "-c", "rhythm", "-d", 0.5, "-o", path).succeeded()
    assert result.out == ""
    text = path.read_text()
    assert text.startswith({"csv": "time_s,interval", "json": "{", "txt": "\nrhythm"}[suffix])


def test_no_hardware_counters_are_told_as_such(rhythm):
    """Whichever this machine has: figures, or that there are none."""
    probe = subprocess.run([PYTHON, "-c", """
import ctypes, struct
attr = struct.pack("<IIQ", 0, 112, 0) + bytes(96)
print(ctypes.CDLL(None, use_errno=True).syscall(298, attr, 0, -1, -1, 0))
"""], capture_output=True, text=True) if os.uname().machine == "x86_64" else None
    if not probe:
        pytest.skip("the number of perf_event_open is that of x86-64")
    [record] = records(run("stat", "-c", "rhythm", "-d", 1, "--json").succeeded())
    block = run("stat", "-c", "rhythm", "-d", 0.5).succeeded().out
    if int(probe.stdout) >= 0:
        assert record["cycles"] > 0 and record["instructions"] > 0
        assert re.search(r"cycles +[\d,]+", block)
    else:
        assert record["cycles"] is None and record["instructions_per_cycle"] is None
        assert re.search(r"hardware counters +not supported", block)


# --- ends and errors ---


def test_ctrl_c_shows_what_there_is(rhythm):
    process = Process("stat", "-c", "rhythm")
    wait_until(lambda: is_watching(process))
    time.sleep(1)
    process.interrupt()
    result = process.wait(10).succeeded()
    assert re.search(r"^rhythm .* 2\.0 threads$", result.out, re.M)


def test_a_reader_that_has_enough_ends_it(rhythm):
    process = subprocess.run(
        "%s stat -c rhythm -I 0.2 --csv | head -n 2" % plimsoll.BINARY, shell=True, timeout=30,
        capture_output=True, text=True)
    assert len(process.stdout.splitlines()) == 2 and process.stderr == ""


@pytest.mark.parametrize("arguments, words", [
    (["-d", "0"], ["'-d 0'", "seconds are expected"]),
    (["-d", "1s"], ["'-d 1s'"]),
    (["-I", "x"], ["'-I x'"]),
    (["-I", "0.001"], ["at least 0.01 s"]),
    (["-p", "none"], ["'-p none'", "process number"]),
    (["-n", "-1"], ["'-n -1'"]),
    (["--summary"], ["-I"]),
    (["--json", "--csv"], ["exclude each other"]),
    (["--jsn"], ["unknown option '--jsn'"]),
    (["-c"], ["option '-c' needs a value"]),
    (["make"], ["unexpected argument 'make'", "after '--'"]),
    (["--"], ["a command is expected"]),
])
def test_wrong_usage_is_told(arguments, words):
    run("stat", *arguments).failed(2, *words)


def test_what_is_not_there_is_told(rhythm, tmp_path):
    run("stat", *LONG, "-c", "rythm").failed(1, "no container matches 'rythm'", "'rhythm'")
    run("stat", *LONG, "-p", 4194304).failed(1, "no process has number 4194304")
    run("stat", *LONG, "-o", tmp_path / "no" / "file").failed(1, "cannot write", "No such file")
    run("sat").failed(2, "did you mean 'stat'?")


def test_help_fits_a_screen():
    out = run("stat", "--help").succeeded().out
    assert len(out.splitlines()) <= 25 and max(map(len, out.splitlines())) <= 80


def test_who_is_not_root_is_told_what_is_missing(base):
    path = shutil.copy(plimsoll.BINARY, os.path.join(base, "plimsoll-stat"))
    result = run("stat", *LONG, prefix=["setpriv", "--reuid=65534", "--regid=65534",
                                        "--clear-groups", "sh", "-c",
                                        'shift; exec "%s" "$@"' % path, "sh"])
    result.failed(1, "CAP_BPF", "CAP_PERFMON")
    assert result.seconds < 5
