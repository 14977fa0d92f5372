"""Depthwise convolutions: images of several tiles and bands, every stride, exact on integers."""

import numpy as np
import pytest

from kernels.declare.shapes import window_output
from kernels.ops.conv2d.cpu.depthwise import conv2d_depthwise_cpu, conv2d_dx_depthwise_cpu
from kernels.ops.conv2d.cpu.depthwise_plan import TALL, backward_plan, forward_plan
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu

WINDOWS = [
    ((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((5, 2), (1, 2), ((2, 0), (0, 3)), (1, 1)),
    ((7, 3), (2, 1), ((3, 3), (0, 1)), (1, 2)),
    ((4, 4), (3, 3), ((0, 2), (1, 1)), (1, 1)),
    ((3, 5), (1, 1), ((2, 2), (4, 4)), (2, 2)),
    ((3, 3), (2, 2), ((2, 2), (2, 2)), (2, 1)),
    ((2, 1), (3, 2), ((0, 0), (0, 0)), (1, 1)),
]
IMAGES = [(1, 1), (3, 40), (TALL, 16), (TALL + 1, 17), (2 * TALL, 33), (3 * TALL + 2, 130), (200, 9)]


@pytest.mark.usefixtures("compiled_elsewhere")
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("image", IMAGES)
def test_exact_on_integers(image, window, dtype):
    kernel, stride, padding, dilation = window
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True)]
    if any(size + sum(pads) < need for size, pads, need in zip(image, padding, reach, strict=True)):
        pytest.skip("no window fits")
    random = np.random.default_rng(0)
    x = random.integers(-9, 10, (2, 3, *image)).astype(dtype)
    w, b = random.integers(-9, 10, (3, 1, *kernel)).astype(dtype), random.integers(-9, 10, 3).astype(dtype)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    y = np.full((2, 3, *window_output("conv2d", x.shape, kernel, options)), np.nan, dtype)
    expected, dx, expected_dx = y.copy(), np.full_like(x, np.nan), np.empty_like(x)
    conv2d_depthwise_cpu(x, w, b, *options.values(), 3, y)
    conv2d_cpu(x, w, b, *options.values(), 3, expected)
    np.testing.assert_array_equal(y, expected)
    dy = random.integers(-9, 10, y.shape).astype(dtype)
    conv2d_dx_depthwise_cpu(dy, x, w, *options.values(), 3, dx)
    conv2d_backward_cpu(dy, x, w, *options.values(), 3, expected_dx, np.empty_like(w), np.empty_like(b))
    np.testing.assert_array_equal(dx, expected_dx)


def test_taps_below_each_other_make_runs():
    x, w = (1, 1, 20, 20), (1, 1, 5, 3)
    plan = forward_plan(x, w, (1, 1, 16, 18), (1, 1), ((0, 0), (0, 0)), (1, 1), 4)
    assert plan.runs[:, 3].tolist() == [3, 2] * 3  # of the five taps of each column
    assert plan.runs[:, 2].tolist() == [3] * 6  # a row of the filter
    plan = backward_plan(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 4)
    assert plan.runs[:, 2].tolist() == [-3] * 6  # turned round
    strided = forward_plan(x, w, (1, 1, 8, 9), (2, 2), ((0, 0), (0, 0)), (1, 1), 4)
    assert sorted(strided.runs[:, 3].tolist()) == [2, 2, 2, 3, 3, 3]  # of even and of odd rows


@pytest.mark.parametrize(("planes", "some"), [(1, range(8, 17)), (100, [1])])
def test_few_planes_are_cut_into_bands(planes, some):
    plan = forward_plan((1, planes, 70, 8), (planes, 1, 1, 1), (1, planes, 70, 8), (1, 1), ((0, 0), (0, 0)), (1, 1), 4)
    assert plan.bands[0]["row_bands"] in some
