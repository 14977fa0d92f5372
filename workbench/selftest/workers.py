"""Two workers of the fused step in one thread: where the first has claimed an item, the second runs until it must wait.

What the second cannot do without the first's item it must not do: a wait that is missing, or too short, gives other results.
Nothing is lost where the second ends early. It has claimed nothing that it has not done, and a worker that begins anew finds
what is done, and passes over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import numba
import numpy as np

from kernels.fused import step
from workbench.network.executor import fused


class _Waits(Exception):  # noqa: N818 - no error
    """A worker waits for another one."""


class _Workers:
    """What takes the place of threads, and of what the fused step asks of the processor."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._exchange = rng, step.exchange  # type: ignore[attr-defined]
        self._work: Callable[[int], None] | None = None

    def run(self, threads: int, work: Callable[[int], None]) -> None:
        """See ``run_on_threads``."""
        self._work = work if threads > 1 else None
        work(0)

    def exchange(self, counters: Any, index: int, expected: int, value: int) -> bool:
        """See ``kernels.simd.atomics``; every second time that the first worker claims an item, the second one runs."""
        claimed = self._exchange(counters, index, expected, value)
        work = self._work
        if claimed and work is not None and self._rng.random() < 1 / 2:
            self._work = None
            with suppress(_Waits):
                work(1)
            self._work = work
        return claimed

    def pause(self) -> None:
        """Let the first worker continue."""
        raise _Waits


@contextmanager
def two_workers(rng: np.random.Generator) -> Iterator[None]:
    """Run the fused step by two workers inside the block, if it has work for them."""
    workers = _Workers(rng)
    with (
        patch.object(numba, "get_num_threads", lambda: 2),
        patch.object(fused, "run_on_threads", workers.run),
        patch.object(step, "exchange", workers.exchange),
        patch.object(step, "pause", workers.pause),
    ):
        yield
