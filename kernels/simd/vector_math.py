"""What kernels do to the elements of register tiles besides multiplying and adding: exp, maxima, choices, other orders.

Like those of ``kernels.simd.tile``, every function takes tiles as values and gives a new one, a handful of instructions in
compiled code (``kernels.simd.vector_math_ir``); uncompiled it runs as written here, on arrays (m, n, lanes).
"""

from __future__ import annotations

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
    """Multiply two tiles of one shape, element by element."""
    return tile * other


@compiled(vector_math_ir.larger)
def larger(tile: Tile, other: Tile) -> Tile:
    """Return the larger of two elements; a NaN where one is NaN."""
    return np.maximum(tile, other)


@compiled(vector_math_ir.where_replaces)
def where_replaces(value: Tile, best: Tile, tile: Tile, other: Tile) -> Tile:
    """Return ``tile`` where ``value`` takes the place of ``best`` as the maximum: larger, or the first NaN; else ``other``."""
    return np.where((value > best) | (np.isnan(value) & ~np.isnan(best)), tile, other)


@compiled(vector_math_ir.where_equal)
def where_equal(tile: Tile, number: float, chosen: Tile) -> Tile:
    """Return ``chosen`` where the element of ``tile`` is ``number``, elsewhere 0."""
    return np.where(tile == number, chosen, chosen.dtype.type(0))


@compiled(vector_math_ir.keep_first)
def keep_first(tile: Tile, count: int, number: float) -> Tile:
    """Keep the first ``count`` elements of every row; the rest is ``number``."""
    _, n, lanes = tile.shape
    places = np.arange(n * lanes).reshape(n, lanes)
    return np.where(places < count, tile, tile.dtype.type(number))


@compiled(vector_math_ir.load_between)
def load_between(tile: Tile, array: Array, rows: Offsets, columns: Offsets, first: int, last: int) -> Tile:
    """Read the elements ``first`` to before ``last`` of every row, as ``tile.load`` does; the others stay as they are."""
    tile = tile.copy()
    for i, j in np.ndindex(tile.shape[:2]):
        begin, end = _overlap(j * tile.shape[2], tile.shape[2], first, last)
        place = rows[i] + columns[j]
        tile[i, j, begin:end] = array[place + begin : place + end]
    return tile


@compiled(vector_math_ir.store_between)
def store_between(tile: Tile, array: Array, rows: Offsets, columns: Offsets, first: int, last: int) -> None:
    """Write the elements ``first`` to before ``last`` of every row; see ``tile.store``."""
    for i, j in np.ndindex(tile.shape[:2]):
        begin, end = _overlap(j * tile.shape[2], tile.shape[2], first, last)
        place = rows[i] + columns[j]
        array[place + begin : place + end] = tile[i, j, begin:end]


def _overlap(start: int, size: int, first: int, last: int) -> tuple[int, int]:
    begin = min(max(first - start, 0), size)
    return begin, max(begin, min(last - start, size))


@compiled(vector_math_ir.sum_of)
def sum_of(tile: Tile) -> Any:
    """Add up all elements: vector by vector, then halves of the vector, in an order fixed by the shape of the tile."""
    vector = tile.reshape(-1, tile.shape[2])
    total = vector[0]
    for each in vector[1:]:
        total = total + each
    while total.size > 1:
        total = total[: total.size // 2] + total[total.size // 2 :]
    return total[0]


@compiled(vector_math_ir.largest_of)
def largest_of(tile: Tile) -> Any:
    """Return the largest of all elements; NaN where one is NaN."""
    return tile.max()


@compiled(vector_math_ir.even)
def even(tile: Tile) -> Tile:
    """Return every second element of the rows, from the first: half as many vectors."""
    m, n, lanes = tile.shape
    return tile.reshape(m, n * lanes)[:, ::2].reshape(m, n // 2, lanes)


@compiled(vector_math_ir.odd)
def odd(tile: Tile) -> Tile:
    """Return every second element of the rows, from the second: half as many vectors."""
    m, n, lanes = tile.shape
    return tile.reshape(m, n * lanes)[:, 1::2].reshape(m, n // 2, lanes)


@compiled(vector_math_ir.interleave)
def interleave(tile: Tile, other: Tile) -> Tile:
    """Return the elements of ``tile`` and ``other`` in turn: twice as many vectors, whose even and odd ones they are."""
    m, n, lanes = tile.shape
    return np.stack([tile, other], axis=-1).reshape(m, 2 * n, lanes)


@compiled(vector_math_ir.exp)
def exp(tile: Tile) -> Tile:
    """Return exp of every element, right within 2 ulp, subnormal results included.

    Source: W. Cody, W. Waite, Software Manual for the Elementary Functions (1980), chapter 6, for the reduction.
    """
    return np.exp(tile)
