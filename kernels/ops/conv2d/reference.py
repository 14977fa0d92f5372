"""conv2d as plain loops over its formula.

A filter w[o] of C/groups channels slides over the image x[n]; at every position (i, j) the products of filter and image
are summed:

    y[n,o,i,j] = b[o] + sum over c, p, q of  w[o,c,p,q] * x[n, g*C/groups + c, i*sh + p*dh - top, j*sw + q*dw - left]

with g = o // (O/groups), the group of output channel o. It is a cross-correlation: the filter is not flipped. Positions
outside the image are zero padding; they are skipped, not multiplied. The ``multiplied`` references multiply instead, as
libraries do that copy the image into an array of zeros: over padding, a NaN or an infinity times zero is then NaN.

Each product w*x contributes to one y, so its two partial derivatives contribute to the gradients at the same indices:

    dx[n, c, row, col] += dy[n,o,i,j] * w[o,c,p,q]
    dw[o, c, p, q]     += dy[n,o,i,j] * x[n,c,row,col]
    db[o]              += dy[n,o,i,j]

Source: U. Karn, An Intuitive Explanation of Convolutional Neural Networks; V. Dumoulin and F. Visin, A guide to convolution
arithmetic for deep learning (arXiv:1603.07285).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.shapes import Padding, Pair

Array = NDArray[Any]


def conv2d_reference(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Compute y (N,O,OH,OW) from x (N,C,H,W), w (O,C/groups,KH,KW) and b (O,)."""
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    group_out = channels_out // groups
    for n in range(y.shape[0]):
        for o in range(channels_out):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    y[n, o, i, j] = b[o]
                    for c in range(group_in):
                        channel = o // group_out * group_in + c
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    y[n, o, i, j] += w[o, c, p, q] * x[n, channel, row, col]


def conv2d_backward_reference(
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
    """Compute dx, dw and db, shaped like x, w and b, from dy (N,O,OH,OW)."""
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    group_out = channels_out // groups
    dx[...] = 0
    dw[...] = 0
    db[...] = 0
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


def padded(x: Array, padding: Padding) -> Array:
    """Return a copy of x between zeros."""
    (top, bottom), (left, right) = padding
    height, width = x.shape[2:]
    larger = np.zeros((x.shape[0], x.shape[1], top + height + bottom, left + width + right), x.dtype)
    larger[:, :, top : top + height, left : left + width] = x
    return larger


def conv2d_multiplied(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Compute y like ``conv2d_reference``, with the padding multiplied."""
    conv2d_reference(padded(x, padding), w, b, stride, ((0, 0), (0, 0)), dilation, groups, y)


def conv2d_backward_multiplied(
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
    """Compute dx, dw and db like ``conv2d_backward_reference``, with zeros multiplied.

    dw sums over the padded image. dx is a convolution of dy, with zeros between its elements and around them.
    """
    larger = padded(x, padding)
    conv2d_backward_reference(dy, larger, w, stride, ((0, 0), (0, 0)), dilation, groups, np.empty_like(larger), dw, db)
    channels_out, group_in, kernel_h, kernel_w = w.shape
    group_out = channels_out // groups
    dx[...] = 0
    for n in range(x.shape[0]):
        for o in range(channels_out):
            for c in range(group_in):
                channel = o // group_out * group_in + c
                for row in range(x.shape[2]):
                    for col in range(x.shape[3]):
                        for p in range(kernel_h):
                            i, between_rows = divmod(row + padding[0][0] - p * dilation[0], stride[0])
                            for q in range(kernel_w):
                                j, between_cols = divmod(col + padding[1][0] - q * dilation[1], stride[1])
                                is_zero = between_rows or between_cols
                                if is_zero or not (0 <= i < dy.shape[2] and 0 <= j < dy.shape[3]):
                                    dx[n, channel, row, col] += 0 * w[o, c, p, q]
                                else:
                                    dx[n, channel, row, col] += dy[n, o, i, j] * w[o, c, p, q]
