"""Dropout of a block of samples. Lanes are samples.

What is kept is what ``kernels.dropout`` keeps; see ``kernels.ops.dropout.reference``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline
from kernels.compile.philox import DROPOUT, WORD, derived_key, philox
from kernels.fused.lanes import LANES, ZERO, listed, where_positive
from kernels.simd.tile import load, scale, steps, store

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

WIDTH, RUN = 16, 64
"""Neighbours that have the same word of neighbouring counters, and the elements that all four words of these make."""


@cpu_core
def _draw(counter: int, first: int, low: int, high: int, least: int, kept: Floats) -> None:
    """Write 1 for what is kept of four elements, WIDTH apart, of all samples of the block; 0 for what is dropped."""
    for lane in range(LANES):
        n = first + lane
        one, two, three, four = philox(counter & WORD, counter >> 32, n & WORD, n >> 32, low, high)
        kept[lane] = np.float32(one >= least)
        kept[WIDTH * LANES + lane] = np.float32(two >= least)
        kept[2 * WIDTH * LANES + lane] = np.float32(three >= least)
        kept[3 * WIDTH * LANES + lane] = np.float32(four >= least)


@cpu_inline
def dropout(step: Any, arena: Floats, tables: Table, block: Any) -> None:
    """Y = x * factor where the element is kept, else 0.

    The tables ``records`` and ``columns`` list the ``count`` elements in x and in y; ``scratch`` keeps what is kept, for the
    backward pass.
    """
    low, high = derived_key(block.low, block.high, block.taken, int(step.layer), DROPOUT)
    for counter in range(-(-step.count // RUN) * WIDTH):
        start = step.scratch + (counter // WIDTH * RUN + counter % WIDTH) * LANES
        _draw(counter, block.number * LANES, low, high, step.least, arena[start : start + (3 * WIDTH + 1) * LANES])
    for number in range(step.count):
        kept = load(arena, steps(1, step.scratch + number * LANES, 0), ZERO)
        value = scale(load(arena, listed(1, tables, step.records + number), ZERO), step.factor)
        store(where_positive(kept, value), arena, listed(1, tables, step.columns + number), ZERO)


@cpu_inline
def dropout_backward(step: Any, arena: Floats, tables: Table) -> None:
    """Dx = dy * factor where the element was kept, else 0."""
    for number in range(step.count):
        kept = load(arena, steps(1, step.scratch + number * LANES, 0), ZERO)
        gradient = load(arena, steps(1, tables[step.columns + number] + step.target_gradient, 0), ZERO)
        there = steps(1, tables[step.records + number] + step.source_gradient, 0)
        store(where_positive(kept, scale(gradient, step.factor)), arena, there, ZERO)
