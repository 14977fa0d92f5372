"""Sums over lanes and products of partial vectors, which dense uses for few samples."""

import numpy as np
import pytest

from kernels.compile.jit import cpu_inline
from kernels.simd.tile import inner_first, lanes, load, steps, store_sums, zeros


@cpu_inline
def _width(array):
    return lanes(array)


def _summed(m, n):
    @cpu_inline
    def summed(source, target):
        tile = load(source, steps(m, 0, n * lanes(source)), steps(n, 0, lanes(source)))
        store_sums(tile, target, 1)

    return summed


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 2), (1, 4), (2, 4), (4, 4), (3, 3), (5, 3), (1, 7)])
def test_sums_of_every_vector_in_order(dtype, m, n):
    size = _width(np.empty(0, dtype))
    source = np.random.default_rng(m * n).integers(-99, 99, m * n * size).astype(dtype)
    target = np.full(m * n + 2, np.nan, dtype)
    _summed(m, n)(source, target)
    np.testing.assert_array_equal(target[1:-1], source.reshape(m * n, size).sum(axis=1))
    assert np.isnan(target[[0, -1]]).all()


@cpu_inline
def _product(left, right, count, target):
    rows, columns = steps(2, 0, count), steps(3, 0, count)
    tile = inner_first(zeros(rows, columns, target), left, rows, 0, right, columns, 0, count)
    store_sums(tile, target, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_the_first_lanes_alone(dtype):
    random = np.random.default_rng(1)
    for count in range(1, _width(np.empty(0, dtype)) + 1):
        left, right = (random.integers(-9, 9, (rows, count)).astype(dtype) for rows in (2, 3))
        guarded = np.full(left.size + 32, np.nan, dtype)
        guarded[: left.size] = left.reshape(-1)
        target = np.empty(6, dtype)
        _product(guarded, right.reshape(-1), count, target)
        np.testing.assert_array_equal(target.reshape(2, 3), left @ right.T)
