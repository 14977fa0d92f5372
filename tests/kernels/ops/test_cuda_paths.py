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


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": (2, 1)}, {"dilation": 2}, {"kernel_size": (3, 2)}])
@pytest.mark.parametrize("size", [(4, 8), (4, 4), (4, 6), (5, 8), (6, 7)])
def test_windows_two_at_a_time_and_one_at_a_time(size, options, start):
    given = {"kernel_size": 2, **options}
    x = values(start + 6 * size[0] * size[1])
    on_device = kernels.to_device(x)[start:].reshape(2, 3, *size)
    found = kernels.to_host(kernels.max_pool2d(on_device, **given))
    np.testing.assert_array_equal(found, kernels.max_pool2d(x[start:].reshape(2, 3, *size), **given))


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


@pytest.mark.parametrize("outputs", [1, 3, 8, 11])
@pytest.mark.parametrize("small", [1, 1 << 29])
@pytest.mark.parametrize(
    "options", [{"padding": (2, 1)}, {"stride": (2, 3), "padding": 1, "dilation": 2}, {"groups": 2}]
)
def test_convolutions_of_few_channels_in_32_and_in_64_bits(outputs, small, options, monkeypatch):
    monkeypatch.setattr("kernels.ops.conv2d.cuda.pixel_threads.SMALL", small)
    groups, rng = options.get("groups", 1), np.random.default_rng(0)
    shapes = (2, 5 * groups, 9, 11), (outputs * groups, 5, 3, 7 - 2 * groups), (outputs * groups,)
    x, w, b = (rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes)
    y = kernels.conv2d(x, w, b, device="cuda", **options)
    np.testing.assert_array_equal(y, kernels.conv2d(x, w, b, **options))
    dy = rng.integers(-4, 5, y.shape).astype(np.float32)
    found = kernels.conv2d_backward(dy, x, w, device="cuda", **options)
    for own, other in zip(found, kernels.conv2d_backward(dy, x, w, **options), strict=True):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize("split", [True, False])
def test_long_sums_of_few_weights_are_split_and_added_in_order(split, monkeypatch):
    least = 1 if split else 1 << 30
    monkeypatch.setattr("kernels.ops.conv2d.cuda.weight_sums.LEAST_TERMS", least)
    monkeypatch.setattr("kernels.ops.conv2d.cuda.bias.LEAST_TERMS", least)
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((3, 2, 17, 19), (3, 2, 3, 2)))
    dy = rng.integers(-4, 5, (3, 3, 17, 20)).astype(np.float32)
    found = kernels.conv2d_backward(dy, x, w, padding=1, device="cuda")
    for own, other in zip(found, kernels.conv2d_backward(dy, x, w, padding=1), strict=True):
        np.testing.assert_array_equal(own, other)
