"""Arrays in device memory that a kernel takes from where it was defined: it has their address, not a copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.sim.compiler.reading import WordReader, array_type, read_value
from workbench.sim.host.host_api import array_of

Words = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Capture:
    """One such array.

    Attributes
    ----------
    name : as the kernel has it
    array : its memory
    words : where machine code reads the array's region, address, shape and strides, which every launch puts there
    """

    name: str
    array: NDArray[Any]
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", np.zeros(2 + 2 * self.array.ndim, np.int64))


def captured(name: str, value: Any) -> Capture | None:
    """Return what a name in a kernel stands for as an array in device memory; None where it is none."""
    array = array_of(value)
    return Capture(name, array) if isinstance(array, np.ndarray) else None


_captures: list[Capture] = []


def number_of(capture: Capture) -> int:
    """Number an array, for ``read_captured``."""
    _captures.append(capture)
    return len(_captures) - 1


@intrinsic(prefer_literal=True)
def read_captured(_context: Any, number: Any) -> Any:
    """Return the array with a number, which is a constant."""
    capture = _captures[number.literal_value]
    result = array_type(capture.array)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = ir.Constant(ir.IntType(64), capture.words.ctypes.data)
        return read_value(context, builder, result, WordReader(builder, place))

    return result(number), generate
