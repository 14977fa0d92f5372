"""conv2d and its gradient for x with samples in the SIMD lanes: a vector is one pixel of several images.

A unit of work is some rows of outputs of a block of samples. Their input is transposed, with its padding, to pixels of
neighbouring samples. Tables of shifts drive the products, tiles of output channels by positions, whatever the stride,
padding and dilation. The result is transposed back. No lane is lost to short rows, and no result is written with gaps.
It pays if a tile's pixels, of all planes, stay in the first-level cache.
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
from kernels.ops.conv2d.cpu.operands import Filters, Images
from kernels.simd.product import Left, Out, Right, aligned, multiply, turn, turn_back
from kernels.simd.tile import lanes, steps, store, zeros

Array = NDArray[Any]


@cpu_core
def _clear(band: Array, to: int, pixels: int) -> None:
    here, size = steps(1, 0, 0), lanes(band)
    for k in range(pixels):
        store(zeros(here, here, band), band, steps(1, to + k * size, 0), here)


@cpu_core
def _turn_rows(
    source: Images, sample: int, samples: int, plane: int, row: int, bands: Any, band: Array, place: int
) -> None:
    """Transpose a band's part of one plane of some samples, from image row ``row`` on; outside the image is zero.

    Lanes beyond the last sample repeat it. Squares that end past a row of pixels are filled up with zeros, which the next
    rows overwrite.
    """
    size, col, pitch = lanes(band), bands["tap_col"], bands["pitch"]
    start, step = (sample * source.channels + plane) * source.height, source.channels * source.height * source.width
    first, end = min(max(-col, 0), pitch), max(min(source.width - col, pitch), 0)
    for i in range(bands["phase_rows"]):
        to, line = place + i * pitch * size, row + i
        if line < 0 or line >= source.height:
            _clear(band, to, pitch)
            continue
        _clear(band, to, first)
        at = (start + line) * source.width + col + first
        turn(source.array, at, step, samples, end - first, band, to + first * size, size)
        _clear(band, to + end * size, pitch - end)


@cpu_core
def _list_positions(
    own: Any, high: int, stride: Pair, pitch: int, gap: Pair, out_w: int, size: int, source: Array, target: Array
) -> None:
    """List the positions at which the vectors of ``high`` rows of a lattice are read and written."""
    cols = own["cols"]
    for i in range(high):
        for j in range(cols):
            source[i * cols + j] = (i * stride[0] * pitch + j * stride[1]) * size
            target[i * cols + j] = ((i * gap[0] + own["row"]) * out_w + j * gap[1] + own["col"]) * size


@cpu_kernel
def _correlate(
    source: Array,
    w: Array,
    w_steps: tuple[int, int, int],
    bias: Array,
    plan: tuple[Any, ...],
    stride: Pair,
    groups: int,
    gap: Pair,
    out: Array,
) -> None:
    """Correlate by units: a band of rows of one group's outputs, for a block of samples.

    Parameters
    ----------
    source : (N, groups*planes, height, width)
    w, w_steps, bias : of ``Filters``; w has any shape
    plan : ``BatchPlan``
    stride : of the windows over the source
    groups : the source and the output have groups of channels
    gap : rows and columns between the outputs of a lattice
    out : (N, groups*rows, height, width)
    """
    x = Images(source.reshape(source.size), *source.shape)
    bank = Filters(w.reshape(w.size), *w_steps, bias)
    tables = BatchPlan(*plan)
    y = Images(out.reshape(out.size), *out.shape)
    size = lanes(y.array)
    planes, rows = x.channels // groups, y.channels // groups
    out_plane = y.height * y.width
    blocks = (x.batch + size - 1) // size
    for unit in prange(blocks * groups * tables.bands[0]["row_bands"]):
        number = np.int64(unit)
        bands = tables.bands[0]  # a parallel loop cannot capture a record
        pitch, together = bands["pitch"], bands["planes"]
        band_plane = bands["phase_rows"] * pitch * size
        row = number % bands["row_bands"] * bands["band_rows"]
        number //= bands["row_bands"]
        group, first = number % groups, number // groups * size
        samples = min(size, x.batch - first)

        band = aligned(planes * band_plane + size * size, y.array)  # the last square may extend past it
        for c in range(planes):
            seen = row * stride[0] + bands["tap_row"]
            _turn_rows(x, first, samples, group * planes + c, seen, bands, band, c * band_plane)
        out_row = row * gap[0]
        out_rows = min(bands["band_rows"] * gap[0], y.height - out_row)
        step = out_rows * y.width * size
        sums = aligned(rows * step, y.array)
        filter_rows, sums_rows = np.empty(rows, np.int64), np.empty(rows, np.int64)
        for r in range(rows):
            filter_rows[r], sums_rows[r] = group * bank.group + r * bank.row, r * step
        for k in range(tables.lattices.shape[0]):
            own = tables.lattices[k]
            high = min(bands["band_rows"], own["rows"] - row)
            positions = high * own["cols"]
            columns, sums_columns = np.empty(positions, np.int64), np.empty(positions, np.int64)
            _list_positions(own, high, stride, pitch, gap, y.width, size, columns, sums_columns)
            taps = slice(own["first_tap"], own["end_tap"])
            multiply(
                Left(bank.array, filter_rows, together * bank.plane, tables.filter_taps[taps]),
                Right(band, columns, together * band_plane, tables.band_taps[taps]),
                planes // together,
                Out(sums, sums_rows, sums_columns, size, bank.bias, group * rows, False),
            )
        target = (first * y.channels + group * rows) * out_plane + out_row * y.width
        for r in range(rows):
            turn_back(
                sums[r * step :],
                size,
                samples,
                out_rows * y.width,
                y.array,
                target + r * out_plane,
                y.channels * out_plane,
            )


def conv2d_batch_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Windows over blocks of x. If weights are not finite, ``conv2d_cpu`` may compute the result again."""
    plan = forward_plan(x.shape, w.shape, y.shape, stride, padding, dilation, groups, y.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    w_steps = w.shape[0] // groups * depth, depth, size
    _correlate(x, w, w_steps, b, tuple(plan), stride, groups, (1, 1), y)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_batch_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Windows over blocks of dy, lattice by lattice of dx; for weights that are not finite see above."""
    plan = backward_plan(x.shape, w.shape, stride, padding, dilation, groups, dx.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    zero = np.zeros(dx.shape[1], dx.dtype)
    w_steps = w.shape[0] // groups * depth, size, depth
    _correlate(dy, w, w_steps, zero, tuple(plan), (1, 1), groups, stride, dx)
    if may_have_multiplied_padding(w, dx):
        room = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *room)
