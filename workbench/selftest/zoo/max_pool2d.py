"""Faulty kernels of max_pool2d and its gradient."""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

from __future__ import annotations

import numpy as np
from numba import prange

from kernels.declare.shapes import Padding, Pair
from workbench.selftest.zoo._planting import FASTMATH, PARALLEL, Array, Faults

FAULTS = Faults()


@FAULTS.plant("max_pool2d", "-inf padding lost", "padding counts as zero")
def _max_pool2d_zero_padding(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    best = x.dtype.type(-np.inf)
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            inside = 0 <= row < height and 0 <= col < width
                            value = x[n, c, row, col] if inside else x.dtype.type(0)
                            if value > best or np.isnan(value):
                                best = value
                    y[n, c, i, j] = best


@FAULTS.plant("max_pool2d", "NaN swallowed", "fastmath removes the test for NaN", FASTMATH)
def _max_pool2d_fastmath(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    best = x.dtype.type(-np.inf)
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                value = x[n, c, row, col]
                                if value > best or value != value:
                                    best = value
                    y[n, c, i, j] = best


@FAULTS.plant("max_pool2d", "out-of-bounds read by one", "a window may reach one column behind the image")
def _max_pool2d_reads_behind(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    best = x.dtype.type(-np.inf)
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col <= width:
                                value = x[n, c, row, col]
                                if value > best or np.isnan(value):
                                    best = value
                    y[n, c, i, j] = best


@FAULTS.plant("max_pool2d", "race: last writer wins", "rows of the image raise the maxima of their windows", PARALLEL)
def _max_pool2d_scatter(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    pad_h, pad_w = padding
    y[:] = -np.inf
    for row in prange(height):
        for p in range(kernel_size[0]):
            i, rest = divmod(row + pad_h[0] - p * dilation[0], stride[0])
            if rest != 0 or not 0 <= i < y.shape[2]:
                continue
            for j in range(y.shape[3]):
                for q in range(kernel_size[1]):
                    col = j * stride[1] + q * dilation[1] - pad_w[0]
                    if not 0 <= col < width:
                        continue
                    for n in range(x.shape[0]):
                        for c in range(x.shape[1]):
                            value = x[n, c, row, col]
                            if value > y[n, c, i, j] or np.isnan(value):
                                y[n, c, i, j] = value


@FAULTS.plant("max_pool2d_backward", "wrong tie rule", "the last of equal values gets the gradient")
def _max_pool2d_backward_last(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    height, width = x.shape[2:]
    dx[:] = 0
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
                                if best_row < 0 or value >= best or (np.isnan(value) and not np.isnan(best)):
                                    best_row, best_col = row, col
                    if best_row >= 0:
                        dx[n, c, best_row, best_col] += dy[n, c, i, j]
