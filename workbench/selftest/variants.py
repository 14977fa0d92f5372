"""Right kernels that add in other orders, or take another way to the same result. The checker must pass every one.

Each is in the calling convention ``fn(*inputs, *options, *outputs)``, for the CPU, right for float32 and float64, for all
options and all special values. What sums, sums products of inputs, each within the bound of ``kernels.rounding.Sum`` for
any order; why the forms of softmax and cross-entropy are within theirs is said where they are.
"""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from kernels.indexing import valid_range, window_at
from kernels.shapes import Padding, Pair

Array = NDArray[Any]
Kernel = Callable[..., None]
Order = Callable[[Array], Any]
"""Adds up the terms, of which there may be none; may use their memory."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """A right kernel.

    Attributes
    ----------
    name : the operation and how it goes about it, unique among the variants
    op : the operation that it computes
    function : the kernel, in the calling convention, for the CPU
    """

    name: str
    op: str
    function: Kernel


def variants() -> tuple[Right, ...]:
    """Give every variant; each is compiled at its first call."""
    summing = [
        Right(name=f"{op}: {_ORDER_NAMES[order]}", op=op, function=make(order))
        for op, make, orders in _SUMMING
        for order in orders
    ]
    others = [Right(name=f"{op}: {way}", op=op, function=function) for op, way, function in _OTHERS]
    return (*summing, *others)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = numba.njit(error_model="numpy")(function)
    return compiled


def _with_fma(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with a*b + c contracted to one FMA, where the machine has it."""
    compiled: Callable[..., Any] = numba.njit(error_model="numpy", fastmath={"contract"})(function)
    return compiled


# --- Orders of summation ---------------------------------------------------------------------------------------------


@_compiled
def _reversed(terms: Array) -> Any:
    total = terms.dtype.type(0)
    for i in range(terms.size - 1, -1, -1):
        total += terms[i]
    return total


@_compiled
def _pairwise(terms: Array) -> Any:
    size = terms.size
    if size == 0:
        return terms.dtype.type(0)
    while size > 1:
        for i in range(size // 2):
            terms[i] = terms[2 * i] + terms[2 * i + 1]
        if size % 2:
            terms[size // 2] = terms[size - 1]
        size = (size + 1) // 2
    return terms[0]


@_compiled
def _four_sums(terms: Array) -> Any:
    sums = np.zeros(4, terms.dtype)
    for i in range(terms.size):
        sums[i % 4] += terms[i]
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


@_compiled
def _blocks(terms: Array) -> Any:
    total = terms.dtype.type(0)
    for first in range(0, terms.size, 8):
        block = terms.dtype.type(0)
        for i in range(first, min(first + 8, terms.size)):
            block += terms[i]
        total += block
    return total


@_compiled
def _from_both_ends(terms: Array) -> Any:
    total = terms.dtype.type(0)
    for i in range((terms.size + 1) // 2):
        total += terms[i]
        if i != terms.size - 1 - i:
            total += terms[terms.size - 1 - i]
    return total


@_compiled
def _compensated(terms: Array) -> Any:
    """Kahan's sum; the plain one where that is not finite, as inf - inf in the compensation would make it NaN."""
    total = terms.dtype.type(0)
    plain = terms.dtype.type(0)
    lost = terms.dtype.type(0)
    for term in terms:
        plain += term
        corrected = term - lost
        raised = total + corrected
        lost = (raised - total) - corrected
        total = raised
    return total if np.isfinite(plain) else plain


@_compiled
def _in_double(terms: Array) -> Any:
    total = 0.0
    for term in terms:
        total += term
    return terms.dtype.type(total)


_ORDER_NAMES: dict[Order, str] = {
    _reversed: "reversed",
    _pairwise: "pairwise",
    _four_sums: "four accumulators",
    _blocks: "in blocks of eight",
    _from_both_ends: "from both ends",
    _compensated: "compensated",
    _in_double: "accumulated in float64",
}


# --- Kernels that collect the terms of every output and add them in a given order -------------------------------------


def _conv2d(order: Order) -> Kernel:
    @_compiled
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
    @_compiled
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


def _dense(order: Order) -> Kernel:
    @_compiled
    def dense(x: Array, w: Array, b: Array, y: Array) -> None:
        terms = np.empty(x.shape[1] + 1, x.dtype)
        for n in range(x.shape[0]):
            for m in range(w.shape[0]):
                for k in range(x.shape[1]):
                    terms[k] = x[n, k] * w[m, k]
                terms[x.shape[1]] = b[m]
                y[n, m] = order(terms[:])

    return dense


def _dense_backward(order: Order) -> Kernel:
    @_compiled
    def dense_backward(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
        batch, outputs = dy.shape
        over_outputs = np.empty(outputs, dy.dtype)
        over_batch = np.empty(batch, dy.dtype)
        for k in range(x.shape[1]):
            for n in range(batch):
                for m in range(outputs):
                    over_outputs[m] = dy[n, m] * w[m, k]
                dx[n, k] = order(over_outputs)
            for m in range(outputs):
                for n in range(batch):
                    over_batch[n] = dy[n, m] * x[n, k]
                dw[m, k] = order(over_batch)
        for m in range(outputs):
            for n in range(batch):
                over_batch[n] = dy[n, m]
            db[m] = order(over_batch)

    return dense_backward


@_compiled
def _taps(start: int, dilation: int, kernel: int, size: int, sides: Pair, padded: bool) -> int:
    """Count the taps of a window along one axis: those on real input or, with ``padded``, inside the padded input."""
    before, after = sides if padded else (0, 0)
    count = 0
    for tap in range(kernel):
        count += -before <= start + tap * dilation < size + after
    return count


@_compiled
def _window_terms(plane: Array, top: int, left: int, kernel_size: Pair, dilation: Pair, terms: Array) -> int:
    """Collect what a window sees; give the number of the terms."""
    first_p, last_p = valid_range(top, dilation[0], kernel_size[0], plane.shape[0])
    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], plane.shape[1])
    count = 0
    for p in range(first_p, last_p):
        for q in range(first_q, last_q):
            terms[count] = plane[top + p * dilation[0], left + q * dilation[1]]
            count += 1
    return count


def _sum_pool2d(order: Order) -> Kernel:
    @_compiled
    def sum_pool2d(
        x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
    ) -> None:
        terms = np.empty(kernel_size[0] * kernel_size[1], x.dtype)
        for n in range(y.shape[0]):
            for c in range(y.shape[1]):
                for i in range(y.shape[2]):
                    for j in range(y.shape[3]):
                        top, left = i * stride[0] - padding[0][0], j * stride[1] - padding[1][0]
                        count = _window_terms(x[n, c], top, left, kernel_size, dilation, terms)
                        y[n, c, i, j] = order(terms[:count])

    return sum_pool2d


def _avg_pool2d(order: Order) -> Kernel:
    @_compiled
    def avg_pool2d(
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        y: Array,
    ) -> None:
        """Multiply by the reciprocal."""
        terms = np.empty(kernel_size[0] * kernel_size[1], x.dtype)
        one = x.dtype.type(1)
        for i in range(y.shape[2]):
            top = i * stride[0] - padding[0][0]
            rows = _taps(top, dilation[0], kernel_size[0], x.shape[2], padding[0], count_include_pad)
            for j in range(y.shape[3]):
                left = j * stride[1] - padding[1][0]
                cols = _taps(left, dilation[1], kernel_size[1], x.shape[3], padding[1], count_include_pad)
                factor = one / x.dtype.type(rows * cols)
                for n in range(y.shape[0]):
                    for c in range(y.shape[1]):
                        count = _window_terms(x[n, c], top, left, kernel_size, dilation, terms)
                        y[n, c, i, j] = order(terms[:count]) * factor

    return avg_pool2d


def _sum_pool2d_backward(order: Order) -> Kernel:
    @_compiled
    def sum_pool2d_backward(
        dy: Array,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        ceil_mode: bool,
        dx: Array,
    ) -> None:
        terms = np.empty(kernel_size[0] * kernel_size[1], dy.dtype)
        for n in range(dx.shape[0]):
            for c in range(dx.shape[1]):
                for row in range(dx.shape[2]):
                    for col in range(dx.shape[3]):
                        count = 0
                        for p in range(kernel_size[0]):
                            i = window_at(row + padding[0][0] - p * dilation[0], stride[0], dy.shape[2])
                            for q in range(kernel_size[1]):
                                j = window_at(col + padding[1][0] - q * dilation[1], stride[1], dy.shape[3])
                                if i >= 0 and j >= 0:
                                    terms[count] = dy[n, c, i, j]
                                    count += 1
                        dx[n, c, row, col] = order(terms[:count])

    return sum_pool2d_backward


def _avg_pool2d_backward(order: Order) -> Kernel:
    @_compiled
    def avg_pool2d_backward(
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
        """Gather, multiplying by reciprocals."""
        terms = np.empty(kernel_size[0] * kernel_size[1], dy.dtype)
        factors = np.empty(dy.shape[2:], dy.dtype)
        for i in range(dy.shape[2]):
            top = i * stride[0] - padding[0][0]
            rows = _taps(top, dilation[0], kernel_size[0], dx.shape[2], padding[0], count_include_pad)
            for j in range(dy.shape[3]):
                left = j * stride[1] - padding[1][0]
                cols = _taps(left, dilation[1], kernel_size[1], dx.shape[3], padding[1], count_include_pad)
                factors[i, j] = dy.dtype.type(1) / dy.dtype.type(max(rows * cols, 1))
        for n in range(dx.shape[0]):
            for c in range(dx.shape[1]):
                for row in range(dx.shape[2]):
                    for col in range(dx.shape[3]):
                        count = 0
                        for p in range(kernel_size[0]):
                            i = window_at(row + padding[0][0] - p * dilation[0], stride[0], dy.shape[2])
                            for q in range(kernel_size[1]):
                                j = window_at(col + padding[1][0] - q * dilation[1], stride[1], dy.shape[3])
                                if i >= 0 and j >= 0:
                                    terms[count] = dy[n, c, i, j] * factors[i, j]
                                    count += 1
                        dx[n, c, row, col] = order(terms[:count])

    return avg_pool2d_backward


def _softmax(order: Order) -> Kernel:
    @_compiled
    def softmax(x: Array, y: Array) -> None:
        """Multiply by the reciprocal: K - 1 additions and two roundings more, as many as the bound has."""
        terms = np.empty(x.shape[1], x.dtype)
        for n in range(x.shape[0]):
            largest = _largest(x[n])
            for k in range(x.shape[1]):
                terms[k] = math.exp(x[n, k] - largest)
                y[n, k] = terms[k]
            factor = x.dtype.type(1) / order(terms)
            for k in range(x.shape[1]):
                y[n, k] *= factor

    return softmax


def _softmax_backward(order: Order) -> Kernel:
    @_compiled
    def softmax_backward(dy: Array, y: Array, dx: Array) -> None:
        terms = np.empty(y.shape[1], y.dtype)
        for n in range(y.shape[0]):
            for k in range(y.shape[1]):
                terms[k] = dy[n, k] * y[n, k]
            total = order(terms)
            for k in range(y.shape[1]):
                dx[n, k] = y[n, k] * (dy[n, k] - total)

    return softmax_backward


def _cross_entropy(order: Order) -> Kernel:
    @_compiled
    def cross_entropy(logits: Array, labels: Array, loss: Array) -> None:
        """Take log(sum) - (z - max), add the losses in the same order, multiply by 1/N."""
        batch, classes = logits.shape
        terms = np.empty(classes, logits.dtype)
        losses = np.empty(batch, logits.dtype)
        for n in range(batch):
            largest = _largest(logits[n])
            for k in range(classes):
                terms[k] = math.exp(logits[n, k] - largest)
            losses[n] = math.log(order(terms)) - (logits[n, labels[n]] - largest)
        loss[()] = order(losses) * (logits.dtype.type(1) / logits.dtype.type(batch))

    return cross_entropy


def _cross_entropy_backward(order: Order) -> Kernel:
    @_compiled
    def cross_entropy_backward(logits: Array, labels: Array, dlogits: Array) -> None:
        batch, classes = logits.shape
        terms = np.empty(classes, logits.dtype)
        one = logits.dtype.type(1)
        share = one / logits.dtype.type(batch)
        for n in range(batch):
            largest = _largest(logits[n])
            for k in range(classes):
                terms[k] = math.exp(logits[n, k] - largest)
                dlogits[n, k] = terms[k]
            total = order(terms)
            for k in range(classes):
                target = one if k == labels[n] else logits.dtype.type(0)
                dlogits[n, k] = (dlogits[n, k] / total - target) * share

    return cross_entropy_backward


@_compiled
def _largest(row: Array) -> Any:
    largest = row[0]
    for value in row[1:]:
        if value > largest:
            largest = value
    return largest


_SUMMING: tuple[tuple[str, Callable[[Order], Kernel], tuple[Order, ...]], ...] = (
    ("conv2d", _conv2d, (_reversed, _pairwise, _four_sums, _blocks)),
    ("conv2d_backward", _conv2d_backward, (_pairwise, _from_both_ends)),
    ("dense", _dense, (_reversed, _pairwise, _blocks, _compensated)),
    ("dense_backward", _dense_backward, (_pairwise, _four_sums)),
    ("sum_pool2d", _sum_pool2d, (_reversed, _blocks)),
    ("sum_pool2d_backward", _sum_pool2d_backward, (_from_both_ends, _pairwise)),
    ("avg_pool2d", _avg_pool2d, (_pairwise, _reversed)),
    ("avg_pool2d_backward", _avg_pool2d_backward, (_reversed, _four_sums)),
    ("softmax", _softmax, (_pairwise, _in_double)),
    ("softmax_backward", _softmax_backward, (_reversed, _in_double)),
    ("cross_entropy", _cross_entropy, (_pairwise, _in_double)),
    ("cross_entropy_backward", _cross_entropy_backward, (_pairwise, _in_double)),
)


# --- Kernels of their own --------------------------------------------------------------------------------------------


@_with_fma
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
    """Work tap by tap, on slices, with NumPy's own sums."""
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


def _relu_where(x: Array, y: Array) -> None:
    y[...] = np.where(x <= 0, 0, x)


def _relu_maximum(x: Array, y: Array) -> None:
    np.maximum(x, 0, out=y)


@_compiled
def _relu_branches(x: Array, y: Array) -> None:
    for i in range(x.size):
        value = x.flat[i]
        if value > 0 or value != value:
            y.flat[i] = value
        else:
            y.flat[i] = 0


def _relu_backward_where(dy: Array, x: Array, dx: Array) -> None:
    dx[...] = np.where(x <= 0, 0, dy)


@_compiled
def _relu_backward_cleared(dy: Array, x: Array, dx: Array) -> None:
    for i in range(x.size - 1, -1, -1):
        dx.flat[i] = dy.flat[i]
        if x.flat[i] <= 0:
            dx.flat[i] = 0


@_compiled
def _max_pool2d_reversed(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                top = i * stride[0] - padding[0][0]
                first_p, last_p = valid_range(top, dilation[0], kernel_size[0], x.shape[2])
                for j in range(y.shape[3]):
                    left = j * stride[1] - padding[1][0]
                    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], x.shape[3])
                    best = x.dtype.type(-np.inf)
                    for q in range(last_q - 1, first_q - 1, -1):
                        for p in range(last_p - 1, first_p - 1, -1):
                            value = x[n, c, top + p * dilation[0], left + q * dilation[1]]
                            if value >= best or value != value:
                                best = value
                    y[n, c, i, j] = best


def _max_pool2d_by_taps(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Take the maximum of slices, one per tap; np.maximum keeps NaN."""
    y[...] = -np.inf
    for p in range(kernel_size[0]):
        top = p * dilation[0] - padding[0][0]
        first_i, last_i = valid_range(top, stride[0], y.shape[2], x.shape[2])
        for q in range(kernel_size[1]):
            left = q * dilation[1] - padding[1][0]
            first_j, last_j = valid_range(left, stride[1], y.shape[3], x.shape[3])
            part = y[:, :, first_i:last_i, first_j:last_j]
            rows = range(top + first_i * stride[0], top + last_i * stride[0], stride[0])
            cols = range(left + first_j * stride[1], left + last_j * stride[1], stride[1])
            np.maximum(part, x[np.ix_(range(x.shape[0]), range(x.shape[1]), rows, cols)], out=part)


@_compiled
def _max_pool2d_backward_reversed(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Scan from the last tap, replacing also equal values, so that the first one stays; windows from the last, too."""
    dx[:] = 0
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for i in range(dy.shape[2] - 1, -1, -1):
                top = i * stride[0] - padding[0][0]
                first_p, last_p = valid_range(top, dilation[0], kernel_size[0], x.shape[2])
                for j in range(dy.shape[3] - 1, -1, -1):
                    left = j * stride[1] - padding[1][0]
                    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], x.shape[3])
                    best = x.dtype.type(-np.inf)
                    best_row = -1
                    best_col = -1
                    for p in range(last_p - 1, first_p - 1, -1):
                        for q in range(last_q - 1, first_q - 1, -1):
                            row, col = top + p * dilation[0], left + q * dilation[1]
                            value = x[n, c, row, col]
                            if value >= best or value != value:
                                best, best_row, best_col = value, row, col
                    if best_row >= 0:
                        dx[n, c, best_row, best_col] += dy[n, c, i, j]


@_compiled
def _sum_pool2d_separable(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Sum down the columns first, then along the row of their sums."""
    columns = np.empty(x.shape[3], x.dtype)
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                top = i * stride[0] - padding[0][0]
                first_p, last_p = valid_range(top, dilation[0], kernel_size[0], x.shape[2])
                columns[:] = 0
                for p in range(first_p, last_p):
                    for col in range(x.shape[3]):
                        columns[col] += x[n, c, top + p * dilation[0], col]
                for j in range(y.shape[3]):
                    left = j * stride[1] - padding[1][0]
                    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], x.shape[3])
                    total = x.dtype.type(0)
                    for q in range(first_q, last_q):
                        total += columns[left + q * dilation[1]]
                    y[n, c, i, j] = total


@_compiled
def _sum_pool2d_backward_scatter(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Scatter, windows from the last one."""
    dx[:] = 0
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for i in range(dy.shape[2] - 1, -1, -1):
                top = i * stride[0] - padding[0][0]
                first_p, last_p = valid_range(top, dilation[0], kernel_size[0], x.shape[2])
                for j in range(dy.shape[3] - 1, -1, -1):
                    left = j * stride[1] - padding[1][0]
                    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], x.shape[3])
                    for p in range(first_p, last_p):
                        for q in range(first_q, last_q):
                            dx[n, c, top + p * dilation[0], left + q * dilation[1]] += dy[n, c, i, j]


def _dense_blas(x: Array, w: Array, b: Array, y: Array) -> None:
    y[...] = x @ w.T + b


@_with_fma
def _dense_with_fma(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


def _dense_backward_blas(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    dx[...] = dy @ w
    dw[...] = dy.T @ x
    db[...] = dy.sum(axis=0)


@_compiled
def _softmax_streaming(x: Array, y: Array) -> None:
    """Keep the maximum and the sum so far, rescaling the sum where a larger value comes.

    The differences of successive maxima add up to the distance from the last one, so the shift of the exponents is that
    of the other forms. Every rescaling adds the roundings of an exponential and a product; there are few of them unless a
    row ascends, and the exponential of the C library errs by far less than the four ulp that the bound has room for.
    """
    for n in range(x.shape[0]):
        largest = x.dtype.type(-np.inf)
        total = x.dtype.type(0)
        for k in range(x.shape[1]):
            value = x[n, k]
            if value > largest:
                total = total * x.dtype.type(math.exp(largest - value)) + x.dtype.type(1)
                largest = value
            elif value != -np.inf:
                total += math.exp(value - largest)
        if largest == np.inf:
            total = x.dtype.type(np.nan)
        for k in range(x.shape[1]):
            y[n, k] = math.exp(x[n, k] - largest) / total


def _softmax_passes(x: Array, y: Array) -> None:
    """Make whole-array passes, with NumPy's exponential and its pairwise sum."""
    np.exp(x - x.max(axis=1, keepdims=True), out=y)
    y /= y.sum(axis=1, keepdims=True)


@_compiled
def _softmax_backward_centred(dy: Array, y: Array, dx: Array) -> None:
    """Write the differences first, then multiply in place."""
    for n in range(y.shape[0]):
        total = y.dtype.type(0)
        for k in range(y.shape[1] - 1, -1, -1):
            total += y[n, k] * dy[n, k]
        for k in range(y.shape[1]):
            dx[n, k] = dy[n, k] - total
        for k in range(y.shape[1]):
            dx[n, k] *= y[n, k]


@_compiled
def _cross_entropy_log1p(logits: Array, labels: Array, loss: Array) -> None:
    """Leave the largest score's own exponential, 1, out of the sum: log1p(rest). The mean is added share by share."""
    batch = loss.dtype.type(logits.shape[0])
    mean = loss.dtype.type(0)
    for n in range(logits.shape[0]):
        place = 0
        for k in range(1, logits.shape[1]):
            if logits[n, k] > logits[n, place]:
                place = k
        largest = logits[n, place]
        rest = largest - largest  # zero, or NaN for an infinite one
        for k in range(logits.shape[1]):
            if k != place:
                rest += math.exp(logits[n, k] - largest)
        mean += (math.log1p(rest) + (largest - logits[n, labels[n]])) / batch
    loss[()] = mean if logits.shape[0] > 0 else loss.dtype.type(np.nan)


def _cross_entropy_backward_passes(logits: Array, labels: Array, dlogits: Array) -> None:
    """Divide the probabilities by N first, then subtract 1/N at the label.

    Near a probability of one the difference cancels, by what the bound of the probability has room for.
    """
    np.exp(logits - logits.max(axis=1, keepdims=True), out=dlogits)
    dlogits /= dlogits.sum(axis=1, keepdims=True)
    share = dlogits.dtype.type(1) / dlogits.dtype.type(max(len(labels), 1))
    dlogits *= share
    dlogits[np.arange(len(labels)), labels] -= share


_OTHERS: tuple[tuple[str, str, Kernel], ...] = (
    ("conv2d", "channels innermost, with FMA, bias last", _conv2d_with_fma),
    ("conv2d_backward", "tap by tap on slices", _conv2d_backward_matrices),
    ("relu", "np.where", _relu_where),
    ("relu", "np.maximum", _relu_maximum),
    ("relu", "branches", _relu_branches),
    ("relu_backward", "np.where", _relu_backward_where),
    ("relu_backward", "copied, then cleared, from the end", _relu_backward_cleared),
    ("max_pool2d", "reversed", _max_pool2d_reversed),
    ("max_pool2d", "np.maximum tap by tap", _max_pool2d_by_taps),
    ("max_pool2d_backward", "reversed, the first of a tie still", _max_pool2d_backward_reversed),
    ("sum_pool2d", "columns first", _sum_pool2d_separable),
    ("sum_pool2d_backward", "scattered from the end", _sum_pool2d_backward_scatter),
    ("dense", "BLAS", _dense_blas),
    ("dense", "with FMA", _dense_with_fma),
    ("dense_backward", "BLAS", _dense_backward_blas),
    ("softmax", "streaming", _softmax_streaming),
    ("softmax", "in passes", _softmax_passes),
    ("softmax_backward", "differences first", _softmax_backward_centred),
    ("cross_entropy", "log1p", _cross_entropy_log1p),
    ("cross_entropy_backward", "in passes, divided before the label is subtracted", _cross_entropy_backward_passes),
)
