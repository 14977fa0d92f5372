"""Batch normalization of a block of samples: its part of the sums over the batch, and what the sums of all blocks make.

Lanes are samples. A row of ``Block.sums`` holds for every channel of a normalization the mean over the block's samples, then
the sum of the squared distances from it, then two sums of the backward pass; its ``factors`` in the arena are for every
channel -mean, weight/deviation, bias, 1/deviation. Blocks are combined in their order (T. Chan, G. Golub and R. LeVeque,
Algorithms for computing the sample variance, 1983, equation 2.1), so that the result does not depend on who computed what.

The formulas are those of ``kernels.ops.batch_norm.reference``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.fused.lanes import CHANNELS, LANES, ZERO, channel_steps, listed
from kernels.simd.tile import Tile, add, load, positive, scale, spread, steps, store, zeros
from kernels.simd.vector_math import keep_first, multiply

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

FACTORS, SUMS, BUFFERS = 4, 4, 2
"""The numbers that a channel has in the arena, in the sums of a block, in the running statistics."""


@cpu_inline
def factors_of(step: Any, arena: Floats, channel: int) -> tuple[Tile, Tile, Tile]:
    """Return -mean, weight/deviation and bias of the channels of a tile, each in all lanes."""
    return (
        spread(arena, channel_steps(channel, step.factors, 1, step.channels), ZERO),
        spread(arena, channel_steps(channel, step.factors + step.channels, 1, step.channels), ZERO),
        spread(arena, channel_steps(channel, step.factors + 2 * step.channels, 1, step.channels), ZERO),
    )


@cpu_inline
def _lane_sum(arena: Floats, start: int, samples: int) -> float:
    total = 0.0
    for lane in range(samples):
        total += arena[start + lane]
    return total


@cpu_inline
def statistics(step: Any, arena: Floats, tables: Table, block: Any) -> None:
    """Write every channel's mean over the samples of the block, and its sum of squared distances from the mean.

    The table ``records`` lists the ``count`` pixels of the first channel.
    """
    sums, end = block.sums[block.number], step.records + step.count
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        own = min(CHANNELS, step.channels - channel)
        total = zeros(sources, ZERO, arena)
        for record in range(step.records, end):
            total = add(total, load(arena, sources, listed(1, tables, record)))
        store(total, arena, steps(CHANNELS, step.scratch, LANES), ZERO)
        for number in range(own):
            values = _lane_sum(arena, step.scratch + number * LANES, block.samples)
            sums[step.sums + channel + number] = values / (block.samples * step.count)
        means = spread(sums, channel_steps(channel, step.sums, 1, step.channels), ZERO)
        squares = zeros(sources, ZERO, arena)
        for record in range(step.records, end):
            distance = add(load(arena, sources, listed(1, tables, record)), scale(means, -1.0))
            squares = add(squares, multiply(distance, distance))
        store(squares, arena, steps(CHANNELS, step.scratch, LANES), ZERO)
        for number in range(own):
            values = _lane_sum(arena, step.scratch + number * LANES, block.samples)
            sums[step.sums + step.channels + channel + number] = values


@cpu_inline
def combine(step: Any, arena: Floats, parameters: Floats, block: Any) -> None:
    """Compute the factors from the statistics of all blocks; for the first block, update the running statistics."""
    channels, blocks = step.channels, -(-block.batch // LANES)
    for channel in range(channels):
        at, mean, squares = step.sums + channel, 0.0, 0.0
        for number in range(blocks):
            mean += block.sums[number, at] * min(LANES, block.batch - number * LANES)
        mean /= block.batch
        for number in range(blocks):
            distance = block.sums[number, at] - mean
            values = min(LANES, block.batch - number * LANES) * step.pixels
            squares += block.sums[number, at + channels] + values * distance * distance
        values = block.batch * step.pixels
        _set_factors(step, arena, parameters, channel, mean, squares / values)
        if block.number == 0 and block.momentum > 0 and values > 1:
            running, share = block.buffers[step.buffers :], np.float32(block.momentum)
            running[channel] += share * (np.float32(mean) - running[channel])
            running[channels + channel] += share * (np.float32(squares / (values - 1)) - running[channels + channel])


@cpu_inline
def from_running(step: Any, arena: Floats, parameters: Floats, block: Any) -> None:
    """Compute the factors from the running statistics."""
    for channel in range(step.channels):
        mean, var = block.buffers[step.buffers + channel], block.buffers[step.buffers + step.channels + channel]
        _set_factors(step, arena, parameters, channel, mean, var)


@cpu_inline
def _set_factors(step: Any, arena: Floats, parameters: Floats, channel: int, mean: float, var: float) -> None:
    at, inverse = step.factors + channel, 1.0 / math.sqrt(var + step.epsilon)
    arena[at] = -mean
    arena[at + step.channels] = parameters[step.weight + channel] * inverse
    arena[at + 2 * step.channels] = parameters[step.bias + channel]
    arena[at + 3 * step.channels] = inverse


@cpu_inline
def normalize(step: Any, arena: Floats, tables: Table) -> None:
    """Y = (x - mean) * weight/deviation + bias, followed by ReLU if ``relu`` is set.

    The tables ``records`` and ``columns`` list the ``count`` pixels of the first channel, in x and in y.
    """
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, 0, step.target_channel, step.channels)
        mean, scales, biases = factors_of(step, arena, channel)
        for number in range(step.count):
            value = load(arena, sources, listed(1, tables, step.records + number))
            value = add(multiply(add(value, mean), scales), biases)
            if step.relu:
                value = positive(value)
            store(value, arena, targets, listed(1, tables, step.columns + number))


@cpu_inline
def gradient_sums(step: Any, arena: Floats, tables: Table, gradients: Floats, block: Any) -> None:
    """Write the sums of dy and of dy * (x - mean) of every channel, and add them to the gradients of bias and weight."""
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, step.target_gradient, step.target_channel, step.channels)
        mean, _, _ = factors_of(step, arena, channel)
        total, product = zeros(sources, ZERO, arena), zeros(sources, ZERO, arena)
        for number in range(step.count):
            gradient = load(arena, targets, listed(1, tables, step.columns + number))
            value = load(arena, sources, listed(1, tables, step.records + number))
            total = add(total, gradient)
            product = add(product, multiply(gradient, add(value, mean)))
        store_sums(step, arena, gradients, block, channel, total, product)


@cpu_inline
def store_sums(
    step: Any, arena: Floats, gradients: Floats, block: Any, channel: int, total: Tile, product: Tile
) -> None:
    """Write the sums of the channels of a tile, and add them to the gradients; for ``gradient_sums``."""
    sums = block.sums[block.number]
    store(total, arena, steps(CHANNELS, step.scratch, LANES), ZERO)
    store(product, arena, steps(CHANNELS, step.scratch + CHANNELS * LANES, LANES), ZERO)
    for number in range(min(CHANNELS, step.channels - channel)):
        each, at = channel + number, step.scratch + number * LANES
        of_dy = _lane_sum(arena, at, block.samples)
        along = _lane_sum(arena, at + CHANNELS * LANES, block.samples)
        sums[step.sums + 2 * step.channels + each], sums[step.sums + 3 * step.channels + each] = of_dy, along
        gradients[step.bias + each] += of_dy
        gradients[step.weight + each] += along * arena[step.factors + 3 * step.channels + each]


@cpu_inline
def gradient_factors(step: Any, arena: Floats, block: Any) -> None:
    """Compute from the sums of all blocks what ``normalize_backward`` adds to dy, then its factor of x - mean.

    They go to ``scratch``, one for each channel.
    """
    channels, blocks, values = step.channels, -(-block.batch // LANES), block.batch * step.pixels
    for channel in range(channels):
        of_dy, along = 0.0, 0.0
        for number in range(blocks):
            of_dy += block.sums[number, step.sums + 2 * channels + channel]
            along += block.sums[number, step.sums + 3 * channels + channel]
        inverse = arena[step.factors + 3 * channels + channel]
        arena[step.scratch + channel] = -of_dy / values
        arena[step.scratch + channels + channel] = -along / values * inverse * inverse


@cpu_inline
def normalize_backward(step: Any, arena: Floats, tables: Table, block: Any) -> None:
    """Dx = weight/deviation * (dy - mean of dy - (x - mean)/deviation**2 * mean of dy * (x - mean)); 0 in absent lanes."""
    gradient_factors(step, arena, block)
    channels = step.channels
    for channel in range(0, channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, channels)
        targets = channel_steps(channel, step.target_gradient, step.target_channel, channels)
        mean, scales, _ = factors_of(step, arena, channel)
        shared = spread(arena, channel_steps(channel, step.scratch, 1, channels), ZERO)
        slope = spread(arena, channel_steps(channel, step.scratch + channels, 1, channels), ZERO)
        for number in range(step.count):
            at = listed(1, tables, step.records + number)
            gradient = add(load(arena, targets, listed(1, tables, step.columns + number)), shared)
            distance = add(load(arena, sources, at), mean)
            change = multiply(add(gradient, multiply(distance, slope)), scales)
            there = steps(1, tables[step.records + number] + step.source_gradient, 0)
            store(keep_first(change, block.samples, 0.0), arena, sources, there)
