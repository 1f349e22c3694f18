# SPDX-License-Identifier: Apache-2.0
"""
perf as a second opinion: what `perf script` makes of a recording.

A stack is a list of Frame, leaf first, as plimsoll.py has them, kernel frames under
[kernel.kallsyms]; inlined ones only if perf was asked for them.
"""

import collections
import functools
import re
import subprocess

KERNEL = "[kernel.kallsyms]"

Frame = collections.namedtuple("Frame", "function mapping address")
Sample = collections.namedtuple("Sample", "pid tid comm stack")


class Failed(AssertionError):
    """perf itself did: 6.1 crashes now and then, and another attempt may succeed."""


# -B: reading build IDs at the end crashes perf 6.1 now and then ("buffer overflow detected").
def record_command(path, *arguments, frequency, stack=16384):
    return ["perf", "record", "-qB", "-F", str(frequency), "-e", "cpu-clock", "--call-graph",
            "dwarf,%d" % stack, "-o", str(path), *map(str, arguments)]


def record(path, *arguments, frequency, stack=16384):
    """perf fails where a process that it is to attach to starts or ends a thread just then."""
    for attempt in range(5):
        done = subprocess.run(record_command(path, *arguments, frequency=frequency, stack=stack),
                              capture_output=True, text=True)
        if not done.returncode:
            return
    raise Failed("perf record: %d: %s" % (done.returncode, done.stderr))


@functools.lru_cache(maxsize=None)
def _segments(path):
    listed = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True).stdout
    return [tuple(int(number, 16) for number in found) for found in
            re.findall(r"^\s+LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)", listed, re.M)]


def _address(path, offset):
    """perf script prints where in the file the code is; its address there is what ELF says of it."""
    if path.startswith("/"):
        for begin, virtual, size in _segments(path):
            if begin <= offset < begin + size:
                return offset - begin + virtual
    return 0


def samples(path, inline=False):
    """Yields a Sample for each that has a stack."""
    command = ["perf", "script", "-i", str(path), "-F", "comm,pid,tid,ip,sym,dso", *([] if inline else ["--no-inline"])]
    script = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              errors="replace")
    head, stack = None, []
    for line in script.stdout:
        if not line.strip():
            if head and stack:
                yield Sample(*head, stack)
            head, stack = None, []
        elif line[0] in "\t " and head:
            found = re.match(r"\s+([0-9a-f]+) (.*) \((.*)\)$", line)
            if found:
                stack.append(_frame(*found.groups()))
        else:
            found = re.match(r"\s*(.*?)\s+(-?\d+)/(\d+)\s*$", line)
            head, stack = (int(found[2]), int(found[3]), found[1]) if found else None, []
    if head and stack:
        yield Sample(*head, stack)
    if script.wait() != 0:
        raise Failed("perf script: exit %d" % script.returncode)


def _frame(address, name, dso):
    address = int(address, 16)
    if address >> 63:
        return Frame(name, KERNEL, address)
    if name == "[unknown]":
        name = ""
    if dso == "inlined":
        return Frame(name, dso, 0)
    return Frame(name, dso, _address(dso, address))
