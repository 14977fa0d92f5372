"""Matrix products on register tiles, in which convolutions and dense layers spend most of their time.

Factors are read in place, through tables of offsets. The inner index runs over planes and, in each plane, over taps: element
(i, c, t) of the left factor is at ``rows[i] + c*plane + taps[t]``, vector j of the right factor at ``columns[j] + c*plane +
taps[t]``. This covers filters in their own layout, windows over an image (taps are shifts), and plain matrices.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline
from kernels.simd.tile import (
    COLUMNS,
    ROWS,
    inner,
    lane_steps,
    lanes,
    listed,
    load,
    load_first,
    outer,
    spread,
    steps,
    steps_to,
    store,
    store_each,
    store_first,
    transpose,
    zeros,
)
from kernels.simd.vector_math import even

Array = NDArray[Any]


class Left(NamedTuple):
    """The left factor: a flat array; element (i, c, t) is at rows[i] + c*plane + taps[t]. Tables are int64."""

    array: Array
    rows: Array
    plane: int
    taps: Array


class Right(NamedTuple):
    """The right factor: a flat array; vector j of (c, t) begins at columns[j] + c*plane + taps[t]."""

    array: Array
    columns: Array
    plane: int
    taps: Array


class Out(NamedTuple):
    """The product: a flat array; vector (i, j) begins at rows[i] + columns[j], and its first ``width`` lanes are written.

    Row i starts from bias[bias_start + i]; with ``accumulate`` (whole vectors only), from the values in the array.
    """

    array: Array
    rows: Array
    columns: Array
    width: int
    bias: Array
    bias_start: int
    accumulate: bool


@cpu_inline
def aligned(count: int, like: Array) -> Array:
    """Return an uninitialized flat array of the dtype of ``like``, aligned to the size of a register.

    A load that straddles two cache lines costs twice.
    """
    room = np.empty(count + lanes(like), like.dtype)
    skip = -(room.ctypes.data // like.itemsize) % lanes(like)
    return room[skip : skip + count]


LOW, NARROW = (ROWS + 1) // 2, 2
"""The tile for the remaining rows and columns. More shapes would compile longer for little gain."""


def _micro(m: int, n: int, step: Any) -> Any:
    """Make the product of m rows, from ``row`` on, and n vectors of columns, from ``column`` on.

    Past the end of a table its last entry is repeated: those results are computed and stored twice.
    """

    @cpu_core
    def micro(left: Left, row: int, right: Right, column: int, planes: int, out: Out) -> None:
        rows, columns = listed(m, left.rows, row), listed(n, right.columns, column)
        out_rows, out_columns = listed(m, out.rows, row), listed(n, out.columns, column)
        if out.accumulate:
            sums = load(out.array, out_rows, out_columns)
        else:
            last = out.bias_start + left.rows.size - 1
            sums = spread(out.bias, steps_to(m, out.bias_start + row, 1, last), columns)
        for c in range(planes):
            for t in range(left.taps.size):
                k, place = c * left.plane + left.taps[t], c * right.plane + right.taps[t]
                sums = step(sums, left.array, rows, k, right.array, columns, place)
        if out.width == lanes(out.array):
            store(sums, out.array, out_rows, out_columns)
        else:
            store_each(sums, out.array, out_rows, out_columns, out.width)

    return micro


def _multiplier(step: Any) -> Any:
    """Make a product of all rows and all columns, in tiles that ``step`` accumulates."""
    whole, low = _micro(ROWS, COLUMNS, step), _micro(LOW, COLUMNS, step)
    narrow, corner = _micro(ROWS, NARROW, step), _micro(LOW, NARROW, step)

    @cpu_core
    def multiplier(left: Left, right: Right, planes: int, out: Out) -> None:
        rows, vectors = left.rows.size, right.columns.size
        column = 0
        while column < vectors:
            wide = vectors - column > NARROW
            row = 0
            while row < rows:
                rest = rows - row
                tall = rest > LOW and not (
                    rest == 2 * LOW and rest > ROWS
                )  # six rows are computed as three and three, not five and one
                if wide and tall:
                    whole(left, row, right, column, planes, out)
                elif wide:
                    low(left, row, right, column, planes, out)
                elif tall:
                    narrow(left, row, right, column, planes, out)
                else:
                    corner(left, row, right, column, planes, out)
                row += ROWS if tall else LOW
            column += COLUMNS if wide else NARROW

    return multiplier


multiply = _multiplier(outer)
"""multiply(left, right, planes, out): out = start + sum over c < planes and taps t of left(i, c, t) * right(j, c, t).

The left factor is read as single elements, the right one as whole vectors of columns."""

multiply_lanes = _multiplier(inner)
"""multiply_lanes(left, right, planes, out): the same for two factors that are both read as vectors, lane by lane.

For sums that run along memory in both factors; ``tile.add_sums`` finally adds the lanes."""


@cpu_core
def clear(target: Array, start: int, count: int) -> None:
    """Set ``count`` elements to zero."""
    here = steps(1, 0, 0)
    for k in range(
        0, count, lanes(target)
    ):  # masked: LLVM turns whole vectors into a memset call, slow for few elements
        store_each(zeros(here, here, target), target, steps(1, start + k, 0), here, min(count - k, lanes(target)))


@cpu_core
def copy(source: Array, first: int, step: int, count: int, target: Array, start: int) -> None:
    """Copy ``count`` elements that are ``step`` apart to contiguous elements; the rest of the last vector is overwritten.

    Vectors are loaded directly for step 1, and made from two vectors for step 2.
    """
    here = steps(1, 0, 0)
    size = lanes(target)
    done = 0
    if step == 1:
        while done + size <= count:
            store(load(source, steps(1, first + done, 0), here), target, steps(1, start + done, 0), here)
            done += size
        if done < count:
            rest = load_first(source, steps(1, first + done, 0), here, count - done)
            store(rest, target, steps(1, start + done, 0), here)
        return
    if step == 2:
        pair = steps(2, 0, size)
        while done < count:
            both = load_first(source, steps(1, first + 2 * done, 0), pair, 2 * (count - done) - 1)
            store(even(both), target, steps(1, start + done, 0), here)
            done += size
        return
    for k in range(count):
        target[start + k] = source[first + k * step]


@cpu_core
def turn(source: Array, first: int, step: int, rows: int, cols: int, target: Array, start: int, width: int) -> None:
    """Transpose: write element (i, j), at first + i*step + j of ``source``, to start + j*width + i of ``target``.

    Squares are transposed one by one. Their elements beyond ``rows`` and ``cols`` are undefined.
    """
    here, size = steps(1, 0, 0), lanes(source)
    for j in range(0, cols, size):
        for i in range(0, rows, size):
            places = lane_steps(source, first + i * step + j, step, first + (rows - 1) * step + j)
            if j + size <= cols:
                square = load(source, places, here)
            else:
                square = load_first(source, places, here, cols - j)
            to = start + j * width + i
            store(transpose(square), target, lane_steps(target, to, width, to + (size - 1) * width), here)


@cpu_core
def turn_back(source: Array, width: int, rows: int, cols: int, target: Array, first: int, step: int) -> None:
    """Transpose: write element (j, i), at j*width + i of ``source``, to first + i*step + j, for i < rows and j < cols.

    Beyond ``rows`` the last row of the target is written again; the source must repeat it.
    """
    here, size = steps(1, 0, 0), lanes(source)
    for i in range(0, rows, size):
        for j in range(0, cols, size):
            places = lane_steps(source, j * width + i, width, (cols - 1) * width + i)
            to = lane_steps(target, first + i * step + j, step, first + (rows - 1) * step + j)
            store_first(transpose(load(source, places, here)), target, to, here, cols - j)
