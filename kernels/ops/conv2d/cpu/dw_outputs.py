"""The gradients of conv2d for w and b with output channels in the SIMD lanes: windows of x times dy turned over.

A unit of work is a block of output channels by a block of channels, and where these are few a share of the bands of all
samples besides, whose sums are added up at the end in a fixed order. It goes from band to band: dy is turned over, so that
the channels of a position are neighbours, x is copied as ``bands`` does, and every filter tap becomes a row of a product
that runs over the positions.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_kernel
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
from kernels.ops.conv2d.cpu.shares import gradients
from kernels.simd.product import Left, Out, Right, aligned, clear, multiply, turn, turn_back
from kernels.simd.tile import lanes

Array = NDArray[Any]


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
    dw: Array,
) -> None:
    """Compute unit ``number``: its share of the gradients of a block of output channels by a block of channels.

    The parameters are those of ``_sum_products``.
    """
    batch, height, width = shape[0], shape[2], shape[3]
    channels, rows = shape[1] // groups, outputs // groups
    size, tap_count = lanes(dw), taps.size
    share, number = number % shares, number // shares
    blocks = (channels + own[PLANES] - 1) // own[PLANES]
    channel = number % blocks * own[PLANES]
    number //= blocks
    row = number % own[BLOCKS] * own[BLOCK_ROWS]
    group = number // own[BLOCKS]
    planes, own_rows = min(own[PLANES], channels - channel), min(own[BLOCK_ROWS], rows - row)
    breadth = (own_rows + size - 1) // size * size
    row += group * rows

    band = aligned(planes * own[PLANE] + 2 * size, dw)
    turned = aligned((positions.size + size) * breadth, dw)
    sums = aligned(planes * tap_count * breadth, dw)
    clear(sums, 0, sums.size)
    left_rows, sum_rows = np.empty(planes * tap_count, np.int64), np.empty(planes * tap_count, np.int64)
    for c in range(planes):
        for t in range(tap_count):
            left_rows[c * tap_count + t] = c * own[PLANE] + taps[t]
            sum_rows[c * tap_count + t] = (c * tap_count + t) * breadth
    columns = np.arange(0, breadth, size)
    places = np.empty(positions.size, np.int64)
    turned_places = np.arange(0, positions.size * breadth, breadth)

    bands = own[ROW_BANDS] * own[COL_BANDS]
    for item in range(batch * bands * share // shares, batch * bands * (share + 1) // shares):
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
            0,
        )
        plane = own[ROWS] * own[COLS]
        first = (sample * outputs + row) * plane + top * own[COLS] + left
        if wide == own[COLS]:
            turn(dy, first, plane, own_rows, high * wide, turned, 0, breadth)
        else:
            for i in range(high):
                turn(dy, first + i * own[COLS], plane, own_rows, wide, turned, i * wide * breadth, breadth)
        for i in range(high):
            for j in range(wide):
                places[i * wide + j] = positions[i * own[BAND_COLS] + j]
        multiply(
            Left(band, left_rows, 0, places[: high * wide]),
            Right(turned, columns, 0, turned_places[: high * wide]),
            1,
            Out(sums, sum_rows, columns, size, sums, 0, True),
        )
    depth = channels * tap_count
    first = (share * outputs + row) * depth + channel * tap_count
    turn_back(sums, breadth, own_rows, planes * tap_count, dw, first, depth)


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
    """Add up the products of x and dy, share by share.

    Parameters
    ----------
    x : flat, of ``shape`` (N, C, H, W)
    dy : flat, (N, outputs, OH, OW)
    own, taps, positions, phases, shares : a WeightsPlan
    parts : flat, (shares, outputs, C/groups, T)
    """
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


def conv2d_dw_outputs_cpu(
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
    """Lanes are output channels; see ``shares.gradients``."""
    gradients(_sum_products, True, dy, x, w, stride, padding, dilation, groups, dw, db)
