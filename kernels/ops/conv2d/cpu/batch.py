"""conv2d and its gradient for x with samples in the SIMD lanes: a vector is one pixel of as many images.

A unit of work is some rows of outputs of a block of samples. What they see is turned over, with its padding, to pixels of
neighbouring samples; the products, tiles of output channels by positions, are driven by tables of shifts, whatever stride,
padding and dilation; and what comes out is turned back. No lane is lost to short rows, and no result is written with gaps.
It pays where a tile's pixels, of all planes, stay in the first-level cache.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.bands import may_have_multiplied_padding
from kernels.ops.conv2d.cpu.batch_plan import BatchPlan, backward_plan, forward_plan
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.simd.product import Left, Out, Right, aligned, multiply, turn, turn_back
from kernels.simd.tile import lanes, steps, store, zeros

Array = NDArray[Any]

BAND_ROWS, ROW_BANDS, TOP, LEFT, SOURCE_ROWS, PITCH, PLANES = range(7)
ROW, COL, LATTICE_ROWS, LATTICE_COLS, FIRST_TAP, END_TAP = range(6)


@cpu_core
def _clear(band: Array, to: int, pixels: int) -> None:
    here, size = steps(1, 0, 0), lanes(band)
    for k in range(pixels):
        store(zeros(here, here, band), band, steps(1, to + k * size, 0), here)


@cpu_core
def _turn_rows(
    source: Array,
    start: int,
    sample: int,
    samples: int,
    height: int,
    width: int,
    row: int,
    col: int,
    rows: int,
    pitch: int,
    band: Array,
    place: int,
) -> None:
    """Turn over ``rows`` rows of a plane, from ``row`` and ``col`` on; what lies beside the image is zero.

    Lanes beyond the last sample repeat it. Squares that end behind a row of pixels are filled up with zeros, which the next
    rows are written over.
    """
    size = lanes(band)
    first, end = min(max(-col, 0), pitch), max(min(width - col, pitch), 0)
    for i in range(rows):
        to, line = place + i * pitch * size, row + i
        if line < 0 or line >= height or first >= end:
            _clear(band, to, pitch)
            continue
        _clear(band, to, first)
        at = start + line * width + col + first
        turn(source, at, sample, samples, end - first, band, to + first * size, size)
        _clear(band, to + end * size, pitch - end)


@cpu_core
def _list_positions(
    own: Array, high: int, stride: Pair, pitch: int, gap: Pair, out_w: int, size: int, source: Array, target: Array
) -> None:
    """List where the vectors of ``high`` rows of a lattice are read and written."""
    cols = own[LATTICE_COLS]
    for i in range(high):
        for j in range(cols):
            source[i * cols + j] = (i * stride[0] * pitch + j * stride[1]) * size
            target[i * cols + j] = ((i * gap[0] + own[ROW]) * out_w + j * gap[1] + own[COL]) * size


@cpu_kernel
def _correlate(
    source: Array,
    shape: tuple[int, int, int, int],
    left: Array,
    left_group: int,
    left_row: int,
    left_plane: int,
    bias: Array,
    stride: Pair,
    record: Array,
    lattices: Array,
    left_taps: Array,
    right_taps: Array,
    groups: int,
    gap: Pair,
    out: Array,
    out_shape: tuple[int, int, int, int],
) -> None:
    """A unit is a band of rows of one group's outputs, of a block of samples.

    Parameters
    ----------
    source : flat images of ``shape`` (N, groups*planes, height, width)
    left : flat filters; the tap at ``place`` of row r, plane c, group g is at
        g*left_group + r*left_row + c*left_plane + place
    bias : (groups*rows,)
    stride : of the windows over the source
    record, lattices, left_taps, right_taps : a BatchPlan
    gap : rows and columns between the outputs of a lattice
    out : flat, of ``out_shape`` (N, groups*rows, height, width)
    """
    size = lanes(out)
    planes, rows = shape[1] // groups, out_shape[1] // groups
    out_h, out_w = out_shape[2], out_shape[3]
    source_plane, out_plane = shape[2] * shape[3], out_h * out_w
    band_plane = record[SOURCE_ROWS] * record[PITCH] * size
    blocks = (shape[0] + size - 1) // size
    for unit in prange(blocks * groups * record[ROW_BANDS]):
        number = np.int64(unit)
        row = number % record[ROW_BANDS] * record[BAND_ROWS]
        number //= record[ROW_BANDS]
        group, first = number % groups, number // groups * size
        samples = min(size, shape[0] - first)

        band = aligned(planes * band_plane + size * size, out)  # the last square may end behind it
        for c in range(planes):
            _turn_rows(
                source,
                (first * shape[1] + group * planes + c) * source_plane,
                shape[1] * source_plane,
                samples,
                shape[2],
                shape[3],
                row * stride[0] + record[TOP],
                record[LEFT],
                record[SOURCE_ROWS],
                record[PITCH],
                band,
                c * band_plane,
            )
        out_row = row * gap[0]
        out_rows = min(record[BAND_ROWS] * gap[0], out_h - out_row)
        step = out_rows * out_w * size
        sums = aligned(rows * step + size * size, out)
        together = record[PLANES]
        left_rows, sums_rows = np.empty(rows, np.int64), np.empty(rows, np.int64)
        for r in range(rows):
            left_rows[r], sums_rows[r] = group * left_group + r * left_row, r * step
        for k in range(lattices.shape[0]):
            own = lattices[k]
            high = min(record[BAND_ROWS], own[LATTICE_ROWS] - row)
            positions = max(high, 0) * own[LATTICE_COLS]
            columns, sums_columns = np.empty(positions, np.int64), np.empty(positions, np.int64)
            _list_positions(own, high, stride, record[PITCH], gap, out_w, size, columns, sums_columns)
            taps = slice(own[FIRST_TAP], own[END_TAP])
            multiply(
                Left(left, left_rows, together * left_plane, left_taps[taps]),
                Right(band, columns, together * band_plane, right_taps[taps]),
                planes // together,
                Out(sums, sums_rows, sums_columns, size, bias, group * rows, False),
            )
        target = (first * out_shape[1] + group * rows) * out_plane + out_row * out_w
        for r in range(rows):
            turn_back(
                sums[r * step :],
                size,
                samples,
                out_rows * out_w,
                out,
                target + r * out_plane,
                out_shape[1] * out_plane,
            )


def conv2d_batch_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Windows over blocks of x. Where weights are not finite ``conv2d_cpu`` may compute anew."""
    plan = forward_plan(x.shape, w.shape, y.shape, stride, padding, dilation, groups, y.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    _run(plan, x, w, (w.shape[0] // groups * depth, depth, size), b, stride, groups, (1, 1), y)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_batch_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Windows over blocks of dy, lattice by lattice of dx; see above for weights that are not finite."""
    if dx.size == 0:
        return
    plan = backward_plan(x.shape, w.shape, stride, padding, dilation, groups, dx.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    zero = np.zeros(dx.shape[1], dx.dtype)
    _run(plan, dy, w, (w.shape[0] // groups * depth, size, depth), zero, (1, 1), groups, stride, dx)
    if may_have_multiplied_padding(w, dx):
        room = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *room)


def _run(
    plan: BatchPlan,
    source: Array,
    left: Array,
    left_steps: tuple[int, int, int],
    bias: Array,
    stride: Pair,
    groups: int,
    gap: Pair,
    out: Array,
) -> None:
    _correlate(
        source.reshape(-1),
        source.shape,
        left.reshape(-1),
        *left_steps,
        bias,
        stride,
        plan.record,
        plan.lattices,
        plan.left_taps,
        plan.right_taps,
        groups,
        gap,
        out.reshape(-1),
        out.shape,
    )
