"""``prange`` in plain Python: in which order its iterations run, and what each has touched."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Literal

import numba
import numpy as np

from workbench.checking.user_source import Site

Kind = Literal["read", "write", "reduce"]
Access = tuple[int, CodeType, int]
"""An iteration and a site."""
Touched = list[tuple[Kind, dict[int, Access]]]
"""Accesses by address, for one kind after another."""


class ParallelLoop:
    """One run of an outermost ``prange``: where it stands, and what its iterations have touched.

    Of every element the first access of each kind is kept, and the first by another iteration.
    """

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.site: Site = (frame.f_code, frame.f_lasti)
        self.variables = {name: value for name, value in frame.f_locals.items() if isinstance(value, np.ndarray)}
        pairs: list[tuple[dict[int, Access], dict[int, Access]]] = [({}, {}) for _ in range(3)]
        read, write, reduce = pairs
        reads: Touched = [("read", accesses) for accesses in read]
        writes: Touched = [("write", write[0])]  # another iteration's is a hazard already
        reductions: Touched = [("reduce", accesses) for accesses in reduce]
        self.touched: dict[Kind, tuple[dict[int, Access], dict[int, Access]]]
        self.touched = {"read": read, "write": write, "reduce": reduce}
        self.conflicting: dict[Kind, Touched] = {
            "read": writes + reductions,
            "write": writes + reads + reductions,
            "reduce": writes + reads,
        }


class Position:
    """Where a run is: in an iteration of an outermost parallel loop, or outside any (``loop`` is None)."""

    def __init__(self) -> None:
        self.loop: ParallelLoop | None = None
        self.iteration = 0


@contextmanager
def prange_order(seed: int | None) -> Iterator[Position]:
    """Let every ``prange`` that runs in plain Python inside the block walk its iterations in a permuted order.

    Only the outermost of nested loops is parallel, as in Numba; those inside it keep their order.

    Parameters
    ----------
    seed : what the orders follow from; None keeps the natural one
    """
    position = Position()
    shuffle = random.Random(seed).shuffle if seed is not None else lambda _order: None

    def walk(_cls: type, *bounds: int) -> Iterator[int]:
        order = list(range(*bounds))
        if position.loop is not None:
            yield from order
            return
        shuffle(order)
        position.loop = ParallelLoop(sys._getframe(1))
        try:
            for position.iteration in order:
                yield position.iteration
        finally:
            position.loop = None

    original = vars(numba.prange)["__new__"]
    numba.prange.__new__ = walk
    try:
        yield position
    finally:
        numba.prange.__new__ = original
