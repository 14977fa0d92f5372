"""Tests of the kernels in this folder, as in a project of yours; run ``pytest`` here."""

import numpy as np
import pytest
from numba import cuda
from own_kernel_cpu import dense_rows
from own_kernel_cuda import THREADS, softmax_blocks

from workbench.sim import KernelHazard
from workbench.testing import assert_matches_reference


def test_dense_matches_the_reference():
    assert_matches_reference(dense_rows, "dense", dtype="float32", examples=50)


def test_softmax_matches_the_reference_in_the_simulator():
    assert_matches_reference(softmax_blocks, "softmax", grid=lambda x: x.shape[0], block=THREADS, examples=20)


@pytest.mark.parametrize("seed", range(3))
def test_softmax_has_no_race_in_any_order_of_threads(cuda_simulator, seed):
    x = np.arange(200, dtype=np.float32).reshape(2, 100)
    y = np.empty_like(x)
    with cuda_simulator(seed=seed):
        softmax_blocks[2, THREADS](x, y)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)


def test_a_race_is_found():
    @cuda.jit
    def racing(y):
        y[0] = cuda.grid(1)

    with pytest.raises(KernelHazard, match="race"):
        racing[1, 2](np.zeros(1))
