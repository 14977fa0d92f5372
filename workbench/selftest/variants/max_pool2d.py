"""Right kernels of max_pool2d and its gradient."""
# ruff: noqa: ARG001 - the calling convention fixes the parameters

import numpy as np

from kernels.compile.indexing import valid_range
from kernels.declare.shapes import Padding, Pair
from workbench.selftest.variants._compiling import Array, Other, compiled


@compiled
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


@compiled
def _max_pool2d_backward_reversed(
    dy: Array, x: Array, kernel_size: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil_mode: bool, dx: Array
) -> None:
    """Scan taps backwards, and replace equal values too, so that the first one stays; scan windows backwards as well."""
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


OTHERS: tuple[Other, ...] = (
    ("max_pool2d", "reversed", _max_pool2d_reversed),
    ("max_pool2d", "np.maximum tap by tap", _max_pool2d_by_taps),
    ("max_pool2d_backward", "reversed, the first of a tie still", _max_pool2d_backward_reversed),
)
