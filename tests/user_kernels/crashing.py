"""Kernels that crash their process."""

import os

from numba import njit


@njit
def segfaults(x, y):
    for i in range(x.size):
        y.flat[i] = x.flat[i]
    if x.size:
        y.reshape(y.size)[1 << 44] = 0  # fault: segfaults


def aborts(x, y):
    os.abort()


def exits(x, y):
    os._exit(0)


@njit
def never_ends(x, y):
    i = 0
    while i < x.size + 1:
        i = (i + 1) % max(x.size, 1)
        y.flat[i] = x.flat[i]
