"""The plan of a convolution whose lanes are samples: what follows from shapes and options alone.

Lattices and taps are those of ``kernels.ops.conv2d.cpu.geometry``. With a vector for every pixel a stride is but a larger
step from window to window, and needs no phases.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

from numpy.typing import NDArray

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
from kernels.ops.conv2d.cpu.operands import lattice_records
from kernels.simd.registers import register_bytes

BAND_BYTES = 512 * 1024
"""Of what a unit reads and writes, at most where there is a choice: it stays in the second-level cache."""


class BatchPlan(NamedTuple):
    """How blocks of samples are correlated.

    Attributes
    ----------
    bands : (1,) LATTICE, what all lattices have in common: ``band_rows``, ``row_bands``, the first tap, the ``phase_rows``
        and ``pitch`` of what a band sees, and ``planes``
    lattices : (L,) LATTICE, of each its outputs and its range of taps
    filter_taps, band_taps : (T,) int64, of all lattices in a row, offsets in a filter and in a band, for ``planes`` planes
        at a time
    """

    bands: NDArray[Any]
    lattices: NDArray[Any]
    filter_taps: Table
    band_taps: Table


def _make_plan(
    lattices: list[Lattice],
    samples: int,
    groups: int,
    planes: int,
    outputs: int,
    stride: Pair,
    filter_plane: int,
    lanes: int,
) -> BatchPlan:
    """Plan a correlation, ``groups`` times of ``outputs`` channels, each from ``planes`` planes.

    ``stride`` is that of the windows over the source, ``filter_plane`` the step from plane to plane in the filters.
    """
    taps = [tap for each in lattices for tap in each.taps]
    tap_row, tap_col = min((tap.row for tap in taps), default=0), min((tap.col for tap in taps), default=0)
    below = max((tap.row - tap_row for tap in taps), default=0)
    rows, cols = max(each.rows for each in lattices), max(each.cols for each in lattices)
    pitch = (cols - 1) * stride[1] + max((tap.col - tap_col for tap in taps), default=0) + 1
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
    records: list[dict[str, int]] = []
    filter_taps: list[int] = []
    band_taps: list[int] = []
    for each in lattices:
        first = len(filter_taps)
        for c in range(together):
            filter_taps += [c * filter_plane + tap.place for tap in each.taps]
            band_taps += [
                ((c * source_rows + tap.row - tap_row) * pitch + tap.col - tap_col) * lanes for tap in each.taps
            ]
        records.append(each.record | {"first_tap": first, "end_tap": len(filter_taps)})
    bands = {
        "band_rows": height,
        "row_bands": ceil(rows / height),
        "tap_row": tap_row,
        "tap_col": tap_col,
        "phase_rows": source_rows,
        "pitch": pitch,
        "planes": together,
    }
    return BatchPlan(
        bands=lattice_records([bands]),
        lattices=lattice_records(records),
        filter_taps=table(filter_taps),
        band_taps=table(band_taps),
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
