"""The gradients of pooling on the CPU with a lane per window, as in ``vectors``: threads take whole planes.

What a tap gives back is added to every column, or every second one, that it saw. Rows of dx are cleared just before the
first windows reach them, while they stay in the first cache.
"""

import math
from collections.abc import Callable
from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.jit import cpu_inline, cpu_kernel
from kernels.ops.pool2d.cpu.blocks import ROWS, Windows, block_at, windows_along
from kernels.partition import items_per_unit
from kernels.shapes import Padding, Pair
from kernels.tile import Offsets, Tile, add, lanes, load_first, scale, steps, steps_to, store_first, zeros
from kernels.vector_math import even, interleave, odd, shift, where_equal, where_replaces

Array = NDArray[Any]


@cpu_inline
def _itself(tile: Tile) -> Tile:
    return tile


@cpu_inline
def _first(tile: Tile, _other: Tile) -> Tile:
    return tile


def _give_to_largest(stride: int) -> Callable[..., None]:
    first_tap, next_tap = (_itself, _itself) if stride == 1 else (even, odd)
    spread_out = _first if stride == 1 else interleave

    @cpu_inline
    def give_to_largest(
        dy: Array, x: Array, out_rows: Offsets, rows: Offsets, taps: Pair, step: Pair, count: int, dx: Array, factor: Any
    ) -> None:
        """Add ``count`` elements of every row dy[out_rows[i]:] where their windows of x, from x[rows[i]] on, are largest."""
        vectors = steps(stride, 0, lanes(x))
        share = load_first(dy, out_rows, (0,), count)
        none = zeros(rows, (0,), x)
        best = shift(none, -math.inf)
        where = none  # the number of the tap that holds the best so far
        for p in range(taps[0]):
            q = 0
            while q < taps[1]:
                pair = stride == 2 and step[1] == 1 and q + 1 < taps[1]
                size = stride * count if pair else stride * (count - 1) + 1
                columns = steps(stride, p * step[0] + q * step[1], lanes(x))
                seen = load_first(x, rows, columns, size)
                value = first_tap(seen)
                where = where_replaces(value, best, shift(none, p * taps[1] + q), where)
                best = where_replaces(value, best, value, best)
                if pair:
                    value = next_tap(seen)
                    where = where_replaces(value, best, shift(none, p * taps[1] + q + 1), where)
                    best = where_replaces(value, best, value, best)
                q += 2 if pair else 1
        for p in range(taps[0]):
            q = 0
            while q < taps[1]:
                pair = stride == 2 and step[1] == 1 and q + 1 < taps[1]
                size = stride * count if pair else stride * (count - 1) + 1
                columns = steps(stride, p * step[0] + q * step[1], lanes(x))
                given = where_equal(where, p * taps[1] + q, share)
                beside = where_equal(where, p * taps[1] + q + 1, share) if pair else none
                total = add(load_first(dx, rows, columns, size), spread_out(given, beside))
                store_first(total, dx, rows, columns, size)
                q += 2 if pair else 1

    return give_to_largest


def _give_to_all(stride: int) -> Callable[..., None]:
    spread_out = _first if stride == 1 else interleave

    @cpu_inline
    def give_to_all(
        dy: Array, x: Array, out_rows: Offsets, rows: Offsets, taps: Pair, step: Pair, count: int, dx: Array, factor: Any
    ) -> None:
        """Add ``count`` elements of every row dy[out_rows[i]:], times ``factor``, over their windows, from dx[rows[i]] on."""
        vectors = steps(stride, 0, lanes(dx))
        share = scale(load_first(dy, out_rows, (0,), count), factor)
        none = zeros(rows, (0,), dx)
        q = 0
        while q < taps[1]:
            pair = stride == 2 and step[1] == 1 and q + 1 < taps[1]
            size = stride * count if pair else stride * (count - 1) + 1
            given = spread_out(share, share if pair else none)
            for p in range(taps[0]):
                columns = steps(stride, p * step[0] + q * step[1], lanes(dx))
                store_first(add(load_first(dx, rows, columns, size), given), dx, rows, columns, size)
            q += 2 if pair else 1

    return give_to_all


def _pool_backward(give: Callable[[int], Callable[..., None]], *, average: bool) -> Callable[..., None]:
    give_1, give_2 = give(1), give(2)

    @cpu_inline
    def give_back(
        dy: Array,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        pad_h: Pair,
        pad_w: Pair,
        dilation: Pair,
        padded: bool,
        dx: Array,
        plane: int,
    ) -> None:
        """Compute dx of one plane."""
        height, width = dx.shape[2:]
        out_h, out_w = dy.shape[2:]
        gradient, source, target = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
        across = windows_along(out_w, kernel_size[1], stride[1], dilation[1], width, pad_w)
        down = windows_along(out_h, kernel_size[0], stride[0], dilation[0], height, pad_h)
        step = (dilation[0] * width, dilation[1])
        start = plane * height * width
        one = dx.dtype.type(1)
        cleared, i = 0, 0
        while i < out_h:
            group, first_p, last_p, divisor_h = block_at(down, i, ROWS, padded)
            last_row = group - 1
            row = i * stride[0] - pad_h[0] + first_p * dilation[0]
            seen = min(height, row + last_row * stride[0] + (last_p - first_p - 1) * dilation[0] + 1)
            if cleared < seen:
                target[start + cleared * width : start + seen * width] = 0
                cleared = seen
            j = 0
            while j < out_w:
                count, first_q, last_q, divisor_w = block_at(across, j, lanes(dx), padded)
                place = start + row * width + j * stride[1] - pad_w[0] + first_q * dilation[1]
                rows = steps_to(ROWS, place, stride[0] * width, place + last_row * stride[0] * width)
                out_place = (plane * out_h + i) * out_w + j
                out_rows = steps_to(ROWS, out_place, out_w, out_place + last_row * out_w)
                taps = (last_p - first_p, last_q - first_q)
                factor = one / dx.dtype.type(max(divisor_h * divisor_w, 1)) if average else one
                if stride[1] == 1:
                    give_1(gradient, source, out_rows, rows, taps, step, count, target, factor)
                else:
                    give_2(gradient, source, out_rows, rows, taps, step, count, target, factor)
                j += count
            i += group
        target[start + cleared * width : start + height * width] = 0

    return give_back


_to_largest = _pool_backward(_give_to_largest, average=False)
_to_all = _pool_backward(_give_to_all, average=False)
_to_all_shared = _pool_backward(_give_to_all, average=True)


@cpu_kernel
def max_pool2d_backward_vectors_cpu(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """A lane finds the place of its window's maximum again from x."""
    planes = dx.shape[0] * dx.shape[1]
    block = items_per_unit(dx.shape[2] * dx.shape[3] * dx.itemsize)
    pad_h, pad_w = padding  # a parallel loop cannot capture a tuple of tuples
    for unit in prange((planes + block - 1) // block):
        for plane in range(unit * block, min((unit + 1) * block, planes)):
            _to_largest(dy, x, kernel_size, stride, pad_h, pad_w, dilation, True, dx, plane)


@cpu_kernel
def sum_pool2d_backward_vectors_cpu(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """A lane gives its element of dy to all of its window."""
    planes = dx.shape[0] * dx.shape[1]
    block = items_per_unit(dx.shape[2] * dx.shape[3] * dx.itemsize)
    pad_h, pad_w = padding
    for unit in prange((planes + block - 1) // block):
        for plane in range(unit * block, min((unit + 1) * block, planes)):
            _to_all(dy, x, kernel_size, stride, pad_h, pad_w, dilation, True, dx, plane)


@cpu_kernel
def avg_pool2d_backward_vectors_cpu(
    dy: Array,
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    dx: Array,
) -> None:
    """A lane gives its element of dy, times the reciprocal of its taps, to all of its window."""
    planes = dx.shape[0] * dx.shape[1]
    block = items_per_unit(dx.shape[2] * dx.shape[3] * dx.itemsize)
    pad_h, pad_w = padding
    for unit in prange((planes + block - 1) // block):
        for plane in range(unit * block, min((unit + 1) * block, planes)):
            _to_all_shared(dy, x, kernel_size, stride, pad_h, pad_w, dilation, count_include_pad, dx, plane)
