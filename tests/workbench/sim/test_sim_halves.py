"""``float16`` in simulated kernels: numba-cuda's types, and the numbers of correctly rounded half arithmetic."""

import math
import re

import numpy as np
import pytest
from numba import cuda, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from workbench.sim import KernelHazard, simulator

HALVES = np.arange(1 << 16).astype(np.uint16).view(np.float16)
FINITE = np.sort(HALVES[np.isfinite(HALVES)]).astype(np.float64)
THREADS = 128
SCALE = np.float16(0.1)
TABLE = np.array([1.5, -2.5, math.inf], np.float16)


@pytest.fixture(autouse=True)
def _simulated():
    with simulator(), np.errstate(all="ignore"):
        yield


def on_all(kernel, *arrays):
    """Launch a kernel with one thread for each element of the first array."""
    kernel[arrays[0].shape[-1] // THREADS, THREADS](*arrays)


def equal(found, expected):
    """Compare numbers and the signs of zeros, NaN being the same as NaN."""
    np.testing.assert_array_equal(found, expected)
    signed = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[signed], np.signbit(expected)[signed])


def pairs():
    """Return two arrays of halves: all of them, and the same in another order."""
    return HALVES, np.random.default_rng(0).permutation(HALVES)


def test_conversions_round_once_to_nearest_ties_to_even():
    @cuda.jit
    def kernel(doubles, floats, longs, words, out):
        t = cuda.grid(1)
        out[0, t], out[1, t], out[2, t], out[3, t] = (
            doubles[t],
            np.float16(floats[t]),
            longs[t],
            types.float16(words[t]),
        )

    rng = np.random.default_rng(0)
    ties = np.concatenate([(FINITE[1:] + FINITE[:-1]) / 2, [65520.0, -65520.0]])
    near = [math.nan, -math.inf, 1e-300, -1e300, *(ties * (1 + 2.0**-40)), *(ties * (1 - 2.0**-40)), *ties, *FINITE]
    doubles = np.resize(near, 1 << 18)
    floats = np.concatenate([np.nextafter(np.float32(ties), np.float32(side)) for side in (-math.inf, 0, math.inf)])
    floats = np.concatenate([floats, rng.integers(0, 1 << 32, 1 << 18, np.uint32).view(np.float32)])[: 1 << 18]
    longs = rng.integers(-70000, 70000, 1 << 18)
    longs[:3] = 1 << 62, -(1 << 62), 65519
    words = rng.integers(0, 70000, 1 << 18).astype(np.uint32)
    out = np.zeros((4, 1 << 18), np.float16)
    on_all(kernel, doubles, floats, longs, words, out)
    for found, given in zip(out, (doubles, floats, longs, words), strict=True):
        equal(found, given.astype(np.float16))


def test_halves_widen_exactly_and_become_the_nearest_integer_that_there_is():
    @cuda.jit
    def kernel(x, floats, doubles, complexes, i8, u16, i32, i64):
        t = cuda.grid(1)
        floats[t], doubles[t], complexes[t] = x[t], np.float64(x[t]), x[t]
        i8[t], u16[t], i32[t], i64[t] = x[t], np.uint16(x[t]), types.int32(x[t]), int(x[t])

    wide = [np.zeros(HALVES.shape, kind) for kind in (np.float32, np.float64, np.complex64)]
    whole = [np.zeros(HALVES.shape, kind) for kind in (np.int8, np.uint16, np.int32, np.int64)]
    on_all(kernel, HALVES, *wide, *whole)
    for found in wide:
        equal(found.real, HALVES.astype(found.real.dtype))
    finite = np.isfinite(HALVES)
    for found in whole:
        limits = np.iinfo(found.dtype)
        expected = np.clip(np.rint(HALVES[finite].astype(np.float64)), limits.min, limits.max)
        np.testing.assert_array_equal(found[finite], expected.astype(found.dtype))
        assert found[np.isposinf(HALVES)] == limits.max
        assert np.all(found[np.isnan(HALVES)] == (limits.min if limits.bits == 64 else 0))


def test_operators_round_as_numpy_does():
    @cuda.jit
    def kernel(x, y, out, signs, found):
        t = cuda.grid(1)
        a, b = x[t], y[t]
        out[0, t], out[1, t], out[2, t], out[3, t] = a + b, a - b, a * b, a / b
        out[4:, t] = a
        out[4, t] += b
        out[5, t] -= b
        out[6, t] *= b
        out[7, t] /= b
        signs[0, t], signs[1, t], signs[2, t] = -a, abs(a), +a
        found[0, t], found[1, t], found[2, t] = a == b, a != b, a < b
        found[3, t], found[4, t], found[5, t] = a <= b, a > b, a >= b
        found[6, t], found[7, t] = bool(a), not a

    x, y = pairs()
    y[:100] = x[:100]
    out, signs, found = (np.zeros((rows, x.size), kind) for rows, kind in ((8, "f2"), (3, "f2"), (8, "?")))
    on_all(kernel, x, y, out, signs, found)
    for got, expected in zip(out, 2 * [x + y, x - y, x * y, x / y], strict=True):
        equal(got, expected)
    np.testing.assert_array_equal(signs.view(np.uint16), [each.view(np.uint16) for each in (-x, abs(x), x)])
    np.testing.assert_array_equal(found, [x == y, x != y, x < y, x <= y, x > y, x >= y, x != 0, x == 0])


_names = []


@intrinsic
def type_of(_context, value):
    """Return the place of a value's type in the list of those seen."""
    _names.append(str(types.unliteral(value)))
    place = len(_names) - 1

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.int64, place)

    return types.int64(types.unliteral(value)), generate


TYPES = {
    "f16 + f16": "float16",
    "f16 / i8": "float16",
    "b * f16": "float16",
    "f16 - u8": "float32",
    "f16 + i16": "float32",
    "f16 * u16": "float64",
    "i32 + f16": "float64",
    "f16 + 1": "float64",
    "2.5 * f16": "float64",
    "f32 * f16": "float32",
    "f16 / f64": "float64",
    "c64 * f16": "complex64",
    "f16 // f16": "float32",
    "f16 % i8": "float32",
    "f16 ** f16": "float32",
    "f16 ** 2": "float32",
    "f16 < i8": "bool",
    "-f16": "float16",
    "abs(f16)": "float16",
    "float(f16)": "float16",
    "int(f16)": "int64",
    "round(f16)": "int64",
    "round(f16, 2)": "float32",
    "max(f16, f16)": "float16",
    "min(f16, f32)": "float32",
    "max(f16, i8)": "float16",
    "min(f16, 1)": "float64",
    "math.sin(f16)": "float16",
    "math.exp2(f16)": "float16",
    "math.floor(f16)": "float16",
    "math.tan(f16)": "float32",
    "math.tanh(f16)": "float32",
    "math.isnan(f16)": "bool",
    "math.fmod(f16, f16)": "float32",
    "math.pow(f16, f16)": "float32",
    "math.modf(f16)": "UniTuple(float64 x 2)",
    "math.frexp(f16)": "Tuple(float32, int32)",
    "math.ldexp(f16, i32)": "float32",
    "cuda.fma(f16, f16, f16)": "float32",
    "cuda.fp16.hadd(f64, 1)": "float16",
    "cuda.fp16.hfma(f16, f32, True)": "float16",
    "cuda.fp16.hlt(f16, i8)": "bool",
}
"""As numba-cuda's typing context resolves them."""


def test_expressions_have_the_types_of_numba_cuda():
    scalars = {f"{kind}{8 * size}": f"{kind}{size}" for kind in "iu" for size in (1, 2, 4)}
    scalars |= {"f16": "f2", "f32": "f4", "f64": "f8", "b": "?", "c64": "c8"}
    used = sorted(set(re.findall(r"\w+", " ".join(TYPES))) & set(scalars))
    lines = [f"    types[{place}] = type_of({expression})" for place, expression in enumerate(TYPES)]
    names = {"cuda": cuda, "math": math, "type_of": type_of}
    exec("\n".join([f"def kernel(types, {', '.join(used)}):", *lines]), names)
    found = np.zeros(len(TYPES), np.int64)
    cuda.jit(names["kernel"])[1, 1](found, *(np.dtype(scalars[name]).type(1) for name in used))
    assert dict(zip(TYPES, (_names[place] for place in found), strict=True)) == TYPES


BOTH = "sin cos log log10 log2 exp exp2 floor ceil trunc sqrt"
OF_ONE = {
    **{f"cuda.fp16.h{name}": getattr(np, name) for name in BOTH.split()},
    **{f"math.{name}": getattr(np, name) for name in BOTH.split()},
    "math.fabs": np.fabs,
    "cuda.fp16.hexp10": lambda x: 10**x,
    "cuda.fp16.hrsqrt": lambda x: 1 / np.sqrt(x),
    "cuda.fp16.hrcp": lambda x: 1 / x,
    "cuda.fp16.hrint": np.rint,
    "cuda.fp16.hneg": np.negative,
    "cuda.fp16.habs": np.fabs,
}


def test_functions_of_one_half_are_rounded_once():
    lines = [f"    out[{place}, t] = {name}(x[t])" for place, name in enumerate(OF_ONE)]
    names = {"cuda": cuda, "math": math}
    exec("\n".join(["def kernel(x, out):", "    t = cuda.grid(1)", *lines]), names)
    out = np.zeros((len(OF_ONE), HALVES.size), np.float16)
    on_all(cuda.jit(names["kernel"]), HALVES, out)
    for found, function in zip(out, OF_ONE.values(), strict=True):
        equal(found, function(HALVES.astype(np.float64)).astype(np.float16))


def test_functions_of_two_halves():
    @cuda.jit
    def kernel(x, y, out, found):
        t = cuda.grid(1)
        a, b = x[t], y[t]
        out[0, t], out[1, t] = cuda.fp16.hadd(a, b), cuda.fp16.hsub(a, b)
        out[2, t], out[3, t] = cuda.fp16.hmul(a, b), cuda.fp16.hdiv(a, b)
        out[4, t], out[5, t] = cuda.fp16.hmax(a, b), cuda.fp16.hmin(a, b)
        found[0, t], found[1, t], found[2, t] = cuda.fp16.heq(a, b), cuda.fp16.hne(a, b), cuda.fp16.hlt(a, b)
        found[3, t], found[4, t], found[5, t] = cuda.fp16.hle(a, b), cuda.fp16.hgt(a, b), cuda.fp16.hge(a, b)

    x, y = pairs()
    y[:100] = x[:100]
    out, found = np.zeros((6, x.size), np.float16), np.zeros((6, x.size), np.bool_)
    on_all(kernel, x, y, out, found)
    for got, expected in zip(out, [x + y, x - y, x * y, x / y, np.fmax(x, y), np.fmin(x, y)], strict=True):
        np.testing.assert_array_equal(got, expected)
    ordered = ~np.isnan(x) & ~np.isnan(y)
    np.testing.assert_array_equal(found, [x == y, (x != y) & ordered, x < y, x <= y, x > y, x >= y])


def test_hfma_rounds_once_and_literals_become_halves():
    @cuda.jit
    def kernel(a, b, c, out):
        for i in range(3):
            out[i] = cuda.fp16.hfma(a[i], b[i], c[i])
        out[3] = cuda.fp16.hmul(a[0], 2)
        out[4] = cuda.fp16.hadd(0.1, a[0] - a[0])
        out[5] = SCALE

    step, tiny = 2.0**-10, 2.0**-24
    a, b = (np.full(3, each, np.float16) for each in (1 + step, 1.5))
    out = np.zeros(6, np.float16)
    kernel[1, 1](a, b, np.array([0, tiny, -tiny], np.float16), out)
    # (1 + step) * 1.5 lies halfway between 1.5 + step and 1.5 + 2 * step
    equal(out, np.array([1.5 + 2 * step, 1.5 + 2 * step, 1.5 + step, 2 + 2 * step, 0.1, 0.1], np.float16))


def test_halves_are_arguments_and_lie_in_every_memory(capfd):
    @cuda.jit(device=True)
    def twice(x):
        return x + x

    @cuda.jit("void(f2[:], f2[:], f2, UniTuple(f2, 2))")
    def kernel(x, y, scale, pair):
        shared, local = cuda.shared.array(8, types.float16), cuda.local.array(2, np.float16)
        whole, table = cuda.shared.array(0, np.float16), cuda.const.array_like(TABLE)
        t = cuda.threadIdx.x
        shared[t], whole[t] = x[t] * scale, pair[1]
        cuda.syncthreads()
        local[0], local[1] = shared[7 - t], table[0]
        y[t] = twice(local[0]) + local[1] + whole[7 - t]
        cuda.stcg(y, t, cuda.ldca(y, t) + TABLE[0])
        if t == 0:
            print(y[t], x[1:3].view(np.uint16)[0])

    x, y = np.arange(8, dtype=np.float16), np.zeros(8, np.float16)
    kernel[1, 8, 0, 16](x, y, np.float16(0.5), (np.float16(1), np.float16(0.25)))
    equal(y, x[::-1] + np.float16(3.25))
    assert capfd.readouterr().out.split() == ["10.25", str(0x3C00)]


def test_races_are_told_apart_by_the_half():
    @cuda.jit
    def kernel(x, shift):
        part = cuda.shared.array(8, types.float16)
        t = cuda.threadIdx.x
        part[t] = x[t]
        x[t] = part[t ^ shift]

    x = np.ones(8, np.float16)
    kernel[1, 8](x, 0)
    with pytest.raises(KernelHazard, match=r"race.* part\["):
        kernel[1, 8](x, 1)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("cuda.atomic.add(x, 0, x[1])", "not float16"),
        ("cuda.shfl_sync(-1, x[0], 0)", "not float16"),
        ("cuda.fp16.hadd(x[0], 1j)", "Numba has no function"),
    ],
)
def test_what_numba_cuda_has_not_for_halves_is_refused(expression, says):
    names = {"cuda": cuda}
    exec(f"def kernel(x):\n    {expression}", names)
    with pytest.raises(TypingError, match=says):
        cuda.jit(names["kernel"])[1, 1](np.ones(2, np.float16))
