"""Right kernels in the styles in which users write them."""

import numpy as np
from numba import njit, prange, vectorize
from terms import dot

from workbench import implements


@implements("dense")
@njit
def serial(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


@implements("dense")
@njit(parallel=True)
def parallel(w, x, b, y):
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = b[m]
            for k in range(x.shape[1]):
                y[n, m] += x[n, k] * w[m, k]


@implements("dense")
@njit
def returning(x, w, b):
    y = np.empty((x.shape[0], w.shape[0]), x.dtype)
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = dot(x[n], w[m]) + b[m]
    return y


@implements("dense")
@njit
def double_accumulator(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = np.float64(b[m])
            for k in range(x.shape[1]):
                total += np.float64(x[n, k]) * np.float64(w[m, k])
            y[n, m] = total


@implements("dense")
def helped(x, w, b, y):
    """Plain Python, with a compiled helper from a file beside this one."""
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = dot(x[n], w[m]) + b[m]


@implements("dense_backward")
@njit
def bias_gradient(dy, x, w, db):
    """One of three outputs."""
    for m in range(dy.shape[1]):
        db[m] = dy[:, m].sum()


def blocked(size):
    """Make a kernel that goes through the batch in blocks: a closure over the block's size."""

    @njit
    def dense_blocked(x, w, b, y):
        for first in range(0, x.shape[0], size):
            for n in range(first, min(first + size, x.shape[0])):
                for m in range(w.shape[0]):
                    y[n, m] = dot(x[n], w[m]) + b[m]

    return dense_blocked


by_four = implements("dense")(blocked(4))


@implements("relu")
@vectorize
def elementwise(x):
    return x if not x <= 0 else np.float32(0)


@implements("conv2d")
@njit
def without_options(x, w, b, y):
    """Stride, padding, dilation and groups are those of a plain convolution."""
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(x.shape[1]):
                        for p in range(w.shape[2]):
                            for q in range(w.shape[3]):
                                total += w[o, c, p, q] * x[n, c, i + p, j + q]
                    y[n, o, i, j] = total
