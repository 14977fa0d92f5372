"""Pooling on CUDA: one thread per element of the result, per window, or for two of 2 x 2; gradients without atomics."""

import math
from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.indexing import valid_range, window_at
from kernels.compile.jit import cuda_kernel, launch
from kernels.declare.shapes import Padding, Pair
from kernels.ops.pool2d.scalars import averaged_taps, replaces
from kernels.simt.operands import is_aligned
from kernels.simt.tile import load, part, put, spread, store

Array = NDArray[Any]

FOUR = 4
"""Pixels of a row that two windows of 2 x 2 cover."""


@cuda_kernel
def _max(x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, y: Array) -> None:
    channels, height, width = x.shape[1], x.shape[2], x.shape[3]
    out_h, out_w = y.shape[2], y.shape[3]
    for index in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        j = index % out_w
        i = index // out_w % out_h
        c = index // (out_w * out_h) % channels
        n = index // (out_w * out_h * channels)
        top = i * stride[0] - padding[0][0]
        left = j * stride[1] - padding[1][0]
        first_p, last_p = valid_range(top, dilation[0], kernel_size[0], height)
        first_q, last_q = valid_range(left, dilation[1], kernel_size[1], width)
        best = x.dtype.type(-math.inf)
        for p in range(first_p, last_p):
            for q in range(first_q, last_q):
                value = x[n, c, top + p * dilation[0], left + q * dilation[1]]
                if replaces(value, best):
                    best = value
        y[n, c, i, j] = best


@cuda_kernel
def _max_of_pairs(x: Array, width: int, y: Array) -> None:
    fours, index = uint64(width // FOUR), uint64(cuda.grid(1))
    while index < uint64(y.size // 2):
        start = index * uint64(FOUR) + index // fours * uint64(width)
        upper, lower = load(x, start, FOUR), load(x, start + uint64(width), FOUR)
        found = spread(2, x.dtype.type(-math.inf))
        for window in range(2):
            for value in part(upper, 2 * window, 2) + part(lower, 2 * window, 2):
                if replaces(value, part(found, window, 1)[0]):
                    found = put(found, window, value)
        store(y, uint64(2) * index, found)
        index += uint64(cuda.gridsize(1))


@cuda_kernel
def _max_backward(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, dx: Array
) -> None:
    channels, height, width = x.shape[1], x.shape[2], x.shape[3]
    out_h, out_w = dy.shape[2], dy.shape[3]
    for index in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        col = index % width
        row = index // width % height
        c = index // (width * height) % channels
        n = index // (width * height * channels)
        total = dx.dtype.type(0)
        for p in range(kernel_size[0] - 1, -1, -1):  # last tap first: visits windows in row-major order
            i = window_at(row + padding[0][0] - p * dilation[0], stride[0], out_h)
            if i < 0:
                continue
            top = i * stride[0] - padding[0][0]
            first_p, last_p = valid_range(top, dilation[0], kernel_size[0], height)
            for q in range(kernel_size[1] - 1, -1, -1):
                j = window_at(col + padding[1][0] - q * dilation[1], stride[1], out_w)
                if j < 0:
                    continue
                left = j * stride[1] - padding[1][0]
                first_q, last_q = valid_range(left, dilation[1], kernel_size[1], width)
                best_row = top + first_p * dilation[0]
                best_col = left + first_q * dilation[1]
                for other_p in range(first_p, last_p):
                    other_row = top + other_p * dilation[0]
                    for other_q in range(first_q, last_q):
                        other_col = left + other_q * dilation[1]
                        if replaces(x[n, c, other_row, other_col], x[n, c, best_row, best_col]):
                            best_row = other_row
                            best_col = other_col
                if best_row == row and best_col == col:
                    total += dy[n, c, i, j]
        dx[n, c, row, col] = total


@cuda_kernel
def _max_backward_apart(dy: Array, x: Array, kernel_h: int, kernel_w: int, out_w: int, dx: Array) -> None:
    taps_h, taps_w = uint64(kernel_h), uint64(kernel_w)
    across, zero = uint64(out_w), dx.dtype.type(0)
    width, index = across * taps_w, uint64(cuda.grid(1))
    while index < uint64(dy.size):
        row_of_windows = index // across
        start = row_of_windows * taps_h * width + (index - row_of_windows * across) * taps_w
        best, row, p = start, start, uint64(0)
        while p < taps_h:
            for place in range(row, row + taps_w):
                if replaces(x[place], x[best]):
                    best = place
            row += width
            p += uint64(1)
        row, p = start, uint64(0)
        while p < taps_h:
            for place in range(row, row + taps_w):
                dx[place] = dy[index] if place == best else zero
            row += width
            p += uint64(1)
        index += uint64(cuda.gridsize(1))


@cuda_kernel
def _sum(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    average: bool,
    padded: bool,
    y: Array,
) -> None:
    channels, height, width = x.shape[1], x.shape[2], x.shape[3]
    out_h, out_w = y.shape[2], y.shape[3]
    for index in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        j = index % out_w
        i = index // out_w % out_h
        c = index // (out_w * out_h) % channels
        n = index // (out_w * out_h * channels)
        top = i * stride[0] - padding[0][0]
        left = j * stride[1] - padding[1][0]
        first_p, last_p = valid_range(top, dilation[0], kernel_size[0], height)
        first_q, last_q = valid_range(left, dilation[1], kernel_size[1], width)
        total = y.dtype.type(0)
        for p in range(first_p, last_p):
            for q in range(first_q, last_q):
                total += x[n, c, top + p * dilation[0], left + q * dilation[1]]
        if average:
            rows = averaged_taps(top, dilation[0], kernel_size[0], height, padding[0][0], padding[0][1], padded)
            cols = averaged_taps(left, dilation[1], kernel_size[1], width, padding[1][0], padding[1][1], padded)
            total /= y.dtype.type(rows * cols)
        y[n, c, i, j] = total


@cuda_kernel
def _sum_backward(
    dy: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    average: bool,
    padded: bool,
    dx: Array,
) -> None:
    channels, height, width = dx.shape[1], dx.shape[2], dx.shape[3]
    out_h, out_w = dy.shape[2], dy.shape[3]
    for index in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        col = index % width
        row = index // width % height
        c = index // (width * height) % channels
        n = index // (width * height * channels)
        total = dx.dtype.type(0)
        for p in range(kernel_size[0] - 1, -1, -1):  # last tap first: visits windows in row-major order
            i = window_at(row + padding[0][0] - p * dilation[0], stride[0], out_h)
            if i < 0:
                continue
            for q in range(kernel_size[1] - 1, -1, -1):
                j = window_at(col + padding[1][0] - q * dilation[1], stride[1], out_w)
                if j < 0:
                    continue
                share = dy[n, c, i, j]
                if average:
                    top = i * stride[0] - padding[0][0]
                    left = j * stride[1] - padding[1][0]
                    rows = averaged_taps(top, dilation[0], kernel_size[0], height, padding[0][0], padding[0][1], padded)
                    cols = averaged_taps(left, dilation[1], kernel_size[1], width, padding[1][0], padding[1][1], padded)
                    share /= dx.dtype.type(rows * cols)
                total += share
        dx[n, c, row, col] = total


def _are_apart(x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, y: Array) -> bool:
    """Return whether every pixel of x is in one window."""
    covered = y.shape[2] * kernel_size[0], y.shape[3] * kernel_size[1]
    plain = padding == ((0, 0), (0, 0)) and dilation == (1, 1)
    return kernel_size == stride and plain and covered == tuple(x.shape[2:])


def max_pool2d_cuda(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y; a thread scans the window of its result, or, of windows of 2 x 2 side by side, two by 16 bytes."""
    is_wide = x.shape[3] % FOUR == 0 and is_aligned(x) and is_aligned(y)
    if kernel_size == (2, 2) and is_wide and _are_apart(x, kernel_size, stride, padding, dilation, y):
        launch(_max_of_pairs, y.size // 2, x.reshape(x.size), x.shape[3], y.reshape(y.size))
    else:
        launch(_max, y.size, x, kernel_size, stride, padding, dilation, y)


def max_pool2d_backward_cuda(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx: a thread writes the pixels of its window, or, unless every pixel is in one window, gathers for a pixel."""
    if _are_apart(x, kernel_size, stride, padding, dilation, dy):
        given = dy.reshape(dy.size), x.reshape(x.size), *kernel_size, dy.shape[3], dx.reshape(x.size)
        launch(_max_backward_apart, dy.size, *given)
    else:
        launch(_max_backward, dx.size, dy, x, kernel_size, stride, padding, dilation, dx)


def sum_pool2d_cuda(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y; one thread per output sums its window."""
    launch(_sum, y.size, x, kernel_size, stride, padding, dilation, False, False, y)


def sum_pool2d_backward_cuda(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx; one thread per input pixel sums the dy of every window that contains it."""
    launch(_sum_backward, dx.size, dy, kernel_size, stride, padding, dilation, False, False, dx)


def avg_pool2d_cuda(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    y: Array,
) -> None:
    """Compute y; one thread per output averages its window."""
    launch(_sum, y.size, x, kernel_size, stride, padding, dilation, True, count_include_pad, y)


def avg_pool2d_backward_cuda(
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
    """Compute dx; one thread per input pixel sums its share of the dy of every window that contains it."""
    launch(_sum_backward, dx.size, dy, kernel_size, stride, padding, dilation, True, count_include_pad, dx)
