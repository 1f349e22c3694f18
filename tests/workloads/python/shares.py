# SPDX-License-Identifier: Apache-2.0
"""Handles requests for ever: 70 % of each below Handler.heavy, 30 % below Handler.light, by the
thread's own clock. Python calls C, which calls Python, in several ways; two threads. From SIGUSR1
on the threads have the name "serving": what was recorded before, while the recorder got to know the
process, can be told apart.

Runs in every Python from 3.8 on, with or without site packages.
"""
import functools
import signal
import threading
import time

begun = threading.Event()


def spin(milliseconds):
    end = time.thread_time() + milliseconds / 1000
    count = 0
    while time.thread_time() < end:
        for _ in range(500):
            count += 1
    return count


class Handler:
    def heavy(self):
        return spin(7)  # line of heavy

    def light(self):
        return spin(3)  # line of light

    def __call__(self, *request):
        return self.heavy() + self.light()


def by_sort(handler):
    return sorted((1,), key=handler)


def by_generator(handler):
    return sum(handler() for _ in (1,))


def by_partial(handler):
    return functools.reduce(handler, (1, 2))


def by_coroutine(handler):
    async def answer():
        return handler()

    async def request():
        return await answer()

    try:
        request().send(None)
    except StopIteration:
        pass


def by_recursion(handler, depth=8):
    return by_recursion(handler, depth - 1) if depth else handler()


class BySpecialMethod:
    def __init__(self, handler):
        self.handler = handler

    def __getitem__(self, key):
        return self.handler()


def rename():
    with open("/proc/thread-self/comm", "w") as comm:
        comm.write("serving")


def serve():
    handler, renamed = Handler(), False
    while True:
        if begun.is_set() and not renamed:
            rename()
            renamed = True
        for way in (by_sort, by_generator, by_partial, by_coroutine, by_recursion):
            way(handler)
        BySpecialMethod(handler)[0]


signal.signal(signal.SIGUSR1, lambda *_: begun.set())
threading.Thread(target=serve, daemon=True).start()
serve()
