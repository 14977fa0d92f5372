"""The plan of a depthwise convolution, which depends on shapes and options alone and is computed once for each set of them.

Lattices, bands and phases are those of ``kernels.ops.conv2d.cpu.geometry``, but a band has one plane, and all lattices
share it. Taps that read neighbouring rows of it in the same column form a run.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

from numpy.typing import NDArray

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.geometry import (
    UNITS,
    Lattice,
    Table,
    backward_lattices,
    forward_lattices,
    table,
)
from kernels.ops.conv2d.cpu.operands import lattice_records
from kernels.simd.registers import register_bytes, register_count

TALL = 7 if register_count() == 32 else 4
"""Rows of outputs in a tile: its sums, a run's inputs and weights stay in registers; 7 divides many sizes."""

LONGEST = 3
"""The most taps per run, and the number of unrolled steps of the kernel."""

BAND_BYTES = 32 * 1024
"""The approximate maximum size of a band: it is read once per column of a filter, from the first-level cache."""


class DepthwisePlan(NamedTuple):
    """The plan for correlating planes.

    Attributes
    ----------
    bands : (1,) LATTICE, the common part of all lattices: the largest ``rows`` and ``cols``, and the layout of a band
    lattices : (L,) LATTICE, the outputs and the range of runs of each
    runs : (R, 4) int64, the first tap's offset in the band and in a filter, the filter's step from tap to tap, and the
        number of taps
    phases : (P, 2) int64, as in ``Plan``
    """

    bands: NDArray[Any]
    lattices: NDArray[Any]
    runs: Table
    phases: Table


def _runs(places: dict[tuple[int, int, int], int], phase_rows: int, pitch: int) -> list[list[int]]:
    """Return the runs of taps, whose ``places`` in a filter are given by phase, column and row."""
    found: list[list[int]] = []
    before: tuple[int, int, int] | None = None
    for phase, col, row in sorted(places):
        place = places[phase, col, row]
        follows = before == (phase, col, row - 1)
        step = place - places[phase, col, row - 1] if follows else 0
        if follows and found[-1][3] < LONGEST:  # the taps of a column are evenly spaced in the filter
            found[-1][2:] = step, found[-1][3] + 1
        else:
            found.append([(phase * phase_rows + row) * pitch + col, place, 0, 1])
        before = phase, col, row
    return found


def make_plan(lattices: list[Lattice], planes: int, stride: Pair, itemsize: int) -> DepthwisePlan:
    """Plan the correlation of ``planes`` planes; ``stride`` is the stride of the windows over the source."""
    rows, cols = max(each.rows for each in lattices), max(each.cols for each in lattices)
    taps = [tap for each in lattices for tap in each.taps]
    tap_row, tap_col = min((tap.row for tap in taps), default=0), min((tap.col for tap in taps), default=0)
    phases = sorted({((tap.row - tap_row) % stride[0], (tap.col - tap_col) % stride[1]) for tap in taps})
    below = max(((tap.row - tap_row) // stride[0] for tap in taps), default=0)
    pitch = cols + max(((tap.col - tap_col) // stride[1] for tap in taps), default=0)
    fitting = BAND_BYTES // (max(len(phases), 1) * pitch * itemsize) // TALL * TALL
    shared = ceil(rows / ceil(UNITS / max(planes, 1)) / TALL) * TALL
    height = min(rows, max(min(fitting, shared), TALL))
    phase_rows = height + below
    runs: list[list[int]] = []
    records = []
    for each in lattices:
        places = {
            (
                phases.index(((tap.row - tap_row) % stride[0], (tap.col - tap_col) % stride[1])),
                (tap.col - tap_col) // stride[1],
                (tap.row - tap_row) // stride[0],
            ): tap.place
            for tap in each.taps
        }
        own = _runs(places, phase_rows, pitch)
        records.append(each.record | {"first_tap": len(runs), "end_tap": len(runs) + len(own)})
        runs += own
    bands = {
        "rows": rows,
        "cols": cols,
        "band_rows": height,
        "row_bands": ceil(rows / height),
        "tap_row": tap_row,
        "tap_col": tap_col,
        "phase_rows": phase_rows,
        "pitch": pitch,
        "plane": len(phases) * phase_rows * pitch + register_bytes() // itemsize,  # vectors may extend past it
        "end_phase": len(phases),
    }
    return DepthwisePlan(
        bands=lattice_records([bands]),
        lattices=lattice_records(records),
        runs=table(runs, 4),
        phases=table(phases, 2),
    )


@lru_cache(maxsize=256)
def forward_plan(
    x: Shape, w: Shape, y: Shape, stride: Pair, padding: Padding, dilation: Pair, itemsize: int
) -> DepthwisePlan:
    """Plan a forward pass."""
    return make_plan(forward_lattices(y, (w[2], w[3]), padding, dilation), x[0] * x[1], stride, itemsize)


@lru_cache(maxsize=256)
def backward_plan(x: Shape, w: Shape, stride: Pair, padding: Padding, dilation: Pair, itemsize: int) -> DepthwisePlan:
    """Plan the gradient of the input."""
    return make_plan(backward_lattices(x, (w[2], w[3]), stride, padding, dilation), x[0] * x[1], (1, 1), itemsize)
