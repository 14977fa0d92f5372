"""The gradients of conv2d for w and b with output columns in the SIMD lanes: for groups of few output channels.

A unit of work is a group with a block of its channels and, where these are few, also a share of the bands of all samples.
It goes from band to band: x is copied as in ``bands``, dy with zeros after its rows. For every output channel and tap, the
lanes are separate sums, which are added up at the end.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.geometry import LANE_POSITIONS, WeightsPlan
from kernels.ops.conv2d.cpu.operands import ImageRegion, Images, Options, Strided
from kernels.ops.conv2d.cpu.shares import gradients
from kernels.simd.product import Left, Out, Right, aligned, clear, copy, multiply_lanes
from kernels.simd.tile import add_sums, lanes, load, steps

Array = NDArray[Any]


@cpu_core
def _copy_rows(source: Strided, target: Strided, rows: int, high: int, wide: int) -> None:
    """Copy ``high`` by ``wide`` elements of ``rows`` planes, contiguous within a row; pad the target's rows with zeros."""
    for r in range(rows):
        for i in range(high):
            place = target.start + r * target.plane + i * target.row
            first = source.start + r * source.plane + i * source.row
            copy(source.array, first, 1, wide, target.array, place)
            clear(target.array, place + wide, target.row - wide)


@cpu_inline
def _compute(x: Images, dy: Images, plan: WeightsPlan, number: int, stride: Pair, groups: int, parts: Array) -> None:
    """Compute unit ``number``; the other parameters are those of ``_sum_products``."""
    own, taps, positions, shares = plan.lattices[0], plan.taps, plan.positions, plan.shares
    channels, rows = x.channels // groups, dy.channels // groups
    size, tap_count = lanes(parts), taps.size
    share, number = number % shares, number // shares
    blocks = (channels + own["planes"] - 1) // own["planes"]
    channel = number % blocks * own["planes"]
    number //= blocks
    row = number % own["blocks"] * own["block_rows"]
    group = number // own["blocks"]
    planes, own_rows = min(own["planes"], channels - channel), min(own["block_rows"], rows - row)
    row += group * rows
    depth = planes * tap_count
    vectors = positions.size // own["band_rows"]
    pitch = vectors * size

    # several small bands at a time, so that their sums are stored less often
    together = max(LANE_POSITIONS // (own["band_rows"] * pitch), 1)
    slot, piece = planes * own["plane"], own["band_rows"] * pitch
    band = aligned(together * slot + size, parts)
    clear(band, 0, band.size)  # elements past its end are also read, and multiplied by zeros
    step = together * piece
    copied = aligned(own_rows * step, parts)
    sums = aligned(own_rows * depth * size, parts)
    clear(sums, 0, sums.size)
    shifts = np.empty(depth, np.int64)
    for c in range(planes):
        for t in range(tap_count):
            shifts[c * tap_count + t] = c * own["plane"] + taps[t]
    places, copied_places = np.empty(together * positions.size, np.int64), np.empty(together * positions.size, np.int64)
    columns = np.arange(0, depth * size, size)
    copied_rows = np.arange(0, own_rows * step, step)
    sum_rows = np.arange(0, own_rows * depth * size, depth * size)

    bands = own["row_bands"] * own["col_bands"]
    plane = own["rows"] * own["cols"]
    end = x.batch * bands * (share + 1) // shares
    for start in range(x.batch * bands * share // shares, end, together):
        count = 0
        for which in range(min(together, end - start)):
            item = start + which
            sample, top = item // bands, item % bands // own["col_bands"] * own["band_rows"]
            left = item % own["col_bands"] * own["band_cols"]
            high, wide = min(own["band_rows"], own["rows"] - top), min(own["band_cols"], own["cols"] - left)
            region = ImageRegion(
                sample * x.channels + group * channels + channel,
                planes,
                top * stride[0] + own["tap_row"],
                left * stride[1] + own["tap_col"],
            )
            fill(x, region, stride, plan.phases, own, band, which * slot)
            first = (sample * dy.channels + row) * plane + top * own["cols"] + left
            source = Strided(dy.array, first, plane, own["cols"], 1)
            _copy_rows(source, Strided(copied, which * piece, step, pitch, 1), own_rows, high, wide)
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
        target = ((share * dy.channels + row + r) * channels + channel) * tap_count
        for k in range(depth):
            parts[target + k] = 0
            add_sums(load(sums, steps(1, (r * depth + k) * size, 0), here), parts, steps(1, target + k, 0), here)


@cpu_kernel
def _sum_products(x: Array, dy: Array, plan: tuple[Any, ...], stride: Pair, groups: int, parts: Array) -> None:
    """Add up the products of x and dy, share by share; the parameters are those of its namesake in ``dw_outputs``."""
    x_images = Images(x.reshape(x.size), *x.shape)
    dy_images = Images(dy.reshape(dy.size), *dy.shape)
    tables = WeightsPlan(*plan)
    for unit in prange(tables.lattices[0]["units"] * tables.shares):
        number = int(np.int64(unit))  # an unsigned counter would turn sums into floats
        _compute(x_images, dy_images, tables, number, stride, groups, parts)


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
    gradients(_sum_products, False, dy, x, w, Options(stride, padding, dilation, groups), dw, db)
