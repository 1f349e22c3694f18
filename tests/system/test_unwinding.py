# SPDX-License-Identifier: Apache-2.0
"""
Whole stacks of code without frame pointers.

`stacks` (tests/workloads/stacks.c) makes stacks that are known beforehand in every way that a stack
can be made, in the shapes that programs come in. All of them run side by side and are recorded
twice: they were there before, or they start within the recording. perf records them too, and must
have seen the same frames at the same addresses. Then Debian's own programs.
"""

import collections
import contextlib
import os
import re
import shutil
import subprocess
import time

import pytest

import leftovers
import perf
import plimsoll
import programs
import wholeness
from plimsoll import Recording, record, total

SECONDS = 5
HZ = 999
WHEN = ["before", "within"]

# Name of the shape -> the program.
SHAPES = {"dyn": "stacks-dynamic", "stat": "stacks-static", "pie": "stacks-pie",
          "musl": "stacks-musl", "musls": "stacks-musls"}

# --- what a stack looks like: names from the outermost frame to the leaf, with blanks between ---

# What no symbol names: a C library's .dynsym has few of its own functions.
UNNAMED = r"\[[^ ]+\+0x[0-9a-f]+\]"
GNU = {
    "PROCESS": r"_start __libc_start_main\S* (?:__libc_start_call_main|%s) main" % UNNAMED,
    "THREAD": r"(?:__)?clone3? (?:start_thread|%s)" % UNNAMED,
    "CLONE": r"(?:__)?clone3?",
    # Returned to, but never called from: the instruction before belongs to nobody.
    "CONTEXT": r"(?:\[truncated\] )?(?:__start_context|%s)" % UNNAMED,
    "SIGNAL": r"(?:__restore_rt|%s)" % UNNAMED,
}
# musl is built without unwind information, and few of its functions have symbols: what is below
# those, nobody can tell.
MUSL = {
    "PROCESS": r"(?:\S+ )+main",
    "THREAD": r"(?:\S+ )*\S+",
    "CLONE": r"(?:\S+ )*\S+",
    "SIGNAL": r"\S+",
}
SIGNAL_RETURN = "__restore_rt"
SIGNALLED = "(?:adds|(?:adds )?SIGNAL(?: on_signal(?: leaf)?)?)"

# Mode -> its stack and the share of its samples, in per cent, that end in its last word; the others
# were taken further out.
MODES = {
    "recursion": ("PROCESS recursion" + 40 * " descend" + " leaf", 95),
    # 127 frames of more than 300: nobody follows any further, and it is said.
    "deep": (r"\[truncated\]" + 126 * " descend" + " leaf", 95),
    "spoiled": ("PROCESS spoils_frame_pointer leaf", 95),
    "allocates": ("PROCESS allocates leaf", 95),
    "realigns": ("PROCESS realigns leaf", 95),
    "noreturn": ("PROCESS noreturn ends_in_call never_returns", 95),
    "signals": ("PROCESS signals interrupt interrupted " + SIGNALLED, 40),
    "altstack": ("PROCESS altstack interrupt interrupted " + SIGNALLED, 40),
    "traps": ("PROCESS traps faults SIGNAL on_trap leaf", 85),
    "thread": ("THREAD run_thread descend descend leaf", 95),
    "cloned": ("CLONE run_cloned leaf", 95),
    "vforks": ("PROCESS vforks forks burns_as_child leaf", 90),
    "spawns": ("PROCESS recursion" + 40 * " descend" + " leaf", 70),
    "calls": (r"PROCESS makes_calls \S*pread\S*", 80),
    "time": (r"PROCESS asks_time \S*clock_gettime\S*(?: \S*gettime\S*| \[vdso\S*)*", 80),
    "context": ("CONTEXT runs_in_context leaf", 95),
    "opens": ("PROCESS opens library_outer library_inner leaf", 70),
    "stub": ("PROCESS stub calls_stub calls_empty empty(?:@plt)?", 10),
    "unbound": ("PROCESS unbound calls_stub calls_unbound .*", 50),
}
# What else a mode does that takes time: here, to start processes and to end them.
ALSO = {
    "spawns": r"PROCESS spawns(?: .*)?|\S*clone\S*(?: .*)?|_start .*|(?:\[truncated\] )?\[unknown\].*",
    "vforks": r"PROCESS vforks .*",
}
ONLY = {
    # Static programs open no libraries; musl binds all calls at once, has no contexts, and what is
    # called in it cannot be left again.
    "opens": {"dyn", "musl"},
    "stub": {"dyn", "musl"},
    "unbound": {"dyn"},
    "context": {"dyn", "stat", "pie"},
    "calls": {"dyn", "stat", "pie"},
    "time": {"dyn", "stat", "pie"},
    "spawns": {"dyn", "stat", "pie"},
}
CASES = [(shape, mode) for shape in SHAPES for mode in MODES if shape in ONLY.get(mode, SHAPES)]
# perf (libunwind) finds no unwind information in a static program at a fixed address, and has no
# copy of the stack below that of a signal handler; a process that is there already is not its own.
PERF_CASES = [(shape, mode) for shape, mode in CASES
              if shape in ("dyn", "pie") and mode not in ("altstack", "cloned", "deep", "spawns")]


def patterns(shape, mode):
    """kind -> regular expression. A stack is complete; or cut short, where the sample was taken
    further out, or in what else is right; or late, which is only the innermost part of it, from
    before the tables of the program were there."""
    def spell_out(word):
        for name, pattern in (MUSL if shape.startswith("musl") else GNU).items():
            word = re.sub(r"\b%s\b" % name, lambda _: pattern, word)
        return word

    first, *inner = map(spell_out, _split(MODES[mode][0]))
    cut_short = ""
    for word in reversed(inner):
        cut_short = "(?: %s%s)?" % (word, cut_short)
    *outer, leaf = inner
    late = ""
    for word in outer:
        late = "(?:%s%s )?" % (late, word)
    also = spell_out("|" + ALSO[mode]) if mode in ALSO else ""
    return {
        "complete": re.compile(" ".join([first, *inner])),
        "late": re.compile(r"(?:\[truncated\] )?(?:%s%s|(?:on_signal )?leaf)" % (late, leaf)),
        "short": re.compile(first + cut_short + also),
    }


def _split(text):
    """At blanks outside of parentheses."""
    words, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == " " and depth == 0:
            words.append("")
        else:
            words[-1] += character
    return words


def user_frames(stack):
    return [f for f in stack if not f.mapping.startswith("[kernel") and not f.function.startswith("bpf_prog_")]


def user_names(stack):
    """Outermost first."""
    return [f.function for f in reversed(user_frames(stack)) if not getattr(f, "inlined", False)]


# --- the recordings ---


def comm(shape, mode):
    return "%s:%s" % (shape, mode)


@contextlib.contextmanager
def all_of(workloads, cases, *seconds):
    """They run until the end of the block, or for so many seconds. There are many of them, and what
    records them needs its share of the CPUs: they are nice."""
    started = [subprocess.Popen(
        ["nice", "-n", "19", os.path.join(workloads, SHAPES[shape]), mode, *(seconds or ["600"]), comm(shape, mode)],
        stdout=subprocess.DEVNULL, env=leftovers.marked_environment()) for shape, mode in cases]
    try:
        yield started
    finally:
        if not seconds:
            for process in started:
                process.kill()
        for process in started:
            process.wait()


def by_comm(profile):
    found = collections.defaultdict(list)
    for sample in profile.samples:
        found[sample.labels.get("comm")].append(sample)
    return found


@pytest.fixture(scope="module")
def recorded(workloads, base):
    """when -> comm -> samples."""
    path = os.path.join(base, "stacks.pb.gz")
    with contextlib.ExitStack() as running:
        running.enter_context(all_of(workloads, CASES))
        time.sleep(1)
        with Recording(path, "-F", HZ) as before:
            time.sleep(SECONDS)
            running.close()
    with Recording(path, "-F", HZ) as within:
        with all_of(workloads, CASES, str(SECONDS)):
            pass
    return {"before": by_comm(before.profile), "within": by_comm(within.profile)}


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("shape, mode", CASES)
def test_the_stack_is_what_the_program_makes_it(recorded, when, shape, mode):
    samples = recorded[when][comm(shape, mode)]
    expected = patterns(shape, mode)
    counts, wrong = collections.Counter(), collections.Counter()
    for sample in samples:
        if wholeness.has_no_user_space(sample.stack):
            continue
        stack = " ".join(user_names(sample.stack))
        kind = next((kind for kind, pattern in expected.items() if pattern.fullmatch(stack)), "wrong")
        counts[kind] += sample.values["samples"]
        if kind == "wrong":
            wrong[stack] += sample.values["samples"]
    everything = sum(counts.values())
    assert everything >= 10, "%d samples" % everything
    # Before main and after it, and in what is done once, there are a few more; and in musl, which
    # has no unwind information and no frame pointers, wherever it is itself at work.
    few = 0.06 if shape.startswith("musl") else 0.02
    assert counts["wrong"] <= 2 + few * everything, (counts, wrong.most_common(5))
    # Some eighty programs start at once: not all have their tables at their first sample.
    assert counts["late"] <= 3 + 0.1 * everything, counts
    share = MODES[mode][1] / 100
    assert counts["complete"] >= share * (everything - counts["late"]) - 2, (counts, wrong.most_common(5))


@pytest.mark.parametrize("when", WHEN)
def test_samples_hit_the_stub_of_a_call_to_a_library(recorded, when):
    leaves = collections.Counter()
    for sample in recorded[when][comm("dyn", "stub")]:
        leaves[(user_names(sample.stack) or [""])[-1]] += sample.values["samples"]
    assert leaves["empty@plt"] >= 3, leaves


@pytest.mark.parametrize("when", WHEN)
def test_samples_hit_the_dynamic_linker_while_it_binds(recorded, when):
    inside = [s for s in recorded[when][comm("dyn", "unbound")]
              if any("ld-linux" in f.mapping for f in s.stack)
              and "calls_unbound" in user_names(s.stack)]
    assert total(inside) > 0.3 * total(recorded[when][comm("dyn", "unbound")])


@pytest.fixture(scope="module")
def compared(workloads, base):
    """shape, mode -> (stacks of perf, stacks of plimsoll), both of the same seconds. perf keeps
    16 KiB of each stack, which is more than these have."""
    plain, dwarf = os.path.join(base, "compared.pb.gz"), os.path.join(base, "compared.data")
    with all_of(workloads, PERF_CASES) as processes:
        time.sleep(1)
        pids = [str(process.pid) for process in processes]
        recorder = plimsoll.Process("record", "-F", HZ, "-d", SECONDS, "-o", plain)
        perf.record(dwarf, "-p", ",".join(pids), "--", "sleep", SECONDS, frequency=199)
        recorder.wait(SECONDS + plimsoll.GRACE).succeeded()
    ours = by_comm(plimsoll.Profile.load(plain))
    theirs = collections.defaultdict(list)
    for sample in perf.samples(dwarf):
        theirs[sample.comm].append(sample)
    return {case: (theirs[comm(*case)], ours[comm(*case)]) for case in PERF_CASES}


def with_signal_returns(stack):
    """A stack of perf, which takes one off the address that a handler returns to, as if there were
    a call before it, and then names whatever is there."""
    handlers = {i for i, frame in enumerate(stack) if frame.function in ("on_signal", "on_trap")}
    return [f._replace(function=SIGNAL_RETURN, address=f.address + 1) if i - 1 in handlers else f
            for i, f in enumerate(stack)]


def callers(stack, by_name):
    """What led to the leaf, as places in files; or as names, where it was interrupted anywhere."""
    frames = [f for f in user_frames(stack)[1:] if f.function != "[truncated]"]
    if by_name:
        names = ["" if f.function.startswith("[") or f.function == SIGNAL_RETURN else f.function for f in frames]
        return tuple(names[:names.index("main") + 1] if "main" in names else names)
    return tuple((os.path.basename(f.mapping), f.address) for f in frames)


@pytest.mark.parametrize("shape, mode", PERF_CASES)
def test_frames_equal_those_of_perf(compared, shape, mode):
    theirs, ours = collections.Counter(), collections.Counter()
    by_name = mode == "signals"
    for sample in compared[shape, mode][0]:
        theirs[callers(with_signal_returns(sample.stack), by_name)] += 1
    for sample in compared[shape, mode][1]:
        ours[callers(sample.stack, by_name)] += sample.values["samples"]
    for mine, other in ((theirs, ours), (ours, theirs)):
        # One in six: of fifty samples, no other recorder can have missed it by chance.
        frequent = {stack for stack, times in mine.items() if times >= sum(mine.values()) / 6}
        assert frequent and not frequent - set(other), (sorted(frequent - set(other), key=str), other.most_common(3))


# --- inlined functions and source lines ---


@pytest.fixture(scope="module")
def inlined(workloads, base):
    """The program, its samples by plimsoll, and those of perf in the same seconds."""
    program = os.path.join(workloads, "inlines")
    plain, dwarf = os.path.join(base, "inlines.pb.gz"), os.path.join(base, "inlines.data")
    process = subprocess.Popen([program], env=leftovers.marked_environment())
    try:
        recorder = plimsoll.Process("record", "-F", HZ, "-d", 2, "-p", process.pid, "-o", plain)
        perf.record(dwarf, "-p", process.pid, "--", "sleep", 2, frequency=HZ)
        recorder.wait(2 + plimsoll.GRACE).succeeded()
    finally:
        process.kill()
        process.wait()
    return program, plimsoll.Profile.load(plain).samples, list(perf.samples(dwarf, inline=True))


def llvm_symbolizer(program, address):
    """Function, file and line of every frame at the address, innermost first. (addr2line of binutils
    names the wrong function at times.)"""
    tool = shutil.which("llvm-symbolizer") or shutil.which("llvm-symbolizer-14")
    lines = programs.prepare(tool, "--obj=" + program, hex(address)).split("\n\n")[0].splitlines()
    frames = []
    for function, place in zip(lines[::2], lines[1::2]):
        file, line, _ = place.rsplit(":", 2)
        frames.append((bare(function), os.path.normpath(file), int(line)))
    return frames


def bare(function):
    """Without parameters: tools differ in whether they show them."""
    return re.sub(r"\(.*\)( const)?$", "", function)


def test_inlined_functions_and_lines_are_those_of_llvm_symbolizer(inlined):
    program, samples, _ = inlined
    locations = collections.defaultdict(list)
    for sample in samples:
        of_sample = collections.defaultdict(list)
        for frame in sample.stack:
            if frame.mapping == program:
                of_sample[frame.address].append((bare(frame.function), os.path.normpath(frame.file), frame.line))
        locations.update(of_sample)
    deepest = 0
    for address, frames in locations.items():
        expected = llvm_symbolizer(program, address)
        if expected[0][1] == "??":  # _start: of the C library, whose lines nobody has
            continue
        assert frames == expected, hex(address)
        deepest = max(deepest, len(frames))
    assert deepest >= 4  # run, walk, turn, dot
    assert len(locations) > 10


def test_stacks_with_inlined_functions_are_those_of_perf(inlined):
    _, samples, perf_samples = inlined
    ours, theirs = collections.Counter(), collections.Counter()
    for sample in samples:
        names = [bare(f.function) for f in reversed(sample.stack) if not f.mapping.startswith("[kernel")]
        ours[tuple(names[names.index("main"):] if "main" in names else names)] += sample.values["samples"]
    for sample in perf_samples:
        names = [bare(f.function) for f in reversed(sample.stack) if f.mapping != perf.KERNEL]
        theirs[tuple(names[names.index("main"):] if "main" in names else names)] += 1
    for mine, other in ((ours, theirs), (theirs, ours)):
        frequent = {stack for stack, times in mine.items() if times >= sum(mine.values()) / 6}
        assert frequent and not frequent - set(other), (sorted(frequent - set(other)), other.most_common(4))


# --- programs that others have built ---

# Name of the program's process -> the program of programs.py.
DEBIANS = {"xz": "xz", "gzip": "gzip", "openssl": "openssl", "sqlite3": "sqlite3", "perl": "perl", "cc1plus": "g++"}


@pytest.fixture(scope="module")
def debians(base):
    """comm -> Wholeness."""
    with contextlib.ExitStack() as stack:
        pids = [pid for name in DEBIANS.values()
                for pid in stack.enter_context(programs.at_work(name, os.path.join(base, "programs")))]
        targets = [word for pid in pids for word in ("-p", pid)]
        profile = record(os.path.join(base, "debians.pb.gz"), "-F", 499, *targets, seconds=6)
    assert profile.lost == []
    found = collections.defaultdict(wholeness.Wholeness)
    for sample in profile.samples:
        found[sample.labels["comm"]].add_sample(sample)
    return found


@pytest.mark.parametrize("name", DEBIANS)
def test_99_of_100_stacks_of_debians_programs_are_whole(debians, name):
    stacks = debians[name]
    assert stacks.all >= 100
    assert stacks.share >= 99, stacks.broken.most_common(5)
