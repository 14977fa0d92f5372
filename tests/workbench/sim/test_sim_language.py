"""The documented features of Numba-CUDA work in the simulator, with the values and types of a GPU."""

from collections import namedtuple

import numba
import numba.cuda as c
import numpy as np
import pytest
from numba import cuda, types

from tests.workbench.sim.simulated import TABLE, N, equal, run, seen_types, type_of, types_of, zeros
from workbench.sim import KernelHazard, simulator

Pair = namedtuple("Pair", ["first", "second"])


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


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
    assert seen_types[codes[0]] == "float32"


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
    assert seen_types[codes[0]] == "float32"
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
    assert [seen_types[int(code)] for code in out[6:]] == ["uint8", "float64", "bool", "int64"]


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
