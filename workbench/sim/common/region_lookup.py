"""The regions of memory that a launch watches, and the search for the region at an address.

Records and iterators need the search: machine code has only their address.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from workbench.numba_internals.llvm import ir
from workbench.sim.runtime import layout as at
from workbench.sim.runtime.symbols import place_of, publish
from workbench.sim.runtime.words import get


@dataclass
class Region:
    """Watched memory, covered by one array or by several that overlap.

    Attributes
    ----------
    start, stop : addresses
    unit : bytes per cell
    arrays : (argument name, array)
    record : the words that the runtime reads
    """

    start: int
    stop: int
    unit: int
    arrays: list[tuple[str, NDArray[Any]]]
    record: NDArray[np.int64] = field(default_factory=lambda: np.zeros(at.REGION_WORDS, np.int64))


_TABLE = np.zeros(2, np.int64)
_kept: list[Any] = []

publish("regions", _TABLE.ctypes.data)


def _address(name: str, words: int) -> Any:
    @intrinsic
    def read(_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.ptrtoint(place_of(builder, name, words), ir.IntType(64))

        return types.int64(), generate

    return read


_table, _state = _address("regions", _TABLE.size), _address("state", at.STATE_WORDS)


def show(regions: list[Region]) -> None:
    """Register the regions of a launch."""
    rows = np.array([(each.start, each.stop, each.record.ctypes.data) for each in regions], np.int64)
    _kept[:] = [rows]
    _TABLE[:] = rows.ctypes.data, len(regions)


def region_at(context: Any, builder: Any, address: Any) -> Any:
    """Generate the search for the region at an address; its result is 0 if there is none."""
    return context.compile_internal(builder, _search, types.int64(types.int64), [address])


def _search(address: int) -> int:
    row = get(_table(), 0)
    for _ in range(get(_table(), 1)):
        if get(row, 0) <= address and address < get(row, 1):
            return get(row, 2)
        row += 24
    block = get(_state(), at.BLOCK_TABLE) + 8 * at.BLOCK_WORDS * get(_state(), at.BLOCK)
    each = get(block, at.B_LAST_ARRAY)
    while each != 0:
        region = get(each, at.S_REGION)
        if get(region, at.R_BASE) <= address and address < get(region, at.R_CELLS):
            return region
        each = get(each, at.S_PREVIOUS)
    return 0
