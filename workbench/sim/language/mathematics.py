"""Functions of ``math`` and of Python that numba-cuda gives other types or values than Numba gives them on the CPU."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload

from workbench.sim.language.extremes import largest, least
from workbench.sim.language.libdevice import LIBDEVICE


def _is_short(*kinds: Any) -> bool:
    return all(kind == types.float32 for kind in kinds)


def _rounded(ufunc: Any) -> Callable[..., None]:
    """Make a rounding whose result is a float, as that of C is; Numba's on the CPU gives int64, as Python's does."""

    def function(x: Any) -> None:
        """Stands for the function in kernels."""

    @overload(function, strict=False)
    def implement(x: Any) -> Any:
        if isinstance(x, types.Float):
            return lambda x: ufunc(x)
        return lambda x: np.float64(x)

    return function


def _of_libdevice(name: str, count: int) -> Callable[..., None]:
    """Make a function out of libdevice's two: of float32, and of float64."""
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
        chosen = short if _is_short(x, y) else long
        return lambda x, y: chosen(x, y)

    return binary


def _pow(x: Any, y: Any) -> None:
    """Stands for ``math.pow`` in kernels; of a float32 and an int32 it is a float32."""


@overload(_pow, strict=False)
def _overload_pow(x: Any, y: Any) -> Any:
    exponent = types.unliteral(y)
    is_small = isinstance(exponent, types.Integer) and (exponent.bitwidth < 32 or exponent == types.int32)
    if isinstance(x, types.Float) and is_small:
        return lambda x, y: x**y
    return lambda x, y: math.pow(x, y)


def _extreme(plain: Any, of_floats: Any) -> Callable[..., None]:
    """Make ``max`` or ``min``, which of two floats never gives NaN where one is a number."""

    def function(*values: Any) -> None:
        """Stands for the function in kernels."""

    @overload(function, strict=False)
    def implement(*values: Any) -> Any:
        if len(values) == 2 and all(isinstance(each, types.Float) for each in values):
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
    math.fmod: _of_libdevice("fmod", 2),
    math.remainder: _of_libdevice("remainder", 2),
    math.pow: _pow,
    builtins.max: _extreme(max, largest),
    builtins.min: _extreme(min, least),
}
"""What stands for these functions in kernels."""

MATH = ModuleType("workbench.sim.math", __doc__)
vars(MATH).update({name: REPLACED.get(value, value) for name, value in vars(math).items() if name[0] != "_"})
