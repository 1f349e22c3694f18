# SPDX-License-Identifier: Apache-2.0
"""
Functions have names, in whatever shape a program comes. All shapes run side by side in a container,
which is recorded twice: once it was there before, once it starts and ends within the recording.
Each shape has a build ID of its own, so that none can borrow another's symbols.
"""

import os
import re
import shutil
import subprocess
import time

import pytest

import plimsoll
from plimsoll import Recording, assert_weights, names, record, self_share, share, total
from rootfs import add_file

# Program in the container -> workload; a name of 15 characters at most is all of its comm.
SHAPES = {
    "plain": "weights",                 # .symtab, static, at a fixed address
    "pie": "weights-pie",               # static, anywhere
    "dynamic": "weights-dynamic",       # with an interpreter and a C library
    "musl": "weights-musl",
    "stripped": "weights-stripped",     # debug file by build ID, in the container's /usr/lib/debug
    "linked": "weights-linked",         # debug file by .gnu_debuglink, beside it
    "mini": "weights-mini",             # .gnu_debugdata
    "deleted": "weights-deleted",       # the file is gone while it runs
    "replaced": "weights-replaced",     # another file has its path by then
    "brief": "weights-brief",           # ends after a second, and its file goes with it
    "cpp": "names-cpp",
    "rust": "names-rust",
    "jit": "jit",
    "clock": "clock",
    "threads": "threads",
    "deep": "deep",
    "deeper": "deep",
}
# All at once, so that they share the CPUs.
SCRIPT = """
cd /work
for p in deleted replaced brief; do cp /bin/$p $p; done
cp /bin/weights-decoy decoy
./deleted $1 & ./replaced $1 & (./brief 1; rm brief) &
for p in plain pie dynamic musl stripped linked mini cpp rust jit clock threads; do
	/bin/$p $1 &
done
/bin/deep 50 $1 & /bin/deeper 500 $1 &
sleep 0.2
rm deleted; mv decoy replaced
wait
"""
WHEN = ["before", "within"]
SECONDS = 4


def add_libraries(root, program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        add_file(root, os.path.realpath(library), library)


@pytest.fixture(scope="module")
def shapes_root(new_root, workloads):
    root = new_root("shapes", "weights-decoy")
    for program, workload in SHAPES.items():
        add_file(root, os.path.join(workloads, workload), "bin/" + program)
    add_libraries(root, os.path.join(workloads, "weights-dynamic"))
    shutil.copytree(os.path.join(workloads, "debug"), os.path.join(root, "usr/lib/debug"),
                    dirs_exist_ok=True)
    add_file(root, os.path.join(workloads, "weights-linked.debug"), "bin/weights-linked.debug")
    return root


@pytest.fixture(scope="module")
def shapes(runc, shapes_root, base):
    """when -> samples of the container."""
    path = os.path.join(base, "shapes.pb.gz")
    container = runc.run("before", ["sh", "-c", SCRIPT, "-", 600], shapes_root)
    time.sleep(1)
    before = record(path, "-F", 999, seconds=SECONDS)
    runc.remove(container)
    with Recording(path, "-F", 999) as recording:
        runc.run_to_end("within", ["sh", "-c", SCRIPT, "-", SECONDS], shapes_root)
    return {"before": before.where(container="before"),
            "within": recording.profile.where(container="within")}


def program(shapes, when, comm):
    samples = [s for s in shapes[when] if s.labels["comm"] == comm]
    assert total(samples) >= 50, "%d of %d" % (total(samples), total(shapes[when]))
    return samples


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("comm", [
    "plain", "pie", "dynamic", "musl", "stripped", "linked", "mini", "deleted", "replaced"])
def test_functions_are_named(shapes, when, comm):
    samples = program(shapes, when, comm)
    # Of some 300 samples; three functions that are named at random would be far off.
    assert_weights(samples, points=7)
    assert not [n for n in names(samples) if n.startswith("decoy_")]


def test_functions_of_a_process_that_has_exited_are_named(shapes):
    assert_weights(program(shapes, "within", "brief"), points=12)


@pytest.mark.parametrize("when", WHEN)
def test_cpp_names_are_demangled(shapes, when):
    found = names(program(shapes, when, "cpp"))
    for name in (r"shop::cart::Basket<std::.*>::total\b",
                 r"shop::cart::Basket<std::.*>::operator==",
                 r"main::\{lambda\(\)#1\}::operator\(\)",
                 r"call<main::\{lambda\(\)#1\}>"):
        assert any(re.search(name, n) for n in found), found
    assert not [n for n in found if n.startswith("_Z")]


@pytest.mark.parametrize("when", WHEN)
def test_rust_names_are_demangled(shapes, when):
    found = names(program(shapes, when, "rust"))
    for name in ("names::ledger::audit", "names::main::{{closure}}", "names::apply",
                 "<names::ledger::Book<T> as names::ledger::Account>::settle"):
        assert any(n.startswith(name) for n in found), found
    assert not [n for n in found if n.startswith("_ZN") or re.search("::h[0-9a-f]{16}$", n)]


@pytest.mark.parametrize("when", WHEN)
def test_jit_functions_are_named_by_the_perf_map_of_the_inner_pid(shapes, when):
    samples = program(shapes, when, "jit")
    assert abs(share(samples, "render") - 75) < 7
    assert abs(share(samples, "parse") - 25) < 7


@pytest.mark.parametrize("when", WHEN)
def test_the_vdso_is_named(shapes, when):
    samples = program(shapes, when, "clock")
    in_vdso = [s for s in samples for f in s.stack
               if f.mapping == "[vdso]" and "clock_gettime" in f.function]
    assert total(in_vdso) > 0.2 * total(samples), names(samples)


@pytest.mark.parametrize("when", WHEN)
def test_threads_have_names(shapes, when):
    for thread in ("reader", "writer", "compactor"):
        samples = [s for s in program(shapes, when, "threads") if s.labels["thread"] == thread]
        assert total(samples) >= 20
        assert share(samples, "run_" + thread) > 97
        assert all(s.labels["tid"] != s.labels["pid"] for s in samples)


# Of the samples that end early, %: those of the moment before the program's unwind tables are there.
# Twenty programs begin at once, and what builds the tables shares two CPUs with them.
CUT_SHORT = {"before": 3, "within": 50}


def assert_depth(samples, when, is_right):
    wrong = [s for s in samples if not is_right(s)]
    assert samples and total(wrong) <= CUT_SHORT[when] / 100 * total(samples), wrong[:1]
    for sample in wrong:
        functions = [f.function for f in sample.stack]
        assert functions == ["bottom", *(len(functions) - 2) * ["descend"], "[truncated]"]


@pytest.mark.parametrize("when", WHEN)
def test_a_stack_has_as_many_frames_as_calls(shapes, when):
    assert_depth([s for s in program(shapes, when, "deep") if s.stack[0].function == "bottom"], when,
                 lambda s: [f.function for f in s.stack][:52] == ["bottom", *50 * ["descend"], "main"])


@pytest.mark.parametrize("when", WHEN)
def test_a_stack_that_is_too_deep_says_so(shapes, when):
    samples = [s for s in program(shapes, when, "deeper") if s.stack[0].function == "bottom"]
    assert all(s.stack[-1].function == "[truncated]" for s in samples)
    assert_depth(samples, when, lambda s: sum(f.function == "descend" for f in s.stack) >= 120)


def test_kernel_functions_are_named(runc, weights_root, tmp_path):
    container = runc.run("copies", ["dd", "if=/dev/zero", "of=/dev/null", "bs=64k"], weights_root)
    samples = record(tmp_path / "p.pb.gz", "-F", 999, "-c", "copies", seconds=1).samples
    runc.remove(container)
    kernel = [f for s in samples for f in s.stack if f.mapping == "[kernel.kallsyms]"]
    assert share(samples, "vfs_read") > 50, names(samples)
    assert not [f.function for f in kernel if f.function.startswith("[") or not f.function]


def test_next_to_nothing_is_unnamed(shapes):
    samples = shapes["before"] + shapes["within"]
    unnamed = [s for s in samples
               if s.stack and re.fullmatch(r"\[.*\+0x.*\]|", s.stack[0].function)]
    assert total(unnamed) < 0.02 * total(samples), sorted({s.stack[0][:2] for s in unnamed})


def test_the_innermost_frame_is_where_the_time_goes(shapes):
    samples = program(shapes, "before", "plain")
    assert abs(self_share(samples, "burn_70") - 70) < 7
    assert plimsoll.self_share(samples, "main") < 3
