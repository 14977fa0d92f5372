"""Products of the panels of ``block_product`` on tensor cores: the warps of a block compute 32 x 64 results each.

A lane needs terms that turn its places to different banks: numbers 0, 2, 5, 7 and 8, 10, 13, 15 of a panel for one half of
the products, 1, 3, 4, 6 and 9, 11, 12, 14 for the other. In which order a panel's terms are multiplied does not matter.
"""

from typing import Any

from numba import cuda, uint32
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.simt.block_product import RESULTS, SIDE, as_added, as_held, multiply, own_column, own_row, turn
from kernels.simt.mma import multiply_bf16, multiply_tf32, rounded_to_tf32
from kernels.simt.tile import Tile, load, part, put, spread, store

Array = NDArray[Any]

_HALF = SIDE // 2


@cuda_device
def _factors_of_rows(panel: Array, start: int, place: int, turned: int) -> Tile:
    """Return a lane's two terms of each octet of its warp's rows; ``start`` is where the first of both terms begins."""
    found = spread(8, panel.dtype.type(0))
    for octet in range(4):
        for half in range(2):
            value = panel[start + uint32(8 * SIDE * half) + (place ^ turned ^ uint32(8 * octet ^ 8 * half))]
            found = put(found, 2 * octet + half, value)
    return found


@cuda_device
def _factors_of_columns(panel: Array, start: int, place: int, turned: int) -> Tile:
    """Return a lane's two terms of each octet of the columns."""
    found = spread(16, panel.dtype.type(0))
    for octet in range(8):
        for half in range(2):
            value = panel[start + uint32(8 * SIDE * half) + (place ^ turned ^ uint32(8 * octet ^ 8 * half))]
            found = put(found, 2 * octet + half, value)
    return found


@cuda_device
def _own_places() -> tuple[int, int, int]:
    """Return a lane's first row and column, and the first of its terms."""
    t = uint32(cuda.threadIdx.x)
    group, own = t % uint32(32) // uint32(4), t % uint32(4)
    return t // uint32(32) * uint32(_HALF) + group, group, uint32(2) * own + own // uint32(2)


@cuda_device
def add_product_tf32(tile: Tile, left: Array, right: Array, base: int) -> Tile:
    """Add the product of two panels, which begin at ``base`` and hold values rounded to tf32, to the results of a warp."""
    row, column, term = _own_places()
    for other in range(2):
        own = term ^ uint32(other)
        start, turned = base + own * uint32(SIDE), turn(own)
        rows = _factors_of_rows(left, start, row, turned)
        tile = multiply_tf32(tile, rows, _factors_of_columns(right, start, column, turned))
    return tile


@cuda_device
def add_product_bf16(tile: Tile, left: Array, right: Array, base: int) -> Tile:
    """Add the product of two panels, which begin at ``base``, of factors rounded to bfloat16, to the results of a warp."""
    row, column, term = _own_places()
    other = term ^ uint32(1)
    start, turned = base + term * uint32(SIDE), turn(term)
    start_2, turned_2 = base + other * uint32(SIDE), turn(other)
    rows = _factors_of_rows(left, start, row, turned) + _factors_of_rows(left, start_2, row, turned_2)
    columns = _factors_of_columns(right, start, column, turned) + _factors_of_columns(right, start_2, column, turned_2)
    return multiply_bf16(tile, rows, columns)


@cuda_device
def _turned(row: int) -> Any:
    """Return what the columns of a row of results are turned by in shared memory, so that no two lanes meet in a bank."""
    return row % uint32(4) * uint32(8) ^ row // uint32(4) % uint32(2) * uint32(16)


@cuda_device
def as_block_results(tile: Tile, left: Array, right: Array) -> Tile:
    """Exchange the results of a block between its threads, through the panels, so that each holds its tile of 8 x 8.

    All threads call it, when no one reads the panels any more.
    """
    t = uint32(cuda.threadIdx.x)
    group, pair = t % uint32(32) // uint32(4), t % uint32(4) * uint32(2)
    for number in range(16):
        for half in range(2):
            row = group + uint32(number // 8 * 16 + 8 * half)
            place = row * uint32(SIDE) + ((pair + uint32(number % 8 * 8)) ^ _turned(row))
            if t < uint32(32):
                store(left, place, part(tile, 4 * number + 2 * half, 2))
            else:
                store(right, place, part(tile, 4 * number + 2 * half, 2))
    cuda.syncthreads()
    row, column = own_row() * uint32(4), own_column() * uint32(4)
    made = spread(RESULTS, left.dtype.type(0))
    for r in range(8):
        own = row + uint32(r % 4)
        for half in range(2):
            place = own * uint32(SIDE) + ((column + uint32(half * _HALF)) ^ _turned(own))
            if r < 4:
                four = load(left, place, 4)
            else:
                four = load(right, place, 4)
            for c in range(4):
                made = put(made, 8 * r + 4 * half + c, part(four, c, 1)[0])
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
