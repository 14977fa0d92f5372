"""Arrays in device memory that a kernel captures: it uses their address, not a copy."""

from typing import Any

import numpy as np
from numba.extending import intrinsic

from workbench.numba_internals.llvm import ir
from workbench.sim.common.device_arrays import array_of
from workbench.sim.common.facts import Capture
from workbench.sim.compiler.reading import WordReader, array_type, read_value


def captured(name: str, value: Any) -> Capture | None:
    """Return the capture for a name in a kernel; None if its value is not an array in device memory."""
    array = array_of(value)
    return Capture(name, array) if isinstance(array, np.ndarray) else None


_captures: list[Capture] = []


def number_of(capture: Capture) -> int:
    """Return the number of an array, for ``read_captured``."""
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
