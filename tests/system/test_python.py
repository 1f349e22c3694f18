# SPDX-License-Identifier: Apache-2.0
"""
Python functions by name, file and line, between the C functions that call them and that they call:
in each Python of 3.8 and later that is installed, in stripped ones, in one that a C program embeds,
and in a container. All of them run side by side and are recorded at once; what they do is
arithmetic (tests/workloads/python/shares.py).

Versions that are not installed are not tested: Debian's own always is.
"""

import glob
import math
import collections
import os
import shutil
import signal
import subprocess
import sysconfig
import time

import pytest

import leftovers
import plimsoll
from plimsoll import Recording, record, total
from rootfs import add_file

HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOADS = os.path.join(HERE, "..", "workloads", "python")
SHARES = os.path.join(WORKLOADS, "shares.py")
DEBIAN = "/usr/bin/python3"
PYENV = os.path.expanduser(os.environ.get("PYENV_ROOT", "~/.pyenv"))
OLDEST, NEWEST = (3, 8), (3, 13)
WARM_UP, SECONDS = 4, 10
# The same function in the symbol table of every version.
EVAL = "_PyEval_EvalFrameDefault"


def version(python):
    out = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"],
                         capture_output=True, text=True).stdout.split()
    return tuple(map(int, out)) if out else (0, 0)


def installed():
    """name -> path of each Python that we have to know."""
    found = {"debian": DEBIAN}
    for path in sorted(glob.glob(os.path.join(PYENV, "versions", "*", "bin", "python3"))):
        if OLDEST <= version(path) <= NEWEST:
            found["%d.%d" % version(path)] = path
    return found


PYTHONS = installed()
# Stripped: copies of the oldest and the newest that have symbols.
STRIPPED = [name for name in PYTHONS if name != "debian"]
STRIPPED = sorted({STRIPPED[0], STRIPPED[-1]}) if STRIPPED else []
ALL = [*PYTHONS, *("stripped " + name for name in STRIPPED), "embedded", "container"]


def strip(name, folder):
    """A copy of a Python without symbols: command and environment."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(PYTHONS[name])))
    os.makedirs(folder)
    program = os.path.join(folder, "python")
    subprocess.run(["strip", "-o", program, os.path.realpath(PYTHONS[name])], check=True)
    for library in glob.glob(os.path.join(home, "lib", "libpython3.*.so.*")):
        subprocess.run(["strip", "-o", os.path.join(folder, os.path.basename(library)), library],
                       check=True)
    return [program, SHARES], {"PYTHONHOME": home, "LD_LIBRARY_PATH": folder}


def embed(folder):
    """A C program that runs Python through its library."""
    os.makedirs(folder)
    program = os.path.join(folder, "embed")
    config = "/usr/bin/python3-config"
    flags = [subprocess.run([config, "--embed", option], capture_output=True, text=True,
                            check=True).stdout.split() for option in ("--includes", "--ldflags")]
    subprocess.run(["gcc", "-O2", *flags[0], "-o", program, os.path.join(WORKLOADS, "embed.c"),
                    *flags[1]], check=True)
    return [program, SHARES], {}


def run_in_container(runc, root):
    """Debian's Python in a container of its own, as process 1 there."""
    library = sysconfig.get_path("stdlib")
    add_file(root, os.path.realpath(DEBIAN), "usr/bin/python3")
    listed = subprocess.run(["ldd", DEBIAN], capture_output=True, text=True, check=True).stdout
    for word in listed.split():
        if word.startswith("/"):
            add_file(root, os.path.realpath(word), word)
    shutil.copytree(library, os.path.join(root, library.lstrip("/")), symlinks=False,
                    ignore=shutil.ignore_patterns("test", "dist-packages", "*.a", "config-*"),
                    ignore_dangling_symlinks=True)
    add_file(root, SHARES, "srv/shares.py")
    return runc.run("python", ["/usr/bin/python3", "-S", "/srv/shares.py"], root)


@pytest.fixture(scope="module")
def samples(base, new_root, runc):
    """name -> the samples of that Python, all recorded at the same time."""
    folder = os.path.join(base, "python")
    os.makedirs(folder)
    commands = {name: ([path, SHARES], {}) for name, path in PYTHONS.items()}
    for name in STRIPPED:
        commands["stripped " + name] = strip(name, os.path.join(folder, "stripped-" + name))
    commands["embedded"] = embed(os.path.join(folder, "embedded"))
    started = {name: subprocess.Popen(command, env={**leftovers.marked_environment(), **settings})
               for name, (command, settings) in commands.items()}
    container = run_in_container(runc, new_root("python"))
    pids = {name: process.pid for name, process in started.items()}
    pids["container"] = container.pid
    try:
        choice = [word for pid in pids.values() for word in ("-p", pid)]
        with Recording(os.path.join(folder, "all.pb.gz"), "-F", 999, *choice) as recording:
            time.sleep(WARM_UP)
            for pid in pids.values():
                os.kill(pid, signal.SIGUSR1)
            time.sleep(SECONDS)
    finally:
        for process in started.values():
            process.kill()
            process.wait()
        runc.remove(container)
    return {name: recording.profile.where(pid=pid, thread="serving") for name, pid in pids.items()}


def is_python(frame):
    return frame.mapping == "[python]"


def ends_with(frame, name):
    """3.11 and later know the class that a method belongs to."""
    return is_python(frame) and frame.function.split(".")[-1] == name


def with_frame(samples, name):
    return total(s for s in samples if any(ends_with(f, name) for f in s.stack))


def line_of(mark):
    with open(SHARES) as f:
        return next(i for i, line in enumerate(f, 1) if line.rstrip().endswith("# " + mark))


@pytest.mark.parametrize("python", ALL)
def test_shares_are_what_they_are_by_arithmetic(samples, python):
    heavy, light = (with_frame(samples[python], name) for name in ("heavy", "light"))
    assert heavy + light > 150
    deviation = math.sqrt(0.7 * 0.3 / (heavy + light))
    assert abs(heavy / (heavy + light) - 0.7) < 5 * deviation, (heavy, light)


@pytest.mark.parametrize("python", ALL)
def test_stacks_are_whole(samples, python):
    """From the function that runs down to the module or the thread's beginning, without holes: the
    native function that executes Python is not seen itself."""
    def is_whole(sample):
        outermost = [f for f in sample.stack if is_python(f)][-1:]
        return (outermost and outermost[0].function in ("<module>", "_bootstrap", "Thread._bootstrap")
                and not any(f.function in (EVAL, "[truncated]") for f in sample.stack))

    everything = total(samples[python])
    whole = total(s for s in samples[python] if is_whole(s))
    assert everything > 150
    assert everything - whole <= max(5, everything / 100), \
        "%d of %d: %s" % (whole, everything,
                          [[f.function for f in s.stack] for s in samples[python]
                           if not is_whole(s)][:5])


@pytest.mark.parametrize("python", ALL)
def test_functions_have_files_and_lines(samples, python):
    path = "/srv/shares.py" if python == "container" else SHARES
    for name in ("heavy", "light"):
        frames = collections.Counter()
        for s in samples[python]:
            for f in s.stack:
                if ends_with(f, name):
                    frames[f.file, f.line] += s.values["samples"]
        body = line_of("line of " + name)
        # Its first instruction belongs to the line of the `def`.
        assert set(frames) <= {(path, body), (path, body - 1)}
        assert frames[path, body] > 0.98 * sum(frames.values())


@pytest.mark.parametrize("python", ALL)
def test_c_stands_between_the_python_functions_that_it_was_called_by_and_calls(samples, python):
    """by_sort() calls the C function sorted(), which calls Handler.__call__()."""
    sorts = [s for s in samples[python] if any(ends_with(f, "by_sort") for f in s.stack)]
    assert sorts
    wrong = 0
    for s in sorts:
        at = next(i for i, f in enumerate(s.stack) if ends_with(f, "by_sort"))
        calls = [i for i, f in enumerate(s.stack[:at]) if ends_with(f, "__call__")]
        # Just before the call and after it there is none.
        if calls and all(is_python(f) for f in s.stack[calls[-1] + 1:at]):
            wrong += s.values["samples"]
    assert wrong <= total(sorts) / 100


@pytest.mark.parametrize("python", ALL)
def test_native_frames_stay_above_and_below(samples, python):
    """The process or thread begins in C; the clock that spin() reads is C."""
    def is_native(frame):
        return not is_python(frame) and not frame.mapping.startswith("[kernel")

    whole = [s for s in samples[python] if any(is_python(f) for f in s.stack)]
    begins = total(s for s in whole if is_native(s.stack[-1]))
    assert begins >= 0.99 * total(whole)
    assert any(is_native(f) for s in whole
               for f in s.stack[:next(i for i, f in enumerate(s.stack) if is_python(f))])


def test_embedding_program_calls_its_modules(samples):
    for s in samples["embedded"]:
        functions = [f.function for f in s.stack]
        if "<module>" in functions and "run_python" in functions:
            assert functions.index("<module>") < functions.index("run_python")
            return
    raise AssertionError("run_python() is on no stack that has a module")


# --- code that comes and goes, processes that lie ---


@pytest.fixture
def start(base):
    """start(PYTHON, ARGUMENT...): ended with the test."""
    started = []

    def run(*command):
        process = subprocess.Popen(command, env=leftovers.marked_environment())
        started.append(process)
        return process

    yield run
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_short_lived_process_has_names(base):
    """Half a second from beginning to end: names are read while it lives."""
    script = ("import time\n"
              "def brief():\n"
              "    end = time.time() + 0.5\n"
              "    while time.time() < end: sum(range(100))\n"
              "brief()\n")
    with Recording(os.path.join(base, "brief.pb.gz"), "-F", 999) as recording:
        process = subprocess.Popen([DEBIAN, "-c", script], env=leftovers.marked_environment())
        process.wait()
    found = recording.profile.where(pid=process.pid)
    assert total(found) > 200
    assert with_frame(found, "brief") > 0.8 * total(found)


@pytest.mark.skipif(version(DEBIAN) != (3, 11), reason="knows the structures of 3.11 only")
@pytest.mark.parametrize("what", ["thread", "frames", "pointer"])
def test_garbage_in_the_interpreter_costs_python_frames_only(base, start, what):
    """No thread found, an endless chain of frames, a frame that is nowhere: each is counted or cut,
    the native stack stays, and the recorder ends in time."""
    process = start(DEBIAN, os.path.join(WORKLOADS, "garbage.py"), what)
    plimsoll.wait_until(lambda: process.poll() is None and
                        os.path.exists("/proc/%d" % process.pid))
    profile = record(os.path.join(base, "garbage-%s.pb.gz" % what), "-F", 499, "-p", process.pid,
                     seconds=3)
    found = profile.where(pid=process.pid)
    functions = plimsoll.names(found)
    assert total(found) > 300
    if what == "thread":
        assert plimsoll.share(found, EVAL) > 90
        assert any("Python" in note for note in profile.lost), profile.notes
    if what == "frames":
        assert plimsoll.share(found, "compute") > 90
        assert plimsoll.share(found, "[truncated]") > 90
    if what == "pointer":
        assert plimsoll.share(found, "compute") > 90
        assert plimsoll.share(found, "_start") > 90
    assert "[python]" not in functions


# --- what the layouts rest on ---


def headers():
    """The folders with the headers of each Python that is installed with them."""
    found = {}
    for name, python in PYTHONS.items():
        include = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
            capture_output=True, text=True, check=True).stdout.strip()
        if os.path.isdir(os.path.join(include, "internal")):
            found[name] = include
    return found


@pytest.mark.parametrize("name", headers())
def test_layouts_are_those_of_the_headers(tmp_path, name):
    include, top = headers()[name], os.path.join(HERE, "..", "..")
    program = str(tmp_path / "headers")
    # Of python_layout.c only the table is used; what finds versions in files is left out.
    subprocess.run(["gcc", "-w", "-std=gnu11", "-D_GNU_SOURCE", "-ffunction-sections",
                    "-Wl,--gc-sections", "-I" + include, "-I" + os.path.join(include, "internal"),
                    "-I" + os.path.join(top, "src"), "-I" + top, "-o", program,
                    os.path.join(top, "tests/unit/python_headers.c"),
                    os.path.join(top, "src/symbol/python_layout.c")], check=True)
    compared = subprocess.run([program], capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout
