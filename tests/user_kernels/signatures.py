"""Kernels that are compiled for float32 only."""

import numpy as np
from numba import float32, guvectorize, njit, vectorize, void

from workbench import implements


@implements("dense")
@guvectorize(["void(float32[:], float32[:, :], float32[:], float32[:])"], "(k),(m,k),(m)->(m)")
def rows(x, w, b, y):
    for m in range(w.shape[0]):
        y[m] = b[m]
        for k in range(x.size):
            y[m] += x[k] * w[m, k]


@implements("relu_backward")
@vectorize(["float32(float32, float32)"])
def elements(dy, x):
    return np.float32(0) if x <= 0 else dy


@implements("dense")
@njit(void(float32[:, ::1], float32[:, ::1], float32[::1], float32[:, ::1]))
def contiguous(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total
