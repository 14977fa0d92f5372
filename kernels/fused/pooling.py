"""Pooling and ReLU of a block of samples, and their gradients. Lanes are samples.

A record is a window: its first pixel of the first channel, the pixel it becomes, and the rows and columns it has there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.fused.lanes import LANES, ZERO, listed, where_equal, where_positive
from kernels.simd.tile import Offsets, add, load, positive, scale, steps, steps_to, store, zeros
from kernels.simd.vector_math import larger

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

RECORD = 4

CHANNELS = 4
"""Channels that a tile takes; what stands beyond the last is the last once more."""


@cpu_inline
def max_pool(step: Any, arena: Floats, tables: Table) -> None:
    """Write the largest element of every window, a NaN being the largest."""
    for channel in range(0, step.channels, CHANNELS):
        sources = _channels(channel, step.source_channel, step.channels)
        targets = _channels(channel, step.target_channel, step.channels)
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            best = load(arena, sources, listed(1, tables, record))
            for i in range(tables[record + 2]):
                at = tables[record] + i * step.source_row
                for _j in range(tables[record + 3]):
                    best = larger(best, load(arena, sources, steps(1, at, 0)))
                    at += step.source_column
            store(best, arena, targets, listed(1, tables, record + 1))


@cpu_inline
def max_pool_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Hand a window's gradient to its largest element, the first of several in row-major order.

    With ``relu`` the elements have been through ReLU and the gradient is that in front of it.
    """
    for channel in range(0, step.channels, CHANNELS):
        sources = _channels(channel, step.source_channel, step.channels)
        targets = _channels(channel, step.target_channel, step.channels)
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
def sum_pool(step: Any, arena: Floats, tables: Table) -> None:
    """Write the sum of every window, divided by ``divisor``."""
    for channel in range(0, step.channels, CHANNELS):
        sources = _channels(channel, step.source_channel, step.channels)
        targets = _channels(channel, step.target_channel, step.channels)
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
    """Hand a window's gradient, divided by ``divisor``, to all its elements."""
    for channel in range(0, step.channels, CHANNELS):
        sources = _channels(channel, step.source_channel, step.channels)
        targets = _channels(channel, step.target_channel, step.channels)
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
def _channels(first: int, distance: int, channels: int) -> Offsets:
    return steps_to(CHANNELS, first * distance, distance, (channels - 1) * distance)


@cpu_inline
def relu(step: Any, arena: Floats, tables: Table) -> None:
    """Replace what is not above zero by zero, a NaN staying NaN."""
    for record in range(step.records, step.records + step.count):
        at = listed(1, tables, record)
        store(positive(load(arena, at, ZERO)), arena, at, ZERO)


@cpu_inline
def relu_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Replace the gradient of what ReLU has made zero by zero."""
    for record in range(step.records, step.records + step.count):
        at = listed(1, tables, record)
        there = steps(1, tables[record] + step.source_gradient, 0)
        store(where_positive(load(arena, at, ZERO), load(arena, there, ZERO)), arena, there, ZERO)


@cpu_inline
def clear(step: Any, arena: Floats) -> None:
    """Fill ``count`` vectors with zeros."""
    for number in range(step.count):
        store(zeros(ZERO, ZERO, arena), arena, steps(1, step.source + number * LANES, 0), ZERO)
