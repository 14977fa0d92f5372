"""To which watched memory an address belongs: for records and iterators, of which machine code has no more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import types

from workbench.sim.common import state
from workbench.sim.runtime import layout as at
from workbench.sim.runtime.words import get

if TYPE_CHECKING:
    from workbench.sim.host.arguments import Region

_TABLE = np.zeros(2, np.int64)
_TABLE_ADDRESS, _STATE = _TABLE.ctypes.data, state.ADDRESS
_kept: list[Any] = []


def show(regions: list[Region]) -> None:
    """Let the regions of a launch be found."""
    rows = np.array([(each.start, each.stop, each.record.ctypes.data) for each in regions], np.int64)
    _kept[:] = [rows]
    _TABLE[:] = rows.ctypes.data, len(regions)


def region_at(context: Any, builder: Any, address: Any) -> Any:
    """Generate the search for the region at an address, which gives 0 where there is none."""
    return context.compile_internal(builder, _search, types.int64(types.int64), [address])


def _search(address: int) -> int:
    row = get(_TABLE_ADDRESS, 0)
    for _ in range(get(_TABLE_ADDRESS, 1)):
        if get(row, 0) <= address and address < get(row, 1):
            return get(row, 2)
        row += 24
    block = get(_STATE, at.BLOCK_TABLE) + 8 * at.BLOCK_WORDS * get(_STATE, at.BLOCK)
    each = get(block, at.B_LAST_ARRAY)
    while each != 0:
        region = get(each, at.S_REGION)
        if get(region, at.R_BASE) <= address and address < get(region, at.R_CELLS):
            return region
        each = get(each, at.S_PREVIOUS)
    return 0
