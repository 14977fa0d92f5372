"""A kernel to be repaired: the last row of the output is left as it was."""

from numba import njit


@njit
def my_dense(x, w, b, y):
    for n in range(x.shape[0] - 1):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total
