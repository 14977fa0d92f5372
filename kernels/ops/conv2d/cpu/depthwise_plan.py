"""The plan of a depthwise convolution: what follows from shapes and options alone, worked out once for every set of them.

Lattices, bands and phases are those of ``kernels.ops.conv2d.cpu.geometry``, but a band is of one plane, and all lattices
share it. Taps that see neighbouring rows of it through the same column make a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.geometry import (
    FIELDS,
    UNITS,
    Lattice,
    Table,
    backward_lattices,
    forward_lattices,
    table,
)
from kernels.simd.registers import register_bytes, register_count

TALL = 7 if register_count() == 32 else 4
"""Rows of outputs in a tile: its sums, what a run's windows see and its weights stay in registers; 7 divides many sizes."""

LONGEST = 3
"""Taps of a run at most; so many unrolled steps the kernel has."""

BAND_BYTES = 32 * 1024
"""Of a band at most, about: it is read once per column of a filter, from the first-level cache."""


@dataclass(frozen=True, kw_only=True)
class DepthwisePlan:
    """How planes are correlated.

    Attributes
    ----------
    record : (FIELDS,) of the band, as in ``Plan``
    lattices : (L, 6): row, col, rows, cols, and the range of its runs
    runs : (R, 4): the first tap's place in the band and in a filter, the filter's step from tap to tap, and their number
    phases : (P, 2) as in ``Plan``
    """

    record: Table
    lattices: Table
    runs: Table
    phases: Table


def _runs(places: dict[tuple[int, int, int], int], phase_rows: int, pitch: int) -> list[list[int]]:
    """Return the runs of taps whose ``places`` in a filter are listed by phase, column and row of it."""
    found: list[list[int]] = []
    before: tuple[int, int, int] | None = None
    for phase, col, row in sorted(places):
        place = places[phase, col, row]
        follows = before == (phase, col, row - 1)
        step = place - places[phase, col, row - 1] if follows else 0
        if follows and found[-1][3] < LONGEST and (found[-1][3] == 1 or found[-1][2] == step):
            found[-1][2:] = step, found[-1][3] + 1
        else:
            found.append([(phase * phase_rows + row) * pitch + col, place, 0, 1])
        before = phase, col, row
    return found


def make_plan(lattices: list[Lattice], planes: int, stride: Pair, itemsize: int) -> DepthwisePlan:
    """Plan the correlation of ``planes`` planes; ``stride`` is that of the windows over the source."""
    rows, cols = max(each.rows for each in lattices), max(each.cols for each in lattices)
    taps = [tap for each in lattices for tap in each.taps]
    top, left = min((tap.row for tap in taps), default=0), min((tap.col for tap in taps), default=0)
    phases = sorted({((tap.row - top) % stride[0], (tap.col - left) % stride[1]) for tap in taps})
    below = max(((tap.row - top) // stride[0] for tap in taps), default=0)
    pitch = cols + max(((tap.col - left) // stride[1] for tap in taps), default=0)
    fitting = BAND_BYTES // (max(len(phases), 1) * pitch * itemsize) // TALL * TALL
    shared = ceil(rows / ceil(UNITS / max(planes, 1)) / TALL) * TALL
    height = min(rows, max(min(fitting, shared), TALL))
    phase_rows = height + below
    runs: list[list[int]] = []
    entries = []
    for each in lattices:
        places = {
            (
                phases.index(((tap.row - top) % stride[0], (tap.col - left) % stride[1])),
                (tap.col - left) // stride[1],
                (tap.row - top) // stride[0],
            ): tap.place
            for tap in each.taps
        }
        own = _runs(places, phase_rows, pitch)
        entries.append([each.row, each.col, each.rows, each.cols, len(runs), len(runs) + len(own)])
        runs += own
    record = dict.fromkeys(FIELDS, 0) | {
        "rows": rows,
        "cols": cols,
        "band_rows": height,
        "row_bands": ceil(rows / height),
        "top": top,
        "left": left,
        "phase_rows": phase_rows,
        "pitch": pitch,
        "plane": len(phases) * phase_rows * pitch + register_bytes() // itemsize,  # vectors may run on behind it
        "end_phase": len(phases),
    }
    return DepthwisePlan(
        record=table([record[name] for name in FIELDS]),
        lattices=table(entries, 6),
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
