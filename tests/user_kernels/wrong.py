"""Kernels that are wrong, each in one way."""

import numpy as np
from numba import njit, prange

from workbench import implements


@implements("dense")
@njit(parallel=True)
def races(x, w, b, y):
    total = np.zeros(1, x.dtype)
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            total[0] = b[m]  # fault: races
            for k in range(x.shape[1]):
                total[0] += x[n, k] * w[m, k]
            y[n, m] = total[0]


@implements("dense")
@njit
def writes_beyond(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0] + 1):
            total = b[m] if m < b.size else b[0]
            for k in range(x.shape[1] if m < b.size else 0):
                total += x[n, k] * w[m, k]
            y[n, m] = total  # fault: writes_beyond


@implements("dense")
@njit
def reads_beyond(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1] + 1):
                total += x[n, k] * (w[m, k] if k < x.shape[1] else 0)  # fault: reads_beyond
            y[n, m] = total


@implements("relu")
@njit
def raises(x, y):
    if x.size > 3:
        raise ValueError("too many elements")  # fault: raises
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] <= 0 else x.flat[i]


@implements("relu")
def gives_wrong_shape(x):
    return np.where(x <= 0, x.dtype.type(0), x).reshape(-1, 1)


@implements("dense")
@njit
def gives_wrong_dtype(x, w, b):
    y = np.empty((x.shape[0], w.shape[0]), x.dtype)
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = b[m]
            for k in range(x.shape[1]):
                y[n, m] += x[n, k] * w[m, k]
    return 1.0 * y


@implements("relu")
def gives_nothing(x):
    np.where(x <= 0, x.dtype.type(0), x)


@implements("relu")
def gives_its_input(x):
    x[x <= 0] = 0
    return x


@implements("relu")
@njit
def changes_its_input(x, y):
    for i in range(x.size):
        if x.flat[i] <= 0:
            x.flat[i] = 0
        y.flat[i] = x.flat[i]


@implements("relu")
@njit
def does_not_compile(x, y):
    y[...] = x.no_such_attribute  # fault: does_not_compile


_seen = {}


@implements("relu")
def remembers(x, y):
    """Takes the same address for the same data."""
    key = (x.ctypes.data, x.shape, x.strides)
    if key not in _seen:
        _seen[key] = np.where(x <= 0, x.dtype.type(0), x)
    y[...] = _seen[key]


@implements("relu")
def wrong_from_17_on(x, y):
    y[...] = np.where(x <= 0, 0, x)
    if x.shape[0] > 16:
        y[16:] = 0


@implements("dense")
@njit
def forgets_the_last_column(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1] - 1):
                total += x[n, k] * w[m, k]
            y[n, m] = total
