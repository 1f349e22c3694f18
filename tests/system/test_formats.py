# SPDX-License-Identifier: Apache-2.0
"""What plimsoll writes, read by others: go tool pprof, speedscope, Chromium, an XML parser."""

import gzip
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
FORMATS = HERE / "formats"
PLIMSOLL = os.environ.get("PLIMSOLL", str(HERE.parents[1] / "build" / "plimsoll"))
SVG = "{http://www.w3.org/2000/svg}"

sys.path.insert(0, str(FORMATS))
from profile_writer import PERIOD, Profile  # noqa: E402

EVIL = "</title><script>window.pwned=1</script>"
EVIL_NAMES = [EVIL, "]]></style><script>window.pwned=2</script>", "\" onload=\"window.pwned=3",
              "' onclick='window.pwned=4", "\x1b[31mred\x07", "\u202egnp.exe", "a;b\nc 99",
              "\ufffe\uffff", "${window.pwned=5}", "&lt;&#60;", "-" * 9000]


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120,
                          **options)


def plimsoll(*arguments):
    done = run(PLIMSOLL, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def node():
    """Runs one of the scripts of formats/ and returns what it observed."""
    if not (FORMATS / "node_modules" / "playwright-core").is_dir():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FORMATS,
                       check=True, stdout=subprocess.DEVNULL)

    def observe(script, *arguments):
        done = run("node", FORMATS / script, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return observe


@pytest.fixture(scope="module")
def kind(tmp_path_factory):
    """A profile of two containers: 70, 20 and 10 samples in web, 100 in db."""
    p = Profile(notes=["host: box", "lost: 12 samples (the sample map was full)"])
    p.add("web", "nginx", ["main", "serve", "deflate_slow"], 70)
    p.add("web", "nginx", ["main", "serve", "k:read_iter"], 20)
    p.add("web", "nginx", ["main"], 10)
    p.add("db", "postgres", ["main", "execute", "scan_table"], 100)
    return p.write(tmp_path_factory.mktemp("kind") / "kind.pb.gz")


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    p = Profile(notes=["lost: " + EVIL], time=1_700_000_000_000_000_000)
    for i, name in enumerate(EVIL_NAMES):
        p.add(name, EVIL_NAMES[i - 1], ["main", name, "work"], 10 + i, mapping="/" + name)
    return p.write(tmp_path_factory.mktemp("evil") / "evil.pb.gz")


@pytest.fixture(scope="module")
def written(kind, evil, tmp_path_factory):
    """written(which, suffix): the file that `plimsoll report` makes of a profile."""
    folder = tmp_path_factory.mktemp("written")
    sources = {"kind": kind, "evil": evil}

    def write(which, suffix):
        path = folder / (which + suffix)
        if not path.exists():
            plimsoll("report", sources[which], "-o", path)
        return path

    return write


def texts(frames):
    return {f["text"] for f in frames}


def find(frames, text):
    found = [f for f in frames if f["text"] == text]
    assert found, f"no frame {text!r} among {sorted(texts(frames))}"
    return found[0]


# --- go tool pprof ---


def pprof_top(path, *options):
    done = run("go", "tool", "pprof", "-top", "-nodecount=100", *options, path)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\s*(\S+)\s+[\d.]+%\s+[\d.]+%\s+(\S+)\s+[\d.]+%\s+(.+?)\s*$", done.stdout,
                      re.M)
    return {name: (flat, cum) for flat, cum, name in rows}


def test_go_tool_pprof_opens_what_we_write(written):
    top = pprof_top(written("kind", ".pb.gz"), "-tagfocus", "container=web")
    assert top["deflate_slow"] == ("700ms", "700ms")
    assert top["read_iter"] == ("200ms", "200ms")
    assert top["main"] == ("100ms", "1000ms")
    assert "scan_table" not in top


def test_go_tool_pprof_opens_hostile_names(written):
    assert pprof_top(written("evil", ".pb.gz"))


# --- speedscope ---


def test_speedscope_imports_everything_and_each_container(written, node):
    seen = node("speedscope.mjs", written("kind", ".speedscope.json"))
    assert not seen["errors"]
    assert "CPU time on box" in seen["title"]
    for name in ("all", "web", "db"):
        assert name in seen["list"]
    table = "\n".join(seen["sandwich"])
    # 2 s in all: 0.7 s is 35 %, 1 s is 50 %.
    assert re.search(r"700\.00ms \(35%\)\s+700\.00ms \(35%\)\s+deflate_slow", table), table
    assert re.search(r"1\.00s \(50%\)\s+1\.00s \(50%\)\s+scan_table", table), table


def test_speedscope_imports_hostile_names(written, node):
    seen = node("speedscope.mjs", written("evil", ".speedscope.json"))
    assert not seen["errors"]
    assert "work" in "\n".join(seen["sandwich"])


# --- SVG ---


def svg_frames(root):
    return [g for g in root.iter(SVG + "g") if (g.get("class") or "").startswith("f ")]


@pytest.mark.parametrize("which", ["kind", "evil"])
def test_the_svg_is_well_formed_and_its_frames_have_titles(written, which):
    root = xml.parse(written(which, ".svg")).getroot()
    frames = svg_frames(root)
    assert len(frames) > 8
    assert all(f.find(SVG + "title") is not None for f in frames)
    # Our script and its data, and none that a name brought.
    assert len(list(root.iter(SVG + "script"))) == 2
    assert not [e for e in root.iter() if any(a.startswith("on") for a in e.attrib)]


def test_the_svg_has_the_functions_under_their_container(written):
    frames = svg_frames(xml.parse(written("kind", ".svg")).getroot())
    by_name = {f.find(SVG + "title").text.split("\n")[0].split(" (")[0]: f.find(SVG + "rect") for f in frames}

    def span(name):
        rect = by_name[name]
        return float(rect.get("x")), float(rect.get("x")) + float(rect.get("width"))

    web, deflate, scan = span("web"), span("deflate_slow"), span("scan_table")
    assert web[0] <= deflate[0] < deflate[1] <= web[1]
    assert scan[1] <= web[0] or scan[0] >= web[1]
    # 70 of 200 samples, of a root 1176 pixels wide.
    assert deflate[1] - deflate[0] == pytest.approx(1176 * 0.35, abs=1)


def test_the_svg_zooms_searches_and_resets(written, node):
    seen = node("svg.mjs", written("kind", ".svg"), "deflate_slow")
    assert not seen["errors"] and not seen["requests"]
    assert seen["heading"] == "CPU time on box"
    assert "200 samples" in seen["facts"]
    assert {"all", "web", "db", "main", "deflate_slow"} <= texts(seen["start"])
    assert "deflate_slow" in seen["tip"] and "35.0 %" in seen["tip"] and "700 ms" in seen["tip"]

    zoomed = find(seen["zoomed"], "deflate_slow")
    assert zoomed["width"] > 1100
    assert "scan_table" not in texts(seen["zoomed"])
    assert seen["resetShown"]
    assert seen["reset"] == seen["start"]

    assert seen["matched"] == "matched 35.0 %"
    assert [f["text"] for f in seen["searched"] if "match" in f["look"]] == ["deflate_slow"]
    assert seen["cleared"] == seen["start"]
    assert seen["wrong"] == 1

    assert find(seen["icicle"], "all")["y"] < find(seen["icicle"], "deflate_slow")["y"]
    assert find(seen["flame"], "all")["y"] > find(seen["flame"], "deflate_slow")["y"]
    assert "(container)" in seen["spoken"]
    # Both containers weigh the same; the first of them is the one that the key chose.
    assert find(seen["keyZoomed"], "scan_table")["width"] > 1100

    assert max(f["x"] + f["width"] for f in seen["narrow"]) <= 700
    for state in ("start", "zoomed", "narrow"):
        assert all(f["textWidth"] <= f["width"] for f in seen[state])


def test_the_svg_of_hostile_names_runs_nothing(written, node):
    seen = node("svg.mjs", written("evil", ".svg"), "work")
    assert seen["pwned"] == "undefined"
    assert not seen["errors"] and not seen["requests"]
    shown = "".join(texts(seen["start"]))
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\\u202egnp.exe" in shown


# --- HTML ---


def test_the_report_sorts_filters_and_zooms(written, node):
    seen = node("html.mjs", written("kind", ".html"), "deflate_slow", "web")
    assert not seen["errors"] and not seen["requests"]
    assert seen["losses"] == ["lost: 12 samples (the sample map was full)"]
    assert {row[0]: row[1] for row in seen["containers"]} == {"web": "50.0 %", "db": "50.0 %"}

    names = [row[4] for row in seen["rows"]]
    assert names[0] == "scan_table" and set(names) >= {"deflate_slow", "read_iter", "main"}
    assert [r[4] for r in seen["byName"]] == sorted(names)
    assert [r[4] for r in seen["byNameBackwards"]] == sorted(names, reverse=True)
    # In all: 1 s of db's three and of web's main, then less and less.
    totals = [r[2] for r in seen["byTotal"]]
    assert totals == ["1.00 s"] * 4 + ["900 ms", "700 ms", "200 ms"]
    assert [r[4] for r in seen["filtered"]] == ["deflate_slow"]

    assert "scan_table" not in texts(seen["zoomed"])
    assert "scan_table" in texts(seen["reset"])
    assert find(seen["clicked"], "deflate_slow")["width"] > 1000
    assert seen["overflow"] <= 0
    assert seen["still"]["rows"] == len(names)
    assert seen["still"]["frames"] == seen["still"]["titles"] == len(seen["reset"])


def test_the_report_of_hostile_names_runs_nothing(written, node):
    seen = node("html.mjs", written("evil", ".html"), "work", "${window.pwned=5}")
    assert seen["pwned"] == "undefined"
    assert not seen["errors"] and not seen["requests"]
    assert EVIL in seen["losses"][0]
    assert EVIL in [row[0] for row in seen["containers"]]


def test_the_report_lets_no_script_run_but_its_own(written, node):
    seen = node("html.mjs", written("kind", ".html"), "deflate_slow", "web")
    assert seen["injected"] == "undefined"
    assert seen["refused"] >= 2


# --- text ---


def test_folded_and_json_agree(written):
    folded = dict(line.rsplit(" ", 1) for line in written("kind", ".folded").read_text().splitlines())
    assert folded == {"web;nginx;main;serve;deflate_slow": "70", "web;nginx;main;serve;read_iter": "20",
                      "web;nginx;main": "10", "db;postgres;main;execute;scan_table": "100"}
    data = json.loads(written("kind", ".json").read_text())
    from_json = {}
    for sample in data["samples"]:
        stack = [data["frames"][f]["function"] for f in reversed(sample["stack"])]
        path = ";".join([sample["labels"]["container"], sample["labels"]["thread"], *stack])
        from_json[path] = str(sample["values"][0])
    assert from_json == folded
    assert data["totals"]["values"] == [200, 200 * PERIOD]


def test_hostile_names_cannot_forge_folded_lines(written):
    lines = written("evil", ".folded").read_text().splitlines()
    assert len(lines) == len(EVIL_NAMES)
    assert all(line.count(";") == 4 for line in lines)


def test_hostile_names_cannot_drive_a_terminal(evil):
    text = plimsoll("report", evil)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_pprof_round_trip_keeps_every_sample(kind, written, tmp_path):
    again = tmp_path / "again.folded"
    plimsoll("report", written("kind", ".pb.gz"), "-o", again)
    assert again.read_text() == written("kind", ".folded").read_text()
    assert gzip.decompress(written("kind", ".pb.gz").read_bytes())


# --- comparison ---


def test_a_differential_flame_graph_tells_growth_from_shrinking(tmp_path):
    before, after = Profile(), Profile()
    before.add("web", "t", ["main", "slower"], 50)
    before.add("web", "t", ["main", "faster"], 50)
    # Recorded for twice as long: 50 % became 80 %, not 320 %.
    after.add("web", "t", ["main", "slower"], 160)
    after.add("web", "t", ["main", "faster"], 40)
    out = tmp_path / "diff.svg"
    plimsoll("diff", before.write(tmp_path / "a.pb.gz"), after.write(tmp_path / "b.pb.gz"), "-o", out)
    looks = {f.find(SVG + "title").text.split("\n")[0]: (f.get("class"), f.find(SVG + "title").text)
             for f in svg_frames(xml.parse(out).getroot())}
    assert looks["slower"][0].startswith("f r")
    assert looks["faster"][0].startswith("f b")
    assert looks["main"][0] == "f n0"
    assert "before 50.0 %" in looks["slower"][1] and "after 80.0 %" in looks["slower"][1]
