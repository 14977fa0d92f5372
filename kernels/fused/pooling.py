"""Pooling and ReLU of a block of samples, and their gradients. Lanes are samples.

A record is a window: its first pixel in the first channel, its output pixel, and its numbers of rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.fused.lanes import CHANNELS, LANES, ZERO, channel_steps, listed, where_equal, where_positive
from kernels.fused.normalization import factors_of, gradient_factors, store_sums
from kernels.simd.tile import add, load, positive, scale, spread, steps, store, zeros
from kernels.simd.vector_math import keep_first, larger, multiply

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

RECORD = 4


def _max_pool(*, normalized: bool) -> Callable[..., None]:
    @cpu_inline
    def pool(step: Any, arena: Floats, tables: Table) -> None:
        """Write the largest element of every window, where NaN counts as the largest."""
        for channel in range(0, step.channels, CHANNELS):
            sources = channel_steps(channel, 0, step.source_channel, step.channels)
            targets = channel_steps(channel, 0, step.target_channel, step.channels)
            if normalized:
                mean, scales, biases = factors_of(step, arena, channel)
            for record in range(step.records, step.records + step.count * RECORD, RECORD):
                best = load(arena, sources, listed(1, tables, record))
                if normalized:
                    best = add(multiply(add(best, mean), scales), biases)
                for i in range(tables[record + 2]):
                    at = tables[record] + i * step.source_row
                    for _j in range(tables[record + 3]):
                        value = load(arena, sources, steps(1, at, 0))
                        if normalized:
                            value = add(multiply(add(value, mean), scales), biases)
                        best = larger(best, value)
                        at += step.source_column
                if normalized and step.relu:
                    best = positive(best)
                store(best, arena, targets, listed(1, tables, record + 1))

    return pool


max_pool = _max_pool(normalized=False)
normalized_max_pool = _max_pool(normalized=True)
"""The same of elements that are normalized, and go through ReLU if ``relu`` is set, while they are read."""


@cpu_inline
def max_pool_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Pass a window's gradient to its largest element, the first in row-major order on a tie.

    With ``relu`` the elements are outputs of ReLU, and the gradient is that of ReLU's input.
    """
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, 0, step.target_channel, step.channels)
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            best = load(arena, targets, listed(1, tables, record + 1))
            left = load(arena, targets, steps(1, tables[record + 1] + step.target_gradient, 0))
            if step.relu:
                left = where_positive(best, left)
            none = zeros(sources, ZERO, arena)
            for i in range(tables[record + 2]):
                at = tables[record] + i * step.source_row
                for _j in range(tables[record + 3]):
                    own = where_equal(load(arena, sources, steps(1, at, 0)), best, left)
                    left = where_equal(own, none, left)
                    there = steps(1, at + step.source_gradient, 0)
                    if step.overlapping:
                        own = add(own, load(arena, sources, there))
                    store(own, arena, sources, there)
                    at += step.source_column


@cpu_inline
def normalized_gradient_sums(step: Any, arena: Floats, tables: Table, gradients: Floats, block: Any) -> None:
    """Compute ``normalization.gradient_sums`` of ``normalized_max_pool``; the gradients of its elements are not stored."""
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, 0, step.target_channel, step.channels)
        mean, scales, biases = factors_of(step, arena, channel)
        none = zeros(sources, ZERO, arena)
        total, product = none, none
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            best = load(arena, targets, listed(1, tables, record + 1))
            left = load(arena, targets, steps(1, tables[record + 1] + step.target_gradient, 0))
            if step.relu:
                left = where_positive(best, left)
            total = add(total, left)
            for i in range(tables[record + 2]):
                at = tables[record] + i * step.source_row
                for _j in range(tables[record + 3]):
                    distance = add(load(arena, sources, steps(1, at, 0)), mean)
                    own = where_equal(add(multiply(distance, scales), biases), best, left)
                    left = where_equal(own, none, left)
                    product = add(product, multiply(own, distance))
                    at += step.source_column
        store_sums(step, arena, gradients, block, channel, total, product)


@cpu_inline
def normalized_max_pool_backward(step: Any, arena: Floats, tables: Table, block: Any) -> None:
    """Replace the elements that ``normalized_max_pool`` read by their gradients, as ``normalization.backward`` says.

    The windows must have every pixel once.
    """
    gradient_factors(step, arena, block)
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, 0, step.target_channel, step.channels)
        mean, scales, biases = factors_of(step, arena, channel)
        shared = spread(arena, channel_steps(channel, step.scratch, 1, step.channels), ZERO)
        slope = spread(arena, channel_steps(channel, step.scratch + step.channels, 1, step.channels), ZERO)
        none = zeros(sources, ZERO, arena)
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            best = load(arena, targets, listed(1, tables, record + 1))
            left = load(arena, targets, steps(1, tables[record + 1] + step.target_gradient, 0))
            if step.relu:
                left = where_positive(best, left)
            for i in range(tables[record + 2]):
                at = tables[record] + i * step.source_row
                for _j in range(tables[record + 3]):
                    distance = add(load(arena, sources, steps(1, at, 0)), mean)
                    own = where_equal(add(multiply(distance, scales), biases), best, left)
                    left = where_equal(own, none, left)
                    change = multiply(add(add(own, shared), multiply(distance, slope)), scales)
                    store(keep_first(change, block.samples, 0.0), arena, sources, steps(1, at, 0))
                    at += step.source_column


@cpu_inline
def sum_pool(step: Any, arena: Floats, tables: Table) -> None:
    """Write the sum of every window, divided by ``divisor``."""
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, 0, step.target_channel, step.channels)
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            total = zeros(sources, ZERO, arena)
            for i in range(tables[record + 2]):
                at = tables[record] + i * step.source_row
                for _j in range(tables[record + 3]):
                    total = add(total, load(arena, sources, steps(1, at, 0)))
                    at += step.source_column
            store(scale(total, 1 / step.divisor), arena, targets, listed(1, tables, record + 1))


@cpu_inline
def sum_pool_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Pass a window's gradient, divided by ``divisor``, to all its elements."""
    for channel in range(0, step.channels, CHANNELS):
        sources = channel_steps(channel, 0, step.source_channel, step.channels)
        targets = channel_steps(channel, 0, step.target_channel, step.channels)
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            there = steps(1, tables[record + 1] + step.target_gradient, 0)
            share = scale(load(arena, targets, there), 1 / step.divisor)
            for i in range(tables[record + 2]):
                at = tables[record] + i * step.source_row + step.source_gradient
                for _j in range(tables[record + 3]):
                    there = steps(1, at, 0)
                    if step.overlapping:
                        store(add(share, load(arena, sources, there)), arena, sources, there)
                    else:
                        store(share, arena, sources, there)
                    at += step.source_column


@cpu_inline
def relu(step: Any, arena: Floats, tables: Table) -> None:
    """Replace negative values by zero; NaN stays NaN."""
    for record in range(step.records, step.records + step.count):
        at = listed(1, tables, record)
        store(positive(load(arena, at, ZERO)), arena, at, ZERO)


@cpu_inline
def relu_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Set the gradient to zero where ReLU's output is zero."""
    for record in range(step.records, step.records + step.count):
        at = listed(1, tables, record)
        there = steps(1, tables[record] + step.source_gradient, 0)
        store(where_positive(load(arena, at, ZERO), load(arena, there, ZERO)), arena, there, ZERO)


@cpu_inline
def clear(step: Any, arena: Floats) -> None:
    """Fill ``count`` vectors with zeros."""
    for number in range(step.count):
        store(zeros(ZERO, ZERO, arena), arena, steps(1, step.source + number * LANES, 0), ZERO)
