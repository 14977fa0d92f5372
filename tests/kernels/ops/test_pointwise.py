"""1x1 filters with every stride, on images of several vectors: exact on integers."""

import numpy as np
import pytest

from kernels.ops.conv2d.cpu.bands import conv2d_bands_cpu, conv2d_dx_bands_cpu
from kernels.ops.conv2d.cpu.dw_columns import conv2d_dw_columns_cpu
from kernels.ops.conv2d.cpu.dw_outputs import conv2d_dw_outputs_cpu
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu

NONE = ((0, 0), (0, 0))


@pytest.mark.usefixtures("compiled_elsewhere")
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1), (1, 2), (3, 3)])
@pytest.mark.parametrize("image", [(1, 1), (5, 4), (8, 33), (9, 100)])
def test_exact_on_integers(image, stride, dtype):
    random = np.random.default_rng(0)

    def integers(*shape):
        return random.integers(-9, 10, shape).astype(dtype)

    x, w, b = integers(2, 6, *image), integers(18, 3, 1, 1), integers(18)
    y = np.full((2, 18, *(-(-size // step) for size, step in zip(image, stride, strict=True))), np.nan, dtype)
    options, expected = (stride, NONE, (1, 1), 2), np.empty_like(y)
    conv2d_bands_cpu(x, w, b, *options, y)
    conv2d_cpu(x, w, b, *options, expected)
    np.testing.assert_array_equal(y, expected)

    dy = integers(*y.shape)
    right = [np.empty_like(each) for each in (x, w, b)]
    conv2d_backward_cpu(dy, x, w, *options, *right)
    dx = np.full_like(x, np.nan)
    conv2d_dx_bands_cpu(dy, x, w, *options, dx)
    np.testing.assert_array_equal(dx, right[0])
    for weights in (conv2d_dw_columns_cpu, conv2d_dw_outputs_cpu):
        dw, db = np.full_like(w, np.nan), np.full_like(b, np.nan)
        weights(dy, x, w, *options, dw, db)
        np.testing.assert_array_equal(dw, right[1])
        np.testing.assert_array_equal(db, right[2])
