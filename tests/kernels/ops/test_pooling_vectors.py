"""Pooling with a lane per window compared with pooling window by window, for all ends of rows, planes and vectors."""

from itertools import product

import numpy as np
import pytest

from kernels import OPS, OptionError, ShapeError
from kernels.call.registry import implementations
from kernels.declare.shapes import normal_options
from kernels.ops.pool2d.cpu import direct, vectors, vectors_backward

KINDS = ("max", "sum", "avg")
SHAPES = ((2, 3, 9, 45), (3, 7, 10, 10), (2, 5, 6, 12), (1, 2, 8, 64), (2, 2, 4, 36), (1, 3, 12, 1))
"""One plane and several, of rows that are longer than a vector or side by side in one, which windows divide or not."""
WINDOWS = [
    {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": True}
    for kernel, stride, padding, dilation in product((1, 2, (4, 3)), (1, 2, (3, 2)), (0, ((1, 0), (0, 2))), (1, (1, 2)))
]


def by_both(kind, backward, x, options):
    op = OPS[f"{kind}_pool2d"]
    normal = normal_options(op, options, {"x": x.shape})
    shape = op.output_shapes({"x": x.shape}, normal)[0]
    dy = np.random.default_rng(1).integers(-9, 10, shape).astype(x.dtype)
    inputs, shape = ((dy, x), x.shape) if backward else ((x,), shape)
    name = f"{kind}_pool2d_backward" if backward else f"{kind}_pool2d"
    results = []
    for function in (
        getattr(vectors_backward if backward else vectors, f"{name}_vectors_cpu"),
        getattr(direct, f"{name}_cpu"),
    ):
        results.append(np.full(shape, np.nan, x.dtype))
        function(*inputs, *op.option_values(normal), results[-1])
    return results


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_pool_as_windows_do(kind, backward, dtype):
    compared = 0
    for shape, options in product(SHAPES, WINDOWS):
        x = np.random.default_rng(0).integers(-3, 4, shape).astype(dtype)  # ties, and sums that do not round
        try:
            result, expected = by_both(kind, backward, x, options)
        except (OptionError, ShapeError):
            continue
        tolerance = 16 * float(np.finfo(dtype).eps) * 9 if kind == "avg" else 0
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance, err_msg=f"{shape} {options}")
        compared += 1
    assert compared > 50


@pytest.mark.parametrize(("stride", "algorithm"), [(1, "vectors"), (2, "vectors"), (3, "direct"), ((3, 2), "vectors")])
def test_distance_of_columns_chooses(stride, algorithm):
    for kind, suffix in product(KINDS, ("", "_backward")):
        name = f"{kind}_pool2d{suffix}"
        options = normal_options(OPS[name], {"kernel_size": 3, "stride": stride}, {"x": (1, 1, 9, 9)})
        first = next(each for each in implementations(name) if each.accepts({"x": (1, 1, 9, 9)}, options, "float32"))
        assert first.algorithm == algorithm
