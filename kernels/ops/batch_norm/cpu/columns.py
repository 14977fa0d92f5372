"""Batch normalization of images of one pixel, as after a dense layer: x is a matrix (N, C).

Threads take blocks of columns, which are channels; lanes run along a row. A sum goes over the rows in their order.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel

Array = NDArray[Any]

BLOCK = 64
"""Columns of a block: some cache lines of every row, whichever the dtype."""


@cpu_core
def _factors(w: Array, var: Array, epsilon: float, first: int, last: int, factors: Array) -> None:
    """Compute w / sqrt(var + epsilon) of some columns."""
    one, small = factors.dtype.type(1), factors.dtype.type(epsilon)
    for c in range(first, last):
        factors[c - first] = w[c] * (one / np.sqrt(var[c] + small))


@cpu_core
def _normalize(
    x: Array, b: Array, mean: Array, factors: Array, rows: int, columns: int, first: int, last: int, y: Array
) -> None:
    for n in range(rows):
        row = n * columns
        for c in range(first, last):
            y[row + c] = (x[row + c] - mean[c]) * factors[c - first] + b[c]


@cpu_kernel
def batch_norm_inference_columns_cpu(
    x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array
) -> None:
    """Compute y by blocks of columns."""
    rows, columns = x.shape[0], x.shape[1]
    source, target = x.reshape(x.size), y.reshape(x.size)
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, min(block * BLOCK + BLOCK, columns)
        factors = np.empty(BLOCK, y.dtype)
        _factors(w, var, epsilon, first, last, factors)
        _normalize(source, b, mean, factors, rows, columns, first, last, target)


@cpu_kernel
def batch_norm_columns_cpu(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute mean, var and y of a block of columns, in three passes over it."""
    rows, columns = x.shape[0], x.shape[1]
    source, target, count = x.reshape(x.size), y.reshape(x.size), y.dtype.type(x.shape[0])
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, min(block * BLOCK + BLOCK, columns)
        factors = np.empty(BLOCK, y.dtype)
        _statistics(source, rows, columns, first, last, count, mean, var)
        _factors(w, var, epsilon, first, last, factors)
        _normalize(source, b, mean, factors, rows, columns, first, last, target)


@cpu_core
def _statistics(x: Array, rows: int, columns: int, first: int, last: int, count: Any, mean: Array, var: Array) -> None:
    zero = mean.dtype.type(0)
    for c in range(first, last):
        mean[c] = zero
        var[c] = zero
    for n in range(rows):
        for c in range(first, last):
            mean[c] += x[n * columns + c]
    for c in range(first, last):
        mean[c] /= count
    for n in range(rows):
        for c in range(first, last):
            distance = x[n * columns + c] - mean[c]
            var[c] += distance * distance
    for c in range(first, last):
        var[c] /= count


@cpu_kernel
def batch_norm_backward_columns_cpu(
    dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dx: Array, dw: Array, db: Array
) -> None:
    """Compute dw and db of a block of columns, then dx."""
    rows, columns = x.shape[0], x.shape[1]
    gradient, source, target = dy.reshape(x.size), x.reshape(x.size), dx.reshape(x.size)
    zero, one, small = dx.dtype.type(0), dx.dtype.type(1), dx.dtype.type(epsilon)
    count = dx.dtype.type(rows)
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, min(block * BLOCK + BLOCK, columns)
        inverse = np.empty(BLOCK, dx.dtype)
        for c in range(first, last):
            inverse[c - first] = one / np.sqrt(var[c] + small)
            dw[c] = zero
            db[c] = zero
        for n in range(rows):
            for c in range(first, last):
                at = n * columns + c
                db[c] += gradient[at]
                dw[c] += gradient[at] * ((source[at] - mean[c]) * inverse[c - first])
        for n in range(rows):
            for c in range(first, last):
                at, r = n * columns + c, inverse[c - first]
                along = (source[at] - mean[c]) * r * (dw[c] / count)
                target[at] = w[c] * r * (gradient[at] - db[c] / count - along)
