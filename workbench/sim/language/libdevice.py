"""The functions of ``numba.cuda.libdevice``, with their declared parameter and result types."""

import ctypes
import math
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from workbench.numba_internals.errors import TypingError
from workbench.numba_internals.lowering import cgutils
from workbench.sim.language import integers
from workbench.sim.language.bits import from_bits, to_bits
from workbench.sim.language.extremes import largest, least
from workbench.sim.language.helpers import helper

_IN_MATH = """
acos acosh asin asinh atan atan2 atanh copysign cos cosh erf erfc exp expm1 fabs hypot lgamma log log10 log1p log2 pow sin
sinh sqrt tan tanh
"""

_IN_LIBM = """
fdim ilogb j0 j1 jn ldexp llrint llround logb nearbyint nextafter remainder round scalbn y0 y1 yn
"""

_ROUNDINGS = {"rn": np.rint, "rz": np.trunc, "rd": np.floor, "ru": np.ceil}


def _sincospi(x: Any) -> Any:
    quarters = np.rint(2 * np.fmod(x, 2))
    angle = math.pi * (np.fmod(x, 2) - quarters / 2)
    sin, cos = math.sin(angle), math.cos(angle)
    turn = int(quarters) & 3
    if turn & 1:
        sin, cos = cos, -sin
    if turn & 2:
        sin, cos = -sin, -cos
    return (math.copysign(0.0, x) if sin == 0 else sin), cos + 0.0


_sincospi_of = helper(_sincospi)


def _bits_as(kind: Any) -> Any:
    """Make a function that reinterprets a number's bits as another type."""

    @intrinsic
    def reinterpret(_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return from_bits(builder, to_bits(builder, arguments[0], value), kind)

        return kind(value), generate

    return reinterpret


_as_int32, _as_int64, _as_float32, _as_float64 = map(_bits_as, (types.int32, types.int64, types.float32, types.float64))


def _byte_perm(x: Any, y: Any, selector: Any) -> Any:
    both, result = np.uint64(np.uint32(y)) << np.uint64(32) | np.uint64(np.uint32(x)), np.uint64(0)
    for place in range(4):
        chosen = np.uint64(selector >> 4 * place & 7)
        result |= (both >> np.uint64(8) * chosen & np.uint64(0xFF)) << np.uint64(8 * place)
    return result


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(math, name) for name in _IN_MATH.split()},
    "tgamma": math.gamma,
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "fmod": np.fmod,
    "cbrt": np.cbrt,
    "exp2": np.exp2,
    "rint": np.rint,
    "exp10": lambda x: 10.0**x,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "rcbrt": lambda x: 1 / np.cbrt(x),
    "powi": lambda x, y: x**y,
    "fmin": least,
    "fmax": largest,
    "fdivide": lambda x, y: x / y,
    "saturate": lambda x: min(max(x, 0.0), 1.0) if x == x else 0.0,
    "normcdf": lambda x: 0.5 * math.erfc(-x * math.sqrt(0.5)),
    "sinpi": lambda x: _sincospi_of(x)[0],
    "cospi": lambda x: _sincospi_of(x)[1],
    "sincospi": _sincospi,
    "sincos": lambda x: (math.sin(x), math.cos(x)),
    "frexp": math.frexp,
    "modf": lambda x: (math.copysign(0.0 if math.isinf(x) else x - np.trunc(x), x), np.trunc(x)),
    "isnand": math.isnan,
    "isnan": math.isnan,
    "isinfd": math.isinf,
    "isinf": math.isinf,
    "isfinited": math.isfinite,
    "finite": math.isfinite,
    "signbitd": np.signbit,
    "signbit": np.signbit,
    "fma": integers.fma,
    "fma_rn": integers.fma,
    "fmaf_rn": integers.fma,
    "frsqrt_rn": lambda x: 1 / math.sqrt(np.float64(x)),
    "abs": abs,
    "llabs": abs,
    "min": min,
    "max": max,
    "llmin": min,
    "llmax": max,
    "umin": lambda x, y: min(np.uint32(x), np.uint32(y)),
    "umax": lambda x, y: max(np.uint32(x), np.uint32(y)),
    "ullmin": lambda x, y: min(np.uint64(x), np.uint64(y)),
    "ullmax": lambda x, y: max(np.uint64(x), np.uint64(y)),
    "popc": integers.popc,
    "popcll": integers.popc,
    "clz": integers.clz,
    "clzll": integers.clz,
    "brev": lambda x: integers.brev(np.uint32(x)),
    "brevll": lambda x: integers.brev(np.uint64(x)),
    "ffs": integers.ffs,
    "ffsll": integers.ffs,
    "byte_perm": _byte_perm,
    "mulhi": lambda x, y: np.int64(x) * np.int64(y) >> 32,
    "umulhi": lambda x, y: np.uint64(np.uint32(x)) * np.uint64(np.uint32(y)) >> np.uint64(32),
    "mul64hi": integers.high_product,
    "umul64hi": integers.high_product_unsigned,
    "mul24": lambda x, y: (np.int64(x) << 40 >> 40) * (np.int64(y) << 40 >> 40),
    "umul24": lambda x, y: (x & 0xFFFFFF) * (y & 0xFFFFFF),
    "hadd": lambda x, y: np.int64(x) + np.int64(y) >> 1,
    "rhadd": lambda x, y: np.int64(x) + np.int64(y) + 1 >> 1,
    "uhadd": lambda x, y: np.int64(np.uint32(x)) + np.int64(np.uint32(y)) >> 1,
    "urhadd": lambda x, y: np.int64(np.uint32(x)) + np.int64(np.uint32(y)) + 1 >> 1,
    "sad": lambda x, y, z: abs(np.int64(x) - np.int64(y)) + z,
    "usad": lambda x, y, z: abs(np.int64(np.uint32(x)) - np.int64(np.uint32(y))) + z,
    "float_as_int": _as_int32,
    "int_as_float": _as_float32,
    "double_as_longlong": _as_int64,
    "longlong_as_double": _as_float64,
    "double2hiint": lambda x: _as_int64(x) >> 32,
    "double2loint": _as_int64,
    "hiloint2double": lambda x, y: _as_float64(np.int64(x) << 32 | np.int64(np.uint32(y))),
    "double2float_rn": np.float32,
    **{f"{start}_rn": np.float32 for start in ("int2float", "ll2float")},
    **{f"{start}_rn": np.float64 for start in ("int2double", "ll2double")},
    "uint2float_rn": lambda x: np.float32(np.uint32(x)),
    "uint2double_rn": lambda x: np.float64(np.uint32(x)),
    "ull2float_rn": lambda x: np.float32(np.uint64(x)),
    "ull2double_rn": lambda x: np.float64(np.uint64(x)),
    **{f"{start}add_rn": lambda x, y: x + y for start in "df"},
    **{f"{start}sub_rn": lambda x, y: x - y for start in "df"},
    **{f"{start}mul_rn": lambda x, y: x * y for start in "df"},
    **{f"{start}div_rn": lambda x, y: x / y for start in "df"},
    **{f"{start}rcp_rn": lambda x: 1 / x for start in "df"},
    **{f"{start}sqrt_rn": math.sqrt for start in "df"},
}


def _to_integer(bits: int, signed: bool, rounding: Any) -> Callable[..., Any]:
    """Make a conversion to integers that saturates at the smallest and the largest."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    kind = np.int64 if signed else np.uint64
    of_nan = kind(0 if bits == 32 else -(1 << 63) if signed else 1 << 63)
    lowest, highest, below, above = kind(low), kind(high), float(low), float(high + 1)

    def convert(x: Any) -> Any:
        whole = rounding(np.float64(x))
        if whole != whole:
            return of_nan
        if whole < below:
            return lowest
        return highest if whole >= above else kind(whole)

    return convert


for _name, _bits, _signed in (("int", 32, True), ("uint", 32, False), ("ll", 64, True), ("ull", 64, False)):
    for _suffix, _rounding in _ROUNDINGS.items():
        _convert = _to_integer(_bits, _signed, _rounding)
        _FUNCTIONS[f"float2{_name}_{_suffix}"] = _FUNCTIONS[f"double2{_name}_{_suffix}"] = _convert


def _find(name: str, result: Any, parameters: list[Any]) -> Callable[..., Any] | None:
    """Return the CPU counterpart of a libdevice function, for numbers of its own types; None if there is none."""
    plain = name.removeprefix("fast_")
    found = _FUNCTIONS.get(plain) or _FUNCTIONS.get(plain.removesuffix("f"))
    if found is None and plain.removesuffix("f") in _IN_LIBM.split():
        found = getattr(ctypes.CDLL("libm.so.6"), plain)
        found.restype, found.argtypes = _ctype(result), [_ctype(each) for each in parameters]
    return found


def _ctype(kind: Any) -> Any:
    return np.ctypeslib.as_ctypes_type(str(kind))


def _to(target: Any) -> Any:
    """Make a conversion to a type."""

    @intrinsic
    def convert(_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.cast(builder, arguments[0], signature.args[0], target)

        return target(types.unliteral(value)), generate

    return convert


def _all_to(targets: list[Any]) -> Any:
    """Make a conversion of a tuple's parts to types."""
    whole = types.Tuple(targets)

    @intrinsic
    def convert(_context: Any, given: Any) -> Any:
        if len(given) != len(targets):
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            parts = zip(cgutils.unpack_tuple(builder, arguments[0]), given, targets, strict=True)
            return context.make_tuple(builder, whole, [context.cast(builder, *each) for each in parts])

        return whole(given), generate

    return convert


def _make(name: str, results: list[Any], parameters: list[Any]) -> Callable[..., None]:
    def function(*values: Any) -> None:
        """Stands for the function in the kernels' namespace."""

    @overload(function, strict=False)
    def implement(*values: Any) -> Any:
        found = _find(name, results[0], parameters)
        if found is None:
            raise TypingError(f"libdevice.{name} is not simulated; use a function of math or NumPy")
        compiled = helper(found) if isinstance(found, FunctionType) and found.__module__ == __name__ else found
        to_parameters = _all_to(parameters)
        to_result = _to(results[0] if len(results) == 1 else types.Tuple(results))
        return lambda *values: to_result(compiled(*to_parameters(values)))

    return function


def _module() -> ModuleType:
    from workbench.numba_internals.cuda_declarations import libdevice_functions

    module = ModuleType("workbench.sim.libdevice", __doc__)
    for long_name, (result, parameters) in libdevice_functions.items():
        name = long_name.removeprefix("__nv_")
        results = [result, *(each.ty for each in parameters if each.is_ptr)]
        own = [getattr(types, str(each)) for each in results if str(each) not in ("none", "void")]
        given = [getattr(types, str(each.ty)) for each in parameters if not each.is_ptr]
        setattr(module, name, _make(name, own, given))
    return module


LIBDEVICE = _module()
