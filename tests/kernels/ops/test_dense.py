"""dense at the edges of its blocks, which the small cases of ``check`` do not reach; sums of integers must be exact."""

import numba
import numpy as np
import pytest

import kernels
from kernels.ops.dense.cpu.few import dense_few_cpu
from kernels.ops.dense.cpu.panels import dense_cpu

SHAPES = [(n, k, m) for n in (1, 3, 5, 70) for k, m in ((261, 41), (520, 3), (64, 83))] + [
    (129, 67, 261),
    (259, 17, 41),
    (300, 5, 2),
]


def _integers(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(dtype)


@pytest.mark.usefixtures("compiled_elsewhere")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "k", "m"), SHAPES)
def test_blocks(n, k, m, dtype):
    x, w, b, dy = (_integers(*shape, dtype=dtype) for shape in ((n, k), (m, k), (m,), (n, m)))
    for kernel in (dense_few_cpu, dense_cpu):
        y = np.full((n, m), np.nan, dtype)
        kernel(x, w, b, y)
        np.testing.assert_array_equal(y, x @ w.T + b)
    dx, dw, db = kernels.dense_backward(dy, x, w)
    np.testing.assert_array_equal(dx, dy @ w)
    np.testing.assert_array_equal(dw, dy.T @ x)
    np.testing.assert_array_equal(db, dy.sum(axis=0))


def test_no_samples():
    x, w, dy = _integers(0, 5), _integers(3, 5), _integers(0, 3)
    assert kernels.dense(x, w).shape == (0, 3)
    dx, dw, db = kernels.dense_backward(dy, x, w)
    assert dx.shape == (0, 5)
    np.testing.assert_array_equal(dw, np.zeros((3, 5)))
    np.testing.assert_array_equal(db, np.zeros(3))


@pytest.mark.parametrize("n", [3, 70])
def test_the_same_bits_with_any_number_of_threads(n):
    random = np.random.default_rng(0)
    x, w, dy = (random.standard_normal(shape).astype(np.float32) for shape in ((n, 300), (90, 300), (n, 90)))
    threads = numba.get_num_threads()
    found = []
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            found.append((kernels.dense(x, w), *kernels.dense_backward(dy, x, w)))
    finally:
        numba.set_num_threads(threads)
    for one, all_of_them in zip(*found, strict=True):
        np.testing.assert_array_equal(one, all_of_them)
