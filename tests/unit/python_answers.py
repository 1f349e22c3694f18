# SPDX-License-Identifier: Apache-2.0
"""What Python itself says of its code objects, for test_language_python.c. Runs in 3.8 and later.

python_answers.py lines    every code object of a part of the standard library, in binary:
                           first line, size of the line table, the table,
                           number of ranges, (begin, end, line)... with line 0: none
python_answers.py names    "ADDRESS FIRST_LINE OFFSET LINE NAME FILE" for functions with unusual names
                           (line: of the instruction at the offset), then waits until its
                           standard input ends
"""
import dis
import glob
import os
import struct
import sys

NEWER = sys.version_info >= (3, 10)
EVERY = 2  # files of the standard library: thousands of code objects, a second


def ranges(code):
    if NEWER:
        return [(begin, end, line or 0) for begin, end, line in code.co_lines()]
    starts = list(dis.findlinestarts(code))
    ends = [start for start, _ in starts[1:]] + [len(code.co_code)]
    return [(start, end, line) for (start, line), end in zip(starts, ends)]


def tell_lines(code, out):
    table = code.co_linetable if NEWER else code.co_lnotab
    all_ranges = [r for r in ranges(code) if r[0] < r[1]]
    out.write(struct.pack("=iI", code.co_firstlineno, len(table)) + table)
    out.write(struct.pack("=I", len(all_ranges)))
    for begin, end, line in all_ranges:
        out.write(struct.pack("=III", begin, end, line))
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            tell_lines(constant, out)


def lines():
    files = sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))
    for path in files[::EVERY]:
        with open(path, "rb") as source:
            tell_lines(compile(source.read(), path, "exec"), sys.stdout.buffer)


SOURCE = """
def plain(n):
    total = 0
    return (total +
            n)

class Outer:
    class Inner:
        def method(self):

            return lambda x: x

def naïve():
    return 1

def 中文():
    return 2

def 𐎀𐎁():
    return 3

def {long}():
    return 4
"""


def names():
    scope = {}
    path = os.path.join(os.sep, "srv", "файл naïve.py")
    exec(compile(SOURCE.format(long="x" * 700), path, "exec"), scope)
    method = scope["Outer"].Inner.method
    functions = [scope[name] for name in ("plain", "naïve", "中文", "𐎀𐎁", "x" * 700)]
    for function in functions + [method, method(None)]:
        code = function.__code__
        name = code.co_qualname if sys.version_info >= (3, 11) else code.co_name
        offset, _, line = [r for r in ranges(code) if r[2]][-1]
        text = "%d %d %d %d %s\t%s\n" % (
            id(code), code.co_firstlineno, offset, line, name, code.co_filename)
        sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()
    sys.stdin.read()


{"lines": lines, "names": names}[sys.argv[1]]()
