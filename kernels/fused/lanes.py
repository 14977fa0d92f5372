"""What the fused network needs of tiles beyond ``kernels.simd.tile``: offsets from a table, comparisons lane by lane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.compile.numba_internals.llvm import ir
from kernels.simd import tile_ir
from kernels.simd.registers import register_bytes
from kernels.simd.tile import Offsets, Tile, add, load, load_first, steps, store_first

LANES = register_bytes() // 4
"""Samples side by side: a register of float32."""


def _listed(count: Any, table: Any, start: Any) -> tile_ir.Definition:
    if not isinstance(count, types.IntegerLiteral) or not isinstance(table, types.Array):
        return None
    size = count.literal_value

    def body(builder: Any, _count: Any, table: Any, start: Any) -> list[Any]:
        return [table.read(builder.add(start, tile_ir.INT(number))) for number in range(size)]

    return types.UniTuple(types.intp, size)(count, table, types.intp), body


@tile_ir.compiled(_listed, literal=True)
def listed(count: int, table: NDArray[np.int64], start: int) -> Offsets:
    """Return ``count`` offsets that stand in a table, from ``start`` on; ``count`` is a literal or a module's constant."""
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


def _load_pixels(images: Any, rows: Any, columns: Any) -> tile_ir.Definition:
    if not isinstance(images, types.Array) or images.dtype != types.uint8:
        return None
    if not isinstance(rows, types.BaseTuple) or not isinstance(columns, types.BaseTuple):
        return None
    tile = tile_ir.TileType(len(rows), len(columns), types.float32)

    def body(builder: Any, memory: Any, rows: list[Any], columns: list[Any]) -> list[Any]:
        high, low = (tile_ir.splat(builder, ir.Constant(tile.vector.element, value), tile.vector) for value in _PIXEL)

        def scaled(place: Any) -> Any:
            pixels = builder.uitofp(memory.read(place, ir.VectorType(ir.IntType(8), tile.lanes)), tile.vector)
            return tile_ir.multiply_add(builder, pixels, high, builder.fmul(pixels, low))

        return [scaled(builder.add(row, column)) for row in rows for column in columns]

    return tile(images, rows, columns), body


_PIXEL = (float(np.float32(1 / 255)), float(np.float32(1 / 255 - float(np.float32(1 / 255)))))
"""1/255 in two parts: with a fused multiply-add, pixel/255 comes out as the division rounds it, for all 256 of them."""


@tile_ir.compiled(_load_pixels)
def load_pixels(images: NDArray[np.uint8], rows: Offsets, columns: Offsets) -> Tile:
    """Read vectors as ``load`` does, of bytes, and scale 0..255 to 0..1 in float32."""
    return load(images.astype(np.float32) / np.float32(255), rows, columns)


def _sums(tile: Any) -> tile_ir.Definition:
    if not isinstance(tile, tile_ir.TileType) or tile.m != tile.lanes or tile.n != 1:
        return None

    def body(builder: Any, vectors: list[Any]) -> list[Any]:
        half = tile.lanes // 2
        while half:  # two rows become one vector of partial sums, in which every block of ``half`` lanes is one row's
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
"""The offsets of one row or column that starts where the others say."""


@cpu_inline
def add_lanes(arena: NDArray[np.float32], start: int, gradients: NDArray[np.float32], target: int, count: int) -> None:
    """Add up the lanes of ``count`` vectors: gradients[target + i] += the sum of arena[start + i*LANES : + LANES]."""
    for first in range(0, count, LANES):
        totals = sums(load(arena, steps(LANES, start + first * LANES, LANES), ZERO))
        at = steps(1, target + first, 0)
        before = load_first(gradients, at, ZERO, count - first)
        store_first(add(before, totals), gradients, at, ZERO, count - first)
