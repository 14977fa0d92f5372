"""Right kernels of conv2d and its gradient."""

import numpy as np

from kernels.compile.indexing import valid_range, window_at
from kernels.declare.shapes import Padding, Pair
from workbench.selftest.variants._compiling import Array, Kernel, Other, compiled, with_fma
from workbench.selftest.variants.orders import Order, Summing, backwards, blocks, four_sums, from_both_ends, pairwise


def _conv2d(order: Order) -> Kernel:
    @compiled
    def conv2d(
        x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
    ) -> None:
        channels_out, group_in, kernel_h, kernel_w = w.shape
        terms = np.empty(1 + group_in * kernel_h * kernel_w, x.dtype)
        for n in range(y.shape[0]):
            for o in range(channels_out):
                channel = o // (channels_out // groups) * group_in
                for i in range(y.shape[2]):
                    top = i * stride[0] - padding[0][0]
                    first_p, last_p = valid_range(top, dilation[0], kernel_h, x.shape[2])
                    for j in range(y.shape[3]):
                        left = j * stride[1] - padding[1][0]
                        first_q, last_q = valid_range(left, dilation[1], kernel_w, x.shape[3])
                        terms[0] = b[o]
                        count = 1
                        for c in range(group_in):
                            for p in range(first_p, last_p):
                                for q in range(first_q, last_q):
                                    value = x[n, channel + c, top + p * dilation[0], left + q * dilation[1]]
                                    terms[count] = w[o, c, p, q] * value
                                    count += 1
                        y[n, o, i, j] = order(terms[:count])

    return conv2d


def _conv2d_backward(order: Order) -> Kernel:
    @compiled
    def conv2d_backward(
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
        batch, channels_in, height, width = x.shape
        channels_out, group_in, kernel_h, kernel_w = w.shape
        out_h, out_w = dy.shape[2:]
        group_out = channels_out // groups
        terms = np.empty(max(group_out * kernel_h * kernel_w, batch * out_h * out_w), x.dtype)
        for n in range(batch):
            for channel in range(channels_in):
                group = channel // group_in
                for row in range(height):
                    for col in range(width):
                        count = 0
                        for p in range(kernel_h):
                            i = window_at(row + padding[0][0] - p * dilation[0], stride[0], out_h)
                            for q in range(kernel_w):
                                j = window_at(col + padding[1][0] - q * dilation[1], stride[1], out_w)
                                if i < 0 or j < 0:
                                    continue
                                for o in range(group * group_out, (group + 1) * group_out):
                                    terms[count] = dy[n, o, i, j] * w[o, channel % group_in, p, q]
                                    count += 1
                        dx[n, channel, row, col] = order(terms[:count])
        for o in range(channels_out):
            for c in range(group_in):
                for p in range(kernel_h):
                    top = p * dilation[0] - padding[0][0]
                    first_i, last_i = valid_range(top, stride[0], out_h, height)
                    for q in range(kernel_w):
                        left = q * dilation[1] - padding[1][0]
                        first_j, last_j = valid_range(left, stride[1], out_w, width)
                        count = 0
                        for i in range(first_i, last_i):
                            for j in range(first_j, last_j):
                                for n in range(batch):
                                    value = x[
                                        n, o // group_out * group_in + c, top + i * stride[0], left + j * stride[1]
                                    ]
                                    terms[count] = dy[n, o, i, j] * value
                                    count += 1
                        dw[o, c, p, q] = order(terms[:count])
            count = 0
            for i in range(out_h):
                for j in range(out_w):
                    for n in range(batch):
                        terms[count] = dy[n, o, i, j]
                        count += 1
            db[o] = order(terms[:count])

    return conv2d_backward


@with_fma
def _conv2d_with_fma(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            channel = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                top = i * stride[0] - padding[0][0]
                first_p, last_p = valid_range(top, dilation[0], kernel_h, x.shape[2])
                for j in range(y.shape[3]):
                    left = j * stride[1] - padding[1][0]
                    first_q, last_q = valid_range(left, dilation[1], kernel_w, x.shape[3])
                    total = x.dtype.type(0)
                    for p in range(first_p, last_p):
                        for q in range(first_q, last_q):
                            for c in range(group_in):
                                value = x[n, channel + c, top + p * dilation[0], left + q * dilation[1]]
                                total += w[o, c, p, q] * value
                    y[n, o, i, j] = total + b[o]


def _conv2d_backward_matrices(
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
    """Work tap by tap on slices, with NumPy's sums."""
    group_in, group_out = w.shape[1], w.shape[0] // groups
    dx[...] = 0
    db[...] = dy.sum(axis=(0, 2, 3))
    for p in range(w.shape[2]):
        top = p * dilation[0] - padding[0][0]
        first_i, last_i = valid_range(top, stride[0], dy.shape[2], x.shape[2])
        rows = range(top + first_i * stride[0], top + last_i * stride[0], stride[0])
        for q in range(w.shape[3]):
            left = q * dilation[1] - padding[1][0]
            first_j, last_j = valid_range(left, stride[1], dy.shape[3], x.shape[3])
            cols = range(left + first_j * stride[1], left + last_j * stride[1], stride[1])
            seen = np.ix_(range(x.shape[0]), range(x.shape[1]), rows, cols)
            inputs, gradients = x[seen], dy[:, :, first_i:last_i, first_j:last_j]
            into = np.zeros_like(inputs)
            for o in range(w.shape[0]):
                for c in range(group_in):
                    channel = o // group_out * group_in + c
                    dw[o, c, p, q] = (gradients[:, o] * inputs[:, channel]).sum()
                    into[:, channel] += gradients[:, o] * w[o, c, p, q]
            dx[seen] += into


SUMMING: tuple[Summing, ...] = (
    ("conv2d", _conv2d, (backwards, pairwise, four_sums, blocks)),
    ("conv2d_backward", _conv2d_backward, (pairwise, from_both_ends)),
)
OTHERS: tuple[Other, ...] = (
    ("conv2d", "channels innermost, with FMA, bias last", _conv2d_with_fma),
    ("conv2d_backward", "tap by tap on slices", _conv2d_backward_matrices),
)
