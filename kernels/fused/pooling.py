"""Pooling and ReLU of a block of samples, and their gradients. Lanes are samples.

A record is a window: its first pixel of the first channel, the pixel it becomes, and the rows and columns it has there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.fused.lanes import LANES, ZERO, larger, listed, where_equal, where_positive
from kernels.jit import cpu_inline
from kernels.tile import add, load, positive, scale, steps, store, zeros

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

RECORD = 4

MOST = 4
"""Vectors that ReLU takes at once."""


@cpu_inline
def max_pool(step: Any, arena: Floats, tables: Table) -> None:
    """Write the largest element of every window, a NaN being the largest."""
    for channel in range(step.channels):
        source, target = channel * step.source_channel, channel * step.target_channel
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            first = source + tables[record]
            best = load(arena, steps(1, first, 0), ZERO)
            for i in range(tables[record + 2]):
                for j in range(tables[record + 3]):
                    at = first + i * step.source_row + j * step.source_column
                    best = larger(best, load(arena, steps(1, at, 0), ZERO))
            store(best, arena, steps(1, target + tables[record + 1], 0), ZERO)


@cpu_inline
def max_pool_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Hand a window's gradient to its largest element, the first of several in row-major order.

    ``gradient`` fields tell how far the gradients lie behind the values. With ``relu`` the elements have been through
    ReLU and the gradient is that in front of it.
    """
    for channel in range(step.channels):
        source, target = channel * step.source_channel, channel * step.target_channel
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            first = source + tables[record]
            out = target + tables[record + 1]
            best = load(arena, steps(1, out, 0), ZERO)
            left = load(arena, steps(1, out + step.target_gradient, 0), ZERO)
            if step.relu:
                left = where_positive(best, left)
            none = zeros(ZERO, ZERO, arena)
            for i in range(tables[record + 2]):
                for j in range(tables[record + 3]):
                    at = first + i * step.source_row + j * step.source_column
                    own = where_equal(load(arena, steps(1, at, 0), ZERO), best, left)
                    left = where_equal(own, none, left)
                    there = steps(1, at + step.source_gradient, 0)
                    if step.overlapping:
                        own = add(own, load(arena, there, ZERO))
                    store(own, arena, there, ZERO)


@cpu_inline
def sum_pool(step: Any, arena: Floats, tables: Table) -> None:
    """Write the sum of every window, divided by ``divisor``."""
    for channel in range(step.channels):
        source, target = channel * step.source_channel, channel * step.target_channel
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            first = source + tables[record]
            total = zeros(ZERO, ZERO, arena)
            for i in range(tables[record + 2]):
                for j in range(tables[record + 3]):
                    at = first + i * step.source_row + j * step.source_column
                    total = add(total, load(arena, steps(1, at, 0), ZERO))
            store(scale(total, 1 / step.divisor), arena, steps(1, target + tables[record + 1], 0), ZERO)


@cpu_inline
def sum_pool_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Hand a window's gradient, divided by ``divisor``, to all its elements."""
    for channel in range(step.channels):
        source = channel * step.source_channel + step.source_gradient
        target = channel * step.target_channel + step.target_gradient
        for record in range(step.records, step.records + step.count * RECORD, RECORD):
            own = scale(load(arena, steps(1, target + tables[record + 1], 0), ZERO), 1 / step.divisor)
            first = source + tables[record]
            for i in range(tables[record + 2]):
                for j in range(tables[record + 3]):
                    there = steps(1, first + i * step.source_row + j * step.source_column, 0)
                    if step.overlapping:
                        store(add(own, load(arena, there, ZERO)), arena, there, ZERO)
                    else:
                        store(own, arena, there, ZERO)


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
