"""The compiled side of ``kernels.simt.mma``: PTX of the tensor cores, written as definitions like those of ``tile_ir``.

A warp multiplies tiles of 16 x 8 results, of which each lane holds four: with i = lane // 4 and j = lane % 4, those in rows
i and i + 8 of columns 2*j and 2*j + 1. Factors are held by *octets*, 8 rows of the left matrix or columns of the right one:
lane 4*i + j holds row or column i of every octet, and of its terms those that are number j of four.

Source: PTX ISA 8.5, sections "Matrix Fragments for mma.m16n8k8" and "... for mma.m16n8k16".
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from numba import types

from kernels.compile.numba_internals.llvm import ir
from kernels.simt.tile_ir import Definition, packed, unpacked

OCTETS_LEFT, OCTETS_RIGHT = 4, 8
"""The rows and columns, in eights, that a warp multiplies in one call: 32 x 64 results, 64 of a lane."""

_WORD, _FLOAT = ir.IntType(32), ir.FloatType()


class Format(NamedTuple):
    """A precision of factors.

    Attributes
    ----------
    name : as PTX has it
    depth : the terms of one instruction
    together : the factors in a register
    """

    name: str
    depth: int
    together: int


TF32 = Format("tf32", 8, 1)
BF16 = Format("bf16", 16, 2)


class Place(NamedTuple):
    """Where one tile of 16 x 8 results is: its first result in a lane's, its octets of rows, and its octet of columns."""

    first: int
    rows: tuple[int, int]
    column: int


def places() -> Iterator[Place]:
    """Yield the tiles of a warp's 32 x 64 results."""
    for number in range(OCTETS_LEFT // 2 * OCTETS_RIGHT):
        pair, column = divmod(number, OCTETS_RIGHT)
        yield Place(4 * number, (2 * pair, 2 * pair + 1), column)


def held(form: Format, octet: int, half: int, count: int) -> list[int]:
    """Return which of a lane's ``count`` factors go into a register: of an octet, for half of an instruction's terms."""
    return [2 * octet + half + number * (count // form.together) for number in range(form.together)]


def product_types(form: Format, tile: Any, left: Any, right: Any) -> Any:
    """Return the signature of a product of a format; None if the types are others."""
    own = types.UniTuple(types.float32, 4 * OCTETS_LEFT // 2 * OCTETS_RIGHT)
    factors = [types.UniTuple(types.float32, 2 * form.together * octets) for octets in (OCTETS_LEFT, OCTETS_RIGHT)]
    return own(tile, left, right) if [tile, left, right] == [own, *factors] else None


def product(form: Format) -> Definition:
    """Define ``mma.multiply_tf32`` or ``mma.multiply_bf16``."""
    shape = f"m16n8k{form.depth}.row.col.f32.{form.name}.{form.name}.f32"
    text = f"mma.sync.aligned.{shape} {{$0, $1, $2, $3}}, {{$4, $5, $6, $7}}, {{$8, $9}}, {{$10, $11, $12, $13}};"
    kind = ir.FunctionType(ir.LiteralStructType([_FLOAT] * 4), [_WORD] * 6 + [_FLOAT] * 4)
    instruction = ir.InlineAsm(kind, text, "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f", side_effect=True)

    def definition(_typing: Any, tile: Any, left: Any, right: Any) -> Any:
        call = product_types(form, tile, left, right)
        return None if call is None else (call, generate)

    def generate(_context: Any, builder: Any, call: Any, arguments: Any) -> Any:
        sums, rows, columns = (unpacked(builder, kind, value) for kind, value in zip(call.args, arguments, strict=True))
        a, b = (_registers(builder, form, values) for values in (rows, columns))
        for first, (upper, lower), column in places():
            given = [a[upper, 0], a[lower, 0], a[upper, 1], a[lower, 1], b[column, 0], b[column, 1]]
            made = builder.call(instruction, given + sums[first : first + 4])
            sums[first : first + 4] = [builder.extract_value(made, number) for number in range(4)]
        return packed(builder, sums, _FLOAT)

    return definition


def _registers(builder: Any, form: Format, values: list[Any]) -> dict[tuple[int, int], Any]:
    """Return the factors of every octet and half in the form of the instruction."""
    octets = len(values) // (2 * form.together)
    return {
        (octet, half): _register(builder, [values[place] for place in held(form, octet, half, len(values))])
        for octet in range(octets)
        for half in range(2)
    }


def _register(builder: Any, factors: list[Any]) -> Any:
    if len(factors) == 1:
        return builder.bitcast(factors[0], _WORD)
    kind = ir.FunctionType(_WORD, [_FLOAT, _FLOAT])
    return builder.call(ir.InlineAsm(kind, "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f", side_effect=False), factors)


def rounded(convert: Callable[[Any, Any], Any]) -> Definition:
    """Define ``mma.rounded_to_tf32``, by what converts a value."""

    def definition(_typing: Any, tile: Any) -> Any:
        if not isinstance(tile, types.UniTuple) or tile.dtype != types.float32:
            return None

        def generate(_context: Any, builder: Any, _call: Any, arguments: Any) -> Any:
            return packed(builder, [convert(builder, each) for each in unpacked(builder, tile, arguments[0])], _FLOAT)

        return tile(tile), generate

    return definition


def to_tf32(builder: Any, value: Any) -> Any:
    """Round a float32 value to the nearest one of tf32, ties away from zero."""
    kind = ir.FunctionType(_WORD, [_FLOAT])
    word = builder.call(ir.InlineAsm(kind, "cvt.rna.tf32.f32 $0, $1;", "=r,f", side_effect=False), [value])
    return builder.bitcast(word, _FLOAT)
