"""Faulty kernels of conv2d_backward."""

from __future__ import annotations

from numba import prange

from kernels.declare.shapes import Padding, Pair
from workbench.selftest.zoo._planting import PARALLEL, Array, Faults

FAULTS = Faults()


@FAULTS.plant(
    "conv2d_backward", "race: accumulation into one element", "samples add to dw and db in parallel", PARALLEL
)
def _conv2d_backward_shared_sums(
    dy: Array,
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    dx: Array,
    dw: Array,
    db: Array,
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    group_out = channels_out // groups
    pad_h, pad_w = padding
    dx[:] = 0
    dw[:] = 0
    db[:] = 0
    for n in prange(dy.shape[0]):
        for o in range(channels_out):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    db[o] += dy[n, o, i, j]
                    for c in range(group_in):
                        channel = o // group_out * group_in + c
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - pad_h[0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - pad_w[0]
                                if 0 <= row < height and 0 <= col < width:
                                    dx[n, channel, row, col] += dy[n, o, i, j] * w[o, c, p, q]
                                    dw[o, c, p, q] += dy[n, o, i, j] * x[n, channel, row, col]


@FAULTS.plant("conv2d_backward", "sum on dirty output", "dw is added to what was there")
def _conv2d_backward_dirty(
    dy: Array,
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    dx: Array,
    dw: Array,
    db: Array,
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    group_out = channels_out // groups
    dx[:] = 0
    db[:] = 0
    for n in range(dy.shape[0]):
        for o in range(channels_out):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    db[o] += dy[n, o, i, j]
                    for c in range(group_in):
                        channel = o // group_out * group_in + c
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    dx[n, channel, row, col] += dy[n, o, i, j] * w[o, c, p, q]
                                    dw[o, c, p, q] += dy[n, o, i, j] * x[n, channel, row, col]


@FAULTS.plant("conv2d_backward", "wrong for an empty batch", "without samples it returns before dw and db are cleared")
def _conv2d_backward_early_return(
    dy: Array,
    x: Array,
    w: Array,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    dx: Array,
    dw: Array,
    db: Array,
) -> None:
    if x.shape[0] == 0:
        return
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    group_out = channels_out // groups
    dx[:] = 0
    dw[:] = 0
    db[:] = 0
    for n in range(dy.shape[0]):
        for o in range(channels_out):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    db[o] += dy[n, o, i, j]
                    for c in range(group_in):
                        channel = o // group_out * group_in + c
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    dx[n, channel, row, col] += dy[n, o, i, j] * w[o, c, p, q]
                                    dw[o, c, p, q] += dy[n, o, i, j] * x[n, channel, row, col]
