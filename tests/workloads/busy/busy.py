# SPDX-License-Identifier: Apache-2.0
"""What Python programs do all day, for ever: parse, match, sort, compress, call each other."""

import hashlib
import json
import random
import re
import threading
import zlib

WORDS = [hashlib.md5(str(i).encode()).hexdigest() for i in range(2000)]


class Node:
    def __init__(self, depth):
        self.children = [Node(depth - 1) for _ in range(3)] if depth else []

    def weigh(self):
        return 1 + sum(child.weigh() for child in self.children)


def parse():
    return json.loads(json.dumps({word: [word, len(word), None] for word in WORDS}))


def match():
    return re.sub(r"([0-9]+)([a-f]+)", lambda found: found[2] + found[1], " ".join(WORDS))


def order():
    return sorted(WORDS, key=lambda word: (word[3:], random.random()))


def squeeze():
    return zlib.crc32(zlib.compress("".join(WORDS).encode()))


def work():
    tree = Node(7)
    while True:
        for task in (parse, match, order, squeeze, tree.weigh):
            task()


threading.Thread(target=work, daemon=True).start()
work()
