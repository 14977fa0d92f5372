"""Layouts: those of a call's inputs, and when they are all contiguous."""

import pytest

from workbench.sampling.layouts import LAYOUTS, SWAPS, axes_in_memory, kind_of, layout_for, layout_of_input


def test_a_mixture_is_of_several_inputs():
    assert [layout_of_input("first-fortran", position) for position in range(3)] == ["fortran", *["contiguous"] * 2]
    assert [layout_of_input("others-fortran", position) for position in range(3)] == ["contiguous", *["fortran"] * 2]
    assert [layout_of_input("step", position) for position in range(2)] == ["step", "step"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", range(5))
def test_every_axis_is_in_memory_once(layout, axes):
    assert sorted(axes_in_memory(layout, axes)) == list(range(axes))


def test_axes_are_exchanged():
    assert axes_in_memory("fortran", 3) == axes_in_memory("transposed", 3) == [2, 1, 0]
    assert axes_in_memory("swapped-0-2", 4) == [2, 1, 0, 3]
    assert axes_in_memory("swapped-1-3", 2) == [0, 1]  # both are the last of two axes
    assert axes_in_memory("step", 3) == [0, 1, 2]


def test_what_a_compiler_distinguishes():
    assert {kind_of(layout) for layout in ("step", "negative", "transposed", *SWAPS)} == {"strided"}
    assert len({kind_of(layout) for layout in LAYOUTS}) == 7


@pytest.mark.parametrize(
    ("layout", "shapes", "expected"),
    [
        ("step", [(2, 3), (4,)], "step"),
        ("step", [(2, 3), (1,)], "contiguous"),
        ("fortran", [(2, 3), (4,)], "fortran"),
        ("fortran", [(2, 3), (1, 3)], "contiguous"),
        ("first-fortran", [(2, 3), (1, 3)], "first-fortran"),
        ("first-fortran", [(1, 3), (2, 3)], "contiguous"),
        ("fortran", [(0, 3), (2, 3)], "contiguous"),
    ],
)
def test_a_layout_that_an_array_cannot_have(layout, shapes, expected):
    assert layout_for(layout, shapes) == expected
