"""relu, as loops.

    y = max(x, 0); NaN stays NaN
    dx = 0 where x <= 0, else dy        (so ReLU'(0) = 0, and the gradient passes where x is NaN, as in PyTorch;
                                         in ``relu_backward_stopped`` it is 0 there, as in TensorFlow and JAX)

Source: U. Karn, An Intuitive Explanation of Convolutional Neural Networks, "Introducing Non Linearity".
"""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def relu_reference(x: Array, y: Array) -> None:
    """Compute y from x, of any shape."""
    x, y = x.reshape(-1), y.reshape(-1)
    for i in range(x.size):
        y[i] = 0 if x[i] <= 0 else x[i]


def relu_backward_reference(dy: Array, x: Array, dx: Array) -> None:
    """Compute dx from dy and x, all of the same shape."""
    dy, x, dx = dy.reshape(-1), x.reshape(-1), dx.reshape(-1)
    for i in range(x.size):
        dx[i] = 0 if x[i] <= 0 else dy[i]


def relu_backward_stopped(dy: Array, x: Array, dx: Array) -> None:
    """Compute dx like ``relu_backward_reference``, with 0 where x is NaN."""
    dy, x, dx = dy.reshape(-1), x.reshape(-1), dx.reshape(-1)
    for i in range(x.size):
        dx[i] = dy[i] if x[i] > 0 else 0
