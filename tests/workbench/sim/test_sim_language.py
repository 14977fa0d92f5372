"""The documented features of Numba-CUDA work in the simulator, with the values and types of a GPU."""

import math
import re
from collections import namedtuple

import numba
import numba.cuda as c
import numpy as np
import pytest
from numba import cuda, float32, types
from numba.core.errors import TypingError
from numba.cuda import libdevice
from numba.extending import intrinsic

from workbench.sim import KernelHazard, simulator

N = 5
TABLE = np.array([3.0, 1.0, 2.0], np.float32)
FULL = 0xFFFFFFFF
NAN = math.nan
NUMBERS = [np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64]
INTEGERS = NUMBERS[:4]
Pair = namedtuple("Pair", ["first", "second"])


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


_names = []


@intrinsic
def type_of(_context, value):
    """Return the place of a value's type in the list of those seen."""
    _names.append(str(types.unliteral(value)))
    place = len(_names) - 1

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
    return [_names[place] for place in found]


def run(kernel, *arguments, grid=1, block=1, shared=0):
    kernel[grid, block, 0, shared](*arguments)


def zeros(shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def equal(found, expected):
    """Compare, NaN being the same as NaN."""
    np.testing.assert_array_equal(found, expected)


# where a thread is


def test_threads_blocks_and_grids_are_numbered_along_three_axes():
    @cuda.jit
    def kernel(out):
        i, j, k = cuda.grid(3)
        a, b = c.grid(2)
        sizes, area = cuda.gridsize(3), numba.cuda.gridsize(2)
        same = a == i and b == j and numba.cuda.grid(1) == i and area[1] == sizes[1] and cuda.gridsize(1) == sizes[0]
        out[i, j, k, 0] = cuda.threadIdx.x + 10 * c.threadIdx.y + 100 * numba.cuda.threadIdx.z
        out[i, j, k, 1] = cuda.blockIdx.x + 10 * cuda.blockIdx.y + 100 * cuda.blockIdx.z
        out[i, j, k, 2] = cuda.blockDim.x + 10 * cuda.blockDim.y + 100 * cuda.blockDim.z
        out[i, j, k, 3] = cuda.gridDim.x + 10 * cuda.gridDim.y + 100 * cuda.gridDim.z
        out[i, j, k, 4] = sizes[0] + 100 * sizes[1] + 10000 * sizes[2]
        out[i, j, k, 5] = cuda.laneid + 100 * cuda.warpsize + 10000 * same

    out = zeros((8, 6, 6, 6), np.int64)
    run(kernel, out, grid=(2, 3, 2), block=(4, 2, 3))
    x, y, z = np.indices((8, 6, 6))
    equal(out[..., 0], x % 4 + 10 * (y % 2) + 100 * (z % 3))
    equal(out[..., 1], x // 4 + 10 * (y // 2) + 100 * (z // 3))
    equal(np.unique(out[..., 2:5].reshape(-1, 3), axis=0), [[324, 232, 60608]])
    equal(out[..., 5], x % 4 + 4 * (y % 2) + 8 * (z % 3) + 13200)


def test_places_have_the_types_of_the_gpu():
    places = [
        "cuda.threadIdx.x",
        "cuda.blockIdx.y",
        "cuda.blockDim.z",
        "cuda.gridDim.x",
        "cuda.laneid",
        "cuda.warpsize",
    ]
    assert types_of(*places) == ["int32"] * 6
    assert types_of("cuda.grid(1)", "cuda.gridsize(1)") == ["int64"] * 2
    assert types_of("cuda.grid(2)", "cuda.gridsize(3)") == ["UniTuple(int64 x 2)", "UniTuple(int64 x 3)"]
    assert types_of("cuda.lanemask_lt()", "cuda.activemask()") == ["uint32"] * 2


# memory


def test_static_shared_arrays_are_the_blocks():
    @cuda.jit(device=True)
    def scratch(value):
        kept = cuda.shared.array(4, dtype=np.int16)
        kept[cuda.threadIdx.x] = value
        cuda.syncthreads()
        result = kept[3 - cuda.threadIdx.x]
        cuda.syncthreads()
        return result

    @cuda.jit
    def kernel(x, y, z, codes):
        a, b = cuda.shared.array(4, float32), cuda.shared.array(shape=(2, N), dtype=np.float64)
        w = numba.cuda.shared.array((4,), numba.complex64, alignment=128)
        t, i = cuda.threadIdx.x, cuda.grid(1)
        a[t], b[t % 2, t] = x[i], 2 * x[i]
        w[t] = 1j * x[i]
        cuda.syncthreads()
        y[i] = a[3 - t] + b[(3 - t) % 2, 3 - t] + w[3 - t].imag
        z[i] = scratch(i) * 100 + scratch(t)
        if i == 0:
            codes[0], codes[1], codes[2] = type_of(a[0]), type_of(b), type_of(w)

    x, y, z, codes = np.arange(8, dtype=np.float32), zeros(8), zeros(8, np.int64), zeros(3, np.int64)
    run(kernel, x, y, z, codes, grid=2, block=4)
    back = x.reshape(2, 4)[:, ::-1].ravel()
    equal(y, 4 * back)
    equal(z, 100 * back + back % 4)
    assert [_names[code] for code in codes] == ["float32", "array(float64, 2d, C)", "array(complex64, 1d, C)"]


def test_dynamic_shared_memory_is_one_piece_that_views_share():
    @cuda.jit
    def kernel(floats, integers, lengths):
        whole = cuda.shared.array(0, float32)
        x = whole[: N + 1]
        y = cuda.shared.array(0, np.int16)[2 * (N + 1) :]
        z = whole[N + 1 :].view(np.uint8)
        t = cuda.threadIdx.x
        if t < N + 1:
            x[t] = t / 2
        else:
            y[t - N - 1] = -t
        cuda.syncthreads()
        if t == 0:
            for i in range(N + 1):
                floats[i] = whole[i]
            lengths[0], lengths[1], lengths[2] = len(whole), len(y), len(z)
            lengths[3] = z[0] + 256 * z[1]
            for i in range(y.size):
                integers[i] = y[i]

    floats, integers, lengths = zeros(N + 1), zeros(6, np.int16), zeros(4, np.int64)
    run(kernel, floats, integers, lengths, block=12, shared=36)
    equal(floats, np.arange(N + 1) / 2)
    equal(integers, -np.arange(6, 12))
    equal(lengths, [9, 6, 12, 65536 - 6])


def test_local_and_constant_arrays():
    @cuda.jit
    def kernel(x, y):
        mine, flags = cuda.local.array((2, 3), float32), cuda.local.array(3, np.bool_)
        other = cuda.local.array(N, numba.int8, 16)
        table = cuda.const.array_like(TABLE)
        for i in range(3):
            mine[0, i], mine[1, i] = x[i], table[i] + TABLE[i]
            flags[i] = x[i] > 1
            other[i] = 300
        for i in range(3):
            y[i] = mine[0, i] + mine[1, i] + 10 * flags[i] + 100 * other[i]

    x, y = np.arange(3, dtype=np.float32), zeros(3)
    run(kernel, x, y)
    equal(y, x + 2 * TABLE + 10 * (x > 1) + 4400)


@pytest.mark.parametrize("alignment", [3, 4, -8, "N"])
def test_alignments_that_no_gpu_has_are_refused(alignment):
    names = {"cuda": cuda}
    exec(f"def kernel(N):\n    cuda.shared.array(4, 'float32', alignment={alignment})", names)
    with pytest.raises(TypingError, match="power of two"):
        run(cuda.jit(names["kernel"]), 8)


# barriers


def test_barriers_count_and_agree():
    @cuda.jit
    def kernel(x, out):
        t = cuda.threadIdx.x
        out[0, t] = cuda.syncthreads_count(x[t])
        out[1, t] = cuda.syncthreads_and(x[t]) + 10 * cuda.syncthreads_and(1)
        out[2, t] = cuda.syncthreads_or(x[t]) + 10 * cuda.syncthreads_or(numba.int8(0))
        cuda.syncwarp()
        cuda.threadfence()
        cuda.threadfence_block()
        cuda.threadfence_system()
        cuda.nanosleep(100)
        cuda.nanosleep(numba.uint32(t))
        cuda.syncthreads()

    x, out = np.array([0, 5, -1, 0, 7] * 8, np.int32), zeros((3, 40), np.int32)
    run(kernel, x, out, block=40)
    equal(out, np.repeat([[24], [10], [1]], 40, axis=1))
    assert types_of(*(f"cuda.syncthreads_{each}(i64)" for each in ("count", "and", "or"))) == ["int32"] * 3
    for predicate in ("b", "f32"):
        with pytest.raises(TypingError, match="must be an integer"):
            types_of(f"cuda.syncthreads_count({predicate})")


def test_a_grid_synchronises_over_blocks():
    @cuda.jit
    def kernel(x, codes):
        grid = cuda.cg.this_grid()
        i, step = cuda.grid(1), cuda.gridsize(1)
        for turn in range(3):
            code = grid.sync()
            value = x[turn, (i + 7) % step] + 1
            x[turn + 1, i] = value
        codes[i] = type_of(grid.sync()) + 0 * code

    x, codes = zeros((4, 24)), zeros(24, np.int64)
    x[0] = np.arange(24)
    run(kernel, x, codes, grid=3, block=8)
    equal(x[3], (np.arange(24) + 21) % 24 + 3)
    assert _names[codes[0]] == "int32"
    assert kernel.overloads[(types.float32[:],)].max_cooperative_grid_blocks(8) >= 3


# warps


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64])
def test_shuffles(dtype):
    @cuda.jit
    def kernel(x, out, source, codes):
        t = cuda.threadIdx.x
        lane, value = t % 32, x[t]
        out[0, t] = cuda.shfl_sync(FULL, value, source[t])
        out[1, t] = cuda.shfl_sync(-1, value, 33)
        out[2, t] = cuda.shfl_up_sync(FULL, value, 3)
        out[3, t] = cuda.shfl_down_sync(FULL, value, np.int64(30))
        out[4, t] = cuda.shfl_xor_sync(FULL, value, 5)
        if lane < 8:
            out[5, t] = cuda.shfl_sync(0xFF, value, 7 - lane)
        codes[t] = type_of(cuda.shfl_up_sync(FULL, value, 1))

    x = (np.arange(64) * 2.0**33 / 3).astype(dtype) if dtype != np.int32 else np.arange(64, dtype=dtype) * -12345678
    source = np.arange(64, dtype=np.int32)[::-1].copy() % 32
    out, codes = zeros((6, 64), dtype), zeros(64, np.int64)
    run(kernel, x, out, source, codes, block=64)
    warp, lane = np.divmod(np.arange(64), 32)
    places = [source, 1, np.where(lane < 3, lane, lane - 3), np.where(lane > 1, lane, lane + 30), lane ^ 5]
    for found, place in zip(out, places, strict=False):
        equal(found, x[32 * warp + place])
    equal(out[5], np.where(lane < 8, x[32 * warp + (7 - lane) % 32], 0))
    assert _names[codes[0]] == np.dtype(dtype).name


def test_votes_matches_and_masks():
    @cuda.jit
    def kernel(x, out):
        t = cuda.threadIdx.x
        lane, value, number = cuda.laneid, x[t], numba.float64(x[t])
        out[0, t] = cuda.ballot_sync(FULL, value > 2)
        out[1, t] = cuda.all_sync(FULL, value) + 10 * cuda.any_sync(FULL, value > 6)
        out[2, t] = cuda.eq_sync(FULL, value > 2) + 10 * cuda.eq_sync(FULL, True) + 100 * cuda.all_sync(-1, 1)
        out[3, t] = cuda.match_any_sync(FULL, value)
        out[4, t] = cuda.match_any_sync(FULL, number / 3)
        mask, same = cuda.match_all_sync(FULL, number)
        everywhere = cuda.match_all_sync(FULL, np.float32(0.1))
        out[5, t] = 10 * mask + same
        out[6, t] = everywhere[1] * 10 + (everywhere[0] == np.int32(FULL))
        out[7, t] = cuda.lanemask_lt()
        if lane % 2:
            out[8, t] = cuda.activemask()
            cuda.syncwarp(0xAAAAAAAA)
            out[9, t] = cuda.ballot_sync(0xAAAAAAAA, lane > 16)

    x, out = np.tile(np.array([1, 3, 3, 7], np.int32), 16), zeros((10, 64), np.int64)
    run(kernel, x, out, block=64)
    odd = np.arange(64) % 2 == 1
    lane = np.arange(64) % 32
    masks = np.where(x == 1, 0x11111111, np.where(x == 3, 0x66666666, 0x88888888 - (1 << 32)))
    equal(out[0], 0xEEEEEEEE - (1 << 32))
    equal(out[1], 11)
    equal(out[2], 110)
    equal(out[3], masks)
    equal(out[4], masks)
    equal(out[5], 0)
    equal(out[6], 11)
    equal(out[7], (1 << lane) - 1)
    equal(out[8], np.where(odd, 0xAAAAAAAA, 0))
    equal(out[9], np.where(odd, 0xAAAA0000 - (1 << 32), 0))


def test_warp_operations_have_the_types_of_the_gpu():
    given = ["i32", "i64", "f32", "f64"]
    masks = [f"cuda.match_any_sync(1, {each})" for each in given]
    assert types_of(*masks, "cuda.ballot_sync(1, b)", "cuda.ballot_sync(1, u64)") == ["int32"] * 6
    assert types_of(*(f"cuda.{each}_sync(1, i64)" for each in ("all", "any", "eq"))) == ["bool"] * 3
    assert types_of("cuda.match_all_sync(1, f32)") == ["Tuple(int32, bool)"]
    for refused in ("shfl_sync(1, u32, 0)", "shfl_up_sync(1, i8, 0)", "shfl_xor_sync(1, b, 0)"):
        with pytest.raises(TypingError, match="shuffles"):
            types_of(f"cuda.{refused}")
    with pytest.raises(TypingError, match="predicate"):
        types_of("cuda.ballot_sync(1, f32)")


# atomic operations


def after(operation, old, value):
    """Return what an element holds after an atomic operation."""
    if operation == "inc":
        return 0 if old >= value else old + 1
    if operation == "dec":
        return value if old == 0 or old > value else old - 1
    if operation == "exch":
        return value
    ufuncs = {"add": np.add, "sub": np.subtract, "and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor}
    extremes = {"max": np.maximum, "min": np.minimum, "nanmax": np.fmax, "nanmin": np.fmin}
    with np.errstate(over="ignore"):
        return (ufuncs | extremes)[operation](old, value)


def atomic_kernel(operations):
    """Make a kernel that does an operation on each row, in shared memory on every other one, and stores the results."""
    lines = [
        "def kernel(x, value, old, types):",
        "    s = cuda.shared.array(4, value.dtype)",
        "    t = cuda.threadIdx.x",
    ]
    for row, name in enumerate(operations):
        place = "s, t" if row % 2 else f"x, ({row}, t)"
        lines += [
            f"    s[t] = x[{row}, t]",
            f"    old_{row} = cuda.atomic.{name}({place}, value[t])",
            f"    x[{row}, t] = s[t] if {row % 2} else x[{row}, t]",
            f"    old[{row}, t], types[{row}, t] = old_{row}, type_of(old_{row})",
        ]
    names = {"cuda": cuda, "type_of": type_of}
    exec("\n".join(lines), names)
    return cuda.jit(names["kernel"])


@pytest.mark.parametrize("dtype", NUMBERS)
def test_atomic_operations(dtype):
    operations = ["add", "sub", "max", "min", "nanmax", "nanmin"]
    if dtype in INTEGERS:
        operations += ["and_", "or_", "xor", "exch"]
        top = np.iinfo(dtype).max
        first, value = np.array([top, 5, 0, top - 2], dtype), np.array([3, top, 7, top - 1], dtype)
        operations += ["inc", "dec"] if dtype in (np.uint32, np.uint64) else []
    else:
        first, value = np.array([0.1, NAN, 2, -3], dtype), np.array([0.2, 1, NAN, -4], dtype)
    x = np.tile(first, (len(operations), 1))
    old, kinds = np.zeros_like(x), zeros(x.shape, np.int64)
    run(atomic_kernel(operations), x, value, old, kinds, block=4)
    equal(old, np.tile(first, (len(operations), 1)))
    assert {_names[kind] for kind in kinds[:, 0]} == {np.dtype(dtype).name}
    for row, operation in enumerate(operations):
        expected = [after(operation, *each) for each in zip(first, value, strict=True)]
        if operation in ("max", "min"):  # NaN on either side leaves what is there
            expected = np.where(np.isnan(value), first, expected)
        equal(x[row], np.array(expected, dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_compare_and_swap(dtype):
    @cuda.jit
    def kernel(x, y, old, winners):
        i = cuda.grid(1)
        if cuda.atomic.cas(x, (0, 1), 7, i) == 7:
            cuda.atomic.add(winners, 0, 1)
        old[i] = cuda.atomic.cas(y, i, y[i] - (i % 2), 100)
        if i == 0:
            old[i] = cuda.atomic.compare_and_swap(y[8:], 8, 50)

    x, y = np.full((1, 2), 7, dtype), np.arange(9, dtype=dtype)
    old, winners = zeros(8, dtype), zeros(1, np.int32)
    run(kernel, x, y, old, winners, grid=2, block=4)
    assert winners[0] == 1
    assert x[0, 0] == 7
    assert x[0, 1] in range(8)
    equal(y, [100, 1, 100, 3, 100, 5, 100, 7, 50])
    equal(old, [8, *range(1, 8)])


def test_atomic_operations_of_many_threads_add_up():
    @cuda.jit
    def kernel(total, histogram, ticket):
        i, shared = cuda.grid(1), cuda.shared.array(1, np.int64)
        if cuda.threadIdx.x == 0:
            shared[0] = 0
        cuda.syncthreads()
        cuda.atomic.add(shared, 0, i)
        cuda.atomic.add(histogram, (i % 2, np.uint8(i % 3)), 1.5)
        cuda.atomic.inc(ticket, 0, 9)
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            cuda.atomic.add(total, 0, shared[0])

    total, histogram, ticket = zeros(1, np.int64), zeros((2, 3)), zeros(1, np.uint32)
    run(kernel, total, histogram, ticket, grid=2, block=48)
    assert total[0] == 96 * 95 // 2
    equal(histogram, 24.0)
    assert ticket[0] == 96 % 10


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        ("exch(x, 0, 1)", np.float32),
        ("inc(x, 0, 1)", np.int32),
        ("sub(x, 0, 1)", np.int8),
        ("cas(x, 0, 1, 2)", np.float64),
    ],
)
def test_atomic_operations_that_no_gpu_has_are_refused(call, dtype):
    names = {"cuda": cuda}
    exec(f"def kernel(x):\n    cuda.atomic.{call}", names)
    with pytest.raises(TypingError, match="is for arrays of"):
        run(cuda.jit(names["kernel"]), zeros(1, dtype))


# vector types, cache hints


def test_vector_types():
    @cuda.jit(device=True)
    def total(v):
        return v.x + v.y + v.z + v.w

    @cuda.jit
    def kernel(x, out, whole):
        two = cuda.float32x2(x[0], x[1])
        four = cuda.float4(two, x[2], cuda.float1(x[3]))
        other = cuda.float32x4(cuda.float3(x[3], two), 7)
        out[0], out[1], out[2], out[3] = four.x, four.y, four.z, four.w
        out[4], out[5] = total(four), total(other)
        pixel = cuda.uchar4(300, 1, 2, 3)
        whole[0], whole[1] = pixel.x, cuda.longlong2(1 << 40, 2).x
        whole[2], whole[3] = cuda.double2(0.1, 1).x * 1e10, numba.cuda.int32x3(1, 2, 3).z

    x, out, whole = np.arange(1, 5, dtype=np.float32), zeros(6), zeros(4, np.int64)
    run(kernel, x, out, whole)
    equal(out, [1, 2, 3, 4, 10, 14])
    equal(whole, [44, 1 << 40, 1000000000, 3])
    fields = ["cuda.float2(f32, f32).y", "cuda.double3(f32, f32, 1).z", "cuda.uchar1(i64).x", "cuda.int16x2(1, 2).x"]
    assert types_of(*fields) == ["float32", "float64", "uint8", "int16"]


def test_cache_hints():
    @cuda.jit
    def kernel(x, y, z, codes):
        y[0, 0] = cuda.ldca(x, 0) + cuda.ldcg(x, 1) + cuda.ldcs(x, 2) + cuda.ldlu(x, 3) + cuda.ldcv(x, 4)
        cuda.stcg(y, (0, 1), x[1])
        cuda.stcs(y, (1, 0), 2)
        cuda.stwb(y, (1, 1), cuda.ldcg(y, (0, 1)))
        cuda.stwt(z, 0, 2.9)
        codes[0] = type_of(cuda.ldca(x, 0))

    x, y, z, codes = np.arange(5, dtype=np.float32), zeros((2, 2)), zeros(1, np.int8), zeros(1, np.int64)
    run(kernel, x, y, z, codes)
    equal(y, [[10, 1], [2, 1]])
    assert z[0] == 2
    assert _names[codes[0]] == "float32"


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
    assert [_names[kind] for kind in kinds] == [np.dtype(dtype).name for dtype, _ in LIBDEVICE.values()]


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
    assert [_names[int(code)] for code in out[2:]] == ["float64", "float32", "int64"]


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


# arrays


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.bool_, np.complex64, np.complex128])
def test_arrays_of_other_types(dtype):
    @cuda.jit
    def kernel(x, y):
        i = cuda.grid(1)
        y[i] = x[i]

    x, y = np.array([0, 1, 100, 3]).astype(dtype), zeros(4, dtype)
    run(kernel, x, y, block=4)
    equal(y, x)


def test_views_of_every_layout():
    @cuda.jit
    def kernel(x, f, back, point, empty, out):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] = x[i, j] + 100 * f[i, j] + 10000 * back[i, -j + 2]
        point[()] = x.ndim + 10 * out.strides[1] + 100 * len(x) + 1000 * empty.size + empty.shape[0]

    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    x, f, back = base[::2, ::2], np.asfortranarray(base[:2, :3]), base[1:3, 3::-1][:, ::-1][:, :3]
    point, out = zeros(()), zeros((2, 3))
    run(kernel, x, f, back[:, ::-1], point, zeros((0, 3)), out)
    equal(out, x + 100 * f + 10000 * back)
    assert point == 242


def test_slices_and_attributes_inside_kernels():
    @cuda.jit
    def kernel(a, b, sums, codes):
        i = cuda.threadIdx.x
        row, column = a[i], a[:, i]
        part = b[i, 1:4:2]
        total = row.dtype.type(0)
        for value in row:
            total += value
        for j, value in enumerate(column):
            total += j * value
        sums[i] = total
        part[:] = a[i, :2]
        b[i, 4:] = total
        b[i, 0] = row.size + 10 * column.shape[0] + 100 * a.T.shape[0] + 1000 * a.ndim
        if i == 0:
            codes[0], codes[1] = (
                type_of(row.dtype.type(0)),
                a.itemsize + 100 * column.strides[0] + 10000 * b[1:, 2:].size,
            )
            b[3, :] = 5
            b[2, 1:3] = a[2, 1:3]

    a, b = np.arange(12, dtype=np.float32).reshape(3, 4), zeros((4, 6))
    sums, codes = zeros(3), zeros(2, np.int64)
    run(kernel, a, b, sums, codes, block=2)
    expected = a.sum(axis=1) + (np.arange(3)[:, None] * a).sum(axis=0)[:3]
    equal(sums[:2], expected[:2])
    equal(b[:2, 4], expected[:2])
    equal(b[:2, 1:4:2], a[:2, :2])
    equal(b[:2, 0], 4 + 30 + 400 + 2000)
    equal(b[2:], [[0, *a[2, 1:3], 0, 0, 0], [5] * 6])
    assert _names[codes[0]] == "float32"
    assert codes[1] == 4 + 1600 + 120000


def test_structured_arrays():
    @cuda.jit
    def kernel(points, out):
        i = cuda.grid(1)
        points[i].x = points[i].n * 2
        out[i] = points[i]["x"] + points.n[i]

    points = np.zeros(3, [("x", np.float32), ("n", np.int16)])
    points["n"] = [1, 2, 3]
    out = zeros(3)
    run(kernel, points, out, block=3)
    equal(points["x"], [2, 4, 6])
    equal(out, [3, 6, 9])


def test_arguments_of_every_kind():
    @cuda.jit
    def kernel(pair, numbers, nested, nothing, flag, small, out):
        out[0] = pair.first[1] + pair.second
        out[1] = numbers[0] + numbers[1] * numbers[2]
        out[2] = nested[0][1] + nested[1][0]
        out[3] = 1 if nothing is None else 2
        out[4] = 10 if flag else 20
        a, (b, _) = nested
        out[5], out[6] = small + a[0] + b, type_of(small)
        out[7], out[8], out[9] = type_of(numbers[1]), type_of(flag), type_of(pair.second)

    x, out = np.array([1, 2], np.float32), zeros(10, np.float64)
    run(kernel, Pair(x, 3), (1, 2.5, np.float32(2)), ((7, 8), (x[0], None)), None, True, np.uint8(255), out)
    equal(out[:6], [5, 6, 9, 1, 10, 263])
    assert [_names[int(code)] for code in out[6:]] == ["uint8", "float64", "bool", "int64"]


# functions


@numba.njit
def plain_device_function(x, y):
    return x * y, x - y


def test_device_functions():
    @cuda.jit(device=True, inline="always")
    def twice(x):
        return 2 * x

    @cuda.jit("float32(float32)", device=True)
    def halved(x):
        return x / 2

    @cuda.jit(device=True)
    def fill(a, value):
        for i in range(len(a)):
            a[i] = twice(value)

    @cuda.jit(device=True)
    def factorial(n):
        if n < 2:
            return 1
        return n * factorial(n - 1)

    @cuda.jit
    def kernel(x, out):
        product, difference = plain_device_function(x[0], x[1])
        fill(out[:2], product)
        out[2], out[3], out[4] = difference, factorial(5), halved(x[1])
        out[5] = N + TABLE[1] + scale

    scale, x, out = 100, np.array([3, 5], np.float32), zeros(6)
    run(kernel, x, out)
    equal(out, [30, 30, -2, 120, 2.5, 106])


def test_control_flow():
    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i >= x.size:
            return
        total = 0
        for j in range(10, i, -2):
            if j == 4:
                continue
            if j < 3:
                break
            total += j
        else:
            total += 1000
        while True:
            total += 1
            if total % 5 == 0:
                break
        out[i] = max(total, x[i], 0) + min(x[i], 3) + abs(-x[i])

    x, out = np.arange(4, dtype=np.int32), zeros(4, np.int64)
    run(kernel, x, out, block=32)
    equal(out, np.array([25, 25, 1025, 1025]) + 2 * x)


def test_a_kernel_prints(capfd):
    @cuda.jit
    def kernel(x):
        print("thread", cuda.threadIdx.x, x[0])

    run(kernel, np.array([2], np.int64))
    assert capfd.readouterr().out == "thread 0 2\n"


def test_a_kernel_raises_and_asserts():
    lines = [
        "def kernel(x):",
        "    assert x[0] != 1",
        "    if x[0] == 2:",
        "        raise ValueError('two')",
        "    x[0] = 5",
    ]
    names = {}
    exec("\n".join(lines), names)  # pytest changes the assertions that it reads
    kernel = cuda.jit(debug=True, opt=False)(names["kernel"])
    x = np.array([3])
    run(kernel, x)
    assert x[0] == 5
    for value in (1, 2):
        with pytest.raises(KernelHazard) as caught:
            run(kernel, np.array([value]))
        assert caught.value.hazards[0].kind == "exception"


# the host's side


OPTIONS = {
    "max_registers": 32,
    "launch_bounds": (128, 2),
    "lineinfo": True,
    "opt": True,
    "debug": False,
    "fastmath": True,
    "lto": False,
    "inline": "never",
    "link": [],
    "cache": False,
}


@pytest.mark.parametrize(
    "decorate",
    [
        cuda.jit,
        lambda function: cuda.jit()(function),
        lambda function: cuda.jit("void(int64[:])")(function),
        lambda function: cuda.jit([types.void(types.int64[:]), "void(int32[:])"])(function),
        lambda function: cuda.jit((types.int64[:],))(function),
        lambda function: c.jit(**OPTIONS)(function),
    ],
)
def test_ways_to_decorate(decorate):
    def kernel(x):
        x[cuda.grid(1)] += 1

    x, made = zeros(4, np.int64), decorate(kernel)
    made[2, 2](x)
    made[(2, 1, 1), (2,)](x)
    equal(x, 2)
    assert made.py_func is kernel


def test_launches():
    @cuda.jit
    def kernel(x):
        i = cuda.grid(1)
        if i < x.size:
            x[i] += cuda.gridDim.x

    x, stream = zeros(300, np.int64), cuda.stream()
    wide, narrow = kernel[3, 100], kernel[10, 30, stream]
    wide(x)
    narrow(x)
    wide(x)
    equal(x, 16)
    kernel.forall(len(x), tpb=60)(x)
    equal(x, 21)
    kernel.forall(300, stream=cuda.external_stream(0))(x)
    stream.synchronize()
    cuda.synchronize()
    assert len(set(x)) == 1
    with stream.auto_synchronize():
        kernel[2, 150, stream](x)


def test_memory_of_the_device():
    @cuda.jit
    def double(x, y):
        i = cuda.grid(1)
        y[i] = 2 * x[i]

    host = np.arange(6, dtype=np.float32)
    x, y = cuda.to_device(host), cuda.device_array(6, np.float32)
    start, stop = cuda.event(), cuda.event()
    start.record()
    double[1, 6](x, y)
    stop.record()
    stop.synchronize()
    assert start.elapsed_time(stop) >= 0
    equal(y.copy_to_host(), 2 * host)
    equal(host, np.arange(6))
    double[1, 3](x[::2], y[3:])
    equal(y.copy_to_host(), [0, 2, 4, 0, 4, 8])
    pinned, mapped = cuda.pinned_array(6, np.float32), cuda.mapped_array(6, np.float32)
    pinned[:] = 1
    double[1, 6](pinned, mapped)
    equal(mapped.copy_to_host(), 2)
    with cuda.pinned(host):
        double[1, 6](host, cuda.device_array_like(host))


def test_arrays_of_the_host_and_of_other_libraries():
    class Foreign:
        def __init__(self, array):
            self.array = cuda.to_device(array)
            self.__cuda_array_interface__ = self.array.__cuda_array_interface__

    @cuda.jit
    def double(x, y):
        i = cuda.grid(1)
        y[i] = 2 * x[i]

    x, y, z, w = np.arange(3, dtype=np.float32), zeros(3), Foreign(zeros(3)), zeros(3)
    double[1, 3](x, y)
    equal(y, 2 * x)
    double[1, 3](cuda.In(y), cuda.Out(w))
    equal(w, 4 * x)
    double[1, 3](cuda.InOut(w), z)
    equal(z.array.copy_to_host(), 8 * x)
    view = cuda.as_cuda_array(z)
    double[1, 3](x, view)
    equal(z.array.copy_to_host(), 2 * x)
    assert view.shape == (3,)
    interface = cuda.to_device(np.zeros((2, 3), np.int16)).__cuda_array_interface__
    assert (interface["shape"], interface["typestr"], interface["strides"]) == ((2, 3), "<i2", None)
