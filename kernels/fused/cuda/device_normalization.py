"""Batch normalization of one sample by a block of threads: its part of the sums over the batch, and what all sums make.

A row of ``sums`` holds for every channel of a normalization the mean over the sample's pixels, the sum of the squared
distances from it, and two sums of the backward pass. Its factors, which the sample keeps, are for every channel -mean,
weight/deviation, bias, 1/deviation. Samples are combined in their order (T. Chan, G. Golub and R. LeVeque, Algorithms for
computing the sample variance, 1983, equation 2.1). The formulas are those of ``kernels.ops.batch_norm.reference``.
"""

import math
from typing import Any

from numba import cuda, int64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.fused.cuda import device_program as at
from kernels.fused.cuda.device_program import Sample
from kernels.fused.cuda.elementwise import size_of, source_of, target_of
from kernels.simt.warp_sum import sum_of_warp

Floats = NDArray[Any]
Step = NDArray[Any]

FACTORS, SUMS, BUFFERS = 4, 4, 2
"""The numbers that a channel has in the arena, in the sums of a sample, in the running statistics."""


@cuda_device
def statistics(step: Step, arena: Floats, sums: Floats) -> None:
    """Write every channel's mean over the pixels, and its sum of squared distances from it: a warp for a channel."""
    channels, area, lane = int64(step[at.CHANNELS]), int64(step[at.HEIGHT] * step[at.WIDTH]), cuda.threadIdx.x % 32
    for c in range(cuda.threadIdx.x // 32, channels, cuda.blockDim.x // 32):
        total = arena.dtype.type(0)
        for pixel in range(lane, area, 32):
            total += arena[source_of(step, c * area + pixel)]
        mean = sum_of_warp(total) / arena.dtype.type(area)
        squares = arena.dtype.type(0)
        for pixel in range(lane, area, 32):
            distance = arena[source_of(step, c * area + pixel)] - mean
            squares += distance * distance
        squares = sum_of_warp(squares)
        if lane == 0:
            sums[int64(step[at.SUMS]) + c] = mean
            sums[int64(step[at.SUMS]) + channels + c] = squares


@cuda_device
def _set_factors(step: Step, arena: Floats, parameters: Floats, c: int, mean: Any, var: Any, epsilon: Any) -> None:
    channels, kept = int64(step[at.CHANNELS]), int64(step[at.KEPT]) + c
    inverse = arena.dtype.type(1) / math.sqrt(var + epsilon)
    arena[kept] = -mean
    arena[kept + channels] = parameters[int64(step[at.WEIGHT]) + c] * inverse
    arena[kept + 2 * channels] = parameters[int64(step[at.BIAS]) + c]
    arena[kept + 3 * channels] = inverse


@cuda_device
def combine(
    step: Step,
    arena: Floats,
    parameters: Floats,
    sums: Floats,
    buffers: Floats,
    epsilon: Any,
    share: Any,
    sample: Sample,
) -> None:
    """Compute the factors from the sums of all samples; for the first one, update the running statistics.

    Parameters
    ----------
    sums : (samples, sums), those of all samples
    share : what a batch gets in the running statistics
    """
    channels, area = int64(step[at.CHANNELS]), int64(step[at.HEIGHT] * step[at.WIDTH])
    number = arena.dtype.type
    for c in range(cuda.threadIdx.x, channels, cuda.blockDim.x):
        mean, squares, place = number(0), number(0), int64(step[at.SUMS]) + c
        for n in range(sample.batch):
            mean += sums[n, place]
        mean /= number(sample.batch)
        for n in range(sample.batch):
            distance = sums[n, place] - mean
            squares += sums[n, place + channels] + number(area) * distance * distance
        values = sample.batch * area
        _set_factors(step, arena, parameters, c, mean, squares / number(values), epsilon)
        if sample.number == 0 and values > 1:
            running = int64(step[at.BUFFERS]) + c
            buffers[running] += share * (mean - buffers[running])
            buffers[running + channels] += share * (squares / number(values - 1) - buffers[running + channels])


@cuda_device
def from_running(step: Step, arena: Floats, parameters: Floats, buffers: Floats, epsilon: Any) -> None:
    """Compute the factors from the running statistics."""
    for c in range(cuda.threadIdx.x, int64(step[at.CHANNELS]), cuda.blockDim.x):
        running = int64(step[at.BUFFERS]) + c
        _set_factors(step, arena, parameters, c, buffers[running], buffers[running + int64(step[at.CHANNELS])], epsilon)


@cuda_device
def normalize(step: Step, arena: Floats) -> None:
    """Y = (x - mean) * weight/deviation + bias, and ReLU if it follows."""
    channels, area, zero = int64(step[at.CHANNELS]), int64(step[at.HEIGHT] * step[at.WIDTH]), arena.dtype.type(0)
    for item in range(cuda.threadIdx.x, size_of(step), cuda.blockDim.x):
        kept = int64(step[at.KEPT]) + item // area
        value = (arena[source_of(step, item)] + arena[kept]) * arena[kept + channels] + arena[kept + 2 * channels]
        if step[at.RELU_AFTER] != 0 and value <= zero:
            value = zero
        arena[target_of(step, item)] = value


@cuda_device
def gradient_sums(step: Step, arena: Floats, sums: Floats, partials: Floats) -> None:
    """Write the sums of dy and of dy * (x - mean) of every channel, and what the sample contributes to dw and db."""
    channels, area, lane = int64(step[at.CHANNELS]), int64(step[at.HEIGHT] * step[at.WIDTH]), cuda.threadIdx.x % 32
    for c in range(cuda.threadIdx.x // 32, channels, cuda.blockDim.x // 32):
        total, along = arena.dtype.type(0), arena.dtype.type(0)
        kept = int64(step[at.KEPT]) + c
        for pixel in range(lane, area, 32):
            gradient = arena[target_of(step, c * area + pixel) + step[at.TARGET_GRADIENT]]
            total += gradient
            along += gradient * (arena[source_of(step, c * area + pixel)] + arena[kept])
        total, along = sum_of_warp(total), sum_of_warp(along)
        if lane == 0:
            sums[int64(step[at.SUMS]) + 2 * channels + c], sums[int64(step[at.SUMS]) + 3 * channels + c] = total, along
            partials[int64(step[at.PARTIAL]) + c] = along * arena[kept + 3 * channels]
            partials[int64(step[at.PARTIAL]) + channels + c] = total


@cuda_device
def normalize_backward(step: Step, arena: Floats, sums: Floats, sample: Sample) -> None:
    """Dx = weight/deviation * (dy - mean of dy - (x - mean)/deviation**2 * mean of dy * (x - mean)).

    A warp for a channel adds the sums of all samples, in their order.
    """
    channels, area, lane = int64(step[at.CHANNELS]), int64(step[at.HEIGHT] * step[at.WIDTH]), cuda.threadIdx.x % 32
    number, zero = arena.dtype.type, arena.dtype.type(0)
    for c in range(cuda.threadIdx.x // 32, channels, cuda.blockDim.x // 32):
        total, along, place = number(0), number(0), int64(step[at.SUMS]) + 2 * channels + c
        for n in range(sample.batch):
            total += sums[n, place]
            along += sums[n, place + channels]
        kept, values = int64(step[at.KEPT]) + c, number(sample.batch * area)
        mean, scale, inverse = arena[kept], arena[kept + channels], arena[kept + 3 * channels]
        shared, slope = total / values, along / values * inverse * inverse
        for pixel in range(lane, area, 32):
            source = source_of(step, c * area + pixel)
            gradient = arena[target_of(step, c * area + pixel) + step[at.TARGET_GRADIENT]]
            value = (gradient - shared - (arena[source] + mean) * slope) * scale
            if step[at.MASKED] != 0 and arena[source] <= zero:
                value = zero
            arena[source + step[at.SOURCE_GRADIENT]] = value
