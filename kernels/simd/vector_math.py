"""Operations on register tiles other than multiplying and adding: exp, maxima, selection, reordering.

As in ``kernels.simd.tile``, every function takes tiles as values and returns a new one. Compiled, it is a handful of
instructions (``kernels.simd.vector_math_ir``); uncompiled, it runs as written here, on arrays (m, n, lanes).
"""

from typing import Any

import numpy as np

from kernels.simd import vector_math_ir
from kernels.simd.tile import Array, Offsets, Tile
from kernels.simd.tile_ir import compiled


@compiled(vector_math_ir.shift)
def shift(tile: Tile, number: float) -> Tile:
    """Add ``number`` to every element."""
    return tile + tile.dtype.type(number)


@compiled(vector_math_ir.multiply)
def multiply(tile: Tile, other: Tile) -> Tile:
    """Multiply two tiles of the same shape, element by element."""
    return tile * other


@compiled(vector_math_ir.larger)
def larger(tile: Tile, other: Tile) -> Tile:
    """Return the larger of two elements; NaN if either is NaN."""
    return np.maximum(tile, other)


@compiled(vector_math_ir.where_replaces)
def where_replaces(value: Tile, best: Tile, tile: Tile, other: Tile) -> Tile:
    """Return ``tile`` where ``value`` replaces ``best`` as the maximum (larger, or the first NaN); elsewhere ``other``."""
    return np.where((value > best) | (np.isnan(value) & ~np.isnan(best)), tile, other)


@compiled(vector_math_ir.where_equal)
def where_equal(tile: Tile, number: float, chosen: Tile) -> Tile:
    """Return ``chosen`` where the element of ``tile`` equals ``number``; elsewhere 0."""
    return np.where(tile == number, chosen, chosen.dtype.type(0))


@compiled(vector_math_ir.keep_first)
def keep_first(tile: Tile, count: int, number: float) -> Tile:
    """Keep the first ``count`` elements of every row; set the rest to ``number``."""
    _, n, lanes = tile.shape
    places = np.arange(n * lanes).reshape(n, lanes)
    return np.where(places < count, tile, tile.dtype.type(number))


@compiled(vector_math_ir.load_between)
def load_between(tile: Tile, array: Array, rows: Offsets, columns: Offsets, first: int, last: int) -> Tile:
    """Read the elements [first, last) of every row, as ``tile.load`` does; leave the others unchanged."""
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        begin, end = _overlap(j * tile.shape[2], tile.shape[2], first, last)
        place = rows[i] + columns[j]
        tile[i, j, begin:end] = array[place + begin : place + end]
    return tile


@compiled(vector_math_ir.store_between)
def store_between(tile: Tile, array: Array, rows: Offsets, columns: Offsets, first: int, last: int) -> None:
    """Write the elements [first, last) of every row; see ``tile.store``."""
    for i, j in np.ndindex(tile.shape[:2]):
        begin, end = _overlap(j * tile.shape[2], tile.shape[2], first, last)
        place = rows[i] + columns[j]
        array[place + begin : place + end] = tile[i, j, begin:end]


def _overlap(start: int, size: int, first: int, last: int) -> tuple[int, int]:
    begin = min(max(first - start, 0), size)
    return begin, max(begin, min(last - start, size))


@compiled(vector_math_ir.sum_of)
def sum_of(tile: Tile) -> Any:
    """Add all elements: vector by vector, then the halves of the vector, in an order fixed by the shape of the tile."""
    vector = tile.reshape(-1, tile.shape[2])
    total = vector[0]
    for each in vector[1:]:
        total = total + each
    while total.size > 1:
        total = total[: total.size // 2] + total[total.size // 2 :]
    return total[0]


@compiled(vector_math_ir.largest_of)
def largest_of(tile: Tile) -> Any:
    """Return the largest of all elements; NaN if any is NaN."""
    return tile.max()


@compiled(vector_math_ir.even)
def even(tile: Tile) -> Tile:
    """Return every second element of the rows, starting with the first: half as many vectors."""
    m, n, lanes = tile.shape
    return tile.reshape(m, n * lanes)[:, ::2].reshape(m, n // 2, lanes)


@compiled(vector_math_ir.odd)
def odd(tile: Tile) -> Tile:
    """Return every second element of the rows, starting with the second: half as many vectors."""
    m, n, lanes = tile.shape
    return tile.reshape(m, n * lanes)[:, 1::2].reshape(m, n // 2, lanes)


@compiled(vector_math_ir.interleave)
def interleave(tile: Tile, other: Tile) -> Tile:
    """Return the elements of ``tile`` (even positions) and ``other`` (odd positions): twice as many vectors."""
    m, n, lanes = tile.shape
    return np.stack([tile, other], axis=-1).reshape(m, 2 * n, lanes)


@compiled(vector_math_ir.exp)
def exp(tile: Tile) -> Tile:
    """Return exp of every element, accurate to 2 ulp, including subnormal results.

    Source: W. Cody, W. Waite, Software Manual for the Elementary Functions (1980), chapter 6, for the reduction.
    """
    return np.exp(tile)
