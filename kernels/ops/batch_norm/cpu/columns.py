"""Batch normalization of images of one pixel, as after a dense layer: x is a matrix (N, C).

Threads take blocks of columns, which are channels; lanes run along a row. A sum goes over the rows in their order. Slices
end with the array: the last block is as wide as what is left.
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
def _invert(var: Array, epsilon: float, inverse: Array) -> None:
    """Compute 1 / sqrt(var + epsilon) of some columns."""
    one, small = inverse.dtype.type(1), inverse.dtype.type(epsilon)
    for c in range(var.size):
        inverse[c] = one / np.sqrt(var[c] + small)


@cpu_core
def _statistics(x: Array, rows: int, columns: int, first: int, mean: Array, var: Array) -> None:
    """Compute mean and variance of some columns, from ``first`` on, in two passes over them."""
    count = mean.dtype.type(rows)
    mean[:] = 0
    var[:] = 0
    for n in range(rows):
        row = x[n * columns + first : n * columns + first + mean.size]
        for c in range(mean.size):
            mean[c] += row[c]
    for c in range(mean.size):
        mean[c] /= count
    for n in range(rows):
        row = x[n * columns + first : n * columns + first + mean.size]
        for c in range(mean.size):
            distance = row[c] - mean[c]
            var[c] += distance * distance
    for c in range(mean.size):
        var[c] /= count


@cpu_core
def _normalize(
    x: Array, rows: int, columns: int, first: int, w: Array, b: Array, mean: Array, inverse: Array, y: Array
) -> None:
    for n in range(rows):
        start = n * columns + first
        row, target = x[start : start + w.size], y[start : start + w.size]
        for c in range(w.size):
            target[c] = (row[c] - mean[c]) * (w[c] * inverse[c]) + b[c]


@cpu_core
def _sum_gradients(
    dy: Array, x: Array, rows: int, columns: int, first: int, mean: Array, inverse: Array, dw: Array, db: Array
) -> None:
    dw[:] = 0
    db[:] = 0
    for n in range(rows):
        start = n * columns + first
        gradient, row = dy[start : start + dw.size], x[start : start + dw.size]
        for c in range(dw.size):
            db[c] += gradient[c]
            dw[c] += gradient[c] * ((row[c] - mean[c]) * inverse[c])


@cpu_core
def _differentiate(dy: Array, x: Array, rows: int, columns: int, first: int, factors: Any, dx: Array) -> None:
    """Compute dx of some columns; ``factors`` are their mean, 1/deviation, w/deviation, db/m and dw/m."""
    mean, inverse, scale, shared, along = factors
    for n in range(rows):
        start = n * columns + first
        end = start + mean.size
        gradient, row, target = dy[start:end], x[start:end], dx[start:end]
        for c in range(mean.size):
            target[c] = scale[c] * (gradient[c] - shared[c] - (row[c] - mean[c]) * inverse[c] * along[c])


@cpu_kernel
def batch_norm_inference_columns_cpu(
    x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array
) -> None:
    """Compute y by blocks of columns."""
    rows, columns = x.shape[0], x.shape[1]
    source, target = x.reshape(x.size), y.reshape(x.size)
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, block * BLOCK + BLOCK
        inverse = np.empty(BLOCK, y.dtype)
        _invert(var[first:last], epsilon, inverse)
        _normalize(source, rows, columns, first, w[first:last], b[first:last], mean[first:last], inverse, target)


@cpu_kernel
def batch_norm_columns_cpu(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute mean, var and y of a block of columns, in three passes over it."""
    rows, columns = x.shape[0], x.shape[1]
    source, target = x.reshape(x.size), y.reshape(x.size)
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, block * BLOCK + BLOCK
        inverse = np.empty(BLOCK, y.dtype)
        _statistics(source, rows, columns, first, mean[first:last], var[first:last])
        _invert(var[first:last], epsilon, inverse)
        _normalize(source, rows, columns, first, w[first:last], b[first:last], mean[first:last], inverse, target)


@cpu_kernel
def batch_norm_backward_columns_cpu(
    dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dx: Array, dw: Array, db: Array
) -> None:
    """Compute dw and db of a block of columns, then dx."""
    rows, columns = x.shape[0], x.shape[1]
    gradient, source, target = dy.reshape(x.size), x.reshape(x.size), dx.reshape(x.size)
    count = dx.dtype.type(rows)
    for block in prange((columns + BLOCK - 1) // BLOCK):
        first, last = block * BLOCK, block * BLOCK + BLOCK
        factors = np.empty((4, BLOCK), dx.dtype)
        inverse, scale, shared, along = factors[0], factors[1], factors[2], factors[3]
        center = mean[first:last]
        _invert(var[first:last], epsilon, inverse)
        _sum_gradients(gradient, source, rows, columns, first, center, inverse, dw[first:last], db[first:last])
        for c in range(center.size):
            scale[c] = w[first + c] * inverse[c]
            shared[c] = db[first + c] / count
            along[c] = dw[first + c] / count
        _differentiate(gradient, source, rows, columns, first, (center, inverse, scale, shared, along), target)
