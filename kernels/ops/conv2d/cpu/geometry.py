"""The plan of a convolution by bands: what follows from shapes and options alone, worked out once for every set of them.

A correlation slides windows over the planes of a source and multiplies what they see with filters. Its outputs fall into
lattices, those positions whose windows look at the same taps: one for the forward pass; for the gradient of the input with a
stride one for every remainder of row and column. A unit of work is a band, some rows and columns of a lattice: the part of
the source that its windows see is copied, with its padding, to where it stays in the cache, the rows and columns that a
stride skips apart from each other, so that the windows of neighbouring outputs are neighbours in it. A tap is then a shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.op import Shape
from kernels.shapes import Padding, Pair
from kernels.simd import register_bytes
from kernels.tile import COLUMNS

Table = NDArray[np.int64]

BAND_BYTES = 192 * 1024
"""Of a band at most, where there is a choice: it is read once per tile of output channels, from the second-level cache."""

UNITS = 32
"""So many units of work are wanted, to be dealt to the threads; bands grow only beyond it."""

BLOCK_ROWS = 80
"""Output channels at least in a unit, where several units share a band that each of them copies."""

TABLE = 256
"""Taps times planes in the table that the innermost loop runs along; longer ones would not stay in the first-level cache."""

WIDE = 256
"""Columns of a band at most."""


@dataclass(frozen=True, kw_only=True)
class Tap:
    """An element of a filter: the shift of its row and column in the source from window (0, 0), its place in a filter."""

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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a correlation is run; see ``kernels.ops.conv2d.cpu.bands`` for what the tables hold.

    Attributes
    ----------
    lattices : (L, FIELDS)
    left_taps, right_taps : of all lattices in a row, offsets in a filter and in a band, for ``planes`` planes at a time
    phases : (P, 2) of all lattices in a row, the remainders of rows and columns that a band keeps
    units : of work
    """

    lattices: Table
    left_taps: Table
    right_taps: Table
    phases: Table
    units: int


FIELDS = (
    "row",
    "col",
    "rows",
    "cols",
    "band_rows",
    "band_cols",
    "row_bands",
    "col_bands",
    "top",
    "left",
    "phase_rows",
    "pitch",
    "plane",
    "planes",
    "first_tap",
    "end_tap",
    "first_phase",
    "end_phase",
    "flat",
    "blocks",
    "block_rows",
    "units",
)
"""Of a lattice in a plan's table."""


def forward_lattices(out: Shape, kernel: Pair, padding: Padding, dilation: Pair) -> list[Lattice]:
    """Give the one lattice of a forward pass."""
    taps = tuple(
        Tap(row=p * dilation[0] - padding[0][0], col=q * dilation[1] - padding[1][0], place=p * kernel[1] + q)
        for p in range(kernel[0])
        for q in range(kernel[1])
    )
    return [Lattice(row=0, col=0, rows=out[2], cols=out[3], taps=taps)]


def backward_lattices(x: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> list[Lattice]:
    """Give the lattices of the gradient of the input: position p is seen through tap k by window (p + padding - k*dilation)/stride."""
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


def make_plan(
    lattices: list[Lattice],
    *,
    batch: int,
    groups: int,
    planes: int,
    rows: int,
    stride: Pair,
    left_plane: int,
    itemsize: int,
) -> Plan:
    """Plan a correlation of ``batch`` samples: ``groups`` times ``rows`` output channels, each from ``planes`` planes.

    ``stride`` is that of the windows over the source, ``left_plane`` the step from plane to plane in the filters.
    """
    lanes = register_bytes() // itemsize
    records: list[list[int]] = []
    left: list[int] = []
    right: list[int] = []
    phases: list[tuple[int, int]] = []
    for lattice in lattices:
        record = dict.fromkeys(FIELDS, 0)
        record |= {"row": lattice.row, "col": lattice.col, "rows": lattice.rows, "cols": lattice.cols}
        taps = lattice.taps
        top, low = min((tap.row for tap in taps), default=0), min((tap.col for tap in taps), default=0)
        more_rows = max(((tap.row - top) // stride[0] for tap in taps), default=0)
        more_cols = max(((tap.col - low) // stride[1] for tap in taps), default=0)
        own = sorted({((tap.row - top) % stride[0], (tap.col - low) % stride[1]) for tap in taps})
        width = min(lattice.cols, WIDE)
        if width < lattice.cols:  # wide rows in bands of whole tiles
            width = WIDE // (COLUMNS * lanes) * COLUMNS * lanes
        vectors = ceil(width / lanes)
        # short rows waste lanes; then vectors run on over the ends of rows, through what is between them
        flat = width < lanes and len(taps) * planes >= 128 and width / (width + more_cols) > 1.2 * width / lanes
        step = ceil(COLUMNS * lanes / (width + more_cols)) if flat else COLUMNS // gcd(vectors, COLUMNS)
        per_row = planes * len(own) * (width + more_cols) * itemsize
        height = min(step, lattice.rows)
        while height + step <= lattice.rows and (height + step + more_rows) * per_row <= BAND_BYTES:
            bands = batch * groups * ceil(lattice.rows / (height + step)) * ceil(lattice.cols / width)
            if bands < UNITS:
                break
            height += step
        row_bands, col_bands = ceil(lattice.rows / height), ceil(lattice.cols / width)
        units = batch * groups * row_bands * col_bands
        blocks = 1
        while units * blocks < UNITS // 2 and rows >= 2 * blocks * BLOCK_ROWS:
            blocks *= 2
        pitch, phase_rows = width + more_cols, height + more_rows
        plane = len(own) * phase_rows * pitch
        if plane * itemsize % 1024 == 0:  # planes a power of two apart would fall into the same few sets of the cache
            plane += lanes
        together = _divisor(planes, max(TABLE // max(len(taps), 1), 1))
        record |= {
            "band_rows": height,
            "band_cols": width,
            "row_bands": row_bands,
            "col_bands": col_bands,
            "top": top,
            "left": low,
            "phase_rows": phase_rows,
            "pitch": pitch,
            "plane": plane,
            "planes": together,
            "first_tap": len(left),
            "first_phase": len(phases),
            "flat": int(flat),
            "blocks": blocks,
            "block_rows": ceil(rows / blocks),
            "units": units * blocks,
        }
        for c in range(together):
            for tap in taps:
                row, col = tap.row - top, tap.col - low
                phase = own.index((row % stride[0], col % stride[1]))
                left.append(c * left_plane + tap.place)
                right.append(c * plane + (phase * phase_rows + row // stride[0]) * pitch + col // stride[1])
        phases += own
        record |= {"end_tap": len(left), "end_phase": len(phases)}
        records.append([record[name] for name in FIELDS])
    return Plan(
        lattices=_table(records, len(FIELDS)),
        left_taps=_table(left),
        right_taps=_table(right),
        phases=_table(phases, 2),
        units=sum(record[-1] for record in records),
    )


def _table(values: list[Any], *columns: int) -> Table:
    return np.array(values, np.int64).reshape(-1, *columns)


def _divisor(number: int, most: int) -> int:
    """Give the largest divisor that is at most ``most``."""
    return next((each for each in range(min(number, most), 0, -1) if number % each == 0), 1)


@lru_cache(maxsize=256)
def forward_plan(
    x: Shape, w: Shape, y: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> Plan:
    """Plan a forward pass; a 1x1 filter without stride or padding sees a plane as a single row."""
    if w[2:] == (1, 1) and stride == (1, 1) and padding == ((0, 0), (0, 0)):
        y = (*y[:2], 1, y[2] * y[3])
    return make_plan(
        forward_lattices(y, (w[2], w[3]), padding, dilation),
        batch=x[0],
        groups=groups,
        planes=w[1],
        rows=w[0] // groups,
        stride=stride,
        left_plane=w[2] * w[3],
        itemsize=itemsize,
    )


@lru_cache(maxsize=256)
def backward_plan(
    x: Shape, w: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> Plan:
    """Plan the gradient of the input."""
    if w[2:] == (1, 1) and stride == (1, 1) and padding == ((0, 0), (0, 0)):
        x = (*x[:2], 1, x[2] * x[3])
    return make_plan(
        backward_lattices(x, (w[2], w[3]), stride, padding, dilation),
        batch=x[0],
        groups=groups,
        planes=w[0] // groups,
        rows=w[1],
        stride=(1, 1),
        left_plane=w[1] * w[2] * w[3],
        itemsize=itemsize,
    )
