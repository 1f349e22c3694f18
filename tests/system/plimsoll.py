# SPDX-License-Identifier: Apache-2.0
"""
The program under test, and an independent reader of what it writes.

run() and Recording start it; Profile decodes pprof's profile.proto with a protobuf reader of its
own, so that a test does not believe plimsoll's writer because plimsoll's reader does.
"""

import collections
import gzip
import json
import os
import signal
import subprocess
import tempfile
import time

BINARY = os.path.abspath(os.environ.get("PLIMSOLL", os.path.join(
    os.path.dirname(__file__), "..", "..", "build", "plimsoll")))

# What a recording may take beyond its own duration, on a host that is busy with the workloads.
GRACE = 60


class Result:
    """How a run ended; `memory` is its peak in bytes, where that was watched."""

    def __init__(self, argv, status, out, err, seconds, memory):
        self.argv, self.status, self.seconds, self.memory = argv, status, seconds, memory
        self.out_bytes, self.err_bytes = out, err
        self.out = out.decode("utf-8", "surrogateescape")
        self.err = err.decode("utf-8", "surrogateescape")

    def __repr__(self):
        return "%s\n-> exit %s after %.1f s\nstdout: %s\nstderr: %s" % (
            " ".join(map(str, self.argv)), self.status, self.seconds, self.out[-2000:],
            self.err[-4000:])

    def succeeded(self):
        assert self.status == 0, repr(self)
        return self

    def failed(self, status, *words):
        """One line on standard error, with all the words in it, and the exit status."""
        assert self.status == status, repr(self)
        lines = self.err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("plimsoll: "), repr(self)
        for word in words:
            assert word in lines[0], "%r is missing\n%r" % (word, self)
        return self

    def json(self):
        return json.loads(self.out)


class Process:
    """A started plimsoll. Its output goes to files, so that no pipe can hold it up."""

    def __init__(self, *args, prefix=(), cwd=None, env=None):
        self.argv = [*map(str, prefix), BINARY, *map(str, args)]
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.memory = 0
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.out,
                                      stderr=self.err, cwd=cwd,
                                      env={**os.environ, **(env or {})})

    def interrupt(self):
        self.popen.send_signal(signal.SIGINT)

    def _look_at_memory(self):
        try:
            with open("/proc/%d/status" % self.popen.pid) as f:
                for line in f:
                    if line.startswith("VmHWM:"):
                        self.memory = max(self.memory, int(line.split()[1]) * 1024)
        except OSError:
            pass

    def wait(self, timeout, watch_memory=False):
        deadline = time.monotonic() + timeout
        while self.popen.poll() is None:
            if time.monotonic() > deadline:
                self.popen.kill()
                self.popen.wait()
                raise AssertionError("still running after %d s: %r" % (timeout, self._result()))
            # The peak is kept by the kernel: only the last look before the end counts.
            if watch_memory:
                self._look_at_memory()
            time.sleep(0.005 if watch_memory else 0.02)
        return self._result()

    def _result(self):
        self.out.seek(0), self.err.seek(0)
        return Result(self.argv, self.popen.returncode, self.out.read(), self.err.read(),
                      time.monotonic() - self.started, self.memory)

    def perf_events(self):
        """How many it has open."""
        fds, count = "/proc/%d/fd" % self.popen.pid, 0
        for fd in os.listdir(fds):
            try:
                count += os.readlink(os.path.join(fds, fd)) == "anon_inode:[perf_event]"
            except FileNotFoundError:  # closed meanwhile
                pass
        return count


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about in %d s" % seconds
        time.sleep(0.02)


def wait_for_end(pid):
    wait_until(lambda: not os.path.exists("/proc/%d" % pid))


def run(*args, timeout=GRACE, watch_memory=False, **how):
    return Process(*args, **how).wait(timeout, watch_memory)


class Recording:
    """A recording around something that happens meanwhile:

        with Recording(path, "-F", 999) as recording:
            ...
        recording.profile
    """

    def __init__(self, path, *args, timeout=GRACE, watch_memory=False):
        self.path, self.timeout, self.watch_memory = path, timeout, watch_memory
        self.args = ["record", *args, "-o", path]

    def __enter__(self):
        self.process = Process(*self.args)
        deadline = time.monotonic() + 20
        while not self.process.perf_events():
            if self.process.popen.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("does not record: %r" % self.process.wait(0.1))
            time.sleep(0.01)
        # They are opened one after the other, a CPU each, and then attached.
        time.sleep(0.2)
        return self

    def __exit__(self, kind, *_):
        self.process.interrupt()
        self.result = self.process.wait(self.timeout, self.watch_memory)
        if kind is None:
            self.result.succeeded()
            self.profile = Profile.load(self.path)


def record(path, *args, seconds, timeout=None, **how):
    """Records for so long; returns the profile."""
    result = run("record", "-d", seconds, *args, "-o", path,
                 timeout=timeout or seconds + GRACE, **how)
    result.succeeded()
    return Profile.load(path)


# --- profile.proto ---


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        assert shift < 70, "varint too long"


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def fields(data):
    """(number, value) of each field of a message: bytes where it is length-delimited."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "field %d is cut short" % number
        else:
            raise AssertionError("wire type %d is not used by profile.proto" % wire)
        yield number, value


def _numbers(value):
    """A repeated number: packed, or one of it."""
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return numbers


def _message(data, repeated=()):
    message = {}
    for number, value in fields(data):
        if number in repeated:
            message.setdefault(number, []).append(value)
        else:
            message[number] = value
    return message


# `address` is the file's own (as in its ELF headers), 0 for what has none.
Frame = collections.namedtuple("Frame", "function mapping build_id file line inlined address")
Sample = collections.namedtuple("Sample", "stack labels values")  # leaf first


class Profile:
    """Samples with their stacks resolved to names; field numbers are those of
    https://github.com/google/pprof/blob/main/proto/profile.proto."""

    def __init__(self, data):
        top = _message(data, repeated=(1, 2, 3, 4, 5, 6, 13))
        self.strings = [s.decode("utf-8") for s in top.get(6, [])]
        assert self.strings and self.strings[0] == "", "string 0 is not empty"
        self.types = [self._type(t) for t in top.get(1, [])]
        self.notes = [self.strings[i] for n in top.get(13, []) for i in _numbers(n)]
        self.duration = _signed(top.get(10, 0)) / 1e9
        self.period = _signed(top.get(12, 0))
        self.period_type = self._type(top[11]) if 11 in top else None
        self._mappings = self._by_id(top.get(3, []))
        self._functions = self._by_id(top.get(5, []))
        self._locations = {}
        for data in top.get(4, []):
            message = _message(data, repeated=(4,))
            self._locations[message[1]] = self._frames(message)
        self.samples = [self._sample(s) for s in top.get(2, [])]

    @classmethod
    def load(cls, path):
        with gzip.open(path) as f:
            return cls(f.read())

    @staticmethod
    def _by_id(messages):
        decoded = [_message(m) for m in messages]
        return {m[1]: m for m in decoded}

    def _type(self, data):
        message = _message(data)
        return self.strings[message.get(1, 0)], self.strings[message.get(2, 0)]

    def _frames(self, location):
        """Innermost first, as the lines of a location are."""
        mapping = self._mappings[location[2]] if location.get(2) else {}
        names = self.strings[mapping.get(5, 0)], self.strings[mapping.get(6, 0)]
        lines = [_message(line) for line in location.get(4, [])]
        if not lines:
            return [Frame("", *names, "", 0, False, location.get(3, 0))]
        frames = []
        for i, line in enumerate(lines):
            function = self._functions[line[1]]
            frames.append(Frame(self.strings[function.get(2, 0)], *names,
                                self.strings[function.get(4, 0)], _signed(line.get(2, 0)),
                                i < len(lines) - 1, location.get(3, 0)))
        return frames

    def _sample(self, data):
        message = _message(data, repeated=(1, 2, 3))
        stack = [f for n in message.get(1, []) for i in _numbers(n) for f in self._locations[i]]
        values = [_signed(v) for n in message.get(2, []) for v in _numbers(n)]
        assert len(values) == len(self.types), "a sample has %d values" % len(values)
        labels = {}
        for data in message.get(3, []):
            label = _message(data)
            key = self.strings[label[1]]
            assert key not in labels, "label %r is there twice" % key
            labels[key] = self.strings[label[2]] if label.get(2) else _signed(label.get(3, 0))
        return Sample(stack, labels, {t[0]: v for t, v in zip(self.types, values)})

    # --- questions ---

    def where(self, **labels):
        """The samples whose labels are these."""
        return [s for s in self.samples
                if all(s.labels.get(key) == value for key, value in labels.items())]

    def label(self, key):
        """How many samples each value of a label has."""
        counts = collections.Counter()
        for s in self.samples:
            counts[s.labels.get(key)] += s.values["samples"]
        return counts

    @property
    def lost(self):
        return [note for note in self.notes if note.startswith("lost:")]


def total(samples, value="samples"):
    return sum(s.values[value] for s in samples)


def cpu_seconds(samples):
    return total(samples, "cpu") / 1e9


def names(samples):
    """All function names."""
    return {f.function for s in samples for f in s.stack}


def share(samples, function):
    """Per cent of the samples that have the function on their stack."""
    everything = total(samples)
    assert everything, "no samples"
    return 100 * total(s for s in samples
                       if any(f.function == function for f in s.stack)) / everything


def self_share(samples, function):
    """Per cent of the samples in which the function is the innermost one of user space."""
    hits = 0
    for s in samples:
        user = [f for f in s.stack if not f.mapping.startswith("[kernel")]
        if user and user[0].function == function:
            hits += s.values["samples"]
    return 100 * hits / total(samples)


def weights(samples, prefix="burn"):
    return [round(share(samples, "%s_%d" % (prefix, weight)), 2) for weight in (70, 20, 10)]


def assert_weights(samples, points, prefix="burn"):
    """The shares of `weights` are what they are by arithmetic."""
    found = weights(samples, prefix)
    assert all(abs(f - w) <= points for f, w in zip(found, (70, 20, 10))), \
        "%s of %d samples; functions: %s" % (found, total(samples), sorted(names(samples))[:40])


# --- what may not reach a reader's terminal or browser ---


def assert_clean_text(data):
    """Valid UTF-8 without control characters, but for the end of a line."""
    text = data.decode("utf-8")
    for character in text:
        code = ord(character)
        assert character == "\n" or (code >= 32 and not 0x7F <= code < 0xA0), \
            "control character %#x near %r" % (
                code, text[max(0, text.index(character) - 60):][:120])
