"""Python's garbage collector, kept from looking at history over and over."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS = 20_000
"""How many more objects there are before it looks again; Python's own number is 700."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage less often in the block.

    What is recorded of each step stays until it is written, and most of what operations make is
    freed at once without a search. So a search finds next to nothing, and in an upgrade of
    hundreds of revisions all of them take as long as the recording itself.
    https://docs.python.org/3/library/gc.html#gc.set_threshold
    """
    before = gc.get_threshold()
    # 0 is a collector that is switched off.
    if 0 < before[0] < _OBJECTS:
        gc.set_threshold(_OBJECTS, *before[1:])
    during = gc.get_threshold()
    try:
        yield
    finally:
        if gc.get_threshold() == during:  # else a script has set its own
            gc.set_threshold(*before)
