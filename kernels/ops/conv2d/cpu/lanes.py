"""conv2d on the CPU: samples are the SIMD lanes.

Blocks of LANES samples are laid out with the sample as the last axis. Every innermost loop then runs along that axis, one
weight against all samples of a block (at stride 1 against whole rows of them), whatever the padding, dilation or size of
the image, and LLVM turns it into SIMD. Threads take units that follow from the shapes alone, so results do not depend on
how many threads there are.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.indexing import valid_range, window_at
from kernels.compile.jit import cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair

Array = NDArray[Any]

LANES = 64
"""Most samples per block: long enough for SIMD, and a row of outputs of a LeNet layer still fits the first-level cache."""


@cpu_inline
def count_blocks(batch: int) -> tuple[int, int]:
    """Return the number of blocks, and of samples in each; the last block may have fewer."""
    if batch == 0:
        return 0, 0
    blocks = (batch + LANES - 1) // LANES
    return blocks, (batch + blocks - 1) // blocks


@cpu_kernel
def samples_last(x: Array) -> Array:
    """Copy (N, C, H, W) to (blocks, C, H, W*lanes), sample innermost; lanes beyond the last sample are zero."""
    batch, planes, height, width = x.shape
    blocks, lanes = count_blocks(batch)
    copy = np.empty((blocks, planes, height, width * lanes), x.dtype)
    zero = x.dtype.type(0)
    for unit in prange(blocks * planes):
        block, plane = unit // planes, unit % planes
        first = block * lanes
        for i in range(height):
            row = copy[block, plane, i]
            for j in range(width):
                for lane in range(lanes):
                    row[j * lanes + lane] = x[first + lane, plane, i, j] if first + lane < batch else zero
    return copy


@cpu_inline
def add_scaled(total: Array, factor: float, values: Array) -> None:
    """Total += factor * values, element by element."""
    for k in range(total.size):
        total[k] += factor * values[k]


@cpu_inline
def add_product(total: Array, left: Array, right: Array) -> None:
    """Total += left * right, element by element."""
    for k in range(total.size):
        total[k] += left[k] * right[k]


@cpu_kernel
def conv2d_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """A unit is one row (block, o, i) of outputs: filter taps are added to it one at a time."""
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    batch, _, out_h, out_w = y.shape
    pad_h, pad_w = padding  # a parallel loop cannot capture a tuple of tuples
    blocks, lanes = count_blocks(batch)
    x_lanes = samples_last(x)
    for unit in prange(blocks * channels_out * out_h):
        i = unit % out_h
        o = unit // out_h % channels_out
        block = unit // (out_h * channels_out)
        channel = o // (channels_out // groups) * group_in
        top = i * stride[0] - pad_h[0]
        first_p, last_p = valid_range(top, dilation[0], kernel_h, height)
        outputs = np.full(out_w * lanes, b[o], y.dtype)
        for c in range(group_in):
            for p in range(first_p, last_p):
                row = x_lanes[block, channel + c, top + p * dilation[0]]
                for q in range(kernel_w):
                    left = q * dilation[1] - pad_w[0]
                    first, last = valid_range(left, stride[1], out_w, width)
                    run = last - first if stride[1] == 1 else 1  # outputs whose inputs are neighbours too
                    for j in range(first, last, max(run, 1)):
                        source = (left + j * stride[1]) * lanes
                        add_scaled(
                            outputs[j * lanes : (j + run) * lanes], w[o, c, p, q], row[source : source + run * lanes]
                        )
        for lane in range(min(lanes, batch - block * lanes)):
            for j in range(out_w):
                y[block * lanes + lane, o, i, j] = outputs[j * lanes + lane]


@cpu_kernel
def conv2d_backward_cpu(
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
    """Units are first rows (block, channel, row) of dx, then rows (o, c, p) of filters, then elements of db."""
    batch, channels_in, height, width = x.shape
    channels_out, group_in, kernel_h, kernel_w = w.shape
    out_h, out_w = dy.shape[2:]
    group_out = channels_out // groups
    pad_h, pad_w = padding
    blocks, lanes = count_blocks(batch)
    x_lanes = samples_last(x)
    dy_lanes = samples_last(dy)

    for unit in prange(blocks * channels_in * height):
        row = unit % height
        channel = unit // height % channels_in
        block = unit // (height * channels_in)
        group = channel // group_in
        gradients = np.zeros(width * lanes, dx.dtype)
        for o in range(group * group_out, (group + 1) * group_out):
            for p in range(kernel_h):
                i = window_at(row + pad_h[0] - p * dilation[0], stride[0], out_h)
                if i < 0:
                    continue
                dy_row = dy_lanes[block, o, i]
                for q in range(kernel_w):
                    left = q * dilation[1] - pad_w[0]
                    first, last = valid_range(left, stride[1], out_w, width)
                    run = last - first if stride[1] == 1 else 1
                    for j in range(first, last, max(run, 1)):
                        target = (left + j * stride[1]) * lanes
                        add_scaled(
                            gradients[target : target + run * lanes],
                            w[o, channel - group * group_in, p, q],
                            dy_row[j * lanes : (j + run) * lanes],
                        )
        for lane in range(min(lanes, batch - block * lanes)):
            for col in range(width):
                dx[block * lanes + lane, channel, row, col] = gradients[col * lanes + lane]

    for unit in prange(channels_out * group_in * kernel_h):
        p = unit % kernel_h
        c = unit // kernel_h % group_in
        o = unit // (kernel_h * group_in)
        channel = o // group_out * group_in + c
        top = p * dilation[0] - pad_h[0]
        first_row, last_row = valid_range(top, stride[0], out_h, height)
        sums = np.empty(out_w * lanes, dw.dtype)  # a sum per column and lane: a single one could not be SIMD
        for q in range(kernel_w):
            left = q * dilation[1] - pad_w[0]
            first, last = valid_range(left, stride[1], out_w, width)
            run = last - first if stride[1] == 1 else 1
            sums[:] = 0
            for block in range(blocks):
                for i in range(first_row, last_row):
                    x_row = x_lanes[block, channel, i * stride[0] + top]
                    dy_row = dy_lanes[block, o, i]
                    for j in range(first, last, max(run, 1)):
                        source = (left + j * stride[1]) * lanes
                        add_product(
                            sums[: run * lanes],
                            dy_row[j * lanes : (j + run) * lanes],
                            x_row[source : source + run * lanes],
                        )
            total = dw.dtype.type(0)
            for k in range(sums.size):
                total += sums[k]
            dw[o, c, p, q] = total

    for o in prange(channels_out):
        total = db.dtype.type(0)
        for n in range(batch):
            for i in range(out_h):
                for j in range(out_w):
                    total += dy[n, o, i, j]
        db[o] = total
