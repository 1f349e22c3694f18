# SPDX-License-Identifier: Apache-2.0
"""A container that wants to harm who profiles it; see tests/workloads/hostile.c for its tricks."""

import html.parser
import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import plimsoll
from plimsoll import Profile, assert_clean_text, names, total
from rootfs import add_file

TRICKS = ["comm-escapes", "comm-script", "comm-lines", "comm-bytes", "lib-fifo", "lib-zero",
          "lib-sparse", "lib-script", "map-wide", "map-random", "map-fifo", "map-link",
          "map-huge", "map-script"]
# What those tricks that are about the name call themselves.
COMMS = {
    "comm-escapes": "\033[2J\033]0;x\007\rz",
    "comm-script": "<script>a()//",
    "comm-lines": "a;b 7\nhost;c 9",
}
CGROUP = "/hostile-system/\033[31m<script>alert(1)"
SECONDS, FREQUENCY = 4, 499
MEMORY_MAX = 100 << 20
SECRET = "leaked_secret"
SUFFIXES = ["pb.gz", "folded", "svg", "html", "json", "speedscope.json"]


def secrets_of_the_host(base, workloads):
    """A perf map that names all of memory, and a debug file with the build ID of a program: links
    in the container lead to them."""
    folder = os.path.join(base, "secret")
    os.makedirs(folder)
    with open(os.path.join(folder, "perf.map"), "w") as f:
        f.write("0 7fffffffffffffff %s\n" % SECRET)
    subprocess.run(["objcopy", "--redefine-sym", "burn_70=" + SECRET,
                    os.path.join(workloads, "weights-escape.full"),
                    os.path.join(folder, "weights.debug")], check=True)
    return folder


def link_out_of_root(root, workloads, target):
    notes = subprocess.run(["readelf", "-n", os.path.join(workloads, "weights-escape")],
                           capture_output=True, text=True, check=True).stdout
    build_id = notes.split("Build ID: ")[1].split()[0]
    folder = os.path.join(root, "usr/lib/debug/.build-id", build_id[:2])
    os.makedirs(folder)
    os.symlink(target, os.path.join(folder, build_id[2:] + ".debug"))


@pytest.fixture(scope="module")
def hostile(runc, new_root, workloads, base):
    root = new_root("hostile", "hostile", "weights-script")
    secret = secrets_of_the_host(base, workloads)
    add_file(root, os.path.join(workloads, "weights-escape"), "bin/escaping")
    link_out_of_root(root, workloads, os.path.join(secret, "weights.debug"))
    odd = "work/\033[2J\nhost;x 1\n<script>alert(1)"
    add_file(root, os.path.join(workloads, "weights"), odd)
    script = "cd /work\n" + "".join("/bin/hostile %s &\n" % t for t in TRICKS)
    script += '/bin/escaping & /bin/weights-script & "$1" & wait'
    container = runc.run(
        "hostile", ["sh", "-c", script, "-", "/" + odd], root, cgroups_path=CGROUP,
        env=["SECRET=" + os.path.join(secret, "perf.map")],
        annotations={
            "io.kubernetes.cri.sandbox-name": "<script>alert(2)</script>",
            "io.kubernetes.cri.sandbox-namespace": "\033]0;pwned\007",
            "io.kubernetes.cri.image-name": "\"><img src=x onerror=alert(3)>",
        })
    yield container
    runc.remove(container)


@pytest.fixture(scope="module")
def outcome(hostile, base):
    """The recording of the whole host, in every format."""
    paths = {suffix: os.path.join(base, "hostile." + suffix) for suffix in SUFFIXES}
    options = [x for path in paths.values() for x in ("-o", path)]
    result = plimsoll.run("record", "-F", FREQUENCY, "-d", SECONDS, *options,
                          timeout=120, watch_memory=True)
    return result, paths


def read(outcome, suffix):
    with open(outcome[1][suffix], "rb") as f:
        return f.read()


@pytest.fixture(scope="module")
def samples(outcome, hostile):
    return Profile.load(outcome[1]["pb.gz"]).where(container_id=hostile.id)


def test_the_profile_completes_in_time(outcome):
    result = outcome[0].succeeded()
    assert result.seconds < SECONDS + 20, result
    assert_clean_text(result.err_bytes)


def test_memory_is_bounded(outcome):
    assert 0 < outcome[0].memory < MEMORY_MAX


@pytest.mark.parametrize("trick", TRICKS)
def test_every_trick_was_met(samples, trick):
    if trick == "comm-bytes":  # what stands for bytes that are no UTF-8 is not our business
        found = [s for s in samples if not s.labels["comm"].isascii() or "?" in s.labels["comm"]]
    else:
        found = [s for s in samples if s.labels["comm"] == COMMS.get(trick, trick)]
    assert total(found) > 10, {s.labels["comm"] for s in samples}


def test_links_do_not_lead_out_of_the_root(outcome, samples):
    assert total(s for s in samples if s.labels["comm"] == "escaping") > 10
    assert total(s for s in samples if s.labels["comm"] == "map-link") > 10
    assert SECRET not in names(samples)
    for suffix in SUFFIXES[1:]:
        assert SECRET.encode() not in read(outcome, suffix)


def test_the_same_line_in_a_file_of_its_own_is_believed(samples):
    """Else the test above would prove nothing."""
    assert "all_of_memory" in names(s for s in samples if s.labels["comm"] == "map-wide")


def test_nothing_of_noise_is_a_name(samples):
    for comm in ("map-random", "map-huge", "map-fifo"):
        found = names(s for s in samples if s.labels["comm"] == comm)
        assert not [n for n in found if n and not n.isprintable()], found


def test_folded_stacks_are_lines_of_their_own(outcome):
    data = read(outcome, "folded")
    assert_clean_text(data)
    everything = 0
    for line in data.decode().splitlines():
        stack, count = line.rsplit(" ", 1)
        everything += int(count)
        assert line not in ("host;c 9", "host;x 1", "9 1") and ";" in stack, line
    assert everything == total(Profile.load(outcome[1]["pb.gz"]).samples)


@pytest.mark.parametrize("arguments", [
    [], ["--by", "container"], ["--by", "comm"], ["--by", "function"],
    ["--by", "container,thread,function,mapping"]], ids=" ".join)
def test_tables_are_clean(outcome, arguments):
    result = plimsoll.run("report", outcome[1]["pb.gz"], *arguments).succeeded()
    assert_clean_text(result.out_bytes)
    assert_clean_text(result.err_bytes)


def test_a_terminal_gets_no_orders_of_the_container(outcome):
    """On a terminal the table has colours: ours, and no other escape codes."""
    script = "stty cols 150; exec %s report %s" % (plimsoll.BINARY, outcome[1]["pb.gz"])
    shown = subprocess.run(["script", "--quiet", "--return", "--command", script, "/dev/null"],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                           env={**os.environ, "TERM": "xterm"})
    assert shown.returncode == 0 and b"\033[" in shown.stdout
    for order in (b"\033[2J", b"\033]0;", b"\033[31m<script>", b"\007", b"\rz"):
        assert order not in shown.stdout


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_browser_gets_no_script_of_the_container(outcome, suffix):
    data = read(outcome, suffix).replace(b"\t", b"")
    assert_clean_text(data)
    for script in (b"<script>a", b"</title><script>", b"<img src=x"):
        assert script not in data


def scripts_in(svg):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}script")]


def test_the_svg_is_well_formed_and_has_only_its_own_scripts(outcome, workloads, tmp_path):
    harmless = tmp_path / "harmless.svg"
    plimsoll.run("record", "-o", harmless, "--", os.path.join(workloads, "weights"),
                 0.3).succeeded()
    assert len(scripts_in(read(outcome, "svg"))) == len(scripts_in(harmless.read_bytes()))


def test_the_html_has_only_its_own_scripts(outcome):
    class Scripts(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.handlers, self.images = [], 0

        def handle_starttag(self, tag, attributes):
            self.images += tag == "img"
            self.handlers += [a for a, _ in attributes if a.startswith("on")]

    parser = Scripts()
    parser.feed(read(outcome, "html").decode())
    assert not parser.handlers and not parser.images


@pytest.mark.parametrize("suffix", ["json", "speedscope.json"])
def test_json_is_well_formed(outcome, suffix):
    json.loads(read(outcome, suffix))


@pytest.mark.parametrize("arguments", [["ps"], ["ps", "--json"]], ids=" ".join)
def test_ps_is_clean(hostile, arguments):
    result = plimsoll.run(*arguments).succeeded()
    assert_clean_text(result.out_bytes)
    assert hostile.id in result.out


def test_the_container_can_still_be_chosen(hostile, tmp_path):
    profile = plimsoll.record(tmp_path / "p.pb.gz", "-F", FREQUENCY, "-c", "hostile", seconds=1)
    assert {s.labels["container_id"] for s in profile.samples} == {hostile.id}
