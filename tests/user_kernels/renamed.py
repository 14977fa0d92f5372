"""Kernels whose function has another name than the variable that holds it."""

from numba import njit

from workbench import implements


def filled_with(value):
    @njit
    def fill(x, y):
        y[...] = value

    return fill


zeros = implements("relu")(filled_with(0))
doubled = lambda x: x + x  # noqa: E731
