# SPDX-License-Identifier: Apache-2.0
"""Writes small pprof files of known content, independently of plimsoll's own writer.

Field numbers are those of https://github.com/google/pprof/blob/main/proto/profile.proto.
"""

import gzip

PERIOD = 10_000_000


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def piece(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


class Profile:
    """add() samples, then write(path)."""

    def __init__(self, notes=(), time=1_700_000_000_000_000_000):
        self.strings = {b"": 0}
        self.functions, self.mappings, self.samples = {}, {}, []
        self.notes, self.time = list(notes), time

    def string(self, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        return self.strings.setdefault(data, len(self.strings))

    def location(self, name, mapping):
        m = self.mappings.setdefault(mapping, len(self.mappings) + 1) if mapping else 0
        return self.functions.setdefault((name, m), len(self.functions) + 1)

    def add(self, container, thread, stack, samples, mapping="/usr/bin/app", **labels):
        """`stack` is a list of names, root first; a name that starts with "k:" is the kernel's."""
        locations = []
        for name in reversed(stack):
            if name.startswith("k:"):
                locations.append(self.location(name[2:], "[kernel.kallsyms]"))
            else:
                locations.append(self.location(name, mapping))
        labels = {"container": container, "thread": thread, "pid": 7, **labels}
        self.samples.append((locations, samples, labels))

    def label(self, key, value):
        text = number(3, value) if isinstance(value, int) else number(2, self.string(value))
        return piece(3, number(1, self.string(key)) + text)

    def value_type(self, field, kind, unit):
        return piece(field, number(1, self.string(kind)) + number(2, self.string(unit)))

    def encode(self):
        out = self.value_type(1, "samples", "count") + self.value_type(1, "cpu", "nanoseconds")
        for locations, samples, labels in self.samples:
            body = piece(1, b"".join(map(varint, locations)))
            body += piece(2, varint(samples) + varint(samples * PERIOD))
            body += b"".join(self.label(k, v) for k, v in labels.items())
            out += piece(2, body)
        for name, i in self.mappings.items():
            out += piece(3, number(1, i) + number(2, 0x1000 * i) + number(3, 0x1000 * i + 0x1000)
                         + number(5, self.string(name)) + number(7, 1))
        for (name, mapping), i in self.functions.items():
            out += piece(4, number(1, i) + number(2, mapping) + number(3, 0x1000 * mapping + i)
                         + piece(4, number(1, i)))
            out += piece(5, number(1, i) + number(2, self.string(name)))
        out += number(9, self.time) + number(10, 10_000_000_000)
        out += self.value_type(11, "cpu", "nanoseconds") + number(12, PERIOD)
        out += b"".join(number(13, self.string(n)) for n in self.notes)
        # The table last, when all strings are known; the order of fields is free.
        return out + b"".join(piece(6, s) for s in self.strings)

    def write(self, path):
        path.write_bytes(gzip.compress(self.encode()))
        return path
