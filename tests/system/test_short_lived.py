# SPDX-License-Identifier: Apache-2.0
"""Containers that are gone before anybody can ask about them."""

import collections
import concurrent.futures
import os

from plimsoll import Recording, assert_weights, total
from rootfs import add_file

CONTAINERS = 200
# Few runc processes at a time: they take more CPU than what they start.
AT_ONCE = 4


def test_two_hundred_containers_of_50_to_100_ms_are_all_named(runc, new_root, workloads,
                                                              tmp_path):
    root = new_root("brief")
    # A name of its own, so that none of its samples can hide among those of others.
    add_file(root, os.path.join(workloads, "weights"), "bin/brief")

    def run(i):
        name = "brief-%d" % i
        runc.run_to_end(name, ["/bin/brief", 0.05 + 0.05 * i / CONTAINERS], root)
        return name

    with Recording(tmp_path / "p.pb.gz", "-F", 999, timeout=90) as recording:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            names = set(pool.map(run, range(CONTAINERS)))

    samples = recording.profile.where(comm="brief")
    of_process = collections.defaultdict(set)
    for s in samples:
        of_process[s.labels["pid"]].add(s.labels["container"])
    assert {c for containers in of_process.values() for c in containers} <= names
    assert all(len(containers) == 1 for containers in of_process.values())
    # Each burned for at least 50 ms, less what the others took: a few may have had no sample.
    assert len(of_process) >= 0.95 * CONTAINERS
    assert recording.profile.lost == []
    # A start and an end are a good part of such a life; of the rest the shares are right.
    burning = [s for s in samples if any(f.function.startswith("burn_") for f in s.stack)]
    assert total(burning) > 0.8 * total(samples)
    assert_weights(burning, points=3)
