"""A kernel that is right in Python, where integers grow, and wrong compiled; and one that is right in both."""

from numba import njit

from workbench import implements


@implements("relu")
@njit
def overflows(x, y):
    count = (x.size << 62) >> 62
    for i in range(count):
        y.flat[i] = 0 if x.flat[i] <= 0 else x.flat[i]


@implements("relu")
@njit
def right(x, y):
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] <= 0 else x.flat[i]
