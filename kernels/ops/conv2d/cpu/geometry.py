"""The plan of a convolution by bands, which depends on shapes and options alone and is computed once for each set of them.

A correlation slides windows over the planes of a source and multiplies their contents by filters. Its outputs fall into
lattices, positions whose windows use the same taps: one for the forward pass; for the gradient of the input with a
stride, one for every remainder of row and column. A unit of work is a band, some rows and columns of a lattice: the part of
the source that its windows cover is copied, with its padding, to memory that stays in the cache. The rows and columns that
a stride skips are separated, so that the windows of neighbouring outputs are contiguous in it. A tap is then a shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.operands import lattice_records
from kernels.simd.registers import register_bytes
from kernels.simd.tile import COLUMNS

Table = NDArray[np.int64]

BAND_BYTES = 192 * 1024
"""The most bytes of a band, if there is a choice: each tile of output channels reads it once from the second-level cache."""

UNITS = 16
"""The desired number of units of work, shared by the threads; bands grow only beyond it."""

BLOCK_ROWS = 80
"""The fewest output channels per unit, where several units share a band that each of them copies."""

TABLE = 256
"""The most taps times planes in the innermost loop's table; longer tables would not stay in the first-level cache."""

WIDE = 256
"""The most columns of a band."""

FLAT_TERMS = 128
"""Terms of an output from which vectors that continue across the ends of short rows pay off."""


@dataclass(frozen=True, kw_only=True)
class Tap:
    """An element of a filter: the shift of its row and column in the source from window (0, 0), and its filter offset."""

    row: int
    col: int
    place: int


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """Outputs at (row + i*spread_h, col + j*spread_w) for i < rows, j < cols, and the taps that reach them."""

    row: int
    col: int
    rows: int
    cols: int
    taps: tuple[Tap, ...]

    @property
    def record(self) -> dict[str, int]:
        """Return the part of the lattice's record that identifies its outputs."""
        return {"row": self.row, "col": self.col, "rows": self.rows, "cols": self.cols}


class Plan(NamedTuple):
    """The plan of a correlation; see ``kernels.ops.conv2d.cpu.bands``.

    Attributes
    ----------
    lattices : (L,) LATTICE
    filter_taps, band_taps : (T,) int64, of all lattices consecutively, offsets in a filter and in a band, for ``planes``
        planes at a time
    phases : (P, 2) int64, of all lattices consecutively, the remainders of rows and columns that a band keeps
    units : int, the number of units of work
    """

    lattices: NDArray[Any]
    filter_taps: Table
    band_taps: Table
    phases: Table
    units: int


def forward_lattices(out: Shape, kernel: Pair, padding: Padding, dilation: Pair) -> list[Lattice]:
    """Return the one lattice of a forward pass."""
    taps = tuple(
        Tap(row=p * dilation[0] - padding[0][0], col=q * dilation[1] - padding[1][0], place=p * kernel[1] + q)
        for p in range(kernel[0])
        for q in range(kernel[1])
    )
    return [Lattice(row=0, col=0, rows=out[2], cols=out[3], taps=taps)]


def backward_lattices(x: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> list[Lattice]:
    """Return the lattices of the gradient of the input.

    Position p is read through tap k by window (p + padding - k*dilation) / stride.
    """
    found = []
    for row in range(min(stride[0], x[2])):
        for col in range(min(stride[1], x[3])):
            taps = []
            for p in range(kernel[0]):
                for q in range(kernel[1]):
                    down, across = row + padding[0][0] - p * dilation[0], col + padding[1][0] - q * dilation[1]
                    if down % stride[0] == 0 and across % stride[1] == 0:
                        taps.append(Tap(row=down // stride[0], col=across // stride[1], place=p * kernel[1] + q))
            rows, cols = len(range(row, x[2], stride[0])), len(range(col, x[3], stride[1]))
            found.append(Lattice(row=row, col=col, rows=rows, cols=cols, taps=tuple(taps)))
    return found


@dataclass(frozen=True, kw_only=True)
class Band:
    """The layout of a band of ``height`` rows and ``width`` columns of a lattice.

    Attributes
    ----------
    tap_row, tap_col : the shift of the first tap
    phases : the remainders of row and column by the stride that it keeps, each as a separate image
    phase_rows, pitch : the size of such an image
    plane : elements from one plane of the source to the next
    taps : the shifts of the taps of the lattice, in elements
    """

    height: int
    width: int
    tap_row: int
    tap_col: int
    phases: tuple[Pair, ...]
    phase_rows: int
    pitch: int
    plane: int
    taps: tuple[int, ...]

    @property
    def record(self) -> dict[str, int]:
        """Return the part of a lattice's record that the band sets."""
        return {
            "band_rows": self.height,
            "band_cols": self.width,
            "tap_row": self.tap_row,
            "tap_col": self.tap_col,
            "phase_rows": self.phase_rows,
            "pitch": self.pitch,
            "plane": self.plane,
        }


def _band(lattice: Lattice, height: int, width: int, stride: Pair, lanes: int) -> Band:
    """Lay out a band."""
    taps = lattice.taps
    tap_row, tap_col = min((tap.row for tap in taps), default=0), min((tap.col for tap in taps), default=0)
    shifts = [(tap.row - tap_row, tap.col - tap_col) for tap in taps]
    phases = sorted({(row % stride[0], col % stride[1]) for row, col in shifts})
    phase_rows = height + max((row // stride[0] for row, _ in shifts), default=0)
    pitch = width + max((col // stride[1] for _, col in shifts), default=0)
    plane = len(phases) * phase_rows * pitch
    if plane % (16 * lanes) == 0:  # planes a multiple of 1 KiB apart would map to the same few cache sets
        plane += lanes
    offsets = tuple(
        (phases.index((row % stride[0], col % stride[1])) * phase_rows + row // stride[0]) * pitch + col // stride[1]
        for row, col in shifts
    )
    return Band(
        height=height,
        width=width,
        tap_row=tap_row,
        tap_col=tap_col,
        phases=tuple(phases),
        phase_rows=phase_rows,
        pitch=pitch,
        plane=plane,
        taps=offsets,
    )


def make_plan(
    lattices: list[Lattice],
    *,
    batch: int,
    groups: int,
    planes: int,
    rows: int,
    stride: Pair,
    filter_plane: int,
    itemsize: int,
) -> Plan:
    """Plan a correlation of ``batch`` samples: ``groups`` groups of ``rows`` output channels, each from ``planes`` planes.

    ``stride`` is the stride of the windows over the source, ``filter_plane`` the step from plane to plane in the filters.
    """
    lanes = register_bytes() // itemsize
    records: list[dict[str, int]] = []
    filter_taps: list[int] = []
    band_taps: list[int] = []
    phases: list[Pair] = []
    for lattice in lattices:
        width = _band_width(lattice.cols, lanes)
        extra = _band(lattice, 1, width, stride, lanes).pitch - width
        # short rows waste lanes; then vectors continue across row ends, through the elements between rows
        flat = width < lanes and len(lattice.taps) * planes >= FLAT_TERMS and lanes / (width + extra) > 1.2
        step = ceil(COLUMNS * lanes / (width + extra)) if flat else COLUMNS // gcd(ceil(width / lanes), COLUMNS)
        height = min(step, lattice.rows)
        samples = batch * groups * ceil(lattice.cols / width)
        while height + step <= lattice.rows and samples * ceil(lattice.rows / (height + step)) >= UNITS:
            if planes * _band(lattice, height + step, width, stride, lanes).plane * itemsize > BAND_BYTES:
                break
            height += step
        band = _band(lattice, height, width, stride, lanes)
        units = samples * ceil(lattice.rows / height)
        blocks = 1
        while units * blocks < UNITS and rows >= 2 * blocks * BLOCK_ROWS:
            blocks *= 2
        together = divisor(planes, max(TABLE // max(len(lattice.taps), 1), 1))
        record = {
            **lattice.record,
            "row_bands": ceil(lattice.rows / height),
            "col_bands": ceil(lattice.cols / width),
            **band.record,
            "planes": together,
            "first_tap": len(filter_taps),
            "end_tap": len(filter_taps) + together * len(lattice.taps),
            "first_phase": len(phases),
            "end_phase": len(phases) + len(band.phases),
            "flat": int(flat),
            "blocks": blocks,
            "block_rows": ceil(rows / blocks),
            "units": units * blocks,
        }
        for c in range(together):
            filter_taps += [c * filter_plane + tap.place for tap in lattice.taps]
            band_taps += [c * band.plane + shift for shift in band.taps]
        phases += band.phases
        records.append(record)
    return Plan(
        lattices=lattice_records(records),
        filter_taps=table(filter_taps),
        band_taps=table(band_taps),
        phases=table(phases, 2),
        units=sum(record["units"] for record in records),
    )


def _band_width(cols: int, lanes: int) -> int:
    """Return the columns of a band: all, or for wide rows a multiple of a tile's."""
    return cols if cols <= WIDE else WIDE // (COLUMNS * lanes) * COLUMNS * lanes


def table(values: Sequence[Any], *columns: int) -> Table:
    """Return rows of int64."""
    return np.array(values, np.int64).reshape(-1, *columns)


def divisor(number: int, most: int) -> int:
    """Return the largest divisor of ``number`` that is at most ``most``."""
    return next((each for each in range(min(number, most), 0, -1) if number % each == 0), 1)


@lru_cache(maxsize=256)
def forward_plan(
    x: Shape, w: Shape, y: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> Plan:
    """Plan a forward pass."""
    return make_plan(
        forward_lattices(y, (w[2], w[3]), padding, dilation),
        batch=x[0],
        groups=groups,
        planes=w[1],
        rows=w[0] // groups,
        stride=stride,
        filter_plane=w[2] * w[3],
        itemsize=itemsize,
    )


@lru_cache(maxsize=256)
def backward_plan(
    x: Shape, w: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> Plan:
    """Plan the gradient of the input."""
    return make_plan(
        backward_lattices(x, (w[2], w[3]), stride, padding, dilation),
        batch=x[0],
        groups=groups,
        planes=w[0] // groups,
        rows=w[1],
        stride=(1, 1),
        filter_plane=w[1] * w[2] * w[3],
        itemsize=itemsize,
    )


class WeightsPlan(NamedTuple):
    """The plan of the gradient of the weights; see ``kernels.ops.conv2d.cpu.dw_outputs``.

    Attributes
    ----------
    lattices : (1,) LATTICE, the forward one; ``blocks`` and ``block_rows`` are blocks of output channels, ``planes`` the
        channels of a block
    taps : (T,) int64, the shifts of the taps in a band
    positions : (Q,) int64, the unshifted offsets in the band of all its positions, row by row; if columns are the
        lanes, of all vectors of positions
    phases : (P, 2) int64, as in ``Plan``
    shares : int, the number of units that share the bands of all samples
    """

    lattices: NDArray[Any]
    taps: Table
    positions: Table
    phases: Table
    shares: int


LANE_POSITIONS = 1024
"""The approximate number of positions in a band if columns are the lanes."""

POSITIONS = 256
"""The approximate number of positions in a band of dy: its part of dy, 64 channels of float32, is then 64 KiB."""

TAPS = 288
"""The most taps per unit of the gradient of the weights: transposing dy costs a few percent of the work done with it."""


@lru_cache(maxsize=256)
def weights_plan(
    x: Shape,
    w: Shape,
    dy: Shape,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    itemsize: int,
    outputs_are_lanes: bool,
) -> WeightsPlan:
    """Plan the gradient of the weights with output channels or columns in the lanes."""
    lanes = register_bytes() // itemsize
    (lattice,) = forward_lattices(dy, (w[2], w[3]), padding, dilation)
    width = _band_width(lattice.cols, lanes)
    height = min(max((POSITIONS if outputs_are_lanes else LANE_POSITIONS) // width, 1), lattice.rows)
    band = _band(lattice, height, width, stride, lanes)
    rows = w[0] // groups
    block_rows = min(COLUMNS * lanes, rows)
    planes = min(max(TAPS // len(lattice.taps), 1), w[1])
    bands = ceil(lattice.rows / height) * ceil(lattice.cols / width)
    units = groups * ceil(rows / block_rows) * ceil(w[1] / planes)
    record = {
        **lattice.record,
        "row_bands": ceil(lattice.rows / height),
        "col_bands": ceil(lattice.cols / width),
        **band.record,
        "planes": planes,
        "end_phase": len(band.phases),
        "blocks": ceil(rows / block_rows),
        "block_rows": block_rows,
        "units": units,
    }
    return WeightsPlan(
        lattices=lattice_records([record]),
        taps=table(band.taps),
        positions=table(
            [i * band.pitch + j for i in range(height) for j in range(0, width, 1 if outputs_are_lanes else lanes)]
        ),
        phases=table(band.phases, 2),
        shares=max(1, min(x[0] * bands, ceil(UNITS / units))),
    )
