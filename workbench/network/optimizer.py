"""Optimizers: in-place updates of one flat parameter vector."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kernels.fused import optimizer

Floats = NDArray[np.float32]


class Optimizer:
    """Converts gradients to updates. The formulas are in ``kernels.fused.optimizer``, which compiled steps use too.

    Attributes
    ----------
    rule : one RULE: the kind, its settings and the number of steps taken
    state : (2, parameters), the values kept from step to step
    """

    def __init__(self, kind: int, size: int, lr: float, momentum: float = 0.0) -> None:
        self.rule = np.array([(kind, lr, momentum, 0)], optimizer.RULE)
        self.state = np.zeros((2, size), np.float32)

    def update(self, parameters: Floats, gradients: Floats) -> None:
        """Update ``parameters`` in place; both arrays are flat and of the same size."""
        self.rule["steps"] += 1
        optimizer.update(self.rule, parameters, gradients, self.state)


class Sgd(Optimizer):
    """Gradient descent with momentum: v = momentum*v + g; p -= lr*v.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013, in PyTorch's
    form.
    """

    def __init__(self, size: int, lr: float, momentum: float) -> None:
        super().__init__(optimizer.SGD, size, lr, momentum)


class Adam(Optimizer):
    """Adam with bias correction, betas 0.9 and 0.999, epsilon 1e-8.

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    """

    def __init__(self, size: int, lr: float) -> None:
        super().__init__(optimizer.ADAM, size, lr)


OPTIMIZERS: dict[str, Callable[[int, float, float], Optimizer]] = {
    "sgd": Sgd,
    "adam": lambda size, lr, _momentum: Adam(size, lr),
}

DEFAULT_LR = {"sgd": 0.05, "adam": 0.001}
