"""Right kernels of relu and its gradient."""

import numpy as np

from workbench.selftest.variants._compiling import Array, Other, compiled


def _relu_where(x: Array, y: Array) -> None:
    y[...] = np.where(x <= 0, 0, x)


def _relu_maximum(x: Array, y: Array) -> None:
    np.maximum(x, 0, out=y)


@compiled
def _relu_branches(x: Array, y: Array) -> None:
    for i in range(x.size):
        value = x.flat[i]
        if value > 0 or value != value:
            y.flat[i] = value
        else:
            y.flat[i] = 0


def _relu_backward_where(dy: Array, x: Array, dx: Array) -> None:
    dx[...] = np.where(x <= 0, 0, dy)


@compiled
def _relu_backward_cleared(dy: Array, x: Array, dx: Array) -> None:
    for i in range(x.size - 1, -1, -1):
        dx.flat[i] = dy.flat[i]
        if x.flat[i] <= 0:
            dx.flat[i] = 0


OTHERS: tuple[Other, ...] = (
    ("relu", "np.where", _relu_where),
    ("relu", "np.maximum", _relu_maximum),
    ("relu", "branches", _relu_branches),
    ("relu_backward", "np.where", _relu_backward_where),
    ("relu_backward", "copied, then cleared, from the end", _relu_backward_cleared),
)
