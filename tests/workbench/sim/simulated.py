"""Kernels of which the tests of the language are made: launched, compared, and asked for the types of expressions."""

import math
import re

import numba
import numpy as np
from numba import cuda, types
from numba.cuda import libdevice
from numba.extending import intrinsic

N = 5
TABLE = np.array([3.0, 1.0, 2.0], np.float32)
FULL = 0xFFFFFFFF
NAN = math.nan
NUMBERS = [np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64]
INTEGERS = NUMBERS[:4]

seen_types = []


@intrinsic
def type_of(_context, value):
    """Return the place of a value's type in the list of those seen."""
    seen_types.append(str(types.unliteral(value)))
    place = len(seen_types) - 1

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.int64, place)

    return types.int64(types.unliteral(value)), generate


SCALARS = {
    **{f"i{size}": np.dtype(f"i{size // 8}") for size in (8, 16, 32, 64)},
    **{f"u{size}": np.dtype(f"u{size // 8}") for size in (8, 16, 32, 64)},
    **{"f32": np.dtype("f4"), "f64": np.dtype("f8"), "b": np.dtype("?"), "c64": np.dtype("c8")},
}


def types_of(*expressions):
    """Return the types of expressions of scalars, as one kernel has them."""
    used = sorted(set(re.findall(r"\w+", " ".join(expressions))) & set(SCALARS))
    lines = [f"    types[{place}] = type_of({expression})" for place, expression in enumerate(expressions)]
    names = {"cuda": cuda, "math": math, "np": np, "numba": numba, "libdevice": libdevice, "type_of": type_of}
    exec("\n".join([f"def kernel({', '.join(['types', *used])}):", *lines]), names)
    found = np.zeros(len(expressions), np.int64)
    cuda.jit(names["kernel"])[1, 1](found, *(SCALARS[name].type(1) for name in used))
    return [seen_types[place] for place in found]


def run(kernel, *arguments, grid=1, block=1, shared=0):
    kernel[grid, block, 0, shared](*arguments)


def zeros(shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def equal(found, expected):
    """Compare, NaN being the same as NaN."""
    np.testing.assert_array_equal(found, expected)
