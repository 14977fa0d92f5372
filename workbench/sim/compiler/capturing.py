"""Arrays that a kernel captures as globals or free variables.

Of an array in device memory it uses the address. An array in host memory becomes a constant, as in numba-cuda: a contiguous
copy in constant memory.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.llvm import ir
from workbench.sim.common.device_arrays import array_of
from workbench.sim.common.facts import Capture
from workbench.sim.compiler.reading import WordReader, array_type, read_value

CONSTANT_BYTES = 64 << 10
"""Bytes of constant memory on every GPU."""


def captured(name: str, value: Any) -> Capture | None:
    """Return the capture for a name in a kernel; None if its value is not an array in device memory."""
    array = array_of(value)
    return Capture(name, array) if isinstance(array, np.ndarray) else None


def constants_in(name: str, value: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays in host memory that a captured value holds, with their names.

    Raises
    ------
    TypingError
        One of them does not fit into constant memory.
    """
    if isinstance(value, tuple):
        for place, each in enumerate(value):
            yield from constants_in(f"{name}[{place}]", each)
    elif isinstance(value, np.ndarray):
        if value.nbytes > CONSTANT_BYTES:
            raise TypingError(too_large(name, value.nbytes))
        yield name, value


def too_large(names: str, size: int) -> str:
    """Return the message on captured arrays that do not fit into constant memory."""
    return (
        f"the captured {names}, in host memory, becomes a constant of {size:,} bytes; constant memory holds "
        f"{CONSTANT_BYTES:,}: pass it as an argument"
    )


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
