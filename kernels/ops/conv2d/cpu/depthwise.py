"""conv2d and its gradient for x if every channel has its own filter: windows slide down each plane separately.

A plane is copied with its padding, as in ``kernels.ops.conv2d.cpu.bands``. A tile is some neighbouring rows of outputs, one
vector wide. Vertically adjacent taps of a filter read rows of which all but one or two are the same: those are loaded
once, and stay in registers for up to three taps. The last tile of a row or a column overlaps the previous one.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.bands import may_have_multiplied_padding
from kernels.ops.conv2d.cpu.depthwise_plan import TALL, DepthwisePlan, backward_plan, forward_plan
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.ops.conv2d.cpu.operands import ImageRegion, Images
from kernels.simd.product import aligned
from kernels.simd.tile import lanes, load, slide, spread, steps, store_each, store_first
from kernels.simd.vector_math import interleave

Array = NDArray[Any]


class Rows(NamedTuple):
    """Rows of a plane: element (i, j) is at start + i*pitch + j.

    Attributes
    ----------
    array : flat, float
    start, pitch : int, in elements
    """

    array: Array
    start: int
    pitch: int


class ChannelFilter(NamedTuple):
    """The filter of a channel, or what of it a lattice uses.

    Attributes
    ----------
    array : flat, float, the filters of all channels
    start : int, the channel's first weight
    runs : (R, 4) int64, as in ``DepthwisePlan``
    bias : (C,), float
    channel : int
    """

    array: Array
    start: int
    runs: Array
    bias: Array
    channel: int


def _micro(rows: int) -> Any:
    """Make the function that computes ``rows`` rows of outputs, ``count`` columns, at most a vector."""
    one_more, two_more = rows + 1, rows + 2

    @cpu_core
    def micro(band: Rows, own: ChannelFilter, out: Rows, count: int) -> None:
        here, pitch, w, runs = steps(1, 0, 0), band.pitch, own.array, own.runs
        sums = spread(own.bias, steps(rows, own.channel, 0), here)
        for run in range(runs.shape[0]):
            first, weight, step, taps = band.start + runs[run, 0], own.start + runs[run, 1], runs[run, 2], runs[run, 3]
            if taps == 3:
                window = load(band.array, steps(two_more, first, pitch), here)
                sums = slide(sums, w, weight, window, 0)
                sums = slide(sums, w, weight + step, window, 1)
                sums = slide(sums, w, weight + 2 * step, window, 2)
            elif taps == 2:
                pair = load(band.array, steps(one_more, first, pitch), here)
                sums = slide(sums, w, weight, pair, 0)
                sums = slide(sums, w, weight + step, pair, 1)
            else:
                sums = slide(sums, w, weight, load(band.array, steps(rows, first, pitch), here), 0)
        store_each(sums, out.array, steps(rows, out.start, out.pitch), here, count)

    return micro


_tall, _low = _micro(TALL), _micro(1)


@cpu_core
def _compute(band: Rows, own: ChannelFilter, out: Rows, high: int, wide: int) -> None:
    """Compute ``high`` rows of ``wide`` outputs."""
    size = lanes(out.array)
    count = min(wide, size)
    row = 0
    while row < high:  # row by row, the best order of writing
        tall = high >= TALL
        i = min(row, high - TALL) if tall else row
        for j in range(0, wide, size):
            across = max(min(j, wide - size), 0)
            here = Rows(band.array, band.start + i * band.pitch + across, band.pitch)
            to = Rows(out.array, out.start + i * out.pitch + across, out.pitch)
            if tall:
                _tall(here, own, to, count)
            else:
                _low(here, own, to, count)
        row += TALL if tall else 1


@cpu_core
def _interlace(sums: Rows, high: int, distance: int, gap: Pair, across: int, out: Rows, out_w: int) -> None:
    """Interlace the rows of ``across`` lattices, ``distance`` elements apart in ``sums``."""
    here, size = steps(1, 0, 0), lanes(out.array)
    for i in range(high):
        source, to = sums.start + i * sums.pitch, out.start + i * out.pitch
        if across == 2:
            for j in range(0, out_w, 2 * size):
                even = load(sums.array, steps(1, source + j // 2, 0), here)
                odd = load(sums.array, steps(1, distance + source + j // 2, 0), here)
                store_first(interleave(even, odd), out.array, steps(1, to + j, 0), steps(2, 0, size), out_w - j)
        else:
            for k in range(out_w):
                out.array[to + k] = sums.array[k % gap[1] * distance + source + k // gap[1]]


@cpu_kernel
def _slide(
    source: Array,
    w: Array,
    bias: Array,
    plan: tuple[Any, ...],
    stride: Pair,
    gap: Pair,
    out: Array,
) -> None:
    """Correlate by units: a band of a plane.

    Parameters
    ----------
    source : (N, C, height, width)
    w : filters, one for each of the C channels
    bias : (C,)
    plan : ``DepthwisePlan``
    stride : of the windows over the source
    gap : rows and columns between the outputs of a lattice
    out : (N, C, height, width)
    """
    x = Images(source.reshape(source.size), *source.shape)
    weights = w.reshape(w.size)
    tables = DepthwisePlan(*plan)
    y = Images(out.reshape(out.size), *out.shape)
    channels, size = x.channels, lanes(y.array)
    across = min(gap[1], y.width)
    for unit in prange(x.batch * channels * tables.bands[0]["row_bands"]):
        number = np.int64(unit)
        bands = tables.bands[0]  # a parallel loop cannot capture a record
        height = bands["band_rows"]
        sums_pitch = bands["cols"] + size  # it is read in whole vectors
        plane, row = number // bands["row_bands"], number % bands["row_bands"] * height
        channel, start = plane % channels, plane * y.height * y.width
        band = aligned(bands["plane"] + size, y.array)
        fill(
            x,
            ImageRegion(plane, 1, row * stride[0] + bands["tap_row"], bands["tap_col"]),
            stride,
            tables.phases,
            bands,
            band,
            0,
        )
        distance = height * sums_pitch
        sums = aligned(across * distance if across > 1 else 0, y.array)
        for k in range(tables.lattices.shape[0]):
            own = tables.lattices[k]
            high, wide = min(height, own["rows"] - row), own["cols"]
            runs = tables.runs[own["first_tap"] : own["end_tap"]]
            mine = ChannelFilter(weights, channel * (weights.size // channels), runs, bias, channel)
            target = Rows(y.array, start + (own["row"] + row * gap[0]) * y.width, gap[0] * y.width)
            if across == 1:
                _compute(Rows(band, 0, bands["pitch"]), mine, target, high, wide)
                continue
            _compute(Rows(band, 0, bands["pitch"]), mine, Rows(sums, own["col"] * distance, sums_pitch), high, wide)
            if own["col"] == across - 1:
                _interlace(Rows(sums, 0, sums_pitch), high, distance, gap, across, target, y.width)


def conv2d_depthwise_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Windows slide down planes of x. If weights are not finite, ``conv2d_cpu`` may compute the result again."""
    plan = forward_plan(x.shape, w.shape, y.shape, stride, padding, dilation, y.itemsize)
    _slide(x, w, b, tuple(plan), stride, (1, 1), y)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_depthwise_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Windows slide down planes of dy, for all lattices of dx; for weights that are not finite see above."""
    plan = backward_plan(x.shape, w.shape, stride, padding, dilation, dx.itemsize)
    _slide(dy, w, np.zeros(dx.shape[1], dx.dtype), tuple(plan), (1, 1), stride, dx)
    if may_have_multiplied_padding(w, dx):
        room = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *room)
