"""Matrix products on register tiles, by panels: as many columns of the right factor and the product as a tile has.

Both factors can be read in place; the left one with any steps, as its elements are loaded one by one. Panels that are read
often, or that end inside a vector, are packed: then no load straddles two cache lines, and rows a power of two apart do not
evict each other from the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core
from kernels.simd.product import copy
from kernels.simd.tile import COLUMNS, ROWS, lanes, load, load_first, outer, steps, steps_to, store, store_first, zeros

Array = NDArray[Any]


class Matrix(NamedTuple):
    """A view of a flat array: element (i, k) is at first + i*row + k*step."""

    array: Array
    first: int
    row: int
    step: int


@cpu_core
def divided(unit: int, parts: int) -> tuple[int, int]:
    """Return quotient and remainder, signed: a parallel loop's index is unsigned, so sums with it would become floats."""
    number: Any = np.int64(unit)
    return number // parts, number % parts


@cpu_core
def panel_width(count: int, like: Array) -> int:
    """Return the number of elements in a row of a packed panel of ``count`` columns: whole vectors."""
    return (count + lanes(like) - 1) // lanes(like) * lanes(like)


def _micro(m: int, n: int, packs: bool) -> Any:
    """Make the product of m rows with n vectors of columns; with ``packs`` it also copies the right factor.

    Past the last row, the tile computes that row again and stores the same values.
    """

    @cpu_core
    def micro(
        left: Matrix,
        row: int,
        last: int,
        right: Matrix,
        depth: int,
        out: Matrix,
        count: int,
        accumulate: bool,
        panel: Array,
    ) -> None:
        size = lanes(out.array)
        rows = steps_to(m, left.first + row * left.row, left.row, left.first + last * left.row)
        out_rows = steps_to(m, out.first + row * out.row, out.row, out.first + last * out.row)
        columns = steps(n, 0, size)
        whole = count == n * size
        if not accumulate:
            sums = zeros(rows, columns, out.array)
        elif whole:
            sums = load(out.array, out_rows, columns)
        else:
            sums = load_first(out.array, out_rows, columns, count)
        for k in range(depth):
            place = right.first + k * right.row
            sums = outer(sums, left.array, rows, k * left.step, right.array, columns, place)
            if packs:  # after the product: LLVM reuses its loads
                vectors = load(right.array, steps(1, place, 0), columns)
                store(vectors, panel, steps(1, k * n * size, 0), columns)
        if whole:
            store(sums, out.array, out_rows, columns)
        else:
            store_first(sums, out.array, out_rows, columns, count)

    return micro


def _band(n: int) -> Any:
    """Make the product of any number of rows with n vectors of columns."""
    tall, low = (_micro(m, n, False) for m in (ROWS, 2))

    @cpu_core
    def band(
        left: Matrix, row: int, rows: int, right: Matrix, depth: int, out: Matrix, count: int, accumulate: bool
    ) -> None:
        while row + 2 < rows:
            tall(left, row, rows - 1, right, depth, out, count, accumulate, out.array)
            row += ROWS
        if row < rows:
            low(left, row, rows - 1, right, depth, out, count, accumulate, out.array)

    return band


_one, _two, _three, _most = (_band(n) for n in (1, 2, 3, COLUMNS))
_packing = _micro(ROWS, COLUMNS, True)


@cpu_core
def multiply(
    left: Matrix,
    rows: int,
    right: Matrix,
    depth: int,
    out: Matrix,
    count: int,
    accumulate: bool,
    panel: Array,
) -> None:
    """Multiply ``rows`` rows of ``left`` with ``count`` columns of ``right``, at most a panel.

    Only these columns of the product are written, or with ``accumulate`` added to. The right factor is packed in
    ``panel``, which has room for ``depth`` rows, if that pays or if a row ends inside a vector; never if it is empty.
    """
    width = panel_width(count, out.array)
    vectors = width // lanes(out.array)
    row = 0
    if panel.size > 0 and count < width:
        pack(right, depth, count, panel, 0)
        right = Matrix(panel, 0, width, 1)
    elif panel.size > 0 and vectors == COLUMNS and rows >= LEAST_ROWS:
        _packing(left, 0, rows - 1, right, depth, out, count, accumulate, panel)
        right = Matrix(panel, 0, width, 1)
        row = ROWS
    if vectors == COLUMNS:
        _most(left, row, rows, right, depth, out, count, accumulate)
    elif vectors == 1:
        _one(left, row, rows, right, depth, out, count, accumulate)
    elif COLUMNS > 2 and vectors == 2:
        _two(left, row, rows, right, depth, out, count, accumulate)
    elif COLUMNS > 3:
        _three(left, row, rows, right, depth, out, count, accumulate)


LEAST_ROWS = 4 * ROWS
"""The smallest number of rows for which a panel is packed."""


@cpu_core
def pack(source: Matrix, depth: int, count: int, panel: Array, start: int) -> None:
    """Copy ``depth`` rows of ``count`` elements to a panel; the rest of each row is filled with zeros."""
    size = lanes(panel)
    width = panel_width(count, panel)
    done = 0
    if count == COLUMNS * size:
        columns = steps(COLUMNS, 0, size)
        while done + 4 <= depth:  # four rows at a time hide the latency of loads
            rows = load(source.array, steps(4, source.first + done * source.row, source.row), columns)
            store(rows, panel, steps(4, start + done * width, width), columns)
            done += 4
    for k in range(done, depth):
        copy(source.array, source.first + k * source.row, 1, count, panel, start + k * width)
