"""Register tiles for CUDA: every function gives in the simulator what its plain Python gives, and accesses are checked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cuda

from kernels.compile.jit import cuda_kernel
from kernels.simt import tile
from workbench.sim import KernelHazard
from workbench.sim.counting.collecting import counting

pytestmark = pytest.mark.usefixtures("in_the_simulator")

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
WIDE = 16


@cuda_kernel
def everything(left, right, offset, place, y):
    sums = tile.spread(8, y.dtype.type(0.5))
    sums = tile.outer(sums, tile.load(left, offset, 2), tile.load(right, offset, 4))
    sums = tile.put(sums, place, right[0])
    tile.store(y, 0, sums + tile.part(sums, place, 1) + tile.part(sums, 1, 7))


def plainly(left, right, offset, place, y):
    """The same by the functions' Python."""
    sums = tile.spread(8, y.dtype.type(0.5))
    sums = tile.outer(sums, tile.load(left, offset, 2), tile.load(right, offset, 4))
    sums = tile.put(sums, place, right[0])
    tile.store(y, 0, sums + tile.part(sums, place, 1) + tile.part(sums, 1, 7))


@DTYPES
def test_compiled_functions_are_their_python(dtype):
    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 7))
    def holds(seed, offset, place):
        left, right = np.random.default_rng(seed).integers(-9, 9, (2, WIDE)).astype(dtype)  # exact, fused or not
        found, expected = np.zeros(WIDE, dtype), np.zeros(WIDE, dtype)
        everything[1, 1](left, right, 4 * offset, place, found)
        plainly(left, right, 4 * offset, place, expected)
        np.testing.assert_array_equal(found, expected)

    holds()


def test_a_multiply_add_is_rounded_once():
    @cuda_kernel
    def multiply_add(x, y):
        tile.store(
            y,
            0,
            tile.outer(tile.spread(1, x[2]), tile.part(tile.load(x, 0, 4), 0, 1), tile.part(tile.load(x, 0, 4), 1, 1)),
        )

    a = np.float32(1 + 2**-12)
    y = np.zeros(1, np.float32)
    multiply_add[1, 1](np.array([a, a, -1 - 2**-11, 0], np.float32), y)
    assert y[0] == np.float32(2**-24)


@cuda_kernel
def move(x, start, place, y):
    held = tile.put(tile.load(x, start, 4), place, x[0])
    tile.store(y, start, held)


@pytest.mark.parametrize(
    ("size", "start", "place", "kind", "what"),
    [
        (6, 4, 0, "out-of-bounds", "x[7] is outside"),
        (8, -4, 0, "out-of-bounds", "x[-4] is a negative index"),
        (8, 2, 0, "misaligned", "no multiple of 16"),
        (8, 0, 4, "out-of-bounds", "[4] is outside the array, of shape (4,)"),
    ],
)
def test_accesses_are_checked(size, start, place, kind, what):
    with pytest.raises(KernelHazard) as raised:
        move[1, 1](np.ones(size, np.float32), start, place, np.zeros(8, np.float32))
    (found,) = raised.value.hazards
    assert found.kind == kind
    assert what in found.summary


def test_a_store_may_race():
    @cuda_kernel
    def all_at_one(x, y):
        tile.store(y, 0, tile.load(x, cuda.threadIdx.x * 4, 4))

    with pytest.raises(KernelHazard, match="race"):
        all_at_one[1, 32](np.arange(128, dtype=np.float32), np.zeros(4, np.float32))


@DTYPES
def test_an_access_of_16_bytes_is_counted_as_one(dtype):
    @cuda_kernel
    def copy(x, y):
        tile.store(y, cuda.threadIdx.x * 4, tile.load(x, cuda.threadIdx.x * 4, 4))

    x, y = np.arange(128, dtype=dtype), np.zeros(128, dtype)
    with counting() as launches:
        copy[1, 32](x, y)
    np.testing.assert_array_equal(x, y)
    accesses = [each for each in launches[0].accesses if each.memory == "global"]
    pieces = 4 * x.itemsize // 16
    assert [each.bytes for each in accesses] == [16] * (2 * pieces)
    assert [each.requests for each in accesses] == [1] * (2 * pieces)
    assert sum(each.sectors for each in accesses) >= 2 * x.nbytes // 32
