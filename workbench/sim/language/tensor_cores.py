"""Tensor cores (``kernels.simt.mma``): lanes exchange factors, round them, and add the products, term after term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernels.simt import mma, mma_ir, tile_ir
from kernels.simt.mma_ir import BF16, TF32, Format
from workbench.numba_internals.llvm import ir
from workbench.sim.common.generating import call_runtime, constant, load_state
from workbench.sim.language.tiles import made
from workbench.sim.runtime import layout as at

_WORD, _LONG, _FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()

ALL = 0xFFFFFFFF
"""The mask of all lanes."""

_INFINITE = 0x7F800000
"""The exponent of infinities and NaN."""


def _rounded(builder: Any, value: Any, bits: int, *, to_even: bool) -> Any:
    """Round a float32 value to a format with ``bits`` bits fewer, to nearest; infinities and NaN stay what they are."""
    word = builder.bitcast(value, _WORD)
    half = ir.Constant(_WORD, 1 << (bits - 1))
    if to_even:
        odd = builder.and_(builder.lshr(word, ir.Constant(_WORD, bits)), ir.Constant(_WORD, 1))
        half = builder.add(builder.sub(half, ir.Constant(_WORD, 1)), odd)
    nearest = builder.and_(builder.add(word, half), ir.Constant(_WORD, (1 << 32) - (1 << bits)))
    exponent = builder.and_(word, ir.Constant(_WORD, _INFINITE))
    is_finite = builder.icmp_unsigned("!=", exponent, ir.Constant(_WORD, _INFINITE))
    return builder.select(is_finite, builder.bitcast(nearest, _FLOAT), value)


def _to_tf32(builder: Any, value: Any) -> Any:
    return _rounded(builder, value, 13, to_even=False)


def _to_bf16(builder: Any, value: Any) -> Any:
    return _rounded(builder, value, 16, to_even=True)


def _cut(builder: Any, value: Any) -> Any:
    """Drop the bits that tf32 does not have, as the tensor cores do with a factor that was not rounded."""
    word = builder.and_(builder.bitcast(value, _WORD), ir.Constant(_WORD, 0xFFFFE000))
    return builder.bitcast(word, _FLOAT)


def _together(builder: Any, operation: int, value: Any) -> Any:
    """Wait for all lanes in a warp operation, of which lane 0 is the source."""
    return call_runtime(builder, "warp_operation", constant(operation), constant(ALL), value, constant(0))


def _exchanged(builder: Any, factors: list[Any]) -> Callable[[Any, int], Any]:
    """Let each lane put its factors into memory of lane 0; return what reads a factor of any lane."""
    count = len(factors)
    with builder.goto_entry_block():
        memory = builder.alloca(_FLOAT, at.WARP * count)
    shared = builder.inttoptr(_together(builder, at.SHUFFLE, builder.ptrtoint(memory, _LONG)), memory.type)

    def place(lane: Any, number: int) -> Any:
        return builder.gep(shared, [builder.add(builder.mul(lane, constant(count)), constant(number))])

    own = _lane(builder)
    for number, factor in enumerate(factors):
        builder.store(factor, place(own, number))
    _together(builder, at.SYNC, constant(0))
    return lambda lane, number: builder.load(place(lane, number))


def _lane(builder: Any) -> Any:
    return builder.and_(load_state(builder, at.TID), constant(at.WARP - 1))


def _product(form: Format, factor: Callable[[Any, Any], Any]) -> tile_ir.Definition:
    def definition(_typing: Any, tile: Any, left: Any, right: Any) -> Any:
        call = mma_ir.product_types(form, tile, left, right)
        return None if call is None else (call, generate)

    def generate(_context: Any, builder: Any, call: Any, arguments: Any) -> Any:
        sums, rows, columns = (
            tile_ir.unpacked(builder, kind, value) for kind, value in zip(call.args, arguments, strict=True)
        )
        read = _exchanged(builder, [factor(builder, each) for each in (*rows, *columns)])
        quad, own = builder.and_(_lane(builder), constant(~3)), builder.and_(_lane(builder), constant(3))
        first = builder.shl(own, constant(3))  # the lane that holds column 2*own of every octet
        for half in range(2):
            for number in range(form.together):
                for other in range(4):
                    beside = builder.add(quad, constant(other))
                    pair = [builder.add(first, constant(4 * column + other)) for column in range(2)]
                    in_rows = [mma_ir.held(form, each, half, len(rows))[number] for each in range(mma_ir.OCTETS_LEFT)]
                    a = [read(beside, place) for place in in_rows]
                    for start, octets, octet in mma_ir.places():
                        place = len(rows) + mma_ir.held(form, octet, half, len(columns))[number]
                        b = [read(lane, place) for lane in pair]
                        for result in range(4):
                            factors = a[octets[result // 2]], b[result % 2]
                            sums[start + result] = builder.fma(*factors, sums[start + result])
        _together(builder, at.SYNC, constant(0))  # before lane 0 leaves, with its memory
        return tile_ir.packed(builder, sums, _FLOAT)

    return definition


TENSOR_CORES: dict[Callable[..., Any], Any] = {
    mma.multiply_tf32: made(_product(TF32, _cut)),
    mma.multiply_bf16: made(_product(BF16, _to_bf16)),
    mma.rounded_to_tf32: made(mma_ir.rounded(_to_tf32)),
}
"""What stands for the functions of tensor cores in simulated kernels."""
