# SPDX-License-Identifier: Apache-2.0
"""As shares.py, for a Python that has nothing but its built-in modules."""
import time


def spin(milliseconds):
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        for _ in range(500):
            pass


def heavy():
    spin(7)


def light():
    spin(3)


def request(_):
    heavy()
    light()


while True:
    sorted((1,), key=request)
