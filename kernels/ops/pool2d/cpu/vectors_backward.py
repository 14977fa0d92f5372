"""The gradients of pooling on the CPU with one lane per window, as in ``vectors``: threads take whole planes.

The contribution of a tap is added to every column that it reads, or to every second one. Rows of dx are cleared just before
the first windows reach them, while they stay in the L1 cache.
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
from kernels.simd.tile import Offsets, Tile, add, lanes, load, load_first, scale, steps, steps_to, store, zeros
from kernels.simd.vector_math import (
    even,
    interleave,
    load_between,
    odd,
    shift,
    store_between,
    where_equal,
    where_replaces,
)

Array = NDArray[Any]


@cpu_core
def _itself(tile: Tile) -> Tile:
    return tile


@cpu_core
def _first(tile: Tile, _other: Tile) -> Tile:
    return tile


def _give_to_largest(stride: int, *, whole: bool = False) -> Callable[..., None]:
    first_tap, next_tap = (_itself, _itself) if stride == 1 else (even, odd)
    spread_out = _first if stride == 1 else interleave

    @cpu_core
    def give_to_largest(
        dy: Array, x: Array, out_rows: Offsets, rows: Offsets, block: Block, once: bool, dx: Array
    ) -> None:
        """Add every element of a block, dy[out_rows[i]:], to dx at the maximum of its window, from x[rows[i]] on.

        With ``once``, every element of dx belongs to one window and is written instead. With ``whole``, a vector of
        windows may read, and add zeros to, the columns between those of a tap.
        """
        taps, step, count, fold, fold_step, _ = block
        share = load(dy, out_rows, (0,)) if whole else load_first(dy, out_rows, (0,), fold * count)
        none = zeros(rows, (0,), x)
        nothing = zeros(rows, steps(stride, 0, lanes(x)), x)
        best = shift(none, -math.inf)
        where = none  # the index of the tap with the maximum so far
        for p in range(taps[0]):
            q = 0
            while q < taps[1]:
                pair = stride == 2 and step[1] == 1 and q + 1 < taps[1]
                size = stride * count if pair else stride * (count - 1) + 1
                start = p * step[0] + q * step[1]
                seen = nothing
                if whole:
                    seen = load(x, rows, steps(stride, start, lanes(x)))
                else:
                    for piece in range(fold):
                        first = piece * stride * count
                        columns = steps(stride, start + piece * fold_step - first, lanes(x))
                        seen = load_between(seen, x, rows, columns, first, first + size)
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
                start = p * step[0] + q * step[1]
                given = where_equal(where, p * taps[1] + q, share)
                beside = where_equal(where, p * taps[1] + q + 1, share) if pair else none
                both = spread_out(given, beside)
                if whole:
                    columns = steps(stride, start, lanes(x))
                    store(both if once else add(load(dx, rows, columns), both), dx, rows, columns)
                else:
                    for piece in range(fold):
                        first = piece * stride * count
                        columns = steps(stride, start + piece * fold_step - first, lanes(x))
                        total = (
                            both if once else add(load_between(nothing, dx, rows, columns, first, first + size), both)
                        )
                        store_between(total, dx, rows, columns, first, first + size)
                q += 2 if pair else 1

    return give_to_largest


def _give_to_all(stride: int, *, whole: bool = False) -> Callable[..., None]:
    spread_out = _first if stride == 1 else interleave

    @cpu_core
    def give_to_all(dy: Array, x: Array, out_rows: Offsets, rows: Offsets, block: Block, once: bool, dx: Array) -> None:
        """Add every element of a block, dy[out_rows[i]:], times the block's factor, to all of its window, as above."""
        taps, step, count, fold, fold_step, factor = block
        share = scale(load(dy, out_rows, (0,)) if whole else load_first(dy, out_rows, (0,), fold * count), factor)
        none = zeros(rows, (0,), dx)
        nothing = zeros(rows, steps(stride, 0, lanes(dx)), dx)
        q = 0
        while q < taps[1]:
            pair = stride == 2 and step[1] == 1 and q + 1 < taps[1]
            size = stride * count if pair else stride * (count - 1) + 1
            both = spread_out(share, share if pair else none)
            for p in range(taps[0]):
                start = p * step[0] + q * step[1]
                if whole:
                    columns = steps(stride, start, lanes(dx))
                    store(both if once else add(load(dx, rows, columns), both), dx, rows, columns)
                else:
                    for piece in range(fold):
                        first = piece * stride * count
                        columns = steps(stride, start + piece * fold_step - first, lanes(dx))
                        total = (
                            both if once else add(load_between(nothing, dx, rows, columns, first, first + size), both)
                        )
                        store_between(total, dx, rows, columns, first, first + size)
            q += 2 if pair else 1

    return give_to_all


def _pool_backward(give: Callable[..., Callable[..., None]], *, average: bool) -> Callable[..., None]:
    give_1, give_2, whole_2 = give(1), give(2), give(2, whole=True)

    @cpu_core
    def give_back(
        dy: Array,
        x: Array,
        at: int,
        down: Windows,
        across: Windows,
        fold: int,
        once: bool,
        padded: bool,
        dx: Array,
        to: int,
    ) -> None:
        """Compute a plane, dx[at:] from x[at:] and dy[to:]."""
        width, out_w = across.size, across.number
        one = dx.dtype.type(1)
        cleared, i = 0, 0
        while i < down.number:
            group, first_p, last_p, divisor_h = block_at(down, i, ROWS * fold, padded)
            side_by_side = min(fold, group)
            vectors = group // side_by_side
            group = vectors * side_by_side
            row = i * down.stride - down.before + first_p * down.dilation
            seen = row + (group - 1) * down.stride + (last_p - first_p - 1) * down.dilation + 1
            if cleared < seen and not once:
                dx[at + cleared * width : at + seen * width] = 0
                cleared = seen
            taps_h, step = last_p - first_p, (down.dilation * width, across.dilation)
            fold_step = down.stride * width
            row_step, out_step = side_by_side * fold_step, side_by_side * out_w
            j = 0
            while j < out_w:
                count, first_q, last_q, divisor_w = block_at(across, j, lanes(dx), padded)
                place = at + row * width + j * across.stride - across.before + first_q * across.dilation
                rows = steps_to(ROWS, place, row_step, place + (vectors - 1) * row_step)
                source = to + i * out_w + j
                sources = steps_to(ROWS, source, out_step, source + (vectors - 1) * out_step)
                taps = (taps_h, last_q - first_q)
                factor = one / dx.dtype.type(max(divisor_h * divisor_w, 1)) if average else one
                # a tap without a pair reads one column beyond the last window
                paired = across.dilation == 1 and taps[1] % 2 == 0
                block = Block(taps, step, count, side_by_side, fold_step, factor)
                if across.stride == 1:
                    give_1(dy, x, sources, rows, block, once, dx)
                elif count == lanes(dx) and (paired or j + count < across.inner_last):
                    whole_2(dy, x, sources, rows, block, once, dx)
                else:
                    give_2(dy, x, sources, rows, block, once, dx)
                j += count
            i += group
        if not once:
            dx[at + cleared * width : at + down.size * width] = 0

    @cpu_core
    def give_back_planes(dy: Array, x: Array, options: Pool, dx: Array, first: int, end: int) -> None:
        """Compute a range of the planes."""
        height, width = dx.shape[2:]
        out_h, out_w = dy.shape[2:]
        gradient, source, target = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
        kernel_size, stride, pad_h, pad_w, dilation, padded = options
        across = windows_along(out_w, kernel_size[1], stride[1], dilation[1], width, pad_w)
        down = windows_along(out_h, kernel_size[0], stride[0], dilation[0], height, pad_h)
        planes = 1
        if divides(down):  # all planes can be treated as one plane
            planes = end - first
            down = windows_along(planes * out_h, kernel_size[0], stride[0], dilation[0], planes * height, pad_h)
        fold = rows_in_vector(across, down, lanes(dx))
        once = divides(across) and divides(down) and kernel_size == stride
        for plane in range(first, end, planes):
            give_back(
                gradient,
                source,
                plane * height * width,
                down,
                across,
                fold,
                once,
                padded,
                target,
                plane * out_h * out_w,
            )

    return give_back_planes


_to_largest = _pool_backward(_give_to_largest, average=False)
_to_all = _pool_backward(_give_to_all, average=False)
_to_all_shared = _pool_backward(_give_to_all, average=True)


@cpu_kernel(small=SMALL)
def max_pool2d_backward_vectors_cpu(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx; a lane finds the position of its window's maximum again from x."""
    planes = dx.shape[0] * dx.shape[1]
    plane_bytes = dx.shape[2] * dx.shape[3] * dx.itemsize
    pad_h, pad_w = padding  # a parallel loop cannot capture a tuple of tuples
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        _to_largest(dy, x, Pool(kernel_size, stride, pad_h, pad_w, dilation, True), dx, first, end)


@cpu_kernel(small=SMALL)
def sum_pool2d_backward_vectors_cpu(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx; a lane adds its element of dy to all of its window."""
    planes = dx.shape[0] * dx.shape[1]
    plane_bytes = dx.shape[2] * dx.shape[3] * dx.itemsize
    pad_h, pad_w = padding
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        _to_all(dy, x, Pool(kernel_size, stride, pad_h, pad_w, dilation, True), dx, first, end)


@cpu_kernel(small=SMALL)
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
    """Compute dx; a lane adds its element of dy, times the reciprocal of its number of taps, to all of its window."""
    planes = dx.shape[0] * dx.shape[1]
    plane_bytes = dx.shape[2] * dx.shape[3] * dx.itemsize
    pad_h, pad_w = padding
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        _to_all_shared(dy, x, Pool(kernel_size, stride, pad_h, pad_w, dilation, count_include_pad), dx, first, end)
