"""Memory that ``cuda.device_array`` has allocated, and which bytes of it have been written since."""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Allocation:
    """Memory that is not cleared.

    Attributes
    ----------
    start, stop : addresses
    written : for every byte, 1 if it has been written
    """

    start: int
    stop: int
    written: NDArray[np.uint8]


_allocations: dict[int, Allocation] = {}


def allocate(array: NDArray[Any]) -> None:
    """Register a new array's memory as unwritten, until the array is gone."""
    start = array.ctypes.data
    if array.nbytes > 0:
        _allocations[start] = Allocation(start, start + array.nbytes, np.zeros(array.nbytes, np.uint8))
        weakref.finalize(array, _allocations.pop, start, None)


def initialize(array: NDArray[Any]) -> None:
    """Mark an array's memory as written: all bytes from its first to its last."""
    if array.size == 0:
        return
    start, stop = np.lib.array_utils.byte_bounds(array)
    found = _around(start, stop)
    if found is not None:
        found.written[start - found.start : stop - found.start] = 1


def shadow_of(start: int, stop: int) -> int:
    """Return the address of the bytes that say what has been written of some memory; 0 if all has."""
    found = _around(start, stop)
    if found is None:
        return 0
    if found.written.all():
        del _allocations[found.start]
        return 0
    return found.written.ctypes.data + start - found.start


def written_bytes(start: int, stop: int) -> NDArray[np.uint8] | None:
    """Return the bytes that say what has been written of some memory; None if all has."""
    found = _around(start, stop)
    return None if found is None else found.written[start - found.start : stop - found.start]


def _around(start: int, stop: int) -> Allocation | None:
    """Return the allocation that holds some memory."""
    return next((each for each in _allocations.values() if each.start <= start and stop <= each.stop), None)
