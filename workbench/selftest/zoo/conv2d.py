"""Faulty kernels of conv2d."""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

from __future__ import annotations

import numpy as np

from kernels.declare.shapes import Padding, Pair
from workbench.selftest.zoo._planting import Array, Faults, plain

FAULTS = Faults()


@FAULTS.plant("conv2d", "off by one in a loop bound", "the last row of the image counts as padding")
def _conv2d_last_row(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height - 1 and 0 <= col < width:
                                    total += w[o, c, p, q] * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "lost bias", "the bias is never added")
def _conv2d_no_bias(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    y[:] = 0
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    y[n, o, i, j] += w[o, c, p, q] * x[n, first + c, row, col]


@FAULTS.plant("conv2d", "wrong stride", "the vertical stride is used for both axes")
def _conv2d_one_stride(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[0] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    total += w[o, c, p, q] * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant(
    "conv2d", "height and width swapped", "the padding of the left is applied at the top and the other way round"
)
def _conv2d_swapped_padding(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    (left, _right), (top, _bottom) = padding
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - top
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - left
                                if 0 <= row < height and 0 <= col < width:
                                    total += w[o, c, p, q] * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "swapped kernel axes", "the filter is transposed")
def _conv2d_transposed_filter(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    total += w[o, c, q % kernel_h, p % kernel_w] * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "convolution instead of correlation", "the filter is turned by 180 degrees")
def _conv2d_flipped(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    weight = w[o, c, kernel_h - 1 - p, kernel_w - 1 - q]
                                    total += weight * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "missing zero padding", "pixels of the edge are repeated where zeros belong")
def _conv2d_clamped(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = min(max(i * stride[0] + p * dilation[0] - padding[0][0], 0), height - 1)
                            for q in range(kernel_w):
                                col = min(max(j * stride[1] + q * dilation[1] - padding[1][0], 0), width - 1)
                                total += w[o, c, p, q] * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "Inf or NaN weight times padding", "the zeros of a padded copy are multiplied", plain)
def _conv2d_padded_copy(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    channels_out, group_in, kernel_h, kernel_w = w.shape
    _, _, out_h, out_w = y.shape
    group_out = channels_out // groups
    y[...] = b[:, None, None]
    for p in range(kernel_h):
        rows = slice(p * dilation[0], p * dilation[0] + (out_h - 1) * stride[0] + 1, stride[0])
        for q in range(kernel_w):
            cols = slice(q * dilation[1], q * dilation[1] + (out_w - 1) * stride[1] + 1, stride[1])
            for o in range(channels_out):
                for c in range(group_in):
                    y[:, o] += w[o, c, p, q] * padded[:, o // group_out * group_in + c, rows, cols]


@FAULTS.plant("conv2d", "wrong group offset", "every group reads the channels of the first")
def _conv2d_first_group(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    total += w[o, c, p, q] * x[n, c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "dilation ignored in one axis", "the taps of a row are always neighbours")
def _conv2d_undilated_rows(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    total += w[o, c, p, q] * x[n, first + c, row, col]
                    y[n, o, i, j] = total


@FAULTS.plant("conv2d", "wrong only for many channels", "a table of eight channels wraps around")
def _conv2d_eight_channels(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    height, width = x.shape[2:]
    channels_out, group_in, kernel_h, kernel_w = w.shape
    for n in range(y.shape[0]):
        for o in range(channels_out):
            first = o // (channels_out // groups) * group_in
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(group_in):
                        for p in range(kernel_h):
                            row = i * stride[0] + p * dilation[0] - padding[0][0]
                            for q in range(kernel_w):
                                col = j * stride[1] + q * dilation[1] - padding[1][0]
                                if 0 <= row < height and 0 <= col < width:
                                    total += w[o, c, p, q] * x[n, (first + c) & 7, row, col]
                    y[n, o, i, j] = total
