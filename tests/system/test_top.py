# SPDX-License-Identifier: Apache-2.0
"""
top in a terminal (tmux is one): what stands on the screen, what keys do, and how it leaves.

One container burns under a quota of half a CPU, another sleeps, a third has a name that would drive
a terminal.
"""

import os
import re
import shlex
import subprocess
import tempfile
import time

import pytest

import leftovers
import plimsoll
from plimsoll import wait_until

# The beginning of a control sequence that clears the screen, bells, what runs from right to left,
# and letters two columns wide.
HOSTILE = "evil\x1b[2J\x07\u202e漢字漢字漢字漢字漢字"
QUOTA = {"cpu": {"quota": 50000, "period": 100000}}


@pytest.fixture(scope="module")
def containers(runc, new_root):
    root = new_root("top", "weights")
    made = [
        runc.run("top-burns", ["/bin/weights"], root, resources=QUOTA, memory_limit=64 << 20),
        runc.run("top-sleeps", ["/bin/sleep", "3600"], root),
        # runc takes no such name; an annotation of a Kubernetes runtime does.
        runc.run("top-evil", ["/bin/sleep", "3600"], root,
                 cgroups_path="/kubepods/burstable/pod0f1e2d3c-1111-2222-3333-444455556677/top-evil",
                 annotations={"io.kubernetes.cri.container-name": HOSTILE,
                              "io.kubernetes.cri.sandbox-name": "pod-" + HOSTILE,
                              "io.kubernetes.cri.sandbox-namespace": "top"}),
    ]
    yield {c.name: c for c in made}
    for container in made:
        runc.remove(container)


class Screen:
    """plimsoll top in a terminal of its own."""

    def __init__(self, columns, lines, *args, term="screen-256color", env=()):
        self.folder = tempfile.mkdtemp(prefix="plimsoll-top-")
        self.socket = os.path.join(self.folder, "tmux")
        command = " ".join(map(shlex.quote, [plimsoll.BINARY, "top", "-d", "1", *args]))
        variables = " ".join(["TERM=" + term, "COLORTERM=", *env])
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
                  "%s sh -c 'trap : INT; %s; echo left with $?; stty -a; exec sleep 60'" % (
                      "env " + variables, command), env=leftovers.marked_environment())

    def tmux(self, *args, **how):
        return subprocess.run(["tmux", "-S", self.socket, *args], check=True, capture_output=True,
                              text=True, **how).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)
        subprocess.run(["rm", "-rf", self.folder])

    def lines(self):
        return self.tmux("capture-pane", "-p").split("\n")

    def coloured(self):
        return self.tmux("capture-pane", "-e", "-p")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)
        return self

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def wait_for(self, condition, seconds=120):
        """`condition` of the lines; a text: some line has it. Long: a busy host may give the
        burner less than its quota for a while."""
        check = condition if callable(condition) else (
            lambda lines: any(condition in line for line in lines))
        try:
            wait_until(lambda: check(self.lines()), seconds)
        except AssertionError:
            raise AssertionError("never so:\n" + "\n".join(self.lines()))
        return self.lines()


def row_of(lines, name):
    return next((line for line in lines if line.startswith(name)), None)


def cpu_of(lines, name):
    row = row_of(lines, name)
    return float(row.split()[1]) if row else None


def shows_burner(lines):
    return 25 < (cpu_of(lines, "top-burns") or 0) < 75


@pytest.mark.parametrize("columns, rows", [(80, 24), (200, 50)])
def test_screen_shows_containers_with_what_they_use(containers, columns, rows):
    with Screen(columns, rows) as screen:
        lines = screen.wait_for(shows_burner)
        head = lines[1]
        for word in ("NAME", "CPU%", "LIM%", "LEDGER", "P99", "THR%", "MEM", "MAX", "THRDS"):
            assert word in head, head
        row = row_of(lines, "top-burns")
        limit = float(row.split()[2])
        assert abs(limit - 2 * cpu_of(lines, "top-burns")) < 2, row
        # One thread, stopped for what its quota leaves.
        assert row.split()[-1] == "1" and row.split()[-2] == "64M", row
        assert "T" in row[len("top-burns"):], row
        assert all(len(line) <= columns for line in lines)
        assert "U user" in "\n".join(lines) and "q quit" in lines[rows - 1]


def test_keys_sort_filter_hold_still_and_help(containers):
    with Screen(80, 24, "--sort", "cpu") as screen:
        screen.wait_for(shows_burner)
        screen.keys("?")
        screen.wait_for("any key goes back")
        screen.keys("x")
        screen.keys("<")
        screen.wait_for("sort: name")
        names = [line.split()[0] for line in screen.lines()[2:] if line.startswith("top-")]
        assert names == sorted(names) and len(names) >= 2, names
        screen.keys("r")
        screen.wait_for(lambda lines: [line.split()[0] for line in lines[2:]
                                       if line.startswith("top-")] == names[::-1])
        screen.keys("/").keys("-l", "SLEEPS").keys("Enter")
        lines = screen.wait_for("1 shown")
        assert row_of(lines, "top-sleeps") and not row_of(lines, "top-burns"), lines
        screen.keys("Escape")
        screen.wait_for(lambda lines: row_of(lines, "top-burns"))
        screen.keys("Space")
        screen.wait_for("PAUSED")
        time.sleep(0.5)
        still = screen.lines()[2:]
        time.sleep(2.5)
        assert screen.lines()[2:] == still
        screen.keys("Space")
        screen.wait_for(lambda lines: "PAUSED" not in lines[0])
        screen.keys("t")
        lines = screen.wait_for(lambda lines: row_of(lines, "top/pod-evil"))
        assert any(line.startswith("  evil") for line in lines), lines
        screen.keys("q")
        screen.wait_for("left with 0")


def test_container_opens_to_threads_and_stacks(containers):
    with Screen(100, 40, "-c", "top-burns") as screen:
        screen.wait_for(shows_burner)
        screen.keys("Enter")
        lines = screen.wait_for(lambda lines: any(
            re.match(r" *\d+\.\d% burn\d* < main", line) or
            re.match(r" *\d+\.\d% .*burn.* < ", line) for line in lines))
        text = "\n".join(lines)
        assert str(containers["top-burns"].pid) in text and "weights" in text, text
        assert "throttled" in text and "HOTTEST FUNCTIONS" in text, text
        screen.keys("Escape")
        screen.wait_for("sort: cpu")
        screen.keys("Enter")
        screen.wait_for("HOTTEST FUNCTIONS")
        screen.keys("BSpace")
        screen.wait_for("sort: cpu")
        screen.keys("C-c")
        screen.wait_for("left with 0")


def test_screen_follows_the_terminals_size(containers):
    with Screen(80, 24) as screen:
        screen.wait_for(shows_burner)
        for columns, rows in ((120, 40), (40, 10), (20, 5), (1, 1), (80, 24)):
            screen.resize(columns, rows)
            time.sleep(0.3)
        lines = screen.wait_for(lambda lines: "q quit" in lines[23] and shows_burner(lines))
        assert all(len(line) <= 80 for line in lines)


def test_terminal_is_as_it_was_after_interrupt(containers):
    with Screen(80, 24) as screen:
        screen.wait_for(shows_burner)
        screen.keys("C-c")
        screen.wait_for("left with 0")
        lines = screen.wait_for("icanon")  # set or not
        text = "\n".join(lines)
        assert " icanon" in text and " echo " in text and "q quit" not in text, text


@pytest.mark.parametrize("term, env, colours", [
    ("xterm-256color", (), r"\x1b\[[0-9;]*48;5;34"),
    ("xterm", (), r"\x1b\[[0-9;]*42"),
    ("screen", (), r"\x1b\[[0-9;]*42"),
    ("vt100", (), None),
    ("xterm-256color", ("NO_COLOR=1",), None),
])
def test_bar_has_the_colours_of_the_terminal(containers, term, env, colours):
    with Screen(80, 24, "-c", "top-*", term=term, env=env) as screen:
        screen.wait_for(shows_burner)
        # Not under the cursor.
        screen.keys("G")
        time.sleep(0.5)
        coloured = screen.coloured()
        if colours:
            assert re.search(colours, coloured), repr(coloured)
        else:
            assert not re.search(r"\x1b\[[0-9;]*(3|4)[0-8]", coloured), repr(coloured)
        bar = row_of(screen.lines(), "top-burns")
        assert "U" in bar and "T" in bar, bar


def test_hostile_name_stays_in_its_place(containers):
    with Screen(80, 24, "-c", "top*/*", "-c", "top-burns") as screen:
        lines = screen.wait_for(lambda lines: row_of(lines, "evil") and shows_burner(lines))
        assert "\\x1b" in "".join(lines) or "\\e" in "".join(lines), lines
        assert "\u202e" not in "".join(lines)
        # Whatever stands in the name, the figures begin in their column.
        evil, burns = row_of(lines, "evil"), row_of(lines, "top-burns")
        wide = sum(1 for c in evil if ord(c) > 0x2e80)
        assert len(evil) + wide <= 80 and len(burns) <= 80


def test_batch_is_a_block_an_interval_in_fixed_columns(containers):
    result = plimsoll.run("top", "--batch", "-n", 3, "-d", 1, "-c", "top*").succeeded()
    blocks = result.out.strip().split("\n\n")
    assert len(blocks) == 3, result
    assert "\x1b" not in result.out
    for block in blocks:
        title, head, *rows = block.split("\n")
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+\.\d{3} s, \d+ containers", title)
        names = head.split()
        assert names[-1] == "NAME"
        table = {}
        for row in rows:
            cells = row.split(None, len(names) - 1)
            assert len(cells) == len(names), row
            table[cells[-1].strip()] = dict(zip(names, cells))
        burns = table["top-burns"]
        assert 1 < float(burns["CPU%"]) < 75, burns
        states = names[names.index("user"):-1]
        for row in table.values():
            assert abs(sum(float(row[s]) for s in states) - 100) < 1, row
        assert float(table["top-sleeps"]["idle"]) > 99


def test_plain_tells_in_words_what_is_and_then_what_changes(containers):
    result = plimsoll.run("top", "--plain", "-n", 3, "-d", 1, "-c", "top*").succeeded()
    assert result.out.isprintable() or set(c for c in result.out if not c.isprintable()) == {"\n"}
    said = [line for line in result.out.split("\n") if "top-sleeps" in line]
    # Nothing of it changes, so it is said once.
    assert len(said) == 1 and said[0].startswith("New: top-sleeps: CPU 0 percent."), result
    assert "idle 100 percent" in said[0]
    burns = next(line for line in result.out.split("\n") if "top-burns" in line)
    assert "percent of its limit" in burns and "throttled" in burns


def test_no_terminal_is_told_what_to_do():
    plimsoll.run("top").failed(2, "--batch", "--plain")


def test_unknown_terminal_is_told_what_to_do(containers):
    with Screen(80, 24, term="no-such-terminal") as screen:
        screen.wait_for("left with 1")
        text = " ".join("\n".join(screen.lines()).split())
        assert "no-such-terminal" in text and "--batch" in text


@pytest.mark.parametrize("arguments, word", [
    (["--sort", "cpus"], "did you mean 'cpu'"),
    (["-d", "0"], "seconds"),
    (["--batch", "--plain"], "exclude"),
    (["-n", "3"], "--batch"),
    (["web"], "unexpected"),
])
def test_wrong_usage_is_explained(arguments, word):
    plimsoll.run("top", *arguments).failed(2, word)
