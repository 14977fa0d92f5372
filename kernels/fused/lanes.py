"""Tile operations of the fused network beyond ``kernels.simd.tile``: offsets from a table, comparisons lane by lane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.compile.numba_internals.llvm import ir
from kernels.simd import tile_ir
from kernels.simd.registers import register_bytes
from kernels.simd.tile import Offsets, Tile, add, load, load_first, steps, steps_to, store_first

LANES = register_bytes() // 4
"""Samples per block: the float32 lanes of a register."""


def _listed(count: Any, table: Any, start: Any) -> tile_ir.Definition:
    if not isinstance(count, types.IntegerLiteral) or not isinstance(table, types.Array):
        return None
    size = count.literal_value

    def body(builder: Any, _count: Any, table: Any, start: Any) -> list[Any]:
        return [table.read(builder.add(start, tile_ir.INT(number))) for number in range(size)]

    return types.UniTuple(types.intp, size)(count, table, types.intp), body


@tile_ir.compiled(_listed, literal=True)
def listed(count: int, table: NDArray[np.int64], start: int) -> Offsets:
    """Return ``count`` offsets from a table, from index ``start`` on; ``count`` is a literal or a module's constant."""
    return tuple(int(table[start + number]) for number in range(count))


def _where_equal(left: Any, right: Any, tile: Any) -> tile_ir.Definition:
    if not isinstance(tile, tile_ir.TileType) or not left == right == tile:
        return None

    def body(builder: Any, left: list[Any], right: list[Any], vectors: list[Any]) -> list[Any]:
        zero = ir.Constant(tile.vector, None)
        return [
            builder.select(builder.fcmp_ordered("==", one, other), vector, zero)
            for one, other, vector in zip(left, right, vectors, strict=True)
        ]

    return tile(left, right, tile), body


@tile_ir.compiled(_where_equal)
def where_equal(left: Tile, right: Tile, tile: Tile) -> Tile:
    """Return ``tile`` where ``left`` equals ``right``, else 0."""
    return np.where(left == right, tile, tile.dtype.type(0))


def _where_positive(mask: Any, tile: Any) -> tile_ir.Definition:
    if not isinstance(tile, tile_ir.TileType) or tile != mask:
        return None

    def body(builder: Any, masks: list[Any], vectors: list[Any]) -> list[Any]:
        zero = ir.Constant(tile.vector, None)
        return [
            builder.select(builder.fcmp_ordered("<=", mask, zero), zero, vector)
            for mask, vector in zip(masks, vectors, strict=True)
        ]

    return tile(mask, tile), body


@tile_ir.compiled(_where_positive)
def where_positive(mask: Tile, tile: Tile) -> Tile:
    """Return ``tile`` where ``mask`` is above zero or NaN, else 0: the gradient of ReLU."""
    return np.where(mask <= 0, tile.dtype.type(0), tile)


def _sums(tile: Any) -> tile_ir.Definition:
    if not isinstance(tile, tile_ir.TileType) or tile.m != tile.lanes or tile.n != 1:
        return None

    def body(builder: Any, vectors: list[Any]) -> list[Any]:
        half = tile.lanes // 2
        while (
            half
        ):  # two rows become one vector of partial sums, in which every block of ``half`` lanes belongs to one row
            low = [lane + (tile.lanes - half if lane & half else 0) for lane in range(tile.lanes)]
            high = [lane + (tile.lanes if lane & half else half) for lane in range(tile.lanes)]
            vectors = [
                builder.fadd(tile_ir.shuffled(builder, one, other, low), tile_ir.shuffled(builder, one, other, high))
                for one, other in zip(vectors[:half], vectors[half:], strict=True)
            ]
            half //= 2
        return vectors

    return tile_ir.TileType(1, 1, tile.dtype)(tile), body


@tile_ir.compiled(_sums)
def sums(tile: Tile) -> Tile:
    """Return one vector with the sums of ``LANES`` rows of one vector each, halves first, as ``add_sums`` adds them."""
    vectors = tile[:, 0, :]
    while vectors.shape[1] > 1:
        half = vectors.shape[1] // 2
        vectors = vectors[:, :half] + vectors[:, half:]
    return vectors.reshape(1, 1, tile.shape[0])


ZERO = (0,)
"""The offset of a single row or column, added to the other offsets."""


@cpu_inline
def add_lanes(arena: NDArray[np.float32], start: int, gradients: NDArray[np.float32], target: int, count: int) -> None:
    """Add up the lanes of ``count`` vectors: gradients[target + i] += the sum of arena[start + i*LANES : + LANES]."""
    for first in range(0, count, LANES):
        totals = sums(load(arena, steps(LANES, start + first * LANES, LANES), ZERO))
        at = steps(1, target + first, 0)
        before = load_first(gradients, at, ZERO, count - first)
        store_first(add(before, totals), gradients, at, ZERO, count - first)


CHANNELS = 4
"""Channels per tile of layers that treat them alike; beyond the last, the last one is repeated."""


@cpu_inline
def channel_steps(first: int, start: int, distance: int, channels: int) -> Offsets:
    """Return what belongs to the channels of a tile, from channel ``first`` on: start + channel*distance."""
    return steps_to(CHANNELS, start + first * distance, distance, start + (channels - 1) * distance)
