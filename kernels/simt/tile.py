"""Register tiles for CUDA: tuples of numbers that one thread keeps in registers, for kernels at the GPU's limit.

A tile is a tuple of floats, its rows one after the other: ``outer`` adds the products of a column and a row to it, the step
of a matrix product; ``load`` and ``store`` move neighbouring elements in accesses of 16 bytes. A tile is a value, like a
number: every function returns a new one, and a loop that accumulates writes ``t = outer(t, ...)``. The compiler keeps it
in registers if all its indices are constants after loops with constant limits are unrolled.

Memory is addressed in flat arrays (``array.reshape(array.size)``, or shared memory with one axis) by offsets in elements.
Offsets are not checked on a GPU; the simulator checks them.

Without compilation, in numba-cuda's own simulator, the functions below run as written; they define what the compiled ones
do. In compiled code each is a handful of instructions, written as LLVM IR in ``kernels.simt.tile_ir``.
docs/cuda-kernels.md explains how to use them.
"""

from typing import Any

from numba import config
from numpy.typing import NDArray

from kernels.simt import tile_ir

Array = NDArray[Any]
Tile = tuple[Any, ...]

ALIGNMENT = None if config.ENABLE_CUDASIM else tile_ir.ACCESS_BYTES
"""What ``cuda.shared.array(..., alignment=ALIGNMENT)`` needs for ``load`` and ``store``; a simulator has no choice."""


@tile_ir.compiled(tile_ir.spread)
def spread(count: int, value: Any) -> Tile:
    """Return a tile of ``count`` equal values, for example zeros; ``count`` is a literal or a module constant."""
    return (value,) * count


@tile_ir.compiled(tile_ir.outer)
def outer(tile: Tile, left: Tile, right: Tile) -> Tile:
    """Add an outer product: tile[i*n + j] += left[i] * right[j], with n = len(right), one fused multiply-add each."""
    columns = len(right)
    return tuple(total + left[place // columns] * right[place % columns] for place, total in enumerate(tile))


@tile_ir.compiled(tile_ir.part)
def part(tile: Tile, first: int, count: int) -> Tile:
    """Return ``count`` values of a tile from ``first`` on; ``count`` is a literal or a module constant.

    ``first`` may be the counter of a loop with constant limits.
    """
    return tile[first : first + count]


@tile_ir.compiled(tile_ir.put)
def put(tile: Tile, place: int, value: Any) -> Tile:
    """Return the tile with one value replaced; ``place`` may be the counter of a loop with constant limits."""
    return (*tile[:place], value, *tile[place + 1 :])


@tile_ir.compiled(tile_ir.load)
def load(array: Array, offset: int, count: int) -> Tile:
    """Read ``count`` neighbouring elements from ``offset`` on, 16 bytes at a time.

    Parameters
    ----------
    array : flat and contiguous, float32 or float64; its address is a multiple of 16 bytes
    offset : in elements; a multiple of 16 bytes too
    count : a literal or a module constant; a power of two
    """
    return tuple(array[offset + number] for number in range(count))


@tile_ir.compiled(tile_ir.store)
def store(array: Array, offset: int, values: Tile) -> None:
    """Write neighbouring elements from ``offset`` on, 16 bytes at a time; ``array`` and ``offset`` are as for ``load``."""
    for number, value in enumerate(values):
        array[offset + number] = value
