"""Convolutions with samples in the lanes: whole and broken blocks, bands, every stride and groups, exact on integers."""

import numpy as np
import pytest

import kernels
from kernels.declare.shapes import window_output
from kernels.ops.conv2d.cpu.batch import conv2d_batch_cpu, conv2d_dx_batch_cpu
from kernels.ops.conv2d.cpu.batch_plan import BAND_BYTES, forward_plan
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.simd.registers import register_bytes

NONE = ((0, 0), (0, 0))
WINDOWS = [
    ((1, 1), (1, 1), NONE, (1, 1), 1),
    ((5, 5), (1, 1), NONE, (1, 1), 2),
    ((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    ((5, 2), (1, 3), ((2, 0), (0, 3)), (1, 1), 2),
    ((2, 2), (3, 3), ((4, 4), (4, 4)), (1, 1), 1),
    ((3, 3), (1, 2), ((2, 2), (3, 3)), (2, 3), 2),
]


@pytest.mark.usefixtures("compiled_elsewhere")
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(("image", "batch"), [((1, 1), 16), ((7, 5), 19), ((14, 14), 16), ((9, 33), 1)])
@pytest.mark.parametrize("window", WINDOWS)
def test_exact_on_integers(window, batch, image, dtype):
    kernel, stride, padding, dilation, groups = window
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True)]
    if any(size + sum(pads) < need for size, pads, need in zip(image, padding, reach, strict=True)):
        pytest.skip("no window fits")
    random = np.random.default_rng(0)

    def integers(*shape):
        return random.integers(-9, 10, shape).astype(dtype)

    x, w, b = integers(batch, 2 * groups, *image), integers(7 * groups, 2, *kernel), integers(7 * groups)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    y = np.full((batch, 7 * groups, *window_output("conv2d", x.shape, kernel, options)), np.nan, dtype)
    expected, dx, expected_dx = y.copy(), np.full_like(x, np.nan), np.empty_like(x)
    conv2d_batch_cpu(x, w, b, *options.values(), groups, y)
    conv2d_cpu(x, w, b, *options.values(), groups, expected)
    np.testing.assert_array_equal(y, expected)
    dy = integers(*y.shape)
    conv2d_dx_batch_cpu(dy, x, w, *options.values(), groups, dx)
    conv2d_backward_cpu(dy, x, w, *options.values(), groups, expected_dx, np.empty_like(w), np.empty_like(b))
    np.testing.assert_array_equal(dx, expected_dx)


@pytest.mark.parametrize(
    ("x", "w", "stride", "algorithm"),
    [
        ((16, 6, 14, 14), (12, 6, 5, 5), 1, "batch-tiles"),
        ((16, 6, 14, 14), (16, 6, 5, 5), 1, "channel-tiles"),  # as many channels as lanes
        ((16, 6, 8, 8), (16, 6, 5, 5), 1, "batch-tiles"),  # the same, with rows of 4
        ((23, 6, 14, 14), (12, 6, 5, 5), 1, "channel-tiles"),  # less than three quarters of two blocks
        ((16, 6, 18, 18), (9, 6, 3, 3), 1, "bands"),  # rows of 16
        ((16, 6, 18, 18), (8, 6, 3, 3), 1, "batch-tiles"),  # the same, with few channels
        ((16, 6, 33, 33), (16, 6, 3, 3), 2, "batch-tiles"),  # a stride
        ((16, 16, 8, 8), (16, 16, 1, 1), 1, "bands"),  # pointwise
        ((16, 16, 6, 6), (16, 16, 1, 1), 1, "batch-tiles"),  # the same, with few pixels
    ],
)
def test_it_is_for_whole_blocks_of_samples_with_short_or_strided_rows(x, w, stride, algorithm):
    assert kernels.explain("conv2d", x, w, stride=stride).split("(")[1].split(")")[0] == algorithm


def test_what_a_unit_touches_stays_in_the_cache():
    plan = forward_plan((512, 64, 64, 64), (8, 64, 3, 3), (512, 8, 31, 31), (2, 2), NONE, (1, 1), 1, 4)
    rows, pitch, height = (plan.bands[0][name] for name in ("phase_rows", "pitch", "band_rows"))
    assert height == 1 or (64 * rows * pitch + 8 * height * 31) * register_bytes() <= BAND_BYTES
    assert rows == 2 * (height - 1) + 3
