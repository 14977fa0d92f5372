"""How faulty kernels enter the zoo: decorators that note what is wrong, to be compiled when the zoo is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
from numpy.typing import NDArray

Array = NDArray[Any]
Kernel = Callable[..., None]

SERIAL = numba.njit(error_model="numpy")
PARALLEL = numba.njit(parallel=True, error_model="numpy")
FASTMATH = numba.njit(fastmath=True, error_model="numpy")


def plain(function: Kernel) -> Kernel:
    """Leave a kernel as it is, in Python."""
    return function


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One faulty kernel that is yet to be built; the other fields are those of ``Faulty``."""

    op: str
    fault: str
    what: str
    device: str
    build: Callable[[], Kernel]


class Faults:
    """The faulty kernels of one family, in the order in which they were entered; ``device`` is "cpu" or "cuda"."""

    def __init__(self, *, device: str = "cpu") -> None:
        self.device = device
        self.plans: list[Plan] = []

    def plant(self, op: str, fault: str, what: str, how: Callable[[Any], Any] = SERIAL) -> Callable[[Kernel], Kernel]:
        """Enter a kernel into the zoo, to be compiled by ``how`` when the zoo is built."""

        def enter(function: Kernel) -> Kernel:
            self._add(op, fault, what, lambda: how(function))
            return function

        return enter

    def plant_fresh(self, op: str, fault: str, what: str) -> Callable[[Callable[[], Kernel]], Callable[[], Kernel]]:
        """Enter a kernel that remembers something between calls, given by the function that makes a fresh one."""

        def enter(factory: Callable[[], Kernel]) -> Callable[[], Kernel]:
            self._add(op, fault, what, factory)
            return factory

        return enter

    def _add(self, op: str, fault: str, what: str, build: Callable[[], Kernel]) -> None:
        self.plans.append(Plan(op=op, fault=fault, what=what, device=self.device, build=build))
