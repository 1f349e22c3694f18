# SPDX-License-Identifier: Apache-2.0
"""
How many stacks are whole: from where the sample was taken to the entry of the process or thread.

Judged alike for all recorders, by entries.py; a stack that says `[truncated]` is not whole
whatever its outermost frame. What is sampled in the kernel while there is no user space (a process
that ends, or one in the middle of an exec) has no user stack, and is set aside and counted.
"""

import collections
import statistics

import entries
import perf

# Kernel functions below which the old or the new program's memory is not there.
NO_USER_SPACE = {"do_exit", "begin_new_exec", "bprm_execve", "do_execveat_common"}


def has_no_user_space(stack):
    return not any(f.function != "[truncated]" and not f.mapping.startswith("[kernel") for f in stack) and \
        bool(NO_USER_SPACE & {f.function.split(".")[0] for f in stack})


class Wholeness:
    def __init__(self):
        self.all = self.whole = self.aside = 0
        self.depths = []
        self.broken = collections.Counter()  # outermost frame, how often

    def add(self, stack, times=1):
        """A stack of frames with function, mapping and address, leaf first."""
        if has_no_user_space(stack):
            self.aside += times
            return
        user = [f for f in stack if not f.mapping.startswith("[kernel")]
        named = [f for f in user if f.function != "[truncated]"]
        self.all += times
        self.depths += times * [len(named)]
        if named == user and user and entries.is_entry(*user[-1]):
            self.whole += times
        else:
            ended = named[-1] if named else perf.Frame("no user frames", "", 0)
            self.broken[(*ended, "truncated" if named != user else "")] += times

    def add_sample(self, sample):
        """A sample of a plimsoll.Profile."""
        self.add([perf.Frame(f.function, f.mapping, f.address) for f in sample.stack if not f.inlined],
                 sample.values["samples"])

    @property
    def share(self):
        return 100 * self.whole / self.all if self.all else 0.0

    @property
    def depth(self):
        return statistics.median(self.depths) if self.depths else 0


def of_plimsoll(profile):
    """From a plimsoll.Profile."""
    result = Wholeness()
    for sample in profile.samples:
        result.add_sample(sample)
    return result


def of_perf(path, pids=None):
    """From a perf.data; of these processes, or all."""
    result = Wholeness()
    for sample in perf.samples(path):
        if pids is None or sample.pid in pids:
            result.add(sample.stack)
    return result
