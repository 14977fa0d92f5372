"""Bits of integers, ``fma`` and ``selp``."""

from typing import Any

from numba import types
from numba.extending import intrinsic, overload_method

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.type_inference import Conversion
from workbench.sim.language.bits import WORDS


@intrinsic
def popc(_context: Any, value: Any) -> Any:
    """Return the number of set bits, in the integer's type."""
    kind = types.unliteral(value)
    if not isinstance(kind, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return kind(kind), generate


@intrinsic
def clz(_context: Any, value: Any) -> Any:
    """Return the number of bits above the highest set bit, in the integer's type."""
    kind = types.unliteral(value)
    if not isinstance(kind, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return kind(kind), generate


@intrinsic
def brev(_context: Any, value: Any) -> Any:
    """Return an integer with its bits reversed: all 64 of a uint64, the low 32 of any other type, int64 included."""
    kind = types.unliteral(value)
    if not isinstance(kind, types.Integer):
        return None
    result = types.uint64 if kind == types.uint64 else types.uint32

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitreverse(context.cast(builder, arguments[0], kind, result))

    return result(kind), generate


@overload_method(types.Integer, "bit_count", strict=False)
def _bit_count(value: Any) -> Any:
    return lambda value: popc(value)


@intrinsic
def ffs(_context: Any, value: Any) -> Any:
    """Return the position of the lowest set bit, counted from 1; 0 if no bit is set."""
    kind = types.unliteral(value)
    if not isinstance(kind, types.Integer):
        return None
    if kind.bitwidth < 32:
        raise TypingError(f"cuda.ffs takes integers of 32 and 64 bits, not {kind}")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(kind.bitwidth)
        called = builder.module.declare_intrinsic("llvm.cttz", [word], ir.FunctionType(word, [word, ir.IntType(1)]))
        found = builder.call(called, [arguments[0], ir.Constant(ir.IntType(1), 0)])
        is_zero = builder.icmp_unsigned("==", arguments[0], ir.Constant(word, 0))
        place = builder.select(is_zero, ir.Constant(word, 0), builder.add(found, ir.Constant(word, 1)))
        return context.cast(builder, place, kind, types.uint32)

    return types.uint32(kind), generate


def _high_product(extend: str) -> Any:
    @intrinsic
    def function(_context: Any, x: Any, y: Any) -> Any:
        wide = ir.IntType(128)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            product = builder.mul(*(getattr(builder, extend)(each, wide) for each in arguments))
            return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

        return types.int64(types.int64, types.int64), generate

    return function


high_product, high_product_unsigned = _high_product("sext"), _high_product("zext")
"""The upper 64 bits of the product of two signed or unsigned words."""


@intrinsic
def fma(_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a*b + c, rounded once."""
    kinds = [types.unliteral(each) for each in (a, b, c)]
    found = [_context.can_convert(each, types.float32) for each in kinds]
    short = all(each is not None and each <= Conversion.safe for each in found)
    kind = types.float32 if short else types.float64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [context.cast(builder, value, of, kind) for value, of in zip(arguments, kinds, strict=True)]
        return builder.fma(*values)

    return kind(*kinds), generate


@intrinsic
def selp(_context: Any, choice: Any, first: Any, second: Any) -> Any:
    """Return ``first`` where ``choice`` is true, else ``second``."""
    kind = types.unliteral(first)
    if choice != types.boolean or kind != types.unliteral(second) or kind not in (*WORDS, types.int16, types.uint16):
        raise TypingError(
            f"cuda.selp takes a bool and two numbers of one type, of 16, 32 or 64 bits, not {choice}, {first}, {second}"
        )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(context.is_true(builder, choice, arguments[0]), arguments[1], arguments[2])

    return kind(choice, kind, kind), generate
