"""The gradients of conv2d for w and b with output channels in the SIMD lanes: windows of x times dy transposed.

A unit of work is a block of output channels by a block of channels and, where these are few, also a share of the bands of
all samples, whose sums are added up at the end in a fixed order. It goes from band to band: dy is transposed, so that the
channels of a position are contiguous, x is copied as in ``bands``, and every filter tap becomes a row of a product that
runs over the positions.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.geometry import WeightsPlan
from kernels.ops.conv2d.cpu.operands import ImageRegion, Images, Options
from kernels.ops.conv2d.cpu.shares import gradients
from kernels.simd.product import Left, Out, Right, aligned, clear, multiply, turn, turn_back
from kernels.simd.tile import lanes

Array = NDArray[Any]


@cpu_inline
def _compute(x: Images, dy: Images, plan: WeightsPlan, number: int, stride: Pair, groups: int, dw: Array) -> None:
    """Compute unit ``number``: its share of the gradients of a block of output channels by a block of channels.

    The parameters are those of ``_sum_products``.
    """
    own, taps, positions, shares = plan.lattices[0], plan.taps, plan.positions, plan.shares
    channels, rows = x.channels // groups, dy.channels // groups
    size, tap_count = lanes(dw), taps.size
    share, number = number % shares, number // shares
    blocks = (channels + own["planes"] - 1) // own["planes"]
    channel = number % blocks * own["planes"]
    number //= blocks
    row = number % own["blocks"] * own["block_rows"]
    group = number // own["blocks"]
    planes, own_rows = min(own["planes"], channels - channel), min(own["block_rows"], rows - row)
    breadth = (own_rows + size - 1) // size * size
    row += group * rows

    band = aligned(planes * own["plane"] + size, dw)
    turned = aligned((positions.size + size) * breadth, dw)
    sums = aligned(planes * tap_count * breadth, dw)
    clear(sums, 0, sums.size)
    left_rows, sum_rows = np.empty(planes * tap_count, np.int64), np.empty(planes * tap_count, np.int64)
    for c in range(planes):
        for t in range(tap_count):
            left_rows[c * tap_count + t] = c * own["plane"] + taps[t]
            sum_rows[c * tap_count + t] = (c * tap_count + t) * breadth
    columns = np.arange(0, breadth, size)
    places = np.empty(positions.size, np.int64)
    turned_places = np.arange(0, positions.size * breadth, breadth)

    bands = own["row_bands"] * own["col_bands"]
    for item in range(x.batch * bands * share // shares, x.batch * bands * (share + 1) // shares):
        sample, top = item // bands, item % bands // own["col_bands"] * own["band_rows"]
        left = item % own["col_bands"] * own["band_cols"]
        high, wide = min(own["band_rows"], own["rows"] - top), min(own["band_cols"], own["cols"] - left)
        region = ImageRegion(
            sample * x.channels + group * channels + channel,
            planes,
            top * stride[0] + own["tap_row"],
            left * stride[1] + own["tap_col"],
        )
        fill(x, region, stride, plan.phases, own, band, 0)
        plane = own["rows"] * own["cols"]
        first = (sample * dy.channels + row) * plane + top * own["cols"] + left
        if wide == own["cols"]:
            turn(dy.array, first, plane, own_rows, high * wide, turned, 0, breadth)
        else:
            for i in range(high):
                turn(dy.array, first + i * own["cols"], plane, own_rows, wide, turned, i * wide * breadth, breadth)
        for i in range(high):
            for j in range(wide):
                places[i * wide + j] = positions[i * own["band_cols"] + j]
        multiply(
            Left(band, left_rows, 0, places[: high * wide]),
            Right(turned, columns, 0, turned_places[: high * wide]),
            1,
            Out(sums, sum_rows, columns, size, sums, 0, True),
        )
    depth = channels * tap_count
    first = (share * dy.channels + row) * depth + channel * tap_count
    turn_back(sums, breadth, own_rows, planes * tap_count, dw, first, depth)


@cpu_kernel
def _sum_products(x: Array, dy: Array, plan: tuple[Any, ...], stride: Pair, groups: int, parts: Array) -> None:
    """Add up the products of x and dy, share by share.

    Parameters
    ----------
    x : (N, C, H, W)
    dy : (N, outputs, OH, OW)
    plan : ``WeightsPlan``
    stride : stride of the windows over x
    groups : number of groups of channels in x and dy
    parts : flat, (shares, outputs, C/groups, T)
    """
    x_images = Images(x.reshape(x.size), *x.shape)
    dy_images = Images(dy.reshape(dy.size), *dy.shape)
    tables = WeightsPlan(*plan)
    for unit in prange(tables.lattices[0]["units"] * tables.shares):
        number = int(np.int64(unit))  # an unsigned counter would turn sums into floats
        _compute(x_images, dy_images, tables, number, stride, groups, parts)


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
    gradients(_sum_products, True, dy, x, w, Options(stride, padding, dilation, groups), dw, db)
