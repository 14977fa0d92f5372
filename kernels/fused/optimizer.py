"""The optimizers' formulas, for any run of elements of the parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_serial

Floats = NDArray[np.float32]

NONE, SGD, ADAM = range(3)

RULE = np.dtype([("kind", np.int64), ("lr", np.float64), ("momentum", np.float64), ("steps", np.int64)], align=True)
"""An optimizer: one of the kinds above, its settings, and how many steps it has taken."""

_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


@cpu_inline
def apply(rule: Any, taken: int, parameters: Floats, gradients: Floats, first: Floats, second: Floats) -> None:
    """Change ``parameters`` and the optimizer's state in place, elements of equal numbers; ``taken`` counts from 1.

    sgd: v = momentum*v + g; p -= lr*v, with ``first`` for v. adam: ``first`` and ``second`` for the running means of the
    gradient and of its square, both with bias correction.
    """
    if rule.kind == SGD:
        lr, momentum = np.float32(rule.lr), np.float32(rule.momentum)
        for i in range(parameters.size):
            first[i] = momentum * first[i] + gradients[i]
            parameters[i] -= lr * first[i]
    elif rule.kind == ADAM:
        mean_share, square_share = np.float32(1 - _MEAN_DECAY), np.float32(1 - _SQUARE_DECAY)
        mean_scale = np.float32(rule.lr / (1 - _MEAN_DECAY**taken))
        square_scale = np.float32(1 / math.sqrt(1 - _SQUARE_DECAY**taken))
        for i in range(parameters.size):
            gradient = gradients[i]
            first[i] += mean_share * (gradient - first[i])
            second[i] += square_share * (gradient * gradient - second[i])
            parameters[i] -= mean_scale * first[i] / (np.sqrt(second[i]) * square_scale + np.float32(_EPSILON))


@cpu_serial
def update(rules: Any, parameters: Floats, gradients: Floats, state: Floats) -> None:
    """Change all parameters; ``rules`` holds one RULE, which has counted the step already, ``state`` is (2, parameters)."""
    apply(rules[0], rules[0].steps, parameters, gradients, state[0], state[1])
