# SPDX-License-Identifier: Apache-2.0
"""
Where stacks begin, told without plimsoll: does the outermost frame lie in the code that the kernel
or the language's own runtime starts a process or thread with?

A frame is known by its name, or, where nothing names it, by its place in the file: in a function
whose unwind information says that it has no caller (the return address is "undefined", as the C
library marks _start, clone and clone3), or right behind the file's entry point.
"""

import functools
import os
import re
import subprocess

NAMES = {
    # C libraries: of a process (crt1.o, and the dynamic loader's own), of a thread.
    "_start", "_dl_start_user", "_dlstart", "__clone", "clone", "__clone3", "clone3",
    # Go marks these as the top of a stack (TOPFRAME), or switches to another stack in them, where
    # its own tracebacks end too (src/runtime/asm_amd64.s).
    "runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall", "runtime.morestack",
    "runtime.systemstack", "runtime.clone", "_rt0_amd64_linux",
}
# How long the code behind an entry point may be: _start is some 40 bytes.
START_SIZE = 64


@functools.lru_cache(maxsize=None)
def _entry_point(path):
    header = subprocess.run(["readelf", "-hW", path], capture_output=True, text=True).stdout
    found = re.search(r"Entry point address:\s+(0x[0-9a-f]+)", header)
    return int(found[1], 16) if found else 0


@functools.lru_cache(maxsize=None)
def _without_caller(path):
    """The functions whose unwind information leaves the return address undefined."""
    ranges, current = [], None
    frames = subprocess.run(["readelf", "-wf", path], capture_output=True, text=True).stdout
    for line in frames.splitlines():
        found = re.search(r" FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)", line)
        if found:
            current = int(found[1], 16), int(found[2], 16)
        elif re.search(r"DW_CFA_undefined: r(16 \(rip\)|30 \(x30\))", line) and current:
            ranges.append(current)
    return ranges


def is_entry(name, path, address):
    """Of an outermost frame; address is the file's own, one behind the call."""
    bare = re.sub(r"(\.abi0|@@?[A-Z].*)$", "", name or "")
    if bare in NAMES:
        return True
    if bare and not bare.startswith("["):
        return False
    if not path.startswith("/") or not os.path.exists(path):
        return False
    begin = _entry_point(path)
    return begin <= address <= begin + START_SIZE or \
        any(start <= address <= end for start, end in _without_caller(path))
