"""Functions of ``math`` and Python whose types or values in numba-cuda differ from Numba's on the CPU."""

import builtins
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from workbench.sim.language.extremes import largest, least
from workbench.sim.language.helpers import helper
from workbench.sim.language.libdevice import LIBDEVICE

_SMALL = (types.boolean, types.int8, types.int16, types.uint8)
"""Types that numba-cuda treats as float32 in some functions."""


def _is_short(*kinds: Any) -> bool:
    return all(kind == types.float32 for kind in kinds)


def _has_half(*kinds: Any) -> bool:
    return types.float16 in kinds


def _rounded(ufunc: Any) -> Callable[..., None]:
    """Make a rounding function that returns a float, as in C; Numba's on the CPU returns int64, as Python's does."""

    def function(x: Any) -> None:
        """Stands for the function in kernels."""

    @overload(function, strict=False)
    def implement(x: Any) -> Any:
        if _has_half(x):
            return lambda x: np.float16(ufunc(np.float32(x)))
        if isinstance(x, types.Float):
            return lambda x: ufunc(x)
        return lambda x: np.float64(x)

    return function


def _of_libdevice(name: str, count: int, *, also_short: tuple[Any, ...] = ()) -> Callable[..., None]:
    """Make a function from libdevice's two: one for float32 and the types treated as such, one for float64."""
    short, long = getattr(LIBDEVICE, f"{name}f"), getattr(LIBDEVICE, name)

    def unary(x: Any) -> None:
        """Stands for the function in kernels."""

    def binary(x: Any, y: Any) -> None:
        """Stands for the function in kernels."""

    if count == 1:

        @overload(unary, strict=False)
        def implement(x: Any) -> Any:
            chosen = short if _is_short(x) else long
            return lambda x: chosen(x)

        return unary

    @overload(binary, strict=False)
    def implement_binary(x: Any, y: Any) -> Any:
        taken = (types.float16, types.float32, *also_short)
        chosen = short if all(types.unliteral(each) in taken for each in (x, y)) else long
        return lambda x, y: chosen(x, y)

    return binary


def _pow(x: Any, y: Any) -> None:
    """Stands for ``math.pow`` in kernels; for a float32 and an int32 the result is a float32."""


@overload(_pow, strict=False)
def _overload_pow(x: Any, y: Any) -> Any:
    exponent = types.unliteral(y)
    is_small = isinstance(exponent, types.Integer) and (exponent.bitwidth < 32 or exponent == types.int32)
    if isinstance(x, types.Float) and is_small:
        return lambda x, y: x**y
    if x in _SMALL and (exponent in _SMALL or exponent == types.int32):
        return lambda x, y: np.float32(x) ** y
    return lambda x, y: math.pow(x, y)


def _of_small(plain: Any) -> Callable[..., None]:
    """Make a function of one or two numbers that treats a small integer as first argument as a float32."""

    def function(*values: Any) -> None:
        """Stands for the function in kernels."""

    @overload(function, strict=False)
    def implement(*values: Any) -> Any:
        if len(values) == 1:
            if values[0] in _SMALL:
                return lambda *values: plain(np.float32(values[0]))
            return lambda *values: plain(values[0])
        if values[0] in _SMALL and (plain is math.ldexp or values[1] in _SMALL):
            if plain is math.ldexp:
                return lambda *values: plain(np.float32(values[0]), values[1])
            return lambda *values: plain(np.float32(values[0]), np.float32(values[1]))
        return lambda *values: plain(values[0], values[1])

    return function


def _round(x: Any, ndigits: Any = None) -> None:
    """Stands for ``round`` in kernels; with ``ndigits`` it computes in float64, where Numba on the CPU uses float32."""


@overload(_round, strict=False)
def _overload_round(x: Any, ndigits: Any = None) -> Any:
    if x in (types.float16, types.float32) and isinstance(types.unliteral(ndigits), types.Integer):
        return lambda x, ndigits=None: np.float32(_rounded_to(np.float64(x), ndigits))
    if ndigits is None or isinstance(ndigits, types.NoneType | types.Omitted):
        return lambda x, ndigits=None: round(x)
    return lambda x, ndigits=None: round(x, ndigits)


@helper
def _rounded_to(x: float, ndigits: int) -> float:
    return round(x, ndigits)


def _extreme(plain: Any, of_floats: Any) -> Callable[..., None]:
    """Make ``max`` or ``min``; of two floats except float16, it never returns NaN if one is a number."""

    def function(*values: Any) -> None:
        """Stands for the function in kernels."""

    @overload(function, strict=False)
    def implement(*values: Any) -> Any:
        if len(values) == 2 and all(isinstance(each, types.Float) for each in values) and not _has_half(*values):
            kind = np.float32 if _is_short(*values) else np.float64
            return lambda *values: of_floats(kind(values[0]), kind(values[1]))
        if len(values) == 1:
            return lambda *values: plain(values[0])
        return lambda *values: plain(*values)

    return function


REPLACED: dict[Any, Callable[..., None]] = {
    math.floor: _rounded(np.floor),
    math.ceil: _rounded(np.ceil),
    math.trunc: _rounded(np.trunc),
    math.modf: _of_libdevice("modf", 1),
    math.fmod: _of_libdevice("fmod", 2, also_short=_SMALL),
    math.remainder: _of_libdevice("remainder", 2),
    math.pow: _pow,
    math.frexp: _of_small(math.frexp),
    math.ldexp: _of_small(math.ldexp),
    math.nextafter: _of_small(math.nextafter),
    builtins.round: _round,
    builtins.max: _extreme(max, largest),
    builtins.min: _extreme(min, least),
}
"""The replacements of these functions in kernels."""

MATH = ModuleType("workbench.sim.math", __doc__)
vars(MATH).update({name: REPLACED.get(value, value) for name, value in vars(math).items() if name[0] != "_"})
