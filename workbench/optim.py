"""Optimizers: in-place updates of one flat parameter vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Optimizer(Protocol):
    """Turns gradients into an update."""

    def update(self, parameters: Floats, gradients: Floats) -> None:
        """Change ``parameters`` in place; both are flat and of one size."""


class Sgd:
    """Gradient descent with momentum: v = momentum*v + g; p -= lr*v.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013, in PyTorch's
    form.
    """

    def __init__(self, size: int, lr: float, momentum: float) -> None:
        self._lr, self._momentum = np.float32(lr), np.float32(momentum)
        self._velocity = np.zeros(size, np.float32)
        self._change = np.empty(size, np.float32)

    def update(self, parameters: Floats, gradients: Floats) -> None:
        """See Optimizer."""
        self._velocity *= self._momentum
        self._velocity += gradients
        np.multiply(self._velocity, self._lr, out=self._change)
        parameters -= self._change


class Adam:
    """Adam with bias correction, betas 0.9 and 0.999, epsilon 1e-8.

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    """

    def __init__(self, size: int, lr: float) -> None:
        self._lr = lr
        self._mean = np.zeros(size, np.float32)
        self._square = np.zeros(size, np.float32)
        self._steps = 0

    def update(self, parameters: Floats, gradients: Floats) -> None:
        """See Optimizer."""
        epsilon = np.float32(1e-8)
        self._steps += 1
        self._mean += np.float32(1 - 0.9) * (gradients - self._mean)
        self._square += np.float32(1 - 0.999) * (gradients * gradients - self._square)
        mean_scale = np.float32(self._lr / (1 - 0.9**self._steps))
        square_scale = np.float32(1 / np.sqrt(1 - 0.999**self._steps))
        parameters -= mean_scale * self._mean / (np.sqrt(self._square) * square_scale + epsilon)


OPTIMIZERS: dict[str, Callable[[int, float, float], Optimizer]] = {
    "sgd": Sgd,
    "adam": lambda size, lr, _momentum: Adam(size, lr),
}

DEFAULT_LR = {"sgd": 0.05, "adam": 0.001}
