"""Kernels with faults that only some layouts, sizes, orders of iterations or values show, and their right counterparts."""

import numpy as np
from numba import njit, prange

from workbench import implements


@njit
def softmax_of_rows(source, target, rows, columns):
    for first in range(0, rows * columns, columns):
        largest = source[first : first + columns].max()
        total = source.dtype.type(0)
        for i in range(first, first + columns):
            target[i] = np.exp(source[i] - largest)
            total += target[i]
        for i in range(first, first + columns):
            target[i] /= total


@implements("softmax")
@njit
def copies_of_columns(x):
    """Of an array in Fortran order ravel() is a copy: what is written to it is lost."""
    out = np.empty_like(x)
    softmax_of_rows(x.ravel(), out.ravel(), *x.shape)
    return out


@implements("softmax")
@njit
def copies_of_rows(x):
    out = np.empty(x.shape, x.dtype)
    softmax_of_rows(np.ascontiguousarray(x).ravel(), out.ravel(), *x.shape)
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
def short_index(dy, x, dx):
    k = np.arange(x.size).astype(np.int16)  # as a counter of 16 bits has it
    dx[...] = np.where(x.ravel()[k] <= 0, 0, dy.ravel()[k]).reshape(x.shape)


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
def multiplies_padding(x, w, b, stride, padding, y):
    larger = np.pad(x, ((0, 0), (0, 0), *padding))
    height, width = ((size - 1) * step + 1 for size, step in zip(y.shape[2:], stride, strict=True))
    y[...] = b[:, np.newaxis, np.newaxis]
    for p in range(w.shape[2]):
        for q in range(w.shape[3]):
            window = larger[:, :, p : p + height : stride[0], q : q + width : stride[1]]
            for c in range(x.shape[1]):
                y[...] += window[:, np.newaxis, c] * w[:, c, p, q, np.newaxis, np.newaxis]
