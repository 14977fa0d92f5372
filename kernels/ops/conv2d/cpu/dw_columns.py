"""The gradients of conv2d for w and b with output columns in the SIMD lanes: for groups of few output channels.

A unit of work is a group with a block of its channels, and where these are few a share of the bands of all samples besides.
It goes from band to band: x is copied as ``bands`` does, dy with zeros behind its rows, and for every output channel and tap
the lanes are sums of their own, which are added up at the end.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.bands import (
    BAND_COLS,
    BAND_ROWS,
    BLOCK_ROWS,
    BLOCKS,
    COL_BANDS,
    COLS,
    LEFT,
    PLANE,
    PLANES,
    ROW_BANDS,
    ROWS,
    TOP,
    UNITS,
)
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.geometry import LANE_POSITIONS
from kernels.ops.conv2d.cpu.shares import gradients
from kernels.simd.product import Left, Out, Right, aligned, clear, copy, multiply_lanes
from kernels.simd.tile import add_sums, lanes, load, steps

Array = NDArray[Any]


@cpu_core
def _copy_rows(
    dy: Array,
    first: int,
    plane: int,
    width: int,
    rows: int,
    high: int,
    wide: int,
    pitch: int,
    target: Array,
    start: int,
    step: int,
) -> None:
    """Copy ``high`` by ``wide`` elements of ``rows`` planes, to ``step`` apart, with zeros behind rows to ``pitch``."""
    for r in range(rows):
        for i in range(high):
            place = start + r * step + i * pitch
            copy(dy, first + r * plane + i * width, 1, wide, target, place)
            clear(target, place + wide, pitch - wide)


@cpu_inline
def _compute(
    x: Array,
    shape: tuple[int, int, int, int],
    dy: Array,
    outputs: int,
    groups: int,
    stride: Pair,
    own: Array,
    taps: Array,
    positions: Array,
    phases: Array,
    shares: int,
    number: int,
    parts: Array,
) -> None:
    """Compute unit ``number``; the parameters are those of ``_sum_products``."""
    batch, height, width = shape[0], shape[2], shape[3]
    channels, rows = shape[1] // groups, outputs // groups
    size, tap_count = lanes(parts), taps.size
    share, number = number % shares, number // shares
    blocks = (channels + own[PLANES] - 1) // own[PLANES]
    channel = number % blocks * own[PLANES]
    number //= blocks
    row = number % own[BLOCKS] * own[BLOCK_ROWS]
    group = number // own[BLOCKS]
    planes, own_rows = min(own[PLANES], channels - channel), min(own[BLOCK_ROWS], rows - row)
    row += group * rows
    depth = planes * tap_count
    vectors = positions.size // own[BAND_ROWS]
    pitch = vectors * size

    # small bands several at a time, so that their sums are seldom put away
    together = max(LANE_POSITIONS // (own[BAND_ROWS] * pitch), 1)
    slot, piece = planes * own[PLANE], own[BAND_ROWS] * pitch
    band = aligned(together * slot + 2 * size, parts)
    clear(band, 0, band.size)  # what lies behind it is read too, and multiplied with zeros
    step = together * piece
    copied = aligned(own_rows * step, parts)
    sums = aligned(own_rows * depth * size, parts)
    clear(sums, 0, sums.size)
    shifts = np.empty(depth, np.int64)
    for c in range(planes):
        for t in range(tap_count):
            shifts[c * tap_count + t] = c * own[PLANE] + taps[t]
    places, copied_places = np.empty(together * positions.size, np.int64), np.empty(together * positions.size, np.int64)
    columns = np.arange(0, depth * size, size)
    copied_rows = np.arange(0, own_rows * step, step)
    sum_rows = np.arange(0, own_rows * depth * size, depth * size)

    bands = own[ROW_BANDS] * own[COL_BANDS]
    plane = own[ROWS] * own[COLS]
    end = batch * bands * (share + 1) // shares
    for start in range(batch * bands * share // shares, end, together):
        count = 0
        for which in range(min(together, end - start)):
            item = start + which
            sample, top = item // bands, item % bands // own[COL_BANDS] * own[BAND_ROWS]
            left = item % own[COL_BANDS] * own[BAND_COLS]
            high, wide = min(own[BAND_ROWS], own[ROWS] - top), min(own[BAND_COLS], own[COLS] - left)
            fill(
                x,
                (sample * shape[1] + group * channels + channel) * height * width,
                planes,
                height,
                width,
                top * stride[0] + own[TOP],
                left * stride[1] + own[LEFT],
                stride,
                phases,
                own,
                band,
                which * slot,
            )
            first = (sample * outputs + row) * plane + top * own[COLS] + left
            _copy_rows(dy, first, plane, own[COLS], own_rows, high, wide, pitch, copied, which * piece, step)
            for vector in range(high * vectors):
                places[count] = which * slot + positions[vector]
                copied_places[count] = which * piece + vector * size
                count += 1
        multiply_lanes(
            Left(copied, copied_rows, 0, copied_places[:count]),
            Right(band, shifts, 0, places[:count]),
            1,
            Out(sums, sum_rows, columns, size, sums, 0, True),
        )
    here = steps(1, 0, 0)
    for r in range(own_rows):
        target = ((share * outputs + row + r) * channels + channel) * tap_count
        for k in range(depth):
            parts[target + k] = 0
            add_sums(load(sums, steps(1, (r * depth + k) * size, 0), here), parts, steps(1, target + k, 0), here)


@cpu_kernel
def _sum_products(
    x: Array,
    shape: tuple[int, int, int, int],
    dy: Array,
    outputs: int,
    groups: int,
    stride: Pair,
    own: Array,
    taps: Array,
    positions: Array,
    phases: Array,
    shares: int,
    parts: Array,
) -> None:
    """Add up the products of x and dy, share by share; the parameters are those of its namesake in ``dw_outputs``."""
    for unit in prange(own[UNITS] * shares):
        _compute(
            x,
            shape,
            dy,
            outputs,
            groups,
            stride,
            own,
            taps,
            positions,
            phases,
            shares,
            int(np.int64(unit)),  # counted without sign it would make floats of sums
            parts,
        )


def conv2d_dw_columns_cpu(
    dy: Array,
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    dw: Array,
    db: Array,
) -> None:
    """Lanes are output columns; see ``shares.gradients``."""
    gradients(_sum_products, False, dy, x, w, stride, padding, dilation, groups, dw, db)
