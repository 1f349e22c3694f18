# SPDX-License-Identifier: Apache-2.0
"""One recording of real containers, read in other ways and by others."""

import json
import os
import re
import subprocess

import pytest

from plimsoll import Profile, run, share, total

NAMES = ["web-runc", "web-docker", "web-containerd", "web-podman", "app"]
SUFFIXES = ["pb.gz", "folded", "svg", "html", "speedscope.json", "json"]


def folded(text):
    """[(frames, count)]."""
    return [(line.rsplit(" ", 1)[0].split(";"), int(line.rsplit(" ", 1)[1]))
            for line in text.splitlines()]


@pytest.fixture(scope="module")
def stacks(recorded):
    return folded(run("report", recorded, "--format", "folded", "-o", "-").succeeded().out)


def test_folded_stacks_are_rooted_at_container_and_thread(stacks):
    assert {f[0] for f, _ in stacks} >= set(NAMES)
    assert {f[1] for f, _ in stacks if f[0] in NAMES and "main" in f} == {"weights"}


@pytest.mark.parametrize("name", NAMES)
def test_folded_stacks_count_what_the_profile_counts(profile, stacks, name):
    of_name = [(f, n) for f, n in stacks if f[0] == name]
    everything = sum(n for _, n in of_name)
    value = total(profile.where(container=name), "cpu"), total(profile.where(container=name))
    assert everything in value
    hits = sum(n for f, n in of_name if "burn_70" in f)
    assert 100 * hits / everything == pytest.approx(
        share(profile.where(container=name), "burn_70"), abs=0.1)


def table(text):
    """The rows of a table with a key a line: (percentages before, key's words after)."""
    rows = []
    for line in text.splitlines():
        found = re.match(r"\s*((?:\d+\.\d+%?\s+)+)(.*)", line)
        if found:
            rows.append(([float(x.rstrip("%")) for x in found[1].split()], found[2].split()))
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_a_report_by_container_has_the_shares_of_the_profile(recorded, profile, name):
    rows = table(run("report", recorded, "--by", "container").succeeded().out)
    (percent, *_), _ = next(r for r in rows if name in r[1])
    expected = 100 * total(profile.where(container=name)) / total(profile.samples)
    assert percent == pytest.approx(expected, abs=0.06)


def test_a_report_by_several_keys_has_them_all(recorded):
    out = run("report", recorded, "--by", "container,function").succeeded().out
    for name in NAMES:
        assert re.search(r"%s\s+burn_70\b" % name, out), out


def test_every_format_can_be_written_at_once(recorded, tmp_path):
    paths = [tmp_path / ("p." + s) for s in SUFFIXES]
    run("report", recorded, *[x for p in paths for x in ("-o", p)]).succeeded()
    for path in paths:
        assert path.stat().st_size > 500
    assert total(Profile.load(paths[0]).samples) == total(Profile.load(recorded).samples)
    assert b"burn_70" in paths[2].read_bytes() and b"burn_70" in paths[3].read_bytes()
    json.loads(paths[4].read_bytes())
    json.loads(paths[5].read_bytes())


def test_a_recording_can_write_every_format_at_once(burner, tmp_path):
    burner()
    paths = [tmp_path / ("p." + s) for s in SUFFIXES]
    run("record", "-d", 0.5, *[x for p in paths for x in ("-o", p)]).succeeded()
    assert sorted(os.listdir(tmp_path)) == sorted(p.name for p in paths)


def test_a_recording_can_go_to_standard_output(burner):
    burner()
    out = run("record", "-d", 0.5, "-F", 499, "-o", "-", "--format", "folded").succeeded().out
    assert any("burn_70" in frames for frames, _ in folded(out))


# --- go tool pprof ---


def go_top(path, *options):
    """function -> (flat, cum) in seconds."""
    out = subprocess.run(["go", "tool", "pprof", "-top", "-nodecount=1000", "-nodefraction=0",
                          "-unit=ms", *options, path], capture_output=True, text=True, check=True,
                         env={**os.environ, "PPROF_BINARY_PATH": "/nowhere"}).stdout
    rows = {}
    for line in out.splitlines():
        found = re.match(r"\s*([\d.]+)(?:ms)?\s+[\d.]+%\s+[\d.]+%"
                         r"\s+([\d.]+)(?:ms)?\s+[\d.]+%\s+(.*)", line)
        if found:
            rows[found[3].replace(" (inline)", "")] = float(found[1]), float(found[2])
    assert rows, out
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_go_tool_pprof_prints_the_same_top(recorded, tmp_path, name):
    """Of one container: self and total of each function, in plimsoll's table and in pprof's."""
    go = go_top(recorded, "-tagfocus", "container=^%s$" % name)
    everything = sum(flat for flat, _ in go.values())
    rows = table(run("report", recorded, "--by", "container,function").succeeded().out)
    ours = {r[1][-1]: r[0] for r in rows if name in r[1]}
    whole = next(r[0][0] for r in table(run("report", recorded, "--by", "container").out)
                 if name in r[1])
    assert {"burn_70", "burn_20", "burn_10"} <= set(ours)
    for function, (self_percent, total_percent, *_) in ours.items():
        if function not in go:
            continue
        flat, cum = go[function]
        assert self_percent == pytest.approx(whole * flat / everything, abs=0.1), function
        assert total_percent == pytest.approx(whole * cum / everything, abs=0.1), function
    hottest = max(go, key=lambda f: go[f][0])
    assert hottest == max(ours, key=lambda f: ours[f][0]) == "burn_70"


@pytest.fixture(scope="module")
def of_go(tmp_path_factory):
    """kind -> a profile that a Go program wrote of itself."""
    folder = tmp_path_factory.mktemp("go")
    program = os.path.join(os.path.dirname(__file__), "go", "writeprofile", "main.go")
    binary = folder / "writeprofile"
    subprocess.run(["go", "build", "-o", binary, program], check=True, timeout=120,
                   env={**os.environ, "GO111MODULE": "off"})
    for kind in ("cpu", "heap"):
        subprocess.run([binary, kind, folder / (kind + ".pb.gz")], check=True, timeout=60)
    return folder


def folded_share(path, function):
    stacks = folded(run("report", path, "--format", "folded", "-o", "-").succeeded().out)
    return 100 * sum(n for f, n in stacks if function in f) / sum(n for _, n in stacks)


def test_a_cpu_profile_of_go_is_read(of_go):
    """heavy() does three times the steps of light(); the rest is for Go itself."""
    heavy, light = (folded_share(of_go / "cpu.pb.gz", "main." + f) for f in ("heavy", "light"))
    assert heavy + light > 70
    assert heavy / (heavy + light) == pytest.approx(0.75, abs=0.1)


def test_a_heap_profile_of_go_is_read_in_its_own_unit(of_go):
    assert folded_share(of_go / "heap.pb.gz", "main.keep") > 90
    assert "64.0 MiB" in run("report", of_go / "heap.pb.gz").succeeded().out


# --- diff ---


@pytest.fixture(scope="module")
def halves(workloads, tmp_path_factory):
    """Before: weights alone. After: weights, and then the same code under other names. With the
    share of the CPU time of each that weights had: theirs to say, since they ran by the clock."""
    folder = tmp_path_factory.mktemp("halves")
    weights, decoy = (os.path.join(workloads, w) for w in ("weights", "weights-decoy"))
    shares = []
    for name, command in (("before", weights + " 1"), ("after", "%s 1; %s 1" % (weights, decoy))):
        result = run("record", "-F", 999, "-o", folder / (name + ".pb.gz"), "--", "sh", "-c",
                     command).succeeded()
        seconds = [float(x) for x in result.out.split()]
        shares.append(seconds[0] / sum(seconds))
    return folder / "before.pb.gz", folder / "after.pb.gz", shares[1]


def test_a_diff_tells_what_came_and_what_went(halves):
    before, after, part = halves
    out = run("diff", before, after).succeeded().out
    changes = {}
    for line in out.splitlines():
        found = re.search(r"([+-]\d+\.\d+)\s.*\b((?:burn|decoy)_\d+)\b", line)
        if found:
            changes[found[2]] = float(found[1])
    assert changes["burn_70"] == pytest.approx(70 * (part - 1), abs=5), out
    assert changes["decoy_70"] == pytest.approx(70 * (1 - part), abs=5), out


def test_a_diff_of_a_profile_with_itself_is_empty(halves):
    out = run("diff", halves[0], halves[0]).succeeded().out
    changes = re.findall(r"\s([+-]\d+\.\d)\b", out)
    assert changes and set(changes) == {"+0.0"}, out


def test_a_diff_can_be_a_flame_graph(halves, tmp_path):
    run("diff", *halves[:2], "-o", tmp_path / "d.svg").succeeded()
    text = (tmp_path / "d.svg").read_text()
    assert "burn_70" in text and "decoy_70" in text
