"""Pooling on the CPU with one lane per window, for column strides 1 and 2: threads take blocks of output rows.

Lanes run along an output row. With stride 2, one tap reads the even lanes of two neighbouring vectors, and the next tap the
odd lanes if taps are one column apart. Before that, the rows of the window are combined, as whole vectors.
"""

import math
from collections.abc import Callable
from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.compile.partition import unit_count, unit_range
from kernels.declare.shapes import Padding, Pair
from kernels.ops.pool2d.cpu.blocks import (
    ROWS,
    SMALL,
    Block,
    Pool,
    Windows,
    block_at,
    divides,
    rows_in_vector,
    windows_along,
)
from kernels.simd.tile import (
    Offsets,
    Tile,
    add,
    lanes,
    load,
    load_first,
    scale,
    steps,
    steps_to,
    store,
    store_first,
    zeros,
)
from kernels.simd.vector_math import even, larger, load_between, odd, shift

Array = NDArray[Any]


@cpu_core
def _itself(tile: Tile) -> Tile:
    return tile


def _combine_taps(combine: Callable[..., Tile], start: float, stride: int, *, whole: bool) -> Callable[..., None]:
    first_tap, next_tap = (_itself, _itself) if stride == 1 else (even, odd)

    @cpu_core
    def combine_taps(x: Array, rows: Offsets, block: Block, y: Array, out_rows: Offsets) -> None:
        """Compute a block, y[out_rows[i]:]; the first tap of the first window of a row is x[rows[i]]."""
        taps, step, count, fold, fold_step, factor = block
        vectors = steps(stride, 0, lanes(x))
        result = shift(zeros(rows, (0,), x), start)
        q = 0
        while q < taps[1] and taps[0] > 0:
            pair = stride == 2 and step[1] == 1 and q + 1 < taps[1]
            size = stride * count if pair else stride * (count - 1) + 1
            seen = zeros(rows, vectors, x)
            for p in range(taps[0]):
                tap = p * step[0] + q * step[1]
                columns = steps(stride, tap, lanes(x))
                if whole:
                    each = load(x, rows, columns)
                else:
                    each = load_first(x, rows, columns, size)
                    for piece in range(1, fold):
                        first = piece * stride * count
                        columns = steps(stride, tap + piece * fold_step - first, lanes(x))
                        each = load_between(each, x, rows, columns, first, first + size)
                seen = combine(seen, each) if p > 0 else each
            result = combine(result, first_tap(seen))
            if pair:
                result = combine(result, next_tap(seen))
            q += 2 if pair else 1
        result = scale(result, factor)
        if whole:
            store(result, y, out_rows, (0,))
        else:
            store_first(result, y, out_rows, (0,), fold * count)

    return combine_taps


def _pool_rows(combine: Callable[..., Tile], start: float, *, average: bool) -> Callable[..., None]:
    whole_1 = _combine_taps(combine, start, 1, whole=True)
    whole_2 = _combine_taps(combine, start, 2, whole=True)
    part_1 = _combine_taps(combine, start, 1, whole=False)
    part_2 = _combine_taps(combine, start, 2, whole=False)

    @cpu_core
    def pool_rows(
        x: Array, at: int, down: Windows, i: int, across: Windows, fold: int, padded: bool, y: Array, to: int, most: int
    ) -> int:
        """Compute at most ``most`` output rows from the i-th on, and return their number.

        The plane of x begins at x[at], that of y at y[to].
        """
        width, out_w = across.size, across.number
        one = x.dtype.type(1)
        group, first_p, last_p, divisor_h = block_at(down, i, min(ROWS * fold, most), padded)
        fold = min(fold, group)
        last_row = group // fold - 1
        fold_step = down.stride * width
        row_step, out_step = fold * fold_step, fold * out_w
        start_h = at + (i * down.stride - down.before + first_p * down.dilation) * width
        step = (down.dilation * width, across.dilation)
        j = 0
        while j < out_w:
            count, first_q, last_q, divisor_w = block_at(across, j, lanes(x), padded)
            place = start_h + j * across.stride - across.before + first_q * across.dilation
            rows = steps_to(ROWS, place, row_step, place + last_row * row_step)
            target = to + i * out_w + j
            out_rows = steps_to(ROWS, target, out_step, target + last_row * out_step)
            taps = (last_p - first_p, last_q - first_q)
            factor = one / x.dtype.type(divisor_h * divisor_w) if average else one
            # at stride 2, a tap without a pair reads one column beyond the last of its windows
            paired = across.dilation == 1 and taps[1] % 2 == 0
            block = Block(taps, step, count, fold, fold_step, factor)
            if count == lanes(x) and (paired or j + count < across.inner_last):
                if across.stride == 1:
                    whole_1(x, rows, block, y, out_rows)
                else:
                    whole_2(x, rows, block, y, out_rows)
            elif across.stride == 1:
                part_1(x, rows, block, y, out_rows)
            else:
                part_2(x, rows, block, y, out_rows)
            j += count
        return (last_row + 1) * fold

    @cpu_core
    def pool(x: Array, options: Pool, y: Array, first_row: int, end_row: int) -> None:
        """Compute a range of the output rows of all planes."""
        height, width = x.shape[2:]
        out_h, out_w = y.shape[2:]
        source, target = x.reshape(x.size), y.reshape(y.size)
        kernel_size, stride, pad_h, pad_w, dilation, padded = options
        across = windows_along(out_w, kernel_size[1], stride[1], dilation[1], width, pad_w)
        down = windows_along(out_h, kernel_size[0], stride[0], dilation[0], height, pad_h)
        if divides(down):  # all planes can be treated as one plane
            planes = x.shape[0] * x.shape[1]
            height, out_h = planes * height, planes * out_h
            down = windows_along(out_h, kernel_size[0], stride[0], dilation[0], height, pad_h)
        fold = rows_in_vector(across, down, lanes(x))
        plane, i, row = first_row // out_h, first_row % out_h, first_row
        while row < end_row:
            most = end_row - row
            done = pool_rows(
                source, plane * height * width, down, i, across, fold, padded, target, plane * out_h * out_w, most
            )
            row += done
            i += done
            if i == out_h:
                plane, i = plane + 1, 0

    return pool


_largest = _pool_rows(larger, -math.inf, average=False)
_sum = _pool_rows(add, 0.0, average=False)
_mean = _pool_rows(add, 0.0, average=True)


@cpu_kernel(small=SMALL)
def max_pool2d_vectors_cpu(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y; a lane takes the maximum over a window."""
    rows = y.shape[0] * y.shape[1] * y.shape[2]
    row_bytes = stride[0] * x.shape[3] * x.itemsize
    pad_h, pad_w = padding  # a parallel loop cannot capture a tuple of tuples
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        _largest(x, Pool(kernel_size, stride, pad_h, pad_w, dilation, True), y, first, end)


@cpu_kernel(small=SMALL)
def sum_pool2d_vectors_cpu(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y; a lane adds up a window, column by column."""
    rows = y.shape[0] * y.shape[1] * y.shape[2]
    row_bytes = stride[0] * x.shape[3] * x.itemsize
    pad_h, pad_w = padding
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        _sum(x, Pool(kernel_size, stride, pad_h, pad_w, dilation, True), y, first, end)


@cpu_kernel(small=SMALL)
def avg_pool2d_vectors_cpu(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    y: Array,
) -> None:
    """Compute y; a lane adds up a window, column by column, and multiplies by the reciprocal of its number of taps."""
    rows = y.shape[0] * y.shape[1] * y.shape[2]
    row_bytes = stride[0] * x.shape[3] * x.itemsize
    pad_h, pad_w = padding
    for unit in prange(unit_count(rows, row_bytes)):
        first, end = unit_range(unit, rows, row_bytes)
        _mean(x, Pool(kernel_size, stride, pad_h, pad_w, dilation, count_include_pad), y, first, end)
