"""conv2d and its gradient for x where every channel has a filter of its own: windows slide down each plane by itself.

A plane is copied with its padding, as for ``kernels.ops.conv2d.cpu.bands``. A tile is some neighbouring rows of outputs, a
vector wide. Taps that lie below each other in a filter see rows of which all but one or two are the same: those are loaded
once, and stay in registers for up to three taps. The last tile of a row or a column lies over the one before it.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.bands import may_have_multiplied_padding
from kernels.ops.conv2d.cpu.depthwise_plan import TALL, DepthwisePlan, backward_plan, forward_plan
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.geometry import FIELDS
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.simd.product import aligned
from kernels.simd.tile import lanes, load, slide, spread, steps, store_each, store_first
from kernels.simd.vector_math import interleave

Array = NDArray[Any]

BAND_ROWS, ROW_BANDS, TOP, LEFT, PITCH, PLANE, COLS = (
    FIELDS.index(name) for name in ("band_rows", "row_bands", "top", "left", "pitch", "plane", "cols")
)
ROW, COL, LATTICE_ROWS, LATTICE_COLS, FIRST_RUN, END_RUN = range(6)


def _micro(rows: int) -> Any:
    """Make the sums of ``rows`` rows of outputs, ``count`` columns of at most a vector's."""
    one_more, two_more = rows + 1, rows + 2

    @cpu_core
    def micro(
        band: Array,
        place: int,
        pitch: int,
        w: Array,
        filter_start: int,
        runs: Array,
        bias: Array,
        channel: int,
        out: Array,
        target: int,
        out_pitch: int,
        count: int,
    ) -> None:
        here = steps(1, 0, 0)
        sums = spread(bias, steps(rows, channel, 0), here)
        for run in range(runs.shape[0]):
            first, weight, step, taps = place + runs[run, 0], filter_start + runs[run, 1], runs[run, 2], runs[run, 3]
            if taps == 3:
                window = load(band, steps(two_more, first, pitch), here)
                sums = slide(sums, w, weight, window, 0)
                sums = slide(sums, w, weight + step, window, 1)
                sums = slide(sums, w, weight + 2 * step, window, 2)
            elif taps == 2:
                pair = load(band, steps(one_more, first, pitch), here)
                sums = slide(sums, w, weight, pair, 0)
                sums = slide(sums, w, weight + step, pair, 1)
            else:
                sums = slide(sums, w, weight, load(band, steps(rows, first, pitch), here), 0)
        store_each(sums, out, steps(rows, target, out_pitch), here, count)

    return micro


_tall, _low = _micro(TALL), _micro(1)


@cpu_core
def _compute(
    band: Array,
    pitch: int,
    high: int,
    wide: int,
    w: Array,
    filter_start: int,
    runs: Array,
    bias: Array,
    channel: int,
    out: Array,
    target: int,
    out_pitch: int,
) -> None:
    """Compute ``high`` rows of ``wide`` outputs, ``out_pitch`` apart from ``target`` on."""
    size = lanes(out)
    count = min(wide, size)
    row = 0
    while row < high:  # row by row, as memory is best written
        tall = high >= TALL
        i = min(row, high - TALL) if tall else row
        for j in range(0, wide, size):
            across = max(min(j, wide - size), 0)
            place, to = i * pitch + across, target + i * out_pitch + across
            if tall:
                _tall(band, place, pitch, w, filter_start, runs, bias, channel, out, to, out_pitch, count)
            else:
                _low(band, place, pitch, w, filter_start, runs, bias, channel, out, to, out_pitch, count)
        row += TALL if tall else 1


@cpu_core
def _interlace(
    sums: Array, high: int, distance: int, pitch: int, gap: Pair, across: int, out: Array, target: int, out_w: int
) -> None:
    """Put the rows of ``across`` lattices, ``distance`` elements apart in ``sums``, into one another."""
    here, size = steps(1, 0, 0), lanes(out)
    for i in range(high):
        source, to = i * pitch, target + i * gap[0] * out_w
        if across == 2:
            for j in range(0, out_w, 2 * size):
                even = load(sums, steps(1, source + j // 2, 0), here)
                odd = load(sums, steps(1, distance + source + j // 2, 0), here)
                store_first(interleave(even, odd), out, steps(1, to + j, 0), steps(2, 0, size), out_w - j)
        else:
            for k in range(out_w):
                out[to + k] = sums[k % gap[1] * distance + source + k // gap[1]]


@cpu_kernel
def _slide(
    source: Array,
    shape: tuple[int, int, int, int],
    w: Array,
    bias: Array,
    stride: Pair,
    record: Array,
    lattices: Array,
    runs: Array,
    phases: Array,
    gap: Pair,
    out: Array,
    out_shape: tuple[int, int, int, int],
) -> None:
    """A unit is a band of a plane.

    Parameters
    ----------
    source : flat images of ``shape`` (N, C, height, width)
    w : flat filters, one for each of the C channels
    bias : (C,)
    stride : of the windows over the source
    record, lattices, runs, phases : a DepthwisePlan
    gap : rows and columns between the outputs of a lattice
    out : flat, of ``out_shape`` (N, C, height, width)
    """
    channels, size = shape[1], lanes(out)
    height, pitch, out_w = record[BAND_ROWS], record[PITCH], out_shape[3]
    across = min(gap[1], out_w)
    sums_pitch = record[COLS] + size  # whole vectors are read from it
    for unit in prange(shape[0] * channels * record[ROW_BANDS]):
        number = np.int64(unit)
        plane, row = number // record[ROW_BANDS], number % record[ROW_BANDS] * height
        channel, start = plane % channels, plane * out_shape[2] * out_w
        filter_start = channel * (w.size // channels)
        band = aligned(record[PLANE], out)
        fill(
            source,
            plane * shape[2] * shape[3],
            1,
            shape[2],
            shape[3],
            row * stride[0] + record[TOP],
            record[LEFT],
            stride,
            phases,
            record,
            band,
            0,
        )
        distance = height * sums_pitch
        sums = aligned(across * distance if across > 1 else 0, out)
        for k in range(lattices.shape[0]):
            own = lattices[k]
            high = min(height, own[LATTICE_ROWS] - row)
            taps = runs[own[FIRST_RUN] : own[END_RUN]]
            target = start + (own[ROW] + row * gap[0]) * out_w
            wide = own[LATTICE_COLS]
            if across == 1:
                to, between = target, gap[0] * out_w
                _compute(band, pitch, high, wide, w, filter_start, taps, bias, channel, out, to, between)
                continue
            to = own[COL] * distance
            _compute(band, pitch, high, wide, w, filter_start, taps, bias, channel, sums, to, sums_pitch)
            if own[COL] == across - 1:
                _interlace(sums, high, distance, sums_pitch, gap, across, out, target, out_w)


def conv2d_depthwise_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Windows slide down planes of x. Where weights are not finite ``conv2d_cpu`` may compute anew."""
    plan = forward_plan(x.shape, w.shape, y.shape, stride, padding, dilation, y.itemsize)
    _run(plan, x, w, b, stride, (1, 1), y)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_depthwise_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Windows slide down planes of dy, for all lattices of dx; see above for weights that are not finite."""
    if dx.size == 0:
        return
    plan = backward_plan(x.shape, w.shape, stride, padding, dilation, dx.itemsize)
    _run(plan, dy, w, np.zeros(dx.shape[1], dx.dtype), (1, 1), stride, dx)
    if may_have_multiplied_padding(w, dx):
        room = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *room)


def _run(plan: DepthwisePlan, source: Array, w: Array, bias: Array, stride: Pair, gap: Pair, out: Array) -> None:
    _slide(
        source.reshape(-1),
        source.shape,
        w.reshape(-1),
        bias,
        stride,
        plan.record,
        plan.lattices,
        plan.runs,
        plan.phases,
        gap,
        out.reshape(-1),
        out.shape,
    )
