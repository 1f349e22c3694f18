# SPDX-License-Identifier: Apache-2.0
"""Spoils what others read of this process, and then computes for ever: garbage.py WHAT. For
CPython 3.11, whose offsets these are (tests/unit/python_headers.c checks them)."""
import ctypes
import sys

get_thread = ctypes.pythonapi.PyThreadState_Get
get_thread.restype = ctypes.c_void_p
THREAD_NEXT, THREAD_C_FRAME, THREAD_ID = 8, 56, 152
C_FRAME_FRAME, FRAME_PREVIOUS = 8, 48


def word(address):
    return ctypes.c_uint64.from_address(address)


def spoil_thread(thread):
    """No thread has this number, and the list of threads has no end."""
    word(thread + THREAD_ID).value = 0x1234
    word(thread + THREAD_NEXT).value = thread


def caller(thread):
    """The frame of compute(), which never returns."""
    frame = word(word(thread + THREAD_C_FRAME).value + C_FRAME_FRAME).value  # of this function
    for _ in range(2):
        frame = word(frame + FRAME_PREVIOUS).value
    return frame


def spoil_frames(thread):
    """A frame that is its own caller."""
    frame = caller(thread)
    word(frame + FRAME_PREVIOUS).value = frame


def spoil_pointer(thread):
    """A frame that is nowhere."""
    word(caller(thread) + FRAME_PREVIOUS).value = 0x6161616161616161


def compute():
    {"thread": spoil_thread, "frames": spoil_frames, "pointer": spoil_pointer}[sys.argv[1]](
        get_thread())
    n = 0
    while True:
        n = (n * 31 + 7) % 1000003


compute()
