"""``prange`` in plain Python: the order of its iterations, and the memory that each accesses."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Literal

import numba
import numpy as np

from workbench.checking.carried_scalars import CarriedScalars
from workbench.checking.user_source import Site

Kind = Literal["read", "write", "reduce"]
Access = tuple[int, CodeType, int]
"""An iteration, and a site in the source: a code object and an instruction."""
Touched = list[tuple[Kind, dict[int, Access]]]
"""For each kind of access, the accesses by address."""


class ParallelLoop:
    """One run of an outermost ``prange``: its place in the source, and the elements that its iterations have accessed.

    For every element the first access of each kind is kept, and the first by another iteration.
    """

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.site: Site = (frame.f_code, frame.f_lasti)
        self.scalars = CarriedScalars()
        self.variables = {name: value for name, value in frame.f_locals.items() if isinstance(value, np.ndarray)}
        pairs: list[tuple[dict[int, Access], dict[int, Access]]] = [({}, {}) for _ in range(3)]
        read, write, reduce = pairs
        reads: Touched = [("read", accesses) for accesses in read]
        writes: Touched = [("write", write[0])]  # a write by another iteration is already a hazard
        reductions: Touched = [("reduce", accesses) for accesses in reduce]
        self.touched: dict[Kind, tuple[dict[int, Access], dict[int, Access]]]
        self.touched = {"read": read, "write": write, "reduce": reduce}
        self.conflicting: dict[Kind, Touched] = {
            "read": writes + reductions,
            "write": writes + reads + reductions,
            "reduce": writes + reads,
        }


class Position:
    """The current iteration of an outermost parallel loop.

    Attributes
    ----------
    loop : the loop; None outside such loops
    iteration : the value of its variable
    loops : how many loops of several iterations have ended
    ended : by function call, the variables that these loops assigned, each with its loop
    """

    def __init__(self) -> None:
        self.loop: ParallelLoop | None = None
        self.iteration = 0
        self.loops = 0
        self.ended: dict[FrameType, dict[str, ParallelLoop]] = {}

    def end_loop(self, iterations: int) -> None:
        """Leave the loop."""
        loop, self.loop = self.loop, None
        self.loops += iterations > 1
        if loop is not None and loop.scalars.assigned and iterations > 1:
            self.ended.setdefault(loop.frame, {}).update(dict.fromkeys(loop.scalars.assigned, loop))


@contextmanager
def prange_order(seed: int | None) -> Iterator[Position]:
    """Run the iterations of every ``prange`` in plain Python in a permuted order inside the block.

    Only the outermost of nested loops is parallel, as in Numba; inner loops keep their order.

    Parameters
    ----------
    seed : the seed of the orders; None keeps the natural order
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
            position.end_loop(len(order))

    original = vars(numba.prange)["__new__"]
    numba.prange.__new__ = walk
    try:
        yield position
    finally:
        numba.prange.__new__ = original
