"""The sum of a parameter's gradient over the samples of a batch, in their order, and the optimizer's formulas.

The formulas are those of ``kernels.fused.optimizer``; what depends on the step alone is computed by the host, a row of
``rates`` for each step.
"""

import math
from typing import Any, NamedTuple

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import program as at
from kernels.fused.optimizer import ADAM, AVERAGE, FIRST, SECOND, SGD

Floats = NDArray[Any]

RATE, SHRINK, MEAN_SCALE, SQUARE_SCALE, AVERAGED = range(5)
"""Columns of ``rates``: the learning rate; the factor of decoupled decay; of adam's change; of the root of adam's squares;
the share of the averages that the values of a step get."""

RATES = 5


class Rule(NamedTuple):
    """An optimizer, as numbers of float32 where they are no integers.

    Attributes
    ----------
    kind : NONE, SGD or ADAM
    averaged : 1 if there are averages
    decay : of L2 regularization
    momentum, ahead, plain : sgd changes by plain * gradient + ahead * velocity
    mean_share, square_share, epsilon : of adam
    """

    kind: int
    averaged: int
    decay: Any
    momentum: Any
    ahead: Any
    plain: Any
    mean_share: Any
    square_share: Any
    epsilon: Any


@cuda_device
def gradient_of(run: NDArray[Any], place: int, arenas: Floats, partials: Floats, batch: int) -> Any:
    """Return the gradient of a parameter of a run, by its number in the run."""
    total = arenas.dtype.type(0)
    if run[at.KIND] == at.PRODUCTS:
        m, k = run[at.AT] + place // run[at.COLUMNS], run[at.VALUES] + place % run[at.COLUMNS]
        for n in range(batch):
            total += arenas[n, m] * arenas[n, k]
    elif run[at.KIND] == at.GRADIENTS:
        for n in range(batch):
            total += arenas[n, run[at.AT] + place]
    else:
        for n in range(batch):
            total += partials[n, run[at.AT] + place]
    return total


@cuda_device
def apply(rule: Rule, rates: Floats, p: int, gradient: Any, parameters: Floats, state: Floats) -> None:
    """Update one parameter and the optimizer's state by its gradient."""
    value = parameters[p]
    given = gradient + rule.decay * value
    if rule.kind == SGD:
        velocity = rule.momentum * state[FIRST, p] + given
        state[FIRST, p] = velocity
        value = rates[SHRINK] * value - rates[RATE] * (rule.plain * given + rule.ahead * velocity)
    elif rule.kind == ADAM:
        mean = state[FIRST, p] + rule.mean_share * (given - state[FIRST, p])
        square = state[SECOND, p] + rule.square_share * (given * given - state[SECOND, p])
        state[FIRST, p], state[SECOND, p] = mean, square
        change = rates[MEAN_SCALE] * mean / (math.sqrt(square) * rates[SQUARE_SCALE] + rule.epsilon)
        value = rates[SHRINK] * value - change
    parameters[p] = value
    if rule.averaged != 0:
        state[AVERAGE, p] += rates[AVERAGED] * (value - state[AVERAGE, p])


@cuda_device
def update(
    runs: NDArray[Any],
    arenas: Floats,
    partials: Floats,
    batch: int,
    rule: Rule,
    rates: Floats,
    parameters: Floats,
    gradients: Floats,
    state: Floats,
) -> None:
    """Sum the gradients of all parameters, store them, and update the parameters: a thread of the grid for each."""
    for number in range(len(runs)):
        run = runs[number]
        for place in range(cuda.grid(1), run[at.COUNT], cuda.gridsize(1)):
            gradient = gradient_of(run, place, arenas, partials, batch)
            if rule.kind == SGD or rule.kind == ADAM:
                apply(rule, rates, run[at.FIRST] + place, gradient, parameters, state)
            else:
                gradients[run[at.FIRST] + place] = gradient


@cuda_device
def average_buffers(rates: Floats, buffers: Floats, averages: Floats) -> None:
    """Move the averages of the running statistics towards them."""
    for place in range(cuda.grid(1), averages.size, cuda.gridsize(1)):
        averages[place] += rates[AVERAGED] * (buffers[place] - averages[place])
