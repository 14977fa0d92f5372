"""Memory layouts of a call's inputs: their names, and the order of the axes in memory that each means."""

from collections.abc import Sequence
from itertools import combinations
from math import prod

from kernels.declare.op import Shape

CONTIGUOUS = "contiguous"

MIXTURES = {"first-fortran": ("fortran", CONTIGUOUS), "others-fortran": (CONTIGUOUS, "fortran")}
"""Layouts that differ among the inputs of a call: that of the first input, and that of the others."""

SWAPS = tuple(f"swapped-{first}-{second}" for first, second in combinations(range(4), 2))
"""Layouts of transposes: the axes ``first`` and ``second`` were exchanged; counted modulo the axes of an array."""

LAYOUTS = (CONTIGUOUS, "step", "negative", "transposed", "read-only", "unaligned", "fortran", *SWAPS, *MIXTURES)
"""Names of layouts: C-contiguous; every other element along the last axis; reversed; axes in reverse order, with gaps;
C-contiguous, but read-only or at an odd address; Fortran order, as in ``x.T``; two axes exchanged, with gaps; mixtures."""

DEVICE_LAYOUTS = (CONTIGUOUS, "step", "fortran", *MIXTURES)
"""The layouts that views of device arrays can have."""

GAPS = ("step", "transposed", *SWAPS)
"""The layouts that leave every other element out, also of arrays with one axis: then all arrays of a call are strided, and
a kernel is compiled once for them all."""


def layout_of_input(layout: str, position: int) -> str:
    """Return the layout of the input at a position of the call."""
    first, others = MIXTURES.get(layout, (layout, layout))
    return first if position == 0 else others


def layout_for(layout: str, shapes: Sequence[Shape]) -> str:
    """Return the layout for inputs of these shapes: contiguous if one of them cannot have it.

    An array with at most one element cannot be strided, one with at most one axis longer than 1 is in both orders. To
    mix such arrays with others would need one more compilation for every mixture.
    """
    if any(prod(shape) <= 1 for shape in shapes):
        return CONTIGUOUS
    for position, shape in enumerate(shapes):
        is_both = len(shape) > 1 and (0 in shape or sum(size > 1 for size in shape) < 2)
        if is_both and layout_of_input(layout, position) == "fortran":
            return CONTIGUOUS
    return layout


def kind_of(layout: str) -> str:
    """Return what a compiler distinguishes: all arrays that are strided in some way have one type."""
    return "strided" if layout in ("step", "negative", "transposed") or layout in SWAPS else layout


def axes_in_memory(layout: str, axes: int) -> list[int]:
    """Return the axes in the order in which they lie in memory, the one with the largest stride first."""
    order = list(range(axes))
    if layout in ("transposed", "fortran"):
        return order[::-1]
    if layout in SWAPS and axes > 1:
        first, second = (int(axis) % axes for axis in layout.split("-")[1:])
        order[first], order[second] = order[second], order[first]
    return order
