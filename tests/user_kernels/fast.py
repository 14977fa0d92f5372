"""Kernels with fastmath: the error bound applies to them, and the rules for NaN where the operation states them."""

from numba import njit

from workbench import implements


@implements("relu")
@njit(fastmath=True)
def loses_nan(x, y):
    """A NaN comes out as zero: with fastmath there are none, so that a minimum and a maximum are free to ignore them."""
    for i in range(x.size):
        value = x.flat[i]
        y.flat[i] = value if value > 0 else 0


@implements("sum_pool2d")
@njit(fastmath=True)
def fast(x, kernel_size, stride, padding, y):
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = x.dtype.type(0)
                    for p in range(kernel_size[0]):
                        for q in range(kernel_size[1]):
                            row, col = i * stride[0] + p - padding[0][0], j * stride[1] + q - padding[1][0]
                            if 0 <= row < x.shape[2] and 0 <= col < x.shape[3]:
                                value = x[n, c, row, col]
                                total += value if value > -1e30 else 0
                    y[n, c, i, j] = total


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
