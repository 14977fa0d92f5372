"""The line that describes where the errors are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from workbench.checking.picture import picture


def mask(shape, *places):
    """A mask that is true at the given indices."""
    wrong = np.zeros(shape, bool)
    for place in places:
        wrong[place] = True
    return wrong


ALL = slice(None)
IMAGES = (2, 3, 5, 7)

PICTURES = {
    "nothing": (mask(IMAGES), ""),
    "an empty output": (mask((0, 3)), ""),
    "all": (mask(IMAGES, ...), "210 of 210 elements of y: all of them"),
    "one element": (
        mask((2, 4), (1, 2)),
        "1 of 8 elements of y: only row 1, the last [.#], only column 2 [..#.]",
    ),
    "one channel": (mask(IMAGES, (ALL, 1)), "70 of 210 elements of y: only channel 1 [.#.]"),
    "the first sample": (mask(IMAGES, 0), "105 of 210 elements of y: only sample 0, the first [#.]"),
    "the last row": (
        mask(IMAGES, (ALL, ALL, -1)),
        "42 of 210 elements of y: only row 4, the last [....#]",
    ),
    "upper and lower border": (
        mask(IMAGES, (ALL, ALL, 0), (ALL, ALL, -1)),
        "84 of 210 elements of y: only the border rows [#...#]",
    ),
    "corners": (
        mask((5, 5), (0, 0), (0, -1), (-1, 0), (-1, -1)),
        "4 of 25 elements of y: only the border rows [#...#], only the border columns [#...#]",
    ),
    "the last tile": (
        mask((40,), slice(32, None)),
        "8 of 40 elements of y: only the last 8 elements, from 32 [" + 24 * "." + "########]",
    ),
    "the first ones": (mask((6,), slice(4)), "4 of 6 elements of y: only the first 4 elements [####..]"),
    "every second": (mask((7,), slice(1, None, 2)), "3 of 7 elements of y: every 2. element, from 1 [.#.#.#.]"),
    "every third column": (
        mask((2, 7), (ALL, slice(0, None, 3))),
        "6 of 14 elements of y: every 3. column, from 0 [#..#..#]",
    ),
    "here and there along an axis": (
        mask((8,), [1, 2, 5]),
        "3 of 8 elements of y: 3 of 8 elements [.##..#..]",
    ),
    "scattered": (mask((4, 4), (0, 1), (1, 2), (2, 0), (3, 3)), "4 of 16 elements of y, scattered over every axis"),
    "a sequence": (mask((2, 3, 4), (ALL, ALL, 2)), "6 of 24 elements of y: only position 2 [..#.]"),
    "many axes": (mask((2, 1, 1, 1, 2), (1,)), "2 of 4 elements of y: only axis 0 1, the last [.#]"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name):
    wrong, line = PICTURES[name]
    assert picture("y", wrong) == line


def test_the_border_of_an_image():
    wrong = mask(IMAGES, (ALL, ALL, 0), (ALL, ALL, -1), (ALL, ALL, ALL, 0), (ALL, ALL, ALL, -1))
    assert "border" in picture("y", wrong)


def test_a_scalar_output_has_no_places():
    assert picture("loss", np.array(True)) == ""


@settings(max_examples=50)
@given(arrays(np.bool_, array_shapes(max_dims=4, max_side=40)), st.sampled_from(["y", "dx"]))
def test_any_picture_is_one_short_line(wrong, name):
    line = picture(name, wrong)
    assert len(line.splitlines()) == bool(wrong.any())
    assert len(line) < 120 * wrong.ndim
    if wrong.any():
        assert line.startswith(f"{wrong.sum()} of {wrong.size} elements of {name}")


@given(arrays(np.bool_, array_shapes(max_dims=1, max_side=200)).filter(lambda wrong: 0 < wrong.sum() < wrong.size))
def test_the_strip_marks_every_stretch_with_an_error(wrong):
    strip = picture("y", wrong).rpartition("[")[2].rstrip("]")
    assert len(strip) == min(wrong.size, 32)
    assert set(strip) <= {"#", "."}
    assert strip.count("#") <= wrong.sum()
    assert [each == "#" for each in strip] == [part.any() for part in np.array_split(wrong, len(strip))]
