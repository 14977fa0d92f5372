"""Convolutions with channels in the lanes: short and long lines, odd rows, every stride and groups, exact on integers."""

import numpy as np
import pytest

from kernels.declare.shapes import window_output
from kernels.ops.conv2d.cpu import channel_plan
from kernels.ops.conv2d.cpu.channel_tiles import conv2d_channels_cpu, conv2d_dx_channels_cpu
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu


def integers(rng, shape, dtype):
    return rng.integers(-3, 4, shape).astype(dtype)


CASES = [
    ((2, 5, 9, 31), (19, 5, 3, 3), {"padding": ((1, 1), (1, 1))}),  # pieces of 14, 14, 2 and 1 pixels
    ((1, 3, 6, 7), (33, 3, 3, 3), {"padding": ((1, 1), (1, 1))}),  # two lines at a time
    ((3, 4, 5, 3), (8, 4, 2, 3), {"padding": ((0, 1), (2, 0))}),
    ((1, 6, 23, 300), (4, 6, 1, 3), {}),  # two bands of columns
    ((2, 6, 13, 17), (12, 3, 3, 3), {"groups": 2, "stride": (2, 2), "padding": ((1, 1), (1, 1))}),
    ((2, 6, 13, 19), (9, 2, 3, 2), {"groups": 3, "stride": (1, 3), "dilation": (2, 3)}),
    ((1, 2, 17, 19), (40, 2, 5, 5), {"stride": (3, 2), "padding": ((2, 2), (2, 3)), "dilation": (2, 1)}),
    ((2, 7, 6, 8), (24, 7, 1, 1), {"stride": (2, 1)}),
    ((1, 3, 4, 5), (6, 3, 1, 1), {"stride": (3, 3), "padding": ((1, 1), (1, 1))}),  # gradients without a tap
]


@pytest.mark.usefixtures("compiled_elsewhere")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), CASES, ids=str)
def test_exact_on_integers(x_shape, w_shape, options, dtype):
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1, **options}
    window = {name: options[name] for name in ("stride", "padding", "dilation")}
    rng = np.random.default_rng(0)
    x, w, b = integers(rng, x_shape, dtype), integers(rng, w_shape, dtype), integers(rng, w_shape[0], dtype)
    y = np.full((x_shape[0], w_shape[0], *window_output("conv2d", x_shape, w_shape[2:], window)), np.nan, dtype)
    expected, dx, expected_dx = y.copy(), np.full_like(x, np.nan), np.empty_like(x)
    conv2d_channels_cpu(x, w, b, *options.values(), y)
    conv2d_cpu(x, w, b, *options.values(), expected)
    np.testing.assert_array_equal(y, expected)
    dy = integers(rng, y.shape, dtype)
    conv2d_dx_channels_cpu(dy, x, w, *options.values(), dx)
    conv2d_backward_cpu(dy, x, w, *options.values(), expected_dx, np.empty_like(w), np.empty_like(b))
    np.testing.assert_array_equal(dx, expected_dx)


@pytest.mark.parametrize("planes", [3, 40])
def test_filters_of_some_planes_at_a_time(planes, monkeypatch):
    monkeypatch.setattr(channel_plan, "FILTER_BYTES", 4096)
    channel_plan.forward_channel_plan.cache_clear()
    test_exact_on_integers((1, planes, 8, 21), (37, planes, 3, 3), {"padding": ((1, 1), (1, 1))}, "float32")
    channel_plan.forward_channel_plan.cache_clear()
