"""What cannot be checked: every name here is bad input."""

import numpy as np
from numba import cuda, njit

LIMIT = 3


@njit
def my_relu(x, y):
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] <= 0 else x.flat[i]


@njit
def misspelt(x, w, b, strid, y):
    y[...] = 0


@njit
def strange(x, alpha, y):
    y[...] = 0


@njit
def without_weights(x, b, y):
    y[...] = 0


@njit
def without_kernel_size(x, y):
    y[...] = 0


def any_arguments(*arguments):
    pass


def own_first(alpha=1, x=None, y=None):
    pass


@cuda.jit
def without_launch(x, y):
    y[0] = x[0]


@cuda.jit
def returning(x):
    return x


class Relu:
    def __call__(self, x):
        return np.maximum(x, 0)


relu_object = Relu()
