# SPDX-License-Identifier: Apache-2.0
"""What threads wait for, where and how long, against arithmetic and against libbpf-tools' offcputime; and all wall time.

The workload, tests/workloads/waits.c, says of each of its functions how long it waits."""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

import leftovers
import plimsoll
from plimsoll import Profile, Recording, run, total

SECONDS = 4
POINTS = 3
WAITERS = 3
THREADS = 1 + 2 + WAITERS
DIVERS = 60  # threads of `places depths`


@pytest.fixture
def waits(workloads):
    """`waits` on the host, ended with the test."""
    process = subprocess.Popen([os.path.join(workloads, "waits")], env=leftovers.marked_environment())
    yield process
    process.kill()
    process.wait()


def record(path, pid, *args, signal="offcpu", seconds=SECONDS):
    run("record", signal, "-p", pid, "-d", seconds, *args, "-o", path).succeeded()
    return Profile.load(path)


def seconds_at(samples, function):
    return total((s for s in samples if any(f.function == function for f in s.stack)), "offcpu") / 1e9


def percent_of_time(profile, samples, function):
    return 100 * seconds_at(samples, function) / profile.duration


def by_state(samples, value="offcpu"):
    states = {}
    for s in samples:
        states[s.labels["state"]] = states.get(s.labels["state"], 0) + s.values[value]
    return states


# --- time at the right stack ---


def test_every_function_has_the_time_that_it_waits(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--state", "all")
    assert profile.lost == []
    assert [t for t in profile.types] == [("events", "count"), ("offcpu", "nanoseconds")]
    main = profile.where(tid=waits.pid)
    for function, share in (("nap_50", 50), ("pipe_30", 30), ("nap_20", 20)):
        # What began before the recording has no user stack yet: at most one round of 100 ms.
        assert percent_of_time(profile, main, function) == pytest.approx(share, abs=POINTS + 2.5), function
    assert sum(by_state(main).values()) / 1e9 == pytest.approx(profile.duration, rel=0.02)


def test_threads_that_wait_add_up_to_wall_time_times_threads(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--state", "all")
    assert total(profile.where(pid=waits.pid), "offcpu") / 1e9 == \
        pytest.approx(THREADS * profile.duration, rel=0.02)


def test_states_are_told_apart(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--state", "all")
    main = by_state(profile.where(tid=waits.pid))
    assert 100 * main["pipe"] / sum(main.values()) == pytest.approx(30, abs=POINTS)
    assert 100 * main["idle"] / sum(main.values()) == pytest.approx(70, abs=POINTS)
    assert by_state(profile.where(thread="waiter"))["lock"] > 0
    assert set(by_state(profile.samples)) <= {
        "runnable", "throttled", "disk", "network", "lock", "pipe", "memory", "child", "other", "idle"}


def test_who_chose_to_sleep_is_left_out_unless_asked_for(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid)
    states = by_state(profile.samples)
    assert "idle" not in states and {"pipe", "lock"} <= set(states)


def test_chosen_states_are_all_there_is(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--state", "pipe,idle")
    assert set(by_state(profile.samples)) == {"pipe", "idle"}
    main = profile.where(tid=waits.pid)
    assert percent_of_time(profile, main, "pipe_30") == pytest.approx(30, abs=POINTS + 2.5)


def test_stacks_go_from_the_kernel_to_the_entry_of_the_thread(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--state", "lock")
    samples = [s for s in profile.samples if any(f.function == "queue_up" for f in s.stack)]
    assert total(samples, "offcpu") > 0.5 * total(profile.samples, "offcpu")
    for s in samples:
        names = [f.function for f in s.stack]
        assert names[0] == "__schedule", names
        assert names.index("queue_up") < names.index("waiter"), names
        assert names[-1] in ("clone3", "__clone3", "clone", "__clone"), names


def test_containers_are_told_and_chosen(runc, new_root, tmp_path):
    container = runc.run("waiting", ["/bin/waits"], new_root("waits", "waits"))
    try:
        run("record", "offcpu", "-c", "waiting", "-d", 2, "--state", "all", "-o",
            tmp_path / "p.pb.gz").succeeded()
    finally:
        runc.remove(container)
    profile = Profile.load(tmp_path / "p.pb.gz")
    assert {s.labels["container"] for s in profile.samples} == {"waiting"}
    assert total(profile.samples, "offcpu") / 1e9 == pytest.approx(THREADS * profile.duration, rel=0.05)


# --- waits that look alike, which the kernel half must not take for one another ---


@pytest.fixture
def places(workloads):
    """Starts `places` with arguments, or others, and ends it with the test."""
    processes = []

    def start(*args):
        processes.append(subprocess.Popen([os.path.join(workloads, "places"), *args],
                                          env=leftovers.marked_environment()))
        return processes[-1]
    yield start
    for process in processes:
        assert process.poll() is None
        process.kill()
        process.wait()


def test_two_callers_with_frames_of_the_same_size_are_told_apart(places, tmp_path):
    profile = record(tmp_path / "p.pb.gz", places("callers").pid, "--state", "all")
    # Two naps of eight, by turns of 160 ms: so many may be cut off at either end.
    assert percent_of_time(profile, profile.samples, "nap_left") == pytest.approx(75, abs=POINTS + 4)
    assert percent_of_time(profile, profile.samples, "nap_right") == pytest.approx(25, abs=POINTS + 4)


def test_a_library_in_the_place_of_another_is_told_apart(places, workloads, tmp_path):
    process = places(*(os.path.join(workloads, f"libplaces-{name}.so") for name in ("north", "south")))
    profile = record(tmp_path / "p.pb.gz", process.pid, "--state", "all", seconds=6)
    # Turns of 3 s; a change of mappings is noticed within one.
    for function in ("nap_north", "nap_south"):
        assert seconds_at(profile.samples, function) > 1, function


# --- what begins before, and what ends after ---


def test_a_wait_of_the_whole_recording_counts_as_long_as_that(tmp_path):
    sleeper = subprocess.Popen(["sleep", "600"], env=leftovers.marked_environment())
    try:
        profile = record(tmp_path / "p.pb.gz", sleeper.pid, "--state", "all", seconds=1.5)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert total(profile.samples, "offcpu") / 1e9 == pytest.approx(profile.duration, rel=0.02)
    # The kernel's part of the stack can be read of any thread; the user's only by itself.
    names = [f.function for s in profile.samples for f in s.stack]
    assert "[began earlier]" in names and "hrtimer_nanosleep" in names


def test_a_wait_that_has_not_ended_counts_up_to_the_end(tmp_path):
    run("record", "offcpu", "--state", "all", "-d", 1.5, "-o", tmp_path / "p.pb.gz", "--", "sleep",
        600).succeeded()
    profile = Profile.load(tmp_path / "p.pb.gz")
    asleep = profile.where(comm="sleep", state="idle")
    assert total(asleep, "offcpu") / 1e9 == pytest.approx(profile.duration, abs=0.3)


# --- thresholds ---


def test_waits_below_the_threshold_are_left_out_and_counted(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--state", "all", "--threshold", "25ms")
    main = profile.where(tid=waits.pid)
    assert seconds_at(main, "nap_20") == 0
    assert percent_of_time(profile, main, "nap_50") == pytest.approx(50, abs=POINTS + 2.5)
    note, = [n for n in profile.notes if n.startswith("threshold:")]
    left_out = int(re.search(r"threshold: ([\d,]+) waits of less than 25 ms", note)[1].replace(",", ""))
    # nap_20 alone is there ten times a second.
    assert left_out > 9 * SECONDS


# --- wakers ---


def wakers(samples, function):
    """Nanoseconds by the names above the separator, of what waited in a function."""
    found = {}
    for s in samples:
        names = [f.function for f in s.stack]
        if "--" in names and function in names[names.index("--"):]:
            above = tuple(names[:names.index("--")])
            found[above] = found.get(above, 0) + s.values["offcpu"]
    return found


def test_wakers_stand_above_who_they_woke(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--wakers")
    by_waker = wakers(profile.samples, "pipe_30")
    fed = sum(ns for names, ns in by_waker.items() if "feed" in names)
    assert fed > 0.9 * sum(by_waker.values()) > 0
    names = max(by_waker, key=by_waker.get)
    # Leaf first: the container, the thread, then its stack from the entry to where it woke.
    assert names[0] == "host" and names[1] == "writer"
    assert names.index("feed") < names.index("try_to_wake_up") == len(names) - 1


def test_a_lock_convoy_names_who_held_the_lock(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--wakers", "--state", "lock")
    by_waker = wakers(profile.samples, "queue_up")
    # The first in the queue is woken by the holder; the others by the one before them, at once.
    held = sum(ns for names, ns in by_waker.items() if "hold" in names)
    handed_on = sum(ns for names, ns in by_waker.items() if "queue_up" in names)
    everything = sum(by_waker.values())
    assert held + handed_on > 0.9 * everything
    assert held > 0.2 * everything


def test_timers_wake_as_interrupts(waits, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, "--wakers", "--state", "idle")
    by_waker = wakers(profile.samples, "nap_50")
    assert by_waker.get(("[interrupt]",), 0) > 0.9 * sum(by_waker.values())


# --- when there is no room ---


def test_waits_without_room_for_their_stack_keep_their_time(places, tmp_path):
    process = places("depths")
    with Recording(tmp_path / "p.pb.gz", "offcpu", "-p", process.pid, "--state", "all") as recording:
        recorder = recording.process.popen
        wait_until_it_follows_switches(recorder)
        recorder.send_signal(signal.SIGSTOP)  # and so nobody empties the ring
        time.sleep(3)
        recorder.send_signal(signal.SIGCONT)
        time.sleep(0.5)
    profile = recording.profile
    assert seconds_at(profile.samples, "[stack lost]") > 1
    assert total(profile.samples, "offcpu") / 1e9 == pytest.approx(DIVERS * profile.duration, rel=0.03)
    assert any(note.startswith("ring of stacks full:") for note in profile.notes)
    assert profile.lost


# --- against offcputime ---


def follows_switches(pid):
    """Whether a process has a program at the tracepoint of context switches."""
    folder = f"/proc/{pid}/fdinfo"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(folder, name)) as file:
                if "sched_switch" in file.read():
                    return True
    return False


def wait_until_it_follows_switches(process):
    deadline = time.monotonic() + 20
    while not follows_switches(process.pid):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)  # it has other programs to attach


@contextlib.contextmanager
def offcputime(pid, path):
    """libbpf-tools' answer for a process goes to a file."""
    with open(path, "w") as file:
        process = subprocess.Popen(["offcputime", "-p", str(pid)], stdout=file, env=leftovers.marked_environment())
        try:
            wait_until_it_follows_switches(process)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def kernel_part(names):
    """From the scheduler, where both begin, to the entry from user space."""
    plain = [name.split(".")[0] for name in names]
    entry = next((i for i, name in enumerate(plain) if re.match("entry_|asm_|el0", name)), len(plain))
    return tuple(plain[plain.index("__schedule") + 1:entry])


def stacks_of_offcputime(path):
    """{kernel_part(): seconds}. A stack is a line a function, then one with a dash and the thread, then microseconds."""
    found, stack = {}, []
    with open(path) as file:
        for line in file:
            if re.fullmatch(r"\s+\d+\n", line):
                key = kernel_part(stack)
                found[key] = found.get(key, 0) + int(line) / 1e6
                stack = []
            elif re.match(r"\s+[^-\s]", line):
                stack.append(line.split()[-1].split("+")[0])
    return found


def test_totals_and_stacks_are_those_of_offcputime(workloads, tmp_path):
    """A program that begins when both are attached and ends before either does."""
    program = os.path.join(workloads, "waits")
    process = subprocess.Popen(["sh", "-c", f"read go; exec {program} {SECONDS}"], stdin=subprocess.PIPE,
                               env=leftovers.marked_environment())
    try:
        with Recording(tmp_path / "p.pb.gz", "offcpu", "-p", process.pid, "--state", "all") as recording:
            wait_until_it_follows_switches(recording.process.popen)
            with offcputime(process.pid, tmp_path / "theirs"):
                process.communicate(b"go\n", timeout=SECONDS + 30)
    finally:
        process.kill()
        process.wait()
    theirs = stacks_of_offcputime(tmp_path / "theirs")
    ours, named = {}, set()
    for s in recording.profile.samples:
        names = [f.function for f in s.stack]
        # They see neither the shell that waited for our word, nor new threads on their way to a CPU.
        if "[began earlier]" in names or "__schedule" not in names:
            continue
        key = kernel_part(names)
        ours[key] = ours.get(key, 0) + s.values["offcpu"] / 1e9
        named.update(names)
    assert sum(ours.values()) == pytest.approx(sum(theirs.values()), rel=0.03)
    top = sorted(ours, key=ours.get, reverse=True)[:3]
    assert top == sorted(theirs, key=theirs.get, reverse=True)[:3]
    for stack in top:
        assert ours[stack] == pytest.approx(theirs[stack], rel=0.03), stack
    # The C library has no frame pointers, by which they walk: who called it is lost to them.
    assert {"nap_50", "nap_20", "hold", "pipe_30", "queue_up"} <= named


# --- wall time ---


def test_wall_time_of_the_ledger_adds_up(waits, burner, tmp_path):
    profile = record(tmp_path / "p.pb.gz", waits.pid, signal="ledger")
    assert profile.types == [("wall", "nanoseconds")]
    assert total(profile.where(pid=waits.pid), "wall") / 1e9 == \
        pytest.approx(THREADS * profile.duration, rel=0.01)
    states = by_state(profile.where(tid=waits.pid), "wall")
    assert 100 * states["pipe"] / sum(states.values()) == pytest.approx(30, abs=POINTS)


def test_wall_time_of_one_who_burns_is_user_time_by_its_functions(burner, tmp_path):
    process = burner("60")
    profile = record(tmp_path / "p.pb.gz", process.pid, "-F", 999, signal="ledger", seconds=3)
    states = by_state(profile.samples, "wall")
    assert sum(states.values()) / 1e9 == pytest.approx(profile.duration, rel=0.01)
    user = [s for s in profile.samples if s.labels["state"] == "user"]
    for weight in (70, 20, 10):
        here = total((s for s in user if any(f.function == "burn_%d" % weight for f in s.stack)), "wall")
        assert 100 * here / total(user, "wall") == pytest.approx(weight, abs=5)


def test_a_flame_graph_of_wall_time_has_the_states_next_to_the_container(waits, tmp_path):
    record(tmp_path / "p.pb.gz", waits.pid, signal="ledger", seconds=1.5)
    folded = run("report", tmp_path / "p.pb.gz", "--format", "folded", "-o", "-").succeeded().out
    assert {line.split(";")[1] for line in folded.splitlines()} >= {"pipe", "idle", "lock"}


def test_off_cpu_time_can_be_split_by_state(waits, tmp_path):
    record(tmp_path / "p.pb.gz", waits.pid, "--state", "all", seconds=1.5)
    table = run("report", tmp_path / "p.pb.gz", "--by", "state").succeeded().out
    assert "STATE" in table and "pipe" in table
    folded = run("report", tmp_path / "p.pb.gz", "--by", "container,state,function", "--format", "folded",
                 "-o", "-").succeeded().out
    assert any(line.startswith("host;pipe;") for line in folded.splitlines())


# --- wrong usage ---


@pytest.mark.parametrize("args, words", [
    (["offcpu", "--state", "disc"], ["disc", "disk"]),
    (["offcpu", "--state", "disk,"], ["--state"]),
    (["offcpu", "--state", "running"], ["running"]),
    (["offcpu", "--threshold", "5"], ["--threshold", "1ms"]),
    (["offcpu", "--threshold", "-1ms"], ["--threshold"]),
    (["offcpu", "--threshold", "1e400s"], ["--threshold"]),
    (["offcpu", "-F", "99"], ["-F", "offcpu"]),
    (["cpu", "--wakers"], ["--wakers", "cpu"]),
    (["--state", "disk"], ["--state", "cpu"]),
    (["ledger", "--threshold", "1ms"], ["--threshold", "ledger"]),
    (["offcpus"], ["offcpus", "offcpu"]),
])
def test_wrong_options_are_told(args, words, tmp_path):
    run("record", *args, "-d", 1, "-o", tmp_path / "p.pb.gz").failed(2, *words)
