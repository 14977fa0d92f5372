"""Operators and functions of ``math`` of ``float16``, with numba-cuda's types.

Operators compute in float32 and round the result to float16; for sums, products and quotients this equals rounding
once (Figueroa, When is double rounding innocuous?, 1995).
"""

import math
import operator
from collections.abc import Callable
from typing import Any, ClassVar

from numba import types

from workbench.numba_internals.compiling import cpu_target
from workbench.numba_internals.llvm import ir
from workbench.numba_internals.type_inference import AbstractTemplate, Conversion, Registry, signature
from workbench.sim.language.halves import INT16, SIGN, TARGET, from_double, from_float, to_float

_typing = Registry()


def _resolve(key: Any, resolved: Callable[[Any, tuple[Any, ...]], Any]) -> None:
    """Register an operator's types with precedence over Numba's."""

    @_typing.register_global(key)
    class Template(AbstractTemplate):  # type: ignore[misc]
        metadata: ClassVar[dict[str, str]] = {"target": "cpu"}

        def generic(self, args: tuple[Any, ...], _kws: Any) -> Any:
            return resolved(self.context, args)

    Template.key = key


def _unary(key: Any, generate: Callable[[Any, Any, Any], Any]) -> None:
    def resolve(_context: Any, kinds: tuple[Any, ...]) -> Any:
        return signature(types.float16, types.float16) if kinds == (types.float16,) else None

    @TARGET.lower(key, types.float16)
    def lower(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return generate(context, builder, *arguments)

    _resolve(key, resolve)


def _binary(key: Any, result: Any, generate: Callable[[Any, Any, Any], Any]) -> None:
    """Define an operator of two float16 values, or of one and a type that fits into it: int8 or bool."""

    def resolve(context: Any, kinds: tuple[Any, ...]) -> Any:
        if len(kinds) != 2 or types.float16 not in kinds:
            return None
        found = context.can_convert(kinds[kinds[0] == types.float16], types.float16)
        fits = found is not None and found <= Conversion.safe
        return signature(result, types.float16, types.float16) if fits else None

    @TARGET.lower(key, types.float16, types.float16)
    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return generate(builder, *(to_float(builder, each) for each in arguments))

    _resolve(key, resolve)


def _rounded(name: str) -> Callable[[Any, Any, Any], Any]:
    return lambda builder, a, b: from_float(builder, getattr(builder, name)(a, b))


def _compared(sign: str) -> Callable[[Any, Any, Any], Any]:
    if sign == "!=":
        return lambda builder, a, b: builder.fcmp_unordered(sign, a, b)
    return lambda builder, a, b: builder.fcmp_ordered(sign, a, b)


def _bits(value: int) -> Any:
    return ir.Constant(INT16, value)


def _of_float64(function: Any) -> Callable[[Any, Any, Any], Any]:
    """Compute a function of ``math`` in float64."""

    def generate(context: Any, builder: Any, half: Any) -> Any:
        value = context.cast(builder, half, types.float16, types.float64)
        known = context.get_function(function, signature(types.float64, types.float64))
        return from_double(builder, known(builder, (value,)))

    return generate


def _in_float32(key: Any, result: Any, *parameters: Any) -> None:
    """Compute a ``math`` function in float32 as numba-cuda does, where Numba computes it in float64."""

    def resolve(context: Any, kinds: tuple[Any, ...]) -> Any:
        if len(kinds) != len(parameters) or kinds[0] != types.float16:
            return None
        fits = all(context.can_convert(*each) is not None for each in zip(kinds, parameters, strict=True))
        return signature(result, *parameters) if fits else None

    _resolve(key, resolve)


for _name, _keys in {
    "fadd": (operator.add, operator.iadd),
    "fsub": (operator.sub, operator.isub),
    "fmul": (operator.mul, operator.imul),
    "fdiv": (operator.truediv, operator.itruediv),
}.items():
    for _key in _keys:
        _binary(_key, types.float16, _rounded(_name))

for _sign, _key in {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}.items():
    _binary(_key, types.boolean, _compared(_sign))

_unary(operator.neg, lambda _context, builder, x: builder.xor(x, _bits(SIGN)))
_unary(operator.pos, lambda _context, _builder, x: x)
_unary(abs, lambda _context, builder, x: builder.and_(x, _bits(SIGN - 1)))
_unary(float, lambda _context, _builder, x: x)

for _function in (math.sin, math.cos, math.exp, math.exp2, math.log, math.log2, math.log10, math.sqrt, math.fabs):
    _unary(_function, _of_float64(_function))
_in_float32(math.frexp, types.Tuple([types.float32, types.int32]), types.float32)
_in_float32(math.ldexp, types.float32, types.float32, types.int32)


@TARGET.lower(bool, types.float16)
def _is_true(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    return builder.icmp_unsigned("!=", builder.and_(arguments[0], _bits(SIGN - 1)), _bits(0))


@TARGET.lower("print_item", types.float16)
def _print(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    value = context.cast(builder, arguments[0], types.float16, types.float64)
    return context.get_function("print_item", signature(types.none, types.float64))(builder, (value,))


def _install() -> None:
    """Register all this with Numba's CPU target after its own registries: Numba adds new intrinsics to the first of them."""
    context = cpu_target.target_context
    context.refresh()
    context.install_registry(TARGET)
    context.typing_context.install_registry(_typing)


_install()
