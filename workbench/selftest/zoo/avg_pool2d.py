"""Faulty kernels of avg_pool2d and its gradient."""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

from __future__ import annotations

import numpy as np

from kernels.declare.shapes import Padding, Pair
from workbench.selftest.zoo._planting import Array, Faults, plain

FAULTS = Faults()


@FAULTS.plant("avg_pool2d", "division by the window", "padding counts although count_include_pad is False", plain)
def _avg_pool2d_whole_window(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    y: Array,
) -> None:
    height, width = x.shape[2:]
    for i in range(y.shape[2]):
        rows = [i * stride[0] + p * dilation[0] - padding[0][0] for p in range(kernel_size[0])]
        for j in range(y.shape[3]):
            cols = [j * stride[1] + q * dilation[1] - padding[1][0] for q in range(kernel_size[1])]
            total = np.zeros(y.shape[:2], y.dtype)
            for row in rows:
                for col in cols:
                    if 0 <= row < height and 0 <= col < width:
                        total += x[:, :, row, col]
            rows_in_padding = sum(-padding[0][0] <= row < height + padding[0][1] for row in rows)
            cols_in_padding = sum(-padding[1][0] <= col < width + padding[1][1] for col in cols)
            y[:, :, i, j] = total / (rows_in_padding * cols_in_padding)


@FAULTS.plant("avg_pool2d", "wrong in ceil_mode", "taps beyond the padding, of a window that sticks out, are counted")
def _avg_pool2d_sticking_out(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    y: Array,
) -> None:
    height, width = x.shape[2:]
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = y.dtype.type(0)
                    taps = 0
                    for p in range(kernel_size[0]):
                        row = i * stride[0] + p * dilation[0] - padding[0][0]
                        for q in range(kernel_size[1]):
                            col = j * stride[1] + q * dilation[1] - padding[1][0]
                            if 0 <= row < height and 0 <= col < width:
                                total += x[n, c, row, col]
                                taps += 1
                            elif count_include_pad:
                                taps += 1
                    y[n, c, i, j] = total / y.dtype.type(taps)


@FAULTS.plant("avg_pool2d_backward", "output left unwritten", "the last element of every plane of dx", plain)
def _avg_pool2d_backward_corner(
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
    height, width = x.shape[2:]
    sums = np.zeros(x.shape, dx.dtype)
    for i in range(dy.shape[2]):
        rows = [i * stride[0] + p * dilation[0] - padding[0][0] for p in range(kernel_size[0])]
        inside_h = [row for row in rows if 0 <= row < height]
        padded_h = [row for row in rows if -padding[0][0] <= row < height + padding[0][1]]
        for j in range(dy.shape[3]):
            cols = [j * stride[1] + q * dilation[1] - padding[1][0] for q in range(kernel_size[1])]
            inside_w = [col for col in cols if 0 <= col < width]
            padded_w = [col for col in cols if -padding[1][0] <= col < width + padding[1][1]]
            taps = len(padded_h) * len(padded_w) if count_include_pad else len(inside_h) * len(inside_w)
            for row in inside_h:
                for col in inside_w:
                    sums[:, :, row, col] += dy[:, :, i, j] / dx.dtype.type(taps)
    dx[:, :, :-1] = sums[:, :, :-1]
    dx[:, :, -1, :-1] = sums[:, :, -1, :-1]
