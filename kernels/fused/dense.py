"""Dense layers for a block of samples, and their gradients.

Lanes are samples, except where lanes of inputs fill tiles better.

A table gives the offsets of the inputs in the arena; the outputs are contiguous.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.fused.lanes import LANES, ZERO, add_lanes, listed
from kernels.simd.registers import register_count
from kernels.simd.tile import (
    COLUMNS,
    ROWS,
    load,
    load_first,
    outer,
    positive,
    spread,
    steps,
    steps_to,
    store,
    store_first,
    transpose,
    zeros,
)

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

OUTPUTS = 12 if register_count() == 32 else 6
"""Outputs computed together, each with its own accumulator."""

SAMPLES = min(8, LANES) if register_count() == 32 else 4
VECTORS = 3
"""The tile of ``dense_inputs``: samples, no more than there are, by vectors of inputs."""


@cpu_inline
def dense(step: Any, weights: Floats, arena: Floats, tables: Table) -> None:
    """y[row] = bias[row] + sum of weight[row,channel] * x[channel], followed by ReLU if ``relu`` is set.

    Four channels per iteration: their weights are adjacent, so that a row's address serves four multiply-adds.
    """
    last, whole = step.rows - 1, step.channels // 4 * 4
    for row in range(0, step.rows, OUTPUTS):
        factors = steps_to(
            OUTPUTS, step.weight + row * step.channels, step.channels, step.weight + last * step.channels
        )
        totals = spread(weights, steps_to(OUTPUTS, step.bias + row, 1, step.bias + last), ZERO)
        for channel in range(0, whole, 4):
            totals = outer(totals, weights, factors, channel, arena, ZERO, tables[step.records + channel])
            totals = outer(totals, weights, factors, channel + 1, arena, ZERO, tables[step.records + channel + 1])
            totals = outer(totals, weights, factors, channel + 2, arena, ZERO, tables[step.records + channel + 2])
            totals = outer(totals, weights, factors, channel + 3, arena, ZERO, tables[step.records + channel + 3])
        for channel in range(whole, step.channels):
            totals = outer(totals, weights, factors, channel, arena, ZERO, tables[step.records + channel])
        if step.relu:
            totals = positive(totals)
        target = steps_to(OUTPUTS, step.target + row * LANES, LANES, step.target + last * LANES)
        store(totals, arena, target, ZERO)


@cpu_inline
def dense_inputs(step: Any, weights: Floats, arena: Floats, tables: Table) -> None:
    """dx[channel] = sum of weight[row,channel] * dy[row]: lanes are channels, transposed to lanes of samples at the end."""
    if step.channels < LANES:
        _few_inputs(step, weights, arena, tables)
        return
    last = step.channels - LANES
    pitch = VECTORS * LANES
    for channel in range(0, step.channels, pitch):
        columns = steps_to(VECTORS, step.weight + channel, LANES, step.weight + last)
        for sample in range(0, LANES, SAMPLES):
            factors = steps(SAMPLES, step.target + sample, 1)
            totals = zeros(factors, columns, arena)
            for row in range(step.rows):
                totals = outer(totals, arena, factors, row * LANES, weights, columns, row * step.channels)
            store(totals, arena, steps(SAMPLES, step.scratch + sample * pitch, pitch), steps(VECTORS, 0, LANES))
        for vector in range(VECTORS):
            turned = transpose(load(arena, steps(LANES, step.scratch + vector * LANES, pitch), ZERO))
            first = min(channel + vector * LANES, last)
            store(turned, arena, listed(LANES, tables, step.records + first), ZERO)


@cpu_inline
def _few_inputs(step: Any, weights: Floats, arena: Floats, tables: Table) -> None:
    """Compute the same if the channels do not fill a vector."""
    for channel in range(step.channels):
        total = zeros(ZERO, ZERO, arena)
        for row in range(step.rows):
            at = steps(1, step.weight + row * step.channels + channel, 0)
            total = outer(total, weights, at, 0, arena, ZERO, step.target + row * LANES)
        store(total, arena, steps(1, tables[step.records + channel], 0), ZERO)


@cpu_inline
def dense_weights(step: Any, arena: Floats, tables: Table, gradients: Floats) -> None:
    """gradient[row,channel] += sum over lanes of dy[row] * x[channel]: lanes are channels, for which x is transposed."""
    pitch = -(-step.channels // LANES) * LANES
    for channel in range(0, step.channels, LANES):
        rows = listed(LANES, tables, step.records + channel)
        turned = transpose(load(arena, rows, ZERO))
        store(turned, arena, steps(LANES, step.scratch + channel, pitch), ZERO)
    last = step.rows - 1
    for row in range(0, step.rows, ROWS):
        factors = steps_to(ROWS, step.target + row * LANES, LANES, step.target + last * LANES)
        target = steps_to(ROWS, step.weight + row * step.channels, step.channels, step.weight + last * step.channels)
        channel = 0
        while channel + COLUMNS * LANES <= step.channels:
            at = steps(COLUMNS, channel, LANES)
            totals = load(gradients, target, at)
            for sample in range(LANES):
                totals = outer(totals, arena, factors, sample, arena, at, step.scratch + sample * pitch)
            store(totals, gradients, target, at)
            channel += COLUMNS * LANES
        while channel < step.channels:
            at = steps(1, channel, LANES)
            totals = load_first(gradients, target, at, step.channels - channel)
            for sample in range(LANES):
                totals = outer(totals, arena, factors, sample, arena, at, step.scratch + sample * pitch)
            store_first(totals, gradients, target, at, step.channels - channel)
            channel += LANES
    add_lanes(arena, step.target, gradients, step.bias, step.rows)
