"""conv2d, the formula as loops.

A filter w[o] of C/groups channels slides over the image x[n]; at every position (i, j) the products of filter and image
are summed:

    y[n,o,i,j] = b[o] + sum over c, p, q of  w[o,c,p,q] * x[n, g*C/groups + c, i*sh + p*dh - top, j*sw + q*dw - left]

with g = o // (O/groups), the group of output channel o. It is a cross-correlation: the filter is not flipped. Positions
outside the image are zero padding; they are skipped, not multiplied.

Each product w*x contributes to one y, so its two partial derivatives contribute to the gradients at the same indices:

    dx[n, c, row, col] += dy[n,o,i,j] * w[o,c,p,q]
    dw[o, c, p, q]     += dy[n,o,i,j] * x[n,c,row,col]
    db[o]              += dy[n,o,i,j]

Source: U. Karn, An Intuitive Explanation of Convolutional Neural Networks; V. Dumoulin and F. Visin, A guide to convolution
arithmetic for deep learning (arXiv:1603.07285).
"""

from typing import Any

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
