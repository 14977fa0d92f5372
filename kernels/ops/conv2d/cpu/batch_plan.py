"""The plan of a convolution whose lanes are samples: what follows from shapes and options alone.

Lattices and taps are those of ``kernels.ops.conv2d.cpu.geometry``. With a vector for every pixel a stride is but a larger
step from window to window, and needs no phases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.geometry import (
    TABLE,
    UNITS,
    Lattice,
    Table,
    backward_lattices,
    divisor,
    forward_lattices,
    table,
)
from kernels.simd.registers import register_bytes

BAND_BYTES = 512 * 1024
"""Of what a unit reads and writes, at most where there is a choice: it stays in the second-level cache."""

FIELDS = ("band_rows", "row_bands", "top", "left", "source_rows", "pitch", "planes")
"""Of a record: the rows of a lattice in a band, bands, the first tap's shift, what a band sees, planes at a time."""


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """How blocks of samples are correlated.

    Attributes
    ----------
    record : (FIELDS,)
    lattices : (L, 6): row, col, rows, cols, and the range of its taps
    left_taps, right_taps : of all lattices in a row, offsets in a filter and in a band, for ``planes`` planes at a time
    """

    record: Table
    lattices: Table
    left_taps: Table
    right_taps: Table


def _make_plan(
    lattices: list[Lattice],
    samples: int,
    groups: int,
    planes: int,
    outputs: int,
    stride: Pair,
    left_plane: int,
    lanes: int,
) -> BatchPlan:
    """Plan a correlation, ``groups`` times of ``outputs`` channels, each from ``planes`` planes.

    ``stride`` is that of the windows over the source, ``left_plane`` the step from plane to plane in the filters.
    """
    taps = [tap for each in lattices for tap in each.taps]
    top, left = min((tap.row for tap in taps), default=0), min((tap.col for tap in taps), default=0)
    below = max((tap.row - top for tap in taps), default=0)
    rows, cols = max(each.rows for each in lattices), max(each.cols for each in lattices)
    pitch = (cols - 1) * stride[1] + max((tap.col - left for tap in taps), default=0) + 1
    blocks = max(ceil(samples / lanes) * groups, 1)
    height = ceil(rows / ceil(UNITS / blocks))
    written = outputs * sum(each.cols for each in lattices)  # vectors, for every row of a lattice
    while height > 1:
        read = planes * ((height - 1) * stride[0] + below + 1) * pitch
        if (read + height * written) * register_bytes() <= BAND_BYTES:
            break
        height -= 1
    source_rows = (height - 1) * stride[0] + below + 1
    together = divisor(planes, max(TABLE // max(len(taps), 1), 1))
    entries: list[list[int]] = []
    left_taps: list[int] = []
    right_taps: list[int] = []
    for each in lattices:
        first = len(left_taps)
        for c in range(together):
            left_taps += [c * left_plane + tap.place for tap in each.taps]
            right_taps += [((c * source_rows + tap.row - top) * pitch + tap.col - left) * lanes for tap in each.taps]
        entries.append([each.row, each.col, each.rows, each.cols, first, len(left_taps)])
    return BatchPlan(
        record=table([height, ceil(rows / height), top, left, source_rows, pitch, together]),
        lattices=table(entries, 6),
        left_taps=table(left_taps),
        right_taps=table(right_taps),
    )


@lru_cache(maxsize=256)
def forward_plan(
    x: Shape, w: Shape, y: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> BatchPlan:
    """Plan a forward pass."""
    lattices, lanes = forward_lattices(y, (w[2], w[3]), padding, dilation), register_bytes() // itemsize
    return _make_plan(lattices, x[0], groups, w[1], w[0] // groups, stride, w[2] * w[3], lanes)


@lru_cache(maxsize=256)
def backward_plan(
    x: Shape, w: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> BatchPlan:
    """Plan the gradient of the input."""
    lattices, lanes = backward_lattices(x, (w[2], w[3]), stride, padding, dilation), register_bytes() // itemsize
    return _make_plan(lattices, x[0], groups, w[0] // groups, w[1], (1, 1), w[1] * w[2] * w[3], lanes)
