"""Keeps Python's collector from walking over what waits in great numbers.

A million waiting jobs are a million objects that the collector would look at again and again, for a third of a second
at a time, and none of them is garbage of its kind: they go when nobody refers to them. So while a crowd grows, all that
is there is frozen every `STEP` jobs, before the collector counts enough new objects to begin; when the crowd is gone,
everything is the collector's again.
"""

import gc
from collections.abc import Callable

STEP = 20_000
"""A job is one or two objects that the collector counts; its first threshold (cli/run.py) is 50,000."""


class Crowd:
    """Adds up what several queues tell of their size."""

    def __init__(self, freeze: Callable[[], None] = gc.freeze, unfreeze: Callable[[], None] = gc.unfreeze) -> None:
        self._freeze = freeze
        self._unfreeze = unfreeze
        self._total = 0
        self._frozen_at = 0

    def changed(self, by: int) -> None:
        """So many more wait, or fewer."""
        self._total += by
        if self._total - self._frozen_at >= STEP:
            self._frozen_at = self._total
            self._freeze()
        elif self._frozen_at and self._total < STEP // 2:
            self._frozen_at = 0
            self._unfreeze()


CROWD = Crowd()


class Head:
    """The size of one queue, told to the crowd in steps: `count` costs next to nothing."""

    __slots__ = ("_crowd", "_told")

    def __init__(self, crowd: Crowd = CROWD) -> None:
        self._crowd = crowd
        self._told = 0

    def count(self, size: int) -> None:
        """So many wait now."""
        by = size - self._told
        if by >= STEP // 20 or -by >= STEP // 20 or (by and not size):
            self._told = size
            self._crowd.changed(by)
