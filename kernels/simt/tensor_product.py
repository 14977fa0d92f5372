"""Products of the panels of ``block_product`` on tensor cores: the warps of a block compute 32 x 64 results each.

The four lanes that read one place read terms that lie in different banks: the even ones of a panel for one half of the
products, the odd ones for the other. In which order a panel's terms are multiplied does not matter.
"""

from typing import Any

from numba import cuda, uint32
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.simt.block_product import (
    GAP,
    PITCH,
    RESULTS,
    SIDE,
    as_added,
    as_held,
    multiply,
    own_column,
    own_row,
)
from kernels.simt.mma import multiply_bf16, multiply_tf32, rounded_to_tf32
from kernels.simt.tile import Tile, load, part, put, spread, store

Array = NDArray[Any]

_HALF = SIDE // 2


@cuda_device
def _factors_of_rows(panels: Array, start: int) -> Tile:
    """Return a lane's two terms of each octet of its warp's rows; ``start`` is where the first of both is."""
    found = spread(8, panels.dtype.type(0))
    for octet in range(4):
        for half in range(2):
            found = put(found, 2 * octet + half, panels[start + uint32(8 * octet + half * (8 * PITCH + GAP))])
    return found


@cuda_device
def _factors_of_columns(panels: Array, start: int) -> Tile:
    """Return a lane's two terms of each octet of the columns."""
    found = spread(16, panels.dtype.type(0))
    for octet in range(8):
        for half in range(2):
            found = put(found, 2 * octet + half, panels[start + uint32(8 * octet + half * (8 * PITCH + GAP))])
    return found


@cuda_device
def _own_places() -> tuple[int, int]:
    """Return where a lane's first factor of its rows is in a panel, and that of the columns."""
    t = uint32(cuda.threadIdx.x)
    column = t % uint32(4) * uint32(2 * PITCH) + t % uint32(32) // uint32(4)
    return t // uint32(32) * uint32(_HALF) + column, column


@cuda_device
def add_product_tf32(tile: Tile, panels: Array, left: int, right: int) -> Tile:
    """Add the product of two panels at ``left`` and ``right``, of values rounded to tf32, to the results of a warp."""
    row, column = _own_places()
    for term in range(2):
        rows = _factors_of_rows(panels, left + row + uint32(term * PITCH))
        tile = multiply_tf32(tile, rows, _factors_of_columns(panels, right + column + uint32(term * PITCH)))
    return tile


@cuda_device
def add_product_bf16(tile: Tile, panels: Array, left: int, right: int) -> Tile:
    """Add the product of two panels at ``left`` and ``right``, of factors rounded to bfloat16, to the results of a warp."""
    row, column = _own_places()
    row, column = left + row, right + column
    rows = _factors_of_rows(panels, row) + _factors_of_rows(panels, row + uint32(PITCH))
    columns = _factors_of_columns(panels, column) + _factors_of_columns(panels, column + uint32(PITCH))
    return multiply_bf16(tile, rows, columns)


@cuda_device
def _turned(row: int) -> Any:
    """Return what the columns of a row of results are turned by in shared memory, so that no two lanes meet in a bank."""
    return row % uint32(4) * uint32(8) ^ row // uint32(4) % uint32(2) * uint32(16)


@cuda_device
def as_block_results(tile: Tile, panels: Array) -> Tile:
    """Exchange the results of a block between its threads, through the panels, so that each holds its tile of 8 x 8.

    All threads call it, when no one reads the panels any more.
    """
    t = uint32(cuda.threadIdx.x)
    top, pair = t // uint32(32) * uint32(_HALF) + t % uint32(32) // uint32(4), t % uint32(4) * uint32(2)
    for number in range(32):
        row = top + uint32(number // 16 * 16 + number % 2 * 8)
        place = row * uint32(SIDE) + ((pair + uint32(number // 2 % 8 * 8)) ^ _turned(row))
        store(panels, place, part(tile, 2 * number, 2))
    cuda.syncthreads()
    row, column = own_row() * uint32(4), own_column() * uint32(4)
    made = spread(RESULTS, panels.dtype.type(0))
    for number in range(16):
        own = row + uint32(number // 2 % 4 + number // 8 * _HALF)
        four = load(panels, own * uint32(SIDE) + ((column + uint32(number % 2 * _HALF)) ^ _turned(own)), 4)
        for c in range(4):
            made = put(made, 4 * number + c, part(four, c, 1)[0])
    cuda.syncthreads()
    return made


FULL = as_held, multiply, as_added
TF32 = rounded_to_tf32, add_product_tf32, as_block_results
BF16 = as_held, add_product_bf16, as_block_results
"""What a product in each precision is made of.

- what a thread holds of a panel -> what it places there
- adds the product of two panels to the results of a thread, as ``block_product.multiply``
- these results -> those of a tile of 8 x 8, as ``as_block_results``
"""
