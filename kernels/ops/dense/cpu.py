"""dense on the CPU: rows are scaled and added, so that the innermost loop has no sum and becomes SIMD."""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.jit import cpu_kernel

Array = NDArray[Any]


@cpu_kernel
def dense_cpu(x: Array, w: Array, b: Array, y: Array) -> None:
    """A thread computes whole rows of y, adding x[n,k] times column k of w (transposed once, to be contiguous)."""
    batch, features = x.shape
    outputs = w.shape[0]
    columns = np.empty((features, outputs), w.dtype)
    for k in prange(features):
        for m in range(outputs):
            columns[k, m] = w[m, k]
    for n in prange(batch):
        row = y[n]
        row[:] = b
        for k in range(features):
            factor = x[n, k]
            for m in range(outputs):
                row[m] += factor * columns[k, m]


@cpu_kernel
def dense_backward_cpu(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    """A thread computes whole rows of dx, then whole rows of dw with their element of db."""
    batch, features = x.shape
    outputs = w.shape[0]
    for n in prange(batch):
        row = dx[n]
        row[:] = 0
        for m in range(outputs):
            factor = dy[n, m]
            for k in range(features):
                row[k] += factor * w[m, k]
    for m in prange(outputs):
        row = dw[m]
        row[:] = 0
        total = db.dtype.type(0)
        for n in range(batch):
            factor = dy[n, m]
            total += factor
            for k in range(features):
                row[k] += factor * x[n, k]
        db[m] = total
