"""The optimizers' formulas, for any run of elements of the parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_serial

Floats = NDArray[np.float32]

NONE, SGD, ADAM = range(3)

RULE = np.dtype(
    [
        ("kind", np.int64),
        ("momentum", np.float64),
        ("nesterov", np.int64),
        ("weight_decay", np.float64),
        ("decoupled", np.int64),
        ("ema", np.float64),
        ("steps", np.int64),
    ],
    align=True,
)
"""An optimizer: one of the kinds above, its settings, and the number of steps it has taken.

``weight_decay`` is that of L2 regularization, or if ``decoupled`` is not 0, a share of the learning rate by which the
parameters themselves shrink. ``ema`` is the decay of the averaged parameters; 0 for none.
"""

FIRST, SECOND, AVERAGE = range(3)
"""Rows of an optimizer's state; the last only for a RULE with ``ema``."""

MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


@cpu_inline
def apply(rule: Any, taken: int, rate: float, parameters: Floats, gradients: Floats, state: Floats) -> None:
    """Update ``parameters`` and the optimizer's ``state`` in place, element by element.

    With g = gradient + weight_decay*p, and lr for ``rate``. sgd: v = momentum*v + g; p -= lr*v, with nesterov p -=
    lr*(g + momentum*v). adam: running means of g and of its square, both with bias correction. Decoupled decay leaves g
    the gradient, and begins with p -= lr*weight_decay*p.

    Parameters
    ----------
    rule : a RULE
    taken : the number of this step, from 1
    rate : the learning rate of this step
    parameters, gradients : (P,)
    state : (2 or 3, P), the rows FIRST, SECOND and AVERAGE
    """
    lr, shrink, decay = np.float32(rate), np.float32(1), np.float32(rule.weight_decay)
    if rule.decoupled != 0:
        shrink, decay = np.float32(1 - rate * rule.weight_decay), np.float32(0)
    first, second = state[FIRST], state[SECOND]
    if rule.kind == SGD:
        momentum = np.float32(rule.momentum)
        ahead, plain = (momentum, np.float32(1)) if rule.nesterov != 0 else (np.float32(1), np.float32(0))
        for i in range(parameters.size):
            gradient = gradients[i] + decay * parameters[i]
            first[i] = momentum * first[i] + gradient
            parameters[i] = shrink * parameters[i] - lr * (plain * gradient + ahead * first[i])
    elif rule.kind == ADAM:
        mean_share, square_share = np.float32(1 - MEAN_DECAY), np.float32(1 - SQUARE_DECAY)
        mean_scale = np.float32(rate / (1 - MEAN_DECAY**taken))
        square_scale = np.float32(1 / math.sqrt(1 - SQUARE_DECAY**taken))
        for i in range(parameters.size):
            gradient = gradients[i] + decay * parameters[i]
            first[i] += mean_share * (gradient - first[i])
            second[i] += square_share * (gradient * gradient - second[i])
            change = mean_scale * first[i] / (np.sqrt(second[i]) * square_scale + np.float32(EPSILON))
            parameters[i] = shrink * parameters[i] - change
    if rule.ema > 0:
        average(rule, taken, parameters, state[AVERAGE])


@cpu_inline
def average(rule: Any, taken: int, values: Floats, averages: Floats) -> None:
    """Move the ``averages`` towards the values after a step: a = decay*a + (1 - decay)*p.

    The decay is at most (1 + taken)/(10 + taken), so that the first values, which mean little, are soon forgotten; as in
    TensorFlow's ExponentialMovingAverage.
    """
    share = np.float32(1 - min(rule.ema, (1 + taken) / (10 + taken)))
    for i in range(values.size):
        averages[i] += share * (values[i] - averages[i])


@cpu_serial
def update(rules: Any, rate: float, parameters: Floats, gradients: Floats, state: Floats) -> None:
    """Update all parameters; ``rules`` holds one RULE, which already counts this step; the others as for ``apply``."""
    apply(rules[0], rules[0].steps, rate, parameters, gradients, state)
