"""The zoo: kernels with one planted fault each, written as a user would write them. The checker must catch every one.

Each is in the calling convention ``fn(*inputs, *options, *outputs)`` and would be right but for its fault. Nothing is
compiled, and nothing that a kernel remembers between calls exists, before ``zoo`` is called.
"""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.shapes import Padding, Pair

try:
    from numba import cuda
except ImportError:  # numba-cuda is an extra
    cuda = None

Array = NDArray[Any]
Kernel = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """A kernel with one fault.

    Attributes
    ----------
    name : the operation and what is wrong, unique in the zoo
    op : the operation that it claims to compute
    device : "cpu" (njit or plain Python) or "cuda" (to be run in the simulator)
    fault : the category of the fault
    function : the kernel, in the calling convention
    """

    name: str
    op: str
    device: str
    fault: str
    function: Kernel


def zoo() -> tuple[Faulty, ...]:
    """Give every faulty kernel, built afresh, as yet uncompiled; those for CUDA only where Numba's CUDA is installed."""
    return tuple(
        Faulty(name=f"{plan.op}: {plan.what}", op=plan.op, device=plan.device, fault=plan.fault, function=plan.build())
        for plan in _PLANS
        if plan.device == "cpu" or cuda is not None
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    op: str
    fault: str
    what: str
    device: str
    build: Callable[[], Kernel]


_PLANS: list[_Plan] = []

_SERIAL = numba.njit(error_model="numpy")
_PARALLEL = numba.njit(parallel=True, error_model="numpy")
_FASTMATH = numba.njit(fastmath=True, error_model="numpy")


def _plain(function: Kernel) -> Kernel:
    return function


def _plant(
    op: str, fault: str, what: str, how: Callable[[Any], Any] = _SERIAL, *, device: str = "cpu"
) -> Callable[[Kernel], Kernel]:
    """Enter a kernel into the zoo, to be compiled by ``how`` when the zoo is built."""

    def enter(function: Kernel) -> Kernel:
        _PLANS.append(_Plan(op=op, fault=fault, what=what, device=device, build=lambda: how(function)))
        return function

    return enter


def _plant_fresh(op: str, fault: str, what: str) -> Callable[[Callable[[], Kernel]], Callable[[], Kernel]]:
    """Enter a kernel that remembers something between calls, given by the function that makes a fresh one."""

    def enter(factory: Callable[[], Kernel]) -> Callable[[], Kernel]:
        _PLANS.append(_Plan(op=op, fault=fault, what=what, device="cpu", build=factory))
        return factory

    return enter


# --- conv2d ----------------------------------------------------------------------------------------------------------


@_plant("conv2d", "off by one in a loop bound", "the last row of the image counts as padding")
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


@_plant("conv2d", "lost bias", "the bias is never added")
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


@_plant("conv2d", "wrong stride", "the vertical stride is used for both axes")
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


@_plant("conv2d", "height and width swapped", "the padding of the left is applied at the top and the other way round")
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


@_plant("conv2d", "swapped kernel axes", "the filter is transposed")
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


@_plant("conv2d", "convolution instead of correlation", "the filter is turned by 180 degrees")
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


@_plant("conv2d", "missing zero padding", "pixels of the edge are repeated where zeros belong")
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


@_plant("conv2d", "Inf or NaN weight times padding", "the zeros of a padded copy are multiplied", _plain)
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


@_plant("conv2d", "wrong group offset", "every group reads the channels of the first")
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


@_plant("conv2d", "dilation ignored in one axis", "the taps of a row are always neighbours")
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


@_plant("conv2d", "wrong only for many channels", "a table of eight channels wraps around")
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


# --- conv2d_backward -------------------------------------------------------------------------------------------------


@_plant("conv2d_backward", "race: accumulation into one element", "samples add to dw and db in parallel", _PARALLEL)
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


@_plant("conv2d_backward", "sum on dirty output", "dw is added to what was there")
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


@_plant("conv2d_backward", "wrong for an empty batch", "without samples it returns before dw and db are cleared")
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


# --- relu ------------------------------------------------------------------------------------------------------------


@_plant("relu", "NaN swallowed", "a NaN becomes zero")
def _relu_nan(x: Array, y: Array) -> None:
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else 0


@_plant("relu", "subnormals flushed to zero", "what is smaller than the smallest normal number becomes zero")
def _relu_flushes(x: Array, y: Array) -> None:
    tiny = np.finfo(x.dtype).tiny
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] < tiny else x.flat[i]


@_plant("relu", "out-of-bounds write by one", "the loop is unrolled by two and has no tail")
def _relu_unrolled(x: Array, y: Array) -> None:
    source, target = x.ravel(), y.ravel()
    zero = x.dtype.type(0)
    for i in range(0, source.size, 2):
        target[i] = zero if source[i] <= zero else source[i]
        target[i + 1] = zero if source[i + 1] <= zero else source[i + 1]


@_plant("relu", "input mutation", "negative elements of the input are cleared in place", _plain)
def _relu_in_place(x: Array, y: Array) -> None:
    x[x < 0] = 0
    y[...] = x


@_plant("relu", "returns zeros", "zeros of the expected shape", _plain)
def _relu_zeros(x: Array, y: Array) -> None:
    y[...] = np.zeros(x.shape, x.dtype)


@_plant_fresh("relu", "stale result", "results are kept by shape and dtype")
def _relu_memo_by_shape() -> Kernel:
    known: dict[Any, Array] = {}

    def relu_memo_by_shape(x: Array, y: Array) -> None:
        key = (x.shape, x.dtype)
        if key not in known:
            known[key] = np.where(x <= 0, 0, x)
        y[...] = known[key]

    return relu_memo_by_shape


@_plant("relu_backward", "wrong tie rule", "the gradient at zero is one")
def _relu_backward_at_zero(dy: Array, x: Array, dx: Array) -> None:
    for i in range(x.size):
        dx.flat[i] = 0 if x.flat[i] < 0 else dy.flat[i]


@_plant("relu_backward", "missing tail", "blocks of eight; the last, incomplete block is left as it was")
def _relu_backward_blocks(dy: Array, x: Array, dx: Array) -> None:
    for block in range(x.size // 8):
        for lane in range(8):
            i = block * 8 + lane
            dx.flat[i] = 0 if x.flat[i] <= 0 else dy.flat[i]


@_plant("relu_backward", "Inf or NaN times a mask", "the mask is multiplied, not selected by", _plain)
def _relu_backward_mask(dy: Array, x: Array, dx: Array) -> None:
    dx[...] = dy * ~(x <= 0)


# --- max_pool2d ------------------------------------------------------------------------------------------------------


@_plant("max_pool2d", "-inf padding lost", "padding counts as zero")
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


@_plant("max_pool2d", "NaN swallowed", "fastmath removes the test for NaN", _FASTMATH)
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


@_plant("max_pool2d", "out-of-bounds read by one", "a window may reach one column behind the image")
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


@_plant("max_pool2d", "race: last writer wins", "rows of the image raise the maxima of their windows", _PARALLEL)
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


@_plant("max_pool2d_backward", "wrong tie rule", "the last of equal values gets the gradient")
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


# --- avg_pool2d ------------------------------------------------------------------------------------------------------


@_plant("avg_pool2d", "division by the window", "padding counts although count_include_pad is False", _plain)
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


@_plant("avg_pool2d", "wrong in ceil_mode", "taps beyond the padding, of a window that sticks out, are counted")
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


@_plant("avg_pool2d_backward", "output left unwritten", "the last element of every plane of dx", _plain)
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


# --- sum_pool2d ------------------------------------------------------------------------------------------------------


@_plant("sum_pool2d", "window kept that starts in padding", "computes the size in ceil_mode by itself, one too many")
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


@_plant("sum_pool2d", "cancellation", "sums are differences of a summed-area table", _plain)
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


@_plant("sum_pool2d", "uninitialised scratch", "the accumulators come from np.empty")
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


@_plant("sum_pool2d_backward", "race: accumulation into one element", "overlapping windows in parallel", _PARALLEL)
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


@_plant_fresh("sum_pool2d_backward", "depends on the number of calls", "every fourth call forgets to clear dx")
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


# --- dense -----------------------------------------------------------------------------------------------------------


@_plant("dense", "missing tail", "features in vectors of eight; the remainder is dropped")
def _dense_vectors(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for first in range(0, x.shape[1] // 8 * 8, 8):
                for lane in range(8):
                    total += x[n, first + lane] * w[m, first + lane]
            y[n, m] = total


@_plant("dense", "float16 accumulation", "products are added in half precision", _plain)
def _dense_half(x: Array, w: Array, b: Array, y: Array) -> None:
    y[...] = (x[:, None, :] * w).sum(axis=2, dtype=np.float16) + b


@_plant("dense", "float32 accumulation", "the accumulators are float32 whatever the inputs are")
def _dense_single(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        totals = b.astype(np.float32)
        for m in range(w.shape[0]):
            for k in range(x.shape[1]):
                totals[m] += x[n, k] * w[m, k]
        y[n] = totals


@_plant("dense", "integer overflow in an index", "the flat index into the weights has eight bits")
def _dense_narrow_index(x: Array, w: Array, b: Array, y: Array) -> None:
    features = x.shape[1]
    weights = w.ravel()
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(features):
                total += x[n, k] * weights[np.uint8(m * features + k)]
            y[n, m] = total


@_plant("dense", "wrong only for N > 16", "samples beyond the sixteenth reuse its row")
def _dense_sixteen(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[min(n, 15), k] * w[m, k]
            y[n, m] = total


@_plant("dense", "wrong only for non-contiguous input", "the weights are read through a bare pointer", _plain)
def _dense_pointer(x: Array, w: Array, b: Array, y: Array) -> None:
    pointer = w.ctypes.data_as(ctypes.POINTER(np.ctypeslib.as_ctypes_type(w.dtype)))
    weights = np.ctypeslib.as_array(pointer, w.shape)
    y[...] = (x[:, None, :] * weights).sum(axis=2) + b


@_plant_fresh("dense", "stale result", "transposed weights are kept by the address of w")
def _dense_memo_by_address() -> Kernel:
    transposed: dict[Any, Array] = {}

    def dense_memo_by_address(x: Array, w: Array, b: Array, y: Array) -> None:
        key = (w.ctypes.data, w.shape, w.dtype)
        if key not in transposed:
            transposed[key] = w.T.copy()
        y[...] = (x[:, :, None] * transposed[key]).sum(axis=1) + b

    return dense_memo_by_address


@_plant("dense_backward", "race: accumulation into one element", "samples add to db in parallel", _PARALLEL)
def _dense_backward_shared_sums(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    dx[:] = 0
    dw[:] = 0
    db[:] = 0
    for m in range(w.shape[0]):
        for n in range(x.shape[0]):
            for k in range(x.shape[1]):
                dx[n, k] += dy[n, m] * w[m, k]
                dw[m, k] += dy[n, m] * x[n, k]
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            db[m] += dy[n, m]


@_plant("dense_backward", "race: reads the neighbour's output", "a running sum over the samples in parallel", _PARALLEL)
def _dense_backward_running_sum(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    batch, outputs = dy.shape
    dx[:] = 0
    dw[:] = 0
    for m in range(outputs):
        for n in range(batch):
            for k in range(x.shape[1]):
                dx[n, k] += dy[n, m] * w[m, k]
                dw[m, k] += dy[n, m] * x[n, k]
    sums = np.zeros((batch + 1, outputs), dy.dtype)
    for n in prange(batch):
        for m in range(outputs):
            sums[n + 1, m] = sums[n, m] + dy[n, m]
    db[:] = sums[batch]


@_plant("dense_backward", "wrong stride", "dw is written as if it were (K, M)", _plain)
def _dense_backward_transposed(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    dx[...] = (dy[:, :, None] * w).sum(axis=1)
    dw[...] = (x[:, :, None] * dy[:, None, :]).sum(axis=0).reshape(dw.shape)
    db[...] = dy.sum(axis=0)


# --- softmax and cross-entropy ---------------------------------------------------------------------------------------


@_plant("softmax", "unstable softmax", "the maximum is not subtracted", _plain)
def _softmax_unstable(x: Array, y: Array) -> None:
    exponentials = np.exp(x)
    y[...] = exponentials / exponentials.sum(axis=1, keepdims=True)


@_plant("softmax", "wrong only for non-contiguous input", "rows are taken in the order of memory", _plain)
def _softmax_memory_order(x: Array, y: Array) -> None:
    rows = x.ravel(order="K").reshape(x.shape)
    exponentials = np.exp(rows - rows.max(axis=1, keepdims=True))
    y[...] = exponentials / exponentials.sum(axis=1, keepdims=True)


@_plant("softmax", "NaN swallowed", "rows without a positive sum are cleared")
def _softmax_cleared(x: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        largest = x[n, 0]
        for k in range(1, x.shape[1]):
            largest = max(largest, x[n, k])
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            y[n, k] = math.exp(x[n, k] - largest)
            total += y[n, k]
        for k in range(x.shape[1]):
            y[n, k] = y[n, k] / total if total > 0 else 0


@_plant("softmax", "race: shared scratch", "one buffer for the exponentials of all rows", _PARALLEL)
def _softmax_shared_scratch(x: Array, y: Array) -> None:
    scratch = np.empty(x.shape[1], x.dtype)
    for n in prange(x.shape[0]):
        largest = x[n, 0]
        for k in range(1, x.shape[1]):
            if x[n, k] > largest:
                largest = x[n, k]
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            scratch[k] = math.exp(x[n, k] - largest)
            total += scratch[k]
        for k in range(x.shape[1]):
            y[n, k] = scratch[k] / total


@_plant("softmax", "wrong only for N > 16", "a ring of sixteen row maxima wraps around")
def _softmax_ring(x: Array, y: Array) -> None:
    largest = np.full(16, -np.inf, x.dtype)
    for n in range(x.shape[0]):
        largest[n % 16] = x[n, 0]
        for k in range(1, x.shape[1]):
            if x[n, k] > largest[n % 16]:
                largest[n % 16] = x[n, k]
    for n in range(x.shape[0]):
        total = y.dtype.type(0)
        for k in range(x.shape[1]):
            y[n, k] = math.exp(x[n, k] - largest[n % 16])
            total += y[n, k]
        for k in range(x.shape[1]):
            y[n, k] /= total


@_plant("softmax_backward", "off by one in a loop bound", "the last class is missing from the sum")
def _softmax_backward_last_class(dy: Array, y: Array, dx: Array) -> None:
    for n in range(y.shape[0]):
        total = dx.dtype.type(0)
        for k in range(y.shape[1] - 1):
            total += dy[n, k] * y[n, k]
        for k in range(y.shape[1]):
            dx[n, k] = y[n, k] * (dy[n, k] - total)


@_plant_fresh("softmax_backward", "stale result", "sums are kept by the identity of dy")
def _softmax_backward_memo_by_id() -> Kernel:
    sums: dict[Any, Array] = {}

    def softmax_backward_memo_by_id(dy: Array, y: Array, dx: Array) -> None:
        key = (id(dy), y.shape, y.dtype)
        if key not in sums:
            sums[key] = (dy * y).sum(axis=1, keepdims=True)
        dx[...] = y * (dy - sums[key])

    return softmax_backward_memo_by_id


@_plant("cross_entropy", "loses the largest score", "the textbook's order: max + log(sum) - z[label]")
def _cross_entropy_textbook(logits: Array, labels: Array, loss: Array) -> None:
    batch, classes = logits.shape
    mean = loss.dtype.type(0)
    for n in range(batch):
        largest = logits[n, 0]
        for k in range(classes):
            if logits[n, k] > largest:
                largest = logits[n, k]
        total = loss.dtype.type(0)
        for k in range(classes):
            total += math.exp(logits[n, k] - largest)
        mean += (largest + math.log(total)) - logits[n, labels[n]]
    loss[()] = mean / loss.dtype.type(batch)


@_plant("cross_entropy", "log of zero", "the logarithm of a probability that underflowed", _plain)
def _cross_entropy_log_zero(logits: Array, labels: Array, loss: Array) -> None:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss[...] = -np.log(probabilities[np.arange(len(labels)), labels]).sum() / loss.dtype.type(len(labels))


@_plant("cross_entropy", "mean without division", "the losses of the batch are only added", _plain)
def _cross_entropy_sum(logits: Array, labels: Array, loss: Array) -> None:
    below = logits - logits.max(axis=1, keepdims=True)
    loss[...] = (np.log(np.exp(below).sum(axis=1)) - below[np.arange(len(labels)), labels]).sum()
    if len(labels) == 0:
        loss[...] = np.nan


@_plant("cross_entropy", "wrong for an empty batch", "the mean of no losses is zero", _plain)
def _cross_entropy_empty(logits: Array, labels: Array, loss: Array) -> None:
    below = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(below).sum(axis=1)) - below[np.arange(len(labels)), labels]
    loss[...] = losses.sum() / loss.dtype.type(max(len(labels), 1))


@_plant("cross_entropy_backward", "mean without division", "the gradient of the sum, not of the mean", _plain)
def _cross_entropy_backward_sum(logits: Array, labels: Array, dlogits: Array) -> None:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    dlogits[...] = exponentials / exponentials.sum(axis=1, keepdims=True)
    dlogits[np.arange(len(labels)), labels] -= 1


@_plant("cross_entropy_backward", "input mutation", "the maximum is subtracted in place", _plain)
def _cross_entropy_backward_in_place(logits: Array, labels: Array, dlogits: Array) -> None:
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    dlogits[...] = exponentials / exponentials.sum(axis=1, keepdims=True)
    dlogits[np.arange(len(labels)), labels] -= 1
    dlogits /= dlogits.dtype.type(max(len(labels), 1))


# --- CUDA ------------------------------------------------------------------------------------------------------------


@cache
def _compiled(kernel: Kernel) -> Any:
    return cuda.jit(kernel)


def _launch(kernel: Kernel, blocks: int, threads: int, *arguments: Any) -> None:
    if blocks > 0:
        _compiled(kernel)[blocks, threads](*arguments)


def _relu_unguarded_kernel(x: Array, y: Array) -> None:
    i = cuda.grid(1)
    y[i] = 0 if x[i] <= 0 else x[i]


@_plant("relu", "missing guard", "threads beyond the last element read and write too", _plain, device="cuda")
def _relu_unguarded(x: Array, y: Array) -> None:
    _launch(_relu_unguarded_kernel, -(-x.size // 32), 32, x.reshape(x.size), y.reshape(y.size))


def _relu_backward_one_grid_kernel(dy: Array, x: Array, dx: Array) -> None:
    i = cuda.grid(1)
    if i < x.size:
        dx[i] = 0 if x[i] <= 0 else dy[i]


@_plant("relu_backward", "only the first grid", "the grid does not stride over large arrays", _plain, device="cuda")
def _relu_backward_one_grid(dy: Array, x: Array, dx: Array) -> None:
    arrays = (array.reshape(x.size) for array in (dy, x, dx))
    _launch(_relu_backward_one_grid_kernel, min(-(-x.size // 8), 2), 8, *arrays)


def _softmax_unsynchronised_kernel(x: Array, y: Array) -> None:
    sums = cuda.shared.array(8, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    largest = x[n, 0]
    for k in range(1, x.shape[1]):
        if x[n, k] > largest:
            largest = x[n, k]
    sums[lane] = 0
    for k in range(lane, x.shape[1], 8):
        sums[lane] += math.exp(x[n, k] - largest)
    total = 0.0
    for other in range(8):
        total += sums[other]
    for k in range(lane, x.shape[1], 8):
        y[n, k] = math.exp(x[n, k] - largest) / total


@_plant("softmax", "missing syncthreads", "sums of other threads are read before they are there", _plain, device="cuda")
def _softmax_unsynchronised(x: Array, y: Array) -> None:
    _launch(_softmax_unsynchronised_kernel, x.shape[0], 8, x, y)


def _dense_tiles_kernel(x: Array, w: Array, b: Array, y: Array) -> None:
    tile = cuda.shared.array(4, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    for first in range(0, x.shape[1], 4):
        if first + lane < x.shape[1]:
            tile[lane] = x[n, first + lane]
        cuda.syncthreads()
        for m in range(lane, w.shape[0], 4):
            total = b[m] if first == 0 else y[n, m]
            for k in range(first, min(first + 4, x.shape[1])):
                total += tile[k - first] * w[m, k]
            y[n, m] = total


@_plant("dense", "missing syncthreads", "a tile is overwritten while others still read it", _plain, device="cuda")
def _dense_tiles(x: Array, w: Array, b: Array, y: Array) -> None:
    _launch(_dense_tiles_kernel, x.shape[0], 4, x, w, b, y)


def _softmax_backward_small_buffer_kernel(dy: Array, y: Array, dx: Array) -> None:
    products = cuda.shared.array(16, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    for k in range(lane, y.shape[1], 8):
        products[k] = dy[n, k] * y[n, k]
    cuda.syncthreads()
    total = 0.0
    for k in range(y.shape[1]):
        total += products[k]
    for k in range(lane, y.shape[1], 8):
        dx[n, k] = y[n, k] * (dy[n, k] - total)


@_plant(
    "softmax_backward", "shared memory too small", "sixteen products, whatever the row holds", _plain, device="cuda"
)
def _softmax_backward_small_buffer(dy: Array, y: Array, dx: Array) -> None:
    _launch(_softmax_backward_small_buffer_kernel, y.shape[0], 8, dy, y, dx)


def _cross_entropy_last_block_kernel(logits: Array, labels: Array, loss: Array) -> None:
    n = cuda.blockIdx.x
    largest = logits[n, 0]
    for k in range(1, logits.shape[1]):
        if logits[n, k] > largest:
            largest = logits[n, k]
    total = 0.0
    for k in range(logits.shape[1]):
        total += math.exp(logits[n, k] - largest)
    loss[()] = (math.log(total) + (largest - logits[n, labels[n]])) / logits.shape[0]


@_plant(
    "cross_entropy", "race: last writer wins", "every block writes its own share of the mean", _plain, device="cuda"
)
def _cross_entropy_last_block(logits: Array, labels: Array, loss: Array) -> None:
    loss[()] = math.nan
    _launch(_cross_entropy_last_block_kernel, logits.shape[0], 1, logits, labels, loss)
