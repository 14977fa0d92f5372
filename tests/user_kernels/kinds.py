"""Kernels with faults that only some layouts, sizes, orders of iterations or values show, and their right counterparts."""

import numpy as np
from numba import njit, prange

from workbench import implements


@implements("relu")
@njit
def copies_of_columns(x):
    """Of an array in Fortran order ravel() is a copy: what is written to it is lost."""
    out = np.empty_like(x)
    source, target = x.ravel(), out.ravel()
    for i in range(source.size):
        target[i] = source[i] if not source[i] <= 0 else x.dtype.type(0)
    return out


@implements("relu")
@njit
def copies_of_rows(x):
    out = np.empty(x.shape, x.dtype)
    source, target = np.ascontiguousarray(x).ravel(), out.ravel()
    for i in range(source.size):
        target[i] = source[i] if not source[i] <= 0 else x.dtype.type(0)
    return out


@implements("dense")
@njit
def byte_index(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, np.uint8(k)] * w[m, k]
            y[n, m] = total


@implements("relu_backward")
@njit
def short_index(dy, x, dx):
    given, at, found = np.ascontiguousarray(dy).ravel(), np.ascontiguousarray(x).ravel(), dx.ravel()
    for i in range(found.size):
        k = (i + 32768) % 65536 - 32768  # as a counter of 16 bits has it
        found[i] = 0 if at[k] <= 0 else given[k]


@implements("softmax")
@njit(parallel=True)
def carried_largest(x, y):
    for n in range(x.shape[0]):
        largest = x[n, 0]
        for k in prange(x.shape[1]):
            if x[n, k] > largest:  # fault: carried_largest
                largest = x[n, k]
        total = x.dtype.type(0)
        for k in range(x.shape[1]):
            total += np.exp(x[n, k] - largest)
        for k in range(x.shape[1]):
            y[n, k] = np.exp(x[n, k] - largest) / total


@implements("conv2d")
@njit
def multiplies_padding(x, w, b, stride, padding, y):
    (top, bottom), (left, right) = padding
    height, width = x.shape[2:]
    larger = np.zeros((x.shape[0], x.shape[1], top + height + bottom, left + width + right), x.dtype)
    larger[:, :, top : top + height, left : left + width] = x
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = b[o]
                    for c in range(x.shape[1]):
                        for p in range(w.shape[2]):
                            for q in range(w.shape[3]):
                                total += larger[n, c, i * stride[0] + p, j * stride[1] + q] * w[o, c, p, q]
                    y[n, o, i, j] = total
