"""Where a thread is, and the memory of threads, blocks and the device: places, shared, local and constant arrays."""

import numba
import numba.cuda as c
import numpy as np
import pytest
from numba import cuda, float32
from numba.core.errors import TypingError

from tests.workbench.sim.simulated import TABLE, N, equal, run, seen_types, type_of, types_of, zeros
from workbench.sim import simulator


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


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
    assert [seen_types[code] for code in codes] == ["float32", "array(float64, 2d, C)", "array(complex64, 1d, C)"]


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
