"""Padding wider than a vector, around images narrower than one: every row of a band begins and ends outside of the image."""

import numpy as np
import pytest

from kernels import OPS
from kernels.call.registry import implementations
from workbench.cases import parse_case

CASES = (
    "x=2x3x4x5 w=3x3x11x11 padding=10",
    "x=1x2x3x4 w=2x1x21x23 padding=20 groups=2",
    "x=1x2x5x4 w=4x2x3x20 padding=19 stride=2",
    "x=1x2x4x9 w=2x2x2x12 padding=11 dilation=2",
)


def kernels_of(op):
    return [each for each in implementations(op) if each.device == "cpu"]


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("each", kernels_of("conv2d"), ids=lambda each: each.algorithm)
def test_forward(each, text):
    op, case = OPS["conv2d"], parse_case(OPS["conv2d"], text)
    if each.algorithm == "depthwise" and case.shapes["w"][1] != 1:
        pytest.skip("several input channels in a group")
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-4, 5, case.shapes[name]).astype(np.float32) for name in ("x", "w"))
    options = op.option_values(case.options)
    b = np.ones(len(w), np.float32)
    (shape,) = op.output_shapes(case.shapes, case.options)
    expected, y = (np.full(shape, np.nan, np.float32) for _ in range(2))
    op.reference(x, w, b, *options, expected)
    each.function(x, w, b, *options, y)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("each", kernels_of("conv2d_backward"), ids=lambda each: f"{each.algorithm}-{each.computes}")
def test_backward(each, text):
    op, case = OPS["conv2d_backward"], parse_case(OPS["conv2d"], text)
    if each.algorithm == "depthwise" and case.shapes["w"][1] != 1:
        pytest.skip("several input channels in a group")
    rng = np.random.default_rng(0)
    (shape,) = OPS["conv2d"].output_shapes(case.shapes, case.options)
    dy, x, w = (rng.integers(-4, 5, size).astype(np.float32) for size in (shape, case.shapes["x"], case.shapes["w"]))
    options = op.option_values(case.options)
    expected, found = ([np.full_like(x, np.nan), np.full_like(w, np.nan), np.empty(len(w), np.float32)] for _ in "ab")
    op.reference(dy, x, w, *options, *expected)
    each.function(dy, x, w, *options, *each.of_outputs(op.outputs, found))
    for name in each.computes or op.outputs:
        place = op.outputs.index(name)
        np.testing.assert_array_equal(found[place], expected[place])
