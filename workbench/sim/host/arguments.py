"""Convert a launch's arguments to the words that a simulated kernel reads, and to watched memory regions."""

from math import gcd
from typing import Any

import numpy as np
from numba import typeof, types
from numpy.typing import NDArray

from workbench.numba_internals.errors import NumbaError
from workbench.numba_internals.type_inference import from_dtype
from workbench.sim.common import fields, region_lookup
from workbench.sim.common.facts import Capture
from workbench.sim.common.page_memory import Memory
from workbench.sim.common.region_lookup import Region
from workbench.sim.compiler.reading import array_type
from workbench.sim.host.allocations import initialize, shadow_of
from workbench.sim.runtime import layout as at

_SCALARS = types.Number | types.Boolean | types.NPDatetime | types.NPTimedelta | types.Record | types.EnumMember

_cell_memory, _cold_memory = Memory(), Memory()


class Arguments:
    """The arguments of one launch.

    Attributes
    ----------
    kinds : Numba types of the arguments
    words : the words that the kernel reads, after ``set_up``
    regions : the watched regions, in the order of their numbers

    Parameters
    ----------
    names, values : names and values of the arguments
    """

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self.regions: list[Region] = []
        self.kinds = tuple(_kind(value) for value in values)
        self._names, self._values = names, tuple(_in_memory(value) for value in values)
        self.words: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def set_up(self, captures: tuple[Capture, ...], *, watch: bool, by_bytes: bool) -> None:
        """Lay out the regions and fill the words that machine code reads.

        Parameters
        ----------
        captures : arrays that the kernel captures
        watch : whether accesses are recorded, which needs cells
        by_bytes : whether the kernel views arrays as smaller elements
        """
        for name, value in zip(self._names, self._values, strict=True):
            self._cover_all(name, value)
        for capture in captures:
            self._cover_all(capture.name, capture.array)
        if not watch:
            for _, array in (each for region in self.regions for each in region.arrays):
                initialize(array)  # by what is not recorded
        for region in self.regions:
            region.unit = 1 if by_bytes else _unit(region)
        sizes = [at.CELL_BYTES * -(-(each.stop - each.start) // each.unit) for each in self.regions]
        cells = _cell_memory.cleared(sum(sizes)) if watch and sizes else 0
        cold = _cold_memory.at_least(2 * sum(sizes)) - 2 * cells if watch and sizes else 0
        for number, (region, size) in enumerate(zip(self.regions, sizes, strict=True)):
            shadow = shadow_of(region.start, region.stop) if watch else 0
            shift, origin = region.unit.bit_length() - 1, min(_owner_start(array) for _, array in region.arrays)
            region.record[:] = (region.start, shift, cells, cold, at.GLOBAL, number, shadow, origin)
            cells += size
        region_lookup.show(self.regions)
        words: list[bytes] = []
        for kind, value in zip(self.kinds, self._values, strict=True):
            self._pack(kind, value, words)
        self.words = np.frombuffer(b"".join(words) or bytes(8), np.uint8).copy()
        for capture in captures:
            capture.words[:] = self._array_words(capture.array)

    def _cover_all(self, name: str, value: Any) -> None:
        """Add an argument's arrays to the regions."""
        if isinstance(value, tuple):
            for place, each in enumerate(value):
                self._cover_all(f"{name}[{place}]", each)
        elif isinstance(value, np.ndarray) and value.size > 0:
            self._cover(name, value)

    def _cover(self, name: str, array: NDArray[Any]) -> None:
        """Add an array to the regions; merge it with those that it overlaps."""
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

    def _array_words(self, array: NDArray[Any]) -> NDArray[np.int64]:
        """Return the words that machine code reads for an array."""
        region = next((each for each in self.regions if any(array is one for _, one in each.arrays)), None)
        parent = region.record.ctypes.data if region is not None else 0
        return np.array([parent, array.ctypes.data, *array.shape, *array.strides], np.int64)

    def _pack(self, kind: Any, value: Any, words: list[bytes]) -> None:
        """Append a value's words."""
        if isinstance(kind, types.EnumMember):
            kind, value = kind.dtype, value.value
        if isinstance(kind, types.Record):
            words.append(np.int64(value.ctypes.data).tobytes())
        elif isinstance(value, np.ndarray):
            words.append(self._array_words(value).tobytes())
        elif isinstance(value, tuple):
            for part, each in zip(kind, value, strict=True):
                self._pack(part, each, words)
        elif value is not None:
            dtype = np.dtype(str(kind)) if isinstance(kind, types.Integer) else None
            raw = np.asarray(value, dtype).tobytes()
            words.append(raw + bytes(-len(raw) % 8))


def _owner_start(array: NDArray[Any]) -> int:
    """Return the address at which the memory that an array is a view of begins."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return int(np.lib.array_utils.byte_bounds(array)[0])


def _in_memory(value: Any) -> Any:
    """Return an argument with records replaced by arrays: their memory, or a copy if it must not be written."""
    if isinstance(value, tuple):
        return tuple(_in_memory(each) for each in value)
    if not isinstance(value, np.void):
        return value
    array = np.asarray(value)
    return array if array.flags.writeable else array.copy()


def _kind(value: Any) -> Any:
    """Return the Numba type of an argument."""
    if isinstance(value, np.ndarray):
        return array_type(value)
    if isinstance(value, tuple):
        kinds = [_kind(each) for each in value]
        if not hasattr(value, "_fields"):
            return types.Tuple(kinds)
        if len(set(kinds)) == 1:
            return types.NamedUniTuple(kinds[0], len(kinds), type(value))
        return types.NamedTuple(kinds, type(value))
    if value is None:
        return types.none
    try:
        kind = from_dtype(value.dtype) if isinstance(value, np.void) else typeof(value)
    except (ValueError, NumbaError):
        kind = None
    if not isinstance(kind, _SCALARS):
        raise TypeError(f"a kernel takes arrays, records, numbers and tuples of them, not {type(value).__name__}")
    return kind


def _unit(region: Region) -> int:
    """Return the largest power of two, up to 8, that divides the elements and fields of all arrays of a region."""
    numbers = [8]
    for _, array in region.arrays:
        first = array.ctypes.data - region.start
        numbers += [fields.granularity(array.dtype), first, *(stride for stride in array.strides)]
    return gcd(*numbers)
