"""Which blocks of a launch are recorded, the memory for their events, and the collector of counters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from workbench.sim.common.page_memory import Memory
from workbench.sim.counting.counters import LaunchCounters
from workbench.sim.runtime import layout as at

ALL = 16
"""A grid of so many blocks is recorded whole."""

AT_RANDOM = 1
"""Of a larger grid the first block is, the one in the middle and its neighbours along every axis, the last, and so many
chosen at random by a fixed seed."""

EVENT_BYTES = 512 << 20
"""The room for events."""

_memory = Memory()


@dataclass(frozen=True)
class Collector:
    """Where the counters of launches go; of a launch of more threads than ``most_threads`` only the recorded blocks run."""

    found: list[LaunchCounters]
    most_threads: int | None

    def blocks_to_run(self, grid: tuple[int, int, int], block: tuple[int, int, int]) -> list[int] | None:
        """Return the numbers of the blocks of a launch that run; None for all."""
        is_large = self.most_threads is not None and prod(grid) * prod(block) > self.most_threads
        return chosen_blocks(grid) if is_large else None


_collector: ContextVar[Collector | None] = ContextVar("counting", default=None)


@contextmanager
def counting(most_threads: int | None = None) -> Iterator[list[LaunchCounters]]:
    """Count what launches do inside the block: their counters are added to the list, in the order of the launches.

    Every launch runs twice: as ever, and once more to be counted, from the same arrays. A launch with a hazard raises, and
    is not counted. A grid of up to 16 blocks is recorded whole, of a larger one 5 to 7 blocks are.

    Parameters
    ----------
    most_threads : of a launch of more threads only the recorded blocks run, and the others write nothing; None: all do
    """
    collector = Collector([], most_threads)
    token = _collector.set(collector)
    try:
        yield collector.found
    finally:
        _collector.reset(token)


def collector() -> Collector | None:
    """Return where the counters of launches go; None if they are not counted."""
    return _collector.get()


def chosen_blocks(grid: tuple[int, int, int]) -> list[int]:
    """Return the numbers of the blocks of a grid to record."""
    blocks = prod(grid)
    if blocks <= ALL:
        return list(range(blocks))
    chosen = dict.fromkeys((*middle_and_neighbours(grid), 0, blocks - 1))
    rng, wanted = np.random.default_rng(0), len(chosen) + AT_RANDOM
    while len(chosen) < wanted:
        chosen[int(rng.integers(blocks))] = None
    return list(chosen)


def middle_and_neighbours(grid: tuple[int, int, int]) -> list[int]:
    """Return the number of the block in the middle of a grid, and of the next ones along every axis."""
    steps = 1, grid[0], grid[0] * grid[1]
    middle = sum((size - 1) // 2 * step for size, step in zip(grid, steps, strict=True))
    return [middle, *(middle + step for size, step in zip(grid, steps, strict=True) if size > 1)]


class Record:
    """The record of one launch, to which the state's words point."""

    def __init__(self, words: NDArray[np.int64], blocks: int, chosen: list[int]) -> None:
        self._words = words
        self._flags = np.zeros(blocks, np.int64)
        self._flags[chosen] = at.WITH_LOCAL if len(chosen) == blocks else at.WITHOUT_LOCAL
        self._flags[chosen[0]] = at.WITH_LOCAL
        self._start = _memory.at_least(EVENT_BYTES)
        words[at.RECORDED] = self._flags.ctypes.data
        words[at.NEXT_EVENT], words[at.LAST_EVENT] = self._start, self._start + EVENT_BYTES
        words[at.EVENT_THREAD] = -1

    @property
    def is_cut(self) -> bool:
        """Whether there was too little room."""
        return bool(self._words[at.EVENTS_LOST])

    def events(self) -> NDArray[np.int64]:
        """Return the events, a view of memory that the next record uses again."""
        count = (int(self._words[at.NEXT_EVENT]) - self._start) // (8 * at.EVENT_WORDS)
        return _memory.words(count * at.EVENT_WORDS).reshape(count, at.EVENT_WORDS)
