"""Pooling, as loops.

A window of KH x KW taps slides over every channel; the output is the maximum, the mean or the sum of its elements:

    row = i*sh + p*dh - top,  col = j*sw + q*dw - left
    max: y[n,c,i,j] = max over p, q of x[n,c,row,col]      padding counts as -inf; NaN propagates
    sum: y[n,c,i,j] = sum over p, q of x[n,c,row,col]      padding counts as 0
    avg: the sum, divided by the number of taps inside the padded input (count_include_pad) or inside the input; a
         window without any gives 0/0, NaN

In the backward pass, the gradient of a maximum goes to the first element, in row-major order, that holds it (the first NaN
if there is one; in ``max_pool2d_backward_last_nan`` the last, as in PyTorch); the gradient of a sum goes to every input
element of the window; that of a mean likewise, divided.

Source: U. Karn, An Intuitive Explanation of Convolutional Neural Networks, "The Pooling Step"; the conventions for
ceil_mode and count_include_pad are PyTorch's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.shapes import Padding, Pair

Array = NDArray[Any]


def max_pool2d_reference(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y (N,C,OH,OW) from x (N,C,H,W)."""
    height, width = x.shape[2:]
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    y[n, c, i, j] = -np.inf
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                value = x[n, c, row, col]
                                if value > y[n, c, i, j] or np.isnan(value):
                                    y[n, c, i, j] = value


def max_pool2d_backward_reference(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx (N,C,H,W) from dy (N,C,OH,OW) and x (N,C,H,W)."""
    height, width = x.shape[2:]
    dx[...] = 0
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    best_row, best_col = -1, -1
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                value, best = x[n, c, row, col], x[n, c, best_row, best_col]
                                if best_row < 0 or value > best or (np.isnan(value) and not np.isnan(best)):
                                    best_row, best_col = row, col
                    if best_row >= 0:
                        dx[n, c, best_row, best_col] += dy[n, c, i, j]


def max_pool2d_backward_last_nan(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx like ``max_pool2d_backward_reference``, except that the gradient of a NaN goes to the last one."""
    height, width = x.shape[2:]
    others = dy.copy()  # the gradients of windows without NaN
    last_row, last_col = np.full(dy.shape, -1), np.full(dy.shape, -1)
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width and np.isnan(x[n, c, row, col]):
                                last_row[n, c, i, j], last_col[n, c, i, j] = row, col
                                others[n, c, i, j] = 0
    max_pool2d_backward_reference(others, x, kernel_size, stride, padding, dilation, ceil_mode, dx)
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    if last_row[n, c, i, j] >= 0:
                        dx[n, c, last_row[n, c, i, j], last_col[n, c, i, j]] += dy[n, c, i, j]


def sum_pool2d_reference(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Compute y (N,C,OH,OW) from x (N,C,H,W)."""
    height, width = x.shape[2:]
    y[...] = 0
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                y[n, c, i, j] += x[n, c, row, col]


def sum_pool2d_backward_reference(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Compute dx (N,C,H,W) from dy (N,C,OH,OW); only the shape of x is used."""
    height, width = x.shape[2:]
    dx[...] = 0
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                dx[n, c, row, col] += dy[n, c, i, j]


def taps_to_average(start: int, dilation: int, kernel: int, size: int, sides: Pair, count_include_pad: bool) -> int:
    """Count, along one axis, the taps of the window at ``start`` that a mean divides by."""
    before, after = sides if count_include_pad else (0, 0)
    count = 0
    for tap in range(kernel):
        if -before <= start + tap * dilation < size + after:
            count += 1
    return count


def avg_pool2d_reference(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    y: Array,
) -> None:
    """Compute y (N,C,OH,OW) from x (N,C,H,W)."""
    height, width = x.shape[2:]
    sum_pool2d_reference(x, kernel_size, stride, padding, dilation, ceil_mode, y)
    for i in range(y.shape[2]):
        top = i * stride[0] - padding[0][0]
        rows = taps_to_average(top, dilation[0], kernel_size[0], height, padding[0], count_include_pad)
        for j in range(y.shape[3]):
            left = j * stride[1] - padding[1][0]
            cols = taps_to_average(left, dilation[1], kernel_size[1], width, padding[1], count_include_pad)
            for n in range(y.shape[0]):
                for c in range(y.shape[1]):
                    y[n, c, i, j] /= rows * cols


def avg_pool2d_backward_reference(
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
    """Compute dx (N,C,H,W) from dy (N,C,OH,OW); only the shape of x is used."""
    height, width = x.shape[2:]
    shares = np.empty_like(dy)
    for i in range(dy.shape[2]):
        top = i * stride[0] - padding[0][0]
        rows = taps_to_average(top, dilation[0], kernel_size[0], height, padding[0], count_include_pad)
        for j in range(dy.shape[3]):
            left = j * stride[1] - padding[1][0]
            cols = taps_to_average(left, dilation[1], kernel_size[1], width, padding[1], count_include_pad)
            for n in range(dy.shape[0]):
                for c in range(dy.shape[1]):
                    shares[n, c, i, j] = dy[n, c, i, j] / max(rows * cols, 1)  # without taps the share is not used
    sum_pool2d_backward_reference(shares, x, kernel_size, stride, padding, dilation, ceil_mode, dx)
