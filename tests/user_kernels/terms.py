"""Functions that the kernels in this folder share."""

from numba import njit


@njit
def dot(left, right):
    total = left.dtype.type(0)
    for k in range(left.size):
        total += left[k] * right[k]
    return total
