"""Convolution of a block of samples, its gradients by inputs and by weights: products of tiles, driven by tables.

Lanes are samples. Nothing here knows of strides, padding or dilation: a record names positions to write and, for the first
channel and tap, the positions to read for them; a list of taps follows for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_inline
from kernels.fused.lanes import LANES, ZERO, add_lanes, listed
from kernels.simd.registers import register_count
from kernels.simd.tile import COLUMNS, ROWS, add, inner, load, outer, positive, spread, steps, steps_to, store, zeros

Floats = NDArray[np.float32]
Table = NDArray[np.int64]

RECORD = 2 * COLUMNS + 2
"""Of ``correlate``: COLUMNS positions to read, as many to write, where the taps start, how many there are.

A tap is a pair: how far from the position it reads, and how far from the first weight its weight is.
"""

WEIGHT_ROWS, WEIGHT_COLUMNS = ((4, 3), 5) if register_count() == 32 else ((3, 2), 3)
"""The tiles of ``correlate_weights``: whichever height divides the rows; 25 taps of a filter are five times five."""


def _product(rows: int, *, biased: bool) -> Callable[..., Any]:
    """Make the function that computes ``rows`` channels at the positions of one record."""

    @cpu_inline
    def product(
        step: Any, weights: Floats, arena: Floats, tables: Table, record: int, group: int, row: int, channels: int
    ) -> None:
        first = step.weight + group * step.weight_group + row * step.weight_row
        factors = steps(rows, first, step.weight_row)
        places = listed(COLUMNS, tables, record)
        if biased:
            start = steps(rows, step.bias + group * step.rows + row, 1)
            sums = spread(weights, start, places)
        else:
            sums = zeros(factors, places, arena)
        taps = tables[record + 2 * COLUMNS]
        end = taps + 2 * tables[record + 2 * COLUMNS + 1]
        weight, source = 0, group * step.source_group
        for _channel in range(channels):
            for tap in range(taps, end, 2):
                sums = outer(sums, weights, factors, weight + tables[tap + 1], arena, places, source + tables[tap])
            weight += step.weight_channel
            source += step.source_channel
        if biased and step.relu:
            sums = positive(sums)
        target = steps(rows, group * step.target_group + row * step.target_channel, step.target_channel)
        store(sums, arena, target, listed(COLUMNS, tables, record + COLUMNS))

    return product


def _correlation(*, biased: bool) -> Callable[..., Any]:
    most, four, two, one = (_product(rows, biased=biased) for rows in (ROWS, 4, 2, 1))

    @cpu_inline
    def correlation(step: Any, weights: Floats, arena: Floats, tables: Table) -> None:
        """Go over the records; for each over the channels to write, so that what is read for them stays in L1.

        A single channel keeps but half of the multipliers busy: 6 are 4 and 2, not 5 and 1.
        """
        for group in range(step.groups):
            for record in range(step.records, step.records + step.count * RECORD, RECORD):
                row = 0
                while row < step.rows:
                    left = step.rows - row
                    if left >= ROWS and (ROWS == 4 or left not in (6, 8)):
                        most(step, weights, arena, tables, record, group, row, step.channels)
                        row += ROWS
                    elif left >= 4:
                        four(step, weights, arena, tables, record, group, row, step.channels)
                        row += 4
                    elif left >= 2:
                        two(step, weights, arena, tables, record, group, row, step.channels)
                        row += 2
                    else:
                        one(step, weights, arena, tables, record, group, row, step.channels)
                        row += 1

    return correlation


correlate = _correlation(biased=True)
"""y[row,position] = bias[row] + sum of weight[row,channel,tap] * x[channel,position + tap], and ReLU if asked for."""

correlate_inputs = _correlation(biased=False)
"""The same without bias: a convolution's gradient by its inputs, rows and channels having changed places."""


def _weight_sums(rows: int) -> Callable[..., Any]:
    """Make the function for the weights of ``rows`` channels, lane by lane; the last tile goes beyond the last tap."""

    @cpu_inline
    def weight_sums(step: Any, arena: Floats, tables: Table, group: int, row: int) -> None:
        first = group * step.target_group + row * step.target_channel
        last = group * step.target_group + (step.rows - 1) * step.target_channel
        factors = steps_to(rows, first, step.target_channel, last)
        source = group * step.source_group
        end = step.records + 2 * step.count
        for column in range(0, step.channels, WEIGHT_COLUMNS):
            places = listed(WEIGHT_COLUMNS, tables, step.columns + column)
            totals = zeros(factors, places, arena)
            for record in range(step.records, end, 2):
                totals = inner(totals, arena, factors, tables[record + 1], arena, places, source + tables[record])
            at = steps(rows, step.scratch + (row * step.weight_row + column) * LANES, step.weight_row * LANES)
            store(totals, arena, at, steps(WEIGHT_COLUMNS, 0, LANES))
        total = zeros(factors, ZERO, arena)
        for record in range(step.records, end, 2):
            total = add(total, load(arena, factors, steps(1, tables[record + 1], 0)))
        at = steps(rows, step.scratch + (row * step.weight_row + step.weight_row - 1) * LANES, step.weight_row * LANES)
        store(total, arena, at, ZERO)

    return weight_sums


_most, _fewer = WEIGHT_ROWS
_most_sums, _fewer_sums = _weight_sums(_most), _weight_sums(_fewer)


@cpu_inline
def correlate_weights(step: Any, arena: Floats, tables: Table, gradients: Floats) -> None:
    """gradient[row,term] += sum over positions and lanes of dy[row,position] * x[position + term], and of dy for the biases.

    The records are pairs of positions, in x and in dy; the columns tell for each term (channel and tap) how far from
    there x is read. ``weight_row`` is that of the scratch, the last of a row being the bias.
    """
    for group in range(step.groups):
        row = 0
        while row < step.rows:
            if step.rows % _most == 0 or step.rows % _fewer > 0:
                _most_sums(step, arena, tables, group, row)
                row += _most
            else:
                _fewer_sums(step, arena, tables, group, row)
                row += _fewer
        for row in range(step.rows):
            sums_at = step.scratch + row * step.weight_row * LANES
            number = group * step.rows + row
            add_lanes(arena, sums_at, gradients, step.weight + number * step.channels, step.channels)
            bias_at = sums_at + (step.weight_row - 1) * LANES
            add_lanes(arena, bias_at, gradients, step.bias + number, 1)
