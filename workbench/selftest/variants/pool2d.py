"""Right kernels of sum_pool2d, avg_pool2d and their gradients."""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

import numpy as np

from kernels.compile.indexing import valid_range, window_at
from kernels.declare.shapes import Padding, Pair
from workbench.selftest.variants._compiling import Array, Kernel, Other, compiled
from workbench.selftest.variants.orders import Order, Summing, backwards, blocks, four_sums, from_both_ends, pairwise


@compiled
def _taps(start: int, dilation: int, kernel: int, size: int, sides: Pair, padded: bool) -> int:
    """Count the taps of a window along one axis: those on real input or, with ``padded``, inside the padded input."""
    before, after = sides if padded else (0, 0)
    count = 0
    for tap in range(kernel):
        count += -before <= start + tap * dilation < size + after
    return count


@compiled
def _window_terms(plane: Array, top: int, left: int, kernel_size: Pair, dilation: Pair, terms: Array) -> int:
    """Collect the elements inside a window; return their number."""
    first_p, last_p = valid_range(top, dilation[0], kernel_size[0], plane.shape[0])
    first_q, last_q = valid_range(left, dilation[1], kernel_size[1], plane.shape[1])
    count = 0
    for p in range(first_p, last_p):
        for q in range(first_q, last_q):
            terms[count] = plane[top + p * dilation[0], left + q * dilation[1]]
            count += 1
    return count


def _sum_pool2d(order: Order) -> Kernel:
    @compiled
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
    @compiled
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
    @compiled
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
    @compiled
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


@compiled
def _sum_pool2d_separable(
    x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, y: Array
) -> None:
    """Sum each column first, then the sums of the columns."""
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


@compiled
def _sum_pool2d_backward_scatter(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Scatter, window by window, from the last one."""
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


SUMMING: tuple[Summing, ...] = (
    ("sum_pool2d", _sum_pool2d, (backwards, blocks)),
    ("sum_pool2d_backward", _sum_pool2d_backward, (from_both_ends, pairwise)),
    ("avg_pool2d", _avg_pool2d, (pairwise, backwards)),
    ("avg_pool2d_backward", _avg_pool2d_backward, (backwards, four_sums)),
)
OTHERS: tuple[Other, ...] = (
    ("sum_pool2d", "columns first", _sum_pool2d_separable),
    ("sum_pool2d_backward", "scattered from the end", _sum_pool2d_backward_scatter),
)
