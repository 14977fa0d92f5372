"""Operations whose axes have sizes of their own: 3 channels, a filter of 5x5."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import find, given, settings

from kernels import OPS, ShapeError
from kernels.call.dispatch import run
from kernels.declare.errors import OptionError
from kernels.declare.op import Input, Op
from kernels.declare.rounding import Sum
from kernels.declare.shapes import check_axes
from workbench.cases.parsing import parse_case
from workbench.checking import InProcess, check, users
from workbench.inspecting.cuda.targets import _example
from workbench.oracle.declaration import check_declaration
from workbench.sampling import cases
from workbench.sampling.restriction import EVERYTHING
from workbench.sampling.strategies import large_together
from workbench.system.errors import InputError
from workbench.target.decorator import make_kernel

CONV = OPS["conv2d"]
COLOURS = replace(
    CONV,
    name="colours",
    inputs=(
        replace(CONV.inputs[0], axes=("N", 3, "H", "W")),
        replace(CONV.inputs[1], axes=("O", 3, 5, 5)),
        CONV.inputs[2],
    ),
    backward=None,
    parts={},
)


def luma_reference(x, y):
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] = x[n, k, 0] + x[n, k, 1] + x[n, k, 2]


LUMA = Op(
    name="luma",
    summary="the sum of red, green and blue",
    inputs=(Input(name="x", axes=("N", "P", 3)),),
    outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["x"][:2],),
    flops=lambda shapes, _options: 2 * shapes["x"][0] * shapes["x"][1],
    rounding=Sum(lambda _shapes, _options: (2,), magnitudes=("x",)),
    reference=luma_reference,
    linear_in=("x",),
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    for op in (COLOURS, LUMA):
        monkeypatch.setitem(OPS, op.name, op)


@settings(max_examples=60)
@given(cases(COLOURS, "float32"))
def test_windows_have_the_sizes_of_the_declaration(case):
    check_axes(COLOURS, case.shapes)
    assert case.shapes["x"][1] == 3
    assert case.shapes["w"][1:] == (3, 5, 5)
    assert COLOURS.output_shapes(case.shapes, case.options)


def test_other_axes_still_vary():
    assert find(cases(LUMA, "float32"), lambda case: case.shapes["x"][0] == 0)
    assert find(cases(LUMA, "float32"), lambda case: case.shapes["x"][1] > 64)
    assert find(cases(COLOURS, "float32"), lambda case: case.options["stride"] == (2, 1))


def test_large_cases_leave_the_fixed_axes_alone():
    (pair,) = large_together(LUMA)
    assert pair == ("N", "P")
    assert find(cases(LUMA, "float32", stressed=pair), lambda _case: True).shapes["x"][2] == 3
    assert large_together(COLOURS) == (("height", "width"),)


def test_an_operation_all_of_whose_axes_are_fixed():
    op = replace(LUMA, inputs=(Input(name="x", axes=(2, 5, 3)),))
    assert find(cases(op, "float64"), lambda _case: True).shapes == {"x": (2, 5, 3)}
    assert large_together(op) == ()


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"axis 2 of x \(4, 5, 2\) is 2; needs 3: \(N, P, 3\)"):
        run("luma", {"x": np.zeros((4, 5, 2))}, {})
    with pytest.raises(InputError, match=r"x=NxPx3"):
        parse_case(LUMA, "x")
    assert parse_case(COLOURS, "x=2x3x9x9 w=4x3x5x5").shapes["b"] == (4,)


def test_a_right_kernel_passes_and_the_declaration_too():
    def three(x, y):
        y[...] = x[..., 0] + x[..., 1] + x[..., 2]

    def two(x, y):
        y[...] = x[..., 0] + x[..., 1]

    assert check_declaration(LUMA, examples=10) == ()
    statuses = []
    for function in (three, two):
        subject = users(make_kernel(function, "luma", device=None), "cpu")
        statuses.append(check(subject, InProcess(subject), dtype="float32", examples=20).status)
    assert statuses == ["pass", "fail"]


def test_an_example_call_has_the_fixed_sizes():
    assert _example(COLOURS, EVERYTHING)[0]["w"][1:] == (3, 5, 5)


@pytest.mark.parametrize("axis", [0, -1, True, 2.0])
def test_an_axis_is_a_symbol_or_a_size(axis):
    with pytest.raises(OptionError, match="a symbol, or a size of at least 1"):
        Input(name="x", axes=("N", axis))
