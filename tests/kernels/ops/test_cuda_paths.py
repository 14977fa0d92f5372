"""CUDA kernels that are chosen by sizes and addresses: each path gives what the CPU gives, to the bit."""

import numpy as np
import pytest

import kernels

pytestmark = pytest.mark.usefixtures("in_the_simulator")

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0]


def values(*shape):
    """Few different values: ties, and what is special."""
    return np.random.default_rng(0).choice(np.array([*SPECIAL, 2, -1], np.float32), shape)


@pytest.mark.parametrize("size", [1, 3, 4, 131, 132])
@pytest.mark.parametrize("start", [0, 1])
def test_relu_four_at_a_time_and_one_at_a_time(size, start):
    x, dy = values(size + start), values(size + start)[::-1].copy()
    on_device = [kernels.to_device(each)[start:] for each in (dy, x)]
    np.testing.assert_array_equal(kernels.to_host(kernels.relu(on_device[1])), kernels.relu(x[start:]))
    found = kernels.to_host(kernels.relu_backward(*on_device))
    np.testing.assert_array_equal(found, kernels.relu_backward(dy[start:], x[start:]))


@pytest.mark.parametrize(
    "options", [{}, {"padding": 1}, {"dilation": 2}, {"stride": 1}, {"stride": 3}, {"kernel_size": (3, 2)}]
)
@pytest.mark.parametrize("size", [(4, 6), (6, 4), (5, 6), (6, 7)])
def test_gradients_of_windows_apart_and_of_others(size, options):
    given = {"kernel_size": 2, **options}
    x = values(2, 3, *size)
    y = kernels.max_pool2d(x, **given)
    dy = np.random.default_rng(1).integers(-4, 5, y.shape).astype(np.float32)
    found = kernels.max_pool2d_backward(dy, x, device="cuda", **given)
    np.testing.assert_array_equal(found, kernels.max_pool2d_backward(dy, x, device="cpu", **given))


@pytest.mark.parametrize("classes", [1, 10, 31, 33, 100])
def test_rows_shorter_and_longer_than_a_warp(classes):
    x = np.random.default_rng(0).normal(size=(5, classes)).astype(np.float32)
    labels = np.arange(5) % classes
    np.testing.assert_allclose(kernels.softmax(x, device="cuda"), kernels.softmax(x), rtol=1e-6)
    for smoothing in (0.0, 0.2):
        given = {"label_smoothing": smoothing}
        loss = kernels.cross_entropy(x, labels, device="cuda", **given)
        np.testing.assert_allclose(loss, kernels.cross_entropy(x, labels, **given), rtol=1e-5)
