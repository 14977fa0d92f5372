"""The sum of a parameter's gradient over the samples of a batch, in their order, and the optimizer's formulas.

The formulas are those of ``kernels.fused.optimizer``; what depends on the step alone is computed by the host, a row of
``rates`` for each step.
"""

import math
from typing import Any, NamedTuple

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.fused.cuda.device_convolution import divided
from kernels.fused.optimizer import ADAM, AVERAGE, FIRST, SECOND, SGD
from kernels.simt.tile import part, put, spread

Floats = NDArray[Any]

RATE, SHRINK, MEAN_SCALE, SQUARE_SCALE, AVERAGED = range(5)
"""Columns of ``rates``: the learning rate; the factor of decoupled decay; of adam's change; of the root of adam's squares;
the share of the averages that the values of a step get."""

RATES = 5

EACH = 8
"""Samples whose values are read together, so that their latencies overlap."""


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
    """Return the gradient of a parameter of a run, by its number in the run.

    Parameters
    ----------
    arenas, partials : flat, those of all samples, as many elements for each
    batch : the number of samples
    """
    size, n = uint64(len(arenas)) // batch, uint64(0)
    total = arenas.dtype.type(0)
    if run[at.KIND] == uint64(at.PRODUCTS):
        m, k = divided(place, run[at.COLUMNS])
        m += run[at.AT]
        k += run[at.VALUES]
        while n + uint64(EACH - 1) < batch:  # all reads are under way before the first product
            left, right = spread(EACH, total), spread(EACH, total)
            for each in range(EACH):
                left, right = put(left, each, arenas[m]), put(right, each, arenas[k])
                m += size
                k += size
            for each in range(EACH):
                total += part(left, each, 1)[0] * part(right, each, 1)[0]
            n += uint64(EACH)
        while n < batch:
            total += arenas[m] * arenas[k]
            m += size
            k += size
            n += uint64(1)
        return total
    if run[at.KIND] == uint64(at.GRADIENTS):
        return _sum(arenas, run[at.AT] + place, size, batch)
    return _sum(partials, run[at.AT] + place, uint64(len(partials)) // batch, batch)


@cuda_device
def _sum(values: Floats, place: int, distance: int, count: int) -> Any:
    """Return the sum of values that are so far apart."""
    total, n = values.dtype.type(0), uint64(0)
    while n + uint64(EACH - 1) < count:
        held = spread(EACH, total)
        for each in range(EACH):
            held = put(held, each, values[place])
            place += distance
        for each in range(EACH):
            total += part(held, each, 1)[0]
        n += uint64(EACH)
    while n < count:
        total += values[place]
        place += distance
        n += uint64(1)
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
    p = uint64(cuda.grid(1))
    while p < uint64(len(parameters)):
        number = 0
        while p >= runs[number, at.FIRST] + runs[number, at.COUNT]:
            number += 1
        run = runs[number]
        gradient = gradient_of(run, p - run[at.FIRST], arenas, partials, uint64(batch))
        if rule.kind == SGD or rule.kind == ADAM:
            apply(rule, rates, p, gradient, parameters, state)
        else:
            gradients[p] = gradient
        p += uint64(cuda.gridsize(1))


@cuda_device
def average_buffers(rates: Floats, buffers: Floats, averages: Floats) -> None:
    """Move the averages of the running statistics towards them."""
    for place in range(cuda.grid(1), averages.size, cuda.gridsize(1)):
        averages[place] += rates[AVERAGED] * (buffers[place] - averages[place])
