"""conv2d and its gradient for x with output columns in the SIMD lanes: filters times the shifted windows of a band.

``kernels.ops.conv2d.cpu.geometry`` says what a band is. A tile of output channels by vectors of neighbouring outputs goes
through the taps of the filters once and is written where it belongs; a last vector in a row overlaps the one before it, so
that none is written in part, unless the row is shorter than a vector.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_inline, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.ops.conv2d.cpu.filling import fill
from kernels.ops.conv2d.cpu.geometry import FIELDS, Plan, backward_plan, forward_plan
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu, conv2d_cpu
from kernels.ops.conv2d.cpu.pointwise import as_rows, is_pointwise, put_back, seen
from kernels.simd.product import Left, Out, Right, aligned, multiply
from kernels.simd.tile import lanes, load, steps, store_each, store_even

Array = NDArray[Any]

(
    ROW,
    COL,
    ROWS,
    COLS,
    BAND_ROWS,
    BAND_COLS,
    ROW_BANDS,
    COL_BANDS,
    TOP,
    LEFT,
    PHASE_ROWS,
    PITCH,
    PLANE,
    PLANES,
    FIRST_TAP,
    END_TAP,
    FIRST_PHASE,
    END_PHASE,
    FLAT,
    BLOCKS,
    BLOCK_ROWS,
    UNITS,
) = range(len(FIELDS))


CHUNK = 64
"""Planes at a time where filters lie plane by plane, as for the gradient of x. Each plane's part of a filter is on a page of
its own when the filters are large; so many pages' addresses the first-level translation cache holds."""


@cpu_core
def _list_columns(
    lines: int, length: int, pitch: int, out_pitch: int, size: int, overlap: bool, right: Array, out: Array
) -> None:
    """List where the vectors of ``lines`` rows of ``length`` outputs begin, in the band and in the output.

    With ``overlap`` the last one of a row lies over the one before, so that none is written in part, unless the row is
    shorter than a vector; else it runs on behind the row.
    """
    vectors = (length + size - 1) // size
    for i in range(lines):
        for j in range(vectors):
            across = max(min(j * size, length - size), 0) if overlap else j * size
            right[i * vectors + j] = i * pitch + across
            out[i * vectors + j] = i * out_pitch + across


@cpu_core
def _scatter(
    sums: Array,
    rows: int,
    step: int,
    pitch: int,
    high: int,
    wide: int,
    spread: Pair,
    out: Array,
    place: int,
    plane: int,
    out_w: int,
) -> None:
    """Put a band's sums, rows of outputs ``pitch`` apart, where they belong in the output, ``spread`` apart."""
    here, size = steps(1, 0, 0), lanes(out)
    for r in range(rows):
        for i in range(high):
            target, source = place + r * plane + i * spread[0] * out_w, r * step + i * pitch
            if spread[1] > 2:
                for j in range(wide):
                    out[target + j * spread[1]] = sums[source + j]
                continue
            for j in range(0, wide, size):
                vector, count = load(sums, steps(1, source + j, 0), here), min(wide - j, size)
                if spread[1] == 2:
                    store_even(vector, out, steps(1, target + 2 * j, 0), here, count)
                else:
                    store_each(vector, out, steps(1, target + j, 0), here, count)


@cpu_inline
def _compute(
    source: Array,
    shape: tuple[int, int, int, int],
    left: Array,
    left_group: int,
    left_row: int,
    left_plane: int,
    bias: Array,
    stride: Pair,
    own: Array,
    left_taps: Array,
    right_taps: Array,
    phases: Array,
    number: int,
    groups: int,
    spread: Pair,
    out: Array,
    out_shape: tuple[int, int, int, int],
) -> None:
    """Compute unit ``number`` of the lattice ``own``; the parameters are those of ``_correlate``."""
    planes = shape[1] // groups
    rows = out_shape[1] // groups
    out_w, out_plane = out_shape[3], out_shape[2] * out_shape[3]
    size = lanes(out)
    block = number % own[BLOCKS]
    number //= own[BLOCKS]
    col = number % own[COL_BANDS] * own[BAND_COLS]
    number //= own[COL_BANDS]
    row = number % own[ROW_BANDS] * own[BAND_ROWS]
    number //= own[ROW_BANDS]
    group, sample = number % groups, number // groups
    high, wide = min(own[BAND_ROWS], own[ROWS] - row), min(own[BAND_COLS], own[COLS] - col)
    first_row = block * own[BLOCK_ROWS]
    block_rows = min(own[BLOCK_ROWS], rows - first_row)

    band = aligned(planes * own[PLANE] + 2 * size, out)  # vectors at its end may run on behind it
    fill(
        source,
        (sample * groups + group) * planes * shape[2] * shape[3],
        planes,
        shape[2],
        shape[3],
        row * stride[0] + own[TOP],
        col * stride[1] + own[LEFT],
        stride,
        phases,
        own,
        band,
        0,
    )
    # filters whose rows lie closer than their planes are read some planes at a time, so that rows find each other's lines
    # and pages in the cache
    together = own[PLANES]
    chunk = planes // together if left_row > left_plane else max(CHUNK // together, 1)
    apart = own[FLAT] == 1 or spread[0] > 1 or spread[1] > 1 or chunk < planes // together
    lines = 1 if own[FLAT] == 1 else high
    length = (high - 1) * own[PITCH] + wide if own[FLAT] == 1 else wide
    vectors = (length + size - 1) // size
    right_columns, out_columns = np.empty(lines * vectors, np.int64), np.empty(lines * vectors, np.int64)
    out_pitch = vectors * size if apart else out_w
    _list_columns(lines, length, own[PITCH], out_pitch, size, not apart, right_columns, out_columns)
    step = lines * out_pitch if apart else out_plane
    sums = aligned(block_rows * step + size if apart else 0, out)  # a vector may begin at the last one
    place = ((sample * groups + group) * rows + first_row) * out_plane
    place += (own[ROW] + row * spread[0]) * out_w + own[COL] + col * spread[1]
    left_rows, out_rows = np.empty(block_rows, np.int64), np.empty(block_rows, np.int64)
    for r in range(block_rows):
        left_rows[r] = group * left_group + (first_row + r) * left_row
        out_rows[r] = r * step if apart else place + r * step
    taps = slice(own[FIRST_TAP], own[END_TAP])
    done = 0
    while True:
        count = min(chunk, planes // together - done)
        multiply(
            Left(left, left_rows, together * left_plane, left_taps[taps]),
            Right(band, right_columns, together * own[PLANE], right_taps[taps]),
            count,
            Out(
                sums if apart else out,
                out_rows,
                out_columns,
                size if apart else min(size, length),
                bias,
                group * rows + first_row,
                done > 0,
            ),
        )
        done += count
        if done >= planes // together:
            break
        left_rows += count * together * left_plane
        right_columns += count * together * own[PLANE]
    if apart:
        pitch = own[PITCH] if own[FLAT] == 1 else out_pitch
        _scatter(sums, block_rows, step, pitch, high, wide, spread, out, place, out_plane, out_w)


@cpu_core
def _find(lattices: Array, unit: int) -> tuple[int, int]:
    """Return the lattice of a unit of work, and the unit's number in it."""
    number, which = int(np.int64(unit)), 0  # a parallel loop counts without sign, which would make sums with it floats
    while number >= lattices[which, UNITS]:
        number -= lattices[which, UNITS]
        which += 1
    return which, number


@cpu_kernel
def _correlate(
    source: Array,
    shape: tuple[int, int, int, int],
    left: Array,
    left_group: int,
    left_row: int,
    left_plane: int,
    bias: Array,
    stride: Pair,
    lattices: Array,
    left_taps: Array,
    right_taps: Array,
    phases: Array,
    units: int,
    groups: int,
    spread: Pair,
    out: Array,
    out_shape: tuple[int, int, int, int],
) -> None:
    """A unit is a band of one sample and group, by all its output channels or a block of them.

    Parameters
    ----------
    source : flat images of ``shape`` (N, groups*planes, height, width)
    left : flat filters; the tap at ``place`` of row r, plane c, group g is at
        g*left_group + r*left_row + c*left_plane + place
    bias : (groups*rows,)
    stride : of the windows over the source
    lattices, left_taps, right_taps, phases, units : a Plan
    spread : rows and columns between the outputs of a lattice
    out : flat, of ``out_shape`` (N, groups*rows, height, width)
    """
    for unit in prange(units):
        which, number = _find(lattices, unit)
        _compute(
            source,
            shape,
            left,
            left_group,
            left_row,
            left_plane,
            bias,
            stride,
            lattices[which],
            left_taps,
            right_taps,
            phases,
            number,
            groups,
            spread,
            out,
            out_shape,
        )


def conv2d_bands_cpu(
    x: Array, w: Array, b: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, y: Array
) -> None:
    """Windows over bands of x. Where weights are not finite ``conv2d_cpu`` may compute anew."""
    source, out = x, y
    if is_pointwise(w, padding):
        source, out, stride = as_rows(seen(x, stride, y.shape[2:])), as_rows(y), (1, 1)
    plan = forward_plan(source.shape, w.shape, out.shape, stride, padding, dilation, groups, y.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    _run(plan, source, w, (w.shape[0] // groups * depth, depth, size), b, stride, groups, (1, 1), out)
    if padding != ((0, 0), (0, 0)) and may_have_multiplied_padding(w, y):
        conv2d_cpu(x, w, b, stride, padding, dilation, groups, y)


def conv2d_dx_bands_cpu(
    dy: Array, x: Array, w: Array, stride: Pair, padding: Padding, dilation: Pair, groups: int, dx: Array
) -> None:
    """Windows over bands of dy, lattice by lattice of dx; see ``conv2d_bands_cpu`` for weights that are not finite."""
    source, out, gap = dy, dx, stride
    pointwise = is_pointwise(w, padding)
    if pointwise:
        found = dx if stride == (1, 1) else np.empty((*dx.shape[:2], *dy.shape[2:]), dx.dtype)
        source, out, gap = as_rows(dy), as_rows(found), (1, 1)
    plan = backward_plan(out.shape, w.shape, gap, padding, dilation, groups, dx.itemsize)
    size = w.shape[2] * w.shape[3]
    depth = w.shape[1] * size
    zeros = np.zeros(dx.shape[1], dx.dtype)
    _run(plan, source, w, (w.shape[0] // groups * depth, size, depth), zeros, (1, 1), groups, gap, out)
    if pointwise:
        if stride != (1, 1):
            put_back(found, stride, dx)
        return
    if may_have_multiplied_padding(w, dx):
        room = np.empty_like(w), np.empty(w.shape[0], w.dtype)
        conv2d_backward_cpu(dy, x, w, stride, padding, dilation, groups, dx, *room)


def may_have_multiplied_padding(w: Array, out: Array) -> bool:
    """Return whether a weight that is not finite may have met padding, a zero here, and made a NaN of what it adds nothing to.

    Where all results are finite, or all weights, none has. The smaller of the two is looked at first.
    """
    smaller, larger = (out, w) if out.size < w.size else (w, out)
    return not np.isfinite(smaller).all() and not np.isfinite(larger).all()


def _run(
    plan: Plan,
    source: Array,
    left: Array,
    left_steps: tuple[int, int, int],
    bias: Array,
    stride: Pair,
    groups: int,
    spread: Pair,
    out: Array,
) -> None:
    _correlate(
        source.reshape(-1),
        source.shape,
        left.reshape(-1),
        *left_steps,
        bias,
        stride,
        plan.lattices,
        plan.left_taps,
        plan.right_taps,
        plan.phases,
        plan.units,
        groups,
        spread,
        out.reshape(-1),
        out.shape,
    )
