"""What a server's processes keep from Python's collector."""

import subprocess
import sys

_SCRIPT = """
import gc
import weakref
import torch
from palmette.runtime.server.collector import spare_collector

class Knot:
    def __init__(self):
        self.self = self
        knots.add(self)

knots = weakref.WeakSet()
Knot()
assert len(knots) == 1 and gc.get_freeze_count() == 0
num_objects = len(gc.get_objects())
spare_collector()
assert not knots, "garbage of before is not kept for ever"
assert gc.get_freeze_count() > 0.5 * num_objects, (gc.get_freeze_count(), num_objects)
assert len(gc.get_objects()) < 0.1 * num_objects
Knot()
gc.collect()
assert not knots, "garbage of later is collected"
"""


def test_what_lives_as_long_as_the_process_is_left_alone() -> None:
    subprocess.run([sys.executable, "-c", _SCRIPT], check=True, timeout=120)
