"""Intrinsics, libdevice and arithmetic work in the simulator, with the values and types of a GPU."""

import math

import numba
import numpy as np
import pytest
from numba import cuda, float32
from numba.core.errors import TypingError
from numba.cuda import libdevice

from tests.workbench.sim.simulated import (
    NAN,
    equal,
    run,
    seen_types,
    type_of,
    types_of,
    zeros,
)
from workbench.sim import simulator


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


# intrinsics and libdevice


def test_bits_of_integers():
    @cuda.jit
    def kernel(i8, u16, i32, u32, i64, u64, out):
        out[0], out[1], out[2] = cuda.popc(i8), cuda.popc(u16), cuda.popc(i64)
        out[3], out[4], out[5], out[6] = cuda.clz(i8), cuda.clz(u16), cuda.clz(u32), cuda.clz(u64)
        out[7], out[8], out[9] = cuda.brev(u32), cuda.brev(i32), cuda.brev(u64)
        out[10], out[11], out[12], out[13] = cuda.ffs(u32), cuda.ffs(i64), cuda.ffs(0), u32.bit_count()

    out = zeros(14, np.uint64)
    run(
        kernel,
        *map(lambda kind, n: kind(n), (np.int8, np.uint16, np.int32), (-1, 256, 1)),
        np.uint32(6),
        np.int64(-8),
        np.uint64(1),
        out,
    )
    equal(out, [8, 1, 61, 0, 7, 29, 63, 0x60000000, 1 << 31, 1 << 63, 2, 4, 0, 2])


def test_intrinsics_have_the_types_of_the_gpu():
    whole = [f"{sign}int{size}" for sign in ("", "u") for size in (8, 16, 32, 64)]
    short = [f"{sign}{size}" for sign in "iu" for size in (8, 16, 32, 64)]
    assert types_of(*(f"cuda.{name}({each})" for name in ("popc", "clz") for each in short)) == whole * 2
    assert types_of(*(f"cuda.brev({each})" for each in short)) == ["uint32"] * 7 + ["uint64"]
    assert types_of(*(f"cuda.ffs({each})" for each in ("i32", "i64", "u32", "u64", "5"))) == ["uint32"] * 5
    triples = ["f32, f32, f32", "f32, i8, i16", "f32, f32, 1.0", "f32, f32, i32", "i32, i32, i32"]
    assert types_of(*(f"cuda.fma({each})" for each in triples)) == ["float32"] * 2 + ["float64"] * 3
    roots = [f"cuda.cbrt({each})" for each in ("f32", "f64", "i16", "i32")]
    assert types_of(*roots) == ["float32", "float64", "float32", "float64"]
    assert types_of("cuda.selp(b, f32, f32)", "cuda.selp(i32 > 0, i16, i16)") == ["float32", "int16"]
    for refused in ("selp(b, f32, f64)", "selp(i32, f32, f32)", "selp(b, i8, i8)", "ffs(u16)"):
        with pytest.raises(TypingError, match=r"takes a bool|integers of 32 and 64 bits"):
            types_of(f"cuda.{refused}")


def test_fma_rounds_once_and_cbrt_and_selp_choose():
    @cuda.jit
    def kernel(x, d, out, wide):
        out[0], out[1] = cuda.fma(x[0], x[0], x[1]), cuda.cbrt(x[2])
        out[2], out[3] = cuda.selp(x[0] > 0, x[0], x[1]), cuda.selp(x[0] < 0, x[0], x[1])
        wide[0], wide[1] = cuda.fma(d[0], d[0], d[1]), cuda.cbrt(d[2])

    x = np.array([1 + 2.0**-12, -1 - 2.0**-11, 2], np.float32)
    d = np.array([1 + 2.0**-30, -1 - 2.0**-29, 2])
    out, wide = zeros(4), zeros(2, np.float64)
    run(kernel, x, d, out, wide)
    equal(out, [np.float32(2.0**-24), np.cbrt(x[2]), x[0], x[1]])
    assert wide[0] == 2.0**-60
    np.testing.assert_allclose(wide[1], np.cbrt(2.0), rtol=3e-16)


LIBDEVICE = {
    "cuda.libdevice.expf(x)": (np.float32, np.exp(np.float32(0.7))),
    "libdevice.rsqrt(4.0)": (np.float64, 0.5),
    "libdevice.powif(x, 2)": (np.float32, np.float32(0.7) * np.float32(0.7)),
    "libdevice.fast_fdividef(x, 2)": (np.float32, np.float32(0.35)),
    "libdevice.fmaf_rn(x, x, x)": (np.float32, np.float32(np.float64(np.float32(0.7)) ** 2 + np.float32(0.7))),
    "libdevice.fmaxf(x, math.nan)": (np.float32, np.float32(0.7)),
    "libdevice.fmin(0.0, -0.0)": (np.float64, -0.0),
    "libdevice.saturatef(7)": (np.float32, 1),
    "libdevice.floor(-2.5)": (np.float64, -3),
    "libdevice.truncf(-2.5)": (np.float32, -2),
    "libdevice.round(-2.5)": (np.float64, -3),
    "libdevice.rint(-2.5)": (np.float64, -2),
    "libdevice.llrint(2.5)": (np.int64, 2),
    "libdevice.remainder(5.0, 3.0)": (np.float64, -1),
    "libdevice.fmodf(5, 3)": (np.float32, 2),
    "libdevice.modff(-2.5)[0]": (np.float32, -0.5),
    "libdevice.modf(-2.5)[1]": (np.float64, -2),
    "libdevice.frexp(12.0)[0]": (np.float64, 0.75),
    "libdevice.frexp(12.0)[1]": (np.int32, 4),
    "libdevice.sincosf(0)[1]": (np.float32, 1),
    "libdevice.sinpi(7.0)": (np.float64, 0),
    "libdevice.cospif(3)": (np.float32, -1),
    "libdevice.ldexpf(x, 3)": (np.float32, 8 * np.float32(0.7)),
    "libdevice.ilogb(9.0)": (np.int32, 3),
    "libdevice.fdim(3.0, 1.0)": (np.float64, 2),
    "libdevice.nextafterf(1, 2)": (np.float32, np.nextafter(np.float32(1), np.float32(2))),
    "libdevice.isnanf(x)": (np.int32, 0),
    "libdevice.isinfd(math.inf)": (np.int32, 1),
    "libdevice.signbitf(-x)": (np.int32, 1),
    "libdevice.clzll(1)": (np.int32, 63),
    "libdevice.popcll(-1)": (np.int32, 64),
    "libdevice.ffs(8)": (np.int32, 4),
    "libdevice.brev(1)": (np.int32, -(1 << 31)),
    "libdevice.abs(-5)": (np.int32, 5),
    "libdevice.min(-1, 2)": (np.int32, -1),
    "libdevice.umin(-1, 2)": (np.int32, 2),
    "libdevice.mulhi(1 << 30, 8)": (np.int32, 2),
    "libdevice.umulhi(-1, 4)": (np.int32, 3),
    "libdevice.mul64hi(-1, 4)": (np.int64, -1),
    "libdevice.umul64hi(-1, 4)": (np.int64, 3),
    "libdevice.mul24(-3, 5)": (np.int32, -15),
    "libdevice.hadd(-3, 2)": (np.int32, -1),
    "libdevice.urhadd(-1, -2)": (np.int32, -1),
    "libdevice.sad(3, 8, 10)": (np.int32, 15),
    "libdevice.byte_perm(0x33221100, 0x77665544, 0x7250)": (np.int32, 0x77225500),
    "libdevice.float_as_int(1)": (np.int32, 0x3F800000),
    "libdevice.hiloint2double(0x3FF80000, 0)": (np.float64, 1.5),
    "libdevice.double2hiint(1.5)": (np.int32, 0x3FF80000),
    "libdevice.float2int_rn(2.5)": (np.int32, 2),
    "libdevice.float2int_ru(1e20)": (np.int32, (1 << 31) - 1),
    "libdevice.double2int_rz(math.nan)": (np.int32, 0),
    "libdevice.double2uint_rd(-3.0)": (np.int32, 0),
    "libdevice.uint2double_rn(-1)": (np.float64, (1 << 32) - 1),
    "libdevice.dadd_rn(0.1, 0.2)": (np.float64, 0.1 + 0.2),
    "libdevice.frcp_rn(3)": (np.float32, 1 / np.float32(3)),
}


def test_libdevice():
    lines = [f"    v{place} = {text}" for place, text in enumerate(LIBDEVICE)]
    lines += [f"    out[{place}], types[{place}] = v{place}, type_of(v{place})" for place in range(len(LIBDEVICE))]
    names = {"cuda": cuda, "libdevice": libdevice, "math": math, "type_of": type_of}
    exec("\n".join(["def kernel(x, out, types):", *lines]), names)
    out, kinds = zeros(len(LIBDEVICE), np.float64), zeros(len(LIBDEVICE), np.int64)
    run(cuda.jit(names["kernel"]), np.float32(0.7), out, kinds)
    expected = np.array([np.dtype(dtype).type(value) for dtype, value in LIBDEVICE.values()], np.float64)
    equal(out, expected)
    equal(np.signbit(out), np.signbit(expected))
    assert [seen_types[kind] for kind in kinds] == [np.dtype(dtype).name for dtype, _ in LIBDEVICE.values()]


def test_directed_rounding_is_said_not_to_be_simulated():
    with pytest.raises(TypingError, match="fadd_ru is not simulated"):
        types_of("libdevice.fadd_ru(f32, f32)")


# arithmetic


def test_math_and_numpy_stay_in_float32():
    @cuda.jit
    def kernel(x, out):
        value = x[0]
        out[0], out[1], out[2], out[3] = math.sqrt(value), math.exp(value), np.sqrt(value), np.tanh(value)
        out[4], out[5] = math.atan2(value, value + value), math.hypot(value, value)
        out[6], out[7] = np.maximum(value, math.log(value)), value / (value + value + value)
        out[8], out[9] = value**2, numba.float32(1) / numba.float32(3)

    x, out = np.array([2.7], np.float32), zeros(10, np.float64)
    run(kernel, x, out)
    v = x[0]
    assert all(np.float32(each) == each for each in out)
    exact = [
        np.sqrt(v),
        np.exp(v),
        np.sqrt(v),
        np.tanh(v),
        np.arctan2(v, v + v),
        np.hypot(v, v),
        v,
        v / (v + v + v),
        v * v,
    ]
    np.testing.assert_allclose(out, [*exact, np.float32(1) / np.float32(3)], rtol=3e-7)
    equal(out[[0, 2, 6, 7, 8, 9]], [exact[0], exact[0], v, exact[7], v * v, np.float32(1) / np.float32(3)])


def test_types_of_arithmetic_are_those_of_the_gpu():
    found = {
        "float32": "math.sin(f32) math.log(f32) np.exp(f32) abs(f32) f32*f32 f32**2 f32/f32 f32+i8 min(f32,f32) f32%f32",
        "float64": "f32*2.0 f32*i32 i32/i32 f32+i64 math.sin(i32) np.float64(f32) f32**0.5 max(f32,0)",
        "int64": "i32+i32 i8*i8 i32//i32 i64%i32 u8+1 int(f32) round(f32) i32<<1 -b u32+i32 len((1,2)) 1<<40",
        "uint64": "u32+u32 u8*u8 u64//u32 0xffffffffffffffff u64>>u64",
        "bool": "f32<f64 i32==u32 (not(i32)) math.isnan(f32) b&b",
        "complex64": "c64*f32 c64+c64 c64.conjugate()",
        "int32": "np.int32(f64) numba.int32(i64) cuda.int32(f32)",
        "uint8": "np.uint8(i64) numba.uint8(f32)",
    }
    flat = [(kind, each) for kind, text in found.items() for each in text.split()]
    assert types_of(*(each for _, each in flat)) == [kind for kind, _ in flat]


def test_floor_fmod_and_their_like_are_those_of_c():
    @cuda.jit
    def kernel(x, out):
        out[0], out[1], out[2] = math.floor(x[0]), math.ceil(x[0]), math.trunc(x[1])
        out[3], out[4], out[5] = math.fmod(x[0], x[2]), math.remainder(x[0], x[2]), math.pow(x[2], np.int32(3))
        out[6], out[7] = math.modf(x[0])

    x, out = np.array([-7.5, 1e30, 2], np.float32), zeros(8)
    run(kernel, x, out)
    equal(out, np.array([-8, -7, 1e30, -1.5, 0.5, 8, -0.5, -7], np.float32))
    names = [
        "floor(f32)",
        "trunc(f32)",
        "fmod(f32, f32)",
        "remainder(f32, f32)",
        "pow(f32, i32)",
        "ceil(i32)",
        "fmod(f32, 2)",
    ]
    assert types_of(*(f"math.{name}" for name in names), "math.modf(f32)") == ["float32"] * 5 + ["float64"] * 2 + [
        "UniTuple(float32 x 2)"
    ]


def test_max_and_min_of_two_floats_pass_nan_over():
    @cuda.jit
    def kernel(x, out, whole):
        a, b = x[0], x[1]
        out[0], out[1], out[2], out[3] = max(a, b), max(b, a), min(a, b), min(b, 1.0 * a)
        out[4], out[5], out[6] = max(x[2], x[3]), min(x[3], x[2]), max(b, 3, 2)
        whole[0], whole[1] = max(whole[0], 7), min((5, 4, 6))

    x, out, whole = np.array([NAN, 1, -0.0, 0.0], np.float32), zeros(7), zeros(2, np.int32)
    run(kernel, x, out, whole)
    equal(out, [1, 1, 1, 1, 0, 0, 3])
    equal(np.signbit(out[4:6]), [False, True])
    equal(whole, [7, 4])


def test_an_accumulator_that_starts_as_0_0_is_float64():
    @cuda.jit
    def kernel(x, out):
        wide, narrow = 0.0, float32(0)
        count = 0
        for i in range(x.size):
            wide += x[i]
            narrow += x[i]
            count += x[i] > 1
        out[0], out[1], out[2], out[3] = wide, narrow, type_of(wide), type_of(narrow)
        out[4] = type_of(count)

    x, out = np.array([1e8, 1, 1, -1e8], np.float32), zeros(5, np.float64)
    run(kernel, x, out)
    equal(out[:2], [2, 0])
    assert [seen_types[int(code)] for code in out[2:]] == ["float64", "float32", "int64"]


def test_integers_wrap_divide_and_shift():
    @cuda.jit
    def kernel(i32, u32, i64, u8, a, b, out, small):
        i32[0] = i32[0] + 1
        i32[1] *= i32[1]
        u32[0] -= 1
        i64[0] += 1
        u8[0] += 200
        for i in range(a.size):
            out[0, i], out[1, i] = a[i] // b[i], a[i] % b[i]
            out[2, i], out[3, i] = divmod(a[i], b[i])
            small[i] = a[i] / b[i]
        out[4, 0], out[4, 1] = numba.int32(1 << 31), numba.uint32(-1)
        out[4, 2], out[4, 3] = np.int8(200), ~i64[1] >> 1

    i32, u32 = np.array([2**31 - 1, 70000], np.int32), zeros(1, np.uint32)
    i64, u8 = np.array([2**63 - 1, 5], np.int64), np.array([100], np.uint8)
    a, b = np.array([7, -7, 7, -7], np.int64), np.array([2, 2, -2, -2], np.int64)
    out, small = zeros((5, 4), np.int64), zeros(4)
    run(kernel, i32, u32, i64, u8, a, b, out, small)
    equal(i32, [-(2**31), 70000 * 70000 % 2**32 - 2**32 * (70000 * 70000 % 2**32 >= 2**31)])
    assert (u32[0], i64[0], u8[0]) == (2**32 - 1, -(2**63), 44)
    equal(out[[0, 2]], [a // b] * 2)
    equal(out[[1, 3]], [a % b] * 2)
    equal(out[4], [-(2**31), 2**32 - 1, -56, -3])
    equal(small, a / b)


def test_division_by_zero_does_not_raise():
    @cuda.jit
    def kernel(x, k, out):
        out[0], out[1], out[2] = x[0] / x[1], -x[0] / x[1], x[1] / x[1]
        out[3], out[4], out[5] = k[0] / k[1], x[0] % x[1], x[0] // x[1]
        k[2], k[3] = k[0] // k[1], k[0] % k[1]
        out[6], out[7] = math.sqrt(-x[0]), math.log(x[1])

    x, k, out = np.array([1, 0], np.float32), np.array([1, 0, 5, 5], np.int32), zeros(8)
    run(kernel, x, k, out)
    equal(out, [math.inf, -math.inf, NAN, math.inf, NAN, math.inf, NAN, -math.inf])


def test_complex_and_boolean_numbers():
    @cuda.jit
    def kernel(z, out, flags):
        z[1] = z[0] * z[0].conjugate() + 2j
        z[2] = complex(z[0].imag, abs(z[0]))
        out[0], out[1] = z[0].real, abs(z[0])
        flags[1], flags[2] = not flags[0], flags[0] & (out[0] > 100)
        flags[3] = 7

    z, out, flags = np.array([3 + 4j, 0, 0], np.complex64), zeros(2), np.array([True, False, True, False])
    run(kernel, z, out, flags)
    equal(z, np.array([3 + 4j, 25 + 2j, 4 + 5j], np.complex64))
    equal(out, [3, 5])
    equal(flags, [True, False, False, True])
