"""Faulty kernels of sum_pool2d and its gradient."""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

from __future__ import annotations

import numpy as np
from numba import prange

from kernels.declare.shapes import Padding, Pair
from workbench.selftest.zoo._planting import PARALLEL, Array, Faults, Kernel, plain

FAULTS = Faults()


@FAULTS.plant(
    "sum_pool2d", "window kept that starts in padding", "computes the size in ceil_mode by itself, one too many"
)
def _sum_pool2d_kept_window(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    room_h = height + padding[0][0] + padding[0][1] - dilation[0] * (kernel_size[0] - 1) - 1
    room_w = width + padding[1][0] + padding[1][1] - dilation[1] * (kernel_size[1] - 1) - 1
    if ceil_mode:
        room_h += stride[0] - 1
        room_w += stride[1] - 1
    out_h, out_w = room_h // stride[0] + 1, room_w // stride[1] + 1
    flat = y.ravel()
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(out_h):
                for j in range(out_w):
                    total = y.dtype.type(0)
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                total += x[n, c, row, col]
                    index = ((n * x.shape[1] + c) * out_h + i) * out_w + j
                    if index < flat.size:
                        flat[index] = total


@FAULTS.plant("sum_pool2d", "cancellation", "sums are differences of a summed-area table", plain)
def _sum_pool2d_table(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    table = np.zeros((*x.shape[:2], height + 1, width + 1), x.dtype)
    table[:, :, 1:, 1:] = x.cumsum(axis=2).cumsum(axis=3)
    y[...] = 0
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            for p in range(kernel_size[0]):
                row = i * stride[0] + p * dilation[0] - padding[0][0]
                for q in range(kernel_size[1]):
                    col = j * stride[1] + q * dilation[1] - padding[1][0]
                    if 0 <= row < height and 0 <= col < width:
                        below = table[:, :, row + 1, col + 1] - table[:, :, row + 1, col]
                        y[:, :, i, j] += below - (table[:, :, row, col + 1] - table[:, :, row, col])


@FAULTS.plant("sum_pool2d", "uninitialised scratch", "the accumulators come from np.empty")
def _sum_pool2d_empty(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    height, width = x.shape[2:]
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            totals = np.empty(y.shape[2:], y.dtype)
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                totals[i, j] += x[n, c, row, col]
            y[n, c] = totals


@FAULTS.plant("sum_pool2d_backward", "race: accumulation into one element", "overlapping windows in parallel", PARALLEL)
def _sum_pool2d_backward_overlap(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    height, width = x.shape[2:]
    pad_h, pad_w = padding
    dx[:] = 0
    for i in prange(dy.shape[2]):
        for n in range(dy.shape[0]):
            for c in range(dy.shape[1]):
                for j in range(dy.shape[3]):
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - pad_h[0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - pad_w[0]
                            if 0 <= row < height and 0 <= col < width:
                                dx[n, c, row, col] += dy[n, c, i, j]


@FAULTS.plant_fresh("sum_pool2d_backward", "depends on the number of calls", "every fourth call forgets to clear dx")
def _sum_pool2d_backward_counts() -> Kernel:
    calls = 0

    def sum_pool2d_backward_counts(
        dy: Array,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        ceil_mode: bool,
        dx: Array,
    ) -> None:
        nonlocal calls
        calls += 1
        height, width = x.shape[2:]
        if calls % 4:
            dx[...] = 0
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                for p in range(kernel_size[0]):
                    row = i * stride[0] + p * dilation[0] - padding[0][0]
                    for q in range(kernel_size[1]):
                        col = j * stride[1] + q * dilation[1] - padding[1][0]
                        if 0 <= row < height and 0 <= col < width:
                            dx[:, :, row, col] += dy[:, :, i, j]

    return sum_pool2d_backward_counts
