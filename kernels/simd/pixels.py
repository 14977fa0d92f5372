"""Operations on register tiles for pictures: bytes as numbers, and pixels at places that every lane has computed.

As in ``kernels.simd.tile``, every function takes tiles as values and returns a new one; uncompiled, it runs as written here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels.compile.numba_internals.llvm import ir
from kernels.simd import tile_ir
from kernels.simd.tile import Array, Offsets, Tile, load


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
"""1/255 in two parts: with a fused multiply-add, pixel/255 equals the rounded division, for all 256 values."""


@tile_ir.compiled(_load_pixels)
def load_pixels(images: NDArray[np.uint8], rows: Offsets, columns: Offsets) -> Tile:
    """Load vectors of bytes as ``load`` does, and scale 0..255 to 0..1 in float32."""
    return load(images.astype(np.float32) / np.float32(255), rows, columns)


def _limited(tile: Any, _least: Any, _most: Any) -> tile_ir.Definition:
    if not isinstance(tile, tile_ir.TileType):
        return None

    def body(builder: Any, vectors: list[Any], least: Any, most: Any) -> list[Any]:
        low, high = (tile_ir.splat(builder, number, tile.vector) for number in (least, most))
        above = [builder.select(builder.fcmp_ordered(">", vector, low), vector, low) for vector in vectors]
        return [builder.select(builder.fcmp_ordered("<", vector, high), vector, high) for vector in above]

    return tile(tile, tile.dtype, tile.dtype), body


@tile_ir.compiled(_limited)
def limited(tile: Tile, least: float, most: float) -> Tile:
    """Return the element, or the nearer of two numbers that it is not between; ``least`` for NaN."""
    low, high = tile.dtype.type(least), tile.dtype.type(most)
    above = np.where(tile > low, tile, low)
    return np.where(above < high, above, high)


def _fraction(tile: Any) -> tile_ir.Definition:
    if not isinstance(tile, tile_ir.TileType):
        return None
    whole = ir.VectorType(tile_ir.INT32, tile.lanes)

    def body(builder: Any, vectors: list[Any]) -> list[Any]:
        return [builder.fsub(vector, builder.sitofp(builder.fptosi(vector, whole), vector.type)) for vector in vectors]

    return tile(tile), body


@tile_ir.compiled(_fraction)
def fraction(tile: Tile) -> Tile:
    """Return what is left of every element, from 0 to 2**31, without its whole part."""
    return tile - np.trunc(tile)


def _pick(array: Any, _start: Any, rows: Any, _pitch: Any, columns: Any) -> tile_ir.Definition:
    if not isinstance(rows, tile_ir.TileType) or rows != columns or rows.dtype != types.float32:
        return None
    if not isinstance(array, types.Array) or array.dtype != types.float32:
        return None
    size = rows.lanes
    wide, pointers = ir.VectorType(tile_ir.INT, size), ir.VectorType(ir.PointerType(), size)
    everywhere, nothing = ir.Constant(ir.VectorType(ir.IntType(1), size), [1] * size), ir.Constant(rows.vector, None)
    name = f"llvm.masked.gather.v{size}f32.v{size}p0"

    def body(builder: Any, memory: Any, start: Any, rows: list[Any], pitch: Any, columns: list[Any]) -> list[Any]:
        first = tile_ir.splat(builder, builder.ptrtoint(memory.address(start), tile_ir.INT), wide)
        pitches = tile_ir.splat(builder, builder.trunc(pitch, tile_ir.INT32), ir.VectorType(tile_ir.INT32, size))

        def picked(row: Any, column: Any) -> Any:
            down, across = (builder.fptosi(each, pitches.type) for each in (row, column))
            offset = builder.sext(builder.add(builder.mul(down, pitches), across), wide)
            address = builder.add(first, builder.shl(offset, ir.Constant(wide, [2] * size)))
            places = builder.inttoptr(address, pointers)
            return tile_ir.intrinsic(builder, name, nothing.type, [places, tile_ir.INT32(4), everywhere, nothing])

        return [picked(row, column) for row, column in zip(rows, columns, strict=True)]

    return rows(array, types.intp, rows, types.intp, columns), body


@tile_ir.compiled(_pick)
def pick(array: Array, start: int, rows: Tile, pitch: int, columns: Tile) -> Tile:
    """Read single elements: array[start + whole(row)*pitch + whole(column)] for the row and column of every lane.

    The rows and columns are not negative, and at most 2**31 after the multiplication.
    """
    return array[start + rows.astype(np.int64) * pitch + columns.astype(np.int64)]
