"""conv2d on the CPU: every loop nest ends in a walk along one row, which LLVM turns into SIMD."""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.indexing import valid_range
from kernels.jit import cpu_inline, cpu_kernel
from kernels.shapes import Padding, Pair

Array = NDArray[Any]


@cpu_inline
def add_scaled(target: Array, factor: float, source: Array, first: int, step: int) -> None:
    """target[j] += factor * source[first + j*step]."""
    if step == 1:  # written out, for LLVM does not vectorise a load of unknown stride
        for j, value in enumerate(source[first : first + target.size]):
            target[j] += factor * value
    else:
        for j in range(target.size):
            target[j] += factor * source[first + j * step]


@cpu_inline
def scatter_scaled(target: Array, first: int, step: int, factor: float, source: Array) -> None:
    """target[first + j*step] += factor * source[j]."""
    if step == 1:
        add_scaled(target[first : first + source.size], factor, source, 0, 1)
    else:
        for j in range(source.size):
            target[first + j * step] += factor * source[j]


@cpu_inline
def multiply_add(target: Array, left: Array, right: Array, first: int, step: int) -> None:
    """target[j] += left[j] * right[first + j*step]."""
    if step == 1:
        for j, value in enumerate(right[first : first + left.size]):
            target[j] += left[j] * value
    else:
        for j in range(left.size):
            target[j] += left[j] * right[first + j * step]


@cpu_kernel
def conv2d_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """A thread computes whole output planes (n, o), adding one filter tap at a time to all rows it reaches."""
    batch, _, height, width = x.shape
    channels_out, group_in, kernel_h, kernel_w = w.shape
    out_h, out_w = y.shape[2:]
    pad_h, pad_w = padding  # a parallel loop cannot capture a tuple of tuples
    for plane in prange(batch * channels_out):
        n = plane // channels_out
        o = plane % channels_out
        channel = o // (channels_out // groups) * group_in
        y[n, o, :, :] = b[o]
        for c in range(group_in):
            for p in range(kernel_h):
                top = p * dilation[0] - pad_h[0]
                first_row, last_row = valid_range(top, stride[0], out_h, height)
                for q in range(kernel_w):
                    left = q * dilation[1] - pad_w[0]
                    first, last = valid_range(left, stride[1], out_w, width)
                    if first == last:
                        continue
                    start = left + first * stride[1]
                    for i in range(first_row, last_row):
                        row = x[n, channel + c, i * stride[0] + top]
                        add_scaled(y[n, o, i, first:last], w[o, c, p, q], row, start, stride[1])


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
    """First a thread computes whole planes (n, channel) of dx, then whole filter planes (o, c) of dw."""
    batch, channels_in, height, width = x.shape
    channels_out, group_in, kernel_h, kernel_w = w.shape
    out_h, out_w = dy.shape[2:]
    pad_h, pad_w = padding
    group_out = channels_out // groups

    for plane in prange(batch * channels_in):
        n = plane // channels_in
        channel = plane % channels_in
        group = channel // group_in
        c = channel % group_in
        dx[n, channel, :, :] = 0
        for o in range(group * group_out, (group + 1) * group_out):
            for p in range(kernel_h):
                top = p * dilation[0] - pad_h[0]
                first_row, last_row = valid_range(top, stride[0], out_h, height)
                for q in range(kernel_w):
                    left = q * dilation[1] - pad_w[0]
                    first, last = valid_range(left, stride[1], out_w, width)
                    if first == last:
                        continue
                    start = left + first * stride[1]
                    for i in range(first_row, last_row):
                        row = dx[n, channel, i * stride[0] + top]
                        scatter_scaled(row, start, stride[1], w[o, c, p, q], dy[n, o, i, first:last])

    for plane in prange(channels_out * group_in):
        o = plane // group_in
        c = plane % group_in
        channel = o // group_out * group_in + c
        columns = np.empty(out_w, dw.dtype)  # one partial sum per output column: a single one could not be SIMD
        for p in range(kernel_h):
            top = p * dilation[0] - pad_h[0]
            first_row, last_row = valid_range(top, stride[0], out_h, height)
            for q in range(kernel_w):
                left = q * dilation[1] - pad_w[0]
                first, last = valid_range(left, stride[1], out_w, width)
                columns[:] = 0
                if first < last:
                    start = left + first * stride[1]
                    for n in range(batch):
                        for i in range(first_row, last_row):
                            row = x[n, channel, i * stride[0] + top]
                            multiply_add(columns[first:last], dy[n, o, i, first:last], row, start, stride[1])
                total = columns.dtype.type(0)
                for j in range(out_w):
                    total += columns[j]
                dw[o, c, p, q] = total

    for o in prange(channels_out):
        total = db.dtype.type(0)
        for n in range(batch):
            for i in range(out_h):
                for j in range(out_w):
                    total += dy[n, o, i, j]
        db[o] = total
