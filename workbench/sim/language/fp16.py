"""``cuda.fp16``: functions of float16 values, computed in float64 and rounded once."""

import math
import operator
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

import workbench.sim.language.half_operators  # noqa: F401  without it there is no float16
from workbench.sim.language import integers
from workbench.sim.language.extremes import largest, least
from workbench.sim.language.helpers import helper

_OF_ONE: dict[str, Callable[..., Any]] = {
    "hneg": operator.neg,
    "habs": math.fabs,
    "hsin": math.sin,
    "hcos": math.cos,
    "hlog": math.log,
    "hlog10": math.log10,
    "hlog2": math.log2,
    "hexp": math.exp,
    "hexp10": lambda x: 10.0**x,
    "hexp2": math.exp2,
    "hfloor": np.floor,
    "hceil": np.ceil,
    "htrunc": np.trunc,
    "hrint": np.rint,
    "hsqrt": math.sqrt,
    "hrsqrt": lambda x: 1 / math.sqrt(x),
    "hrcp": lambda x: 1 / x,
}

_OF_TWO: dict[str, Callable[..., Any]] = {
    "hadd": operator.add,
    "hsub": operator.sub,
    "hmul": operator.mul,
    "hdiv": lambda x, y: x / y,
    "hmax": largest,
    "hmin": least,
}

_COMPARISONS: dict[str, Callable[..., Any]] = {
    "heq": operator.eq,
    # False if one is NaN, unlike the operator
    "hne": lambda x, y: x < y or x > y,
    "hgt": operator.gt,
    "hge": operator.ge,
    "hlt": operator.lt,
    "hle": operator.le,
}


@helper
def _half(x: Any) -> Any:
    """Round a number to float16, and return it as a float64."""
    return np.float64(np.float16(x))


def _make(found: Callable[..., Any], count: int, result: Any) -> Callable[..., None]:
    def function(*values: Any) -> None:
        """Stands for the function in the kernels' namespace."""

    @overload(function, strict=False)
    def implement(*values: Any) -> Any:
        if not all(isinstance(types.unliteral(each), types.Integer | types.Float | types.Boolean) for each in values):
            return None
        compiled = helper(found) if isinstance(found, FunctionType) else found
        forms = {
            1: lambda x: result(compiled(_half(x))),
            2: lambda x, y: result(compiled(_half(x), _half(y))),
            3: lambda x, y, z: result(compiled(_half(x), _half(y), _half(z))),
        }
        return forms[count] if len(values) == count else None

    return function


FP16 = ModuleType("workbench.sim.fp16", __doc__)
vars(FP16).update(
    {
        **{name: _make(found, 1, np.float16) for name, found in _OF_ONE.items()},
        **{name: _make(found, 2, np.float16) for name, found in _OF_TWO.items()},
        **{name: _make(found, 2, np.bool_) for name, found in _COMPARISONS.items()},
        # the sum is exact between two float16 values: the addend is one, and the product has 22 bits
        "hfma": _make(integers.fma, 3, np.float16),
    }
)
