"""A launch's arguments as the words that a simulated kernel reads, and the regions of memory that are watched."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from typing import Any

import numpy as np
from numba import typeof
from numba.core import types
from numba.core.errors import NumbaError
from numba.np.numpy_support import from_dtype
from numpy.typing import NDArray

from workbench.sim.memory import Memory
from workbench.sim.runtime import layout as at


@dataclass
class Region:
    """Watched memory: what one array, or several that overlap, cover.

    Attributes
    ----------
    start, stop : addresses
    unit : bytes that one cell watches
    arrays : (name of the argument, array)
    record : where the runtime reads it
    """

    start: int
    stop: int
    unit: int
    arrays: list[tuple[str, NDArray[Any]]]
    record: NDArray[np.int64] = field(default_factory=lambda: np.zeros(at.REGION_WORDS, np.int64))


_cell_memory, _cold_memory = Memory(), Memory()


class Arguments:
    """The arguments of one launch.

    Attributes
    ----------
    kinds : Numba's types
    words : what the kernel reads
    regions : what is watched, in the order of their numbers

    Parameters
    ----------
    names, values : of the arguments
    """

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self.regions: list[Region] = []
        for name, value in zip(names, values, strict=True):
            self._cover_all(name, value)
        words: list[bytes] = []
        self.kinds = tuple(self._pack(value, words) for value in values)
        self.words = np.frombuffer(b"".join(words) or bytes(8), np.uint8).copy()
        self._keep = values

    def _cover_all(self, name: str, value: Any) -> None:
        """Add an argument's arrays to the regions."""
        if isinstance(value, tuple):
            for place, each in enumerate(value):
                self._cover_all(f"{name}[{place}]", each)
        elif isinstance(value, np.ndarray) and value.size > 0:
            self._cover(name, value)

    def _cover(self, name: str, array: NDArray[Any]) -> None:
        """Add an array to the regions; one that overlaps others joins them."""
        start, stop = np.lib.array_utils.byte_bounds(array)
        joined = Region(start, stop, 0, [(name, array)])
        rest = []
        for region in self.regions:
            if region.start < joined.stop and joined.start < region.stop:
                joined.start, joined.stop = min(joined.start, region.start), max(joined.stop, region.stop)
                joined.arrays = region.arrays + joined.arrays
            else:
                rest.append(region)
        self.regions = [*rest, joined]

    def set_up(self, *, watch: bool, by_bytes: bool) -> None:
        """Fill the regions' records.

        Parameters
        ----------
        watch : whether accesses are noted: then there are cells
        by_bytes : whether the kernel looks at arrays as at others of smaller elements
        """
        for region in self.regions:
            region.unit = 1 if by_bytes else _unit(region)
        sizes = [at.CELL_BYTES * -(-(each.stop - each.start) // each.unit) for each in self.regions]
        cells = _cell_memory.cleared(sum(sizes)) if watch and sizes else 0
        cold = _cold_memory.at_least(2 * sum(sizes)) - 2 * cells if watch and sizes else 0
        for number, (region, size) in enumerate(zip(self.regions, sizes, strict=True)):
            region.record[:] = (region.start, region.unit.bit_length() - 1, cells, cold, at.GLOBAL, number)
            cells += size

    def _pack(self, value: Any, words: list[bytes]) -> Any:
        """Append a value's words, and give its type."""
        if isinstance(value, np.ndarray):
            region = next((each for each in self.regions if any(array is value for _, array in each.arrays)), None)
            parent = region.record.ctypes.data if region is not None else 0
            words.append(np.array([parent, value.ctypes.data, *value.shape, *value.strides], np.int64).tobytes())
            kind: Any = _element(value.dtype)
            layout: Any = "C" if value.flags.c_contiguous else "A"
            return types.Array(kind, value.ndim, layout, readonly=not value.flags.writeable)
        if isinstance(value, tuple):
            kinds = [self._pack(each, words) for each in value]
            if hasattr(value, "_fields"):
                return (
                    types.NamedTuple(kinds, type(value))
                    if len(set(kinds)) != 1
                    else types.NamedUniTuple(kinds[0], len(kinds), type(value))
                )
            return types.Tuple(kinds)
        if value is None:
            return types.none
        try:
            kind = typeof(value)
        except (ValueError, NumbaError):
            kind = None
        if not isinstance(kind, types.Number | types.Boolean):
            raise TypeError(f"a kernel takes arrays, numbers and tuples of them, not {type(value).__name__}")
        dtype = np.dtype(str(kind)) if isinstance(kind, types.Integer) else None
        raw = np.asarray(value, dtype).tobytes()
        words.append(raw + bytes(-len(raw) % 8))
        return kind


def _element(dtype: np.dtype[Any]) -> Any:
    """Give Numba's type of an array's elements."""
    try:
        return from_dtype(dtype)
    except (NumbaError, NotImplementedError):
        raise TypeError(f"arrays of {dtype} cannot be simulated; convert them to one of numbers") from None


def _unit(region: Region) -> int:
    """Give the largest power of two, up to 8, of which the elements of all arrays of a region are multiples."""
    numbers = [8]
    for _, array in region.arrays:
        first = array.ctypes.data - region.start
        numbers += [array.dtype.itemsize, first, *(stride for stride in array.strides)]
    return gcd(*numbers)
