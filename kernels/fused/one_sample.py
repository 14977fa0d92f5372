"""Inference of one sample at a time: lanes are neighbouring pixels of a row, or inputs of a dense layer.

The program is of the same kind as for blocks, but an element of the arena is one number. Convolutions use the same
function, with records of whole registers of neighbours; they need a stride of 1 across.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline, cpu_part, cpu_serial
from kernels.fused.convolution import correlate
from kernels.fused.lanes import LANES, ZERO
from kernels.fused.normalization import from_running
from kernels.fused.program import CORRELATE, DENSE, GATHER, MAX_POOL, NORMALIZE, RELU, RUNNING, SUM_POOL, Block
from kernels.fused.samples import softmax
from kernels.simd.pixels import load_pixels
from kernels.simd.tile import add, add_sums, inner, load, scale, steps, steps_to, store, store_first, zeros
from kernels.simd.vector_math import even, larger, odd

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

ROW, COLUMN = 3, 2
"""Lengths of a pool's records: per output row, where it reads and writes, its rows; per column, first and number."""

OUTPUTS = 8
"""Outputs of a dense layer computed together."""


@cpu_inline
def _dense(step: Any, weights: Floats, arena: Floats) -> None:
    """Compute bias + weights x, with ReLU if ``relu`` is set. Where the last vector overlaps the previous one, x is zero."""
    channels, last = step.channels, step.rows - 1
    whole = channels // LANES * LANES
    if channels > whole and whole > 0:
        for lane in range(LANES):
            fresh = channels - LANES + lane >= whole
            arena[step.scratch + lane] = arena[step.source + channels - LANES + lane] if fresh else np.float32(0)
    for row in range(0, step.rows, OUTPUTS):
        factors = steps_to(OUTPUTS, step.weight + row * channels, channels, step.weight + last * channels)
        totals = zeros(factors, ZERO, arena)
        for channel in range(0, whole, LANES):
            totals = inner(totals, weights, factors, channel, arena, ZERO, step.source + channel)
        if channels > whole and whole > 0:
            totals = inner(totals, weights, factors, channels - LANES, arena, ZERO, step.scratch)
        sums_at = step.scratch + LANES
        for number in range(OUTPUTS):
            arena[sums_at + number] = weights[step.bias + min(row + number, last)]
        add_sums(totals, arena, steps(OUTPUTS, sums_at, 1), ZERO)
        for number in range(min(OUTPUTS, step.rows - row)):
            total = arena[sums_at + number]
            if whole == 0:
                for channel in range(channels):
                    total += weights[step.weight + (row + number) * channels + channel] * arena[step.source + channel]
            arena[step.target + row + number] = np.float32(0) if step.relu and total <= 0 else total


@cpu_inline
def _pool(step: Any, arena: Floats, tables: Integers) -> None:
    """Combine the rows of a window first, whole registers at a time, then the columns."""
    for channel in range(step.channels):
        source, target = channel * step.source_channel, channel * step.target_channel
        for record in range(step.records, step.records + step.count * ROW, ROW):
            first, rows = source + tables[record], tables[record + 2]
            if step.source_column == 2:
                _pool_pairs(step, arena, first, rows, target + tables[record + 1])
            else:
                _pool_columns(step, arena, tables, first, rows, target + tables[record + 1])


@cpu_inline
def _pool_pairs(step: Any, arena: Floats, first: int, rows: int, target: int) -> None:
    """Compute a row of outputs whose windows have a width and a stride of two columns."""
    maximum = step.op == MAX_POOL
    for number in range(0, step.rows, LANES):
        pair = steps(2, 0, LANES)
        joined = load(arena, steps(1, first + 2 * number, 0), pair)
        for i in range(1, rows):
            other = load(arena, steps(1, first + 2 * number + i * step.source_row, 0), pair)
            joined = larger(joined, other) if maximum else add(joined, other)
        out = larger(even(joined), odd(joined)) if maximum else scale(add(even(joined), odd(joined)), 1 / step.divisor)
        store_first(out, arena, steps(1, target + number, 0), ZERO, step.rows - number)


@cpu_inline
def _pool_columns(step: Any, arena: Floats, tables: Integers, first: int, rows: int, target: int) -> None:
    """Compute a row of outputs for any window size and stride."""
    maximum = step.op == MAX_POOL
    for vector in range(0, step.width, LANES):
        joined = load(arena, steps(1, first + vector, 0), ZERO)
        for i in range(1, rows):
            other = load(arena, steps(1, first + vector + i * step.source_row, 0), ZERO)
            joined = larger(joined, other) if maximum else add(joined, other)
        store(joined, arena, steps(1, step.scratch + vector, 0), ZERO)
    row = arena[step.scratch : step.scratch + step.width]
    for number in range(step.rows):
        column = step.columns + number * COLUMN
        start, end = tables[column], tables[column] + tables[column + 1]
        value = row[start]
        for j in range(start + 1, end):
            if maximum:
                value = value if value >= row[j] or np.isnan(value) else row[j]
            else:
                value += row[j]
        arena[target + number] = value if maximum else value * np.float32(1 / step.divisor)


@cpu_inline
def _load_image(
    step: Any, arena: Floats, tables: Integers, images: NDArray[np.uint8], scaled: bool, sample: int
) -> None:
    """Load an image, row by row, scaled to 0..1; the last register of a row overlaps the previous one."""
    width, first = step.width, sample * step.channels
    floats = images[: images.size if scaled else 0].view(np.float32)
    for row in range(step.count):
        target = tables[step.records + row]
        if width < LANES:
            for column in range(width):
                pixel = first + column
                value = floats[pixel] if scaled else np.float32(images[pixel]) / np.float32(255)
                arena[target + column] = value
        else:
            for vector in range(0, width, LANES):
                column = min(vector, width - LANES)
                at, to = steps(1, first + column, 0), steps(1, target + column, 0)
                if scaled:
                    store(load(floats, at, ZERO), arena, to, ZERO)
                else:
                    store(load_pixels(images, at, ZERO), arena, to, ZERO)
        first += width


@cpu_inline
def _normalize(step: Any, arena: Floats, tables: Integers) -> None:
    """Normalize all pixels in place, with ReLU if ``relu`` is set."""
    places = tables[step.records : step.records + step.count]
    for channel in range(step.channels):
        start, at = channel * step.source_channel, step.factors + channel
        mean, scaled, bias = arena[at], arena[at + step.channels], arena[at + 2 * step.channels]
        for place in places:
            value = (arena[start + place] + mean) * scaled + bias
            arena[start + place] = np.float32(0) if step.relu and value <= 0 else value


@cpu_part
def _run(program: Any, tables: Integers, arena: Floats, parameters: Floats, block: Block) -> None:
    for number in range(program.size):
        step = program[number]
        if step.op == CORRELATE:
            correlate(step, parameters, arena, tables)
        elif step.op == DENSE:
            _dense(step, parameters, arena)
        elif step.op == RELU:
            for place in tables[step.records : step.records + step.count]:
                arena[place] = np.float32(0) if arena[place] <= 0 else arena[place]
        elif step.op == GATHER:
            places = tables[step.records : step.records + step.count]
            target = arena[step.target : step.target + step.count]
            for index in range(target.size):
                target[index] = arena[places[index]]
        elif step.op == MAX_POOL or step.op == SUM_POOL:
            _pool(step, arena, tables)
        elif step.op == RUNNING:
            from_running(step, arena, parameters, block)
        elif step.op == NORMALIZE:
            _normalize(step, arena, tables)


@cpu_serial
def infer_each(
    ends: Any,
    program: Any,
    tables: Integers,
    arena: Floats,
    parameters: Floats,
    images: NDArray[np.uint8],
    scaled: bool,
    buffers: Floats,
    scores: Floats,
    as_probabilities: bool,
) -> None:
    """Write the scores, or probabilities, of images, one at a time; the parameters are those of ``step.infer``."""
    classes = ends[1].channels
    outputs = tables[ends[1].records : ends[1].records + classes]
    block = Block(0, 1, 1, scores[:0].reshape(0, 0), buffers, 0.0, 0, 0, 0)
    for sample in range(scores.size // classes):
        _load_image(ends[0], arena, tables, images, scaled, sample)
        _run(program, tables, arena, parameters, block)
        for index in range(outputs.size):
            scores[sample * classes + index] = arena[outputs[index]]
    if as_probabilities:
        softmax(scores, classes)
