"""Optimizers: in-place updates of one flat parameter vector."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kernels.fused import optimizer

Floats = NDArray[np.float32]

Rates = Callable[[int], float]
"""The learning rate of a step, by the number of steps taken before it."""


class Optimizer:
    """Converts gradients to updates. The formulas are in ``kernels.fused.optimizer``, which compiled steps use too.

    sgd is gradient descent with momentum (I. Sutskever et al., On the importance of initialization and momentum in deep
    learning, ICML 2013, in PyTorch's form). adam has bias correction, betas 0.9 and 0.999, epsilon 1e-8 (D. Kingma and
    J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1). adamw is adam whose weight decay is decoupled
    (I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2).

    Parameters
    ----------
    size : the number of parameters
    rates : the learning rate, the same for every step or a function of the steps taken before
    kind : a key of OPTIMIZERS
    momentum, nesterov : for sgd
    weight_decay : the factor of L2 regularization, for adamw of the decoupled decay
    ema : the decay of averaged parameters; 0 for none
    buffers : the number of values that a network keeps besides its parameters, which are averaged too

    Attributes
    ----------
    rule : one RULE: the kind, its settings and the number of steps taken
    state : (2, or 3 with averages; parameters), the values kept from step to step
    buffer_averages : (buffers,) averages of the buffers; empty without ``ema``
    rate_after : the learning rate of a step, by the number of steps taken before it
    """

    def __init__(
        self,
        size: int,
        rates: float | Rates,
        kind: str = "sgd",
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        ema: float = 0.0,
        buffers: int = 0,
    ) -> None:
        self.rate_after: Rates = rates if callable(rates) else lambda _taken: rates
        number, decoupled = OPTIMIZERS[kind]
        self.rule = np.array([(number, momentum, nesterov, weight_decay, decoupled, ema, 0)], optimizer.RULE)
        self.state = np.zeros((optimizer.AVERAGE + (ema > 0), size), np.float32)
        self.buffer_averages = np.zeros(buffers if ema else 0, np.float32)

    @property
    def taken(self) -> int:
        """The number of steps taken."""
        return int(self.rule["steps"][0])

    @property
    def averages(self) -> Floats | None:
        """The averaged parameters, which start as the first parameters; None without ``ema``."""
        return self.state[optimizer.AVERAGE] if len(self.state) > optimizer.AVERAGE else None

    def rates(self, steps: int) -> NDArray[np.float64]:
        """Return the learning rates of the next ``steps`` steps."""
        return np.array([self.rate_after(number) for number in range(self.taken, self.taken + steps)], np.float64)

    def update(self, parameters: Floats, gradients: Floats, buffers: Floats | None = None) -> None:
        """Update ``parameters`` in place, and the averages; the arrays are flat, the first two of the same size."""
        rate = self.rate_after(self.taken)
        self.rule["steps"] += 1
        optimizer.update(self.rule, rate, parameters, gradients, self.state)
        if buffers is not None and self.buffer_averages.size:
            share = np.float32(1 - min(float(self.rule["ema"][0]), (1 + self.taken) / (10 + self.taken)))
            self.buffer_averages += share * (buffers - self.buffer_averages)  # as ``kernels.fused.optimizer.average``


OPTIMIZERS = {
    "sgd": (optimizer.SGD, False),
    "adam": (optimizer.ADAM, False),
    "adamw": (optimizer.ADAM, True),
}
"""Name -> the kind of its RULE, and whether its weight decay is decoupled."""

DEFAULT_LR = {"sgd": 0.05, "adam": 0.001, "adamw": 0.001}
