"""Register tiles: small matrices of SIMD accumulators that stay in registers, for kernels at the machine's limit.

A tile has ``m`` rows of ``n`` vectors, each as wide as a SIMD register: ``lanes(array)`` elements (float32: 16 with AVX-512,
8 with AVX2, 4 with SSE and NEON). A tile is a value, like a number: every function returns a new tile, and a loop that
accumulates writes ``t = outer(t, ...)``. LLVM keeps a tile in registers under two conditions. Its vectors, plus a few for
the operands, must fit the processor's registers (``ROWS`` by ``COLUMNS`` is the largest tile that fits). It must not leave
the function: do not pass a tile to another compiled function, and do not store it in an array or a tuple.

Memory is addressed in flat arrays (``array.reshape(array.size)``) by offsets in elements, one tuple for the rows of the tile
and one for its columns; ``steps`` makes such tuples, and their lengths are the tile's shape. Offsets are not checked against
the bounds of the array.

Without compilation (NUMBA_DISABLE_JIT=1) the functions below run as written, on NumPy arrays of shape (m, n, lanes); they
define what the compiled ones do. In compiled code each is a handful of instructions, written as LLVM IR in
``kernels.simd.tile_ir``. docs/register-tiles.md explains how to use them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.simd import tile_ir
from kernels.simd.registers import register_bytes, register_count

Array = NDArray[Any]
Offsets = tuple[int, ...]
Tile = Any
"""A ``tile_ir.TileType`` in compiled code; an array (m, n, lanes) otherwise."""

ROWS, COLUMNS = (5, 4) if register_count() == 32 else (4, 2)
"""The tile with the most arithmetic per operand for which LLVM never runs out of registers: the accumulators, a row of
vectors and a column of factors fit at once, in whatever order LLVM schedules the loads.

Measured on one core with AVX-512 in a loop over filter taps: 5x4 runs at 90 to 96 % of the multiply-add peak; 6x4 and 7x3,
which LLVM spills there, run at half of it. A tile of one column needs a load per multiply-add and is half as fast,
whatever its number of rows.
"""


@tile_ir.compiled(tile_ir.lanes)
def lanes(array: Array) -> int:
    """Return the number of elements of ``array`` that fit in one SIMD register: a constant in compiled code."""
    return register_bytes() // array.dtype.itemsize


@tile_ir.compiled(tile_ir.steps, literal=True)
def steps(count: int, start: int, step: int) -> Offsets:
    """Return ``count`` offsets (start, start + step, ...); ``count`` is a literal or a module constant."""
    return tuple(start + number * step for number in range(count))


@tile_ir.compiled(tile_ir.steps_to, literal=True)
def steps_to(count: int, start: int, step: int, last: int) -> Offsets:
    """Return offsets as ``steps`` does, limited to ``last``.

    For a tile over the edge of a matrix: its surplus rows compute the last row again and store the same values.
    """
    return tuple(min(start + number * step, last) for number in range(count))


@tile_ir.compiled(tile_ir.lane_steps)
def lane_steps(like: Array, start: int, step: int, last: int) -> Offsets:
    """Return ``lanes(like)`` offsets as ``steps_to`` does: the rows of a square tile, for ``transpose``."""
    return steps_to(lanes(like), start, step, last)


@tile_ir.compiled(tile_ir.listed, literal=True)
def listed(count: int, table: Array, first: int) -> Offsets:
    """Return ``count`` offsets from an int64 table, from ``first`` on; past its end, the last entry is repeated."""
    return tuple(int(table[min(first + number, table.size - 1)]) for number in range(count))


@tile_ir.compiled(tile_ir.zeros)
def zeros(rows: Offsets, columns: Offsets, like: Array) -> Tile:
    """Return a tile of zeros: a row per offset in ``rows``, a vector per offset in ``columns``, the dtype of ``like``."""
    return np.zeros((len(rows), len(columns), lanes(like)), like.dtype)


@tile_ir.compiled(tile_ir.spread)
def spread(array: Array, rows: Offsets, columns: Offsets) -> Tile:
    """Return the tile whose row i holds ``array[rows[i]]`` in every lane, for example a bias."""
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
    """Read vectors as ``load`` does, but only the first ``count`` elements of every row; the rest is 0 and is not read."""
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
    """Write vectors as ``store`` does, but only the first ``count`` elements of every row."""
    for i, j in np.ndindex(tile.shape[:2]):
        size = min(max(count - j * tile.shape[2], 0), tile.shape[2])
        first = rows[i] + columns[j]
        array[first : first + size] = tile[i, j, :size]


@tile_ir.compiled(tile_ir.store_each)
def store_each(tile: Tile, array: Array, rows: Offsets, columns: Offsets, count: int) -> None:
    """Write vectors as ``store`` does, but only the first ``count`` lanes of every vector."""
    for i, j in np.ndindex(tile.shape[:2]):
        first = rows[i] + columns[j]
        array[first : first + count] = tile[i, j, :count]


@tile_ir.compiled(tile_ir.store_even)
def store_even(tile: Tile, array: Array, rows: Offsets, columns: Offsets, count: int) -> None:
    """Write the first ``count`` lanes of every vector to every second element: array[rows[i] + columns[j] + 2*lane]."""
    for i, j in np.ndindex(tile.shape[:2]):
        first = rows[i] + columns[j]
        array[first : first + 2 * count : 2] = tile[i, j, :count]


@tile_ir.compiled(tile_ir.outer)
def outer(tile: Tile, left: Array, rows: Offsets, k: int, right: Array, columns: Offsets, m: int) -> Tile:
    """Add an outer product: tile[i,j,:] += left[rows[i] + k] * right[columns[j] + m : + lanes].

    The step of a matrix product: one element of every row of ``left`` times a row of ``right``. It takes one fused
    multiply-add per vector (a multiplication and an addition on processors without FMA).
    """
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        first = columns[j] + m
        tile[i, j] += left[rows[i] + k] * right[first : first + tile.shape[2]]
    return tile


@tile_ir.compiled(tile_ir.sweep, literal=True)
def sweep(tile: Tile, segment: int, left: Array, k: int, pitch: int, right: Array, m: int) -> Tile:
    """Add an outer product: tile[i,j,:] += left[k + i // segment * pitch + i % segment] * right[m + j*lanes : + lanes].

    The step of a correlation whose rows are neighbouring pixels, ``segment`` (a literal) of a line, and whose columns are
    channels: the distances of the pixels are constants of the instructions that read them.
    """
    rows = tuple(k + i // segment * pitch + i % segment for i in range(tile.shape[0]))
    return outer(tile, left, rows, 0, right, steps(tile.shape[1], 0, tile.shape[2]), m)


@tile_ir.compiled(tile_ir.inner)
def inner(tile: Tile, left: Array, rows: Offsets, k: int, right: Array, columns: Offsets, m: int) -> Tile:
    """Multiply lane by lane: tile[i,j,:] += left[rows[i] + k : + lanes] * right[columns[j] + m : + lanes].

    The step of a sum that runs along memory in both operands; ``add_sums`` completes it.
    """
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        first, second = rows[i] + k, columns[j] + m
        tile[i, j] += left[first : first + tile.shape[2]] * right[second : second + tile.shape[2]]
    return tile


@tile_ir.compiled(tile_ir.slide, literal=True)
def slide(tile: Tile, left: Array, k: int, window: Tile, first: int) -> Tile:
    """Add rows of a larger tile, scaled: tile[i,j,:] += left[k] * window[first + i,j,:]; ``first`` is a literal.

    The step of a filter that slides down an image: rows shared by the windows of neighbouring outputs are read once.
    """
    return tile + left[k] * window[first : first + tile.shape[0]]


@tile_ir.compiled(tile_ir.inner_first)
def inner_first(
    tile: Tile, left: Array, rows: Offsets, k: int, right: Array, columns: Offsets, m: int, count: int
) -> Tile:
    """Multiply lane by lane as ``inner`` does, but only the first ``count`` lanes; the others are not read."""
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        first, second = rows[i] + k, columns[j] + m
        tile[i, j, :count] += left[first : first + count] * right[second : second + count]
    return tile


@tile_ir.compiled(tile_ir.store_sums)
def store_sums(tile: Tile, array: Array, first: int) -> None:
    """Write the sum of every vector: array[first + i*n + j] = the sum of tile[i,j,:], in the order of ``add_sums``.

    Vectors are folded in pairs, which takes a quarter of the instructions of folding them one by one.
    """
    for place, vector in enumerate(tile.reshape(-1, tile.shape[2])):
        array[first + place] = _halved(vector)


@tile_ir.compiled(tile_ir.add_sums)
def add_sums(tile: Tile, array: Array, rows: Offsets, columns: Offsets) -> None:
    """Add the lanes: array[rows[i] + columns[j]] += the sum of tile[i,j,:], by halves, in an order fixed by the lanes."""
    for i, j in np.ndindex(tile.shape[:2]):
        array[rows[i] + columns[j]] += _halved(tile[i, j])


def _halved(vector: Array) -> Any:
    while vector.size > 1:
        vector = vector[: vector.size // 2] + vector[vector.size // 2 :]
    return vector[0]


@tile_ir.compiled(tile_ir.add)
def add(tile: Tile, other: Tile) -> Tile:
    """Add two tiles of the same shape, element by element."""
    return tile + other


@tile_ir.compiled(tile_ir.scale)
def scale(tile: Tile, factor: float) -> Tile:
    """Multiply every element by ``factor``, in the dtype of the tile."""
    return tile * tile.dtype.type(factor)


@tile_ir.compiled(tile_ir.positive)
def positive(tile: Tile) -> Tile:
    """Replace elements that are not above zero with zero; NaN stays NaN: ReLU."""
    return np.where(tile <= 0, tile.dtype.type(0), tile)


@tile_ir.compiled(tile_ir.transpose)
def transpose(tile: Tile) -> Tile:
    """Exchange the rows and lanes of a tile with ``lanes`` rows and one column."""
    return np.ascontiguousarray(tile[:, 0, :].T)[:, None, :]
