"""The compiled side of ``kernels.simd.vector_math``, as ``kernels.simd.tile_ir`` is for ``kernels.simd.tile``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import factorial
from typing import Any

from numba import types

from kernels.compile.numba_internals.llvm import ir
from kernels.simd.tile_ir import (
    INT,
    INT32,
    Definition,
    TileType,
    as_wide_as_elements,
    multiply_add,
    numbers_of,
    splat,
)


@dataclass(frozen=True)
class _Exponential:
    """The constants of exp for a floating-point format.

    Attributes
    ----------
    bits, mantissa, bias : of the format
    lowest, highest : beyond them exp is 0 and infinite; between them the exponent of two is an integer of ``bits``
    ln2 : ln 2 as a sum of two parts; the first has so few digits that its products with exponents are exact
    degree : of the polynomial
    """

    bits: int
    mantissa: int
    bias: int
    lowest: float
    highest: float
    ln2: tuple[float, float]
    degree: int


_SINGLE = _Exponential(
    bits=32,
    mantissa=23,
    bias=127,
    lowest=-104.0,
    highest=89.0,
    ln2=(float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    degree=7,
)
_DOUBLE = _Exponential(
    bits=64,
    mantissa=52,
    bias=1023,
    lowest=-746.0,
    highest=710.0,
    ln2=(float.fromhex("0x1.62e42fefa3p-1"), float.fromhex("0x1.3de6af278ece6p-42")),
    degree=13,
)
_LOG2_E = float.fromhex("0x1.71547652b82fep+0")


def _is_tile(*values: Any) -> bool:
    """Return whether the values are tiles, all of one type."""
    return all(isinstance(value, TileType) and value == values[0] for value in values)


def _shuffled(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes)))


def _replaces(builder: Any, value: Any, best: Any) -> Any:
    """Return the mask of lanes in which ``value`` replaces ``best``: it is larger, or the first NaN."""
    larger = builder.fcmp_ordered(">", value, best)
    first_nan = builder.and_(builder.fcmp_unordered("uno", value, value), builder.fcmp_ordered("ord", best, best))
    return builder.or_(larger, first_nan)


def _masks(builder: Any, tile: TileType, first: Any, last: Any) -> list[Any]:
    """Return, for every vector, the mask of its lanes among the elements [first, last) of the row."""
    first, last = (as_wide_as_elements(builder, tile, each) for each in (first, last))
    masks = []
    for column in range(tile.n):
        numbers = numbers_of(tile, column, first.type)
        past = builder.icmp_signed("<=", splat(builder, first, numbers.type), numbers)
        masks.append(builder.and_(past, builder.icmp_signed("<", numbers, splat(builder, last, numbers.type))))
    return masks * tile.m


def _larger(builder: Any, left: Any, right: Any) -> Any:
    # x86 needs one instruction for the first line, and one more comparison for the NaN
    larger = builder.select(builder.fcmp_ordered(">", left, right), left, right)
    return builder.select(builder.fcmp_unordered("uno", left, left), left, larger)


# ---- definitions, in the order of kernels.simd.vector_math ----------------------------------------------------------


def shift(tile: Any, _number: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile):
        return None

    def body(builder: Any, vectors: list[Any], number: Any) -> list[Any]:
        numbers = splat(builder, number, tile.vector)
        return [builder.fadd(vector, numbers) for vector in vectors]

    return tile(tile, tile.dtype), body


def _by_element(tile: Any, other: Any, instruction: Callable[..., Any]) -> Definition:
    if not _is_tile(tile, other):
        return None

    def body(builder: Any, left: list[Any], right: list[Any]) -> list[Any]:
        return [instruction(builder, *pair) for pair in zip(left, right, strict=True)]

    return tile(tile, other), body


def multiply(tile: Any, other: Any) -> Definition:
    """See kernels.simd.vector_math."""
    return _by_element(tile, other, lambda builder, left, right: builder.fmul(left, right))


def larger(tile: Any, other: Any) -> Definition:
    """See kernels.simd.vector_math."""
    return _by_element(tile, other, _larger)


def where_replaces(value: Any, best: Any, tile: Any, other: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(value, best, tile, other):
        return None

    def body(builder: Any, *operands: list[Any]) -> list[Any]:
        return [
            builder.select(_replaces(builder, one, two), three, four)
            for one, two, three, four in zip(*operands, strict=True)
        ]

    return tile(value, best, tile, other), body


def where_equal(tile: Any, _number: Any, chosen: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile, chosen):
        return None

    def body(builder: Any, vectors: list[Any], number: Any, chosen: list[Any]) -> list[Any]:
        numbers, zero = splat(builder, number, tile.vector), ir.Constant(tile.vector, None)
        return [
            builder.select(builder.fcmp_ordered("==", vector, numbers), one, zero)
            for vector, one in zip(vectors, chosen, strict=True)
        ]

    return tile(tile, tile.dtype, chosen), body


def keep_first(tile: Any, _count: Any, _number: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile):
        return None

    def body(builder: Any, vectors: list[Any], count: Any, number: Any) -> list[Any]:
        numbers, masks = splat(builder, number, tile.vector), _masks(builder, tile, INT(0), count)
        return [builder.select(*each, numbers) for each in zip(masks, vectors, strict=True)]

    return tile(tile, types.intp, tile.dtype), body


def load_between(tile: Any, array: Any, rows: Any, columns: Any, _first: Any, _last: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile) or not isinstance(array, types.Array):
        return None

    def body(
        builder: Any, vectors: list[Any], memory: Any, rows: list[Any], columns: list[Any], first: Any, last: Any
    ) -> list[Any]:
        places = (builder.add(row, column) for row in rows for column in columns)
        masks = _masks(builder, tile, first, last)
        return [memory.read_lanes(*each[:2], tile.vector, each[2]) for each in zip(masks, places, vectors, strict=True)]

    return tile(tile, array, rows, columns, types.intp, types.intp), body


def store_between(tile: Any, array: Any, rows: Any, columns: Any, _first: Any, _last: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile) or not isinstance(array, types.Array):
        return None

    def body(
        builder: Any, vectors: list[Any], memory: Any, rows: list[Any], columns: list[Any], first: Any, last: Any
    ) -> None:
        places = (builder.add(row, column) for row in rows for column in columns)
        for mask, vector, place in zip(_masks(builder, tile, first, last), vectors, places, strict=True):
            memory.write_lanes(mask, vector, place)

    return types.void(tile, array, rows, columns, types.intp, types.intp), body


def _reduction(tile: Any, instruction: Callable[..., Any]) -> Definition:
    if not _is_tile(tile):
        return None

    def body(builder: Any, vectors: list[Any]) -> Any:
        *_, vector = accumulate(vectors, lambda left, right: instruction(builder, left, right))
        while vector.type.count > 1:
            half = vector.type.count // 2
            low = _shuffled(builder, vector, vector, range(half))
            vector = instruction(builder, low, _shuffled(builder, vector, vector, range(half, 2 * half)))
        return builder.extract_element(vector, INT32(0))

    return tile.dtype(tile), body


def sum_of(tile: Any) -> Definition:
    """See kernels.simd.vector_math."""
    return _reduction(tile, lambda builder, left, right: builder.fadd(left, right))


def largest_of(tile: Any) -> Definition:
    """See kernels.simd.vector_math."""
    return _reduction(tile, _larger)


def _every_second(tile: Any, first: int) -> Definition:
    if not _is_tile(tile) or tile.n % 2:
        return None
    lanes = range(first, 2 * tile.lanes, 2)

    def body(builder: Any, vectors: list[Any]) -> list[Any]:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        return [_shuffled(builder, left, right, lanes) for left, right in pairs]

    return TileType(tile.m, tile.n // 2, tile.dtype)(tile), body


def even(tile: Any) -> Definition:
    """See kernels.simd.vector_math."""
    return _every_second(tile, 0)


def odd(tile: Any) -> Definition:
    """See kernels.simd.vector_math."""
    return _every_second(tile, 1)


def interleave(tile: Any, other: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile, other):
        return None
    mixed = list(chain.from_iterable((lane, tile.lanes + lane) for lane in range(tile.lanes)))

    def body(builder: Any, left: list[Any], right: list[Any]) -> list[Any]:
        halves = mixed[: tile.lanes], mixed[tile.lanes :]
        return [_shuffled(builder, one, two, lanes) for one, two in zip(left, right, strict=True) for lanes in halves]

    return TileType(tile.m, 2 * tile.n, tile.dtype)(tile, other), body


def exp(tile: Any) -> Definition:
    """See kernels.simd.vector_math."""
    if not _is_tile(tile):
        return None
    form = _SINGLE if tile.dtype == types.float32 else _DOUBLE
    return tile(tile), lambda builder, vectors: [_exp(builder, form, vector) for vector in vectors]


def _exp(builder: Any, form: _Exponential, x: Any) -> Any:
    """Return exp(x) = 2**n * exp(r), where x = n*ln 2 + r and |r| <= ln(2)/2.

    The series of exp(r) ends where its remainder is below a tenth of an ulp. The product by 2**n is done in two halves:
    2**n may be too small or too large for the format when the product is not.
    """
    vector = x.type
    integers = ir.VectorType(ir.IntType(form.bits), vector.count)

    def number(value: float) -> Any:
        return ir.Constant(vector, [value] * vector.count)

    def integer(value: int) -> Any:
        return ir.Constant(integers, [value] * vector.count)

    def power_of_two(exponent: Any) -> Any:
        shifted = builder.shl(builder.add(exponent, integer(form.bias)), integer(form.mantissa))
        return builder.bitcast(shifted, vector)

    # a NaN fails the comparisons and stays as it is
    bounded = builder.select(builder.fcmp_ordered("<", x, number(form.lowest)), number(form.lowest), x)
    bounded = builder.select(builder.fcmp_ordered(">", bounded, number(form.highest)), number(form.highest), bounded)
    # rounder is so large that its last digit counts ones: adding it rounds, and leaves the integer in the lowest bits
    rounder = number(1.5 * 2.0**form.mantissa)
    rounded = multiply_add(builder, bounded, number(_LOG2_E), rounder)
    n = builder.fsub(rounded, rounder)
    r = multiply_add(builder, n, number(-form.ln2[0]), bounded)
    r = multiply_add(builder, n, number(-form.ln2[1]), r)
    terms = [1 / factorial(power) for power in range(2, form.degree + 1)]
    series = number(terms.pop())
    while terms:
        series = multiply_add(builder, series, r, number(terms.pop()))
    series = multiply_add(builder, builder.fmul(r, r), series, r)
    series = builder.fadd(series, number(1.0))
    exponent = builder.sub(builder.bitcast(rounded, integers), builder.bitcast(rounder, integers))
    half = builder.ashr(exponent, integer(1))
    product = builder.fmul(series, power_of_two(half))
    return builder.fmul(product, power_of_two(builder.sub(exponent, half)))
