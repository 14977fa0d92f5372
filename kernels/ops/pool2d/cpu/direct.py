"""Pooling on the CPU, window by window, for all options: a thread takes whole planes (n, c)."""

from typing import Any

from numba import prange
from numpy.typing import NDArray

from kernels.compile.indexing import valid_range
from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.pool2d.scalars import averaged_taps, replaces

Array = NDArray[Any]


@cpu_kernel
def max_pool2d_cpu(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y; every window is scanned in row-major order."""
    batch, channels, height, width = x.shape
    out_h, out_w = y.shape[2:]
    lowest = -x.dtype.type(float("inf"))
    pad_h, pad_w = padding  # a parallel loop cannot capture a tuple of tuples
    for plane in prange(batch * channels):
        source = x[plane // channels, plane % channels]
        target = y[plane // channels, plane % channels]
        for i in range(out_h):
            top = i * stride[0] - pad_h[0]
            first_p, last_p = valid_range(top, dilation[0], kernel_size[0], height)
            for j in range(out_w):
                left = j * stride[1] - pad_w[0]
                first_q, last_q = valid_range(left, dilation[1], kernel_size[1], width)
                best = lowest
                for p in range(first_p, last_p):
                    for q in range(first_q, last_q):
                        value = source[top + p * dilation[0], left + q * dilation[1]]
                        if replaces(value, best):
                            best = value
                target[i, j] = best


@cpu_kernel
def max_pool2d_backward_cpu(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx; the position of every maximum is recomputed from x, and dy is added there."""
    batch, channels, height, width = x.shape
    out_h, out_w = dy.shape[2:]
    pad_h, pad_w = padding
    for plane in prange(batch * channels):
        source = x[plane // channels, plane % channels]
        gradient = dy[plane // channels, plane % channels]
        target = dx[plane // channels, plane % channels]
        target[:, :] = 0
        for i in range(out_h):
            top = i * stride[0] - pad_h[0]
            first_p, last_p = valid_range(top, dilation[0], kernel_size[0], height)
            for j in range(out_w):
                left = j * stride[1] - pad_w[0]
                first_q, last_q = valid_range(left, dilation[1], kernel_size[1], width)
                if first_p == last_p or first_q == last_q:
                    continue
                best_row = top + first_p * dilation[0]
                best_col = left + first_q * dilation[1]
                for p in range(first_p, last_p):
                    row = top + p * dilation[0]
                    for q in range(first_q, last_q):
                        col = left + q * dilation[1]
                        if replaces(source[row, col], source[best_row, best_col]):
                            best_row, best_col = row, col
                target[best_row, best_col] += gradient[i, j]


@cpu_core
def _sum_plane(
    source: Array, kernel_size: Pair, stride: Pair, pad_h: Pair, pad_w: Pair, dilation: Pair, target: Array
) -> None:
    height, width = source.shape
    for i in range(target.shape[0]):
        top = i * stride[0] - pad_h[0]
        first_p, last_p = valid_range(top, dilation[0], kernel_size[0], height)
        for j in range(target.shape[1]):
            left = j * stride[1] - pad_w[0]
            first_q, last_q = valid_range(left, dilation[1], kernel_size[1], width)
            total = target.dtype.type(0)
            for p in range(first_p, last_p):
                for q in range(first_q, last_q):
                    total += source[top + p * dilation[0], left + q * dilation[1]]
            target[i, j] = total


@cpu_core
def _spread(
    share: Any, i: int, j: int, kernel_size: Pair, stride: Pair, pad_h: Pair, pad_w: Pair, dilation: Pair, target: Array
) -> None:
    """Add ``share`` to every input element of window (i, j)."""
    top = i * stride[0] - pad_h[0]
    left = j * stride[1] - pad_w[0]
    first_p, last_p = valid_range(top, dilation[0], kernel_size[0], target.shape[0])
    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], target.shape[1])
    for p in range(first_p, last_p):
        for q in range(first_q, last_q):
            target[top + p * dilation[0], left + q * dilation[1]] += share


@cpu_core
def _divisor(
    i: int,
    j: int,
    kernel_size: Pair,
    stride: Pair,
    pad_h: Pair,
    pad_w: Pair,
    dilation: Pair,
    padded: bool,
    height: int,
    width: int,
) -> int:
    """Count the taps that the mean over window (i, j) divides by."""
    top = i * stride[0] - pad_h[0]
    left = j * stride[1] - pad_w[0]
    rows = averaged_taps(top, dilation[0], kernel_size[0], height, pad_h[0], pad_h[1], padded)
    cols = averaged_taps(left, dilation[1], kernel_size[1], width, pad_w[0], pad_w[1], padded)
    return rows * cols


@cpu_kernel
def sum_pool2d_cpu(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y; every window is summed in row-major order."""
    channels = x.shape[1]
    pad_h, pad_w = padding
    for plane in prange(x.shape[0] * channels):
        n, c = plane // channels, plane % channels
        _sum_plane(x[n, c], kernel_size, stride, pad_h, pad_w, dilation, y[n, c])


@cpu_kernel
def sum_pool2d_backward_cpu(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx; every dy is added to all input elements of its window."""
    channels = x.shape[1]
    pad_h, pad_w = padding
    for plane in prange(x.shape[0] * channels):
        n, c = plane // channels, plane % channels
        dx[n, c, :, :] = 0
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                _spread(dy[n, c, i, j], i, j, kernel_size, stride, pad_h, pad_w, dilation, dx[n, c])


@cpu_kernel
def avg_pool2d_cpu(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    y: Array,
) -> None:
    """Compute y; sums first, then a division of every element."""
    channels, height, width = x.shape[1:]
    pad_h, pad_w = padding
    for plane in prange(x.shape[0] * channels):
        n, c = plane // channels, plane % channels
        target = y[n, c]
        _sum_plane(x[n, c], kernel_size, stride, pad_h, pad_w, dilation, target)
        for i in range(target.shape[0]):
            for j in range(target.shape[1]):
                taps = _divisor(i, j, kernel_size, stride, pad_h, pad_w, dilation, count_include_pad, height, width)
                target[i, j] /= target.dtype.type(taps)


@cpu_kernel
def avg_pool2d_backward_cpu(
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
    """Compute dx; every dy is divided, then added to all input elements of its window."""
    channels, height, width = x.shape[1:]
    pad_h, pad_w = padding
    for plane in prange(x.shape[0] * channels):
        n, c = plane // channels, plane % channels
        dx[n, c, :, :] = 0
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                taps = _divisor(i, j, kernel_size, stride, pad_h, pad_w, dilation, count_include_pad, height, width)
                share = dy[n, c, i, j] / dy.dtype.type(max(taps, 1))
                _spread(share, i, j, kernel_size, stride, pad_h, pad_w, dilation, dx[n, c])
