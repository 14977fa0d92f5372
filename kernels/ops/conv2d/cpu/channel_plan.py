"""The plan of a convolution by tiles of channels, which depends on shapes and options alone; see ``channel_tiles``.

Outputs fall into lattices as in ``geometry``. A unit of work is a band: some rows and columns of a lattice, for all channels
or for a block of them. The part of the source that the band's windows cover is copied, with its padding, line by line; the
columns of a line are split into spans, and what a stride skips is separated. A line has for every span the pixels of every
plane one after the other, so that a tile that goes through all planes reads memory in its order. A tap is then a shift.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Shape
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.geometry import UNITS, Lattice, Table, backward_lattices, forward_lattices
from kernels.ops.conv2d.cpu.operands import lattice_records
from kernels.simd.registers import register_bytes, register_count

PIXELS = (14, 8, 4, 2, 1) if register_count() == 32 else (6, 4, 3, 2, 1)
"""Neighbouring pixels of a tile, which is two vectors of channels wide: the most for which the sums, the vectors of the
filters and one factor fit the registers, and what remains of a line."""

PAIRED = (7, 4, 2, 1) if register_count() == 32 else (3, 2, 1, 1)
"""The same for each of the two lines of a tile where lines are short; the first divides that of ``PIXELS``, for no tile
crosses the end of a span."""

FMAS, LATENCY = 2, 4
"""Multiply-adds of vectors in a clock, and clocks from one to the next on the same sum, of a wide processor."""

BAND_BYTES = 256 * 1024
"""The most bytes of a band, if there is a choice: each panel of channels reads it once from the second-level cache."""

FILTER_BYTES = 256 * 1024
"""The most bytes of the filters of a panel that are multiplied at a time, for they are read by every tile."""

PIECES = 18
"""The most tiles side by side in a band."""

FILLED_VECTORS = 0.75
"""The share of a span's vectors that its pixels must fill for lines to be split into spans."""

SUMS = 128
"""The approximate pixels whose sums are kept before they are transposed: they stay in the first-level cache."""


class ChannelPlan(NamedTuple):
    """The plan of a correlation.

    Attributes
    ----------
    lattices : (L,) LATTICE
    shifts, places : (T,) int64, of all lattices consecutively: where each tap is in a band, and in a filter
    size : the taps of a plane of a filter
    units : the number of units of work
    """

    lattices: NDArray[Any]
    shifts: Table
    places: Table
    size: int
    units: int


def _clocks(columns: int, pixels: tuple[int, ...], lines: int) -> int:
    """Return an estimate of the clocks of a step for all columns of so many lines, in tiles two vectors wide."""
    clocks = 0
    while columns:
        own = next(each for each in pixels if each <= columns)
        clocks += max(2 * lines * own // FMAS, LATENCY) + 1
        columns -= own
    return clocks


def _plan(
    lattices: list[Lattice],
    *,
    batch: int,
    groups: int,
    planes: int,
    rows: int,
    step: int,
    down: int,
    size: int,
    itemsize: int,
) -> ChannelPlan:
    """Plan a correlation of ``batch`` samples: ``groups`` groups of ``rows`` output channels, each from ``planes`` planes.

    ``down`` and ``step`` are the strides of the windows over the source; ``size`` is the number of taps of a filter's plane.
    """
    lanes = register_bytes() // itemsize
    panels = ceil(rows / (2 * lanes))
    records: list[dict[str, int]] = []
    shifts: list[int] = []
    places: list[int] = []
    for lattice in lattices:
        tap_row, tap_col = (
            min((tap.row for tap in lattice.taps), default=0),
            min((tap.col for tap in lattice.taps), default=0),
        )
        taps = [(tap.row - tap_row, tap.col - tap_col, tap.place) for tap in lattice.taps]
        halo_rows, halo = max((tap[0] for tap in taps), default=0), max((tap[1] // step for tap in taps), default=0)
        cols = min(lattice.cols, PIECES * PIXELS[0])
        span = cols
        # a tile then reads whole vectors of the band, one after the other, where little of them is in vain
        if cols > PIXELS[0] and PIXELS[0] + halo >= FILLED_VECTORS * ceil((PIXELS[0] + halo) / lanes) * lanes:
            span = PIXELS[0]
        spans, pitch = ceil(cols / span), ceil((span + halo) / lanes) * lanes
        apart = planes * pitch
        if apart % (16 * lanes) == 0:  # lines would fall into the same few sets of the cache
            apart += lanes
        line = spans * step * apart
        paired = lattice.rows > 1 and _clocks(cols, PAIRED, 2) < 2 * _clocks(cols, PIXELS, 1)
        chunk = ceil(SUMS / cols)
        chunk = min(chunk + chunk % 2, lattice.rows)
        height, samples = chunk, batch * groups * ceil(lattice.cols / cols)
        while height < lattice.rows and samples * ceil(lattice.rows / (height + chunk)) >= UNITS:
            if ((height + chunk - 1) * down + halo_rows + 1) * line * itemsize > BAND_BYTES:
                break
            height += chunk
        units, blocks = samples * ceil(lattice.rows / height), 1
        while units * blocks < UNITS and panels >= 2 * blocks:
            blocks *= 2
        records.append(
            {
                **lattice.record,
                "band_rows": height,
                "band_cols": cols,
                "row_bands": ceil(lattice.rows / height),
                "col_bands": ceil(lattice.cols / cols),
                "tap_row": tap_row,
                "tap_col": tap_col,
                "halo_rows": halo_rows,
                "span": span,
                "spans": spans,
                "pitch": pitch,
                "apart": apart,
                "line": line,
                "paired": int(paired),
                "chunk": chunk,
                "planes": max(1, min(planes, FILTER_BYTES // (max(len(taps), 1) * 2 * lanes * itemsize))),
                "first_tap": len(shifts),
                "end_tap": len(shifts) + len(taps),
                "blocks": blocks,
                "block_panels": ceil(panels / blocks),
                "units": units * blocks,
            }
        )
        shifts += [row * line + col % step * apart + col // step for row, col, _ in taps]
        places += [place for _, _, place in taps]
    return ChannelPlan(
        lattices=lattice_records(records),
        shifts=np.array(shifts, np.int64),
        places=np.array(places, np.int64),
        size=size,
        units=sum(record["units"] for record in records),
    )


@lru_cache(maxsize=256)
def forward_channel_plan(
    x: Shape, w: Shape, y: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> ChannelPlan:
    """Plan a forward pass."""
    return _plan(
        forward_lattices(y, (w[2], w[3]), padding, dilation),
        batch=x[0],
        groups=groups,
        planes=w[1],
        rows=w[0] // groups,
        step=stride[1],
        down=stride[0],
        size=w[2] * w[3],
        itemsize=itemsize,
    )


@lru_cache(maxsize=256)
def backward_channel_plan(
    x: Shape, w: Shape, stride: Pair, padding: Padding, dilation: Pair, groups: int, itemsize: int
) -> ChannelPlan:
    """Plan the gradient of the input."""
    return _plan(
        backward_lattices(x, (w[2], w[3]), stride, padding, dilation),
        batch=x[0],
        groups=groups,
        planes=w[0] // groups,
        rows=w[1],
        step=1,
        down=1,
        size=w[2] * w[3],
        itemsize=itemsize,
    )
