"""Kernels with fastmath: the rules for NaN do not apply to them, the error bound does."""

from numba import njit

from workbench import implements


@implements("relu")
@njit(fastmath=True)
def fast(x, y):
    """A NaN comes out as zero: with fastmath there are none, so that a minimum and a maximum are free to ignore them."""
    for i in range(x.size):
        value = x.flat[i]
        y.flat[i] = value if value > 0 else 0


@implements("dense")
@njit(fastmath=True)
def fast_and_reordered(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=True)
def fast_and_wrong(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = x.dtype.type(0)
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total
