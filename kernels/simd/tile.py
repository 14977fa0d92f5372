"""Register tiles: small matrices of SIMD accumulators that stay in registers, for kernels at the machine's limit.

A tile has ``m`` rows of ``n`` vectors, each as wide as a SIMD register: ``lanes(array)`` elements (float32: 16 with AVX-512,
8 with AVX2, 4 with SSE and NEON). It is a value, like a number: every function gives a new tile, and a loop that adds to one
writes ``t = outer(t, ...)``. LLVM keeps it in registers as long as it has no more vectors than the processor has registers,
a few of which the operands need (``ROWS`` by ``COLUMNS`` is the largest that fits), and as long as it does not leave the
function: do not pass a tile to another compiled function, nor keep it in an array or a tuple.

Memory is addressed in flat arrays (``array.reshape(array.size)``) by offsets in elements, a tuple for the rows of the tile
and one for its columns; ``steps`` makes such tuples, and their lengths are the tile's shape. Nothing checks that an offset
lies inside the array.

Without compilation (NUMBA_DISABLE_JIT=1) the functions below run as they are written, on NumPy arrays of shape
(m, n, lanes); they say what the compiled ones do. In compiled code each is a handful of instructions, written as LLVM IR in
``kernels.simd.tile_ir``. docs/register-tiles.md teaches their use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.simd import tile_ir
from kernels.simd.registers import register_bytes, register_count

Array = NDArray[Any]
Offsets = tuple[int, ...]
Tile = Any
"""In compiled code a ``tile_ir.TileType``; uncompiled an array (m, n, lanes)."""

ROWS, COLUMNS = (5, 4) if register_count() == 32 else (4, 2)
"""The tile of most arithmetic per operand for which LLVM never runs out of registers: accumulators, a row of vectors and a
column of factors fit at once, in whatever order it puts the loads.

Measured on one core with AVX-512 in a loop over filter taps: 5x4 runs at 90 to 96 % of the multiply-add peak, 6x4 and 7x3,
which LLVM spills there, at half of it. A tile of one column is a load per multiply-add and half as fast, whatever its rows.
"""


@tile_ir.compiled(tile_ir.lanes)
def lanes(array: Array) -> int:
    """Return the elements of ``array`` that one SIMD register holds: a constant in compiled code."""
    return register_bytes() // array.dtype.itemsize


@tile_ir.compiled(tile_ir.steps, literal=True)
def steps(count: int, start: int, step: int) -> Offsets:
    """Return ``count`` offsets (start, start + step, ...); ``count`` is a literal or a module's constant."""
    return tuple(start + number * step for number in range(count))


@tile_ir.compiled(tile_ir.steps_to, literal=True)
def steps_to(count: int, start: int, step: int, last: int) -> Offsets:
    """Return offsets as ``steps`` does, none beyond ``last``: what would be is ``last`` again.

    For a tile over the edge of a matrix: its surplus rows compute the last row once more, and store the same values.
    """
    return tuple(min(start + number * step, last) for number in range(count))


@tile_ir.compiled(tile_ir.lane_steps)
def lane_steps(like: Array, start: int, step: int, last: int) -> Offsets:
    """Return as many offsets as ``lanes(like)``, as ``steps_to`` does: the rows of a square tile, for ``transpose``."""
    return steps_to(lanes(like), start, step, last)


@tile_ir.compiled(tile_ir.listed, literal=True)
def listed(count: int, table: Array, first: int) -> Offsets:
    """Return ``count`` offsets that a table of int64 holds from ``first`` on; beyond its end its last one again."""
    return tuple(int(table[min(first + number, table.size - 1)]) for number in range(count))


@tile_ir.compiled(tile_ir.zeros)
def zeros(rows: Offsets, columns: Offsets, like: Array) -> Tile:
    """Return a tile of zeros: a row per offset in ``rows``, a vector per offset in ``columns``, the dtype of ``like``."""
    return np.zeros((len(rows), len(columns), lanes(like)), like.dtype)


@tile_ir.compiled(tile_ir.spread)
def spread(array: Array, rows: Offsets, columns: Offsets) -> Tile:
    """Return the tile whose row i is ``array[rows[i]]`` in every lane, as a bias is."""
    tile = zeros(rows, columns, array)
    for i, row in enumerate(rows):
        tile[i] = array[row]
    return tile


@tile_ir.compiled(tile_ir.load)
def load(array: Array, rows: Offsets, columns: Offsets) -> Tile:
    """Read vectors: tile[i,j,:] = array[rows[i] + columns[j] : + lanes]."""
    tile = zeros(rows, columns, array)
    for i, j in np.ndindex(tile.shape[:2]):
        first = rows[i] + columns[j]
        tile[i, j] = array[first : first + tile.shape[2]]
    return tile


@tile_ir.compiled(tile_ir.load_first)
def load_first(array: Array, rows: Offsets, columns: Offsets, count: int) -> Tile:
    """Read vectors as ``load`` does, but of every row only the first ``count`` elements; the rest is 0 and not touched."""
    tile = zeros(rows, columns, array)
    for i, j in np.ndindex(tile.shape[:2]):
        size = min(max(count - j * tile.shape[2], 0), tile.shape[2])
        first = rows[i] + columns[j]
        tile[i, j, :size] = array[first : first + size]
    return tile


@tile_ir.compiled(tile_ir.store)
def store(tile: Tile, array: Array, rows: Offsets, columns: Offsets) -> None:
    """Write vectors: array[rows[i] + columns[j] : + lanes] = tile[i,j,:]."""
    for i, j in np.ndindex(tile.shape[:2]):
        first = rows[i] + columns[j]
        array[first : first + tile.shape[2]] = tile[i, j]


@tile_ir.compiled(tile_ir.store_first)
def store_first(tile: Tile, array: Array, rows: Offsets, columns: Offsets, count: int) -> None:
    """Write vectors as ``store`` does, but of every row only the first ``count`` elements."""
    for i, j in np.ndindex(tile.shape[:2]):
        size = min(max(count - j * tile.shape[2], 0), tile.shape[2])
        first = rows[i] + columns[j]
        array[first : first + size] = tile[i, j, :size]


@tile_ir.compiled(tile_ir.store_each)
def store_each(tile: Tile, array: Array, rows: Offsets, columns: Offsets, count: int) -> None:
    """Write vectors as ``store`` does, but of every vector only the first ``count`` lanes."""
    for i, j in np.ndindex(tile.shape[:2]):
        first = rows[i] + columns[j]
        array[first : first + count] = tile[i, j, :count]


@tile_ir.compiled(tile_ir.store_even)
def store_even(tile: Tile, array: Array, rows: Offsets, columns: Offsets, count: int) -> None:
    """Write the first ``count`` lanes of every vector to every second place: array[rows[i] + columns[j] + 2*lane]."""
    for i, j in np.ndindex(tile.shape[:2]):
        first = rows[i] + columns[j]
        array[first : first + 2 * count : 2] = tile[i, j, :count]


@tile_ir.compiled(tile_ir.outer)
def outer(tile: Tile, left: Array, rows: Offsets, k: int, right: Array, columns: Offsets, m: int) -> Tile:
    """Add an outer product: tile[i,j,:] += left[rows[i] + k] * right[columns[j] + m : + lanes].

    The step of a matrix product: one element of every row of ``left`` with a row of ``right``. One fused multiply-add per
    vector (where the processor has none: a multiplication and an addition).
    """
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        first = columns[j] + m
        tile[i, j] += left[rows[i] + k] * right[first : first + tile.shape[2]]
    return tile


@tile_ir.compiled(tile_ir.inner)
def inner(tile: Tile, left: Array, rows: Offsets, k: int, right: Array, columns: Offsets, m: int) -> Tile:
    """Multiply lane by lane: tile[i,j,:] += left[rows[i] + k : + lanes] * right[columns[j] + m : + lanes].

    The step of a sum that runs along memory in both operands, lane by lane; ``add_sums`` ends it.
    """
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        first, second = rows[i] + k, columns[j] + m
        tile[i, j] += left[first : first + tile.shape[2]] * right[second : second + tile.shape[2]]
    return tile


@tile_ir.compiled(tile_ir.slide, literal=True)
def slide(tile: Tile, left: Array, k: int, window: Tile, first: int) -> Tile:
    """Add rows of a larger tile, scaled: tile[i,j,:] += left[k] * window[first + i,j,:]; ``first`` is a literal.

    The step of a filter that slides down an image: the rows that the windows of neighbouring outputs share are read once.
    """
    return tile + left[k] * window[first : first + tile.shape[0]]


@tile_ir.compiled(tile_ir.inner_first)
def inner_first(
    tile: Tile, left: Array, rows: Offsets, k: int, right: Array, columns: Offsets, m: int, count: int
) -> Tile:
    """Multiply lane by lane as ``inner`` does, but only the first ``count`` lanes; no more is read."""
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        first, second = rows[i] + k, columns[j] + m
        tile[i, j, :count] += left[first : first + count] * right[second : second + count]
    return tile


@tile_ir.compiled(tile_ir.store_sums)
def store_sums(tile: Tile, array: Array, first: int) -> None:
    """Write the sum of every vector's lanes: array[first + i*n + j] = the sum of tile[i,j,:], in the order of ``add_sums``.

    Vectors are folded two by two, which takes a quarter of the instructions of one after the other.
    """
    for place, vector in enumerate(tile.reshape(-1, tile.shape[2])):
        array[first + place] = _halved(vector)


@tile_ir.compiled(tile_ir.add_sums)
def add_sums(tile: Tile, array: Array, rows: Offsets, columns: Offsets) -> None:
    """Add up lanes: array[rows[i] + columns[j]] += the sum of tile[i,j,:], halves first, in an order fixed by the lanes."""
    for i, j in np.ndindex(tile.shape[:2]):
        array[rows[i] + columns[j]] += _halved(tile[i, j])


def _halved(vector: Array) -> Any:
    while vector.size > 1:
        vector = vector[: vector.size // 2] + vector[vector.size // 2 :]
    return vector[0]


@tile_ir.compiled(tile_ir.add)
def add(tile: Tile, other: Tile) -> Tile:
    """Add two tiles of one shape, element by element."""
    return tile + other


@tile_ir.compiled(tile_ir.scale)
def scale(tile: Tile, factor: float) -> Tile:
    """Multiply every element by ``factor``, in the dtype of the tile."""
    return tile * tile.dtype.type(factor)


@tile_ir.compiled(tile_ir.positive)
def positive(tile: Tile) -> Tile:
    """Replace what is not above zero by zero, a NaN staying NaN: ReLU."""
    return np.where(tile <= 0, tile.dtype.type(0), tile)


@tile_ir.compiled(tile_ir.transpose)
def transpose(tile: Tile) -> Tile:
    """Exchange rows and lanes of a tile of ``lanes`` rows and one column."""
    return np.ascontiguousarray(tile[:, 0, :].T)[:, None, :]
