"""``float16`` for Numba's CPU target, which has only the name of the type: 16 bits, converted as in numba-cuda."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import register_model

from workbench.numba_internals.llvm import ir
from workbench.numba_internals.lowering import FloatModel, PrimitiveModel, TargetRegistry

INT16, _INT32, _FLOAT, _DOUBLE = ir.IntType(16), ir.IntType(32), ir.FloatType(), ir.DoubleType()
SIGN, _INFINITY, _NAN = 0x8000, 0x7C00, 0x7FFF

TARGET = TargetRegistry("workbench.sim.halves")
"""Registrations for the CPU target only: a real GPU's target adopts what numba.extending registers for all."""


@register_model(types.Float)
class _Model(FloatModel):  # type: ignore[misc]
    """Floats, including those of 16 bits."""

    def __init__(self, manager: Any, kind: Any) -> None:
        if kind == types.float16:
            PrimitiveModel.__init__(self, manager, kind, INT16)
        else:
            super().__init__(manager, kind)


def _int32(value: int) -> Any:
    return ir.Constant(_INT32, value)


def to_float(builder: Any, half: Any) -> Any:
    """Convert a float16 to float32."""
    word = builder.zext(half, _INT32)
    size = builder.and_(word, _int32(SIGN - 1))
    is_special = builder.icmp_unsigned(">=", size, _int32(_INFINITY))
    offset = builder.select(is_special, _int32(224 << 23), _int32(112 << 23))
    normal = builder.bitcast(builder.add(builder.shl(size, _int32(13)), offset), _FLOAT)
    small = builder.fmul(builder.uitofp(size, _FLOAT), ir.Constant(_FLOAT, 2.0**-24))
    found = builder.select(builder.icmp_unsigned("<", size, _int32(0x400)), small, normal)
    sign = builder.shl(builder.and_(word, _int32(SIGN)), _int32(16))
    return builder.bitcast(builder.or_(builder.bitcast(found, _INT32), sign), _FLOAT)


def from_float(builder: Any, value: Any) -> Any:
    """Round a float32 to nearest, ties to even; NaN becomes the NaN that a GPU produces."""
    word = builder.bitcast(value, _INT32)
    size = builder.and_(word, _int32(0x7FFFFFFF))
    # the last bit of the sum has the weight of a subnormal float16's last bit
    sum_ = builder.fadd(builder.bitcast(size, _FLOAT), ir.Constant(_FLOAT, 0.5))
    small = builder.sub(builder.bitcast(sum_, _INT32), _int32(126 << 23))
    odd = builder.and_(builder.lshr(size, _int32(13)), _int32(1))
    shifted = builder.sub(builder.add(size, builder.add(odd, _int32(0xFFF))), _int32(112 << 23))
    normal = builder.lshr(shifted, _int32(13))
    found = builder.select(builder.icmp_unsigned("<", size, _int32(113 << 23)), small, normal)
    is_large = builder.icmp_unsigned(">=", size, _int32(143 << 23))
    found = builder.select(is_large, _int32(_INFINITY), found)
    sign = builder.and_(builder.lshr(word, _int32(16)), _int32(SIGN))
    is_nan = builder.icmp_unsigned(">", size, _int32(255 << 23))
    return builder.trunc(builder.select(is_nan, _int32(_NAN), builder.or_(found, sign)), INT16)


def from_double(builder: Any, value: Any) -> Any:
    """Round a float64 once: it first becomes a float32 whose last bit is set if any bit was lost."""
    short = builder.fptrunc(value, _FLOAT)
    back = builder.fpext(short, _DOUBLE)
    size = builder.module.declare_intrinsic("llvm.fabs", [_DOUBLE])
    is_inexact = builder.fcmp_ordered("!=", back, value)
    is_larger = builder.fcmp_ordered(">", builder.call(size, [back]), builder.call(size, [value]))
    word = builder.sub(builder.bitcast(short, _INT32), builder.zext(is_larger, _INT32))
    return from_float(builder, builder.bitcast(builder.or_(word, builder.zext(is_inexact, _INT32)), _FLOAT))


@TARGET.lower_cast(types.float16, types.Float)
def _half_to_float(_context: Any, builder: Any, _source: Any, target: Any, value: Any) -> Any:
    if target == types.float16:
        return value
    found = to_float(builder, value)
    return found if target == types.float32 else builder.fpext(found, _DOUBLE)


@TARGET.lower_cast(types.Float, types.float16)
def _float_to_half(_context: Any, builder: Any, source: Any, _half: Any, value: Any) -> Any:
    return (from_float if source == types.float32 else from_double)(builder, value)


@TARGET.lower_cast(types.Integer, types.float16)
def _integer_to_half(context: Any, builder: Any, source: Any, _half: Any, value: Any) -> Any:
    """Convert through float64: integers that it rounds are infinite in float16."""
    return from_double(builder, context.cast(builder, value, source, types.float64))


@TARGET.lower_cast(types.IntegerLiteral, types.float16)
def _literal_to_half(context: Any, builder: Any, source: Any, _half: Any, _value: Any) -> Any:
    return _constant(context, builder, types.float16, source.literal_value)


@TARGET.lower_cast(types.float16, types.Integer)
def _half_to_integer(context: Any, builder: Any, _source: Any, target: Any, value: Any) -> Any:
    """Convert as numba-cuda's ``cvt.rni`` does: to the nearest representable integer, ties to even."""
    found = to_float(builder, value)
    nearest = builder.call(builder.module.declare_intrinsic("llvm.rint", [_FLOAT]), [found])
    kind = context.get_value_type(target)
    whole = "si" if target.signed else "ui"
    name = f"llvm.fpto{whole}.sat"
    convert = builder.module.declare_intrinsic(f"{name}.i{target.bitwidth}.f32", (), ir.FunctionType(kind, [_FLOAT]))
    of_nan = ir.Constant(kind, 1 << 63 if target.bitwidth == 64 else 0)
    return builder.select(builder.fcmp_unordered("uno", found, found), of_nan, builder.call(convert, [nearest]))


@TARGET.lower_constant(types.float16)
def _constant(_context: Any, _builder: Any, _kind: Any, value: Any) -> Any:
    with np.errstate(over="ignore"):
        return ir.Constant(INT16, int(np.float16(value).view(np.uint16)))
